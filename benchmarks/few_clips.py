"""How few labelled clips are enough? AUROC of the defect above every kind, by number of labels.

    python benchmarks/few_clips.py ../shared/bench --counts 1 2 8 --seeds 0

FOLDER holds a `protocol.py` with a suite of video tasks. All labels but the first few are taken away, rows and all.
"""

import argparse
import sys
import warnings
from datetime import date
from pathlib import Path
from time import perf_counter

import numpy as np
from sklearn.metrics import roc_auc_score

from blemish import DefectDetector
from quality import load_protocol


def above_kinds(one: object, count: int, seed: int) -> dict[str, float]:
    """AUROC above every kind of row that is no defect.

    Args:
        one: A split of the protocol.
        count: Labelled defects that stay.
        seed: Of the detector.
    """
    X, y = one.X_train, one.y_train  # pyright: ignore[reportAttributeAccessIssue]
    kind, group = one.kind_test, one.group_test  # pyright: ignore[reportAttributeAccessIssue]
    rows = np.setdiff1d(np.arange(len(y)), np.flatnonzero(y == "defect")[count:])
    det = DefectDetector(random_state=seed).fit(X[rows], y[rows])
    score = np.asarray(det.defect_score(one.X_test))  # pyright: ignore[reportAttributeAccessIssue]
    defect = group == "defect"
    found = {}
    for name in sorted(set(kind[~defect])):
        either = defect | (kind == name)
        found[str(name)] = float(roc_auc_score(defect[either], score[either]))
    return found


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--suite", default="coin")
    parser.add_argument("--counts", nargs="+", type=int, default=[1, 2, 4, 8], help="numbers of labelled defects")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    given = parser.parse_args()
    if not (given.folder / "protocol.py").exists():
        parser.error(f"{given.folder} holds no protocol.py")
    tasks = {k: t for k, t in load_protocol(given.folder).TASKS.items() if k.startswith(f"{given.suite}/")}
    if not tasks:
        parser.error(f"the protocol has no suite {given.suite!r}")
    warnings.filterwarnings("ignore")
    sys.stdout.write(f"`python {' '.join(sys.argv)}`, {date.today()}\n\n")
    for name, task in tasks.items():
        for seed in given.seeds:
            one = task.load(seed)
            for count in given.counts:
                start = perf_counter()
                found = above_kinds(one, count, seed)
                kinds = ", ".join(f"{kind} {auroc:.4f}" for kind, auroc in found.items())
                seconds = perf_counter() - start
                sys.stdout.write(f"{name}, seed {seed}, {count} label(s), {seconds:.0f} s: {kinds}\n")
                sys.stdout.flush()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
