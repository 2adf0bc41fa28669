"""Data on disk that need not fit into memory: fits that can be killed and resumed, scores written as they come.

A fit takes two passes over the data: one for labels and a sample from which the scaling is learnt, one that writes the
rows as the network takes them to a file. The training reads that file by shards. All state is in one folder until the
fit is done.
"""

import os
import shutil
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from blemish.calibration.calibration import hold_out
from blemish.calibration.drift import Drift
from blemish.core import store
from blemish.core.errors import ConfigError
from blemish.core.groups import Clusters, together
from blemish.core.labels import OTHER, check_kinds, counts, is_ordinary
from blemish.core.run_config import RunConfig
from blemish.data.dataset import Dataset, Reading
from blemish.data.inputs import keys_of, stream_to_fit, stream_to_score
from blemish.data.regions.map_files import NO_MAPS, MapFiles
from blemish.data.streams import Stream, naming_chunk
from blemish.data.writing import table_of, table_writer
from blemish.detector import DefectDetector, load
from blemish.fitting.choices import choose_modality
from blemish.fitting.fit import Fit
from blemish.fitting.fitted import MAX_COMPARED
from blemish.fitting.maps import heats, heats_of_kinds
from blemish.fitting.model import new_model
from blemish.fitting.preparation import CHECKPOINT, ROWS, EvenSample, Prepared, prepare, read_prepared
from blemish.modalities.features.feature_cache import FeatureCache, caching
from blemish.training.loop import EpochRecord, Training
from blemish.training.rows import ShardedRows

MAX_JUDGED = 10_000
"""How many ordinary rows, and labelled rows of each other group, the scorer learns from at most."""
CHECKPOINT_SECONDS = 20.0
MAP_BYTES = 2**28  # of what is measured for the scores of some pictures and kept for their maps
MIN_FOR_DRIFT = 20  # rows: fewer are not evidence about a whole

# Fits ------------------------------------------------------------------------------------------------------------


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

    The folder OUTPUT.fit holds what an interrupted fit has done, with the rows as float32; it is removed when the model
    is written.

    Args:
        det: What to fit, as it is.
        data: A CSV (also compressed), Parquet or Arrow file, or a folder of images.
        output: Model file to write.
        labels: Column of labels; for folders a table of names and labels.
        resume: Resume an interrupted fit of the same data and arguments; the outcome is, to the bit, that of a fit
            that was not interrupted.
        options: More of the run file's keys: defect, other, normal, defect_folder, …, key, drop, glob, names,
            delimiter, ….

    Raises:
        ConfigError: If the state is of another fit, or there is none to resume.
        DataError: If the data cannot be used, or not in chunks.

    Returns:
        The detector, fitted.
    """
    run = RunConfig.check({"data": str(data), "labels": labels, **options}, "fit_file")
    store.check_writable(output, data, labels)
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
    """`fit_file` as a generator.

    Args:
        det: What to fit.
        stream: The data.
        run: Where the labels are.
        state: Folder for what an interrupted fit has done.
        output: Model file to write.
        resume: See `fit_file`.
        every: Seconds between two saved states; 0: after each epoch.

    Yields:
        A record per epoch.
    """
    start, arguments = time.perf_counter(), det.get_params(deep=False)
    if resume:
        prepared = read_prepared(arguments, stream.modality, run, state)
    else:
        prepared = prepare(arguments, stream, run, state)
    fit, judged = _begin(arguments, prepared, state)
    training, history = Training(fit.objective), _restored(state)
    if history:
        arrays, _ = store.read(state / CHECKPOINT)
        training.restore(arrays, len(history))
    saved = time.perf_counter()
    for record in fit.train(training, history):
        history.append(record)
        if time.perf_counter() - saved >= every:
            store.write(state / CHECKPOINT, training.arrays(), {"history": [asdict(r) for r in history]})
            saved = time.perf_counter()
        yield record
    ending = replace(fit.judging(judged), columns=prepared.columns, start=start, reading=prepared.reading)
    # few rows: folds calibrate, and fit on what the tensors stand for
    if not len(fit.held_out) and not isinstance(ending.x, ShardedRows):
        few = prepared.modality.to_raw(ending.x.to_dense().cpu().numpy())
        groups = None if ending.cluster is None else ending.cluster.tolist()
        rows = Dataset(few, list(ending.names), prepared.name, groups=groups)
        ending = replace(ending, arguments=arguments, rows=rows)
    det.end_fit(ending, history)
    det.fitted_ = replace(det.fitted_, held_out=fit.held_out)
    det.training_["rows"] = counts(prepared.group, fit.kinds)
    if prepared.cluster is not None:
        det.training_["groups"] = int(prepared.cluster.max()) + 1
    apart = [run.labels, run.key, *(run.drop or []), run.groups if run.groups in stream.types else None]
    taken_out = [name for name in apart if name and not stream.files]
    det.notes_ = {"run": run.given(), "taken_out": sorted(taken_out), "skipped": prepared.reading.skipped}
    det.save(output)
    shutil.rmtree(state)


def _begin(arguments: dict[str, Any], prepared: Prepared, state: Path) -> tuple[Fit, np.ndarray]:
    """A fit of all rows, and the rows that its scorer will learn from."""
    group, seed = prepared.group, prepared.seed
    rng = np.random.default_rng(seed)
    part = choose_modality(arguments["modality"], prepared.name)
    model = new_model(arguments, part, prepared.modality, seed)
    x = ShardedRows(state / ROWS, prepared.modality.sample_shape, model.device)
    cluster = prepared.cluster
    fit = Fit.of(arguments, model, x, group, hold_out(group, rng, cluster), rng, seed, cluster=cluster)
    fit = replace(fit, kinds=check_kinds(arguments["defects"]))
    named = fit if prepared.keys is None else replace(fit, names=prepared.keys)
    return named, _judged(group, fit.held_out, rng, cluster)


def _judged(group: np.ndarray, held_out: np.ndarray, rng: np.random.Generator, cluster: Clusters) -> np.ndarray:
    """Rows that the scorer learns from and is calibrated on: the held-out ones, and some of each group."""
    learnt = is_ordinary(group) & ~together(held_out, cluster, len(group))
    kinds = [np.flatnonzero(learnt), *(np.flatnonzero(group == code) for code in range(OTHER, group.max() + 1))]
    some = [rows if len(rows) <= MAX_JUDGED else rng.choice(rows, MAX_JUDGED, replace=False) for rows in kinds]
    return np.sort(np.concatenate([held_out, *some]))


def _restored(state: Path) -> list[EpochRecord]:
    if not (state / CHECKPOINT).is_file():
        return []
    return [EpochRecord(**record) for record in store.read(state / CHECKPOINT)[1]["history"]]


# Scores ----------------------------------------------------------------------------------------------------------


@dataclass
class Scored:
    """What was done.

    Attributes:
        n: Samples scored.
        labels: How many of each label.
        reading: What was read, and how.
        drift: The samples compared with the training data; None where they are too few.
    """

    n: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    reading: Reading = field(default_factory=Reading)
    drift: Drift | None = None

    @property
    def skipped(self) -> list[str]:
        """Files that could not be decoded."""
        return self.reading.skipped


def score_file(
    model: DefectDetector | str | os.PathLike[str],
    data: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    key: str | None = None,
    glob: str | None = None,
) -> Scored:
    """Score a file or folder chunk by chunk, as `blemish score` does.

    Args:
        model: A fitted detector, or a model file.
        data: What `blemish.read` takes.
        output: CSV or Parquet file; an old one stays until the new one is complete.
        key: Column that names the rows.
        glob: Which file names in a folder count.

    Raises:
        ConfigError: If the output is of another kind.
        DataError: If the data cannot be read.
    """
    if Path(output).suffix.lower() not in (".csv", ".parquet"):
        raise ConfigError(f"{output} must end in .csv or .parquet")
    store.check_writable(output, data, None if isinstance(model, DefectDetector) else model)
    det = model if isinstance(model, DefectDetector) else load(model)
    return score_stream(det, stream_to_score(det, str(data), glob=glob, key=key), output, key=key)


def score_stream(
    det: DefectDetector,
    stream: Stream,
    output: str | os.PathLike[str],
    *,
    key: str | None = None,
    advance: Callable[[int], None] | None = None,
    maps: MapFiles | None = None,
) -> Scored:
    """Score a stream; a row scores as it would alone.

    Args:
        det: A fitted detector.
        stream: The data.
        output: See `score_file`.
        key: See `score_file`.
        advance: Called with the number of rows after each chunk.
        maps: From `map_files`, to which the map of each picture is added, too.
    """
    done, some, tally = Scored(), EvenSample(stream.n_rows, MAX_COMPARED), Counter()
    modality = det.fitted_.model.modality
    key_type = stream.types.get(key) if key else None
    with table_writer(output) as write:
        for samples in stream.chunks():
            if len(samples):
                with naming_chunk(done.n), caching(FeatureCache(0 if maps is None else MAP_BYTES)):
                    table = score_table(det, samples.X, *keys_of(samples, key), key_type)
                    if maps is not None:
                        each = (heats(det.fitted_, samples.X), heats_of_kinds(det.fitted_, samples.X))
                        maps.add(zip(samples.keys, *each, strict=True))
                write(table)
                tally += modality.tally(samples.X)
                done.labels.update(table["label"].to_pylist())
                some.add(samples.X)
            done.n += len(samples)
            done.reading.notes += samples.reading
            if advance is not None:
                advance(len(samples) + len(samples.skipped))
    done.reading = stream.reading.more([*done.reading, *modality.notes_from(tally)])
    if len(det.fitted_.held_out) and done.n >= MIN_FOR_DRIFT:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the same rows have warned when they were scored
            done.drift = det.drift(some.kept())
    return done


def map_files(
    det: DefectDetector,
    data: str | os.PathLike[str],
    heat: Path | None,
    regions: Path | None,
    false_alarm_area: float | None = None,
) -> MapFiles:
    """Where `score_stream` writes maps and regions of the pictures that it scores.

    Args:
        det: A fitted detector.
        data: What is scored.
        heat: Folder for maps, or None.
        regions: COCO file for regions, or None.
        false_alarm_area: See `DefectDetector.regions`; None: 0.001, or more where few normal pictures were fitted.

    Raises:
        ConfigError: If the model has no maps.
        DataError: If too few normal pictures were fitted for that area.
    """
    levels = det.fitted_.area_levels
    if levels is None:
        raise ConfigError(NO_MAPS.format(model="this model"))
    area = levels.area(false_alarm_area)
    return MapFiles(Path(data), heat, regions, det.fitted_.word, levels.cut(area), area, tuple(det.fitted_.each))


def score_table(
    det: "DefectDetector", X: Any, keys: list[Any], key_name: str, key_type: pa.DataType | None = None
) -> pa.Table:
    """All scores of each row.

    Args:
        det: A fitted detector.
        X: Samples.
        keys: A name for each.
        key_name: The name of their column.
        key_type: Its type; None: what the names are.

    Returns:
        Columns: the key, outlier_score, defect_score (null without labelled defects), p_normal, p_other, p_defect (one
        for each kind of defect, by its word), label.
    """
    found, classes = det.scores(X), det.classes_.tolist()
    probabilities = np.column_stack([found[f"p_{name}"] for name in classes])
    return table_of({**found, "probabilities": probabilities}, classes, keys, key_name, key_type)
