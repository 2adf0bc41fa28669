"""What is another label worth? Average precision at 1, 2, 4, … labelled defects, and with top hits marked as no defect.

    python benchmarks/label_efficiency.py ../shared/bench --tasks nsl_kdd --seeds 0 1
    python benchmarks/label_efficiency.py FOLDER --labels kind --normal fine --counts 1 2 4

Tasks and ways of ranking are those of `quality.py`, whose text says what FOLDER may hold. All counts of a seed share
their rows; labels grow by adding to the fewer ones. "labelled negatives" are the first `--negatives` hits among the
training rows that are not defects, marked as a person would, `other` or `normal`; then the model is fitted once more.
"""

import sys
import warnings
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

import quality
from blemish import DefectDetector

COUNTS, N_NEGATIVES = (1, 2, 4, 8, 16, 32), 8


def curve(one: Any, group: np.ndarray, counts: list[int], n_negatives: int, seed: int) -> dict[str, dict[int, float]]:
    """Average precision by way of ranking and number of labels.

    Args:
        one: A split with the greatest number of labels.
        group: What each training row really is: 'normal', 'other' or 'defect'.
        counts: Numbers of labels.
        n_negatives: Top hits to label as what they are.
        seed: Of the detectors.
    """
    labelled = np.flatnonzero(one.y_train == "defect")
    labelled = np.random.default_rng(seed).permutation(labelled)
    found: dict[str, dict[int, float]] = {}
    for count in [c for c in counts if c <= len(labelled)]:
        rows = np.setdiff1d(np.arange(len(group)), labelled[count:])  # the others are not there at all
        few = replace(one, X_train=quality.take(one.X_train, rows), y_train=one.y_train[rows])
        ways = {name: scores for name, scores, _ in quality.rankings(few, seed, ablation=False)}
        if n_negatives:
            ways[f"blemish, {n_negatives} labelled negatives"] = after_negatives(few, group[rows], n_negatives, seed)
        for name, scores in ways.items():
            found.setdefault(name, {})[count] = quality.figures(one.group_test, scores)["AP"]
    return found


def after_negatives(few: Any, group: np.ndarray, n_negatives: int, seed: int) -> np.ndarray:
    """Scores after the first hits among the training rows that are not defects were marked as what they are."""
    det = DefectDetector(random_state=seed).fit(few.X_train, few.y_train)
    order = np.argsort(-np.asarray(det.defect_score(few.X_train)), kind="stable")
    hits = [row for row in order if few.y_train[row] is None and group[row] != "defect"][:n_negatives]
    y = few.y_train.copy()
    y[hits] = group[hits]
    return np.asarray(DefectDetector(random_state=seed).fit(few.X_train, y).defect_score(few.X_test))


def table(curves: list[dict[str, dict[int, float]]]) -> str:
    """Means over tasks and seeds, as Markdown; a count that not all of them reach is left out."""
    counts = sorted(set.intersection(*(set(c["blemish"]) for c in curves)))
    lines = [f"| labelled defects | {' | '.join(map(str, counts))} |", "|---" * (len(counts) + 1) + "|"]
    for name in curves[0]:
        means = [np.mean([c[name][count] for c in curves]) for count in counts]
        lines.append(f"| {name} | {' | '.join(f'{mean:.3f}' for mean in means)} |")
    return "\n".join(lines)


def main() -> int:
    """Run, print and write."""
    parser = quality.parser_of(__doc__, seeds=(0, 1))
    parser.add_argument("--counts", nargs="+", type=int, default=list(COUNTS), help="numbers of labelled defects")
    parser.add_argument("--negatives", type=int, default=N_NEGATIVES, help="top hits to label; 0 for none")
    parser.add_argument("--out", type=Path, help="file to write the table to")
    given = parser.parse_args()
    tasks = quality.tasks_of(parser, given, n_labelled=max(given.counts))
    warnings.filterwarnings("ignore")
    curves = []
    for task in tasks:
        for seed in given.seeds:
            curves.append(curve(task.load(seed), task.train_group(seed), given.counts, given.negatives, seed))
            own = {count: round(ap, 3) for count, ap in curves[-1]["blemish"].items()}
            sys.stderr.write(f"{task.name}, seed {seed}: {own}\n")
    heading = f"`python {' '.join(sys.argv)}`, {date.today()}, {len(tasks)} task(s), seeds {given.seeds}"
    text = f"{heading}\n\n{table(curves)}\n"
    sys.stdout.write(text)
    if given.out:
        given.out.write_text(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
