"""How well likeness tells exposures of one part from pictures of different parts, where the sources are known.

    python benchmarks/near_copies.py BENCH     # the folder of the benchmark, with bench_native.py

Prints, for each task of the suite `native`, the fraction of pairs of pictures of one source and of different sources whose
correlation is above `SAME`, and the groups that `near_copies` finds among the labelled defects beside their sources.
"""

import hashlib
import sys
from pathlib import Path

import numpy as np
import torch

from blemish.modalities.features import near_copies as module
from blemish.modalities.pictures import fit_pixels


def main(bench: Path, seeds: tuple[int, ...] = (0, 1)) -> None:
    """Print a table."""
    sys.path.insert(0, str(bench))
    import bench_native  # pyright: ignore[reportMissingImports]

    print("task seed | same source, other source above SAME | labelled: sources, groups found")
    for name, task in bench_native.TASKS.items():
        pool = task.load.args[0]()
        source = {_key(one.pixels): of for one, of in zip(pool.X, pool.source, strict=True)}
        for seed in seeds:
            split = task.load(seed)
            of = np.array([source[_key(x)] for x in split.X_train])
            known = np.array([word == "defect" for word in split.y_train])
            pixels = fit_pixels(split.X_train, None)
            x = torch.from_numpy(np.stack([pixels.encode(one) for one in split.X_train]))
            flat = module._compared(x)
            above, same = flat @ flat.T > module.SAME, of[:, None] == of
            pairs = ~np.eye(len(of), dtype=bool)
            fractions = [above[pairs & one].mean() if (pairs & one).any() else np.nan for one in (same, ~same)]
            found = module.near_copies(x, known)
            groups = "none" if found is None else found[known].tolist()
            print(f"{name} {seed} | {fractions[0]:.3f} {fractions[1]:.4f} | {of[known].tolist()} {groups}", flush=True)


def _key(picture: np.ndarray) -> tuple[tuple[int, ...], str]:
    return picture.shape, hashlib.sha256(np.ascontiguousarray(picture).tobytes()).hexdigest()


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
