"""The loop: fit in the background, rank, take marks, refit. One for each program, shared by all who look."""

import copy
import queue
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from blemish.core.errors import BlemishError, DataWarning, QualityWarning
from blemish.data.inputs import name_known
from blemish.data.mapped import mapped_array
from blemish.detector import DefectDetector
from blemish.fitting.fit import run_job
from blemish.modalities.features.feature_cache import FeatureCache, caching
from blemish.review.catalogue import Catalogue
from blemish.review.ledger import Ledger
from blemish.review.looks import Axes, learn_looks, looks
from blemish.review.marks import CODES, Mark, Opinions, in_time
from blemish.review.ranking import TOP, Point, Ranking, best_first, places, point
from blemish.review.suggestions import Suggestion, View, misses, plane, suggest

LEAST_FITTED = 100
MOST_BYTES = 2**30
"""Of pictures that are kept for the next refit, and of what was said of them."""
PUBLISH = 4.0
"""Seconds between two looks at a ranking that is not finished."""
PATIENCE = {"glance": 5.0, "first": 25.0, "refit": 10.0}
"""Seconds after which the training of a glance, of a first fit, and of a refit ends with the epoch."""


@dataclass(frozen=True)
class Status:
    """What the program is doing.

    Attributes:
        stage: 'waiting', 'hashing', 'reading', 'learning', 'scoring' or 'ready'.
        done: Steps done.
        total: Of so many; 0: unknown.
        error: What went wrong last, in words; empty: nothing.
        notes: What the fit had to say.
    """

    stage: str = "waiting"
    done: int = 0
    total: int = 0
    error: str = ""
    notes: tuple[str, ...] = ()


class Review:
    """A data set, its labels and the model that learns from them.

    Args:
        catalogue: The samples.
        ledger: The labels.
        det: A fitted model to start with; None: fit one.
        seed: Of a new model, and of the samples that it learns from where there are many.
        start: Whether to begin at once.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        ledger: Ledger,
        det: DefectDetector | None = None,
        *,
        seed: int = 0,
        start: bool = True,
    ) -> None:
        self.catalogue, self.ledger, self.det = catalogue, ledger, det
        self.status = Status()
        self.ranking: Ranking | None = None
        self.points: list[Point] = []
        self.codes = np.zeros(len(catalogue), dtype=np.int8)
        self.opinions = Opinions()
        self.target: dict[str, Any] = {}
        self._seed, self._count, self._wanted = seed, 0, False
        self._fit_rows: list[int] = []
        self._X: Any = None
        self._lost: set[str] = set()
        self._tasks: queue.Queue[Callable[[], None] | None] = queue.Queue()
        self._marking, self._asking, self._suggesting = threading.RLock(), threading.Lock(), threading.Lock()
        self._suggested: tuple[Any, list[Suggestion]] = (None, [])
        self._cache = FeatureCache(MOST_BYTES)
        self._worker = threading.Thread(target=self._work, daemon=True)
        self._stopped = threading.Event()
        self.sync()
        self._tasks.put(self._begin)
        if start:
            self._worker.start()

    # Labels -------------------------------------------------------------------------------------------------------

    def write(self, marks: Sequence[Mark]) -> int:
        """Store marks; what was stored counts at once. See `Ledger.write`."""
        new = self.ledger.write(marks)
        self.sync()
        return new

    def sync(self) -> None:
        """Take in what others marked since."""
        with self._marking:
            while entries := self.ledger.since(self.opinions.place):
                keys = {entry.mark.sample: entry.mark.key for entry in entries}
                for sample in self.opinions.take(entries):
                    self._apply(sample, keys[sample])

    def _apply(self, sample: str, key: str) -> None:
        row = self._find(sample, key)
        if row is None:
            self._lost.add(sample)
        else:
            self.codes[row] = CODES[self.opinions.label(sample)]

    def _find(self, sample: str, key: str) -> int | None:
        """The row with that content: by name where the content is still the same, else among those looked at."""
        row = self.catalogue.row(sample)
        if row is not None:
            return row
        row = self.catalogue.find(key)
        try:
            return row if row is not None and self.catalogue.digest(row) == sample else None
        except BlemishError:
            return None

    def labels(self, rows: Sequence[int]) -> list[str | None]:
        """For each of the rows 'defect', 'other', 'normal' or None; samples in conflict have none."""
        words = [None, "normal", "other", "defect", None]
        return [words[code] for code in self.codes[list(rows)].tolist()]

    def marks(self) -> list[Mark]:
        """The mark that each person holds of each sample of this data set."""
        with self._marking:
            return [mark for mark in self.opinions.standing() if self.catalogue.row(mark.sample) is not None]

    def counts(self) -> dict[str, int]:
        """Rows by label."""
        return {str(word): int((self.codes == code).sum()) for word, code in CODES.items() if word is not None}

    # Work in the background ------------------------------------------------------------------------------------------

    def refit(self) -> bool:
        """Learn from the marks; False where a fit is waiting already."""
        if self._wanted:
            return False
        self._wanted = True
        self._tasks.put(self._refit)
        return True

    def stop(self) -> None:
        """End the work soon; labels are safe at any moment."""
        self._stopped.set()
        self._tasks.put(None)
        if self._worker.is_alive():
            self._worker.join(timeout=10)
        self.ledger.close()

    @property
    def busy(self) -> bool:
        """Whether something is being computed, or waits for it."""
        return self._wanted or self.status.stage not in ("ready", "waiting") or not self._tasks.empty()

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None and not self._stopped.is_set():
            try:
                with warnings.catch_warnings(record=True) as caught, caching(self._cache):
                    warnings.simplefilter("always")
                    task()
                notes = [str(w.message) for w in caught if issubclass(w.category, (DataWarning, QualityWarning))]
                self.status = Status("ready", notes=tuple(dict.fromkeys(notes))[:5])
            except _Stopped:
                return
            except (BlemishError, MemoryError) as error:
                self.status = Status("ready", error=str(error) or "out of memory")
            except Exception as error:  # the page has to say it, the terminal has the rest
                traceback.print_exc(file=sys.stderr)
                self.status = Status("ready", error=f"{type(error).__name__}: {error} (a bug; the terminal has more)")

    def _tell(self, stage: str, done: int = 0, total: int = 0) -> None:
        if self._stopped.is_set():
            raise _Stopped
        self.status = Status(stage, done, total, notes=self.status.notes)

    def _begin(self) -> None:
        self._match()
        if self.det is not None:
            self._score()
            return
        self._tell("reading")
        self._choose()
        kind: dict[str, Any] = {"modality": self.catalogue.modality, "random_state": self._seed}
        if self.catalogue.on_page.glance:
            self.det = self._fitted(DefectDetector(**kind, scorer="reconstruction"), "glance")
            self._score(glance=True)
        self.det = self._fitted(DefectDetector(**kind), "first")
        self._score()

    def _refit(self) -> None:
        self._tell("reading")
        self._wanted = False
        self.sync()
        if self.det is None:
            self._begin()
            return
        self._choose()
        self.det = self._fitted(copy.copy(self.det), "refit")
        self._score()

    def _match(self) -> None:
        """Find marked samples that were renamed since: by their content."""
        if not self._lost:
            return
        for row in range(len(self.catalogue)):
            if row % 500 == 0:
                self._tell("hashing", row, len(self.catalogue))
            try:
                digest = self.catalogue.digest(row)
            except BlemishError:
                continue
            if digest in self._lost:
                self.codes[row] = CODES[self.opinions.label(digest)]
        self._lost.clear()

    def _choose(self) -> None:
        """What to learn from: all, or where that is too much a random part and whatever is marked."""
        n = len(self.catalogue)
        most = min(self.catalogue.on_page.max_fitted, MOST_BYTES // self.catalogue.bytes_of_sample())
        most = max(most, LEAST_FITTED)
        if not self._fit_rows:
            chosen = np.arange(n)
            if n > most:
                chosen = np.sort(np.random.default_rng(self._seed).permutation(n)[:most])
            self._X, self._fit_rows = self.catalogue.take(chosen.tolist())
        there = set(self._fit_rows)
        more = [row for row in np.flatnonzero((self.codes > 0) & (self.codes < CODES["conflict"])).tolist()
                if row not in there]  # fmt: skip
        if more:
            X, rows = self.catalogue.take(more)
            self._X, self._fit_rows = _joined(self._X, X), [*self._fit_rows, *rows]

    def _fitted(self, det: DefectDetector, how: str) -> DefectDetector:
        y = None if how == "glance" else np.array(self.labels(self._fit_rows), dtype=object)
        job = det.begin_fit(self._X, y, warm_start=how == "refit")
        history, start, patience = [], time.monotonic(), PATIENCE[how]
        for record in run_job(job):
            history.append(record)
            spent = (time.monotonic() - start) / patience
            share = min(1.0, max(record.epoch / job.task.plan.epochs, spent))
            self._tell("learning", round(100 * share), 100)
            if spent >= 1:  # a first look in time is worth more than the last epochs; a refit goes on from here
                break
        det.end_fit(job, history)
        name_known(det, [self.catalogue.keys[row] for row in self._fit_rows])
        run = {"data": self.catalogue.name, **self.catalogue.run}
        taken = sorted(self.catalogue.samples.columns) if self.catalogue.samples is not None else []
        det.notes_ = {"run": run, "taken_out": taken}
        if self.target:
            try:
                det.set_threshold(**self.target)
            except BlemishError as error:
                warnings.warn(f"the threshold is the default one again: {error}", QualityWarning, stacklevel=1)
                self.target = {}
        return det

    def _score(self, *, glance: bool = False) -> None:
        """Score what was learnt from first, for it is there already, then the rest page by page.

        A glance stops after what was learnt from; it is no point of the learning curve, and the next ranking is shown
        as it grows like a first one.
        """
        det, n = self.det, len(self.catalogue)
        assert det is not None
        marks = self.marks()
        outlier, probabilities = np.full(n, np.nan), np.full((n, 3), np.nan)
        defect = np.full(n, np.nan) if det.fitted_.n_defects else None
        lies: np.ndarray | None = None
        own: dict[str, Axes] = {}
        where = np.full((n, 2), np.nan)
        axes, rest, done, shown = None, np.setdiff1d(np.arange(n), self._fit_rows), 0, time.monotonic()
        pages: list[Any] = [self._fit_rows] if self._fit_rows else []
        size = self.catalogue.on_page.at_once
        if not glance:
            pages += [rest[start : start + size] for start in range(0, len(rest), size)]
        self._count += 1
        now, what = datetime.now(UTC).isoformat(timespec="seconds"), "glance" if glance else "fit"
        model = f"{what} {self._count} of {now} on {0 if glance else len(marks)} marks"
        before = self.ranking if self.points else None
        for at, page in enumerate(pages):
            self._tell("scoring", done, n)
            X, rows = (self._X, page) if page is self._fit_rows else self.catalogue.take(page.tolist())
            if rows:
                found = det.assess(X, views=True)
                outlier[rows], probabilities[rows] = found.outlier, found.probabilities
                if defect is not None:
                    defect[rows] = found.defect
                if lies is None:
                    own = learn_looks(found)
                    lies = mapped_array((n, sum(one.directions.shape[1] for one in own.values())), np.float32)
                lies[rows] = looks(found, own)
                where[rows], axes = plane(found.codes, axes)
            done += len(page)
            last = at == len(pages) - 1
            if lies is not None and (last or (before is None and time.monotonic() - shown > PUBLISH)):
                shown = time.monotonic()
                score = outlier if defect is None else defect
                order = best_first(score)
                parts = outlier.copy(), None if defect is None else defect.copy(), probabilities.copy(), lies
                self.ranking = Ranking(
                    number=self._count,
                    model=model,
                    glance=glance,
                    outlier=parts[0],
                    defect=parts[1],
                    probabilities=parts[2],
                    plane=where.copy(),
                    order=order,
                    places=places(order),
                    view=View(*parts),
                    scored=int((~np.isnan(outlier)).sum()),
                )
                self._count += not last
        if lies is None:
            raise BlemishError(f"none of the {n} samples in {self.catalogue.name} can be used with this model")
        assert self.ranking is not None
        if not glance:
            self.points.append(point(det, self.ranking, before, marks, TOP))

    # Questions ---------------------------------------------------------------------------------------------------

    def suggestions(self) -> list[Suggestion]:
        """What to mark next, given the present ranking and all marks up to now."""
        ranking = self.ranking
        if ranking is None or ranking.view is None:
            return []
        asked = ranking.number, self.opinions.place
        with self._suggesting:
            if self._suggested[0] != asked:
                said = [str(mark.label) for mark in in_time(self.marks())]
                self._suggested = asked, suggest(ranking.view, self.codes.copy(), misses(said))
            return self._suggested[1]

    def ask(self, question: Callable[[DefectDetector, Any], Any], row: int) -> Any:
        """Ask the present model something about one sample; None where there is no model or no such sample yet."""
        det = self.det
        if det is None or not hasattr(det, "fitted_"):
            return None
        X, rows = self.catalogue.take([row])
        if not rows:
            return None
        with self._asking:
            return question(det, X)

    def set_threshold(self, target: str, value: float) -> str:
        """Cut elsewhere; says what that promises. See `DefectDetector.set_threshold`."""
        det = copy.copy(self.det)
        if det is None:
            raise BlemishError("there is no model yet; wait for the first fit")
        wanted: dict[str, Any] = {target: int(value) if target == "budget" else value}
        det.set_threshold(**wanted)
        self.det, self.target = det, wanted
        return det.promise_.text

    def table(self) -> pa.Table:
        """All scores by sample, with what was marked.

        Columns: the key, outlier_score, defect_score, p_normal, p_other, p_defect, label (predicted), marked.
        """
        det, ranking = self.det, self.ranking
        if det is None or ranking is None:
            raise BlemishError("there are no scores yet; wait for the first fit")
        label = np.where(ranking.outlier > det.outlier_threshold_, 1, 0)
        if ranking.defect is not None:
            label[ranking.defect > det.threshold_] = 2
        run, keys = self.catalogue.run, self.catalogue.keys
        name = run.get("key") or ("path" if self.catalogue.samples is None or self.catalogue.samples.files else "row")
        defect = np.full(len(label), np.nan) if ranking.defect is None else ranking.defect
        floats = {"outlier_score": ranking.outlier, "defect_score": defect}
        floats |= {f"p_{word}": ranking.probabilities[:, at] for at, word in enumerate(("normal", "other", "defect"))}
        words = pa.array(["normal", "other", "defect"])
        return pa.table(
            {
                name: pa.array(np.arange(len(keys)) if isinstance(keys, range) else list(keys)),
                **{column: pa.array(values, mask=np.isnan(values)) for column, values in floats.items()},
                "label": words.take(pa.array(label, mask=np.isnan(ranking.outlier))),
                "marked": pa.array([None, *map(str, list(CODES)[1:])], pa.string()).take(pa.array(self.codes)),
            }
        )


class _Stopped(Exception):
    """The program ends."""


def _joined(first: Any, second: Any) -> Any:
    if isinstance(first, list):
        return first + second
    if isinstance(first, np.ndarray):
        return np.concatenate([first, second])
    return pa.concat_tables([first, second])
