"""Scores of data on disk that need not fit into memory, written as they come."""

import os
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from blemish.calibration.drift import Drift
from blemish.core.errors import ConfigError
from blemish.core.store import need_place
from blemish.data.inputs import keys_of, stream_to_score
from blemish.data.rows import take
from blemish.data.streams import Stream, placed
from blemish.data.writing import table_of, table_writer
from blemish.detector import DefectDetector, load
from blemish.fitting.drift import MAX_COMPARED

LEAST_FOR_DRIFT = 20  # rows: fewer say nothing of a whole


@dataclass
class Scored:
    """What was done.

    Attributes:
        n: Samples scored.
        labels: How many of each label.
        skipped: Files that could not be decoded.
        drift: The samples beside the training data; None where there is nothing to say.
    """

    n: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    skipped: list[str] = field(default_factory=list)
    drift: Drift | None = None


def score_file(
    model: DefectDetector | str | os.PathLike[str],
    data: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    key: str | None = None,
    glob: str | None = None,
) -> Scored:
    """Score a file or folder a chunk at a time, as `blemish score` does.

    Args:
        model: A fitted detector, or a model file.
        data: What `blemish.read` takes.
        output: CSV or Parquet file; it appears when it is complete, until then an old one stays.
        key: Column that names the rows.
        glob: Which file names in a folder count.

    Raises:
        ConfigError: If the output is of another kind.
        DataError: If the data cannot be read.
    """
    if Path(output).suffix.lower() not in (".csv", ".parquet"):
        raise ConfigError(f"{output} must end in .csv or .parquet")
    need_place(output, data, None if isinstance(model, DefectDetector) else model)
    det = model if isinstance(model, DefectDetector) else load(model)
    return score_stream(det, stream_to_score(det, str(data), glob=glob, key=key), output, key=key)


def score_stream(
    det: DefectDetector,
    stream: Stream,
    output: str | os.PathLike[str],
    *,
    key: str | None = None,
    advance: Callable[[int], None] | None = None,
) -> Scored:
    """Score a stream; a row's scores are those that it would have alone.

    Args:
        det: A fitted detector.
        stream: The data.
        output: See `score_file`.
        key: See `score_file`.
        advance: Called with the number of rows after each chunk.
    """
    done, some = Scored(), Some(stream.n_rows, MAX_COMPARED)
    key_type = stream.types.get(key) if key else None
    with table_writer(output) as write:
        for samples in stream.chunks():
            if len(samples):
                with placed(done.n):
                    table = score_table(det, samples.X, *keys_of(samples, key), key_type)
                write(table)
                done.labels.update(table["label"].to_pylist())
                some.add(samples.X)
            done.n += len(samples)
            done.skipped += samples.skipped
            if advance is not None:
                advance(len(samples) + len(samples.skipped))
    if len(det.fitted_.held_out) and done.n >= LEAST_FOR_DRIFT:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they were said when the rows were scored
            done.drift = det.drift(some.kept())
    return done


class Some:
    """An even sample of a stream: every k-th row."""

    def __init__(self, n_rows: int, most: int) -> None:
        """Every how many rows one is kept follows from how many there are and how many may be kept."""
        self._step, self._seen, self._parts = max(1, -(-n_rows // most)), 0, []

    def add(self, X: Any) -> None:
        """The next chunk."""
        first = -self._seen % self._step
        n = len(X)
        self._seen += n
        places = list(range(first, n, self._step))
        if places:
            self._parts.append(take(X, places))

    def kept(self) -> Any:
        """The sample, in the form of the chunks."""
        first = self._parts[0]
        if isinstance(first, pa.Table):
            return pa.concat_tables(self._parts)
        return (
            np.concatenate(self._parts) if isinstance(first, np.ndarray) else [x for part in self._parts for x in part]
        )


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
        Columns: the key, outlier_score, defect_score (null without labelled defects), p_normal, p_other, p_defect,
        label.
    """
    found = det.scores(X)
    chances = np.column_stack([found[name] for name in ("p_normal", "p_other", "p_defect")])
    return table_of({**found, "probabilities": chances}, keys, key_name, key_type)
