"""How many marks does it take? A simulated reviewer marks what a rule suggests, refits, and goes on.

    python benchmarks/labelling.py ../shared/bench --tasks nsl_kdd cwru ai4i --rows 600 --seeds 0

Tasks are those of `quality.py`; the rows to rank are the pool: nothing is labelled, the reviewer answers truthfully.
Every `--batch` marks the model is refitted warm, as on the review page. Printed are the marks until the first defect
and until 50, 80 and 95 % of the pool's defects were marked, and the average precision over the whole pool after 10, 20
and 50 marks, for the rules 'page' (what the page suggests, in its order), 'top' (highest score), 'uncertain' (defect
and the next likeliest group closest) and 'random', all with our model; before the first defect 'top' and 'uncertain'
take the most unusual. Beside them stands active anomaly discovery on trees (Das et al., 2017) as coniferest has it, on
the same numbers, which marks the top of its own ranking: 'forest' with the package's defaults, 'forest, prior' with
`prior_influence=1`. It lives in build/forest, an environment of its own that is made on first use. Marks are medians
over the sessions, with means in brackets.
"""

import copy
import json
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from sklearn.metrics import average_precision_score

import quality
from blemish import DefectDetector
from blemish.app.suggestions import likely, suggest, uncertain

SHARES, COUNTS = (0.5, 0.8, 0.95), (10, 20, 50)
FOREST = "coniferest==0.2.2"
BUILD = Path("build", "forest")
Rule = Callable[[Any, np.ndarray, int, np.random.Generator], list[int]]


def page(scores: Any, y: np.ndarray, n: int, _: np.random.Generator) -> list[int]:
    """What the review page suggests, the first n."""
    found = suggest(scores.outlier, scores.defect, scores.probabilities, scores.codes, marked(y), most=n)
    return [one.row for one in found][:n]


def top(scores: Any, y: np.ndarray, n: int, _: np.random.Generator) -> list[int]:
    """The highest scores."""
    return [one.row for one in likely(scores.outlier, scores.defect, ~marked(y), n, set())]


def doubt(scores: Any, y: np.ndarray, n: int, rng: np.random.Generator) -> list[int]:
    """The most uncertain."""
    if scores.defect is None:
        return top(scores, y, n, rng)
    return [one.row for one in uncertain(scores.probabilities, ~marked(y), n, set())]


def chance(_: Any, y: np.ndarray, n: int, rng: np.random.Generator) -> list[int]:
    """Any."""
    return rng.permutation(np.flatnonzero(~marked(y)))[:n].tolist()


RULES: dict[str, Rule] = {"page": page, "top": top, "uncertain": doubt, "random": chance}
PRIORS = {"forest": 0.0, "forest, prior": 1.0}


def marked(y: np.ndarray) -> np.ndarray:
    """Which rows have a label."""
    return np.array([label is not None for label in y])


class Tool(Protocol):
    """What a reviewer sits at: it says what to mark next, learns, and ranks."""

    def next(self, y: np.ndarray, n: int) -> list[int]:
        """Rows to mark now."""
        ...

    def learn(self, y: np.ndarray) -> None:
        """Take in all labels so far."""
        ...

    def score(self) -> np.ndarray:
        """Of each row, higher = more like a defect."""
        ...


class Ours:
    """A detector and a rule."""

    def __init__(self, X: Any, first: DefectDetector, rule: Rule, seed: int) -> None:
        """`first` is fitted on X without labels and stays as it is."""
        self._X, self._det, self._rule = X, copy.copy(first), rule
        self._rng, self._scores = np.random.default_rng(seed), first.assess(X)

    def next(self, y: np.ndarray, n: int) -> list[int]:
        """See `Tool`."""
        return self._rule(self._scores, y, n, self._rng)

    def learn(self, y: np.ndarray) -> None:
        """See `Tool`."""
        self._det = copy.copy(self._det).refit(self._X, y)
        self._scores = self._det.assess(self._X)

    def score(self) -> np.ndarray:
        """See `Tool`."""
        return self._scores.outlier if self._scores.defect is None else self._scores.defect


class Forest:
    """A process of `active_forest.py`, which marks the top of its ranking."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        """Ask for the first scores."""
        self._process = process
        self._score = self._answer([])

    def _answer(self, marks: list[tuple[int, bool]]) -> np.ndarray:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(marks) + "\n")
        self._process.stdin.flush()
        return np.array(json.loads(self._process.stdout.readline()))

    def next(self, y: np.ndarray, n: int) -> list[int]:
        """See `Tool`."""
        order = np.argsort(-self._score, kind="stable")
        return order[~marked(y)[order]][:n].tolist()

    def learn(self, y: np.ndarray) -> None:
        """See `Tool`; it knows no third group, so 'other' is as regular as 'normal'."""
        self._score = self._answer([(int(row), bool(y[row] == "defect")) for row in np.flatnonzero(marked(y))])

    def score(self) -> np.ndarray:
        """See `Tool`."""
        return self._score


@contextmanager
def forest(x: np.ndarray, seed: int, prior: float) -> Iterator[Forest]:
    """The peer on a pool of numbers (row, feature)."""
    python = BUILD / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(BUILD)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", FOREST]
        subprocess.run(pip, check=True, stderr=subprocess.DEVNULL)
    script = Path(__file__).with_name("active_forest.py")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "pool.npy")
        np.save(file, x)
        command = [str(python), str(script), str(file), str(seed), str(prior)]
        process: subprocess.Popen[str] = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        try:
            yield Forest(process)
        finally:
            process.kill()
            process.communicate()


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


def reviewed(tool: Tool, group: np.ndarray, *, marks: int, batch: int, first: bool = False) -> dict[str, float]:
    """One reviewer's session, which ends when 95 % of the defects are marked and every count is reached.

    Args:
        tool: What they sit at.
        group: The truth.
        marks: How many marks at most.
        batch: Marks between two refits.
        first: End with the first defect, and refit our model not before.

    Returns:
        'marks to the first', 'marks to n %' for each share (infinite: not reached), 'AP after n' for each count.
    """
    y, order = np.full(len(group), None, dtype=object), []
    is_defect = group == "defect"
    averages: dict[str, float] = {}
    while len(order) < marks:
        rows = tool.next(y, min(batch, marks - len(order)))
        if not rows:
            break
        order += rows
        y[rows] = group[rows]
        if first and is_defect[order].any():
            break
        if first and isinstance(tool, Ours):
            continue
        done = len(order) >= max(COUNTS) and is_defect[order].sum() >= max(SHARES) * is_defect.sum()
        if not done or len(order) in COUNTS:
            tool.learn(y)
        if len(order) in COUNTS:
            averages[f"AP after {len(order)}"] = float(average_precision_score(is_defect, tool.score()))
        if done:
            break
    hits = np.cumsum(is_defect[order])
    wanted: dict[str, float] = {"marks to the first": 1}
    if not first:
        wanted |= {f"marks to {share:.0%}": share * is_defect.sum() for share in SHARES}
    enough = {name: np.flatnonzero(hits >= least) for name, least in wanted.items()}
    return {**{name: float(at[0] + 1) if len(at) else float("inf") for name, at in enough.items()}, **averages}


def main() -> int:
    """Run and print."""
    parser = quality.parser_of(__doc__, seeds=(0, 1))
    parser.add_argument("--rules", nargs="+", default=[*RULES, *PRIORS], choices=[*RULES, *PRIORS])
    parser.add_argument("--rows", type=int, default=1000, help="size of the pool")
    parser.add_argument("--marks", type=int, default=100, help="marks of a session at most")
    parser.add_argument("--batch", type=int, default=5, help="marks between two refits")
    parser.add_argument("--first", action="store_true", help="only until the first defect, which takes no refit")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    tasks = quality.tasks_of(parser, arguments)
    found: dict[str, list[dict[str, float]]] = {name: [] for name in arguments.rules}
    for task in tasks:
        for seed in arguments.seeds:
            split = task.load(seed)
            X, group = pool(split.X_test, np.asarray(split.group_test, dtype=object), arguments.rows, seed)
            det = DefectDetector(random_state=seed).fit(X)
            how = {"marks": arguments.marks, "batch": arguments.batch, "first": arguments.first}
            for name in arguments.rules:
                with tool(name, X, det, seed) as one:
                    session = reviewed(one, group, **how)
                found[name].append(session)
                size = f"{(group == 'defect').sum()} defects in {len(group)}"
                print(f"{task.name}, seed {seed}, {size}, {name}: {session}", file=sys.stderr, flush=True)
    print(f"`python benchmarks/labelling.py {' '.join(sys.argv[1:])}`, {date.today()}, {len(tasks)} task(s)\n")
    print(table(found))
    return 0


@contextmanager
def tool(name: str, X: Any, first: DefectDetector, seed: int) -> Iterator[Tool]:
    """What a reviewer with that rule sits at."""
    if name in RULES:
        yield Ours(X, first, RULES[name], seed)
        return
    x = first.fitted_.model.to_tensor(X).to_dense().flatten(1).double().cpu().numpy()
    with forest(x, seed, PRIORS[name]) as found:
        yield found


def table(found: dict[str, list[dict[str, float]]]) -> str:
    """Medians (means) of marks, infinite where a session ended before, and means of precisions, as Markdown."""
    columns = list(next(iter(found.values()))[0])
    lines = [f"| rule | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for name, sessions in found.items():
        cells = []
        for column in columns:
            values = [session[column] for session in sessions if column in session]
            cells.append(
                f"{np.mean(values):.3f}" if "AP" in column else f"{np.median(values):g} ({np.mean(values):.1f})"
            )
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
