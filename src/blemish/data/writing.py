"""Tables of scores as CSV or Parquet files, written completely or not at all."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import csv, parquet

from blemish.core.store import replacing

# A cell that starts so is run as a formula when a spreadsheet opens the file.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def table_of(
    found: Mapping[str, np.ndarray], keys: list[Any], key_name: str, key_type: pa.DataType | None = None
) -> pa.Table:
    """The table that `score_table` describes, its rows named by the keys in the first column.

    `found` has 'outlier_score', 'probabilities', 'label' and, if defects were labelled, 'defect_score' of each row.
    """
    outlier, proba = found["outlier_score"], found["probabilities"]
    defect = found.get("defect_score", np.full(len(outlier), np.nan))
    return pa.table(
        {
            key_name: pa.array(keys, type=key_type),
            "outlier_score": pa.array(outlier),
            "defect_score": pa.array(defect, mask=np.isnan(defect)),
            "p_normal": pa.array(proba[:, 0]),
            "p_other": pa.array(proba[:, 1]),
            "p_defect": pa.array(proba[:, 2]),
            "label": pa.array([str(word) for word in found["label"]]),
        }
    )


def write_table(table: pa.Table, path: str | os.PathLike[str]) -> None:
    """Write a table as CSV or Parquet, by the ending of the name, completely or not at all; see `table_writer`."""
    with table_writer(path) as write:
        write(table)


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
                writers.append(files.enter_context(kind(str(temporary), rows.schema)))
            writers[0].write_table(rows)

        yield write


def _without_formulas(table: pa.Table) -> pa.Table:
    for i, column in enumerate(table.columns):
        if pa.types.is_string(column.type):
            safe = [f"'{cell}" if cell and cell.startswith(FORMULA_STARTS) else cell for cell in column.to_pylist()]
            table = table.set_column(i, table.column_names[i], pa.array(safe, pa.string()))
    return table.rename_columns(
        [f"'{name}" if name.startswith(FORMULA_STARTS) else name for name in table.column_names]
    )
