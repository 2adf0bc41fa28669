"""What do groups change on exposures of the same parts? One task of a bench, fitted with and without them.

    python benchmarks/exposures.py ../shared/bench native/magnetic_tile/Crack bench_native.magnetic_tile

The folder holds `suites.py` (name of a task → loader of splits); the last argument is a function there that gives all
pictures with what each was taken of (`pool()` with `X` and `source`). Exposures of the training rows are found by
their pixels. Printed: average precision and recall at 1 % false alarms among the test rows, what the fit expects, the
rate that its default cut reports of normal test rows next to the stated one, seconds, and the weight and mean surprisal
of each expert.
"""

import argparse
import importlib
import sys
import time
import warnings
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score

from blemish import DefectDetector


def name_of(picture: Any) -> tuple[Any, ...]:
    """What tells a picture from all others."""
    pixels = getattr(picture, "pixels", picture)
    return pixels.shape, pixels.tobytes()


def main() -> None:
    """Print both fits, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("task")
    parser.add_argument("pool")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ways", nargs="+", choices=["no", "yes"], default=["no", "yes"])
    given = parser.parse_args()
    sys.path.insert(0, given.folder)
    split = importlib.import_module("suites").TASKS[given.task].load(given.seed)
    module, name = given.pool.split(".")
    pool = getattr(importlib.import_module(module), name)()
    source = {name_of(picture): str(one) for picture, one in zip(pool.X, pool.source, strict=True)}
    groups = [source[name_of(picture)] for picture in split.X_train]
    defective = {one for one, label in zip(groups, split.y_train, strict=True) if label == "defect"}
    print(
        f"{given.task}, seed {given.seed}: {len(groups)} training rows in {len(set(groups))} groups; "
        f"{sum(split.y_train == 'defect')} labels in {len(defective)} of them, which hold "
        f"{sum(one in defective for one in groups)} rows",
        flush=True,
    )
    for way in given.ways:
        start = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            det = DefectDetector(random_state=given.seed).fit(
                split.X_train, split.y_train, groups=groups if way == "yes" else None
            )
            seconds, scores = time.process_time() - start, np.asarray(det.defect_score(split.X_test))
        defect, normal = (np.asarray(split.group_test) == kind for kind in ("defect", "normal"))
        ap, cut = average_precision_score(defect, scores), np.quantile(scores[~defect], 0.99)
        fitted = det.fitted_
        print(f"\ngroups: {way}; AP {ap:.3f}, recall at 1 % {(scores[defect] > cut).mean():.3f}, {seconds:.0f} s")
        print(f"unseen labels above {det.label_report().above:.1%} of the ordinary rows")
        print(
            f"stated: {det.promise_.text}\nreported of normal test rows: {(scores[normal] > det.threshold_).mean():.3f}"
        )
        by: Any = fitted.scorer_state
        scorer: Any = fitted.scorer
        experts = scorer._experts(parted=by.parts is not None, labelled=True)
        for expert, weight, mean in zip(experts, by.labelled.weights, by.labelled.mean, strict=True):
            print(f"  {expert.name} of {expert.source}: weight {weight:.3f}, mean surprisal {mean:.2f}", flush=True)


if __name__ == "__main__":
    main()
