"""Several kinds of defect at once, against one detector per kind: quality, time, and which kind is named.

    python benchmarks/kinds.py BENCH [--sets nsl_kdd/3 cwru/2] [--seeds 0 1]

BENCH is a folder with `protocol.py`, the loaders of the targeted tasks. Each set has 8 labelled defects of each kind;
all else is unlabelled, the labels of the other kinds included where one kind has a detector of its own. AP is of one
kind against everything else. The right kind is counted among the defects found, those above the default cut of the
detector of all kinds, and among all defects.
"""

import argparse
import math
import sys
import time
import warnings
from functools import partial
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score

from blemish import DefectDetector

N_LABELLED = 8


def sets(protocol: Any) -> dict[str, tuple[Any, list[str], list[str]]]:
    """Pool, words of the normals, and kinds, by name."""
    kinds = {
        "nsl_kdd": (protocol.nsl_kdd, ["normal"], ["satan", "ipsweep", "portsweep"]),
        "cwru": (protocol.cwru, ["Normal_1"], ["Ball_014_1", "IR_007_1", "OR_021_6_1"]),
        "reuters": (protocol.reuters, ["earn", "acq"], ["crude", "interest", "trade"]),
        "neu_det": (protocol.neu_det, ["rolled-in_scale"], ["scratches", "inclusion", "patches"]),
        "fashion_mnist": (partial(protocol.fashion_mnist, "train"), ["7", "9"], ["5", "8", "6"]),
    }
    return {f"{name}/{n}": (pool, normal, words[:n]) for name, (pool, normal, words) in kinds.items() for n in (2, 3)}


def split(protocol: Any, pool: Any, normal: list[str], kinds: list[str], seed: int) -> tuple[Any, Any, Any, Any]:
    """`protocol.targeted_split` for several kinds: training rows, their labels, test rows, the kind of each."""
    data, rng = pool(), np.random.default_rng(seed)
    kind = data.kind
    trainable = protocol.halves(kind, np.arange(len(kind)) if data.source is None else data.source, rng)
    others = rng.permutation(sorted(set(kind) - {*normal, *kinds}))
    unseen = np.isin(kind, others[: len(others) // 2] if len(others) >= 4 else others[:0])
    other = ~np.isin(kind, [*normal, *kinds])
    normals = rng.permutation(np.flatnonzero(np.isin(kind, normal) & trainable))[: protocol.MAX_NORMALS]
    n_other, n_hidden = (math.ceil(share * len(normals)) for share in (protocol.OTHER_SHARE, protocol.HIDDEN_SHARE))
    seen = protocol.spread(np.flatnonzero(other & ~unseen & trainable), kind, n_other, rng)
    each = [rng.permutation(np.flatnonzero((kind == one) & trainable))[: N_LABELLED + n_hidden] for one in kinds]
    train = rng.permutation(np.concatenate([normals, seen, *each]))
    y = np.where(np.isin(train, np.concatenate([rows[:N_LABELLED] for rows in each])), kind[train], None)
    rest = [rng.permutation(np.flatnonzero(np.isin(kind, normal) & ~trainable))[: protocol.MAX_NORMALS]]
    rest += [protocol.spread(np.flatnonzero(other & ~trainable), kind, protocol.MAX_OTHERS, rng)]
    rest += [rng.permutation(np.flatnonzero((kind == one) & ~trainable))[: protocol.MAX_DEFECTS] for one in kinds]
    test = rng.permutation(np.concatenate(rest))
    return protocol.take(data.X, train), y, protocol.take(data.X, test), kind[test]


def measured(X: Any, y: Any, test: Any, kinds: list[str], seed: int) -> tuple[DefectDetector, np.ndarray, float]:
    """The detector, the score of each kind, shape (row, kind), and the processor's seconds of fit and scores."""
    start = time.process_time()
    det = DefectDetector(random_state=seed, defects=tuple(kinds)).fit(X, y)
    label = np.asarray(det.predict(test))
    seconds = time.process_time() - start
    scores = np.stack([np.asarray(det.defect_score(test, kind)) for kind in kinds], axis=1)
    assert len(label) == len(scores)
    return det, scores, seconds


def run(protocol: Any, name: str, seed: int) -> list[float]:
    """Print one set and seed; returns mean difference of AP, ratio of times, right of the found, right of all."""
    pool, normal, kinds = sets(protocol)[name]
    X, y, test, kind = split(protocol, pool, normal, kinds, seed)
    alone = [measured(X, [one if word == one else None for word in y], test, [one], seed) for one in kinds]
    det, scores, seconds = measured(X, y, test, kinds, seed)
    gains = [
        average_precision_score(kind == one, scores[:, k]) - average_precision_score(kind == one, alone[k][1][:, 0])
        for k, one in enumerate(kinds)
    ]
    defects = np.isin(kind, kinds)
    right = np.array(kinds)[scores.argmax(axis=1)] == kind
    found = defects & (scores.max(axis=1) > det.threshold_)
    ratio = seconds / float(np.mean([one[2] for one in alone]))
    figures = [
        float(np.mean(gains)),
        ratio,
        float(right[found].mean()) if found.any() else np.nan,
        right[defects].mean(),
    ]
    each = ", ".join(f"{one} {gain:+.3f}" for one, gain in zip(kinds, gains, strict=True))
    print(
        f"{name:16} seed {seed}: AP {figures[0]:+.3f} ({each}); {ratio:.2f} times the time; right kind "
        f"{figures[2]:.3f} of {int(found.sum())} found, {figures[3]:.3f} of all {int(defects.sum())}",
        flush=True,
    )
    return figures


def main() -> None:
    """Run the sets."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("bench", help="folder with protocol.py")
    parser.add_argument("--sets", nargs="*", help="default: all")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1])
    given = parser.parse_args()
    sys.path.insert(0, given.bench)
    import protocol  # pyright: ignore[reportMissingImports]

    warnings.simplefilter("ignore")
    for name in given.sets or sets(protocol):
        figures = np.array([run(protocol, name, seed) for seed in given.seeds])
        gain, ratio, found, right = np.nanmean(figures, axis=0)
        print(
            f"{name:16} mean: AP {gain:+.3f}; {ratio:.2f} times the time; right kind {found:.3f} found, {right:.3f} all"
        )


if __name__ == "__main__":
    main()
