"""The labelling loop: fit in the background, rank, take marks, refit. One per program, shared by all open pages."""

import copy
import queue
import sys
import threading
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from blemish.core.errors import BlemishError, DataWarning, QualityWarning
from blemish.core.labels import ONE_KIND, check_kinds
from blemish.data.inputs import name_known
from blemish.detector import DefectDetector
from blemish.modalities.features import FeatureCache, caching, keeping_maps, users_store
from blemish.review.catalogue import Catalogue
from blemish.review.ledger import Ledger
from blemish.review.marks import CODES, DISAGREEMENT, Mark, Opinions, in_time, is_defect_word, label_codes, of_one_kind
from blemish.review.ranking import TOP, GrowingRanking, Point, Ranking, point
from blemish.review.suggestions import Suggestion, misses, suggest
from blemish.review.viewer.strokes import drawn_mask

MIN_FITTED = 100
MAX_BYTES = 2**30
"""Limit of the samples kept in memory for the next refit, and of their cached features."""
PUBLISH = 4.0
"""Seconds between two publications of a ranking that is still growing."""
PATIENCE = {"glance": 5.0, "first": 25.0, "refit": 10.0}
"""Seconds after which training ends with the current epoch: of the preliminary ranking, a first fit and a refit."""


@dataclass(frozen=True)
class Status:
    """What the program is doing.

    Attributes:
        stage: 'waiting', 'hashing', 'reading', 'learning', 'scoring' or 'ready'.
        done: Steps done.
        total: Number of steps; 0: unknown.
        error: The last error message; empty: none.
        notes: Warnings of the fit.
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
        seed: Random seed of a new model, and of the choice of training samples where there are many.
        start: Whether to start the background work at once.
        kinds: Words of the kinds of defect; None: those of the model.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        ledger: Ledger,
        det: DefectDetector | None = None,
        *,
        seed: int = 0,
        start: bool = True,
        kinds: tuple[str, ...] | None = None,
    ) -> None:
        self.kinds = check_kinds(kinds or (ONE_KIND if det is None else det.fitted_.kinds))
        self._code_of = label_codes(self.kinds)
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
        self._outdated = False
        self._tasks: queue.Queue[Callable[[], None] | None] = queue.Queue()
        self._marking, self._asking, self._suggesting = threading.RLock(), threading.Lock(), threading.Lock()
        self._suggested: tuple[Any, list[Suggestion]] = (None, [])
        self._cache, self._maps = FeatureCache(MAX_BYTES), users_store()
        self._worker = threading.Thread(target=self._work, daemon=True)
        self._stopped = threading.Event()
        self.sync()
        self._tasks.put(self._begin)
        if start:
            self._worker.start()

    # Labels -------------------------------------------------------------------------------------------------------

    def write(self, marks: Sequence[Mark]) -> int:
        """Store marks; they take effect at once. See `Ledger.write`."""
        new = self.ledger.write(marks)
        self.sync()
        return new

    def sync(self) -> None:
        """Take in marks that others made since."""
        with self._marking:
            while entries := self.ledger.since(self.opinions.place):
                keys = {entry.mark.sample: entry.mark.key for entry in entries}
                for sample in self.opinions.take(entries):
                    row = self._find(sample, keys[sample])
                    if row is None:
                        self._lost.add(sample)
                    else:
                        self.codes[row] = self._code(self.opinions.label(sample))
            while self.catalogue.changed:  # labels follow the content, and what was there is there no more
                row, self._outdated = self.catalogue.changed.pop(), True
                with suppress(BlemishError):
                    self.codes[row] = self._code(self.opinions.label(self.catalogue.digest(row)))

    def _code(self, label: str | None) -> int:
        """The number of a label; that of a kind which is not among these counts as none, and keeps its word."""
        return self._code_of.get(label, 0)

    @property
    def det_kinds(self) -> tuple[str, ...]:
        """Kinds of defect of the model; those of the page may be more, until the next refit."""
        return self.kinds if self.det is None else self.det.fitted_.kinds

    @property
    def strange(self) -> str:
        """Words of the database that are not a kind here, in a sentence; '' without any."""
        words = Counter(str(mark.label) for mark in self.marks() if mark.label not in self._code_of)
        found = ", ".join(f"{n} say {word!r}" for word, n in words.items())
        return (
            f"Of the labels {found}, which is not one of {', '.join(self.kinds)}: kept, not learnt from."
            if found
            else ""
        )

    def _find(self, sample: str, key: str) -> int | None:
        """The row with that content: by name if its content is unchanged, else among the rows hashed so far."""
        row = self.catalogue.find(key) if self.catalogue.row(sample) is None else None
        if row is not None:
            with suppress(BlemishError):
                self.catalogue.digest(row)  # from now on `row` finds it
        return self.catalogue.row(sample)

    def labels(self, rows: Sequence[int]) -> list[str | None]:
        """A kind of defect, 'other', 'normal' or None per row; samples on which people disagree have no label."""
        words = {code: None if label == DISAGREEMENT else label for label, code in self._code_of.items()}
        return [words[code] for code in self.codes[list(rows)].tolist()]

    def regions(self, rows: Sequence[int], X: Any) -> list[Any] | None:
        """For each row the mask of what was drawn on it, in the size of its sample in X, or None; None: nothing was.

        Only what is labelled as the defect has one: a label that was taken back takes back what was drawn with it.
        """
        found: list[Any] = [None] * len(rows)
        for at in np.flatnonzero(of_one_kind(self.codes[list(rows)]) == CODES["defect"]).tolist():
            drawn = self.opinions.drawings(self.catalogue.digest(rows[at]))
            found[at] = drawn_mask(drawn, *np.shape(X[at])[-2:]) if drawn else None
        return None if all(mask is None for mask in found) else found

    def marks(self) -> list[Mark]:
        """The valid mark of each person on each sample of this data set."""
        with self._marking:
            return [mark for mark in self.opinions.standing() if self.catalogue.row(mark.sample) is not None]

    def counts(self) -> dict[str, int]:
        """Rows by label."""
        return {str(word): int((self.codes == code).sum()) for word, code in self._code_of.items() if word is not None}

    # Work in the background ------------------------------------------------------------------------------------------

    def refit(self) -> bool:
        """Refit with the marks, in the background; False if a refit is pending already."""
        if self._wanted:
            return False
        self._wanted = True
        self._tasks.put(self._refit)
        return True

    def stop(self) -> None:
        """Stop the background work; labels are safe at any moment."""
        self._stopped.set()
        self._tasks.put(None)
        if self._worker.is_alive():
            self._worker.join(timeout=10)
        self.ledger.close()

    @property
    def busy(self) -> bool:
        """Whether something is being computed or is pending."""
        return self._wanted or self.status.stage not in ("ready", "waiting") or not self._tasks.empty()

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None and not self._stopped.is_set():
            try:
                with warnings.catch_warnings(record=True) as caught, caching(self._cache), keeping_maps(self._maps):
                    warnings.simplefilter("always")
                    task()
                notes = [str(w.message) for w in caught if issubclass(w.category, (DataWarning, QualityWarning))]
                notes = [*self.catalogue.samples.reading.lines(), *notes]
                self.status = Status("ready", notes=tuple(dict.fromkeys(notes))[:5])
            except _Stopped:
                return
            except (BlemishError, MemoryError) as error:
                self.status = Status("ready", error=str(error) or "out of memory")
            except Exception as error:  # the page shows the message, the terminal the traceback
                traceback.print_exc(file=sys.stderr)
                self.status = Status("ready", error=f"{type(error).__name__}: {error} (a bug; see the terminal)")

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
        kind: dict[str, Any] = {"modality": self.catalogue.modality, "random_state": self._seed, "defects": self.kinds}
        if self.catalogue.on_page.glance:
            self.det = self._fitted(DefectDetector(**kind, scorer="reconstruction"), "glance")
            self._score(glance=True)
        self.det = self._fitted(DefectDetector(**kind), "first")
        self._score()

    def _refit(self) -> None:
        self._tell("reading")
        self._wanted = False
        for row in np.flatnonzero(self.codes).tolist():
            with suppress(BlemishError):
                self.catalogue.digest(row)  # a file may have been replaced since it was marked
        self.sync()
        if self.det is None:
            self._begin()
            return
        self._choose()
        self.det = self._fitted(copy.copy(self.det).set_params(defects=self.kinds), "refit")
        self._score()

    def _match(self) -> None:
        """Find marked samples that have since been renamed, by their content."""
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
                self.codes[row] = self._code(self.opinions.label(digest))
        self._lost.clear()

    def _choose(self) -> None:
        """Choose the training samples: all, or, where these are too many, a random part and all marked ones."""
        if not self._fit_rows or self._outdated:
            self._outdated = False
            n, most = len(self.catalogue), MAX_BYTES // self.catalogue.bytes_of_sample()
            most = max(min(self.catalogue.on_page.max_fitted, most), MIN_FITTED)
            chosen = np.arange(n)
            if n > most:
                chosen = np.sort(np.random.default_rng(self._seed).permutation(n)[:most])
            self._X, self._fit_rows = self.catalogue.take(chosen.tolist())
        marked = np.flatnonzero((self.codes > 0) & (self.codes != CODES[DISAGREEMENT]))
        more = np.setdiff1d(marked, self._fit_rows).tolist()
        if more:
            X, rows = self.catalogue.take(more)
            self._X, self._fit_rows = _joined(self._X, X), [*self._fit_rows, *rows]

    def _fitted(self, det: DefectDetector, how: str) -> DefectDetector:
        y = None if how == "glance" else np.array(self.labels(self._fit_rows), dtype=object)
        regions = None if how == "glance" else self.regions(self._fit_rows, self._X)
        groups = self.catalogue.groups(self._fit_rows)
        fit = det.begin_fit(self._X, y, groups=groups, regions=regions, warm_start=how == "refit")
        history, start, patience = [], time.monotonic(), PATIENCE[how]
        for record in fit.train():
            history.append(record)
            spent = (time.monotonic() - start) / patience
            progress = min(1.0, max(record.epoch / fit.objective.plan.epochs, spent))
            self._tell("learning", round(100 * progress), 100)
            if spent >= 1:  # a ranking in time is worth more than the last epochs; a refit continues from here
                break
        det.end_fit(fit, history)
        name_known(det, [self.catalogue.keys[row] for row in self._fit_rows])
        run = {"data": self.catalogue.name, **self.catalogue.run}
        det.notes_ = {"run": run, "taken_out": sorted(self.catalogue.samples.columns)}
        if self.target:
            try:
                det.set_threshold(**self.target)
            except BlemishError as error:
                warnings.warn(f"the threshold was reset to the default: {error}", QualityWarning, stacklevel=1)
                self.target = {}
        return det

    def _score(self, *, glance: bool = False) -> None:
        """Score the samples that were learnt from first, for they are in memory, then the rest page by page.

        A glance stops after the first; it is not a point of the learning curve, and the next ranking is shown while it
        grows, like a first one.
        """
        det, n = self.det, len(self.catalogue)
        assert det is not None
        marks, before = self.marks(), self.ranking if self.points else None
        now, what = datetime.now(UTC).isoformat(timespec="seconds"), "glance" if glance else "fit"
        name = f"{what} {self._count + 1} of {now} on {0 if glance else len(marks)} marks"
        growing = GrowingRanking(n, name, with_defects=bool(det.fitted_.n_defects), glance=glance)
        done, shown = 0, time.monotonic()
        for page in self._pages(glance):
            self._tell("scoring", done, n)
            if not growing.empty and before is None and time.monotonic() - shown > PUBLISH:
                self._publish(growing)
                shown = time.monotonic()
            X, rows = (self._X, page) if page is self._fit_rows else self.catalogue.take(page)
            if rows:
                growing.add(rows, det.assess(X, views=True))
            done += len(page)
        if growing.empty:
            raise BlemishError(f"none of the {n} samples in {self.catalogue.name} can be used with this model")
        ranking = self._publish(growing)
        if not glance:
            self.points.append(point(det, ranking, before, marks, TOP))

    def _pages(self, glance: bool) -> Iterator[list[int]]:
        if self._fit_rows:
            yield self._fit_rows
        if not glance:
            rest = np.setdiff1d(np.arange(len(self.catalogue)), self._fit_rows).tolist()
            size = self.catalogue.on_page.at_once
            yield from (rest[start : start + size] for start in range(0, len(rest), size))

    def _publish(self, growing: GrowingRanking) -> Ranking:
        self._count += 1
        self.ranking = growing.ranking(self._count)
        return self.ranking

    # Questions ---------------------------------------------------------------------------------------------------

    def suggestions(self) -> list[Suggestion]:
        """What to mark next, given the current ranking and all marks so far."""
        ranking = self.ranking
        if ranking is None:
            return []
        state = ranking.number, self.opinions.place
        with self._suggesting:
            if self._suggested[0] != state:
                labels = ["defect" if is_defect_word(m.label) else str(m.label) for m in in_time(self.marks())]
                self._suggested = state, suggest(ranking.snapshot, of_one_kind(self.codes), misses(labels))
            return self._suggested[1]

    def ask(self, question: Callable[[DefectDetector, Any], Any], row: int) -> Any:
        """Put a question to the current model and one sample; None without a model or if the sample cannot be read."""
        det = self.det
        X, rows = self.catalogue.take([row]) if hasattr(det, "fitted_") else (None, [])
        if det is None or not rows:
            return None
        with self._asking:
            return question(det, X)

    def set_threshold(self, target: str, value: float) -> str:
        """Move the threshold; returns what it guarantees. See `DefectDetector.set_threshold`."""
        det = copy.copy(self.det)
        if det is None:
            raise BlemishError("there is no model yet; wait for the first fit")
        wanted: dict[str, Any] = {target: int(value) if target == "budget" else value}
        det.set_threshold(**wanted)
        self.det, self.target = det, wanted
        return det.promise_.text


class _Stopped(Exception):
    """The program ends."""


def _joined(first: Any, second: Any) -> Any:
    if isinstance(first, list):
        return first + second
    if isinstance(first, np.ndarray):
        return np.concatenate([first, second])
    return pa.concat_tables([first, second])
