"""Do probabilities and expected precisions come true? What a fit predicts for unseen rows, compared with the truth.

    python benchmarks/promises.py ../shared/bench
    python benchmarks/promises.py FOLDER --labels kind --normal normal --tasks leak --seeds 0 1

FOLDER as for quality.py. Each task is fitted with 8 labelled defects; it is told the true fraction of defects among the
test rows (`set_prior`), which a user has to guess. Then come, for the highest 3 % of the test rows, the precision that
`label_report` would expect there with its 90 % interval, and the true one; and the Brier score of `p_defect` next to
that of always saying the true share.
"""

import warnings
from collections.abc import Iterable

import numpy as np

from blemish import DefectDetector
from blemish.calibration.conformal import conformal_p_values
from blemish.calibration.probabilities import brier, defect_probability
from blemish.calibration.thresholds import outlook
from quality import parser_of, tasks_of

REPORTED = 0.03


def figures(known: np.ndarray, ordinary: np.ndarray, scores: np.ndarray, defect: np.ndarray) -> dict[str, float]:
    """What was said and what came true.

    Args:
        known: Out-of-fold scores of the labelled defects.
        ordinary: Scores of held-out rows.
        scores: Of test rows.
        defect: Which of these are defects.
    """
    share = float(defect.mean())
    said = outlook(conformal_p_values(ordinary, known), share, REPORTED)
    top = np.argsort(-scores, kind="stable")[: max(1, round(REPORTED * len(scores)))]
    true = float(defect[top].mean())
    return {
        "fraction of defects": share,
        "expected": said.precision,
        "low": said.low,
        "high": said.high,
        "true": true,
        "in the interval": float(said.low <= true <= said.high),
        "Brier": brier(defect_probability(known, ordinary, scores, share), defect),
        "Brier of the fraction": brier(np.full(len(defect), share), defect),
    }


def main() -> None:
    """Print a table with a line for each task and seed, and the mean."""
    parser = parser_of(__doc__)
    given = parser.parse_args()
    rows: list[list[float]] = []
    for task in tasks_of(parser, given):
        for seed in given.seeds:
            split = task.load(seed)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                det = DefectDetector(random_state=seed).fit(split.X_train, split.y_train)
            calibration = det.fitted_.calibration
            defect = np.asarray(split.group_test) == "defect"
            found = figures(
                calibration.out_of_fold, calibration.ordinary, np.asarray(det.defect_score(split.X_test)), defect
            )
            if not rows:
                print("| task | " + " | ".join(found) + " |\n|---|" + "---:|" * len(found))
            rows.append(list(found.values()))
            print(
                f"| {task.name}, seed {seed} | " + " | ".join(f"{value:.3f}" for value in found.values()) + " |",
                flush=True,
            )
    print(_line("**mean**", np.mean(rows, axis=0)))


def _line(name: str, values: Iterable[float]) -> str:
    return f"| {name} | " + " | ".join(f"{value:.3f}" for value in values) + " |"


if __name__ == "__main__":
    main()
