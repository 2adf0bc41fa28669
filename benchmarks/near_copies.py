"""How well likeness tells exposures of one part from pictures of different parts, where the sources are known.

    python benchmarks/near_copies.py BENCH     # the folder of the benchmark, with bench_native.py

Prints, for each task of the suite `native` and each seed, the sources of the labelled defects, the groups that
`near_copies` finds among them, how many pairs of one source and of different ones it joins, and the sums by data set.
"""

import hashlib
import sys
from pathlib import Path

import numpy as np
import torch

from blemish.modalities.features.near_copies import near_copies
from blemish.modalities.pictures import fit_pixels


def main(bench: Path, seeds: tuple[int, ...] = (0, 1, 2)) -> None:
    """Print the table."""
    sys.path.insert(0, str(bench))
    import bench_native  # pyright: ignore[reportMissingImports]

    sums: dict[str, np.ndarray] = {}
    for name, task in bench_native.TASKS.items():
        pool = task.load.args[0]()
        source = {_key(one.pixels): of for one, of in zip(pool.X, pool.source, strict=True)}
        for seed in seeds:
            split = task.load(seed)
            of = np.array([source[_key(x)] for x in split.X_train])
            known = np.array([word == "defect" for word in split.y_train])
            pixels = fit_pixels(split.X_train, None)
            x = torch.from_numpy(np.stack([pixels.encode(one) for one in split.X_train]))
            found = near_copies(x, known)
            groups = np.arange(int(known.sum())) if found is None else found[known]
            pairs = np.triu_indices(len(groups), 1)
            same, joined = ((one[:, None] == one)[pairs] for one in (of[known], groups))
            counts = np.array([(same & joined).sum(), same.sum(), (~same & joined).sum(), (~same).sum()])
            print(f"{name} {seed} {of[known].tolist()} {groups.tolist()}: {_text(counts)}", flush=True)
            data_set = name.split("/")[1]
            sums[data_set] = sums.get(data_set, 0) + counts
    for data_set, counts in sums.items():
        print(f"{data_set}: {_text(counts)}")


def _text(counts: np.ndarray) -> str:
    return "of one source {} of {} pairs, of different ones {} of {}".format(*counts)


def _key(picture: np.ndarray) -> tuple[tuple[int, ...], str]:
    return picture.shape, hashlib.sha256(np.ascontiguousarray(picture).tobytes()).hexdigest()


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
