"""How many marks does it take? A simulated reviewer marks what a rule suggests, refits, and goes on.

    python benchmarks/labelling.py ../shared/bench --tasks nsl_kdd/satan --rows 600 --seeds 0

Tasks are those of `quality.py`; the rows to rank are the pool: nothing is labelled, the reviewer answers truthfully.
Every `--batch` marks the model is refitted warm, as on the review page. Printed are the marks until 50, 80 and 95 % of
the pool's defects were marked, and the average precision over the whole pool after 10, 20 and 50 marks, for the rules
'page' (what the page suggests: likely, uncertain and new in turn), 'top' (highest score), 'uncertain' (defect and the
next likeliest group closest) and 'random'. Before the first defect 'top' and 'uncertain' take the most unusual.
"""

import argparse
import sys
import warnings
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import average_precision_score

import quality
from blemish import DefectDetector
from blemish.app.suggestions import likely, suggest, uncertain

SHARES, COUNTS = (0.5, 0.8, 0.95), (10, 20, 50)
Rule = Callable[[Any, np.ndarray, int, np.random.Generator], list[int]]


def page(scores: Any, marked: np.ndarray, n: int, _: np.random.Generator) -> list[int]:
    """What the review page suggests, the first n."""
    found = suggest(scores.outlier, scores.defect, scores.probabilities, scores.codes, marked, each=n)
    return [one.row for one in found][:n]


def top(scores: Any, marked: np.ndarray, n: int, _: np.random.Generator) -> list[int]:
    """The highest scores."""
    return [one.row for one in likely(scores.outlier, scores.defect, ~marked, n, set())]


def doubt(scores: Any, marked: np.ndarray, n: int, rng: np.random.Generator) -> list[int]:
    """The most uncertain."""
    if scores.defect is None:
        return top(scores, marked, n, rng)
    return [one.row for one in uncertain(scores.probabilities, ~marked, n, set())]


def chance(_: Any, marked: np.ndarray, n: int, rng: np.random.Generator) -> list[int]:
    """Any."""
    return rng.permutation(np.flatnonzero(~marked))[:n].tolist()


RULES: dict[str, Rule] = {"page": page, "top": top, "uncertain": doubt, "random": chance}


def pool(X: Any, group: np.ndarray, n: int, seed: int) -> tuple[Any, np.ndarray]:
    """At most n rows, the groups in their shares, at least 10 defects where there are so many."""
    if len(group) <= n:
        return X, group
    rng, chosen = np.random.default_rng(seed), []
    for name in ("normal", "other", "defect"):
        rows = np.flatnonzero(group == name)
        most = round(n * len(rows) / len(group))
        chosen.append(rng.permutation(rows)[: max(most, 10 if name == "defect" else 1)])
    rows = np.sort(np.concatenate(chosen))
    return quality.take(X, rows), group[rows]


def reviewed(X: Any, group: np.ndarray, rule: Rule, *, marks: int, batch: int, seed: int) -> dict[str, float]:
    """One reviewer's session.

    Args:
        X: The pool.
        group: The truth.
        rule: What to mark next.
        marks: How many marks at most.
        batch: Marks between two refits.
        seed: Of the detector and of chance.

    Returns:
        'AP after n' for each count, 'marks to n %' for each share (infinite: not reached).
    """
    det, rng = DefectDetector(random_state=seed).fit(X), np.random.default_rng(seed)
    y, order = np.full(len(group), None, dtype=object), []
    found: dict[str, float] = {}
    while len(order) < marks:
        scores = det.assess(X)
        rows = rule(scores, np.array([label is not None for label in y]), batch, rng)
        if not rows:
            break
        order += rows
        y[rows] = group[rows]
        det.refit(X, y)
        if len(order) in COUNTS:
            again = det.assess(X)
            score = again.outlier if again.defect is None else again.defect
            found[f"AP after {len(order)}"] = float(average_precision_score(group == "defect", score))
    hits = np.cumsum(group[order] == "defect")
    for share in SHARES:
        enough = np.flatnonzero(hits >= share * (group == "defect").sum())
        found[f"marks to {share:.0%}"] = float(enough[0] + 1) if len(enough) else float("inf")
    return found


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--labels", default="kind", help="column of a table that says what each row is")
    parser.add_argument("--normal", default="normal", help="the kind that is no outlier")
    parser.add_argument("--tasks", default="", help="only tasks whose name contains this")
    parser.add_argument("--rows", type=int, default=1000, help="size of the pool")
    parser.add_argument("--marks", type=int, default=50, help="marks of a session")
    parser.add_argument("--batch", type=int, default=5, help="marks between two refits")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    tasks = [
        task
        for task in quality.tasks_in(arguments.folder, arguments.labels, arguments.normal, "targeted")
        if arguments.tasks in task.name
    ]
    if not tasks:
        raise SystemExit(f"error: {arguments.folder} holds no task named {arguments.tasks!r}")
    found: dict[str, list[dict[str, float]]] = {name: [] for name in RULES}
    for task in tasks:
        for seed in arguments.seeds:
            split = task.load(seed)
            X, group = pool(split.X_test, np.asarray(split.group_test, dtype=object), arguments.rows, seed)
            for name, rule in RULES.items():
                one = reviewed(X, group, rule, marks=arguments.marks, batch=arguments.batch, seed=seed)
                found[name].append(one)
                print(f"{task.name}, seed {seed}, {(group == 'defect').sum()} defects in {len(group)}, {name}: {one}",
                      file=sys.stderr, flush=True)  # fmt: skip
    columns = list(found["page"][0])
    print(f"`python benchmarks/labelling.py {' '.join(sys.argv[1:])}`, {date.today()}, {len(tasks)} task(s); medians\n")
    print(f"| rule | {' | '.join(columns)} |")
    print("|---" * (len(columns) + 1) + "|")
    for name, sessions in found.items():
        medians = [float(np.median([session[column] for session in sessions])) for column in columns]
        cells = [f"{m:.3f}" if "AP" in c else f"{m:g}" for c, m in zip(columns, medians, strict=True)]
        print(f"| {name} | {' | '.join(cells)} |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
