"""Tables of scores as CSV or Parquet files, written completely or not at all; labels as CSV under a digest."""

import hashlib
import json
import os
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import csv, parquet

from blemish.core.errors import DataWarning, LabelError
from blemish.core.files import open_regular, printable
from blemish.core.store import DIGEST, ZEROS, replacing, write_atomically

# A cell that starts so is run as a formula when a spreadsheet opens the file; East Asian ones know the wide signs too.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_AS_THEY_ARE = (
    pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_date,
    pa.types.is_timestamp, pa.types.is_time, pa.types.is_null,
)  # fmt: skip
"""Types that a CSV file holds as they are, none of which a spreadsheet takes for a formula; all others become text."""

EXPORTED = ("id", "sample", "key", "label", "undoes", "who", "made", "model", "rank", "saved")
"""First columns of exported labels; what was drawn follows, and a last one that holds the digest, on every row."""
_PLACE = rb',"([0-9a-f]{64})"(?=\r?\n)'
"""The place of the digest on a row; a quotation mark within a cell would be doubled."""


def table_of(
    found: Mapping[str, np.ndarray],
    classes: Sequence[str],
    keys: list[Any],
    key_name: str,
    key_type: pa.DataType | None = None,
) -> pa.Table:
    """The table that `score_table` describes, its rows named by the keys in the first column.

    `found` has 'outlier_score', 'probabilities' (of the classes), 'label' and, if defects were labelled,
    'defect_score' of each row.
    """
    outlier, proba = found["outlier_score"], found["probabilities"]
    defect = found.get("defect_score", np.full(len(outlier), np.nan))
    return pa.table(
        {
            printable(key_name): key_column(keys, key_type),
            "outlier_score": pa.array(outlier),
            "defect_score": pa.array(defect, mask=np.isnan(defect)),
            **{f"p_{word}": pa.array(p) for word, p in zip(classes, proba.T, strict=True)},
            "label": pa.array([str(word) for word in found["label"]]),
        }
    )


def key_column(keys: list[Any], key_type: pa.DataType | None = None) -> pa.Array:
    """Keys as a column, of their own type where Arrow has one for them, else as text."""
    try:
        return pa.array(keys, type=key_type)
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        return pa.array([None if key is None else _text(key) for key in keys], pa.string())


def write_table(table: pa.Table, path: str | os.PathLike[str]) -> None:
    """Write a table as CSV or Parquet, by the ending of the name, completely or not at all; see `table_writer`."""
    with table_writer(path) as write:
        write(table)


def write_labels(table: pa.Table, path: str | os.PathLike[str]) -> None:
    """Write a table as CSV whose last column says, on every row, the SHA-256 of the file with zeros there.

    A column, so that other programs read the file and one download is enough; see docs/model_files.md.
    """
    write_table(table.append_column(DIGEST, pa.array([ZEROS.decode()] * len(table), pa.string())), path)
    data = Path(path).read_bytes()
    digest = hashlib.sha256(data).hexdigest().encode()
    write_atomically(path, re.sub(_PLACE.replace(b"[0-9a-f]", b"0"), b',"' + digest + b'"', data))


def check_labels(path: str | os.PathLike[str]) -> None:
    """Refuse what `write_labels` wrote and something changed; a file without a digest is not looked at.

    Raises:
        LabelError: If its content does not have its digest.
        DataWarning: If labels were exported by a version that wrote none.
    """
    try:
        with open_regular(path) as file:
            data = file.read()
    except OSError:  # whoever reads it says so
        return
    first, _, rows = data.partition(b"\n")
    heading = tuple(name.strip('"') for name in first.decode("utf-8", "replace").strip().split(","))
    last = re.search(_PLACE + rb"\s*$", data[-100:])
    # The heading or the last row tells what it is: one place that was damaged does not hide that it was.
    exported = last is not None or DIGEST in heading or heading[: len(EXPORTED)] == EXPORTED
    if not rows.strip() or not exported:
        return
    if heading == EXPORTED and last is None:
        warnings.warn(f"{path} was exported by an older version without a checksum", DataWarning, stacklevel=2)
        return
    content = data.replace(last[1], ZEROS) if last else data
    if last is None or hashlib.sha256(content).hexdigest().encode() != last[1]:
        raise LabelError(
            f"{path} is damaged, or was changed after it was exported: its content does not have its digest; export it "
            f"again, or, if the change is yours, remove the column {DIGEST!r}"
        )


@contextmanager
def table_writer(path: str | os.PathLike[str]) -> Iterator[Callable[[pa.Table], None]]:
    """Write a table in parts: call the result with some rows at a time.

    CSV or Parquet, by the ending of the name. The file takes its name when the block ends without an error; until
    then an old one stays. Text cells and headings of a CSV that a spreadsheet would run as a formula get a leading
    apostrophe.
    """
    as_csv = Path(path).suffix.lower() != ".parquet"
    with replacing(path) as temporary, ExitStack() as files:
        writers: list[Any] = []

        def write(table: pa.Table) -> None:
            rows = _without_formulas(table) if as_csv else table
            if not writers:
                kind = csv.CSVWriter if as_csv else parquet.ParquetWriter
                # an open file: PyArrow takes no path that is not UTF-8
                sink = files.enter_context(temporary.open("wb"))
                writers.append(files.enter_context(kind(sink, rows.schema)))
            writers[0].write_table(rows)

        yield write


def _without_formulas(table: pa.Table) -> pa.Table:
    columns = [
        column if any(holds(column.type) for holds in _AS_THEY_ARE) else pa.array(map(_cell, column.to_pylist()), _TEXT)
        for column in table.columns
    ]
    return pa.table(columns, names=[str(_cell(name)) for name in table.column_names])


_TEXT = pa.large_string()  # so that a column may have more than 2 GB


def _cell(value: Any) -> str | None:
    if value is None:
        return None
    text = _text(value)
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def _text(value: Any) -> str:
    """A value of any type as text; bytes that are not UTF-8 become escapes."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, (dict, list)):
        return json.dumps(value, default=_text, ensure_ascii=False)
    return printable(value)
