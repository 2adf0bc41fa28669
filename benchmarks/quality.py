"""How well is *one kind* of defect ranked above everything else? The table of the README, on data that you name.

    python benchmarks/quality.py FOLDER --normal fine
    python benchmarks/quality.py FOLDER --labels kind --normal normal --seeds 0 1 --out quality.md
    python benchmarks/quality.py ../shared/bench --suite targeted

FOLDER holds tables (.csv, .parquet; the kind of each row in the column `--labels`) and sub-folders of pictures (one
folder a kind inside). Each kind that is not normal and has enough rows is the defect in turn. Half of each kind
trains: the normals, a few of the other kinds (half of the kinds not at all), 1 % hidden defects, all unlabelled, and
8 labelled defects. The other half is ranked. A folder with a `protocol.py` (names → loaders of splits) brings its own
tasks. Blemish is compared with a linear model, extremely randomised trees (both on the raw features, labelled against
all unlabelled) and the autoencoder's reconstruction error; `--ablation` takes each ingredient out in turn.
Below the table: how much the seed matters, and whether any task was ranked worse with labels than without;
`--without-labels` fits each task once more without any, to tell what the labels did to the outlier score.
"""

import argparse
import importlib.util
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from itertools import chain
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from scipy.special import softmax
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.preprocessing import StandardScaler

from blemish import DefectDetector, read

N_LABELLED, OTHER_SHARE, HIDDEN_SHARE, MIN_TEST = 8, 0.05, 0.01, 10
UNTOLD = "outlier score of a fit without labels"


@dataclass(frozen=True)
class Split:
    """Training rows with 8 labels, and rows to rank with those of kinds that do not train; names as in the protocol."""

    X_train: Any
    y_train: np.ndarray
    X_test: Any
    group_test: np.ndarray
    unseen_test: np.ndarray


@dataclass(frozen=True)
class Task:
    """One kind of defect on one set of data.

    Attributes:
        name: Its set and its kind.
        load: Seed → split.
        train_group: Seed → what each training row really is, 'normal', 'other' or 'defect'.
    """

    name: str
    load: Callable[[int], Any]
    train_group: Callable[[int], np.ndarray]


@dataclass(frozen=True)
class Fit:
    """How one way of ranking did on one task with one seed."""

    way: str
    task: str
    seed: int
    figures: dict[str, float]


def load_protocol(folder: Path) -> Any:
    """The module `protocol` of a folder."""
    spec = importlib.util.spec_from_file_location("protocol", folder / "protocol.py")
    assert spec is not None
    assert spec.loader is not None
    protocol = sys.modules["protocol"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(protocol)
    return protocol


def tasks_in(folder: Path, labels: str, normal: str, suite: str, n_labelled: int = N_LABELLED) -> list[Task]:
    """All tasks that a folder holds, with this many labelled defects where there are enough."""
    if (folder / "protocol.py").exists():
        protocol = load_protocol(folder)
        protocol.N_LABELLED = n_labelled
        of_suite = {name: task for name, task in protocol.TASKS.items() if name.startswith(f"{suite}/")}
        return [Task(name, task.load, partial(_protocol_group, task.load)) for name, task in of_suite.items()]
    tasks = []
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            samples = read(path)
            rows, kind = samples.X, np.array([Path(key).parts[0] for key in samples.keys], dtype=object)
        elif path.suffix in (".csv", ".parquet"):
            samples = read(path, take_out=[labels])
            rows, kind = samples.X, np.asarray(samples.columns[labels], dtype=object)
        else:
            continue
        enough = 2 * (n_labelled + MIN_TEST)
        for defect in sorted({k for k in kind if k != normal and (kind == k).sum() >= enough}):
            cut = partial(split, kind=kind, normal=normal, defect=defect, n_labelled=n_labelled)
            tasks.append(
                Task(f"{path.stem}/{defect}", partial(cut, rows), partial(_own_group, cut, kind, normal, defect))
            )
    return tasks


def parser_of(text: str | None, seeds: Sequence[int] = (0,)) -> argparse.ArgumentParser:
    """The options by which all benchmarks of tasks choose them; `tasks_of` reads them.

    Args:
        text: What the benchmark is for.
        seeds: Unless told otherwise.
    """
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--labels", default="kind", help="column of a table that says what each row is")
    parser.add_argument("--normal", default="normal", help="the kind that is not an outlier")
    parser.add_argument("--suite", default="targeted", help="of a folder with a protocol.py")
    parser.add_argument("--tasks", nargs="+", default=[], help="parts of task names")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(seeds))
    return parser


def tasks_of(
    parser: argparse.ArgumentParser,
    given: argparse.Namespace,
    default: Sequence[str] = (),
    n_labelled: int = N_LABELLED,
) -> list[Task]:
    """The tasks that the options name.

    Args:
        parser: From `parser_of`; it ends the program with one line where there is no such folder or task.
        given: What it read.
        default: Parts of names without `--tasks`; where none is there, all tasks.
        n_labelled: Labelled defects of each task, where there are as many.
    """
    if not given.folder.is_dir():
        parser.error(f"there is no folder {given.folder}")
    tasks = tasks_in(given.folder, given.labels, given.normal, given.suite, n_labelled)
    if not tasks:
        parser.error(f"{given.folder} holds no task: check --labels, --normal and --suite")
    some = [task for task in tasks if any(part in task.name for part in given.tasks or default)]
    if not some and given.tasks:
        there = ", ".join(task.name for task in tasks)
        parser.error(f"no task has {' or '.join(map(repr, given.tasks))} in its name; there are {there}")
    return some or tasks


def _protocol_group(load: Any, seed: int) -> np.ndarray:
    """Groups of the training rows of a protocol's task: its split, made once more of row numbers."""
    pool, normals, defect = load.args
    whole = pool()
    numbered = replace(whole, X=np.arange(len(whole.kind)))
    return _groups(load.func(lambda: numbered, normals, defect, seed), whole.kind, defect, normals)


def _own_group(cut: Any, kind: np.ndarray, normal: str, defect: str, seed: int) -> np.ndarray:
    return _groups(cut(np.arange(len(kind)), seed), kind, defect, [normal])


def _groups(numbers: Any, kind: np.ndarray, defect: str, normals: Any) -> np.ndarray:
    kinds = kind[numbers.X_train]
    return np.select([np.isin(kinds, normals), kinds == defect], ["normal", "defect"], "other").astype(object)


def split(X: Any, seed: int, *, kind: np.ndarray, normal: str, defect: str, n_labelled: int) -> Split:
    """A random half trains, the other is ranked; see the module's text."""
    rng = np.random.default_rng(seed)
    half = np.zeros(len(kind), dtype=bool)
    for one in np.unique(kind.astype(str)):
        rows = rng.permutation(np.flatnonzero(kind.astype(str) == one))
        half[rows[: len(rows) // 2]] = True
    others = rng.permutation(sorted(set(kind) - {normal, defect}))
    unseen = others[: len(others) // 2] if len(others) >= 4 else others[:0]
    normals = np.flatnonzero(half & (kind == normal))
    seen = rng.permutation(np.flatnonzero(half & np.isin(kind, others) & ~np.isin(kind, unseen)))
    defects = rng.permutation(np.flatnonzero(half & (kind == defect)))
    n_other, n_hidden = (int(np.ceil(share * len(normals))) for share in (OTHER_SHARE, HIDDEN_SHARE))
    train = np.sort(np.concatenate([normals, seen[:n_other], defects[: n_labelled + n_hidden]]))
    y = np.full(len(train), None, dtype=object)
    y[np.isin(train, defects[:n_labelled])] = "defect"
    test = np.flatnonzero(~half)
    group = np.select([kind[test] == normal, kind[test] == defect], ["normal", "defect"], "other")
    return Split(take(X, train), y, take(X, test), group, np.isin(kind[test], unseen))


def take(X: Any, rows: np.ndarray) -> Any:
    """Rows of a list, an Arrow table or an array."""
    if isinstance(X, list):
        return [X[i] for i in rows]
    return X.take(rows) if hasattr(X, "take") and not isinstance(X, np.ndarray) else X[rows]


def figures(group: np.ndarray, scores: np.ndarray, unseen: np.ndarray | None = None) -> dict[str, float]:
    """Average precision, AUROC above other outliers, those of unseen kinds and normals, recall at 1 % false alarms."""
    defect = group == "defect"
    rest = np.sort(scores[~defect])[::-1]

    def above(these: np.ndarray) -> float:
        either = defect | these
        return float(roc_auc_score(defect[either], scores[either])) if these.any() else np.nan

    return {
        "AP": float(average_precision_score(defect, scores)),
        "AUROC above other": above(group == "other"),
        "AUROC above unseen": above(np.zeros(len(group), dtype=bool) if unseen is None else unseen),
        "AUROC above normal": above(group == "normal"),
        "AUROC of all outliers": float(roc_auc_score(group != "normal", scores)),
        "recall at 1 %": float(np.mean(scores[defect] > rest[int(0.01 * len(rest))])),
    }


def features(model: Any, *samples: Any) -> list[np.ndarray]:
    """What the peers are given, as in the protocol.

    Tables: numbers as they are and one-hot categories; pictures: pixels; both standardised on the first samples and
    clipped. Texts: singular directions.
    """
    tensors = [model.to_tensor(rows).to_dense() for rows in samples]
    views = [model.modality.features(x) if x.ndim == 2 else {"plain": x} for x in tensors]
    if "topics" in views[0]:
        return [view["topics"].cpu().numpy() for view in views]
    plain = [view["plain"].flatten(1).cpu().numpy() for view in views]
    scale = StandardScaler().fit(plain[0])
    return [np.clip(scale.transform(x), -10, 10) for x in plain]


def rankings(task: Any, seed: int, *, ablation: bool) -> Iterator[tuple[str, np.ndarray, float]]:
    """Name, scores of the test rows and seconds for each way of ranking."""
    start = perf_counter()
    det = DefectDetector(random_state=seed).fit(task.X_train, task.y_train)
    yield "blemish", np.asarray(det.defect_score(task.X_test)), perf_counter() - start
    model = det.fitted_.model
    scorer, state = det.fitted_.scorer, det.fitted_.scorer_state
    names: list[str] = []

    def measure(evidence: Any) -> tuple[np.ndarray, ...]:
        found: Mapping[str, np.ndarray] = scorer.expert_scores(state, evidence) if by_expert else {}  # pyright: ignore[reportAttributeAccessIssue]
        names[:] = found
        return evidence.error, det.fitted_.outlier_score(evidence), *found.values()

    by_expert = ablation and hasattr(scorer, "expert_scores")
    error, outlier, *each = model.of_evidence(det._rows(task.X_test).X, measure)
    yield "reconstruction error", error, np.nan
    yield "outlier score", outlier, np.nan
    if by_expert:
        scores, pull = np.stack(each), np.log(np.maximum(state.labelled.weights, 1e-300))  # pyright: ignore[reportAttributeAccessIssue]
        for i, name in enumerate(names):
            yield f"{name} alone", scores[i], np.nan
            yield f"without {name}", softmax(np.delete(pull, i)) @ np.delete(scores, i, axis=0), np.nan
        yield "all alike, not weighed", scores.mean(axis=0), np.nan
    x_train, x_test = features(model, task.X_train, task.X_test)
    is_defect = np.asarray(task.y_train == "defect")
    for name, peer in {
        "extremely randomised trees": ExtraTreesClassifier(
            500, class_weight="balanced", min_samples_leaf=2, random_state=seed
        ),
        "logistic regression": LogisticRegression(class_weight="balanced", max_iter=1000),
    }.items():
        start = perf_counter()
        scores = peer.fit(x_train, is_defect).predict_proba(x_test)[:, 1]
        yield name, scores, perf_counter() - start


def untold(task: Any, seed: int) -> Iterator[tuple[str, np.ndarray, float]]:
    """The same of a fit that is given no label."""
    start = perf_counter()
    scores = DefectDetector(random_state=seed).fit(task.X_train).outlier_score(task.X_test)
    yield UNTOLD, np.asarray(scores), perf_counter() - start


def table(found: Mapping[str, Mapping[str, list[dict[str, float]]]]) -> str:
    """Means over seeds and tasks of a set, then over sets, as Markdown."""
    sets = sorted({group for groups in found.values() for group in groups})
    measures = ["AUROC above other", "AUROC above unseen", "recall at 1 %", "seconds"]
    lines = [f"| | {' | '.join(sets)} | **mean AP** | {' | '.join(measures)} |", "|---" * (len(sets) + 6) + "|"]

    def mean(groups: Mapping[str, list[dict[str, float]]], measure: str) -> float:
        means = [np.mean([row[measure] for row in groups[g]]) for g in sets if g in groups]
        known = [mean for mean in means if not np.isnan(mean)]  # not every set has kinds that do not train
        return float(np.mean(known)) if known else np.nan

    for name, groups in sorted(found.items(), key=lambda item: -mean(item[1], "AP")):
        by_set = [f"{np.mean([row['AP'] for row in groups[g]]):.3f}" if g in groups else "–" for g in sets]
        rest = [f"{mean(groups, measure):.3f}".replace("nan", "–") for measure in measures]
        lines.append(f"| {name} | {' | '.join(by_set)} | **{mean(groups, 'AP'):.3f}** | {' | '.join(rest)} |")
    return "\n".join(lines)


def remarks(fits: list[Fit]) -> str:
    """Spread over seeds by way of ranking, and how often labels made the ranking worse, as Markdown."""
    aps = {(fit.way, fit.task, fit.seed): fit.figures["AP"] for fit in fits}
    pairs = [(ap, aps["outlier score", task, seed]) for (way, task, seed), ap in aps.items() if way == "blemish"]
    worse = sum(with_labels < without for with_labels, without in pairs)
    lines = [f"AP with labels below that of the outlier score: {worse} of {len(pairs)} fits."]
    all_outliers = {(fit.way, fit.task, fit.seed): fit.figures["AUROC of all outliers"] for fit in fits}
    drops = {
        (task, seed): untold - all_outliers["outlier score", task, seed]
        for (way, task, seed), untold in all_outliers.items()
        if way == UNTOLD
    }
    if drops:
        task, seed = max(drops, key=lambda key: drops[key])
        lines.append(
            f"AUROC of the outlier score, all outliers above normals, without labels minus with: mean "
            f"{np.mean(list(drops.values())):.4f}, at most {drops[task, seed]:.4f} ({task}, seed {seed})."
        )
    for way in dict.fromkeys(fit.way for fit in fits):
        by_task = [
            [ap for (w, t, _), ap in aps.items() if (w, t) == (way, task)] for task in {fit.task for fit in fits}
        ]
        spreads = [np.std(one, ddof=1) for one in by_task if len(one) > 1]
        if spreads and "alone" not in way and "without" not in way:
            lines.append(f"Standard deviation of AP over seeds, mean over tasks, {way}: {np.mean(spreads):.3f}.")
    return "\n".join(lines)


def main() -> int:
    """Run, print and write."""
    parser = parser_of(__doc__, seeds=(0, 1))
    parser.add_argument("--ablation", action="store_true")
    parser.add_argument("--without-labels", action="store_true", help="what labels do to the outlier score")
    parser.add_argument("--out", type=Path, help="file to write the table to")
    given = parser.parse_args()
    tasks = tasks_of(parser, given)
    warnings.filterwarnings("ignore")
    found: dict[str, dict[str, list[dict[str, float]]]] = {}
    fits: list[Fit] = []
    for task in tasks:
        group = task.name.split("/")[-2]
        for seed in given.seeds:
            one = task.load(seed)
            ways = rankings(one, seed, ablation=given.ablation)
            for name, scores, seconds in chain(ways, untold(one, seed) if given.without_labels else ()):
                row = {**figures(one.group_test, scores, one.unseen_test), "seconds": seconds}
                found.setdefault(name, {}).setdefault(group, []).append(row)
                fits.append(Fit(name, task.name, seed, row))
            best = found["blemish"][group][-1]
            sys.stderr.write(f"{task.name}, seed {seed}: AP {best['AP']:.3f} in {best['seconds']:.0f} s\n")
    heading = f"`python {' '.join(sys.argv)}`, {date.today()}, {len(tasks)} task(s), seeds {given.seeds}"
    text = f"{heading}\n\n{table(found)}\n\n{remarks(fits)}\n"
    sys.stdout.write(text)
    if given.out:
        given.out.write_text(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
