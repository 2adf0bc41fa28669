"""How many marks does it take? A simulated reviewer marks what a rule suggests, refits, and goes on.

    python benchmarks/labelling.py ../shared/bench --tasks nsl_kdd cwru ai4i --rows 400 --seeds 0 1 --out marks.jsonl

Tasks are those of `quality.py`; the rows to rank are the pool: nothing is labelled, the reviewer answers truthfully,
and asks for the next row after each mark. Every `--batch` marks the model is refitted warm, as on the review page.
Printed are the marks until the first defect and until 50, 80 and 95 % of the pool's defects were marked, and the
average precision over the whole pool after 10, 20 and 50 marks, for the rules 'page' (what the page suggests first),
'top' (highest score), 'uncertain' (defect and the next likeliest group closest) and 'random', all with our model;
before the first defect 'top' and 'uncertain' take the most unusual. They are compared with active anomaly discovery on
trees (Das et al., 2017) as coniferest has it, on the same numbers, which marks the top of its own ranking: 'forest'
with the package's defaults, refitted as often as our model, 'forest, at once' refitted after every mark, 'forest,
prior' with `prior_influence=1`; 'forest, on the embedding' is at once, too, and sees what the suggestions see. It
lives in build/forest, an environment of its own that is made on first use. Marks are medians over the sessions, with
how many sessions got there; a table for all tasks and one for each kind of data. With `--out`, sessions are kept in a
file as they come, and those that are there are not played again.
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
from blemish.modalities.features.feature_cache import FeatureCache, caching
from blemish.review.embedding import embed, fit_embedding
from blemish.review.marks import CODES
from blemish.review.suggestions import Snapshot, misses, suggest

SHARES, COUNTS = (0.5, 0.8, 0.95), (10, 20, 50)
FOREST = "coniferest==0.2.2"
BUILD, MAX_CACHE_BYTES = Path("build", "forest"), 2**31
Rule = Callable[[Snapshot, np.ndarray, list[str], np.random.Generator], int | None]


def page(snapshot: Snapshot, labels: np.ndarray, said: list[str], _: np.random.Generator) -> int | None:
    """What the review page suggests first."""
    found = suggest(snapshot, labels, misses(said), most=1)
    return found[0].row if found else None


def top(snapshot: Snapshot, labels: np.ndarray, _: list[str], __: np.random.Generator) -> int | None:
    """The highest score."""
    score = snapshot.outlier if snapshot.defect is None else snapshot.defect
    return _first(np.argsort(-score, kind="stable"), labels)


def doubt(snapshot: Snapshot, labels: np.ndarray, said: list[str], rng: np.random.Generator) -> int | None:
    """The most uncertain."""
    if snapshot.defect is None:
        return top(snapshot, labels, said, rng)
    doubts = np.abs(snapshot.probabilities[:, 2] - snapshot.probabilities[:, :2].max(axis=1))
    return _first(np.argsort(doubts, kind="stable"), labels)


def at_random(_: Snapshot, labels: np.ndarray, __: list[str], rng: np.random.Generator) -> int | None:
    """Any."""
    return _first(rng.permutation(len(labels)), labels)


def _first(order: np.ndarray, labels: np.ndarray) -> int | None:
    """The first row that has no label."""
    free = order[labels[order] == 0]
    return int(free[0]) if len(free) else None


RULES: dict[str, Rule] = {"page": page, "top": top, "uncertain": doubt, "random": at_random}
FORESTS = {
    "forest": (0.0, False),
    "forest, at once": (0.0, True),
    "forest, prior": (1.0, False),
    "forest, on the embedding": (0.0, True),
}
"""Rule → `prior_influence`, and whether every mark is learnt at once."""


def numbers(y: np.ndarray) -> np.ndarray:
    """Labels as the page has them."""
    return np.array([CODES[label] for label in y], dtype=np.int8)


class Tool(Protocol):
    """What a reviewer sits at: it says what to mark next, learns, and ranks."""

    def next(self, y: np.ndarray, said: list[str]) -> int | None:
        """A row to mark now; None: there is none.

        Args:
            y: The label of each row, None where it has none.
            said: All labels in the order in which they were given.
        """
        ...

    def learn(self, y: np.ndarray) -> None:
        """Take in all labels so far."""
        ...

    def score(self) -> np.ndarray:
        """Scores of all rows, higher = more like a defect."""
        ...


class Ours:
    """A detector and a rule."""

    def __init__(self, X: Any, first: DefectDetector, rule: Rule, seed: int) -> None:
        """`first` is fitted on X without labels and stays as it is."""
        self._X, self._det, self._rule = X, copy.copy(first), rule
        self._rng = np.random.default_rng(seed)
        self._look()

    def next(self, y: np.ndarray, said: list[str]) -> int | None:
        """See `Tool`."""
        return self._rule(self._snapshot, numbers(y), said, self._rng)

    def learn(self, y: np.ndarray) -> None:
        """See `Tool`."""
        self._det = copy.copy(self._det).refit(self._X, y)
        self._look()

    def score(self) -> np.ndarray:
        """See `Tool`."""
        return self._snapshot.outlier if self._snapshot.defect is None else self._snapshot.defect

    def _look(self) -> None:
        found = self._det.assess(self._X, views=True)
        self._snapshot = Snapshot(found.outlier, found.defect, found.probabilities, embed(found, fit_embedding(found)))


class Forest:
    """A process of `active_forest.py`, which marks the top of its ranking; `at_once` it learns from every mark."""

    def __init__(self, process: "subprocess.Popen[str]", *, at_once: bool) -> None:
        """Ask for the first scores."""
        self._process, self._at_once = process, at_once
        self._score = self._answer([])

    def _answer(self, marks: list[tuple[int, bool]]) -> np.ndarray:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(marks) + "\n")
        self._process.stdin.flush()
        return np.array(json.loads(self._process.stdout.readline()))

    def next(self, y: np.ndarray, said: list[str]) -> int | None:
        """See `Tool`."""
        if self._at_once and said:
            self.learn(y)
        return _first(np.argsort(-self._score, kind="stable"), numbers(y))

    def learn(self, y: np.ndarray) -> None:
        """See `Tool`; it knows no third group, so 'other' is as regular as 'normal'."""
        self._score = self._answer([(int(row), bool(y[row] == "defect")) for row in np.flatnonzero(numbers(y))])

    def score(self) -> np.ndarray:
        """See `Tool`."""
        return self._score


@contextmanager
def forest(x: np.ndarray, seed: int, prior: float, *, at_once: bool) -> Iterator[Forest]:
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
            yield Forest(process, at_once=at_once)
        finally:
            process.kill()
            process.communicate()


def pool(X: Any, group: np.ndarray, n: int, seed: int) -> tuple[Any, np.ndarray]:
    """At most n rows, the groups in their proportions, at least 10 defects where there are that many."""
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
    done = False
    while len(order) < marks and not done:
        row = tool.next(y, [str(group[one]) for one in order])
        if row is None:
            break
        order.append(row)
        y[row] = group[row]
        if first and is_defect[row]:
            break
        done = len(order) >= max(COUNTS) and is_defect[order].sum() >= max(SHARES) * is_defect.sum()
        if len(order) % batch == 0 and not (first and isinstance(tool, Ours)) and (not done or len(order) in COUNTS):
            tool.learn(y)
        if len(order) in COUNTS:
            averages[f"AP after {len(order)}"] = float(average_precision_score(is_defect, tool.score()))
    hits = np.cumsum(is_defect[order])
    wanted: dict[str, float] = {"marks to the first": 1}
    if not first:
        wanted |= {f"marks to {share:.0%}": share * is_defect.sum() for share in SHARES}
    enough = {name: np.flatnonzero(hits >= least) for name, least in wanted.items()}
    return {**{name: float(at[0] + 1) if len(at) else float("inf") for name, at in enough.items()}, **averages}


def main() -> int:
    """Run and print."""
    parser = quality.parser_of(__doc__, seeds=(0, 1))
    parser.add_argument("--rules", nargs="+", default=[*RULES, *FORESTS], choices=[*RULES, *FORESTS])
    parser.add_argument("--rows", type=int, default=400, help="size of the pool")
    parser.add_argument("--marks", type=int, default=100, help="marks of a session at most")
    parser.add_argument("--batch", type=int, default=10, help="marks between two refits")
    parser.add_argument("--out", type=Path, help="file for the sessions, a JSON list a line")
    parser.add_argument("--first", action="store_true", help="only until the first defect, which takes no refit")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    tasks = quality.tasks_of(parser, arguments)
    found = kept(arguments.out)
    for task in tasks:
        for seed in arguments.seeds:
            left = [name for name in arguments.rules if (task.name, seed, name) not in found]
            if not left:
                continue
            split = task.load(seed)
            X, group = pool(split.X_test, np.asarray(split.group_test, dtype=object), arguments.rows, seed)
            how = {"marks": arguments.marks, "batch": arguments.batch, "first": arguments.first}
            with caching(FeatureCache(MAX_CACHE_BYTES)):
                det = DefectDetector(random_state=seed).fit(X)
                for name in left:
                    with tool(name, X, det, seed) as one:
                        session = found[task.name, seed, name] = reviewed(one, group, **how)
                    size = f"{(group == 'defect').sum()} defects in {len(group)}"
                    print(f"{task.name}, seed {seed}, {size}, {name}: {session}", file=sys.stderr, flush=True)
                    if arguments.out is not None:
                        with arguments.out.open("a") as file:
                            file.write(json.dumps([task.name, seed, name, session]) + "\n")
    asked = {(task.name, seed) for task in tasks for seed in arguments.seeds}
    print(f"`python benchmarks/labelling.py {' '.join(sys.argv[1:])}`, {date.today()}, {len(asked)} sessions a rule\n")
    kinds: dict[str, list[str]] = {"all": [task.name for task in tasks]}
    for task in tasks:
        kinds.setdefault(task.name.rpartition("/")[0], []).append(task.name)
    for kind, names in kinds.items():
        if kind == "all" or len(kinds) > 2:
            sessions = {
                rule: [found[name, seed, rule] for name in names for seed in arguments.seeds]
                for rule in arguments.rules
            }
            print(f"{kind}:\n\n{table(sessions)}\n")
    return 0


def kept(path: Path | None) -> dict[tuple[str, int, str], dict[str, float]]:
    """Sessions by task, seed and rule that a file holds."""
    if path is None or not path.exists():
        return {}
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return {(task, seed, rule): session for task, seed, rule, session in lines}


@contextmanager
def tool(name: str, X: Any, first: DefectDetector, seed: int) -> Iterator[Tool]:
    """What a reviewer with that rule sits at."""
    if name in RULES:
        yield Ours(X, first, RULES[name], seed)
        return
    if name == "forest, on the embedding":
        found = first.assess(X, views=True)
        x = embed(found, fit_embedding(found)).astype(np.float64)
    else:
        x = first.fitted_.model.to_tensor(X).to_dense().flatten(1).double().cpu().numpy()
    prior, at_once = FORESTS[name]
    with forest(x, seed, prior, at_once=at_once) as one:
        yield one


def table(found: dict[str, list[dict[str, float]]]) -> str:
    """Medians of marks, with the fraction of sessions that got there, and means of precisions, as Markdown."""
    columns = list(next(iter(found.values()))[0])
    lines = [f"| rule | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for name, sessions in found.items():
        cells = []
        for column in columns:
            values = np.array([session[column] for session in sessions if column in session])
            there = int(np.isfinite(values).sum())
            part = "" if there == len(values) else f" ({there} of {len(values)})"
            cells.append(f"{values.mean():.3f}" if "AP" in column else f"{np.median(values):g}{part}")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines).replace("inf", "∞")


if __name__ == "__main__":
    raise SystemExit(main())
