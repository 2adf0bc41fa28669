"""Fits on data on disk that need not fit into memory, and that can be killed and gone on with.

Two passes over the data: one for labels and a sample from which the scaling is learnt, one that writes the rows as the
network sees them to a file. The training reads that file by shards. All state is in one folder until the fit is done.
"""

import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Int

from blemish.calibration.held_out import hold_out
from blemish.core import store
from blemish.core.errors import ArtifactError, ConfigError
from blemish.core.labels import DEFECT, NORMAL, OTHER, UNLABELLED, counts, is_ordinary, need_ordinary, to_groups
from blemish.core.run_config import RunConfig
from blemish.data.columns import frame_columns
from blemish.data.inputs import labels_for, stream_to_fit
from blemish.data.rows import take
from blemish.data.sources import Samples
from blemish.data.streams import Stream, placed
from blemish.detector import DefectDetector
from blemish.fitting.choices import choose_modality, seed_of
from blemish.fitting.fit import Job, assemble, plan_task, run_job
from blemish.modalities.modality import FittedModality
from blemish.training.loop import EpochRecord, Run
from blemish.training.shards import ShardedRows

SAMPLED_ROWS, SAMPLED_IMAGES = 100_000, 2000
"""What the scaling is learnt from; all rows where there are no more. A quantile of 100,000 rows is off by 0.5 % of the
rows at most, with 99.9 % confidence (Dvoretzky, Kiefer and Wolfowitz, 1956)."""
JUDGED = 10_000
"""Ordinary rows, and labelled rows of each other kind, that the scorer learns from."""
PREPARED, ROWS, CHECKPOINT = "prepared.safetensors", "rows.f32", "checkpoint.safetensors"
CHECKPOINT_SECONDS = 20.0


def fit_file(
    det: DefectDetector,
    data: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    labels: str | None = None,
    resume: bool = False,
    **options: Any,
) -> DefectDetector:
    """Fit on a file or folder that need not fit into memory, and save the model.

    What an interrupted fit has done is in the folder OUTPUT.fit, with the rows as float32; it goes when the model is
    written.

    Args:
        det: What to fit, as it is.
        data: A CSV (also compressed), Parquet or Arrow file, or a folder of images.
        output: Model file to write.
        labels: Column of labels; for folders a table of names and labels.
        resume: Go on with an interrupted fit of the same data and arguments; the outcome is that of a fit that nobody
            interrupted, bit by bit.
        options: More of the run file's keys: defect, other, normal, defect_folder, …, key, drop, glob, names.

    Raises:
        ConfigError: If the state is of another fit, or there is none to go on with.
        DataError: If the data cannot be used, or not in this way.
    """
    run = RunConfig.check({"data": str(data), "labels": labels, **options}, "fit_file")
    store.need_place(output, data, labels)
    for _ in iter_fit_stream(det, stream_to_fit(run), run, Path(f"{output}.fit"), Path(output), resume=resume):
        pass
    return det


def iter_fit_stream(
    det: DefectDetector,
    stream: Stream,
    run: RunConfig,
    state: Path,
    output: Path,
    *,
    resume: bool = False,
    every: float = CHECKPOINT_SECONDS,
) -> Iterator[EpochRecord]:
    """`fit_file` as a generator that yields a record an epoch.

    Args:
        det: What to fit.
        stream: The data.
        run: Where the labels are.
        state: Folder for what an interrupted fit has done.
        output: Model file to write.
        resume: See `fit_file`.
        every: Seconds between two saved states; 0: after each epoch.
    """
    start, wanted = time.perf_counter(), _fingerprint(det, run)
    if resume:
        prepared = _read_prepared(det, state, wanted, stream.modality)
    else:
        prepared = _prepare(det, stream, run, state, wanted)
    job, held_out = _begin(det, prepared, state, start)
    under_way, history = Run(job.task), _restored(state)
    if history:
        arrays, _ = store.read(state / CHECKPOINT)
        under_way.restore(arrays, len(history))
    saved = time.perf_counter()
    for record in run_job(job, under_way, history):
        history.append(record)
        if time.perf_counter() - saved >= every:
            store.write(state / CHECKPOINT, under_way.arrays(), {"history": [asdict(r) for r in history]})
            saved = time.perf_counter()
        yield record
    _end(det, job, held_out, history, prepared)
    taken_out = [name for name in (run.labels, run.key, *(run.drop or [])) if name and not stream.files]
    det.notes_ = {"run": run.given(), "taken_out": sorted(taken_out), "skipped": prepared.skipped}
    det.save(output)
    shutil.rmtree(state)


# Preparing -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Prepared:
    """What two passes over the data gave.

    Attributes:
        modality: The scaling.
        name: Of the modality.
        group: The rows' groups.
        keys: The names of files; None: row numbers.
        seed: Of the whole fit.
        columns: A table's column names, or None.
        skipped: Files that could not be decoded.
    """

    modality: FittedModality
    name: str
    group: Int[np.ndarray, " row"]
    keys: list[str] | None
    seed: int
    columns: list[str] | None
    skipped: list[str]


def _prepare(det: DefectDetector, stream: Stream, run: RunConfig, state: Path, wanted: str) -> Prepared:
    part, seed = choose_modality(det.modality, stream.modality), seed_of(det.random_state)
    labels = _Labels(run, stream)
    some = Sample(SAMPLED_IMAGES if stream.files else SAMPLED_ROWS, np.random.default_rng(seed))
    skipped: list[str] = []
    for samples in stream.chunks():
        if len(samples):
            labels.add(samples)
            some.add(samples.X)
        skipped += samples.skipped
    group = labels.groups()
    need_ordinary(group)
    sample = some.kept()
    modality = part.make().fit(sample)
    columns = frame_columns(sample) if isinstance(sample, pa.Table) else None
    facts = {"modality": modality.state(), "keys": labels.keys, "seed": seed, "columns": columns, "skipped": skipped}
    with _anew(state):
        n = 0
        for samples in stream.chunks():
            if len(samples):
                with placed(n):
                    ShardedRows.append(state / ROWS, modality.to_tensor(samples.X))
                n += len(samples)
        store.write(state / PREPARED, {"group": group}, {"prepared": facts, "of": wanted})
    return Prepared(modality, stream.modality, group, labels.keys, seed, columns, skipped)


@contextmanager
def _anew(state: Path) -> Iterator[None]:
    """An empty folder in place of what an earlier fit left; gone again where the block fails: no fit can go on from it.

    Raises:
        ArtifactError: If there is something else, or the folder cannot be made.
    """
    names = [path.name for path in state.iterdir()] if state.is_dir() else []
    foreign = [name for name in names if name not in (PREPARED, ROWS, CHECKPOINT) and not name.endswith(".part")]
    if foreign:
        raise ArtifactError(f"{state} holds {foreign[0]!r}, which no fit has put there; name another output")
    shutil.rmtree(state, ignore_errors=True)
    try:
        state.mkdir()
    except OSError as error:
        raise ArtifactError(f"cannot make the folder {state}: {error.strerror}") from None
    try:
        yield
    except BaseException:
        shutil.rmtree(state, ignore_errors=True)
        raise


def _read_prepared(det: DefectDetector, state: Path, wanted: str, name: str) -> Prepared:
    if not (state / PREPARED).is_file():
        raise ConfigError(f"there is no unfinished fit in {state} to go on with; leave out 'resume' to begin one")
    arrays, manifest = store.read(state / PREPARED)
    if manifest.get("of") != wanted:
        raise ConfigError(
            f"the unfinished fit in {state} is of other data or arguments; give the same ones, or begin anew without "
            "'resume'"
        )
    facts = dict(manifest["prepared"])
    part = choose_modality(det.modality, name)
    modality = part.factory.fitted.from_state(facts.pop("modality"))
    return Prepared(modality, name, arrays["group"], **facts)


def _fingerprint(det: DefectDetector, run: RunConfig) -> str:
    """What must be the same for a fit to go on: data (by size and time), labels and arguments."""
    path = Path(str(run.data))
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    facts = [
        [len(files)],
        [sum(file.stat().st_size for file in files)],
        [max(file.stat().st_mtime_ns for file in files)],
    ]
    given = {name: value for name, value in run.given().items() if name not in ("output", "device")}
    arguments = {name: repr(value) for name, value in det.get_params(deep=False).items() if name != "verbose"}
    return json.dumps([facts, given, arguments], sort_keys=True)


class _Labels:
    """Labels of a stream: of a table as numbers of values, because ten million words are a gigabyte."""

    def __init__(self, run: RunConfig, stream: Stream) -> None:
        self._run, self._number_of, self._numbers = run, {}, []
        self._n, self._kind = 0, stream.modality
        self.keys: list[str] | None = [] if stream.files else None

    def add(self, samples: Samples) -> None:
        self._n += len(samples)
        if self.keys is not None:
            self.keys += samples.keys
        elif self._run.labels is not None:
            if self._run.labels not in samples.columns:
                labels_for(samples, self._run)  # says what is wrong
            values = [None if v is None or v != v else v for v in samples.columns[self._run.labels]]
            numbers = [self._number_of.setdefault(value, len(self._number_of)) for value in values]
            self._numbers.append(np.array(numbers, dtype=np.int32))

    def groups(self) -> Int[np.ndarray, " row"]:
        if self.keys is not None:
            words = labels_for(Samples(None, self.keys, self._kind, files=True), self._run)
            group = to_groups(words, self._n)
        elif self._run.labels is None:
            words = labels_for(Samples(None, [], self._kind), self._run)
            group = to_groups(words, self._n)
        else:
            values = list(self._number_of)
            of_value = Samples(None, list(range(len(values))), self._kind, columns={self._run.labels: values})
            group = to_groups(labels_for(of_value, self._run), len(values))[np.concatenate(self._numbers)]
        group = group.astype(np.int8)  # eight bytes a row would be many times that before the end
        return group if self._run.limit_labels is None else _limited(group, self._run)


def _limited(group: Int[np.ndarray, " row"], run: RunConfig) -> Int[np.ndarray, " row"]:
    rng, most = np.random.default_rng(run.random_state), run.limit_labels
    for code in (NORMAL, OTHER, DEFECT):
        group[rng.permutation(np.flatnonzero(group == code))[most:]] = UNLABELLED
    return group


class Sample:
    """A uniform sample of a stream in one pass: the rows with the smallest random numbers."""

    def __init__(self, most: int, rng: np.random.Generator) -> None:
        """Begin.

        Args:
            most: Rows that are kept.
            rng: Source of the numbers.
        """
        self._most, self._rng, self._cut = most, rng, 1.0
        self._ranks, self._parts = [], []

    def add(self, X: Any) -> None:
        """The next chunk."""
        drawn = self._rng.random(len(X))
        places = np.flatnonzero(drawn < self._cut)
        if len(places):
            self._ranks.append(drawn[places])
            self._parts.append(take(X, places.tolist()))
        if sum(map(len, self._ranks)) > 2 * self._most:
            self._prune()

    def kept(self) -> Any:
        """The sample, in the order and form of the chunks."""
        if sum(map(len, self._ranks)) > self._most:
            self._prune()
        return self._parts[0] if len(self._parts) == 1 else _joined(self._parts)

    def _prune(self) -> None:
        ranks, all_rows = np.concatenate(self._ranks), _joined(self._parts)
        self._cut = float(np.partition(ranks, self._most)[self._most])
        places = np.flatnonzero(ranks < self._cut)
        self._ranks, self._parts = [ranks[places]], [take(all_rows, places.tolist())]


def _joined(parts: Sequence[Any]) -> Any:
    if isinstance(parts[0], pa.Table):
        return pa.concat_tables(parts, promote_options="permissive").combine_chunks()
    return [row for part in parts for row in part]


# Training --------------------------------------------------------------------------------------------------------


def _begin(det: DefectDetector, prepared: Prepared, state: Path, start: float) -> tuple[Job, np.ndarray]:
    arguments, group, seed = det.get_params(deep=False), prepared.group, prepared.seed
    rng = np.random.default_rng(seed)
    model = assemble(arguments, choose_modality(det.modality, prepared.name), prepared.modality, seed)
    x = ShardedRows(state / ROWS, prepared.modality.sample_shape, model.device)
    held_out = hold_out(group, rng)
    task, patience = plan_task(model, x, group, held_out, arguments, rng, warm_start=False)
    judged = _judged(group, held_out, rng)
    names = [row if prepared.keys is None else prepared.keys[row] for row in judged.tolist()]
    dense = x[torch.from_numpy(judged)]
    places = np.flatnonzero(np.isin(judged, held_out))
    job = Job(task, patience, model, dense, group[judged], names, places, rng, start, seed, prepared.columns)
    return job, held_out


def _judged(group: np.ndarray, held_out: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rows that the scorer learns from and is calibrated on: the held-out ones, and some of each group."""
    learnt = is_ordinary(group)
    learnt[held_out] = False
    kinds = [np.flatnonzero(learnt), *(np.flatnonzero(group == code) for code in (OTHER, DEFECT))]
    some = [rows if len(rows) <= JUDGED else rng.choice(rows, JUDGED, replace=False) for rows in kinds]
    return np.sort(np.concatenate([held_out, *some]))


def _restored(state: Path) -> list[EpochRecord]:
    if not (state / CHECKPOINT).is_file():
        return []
    return [EpochRecord(**record) for record in store.read(state / CHECKPOINT)[1]["history"]]


def _end(det: DefectDetector, job: Job, held_out: np.ndarray, history: list[EpochRecord], prepared: Prepared) -> None:
    det.end_fit(job, history)
    det.fitted_ = replace(det.fitted_, held_out=held_out)
    det.training_["rows"] = counts(prepared.group)
