"""What the command line and the report show of a model and its scores, as plain values."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyarrow import csv, parquet

from blemish.config import RunConfig
from blemish.errors import LabelError
from blemish.metrics import evaluate
from blemish.rows import take
from blemish.store import replacing

if TYPE_CHECKING:
    from blemish.detector import DefectDetector

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


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


def table_of(
    found: Mapping[str, np.ndarray], keys: list[Any], key_name: str, key_type: pa.DataType | None = None
) -> pa.Table:
    """The table that `score_table` describes.

    Args:
        found: 'outlier_score', 'probabilities', 'label' and, if defects were labelled, 'defect_score' of each row.
        keys: A name for each.
        key_name: The name of their column.
        key_type: Its type; None: what the names are.
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
    """Write a table as CSV or Parquet, by the name's ending, whole or not at all; see `table_writer`."""
    with table_writer(path) as write:
        write(table)


@contextmanager
def table_writer(path: str | os.PathLike[str]) -> Iterator[Callable[[pa.Table], None]]:
    """A table that grows: call what is given with some rows at a time.

    CSV or Parquet, by the name's ending. The file takes its name when the block ends well; until then an old one stays.
    Text cells and headings of a CSV that a spreadsheet would run as a formula get a leading apostrophe.
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


def evaluation(det: "DefectDetector", X: Any, words: list[Any], kinds: list[str]) -> dict[str, Any]:
    """The quality of both scores on labelled samples; unlabelled ones are left out.

    Args:
        det: A fitted detector.
        X: Samples.
        words: 'defect', 'other', 'normal' or None for each.
        kinds: What stands behind the group of each.

    Returns:
        `Evaluation` as JSON values under 'defect_score' (where defects were labelled) and 'outlier_score'.

    Raises:
        LabelError: If nothing is labelled.
    """
    from blemish.labels import UNLABELLED, to_groups, to_words

    groups = to_groups(words, len(words))
    labelled = groups != UNLABELLED
    if not labelled.any():
        raise LabelError("the truth labels no row; it must hold 'defect' and 'normal' or 'other', or 1 and 0")
    if set(groups.tolist()) == {UNLABELLED, 3}:  # the dialect {0, 1}: in a truth, 0 is all the rest
        labelled[:] = True
        kinds = ["defect" if group == 3 else "rest" for group in groups]
    defect = (to_words(groups) == "defect")[labelled]
    kind = np.asarray(kinds, dtype=object)[labelled]
    scores = {"outlier_score": np.asarray(det.outlier_score(X))[labelled]}
    if det.fitted_.n_defects:
        scores = {"defect_score": np.asarray(det.defect_score(X))[labelled], **scores}
    return {name: asdict(evaluate(values, defect, kind)) for name, values in scores.items()}


def top_explanations(det: "DefectDetector", X: Any, keys: list[Any], top: int, elements: int) -> list[dict[str, Any]]:
    """The worst elements of the samples with the highest scores, as JSON values."""
    scores = np.asarray(det.defect_score(X) if det.fitted_.n_defects else det.outlier_score(X))
    order = np.argsort(-scores, kind="stable")[:top].tolist()
    explanation = det.explain(take(X, order))
    lines = []
    for row, place in enumerate(order):
        total = max(float(explanation.total[row]), 1e-12)
        for element in explanation.worst(row, elements):
            lines.append(
                {
                    "key": keys[place],
                    "score": float(scores[place]),
                    "element": explanation.elements[element],
                    "seen": None if explanation.seen is None else explanation.seen[row][element],
                    "expected": None if explanation.expected is None else explanation.expected[row][element],
                    "share": float(explanation.error[row, element]) / total,
                    **explanation.of_score(row, element),
                    "nearest_defect": next(iter(explanation.nearest_defects[row]), None),
                    "nearest_normal": next(iter(explanation.nearest_normals[row]), None),
                }
            )
    return lines


def description(det: "DefectDetector") -> dict[str, Any]:
    """What a model is made of, as JSON values."""
    model = det.fitted_.model
    spec = model.choices.spec()
    return {
        **{name: spec[name] for name in ("modality", "backbone", "bottleneck", "losses", "corruption", "scorer", "lr")},
        "sample_shape": list(model.modality.sample_shape),
        "latent_dim": model.network.latent_dim,
        "parameters": sum(p.numel() for p in model.network.parameters()),
        "rows": det.training_["rows"],
        "held_out": det.training_["held_out"],
        "epochs": det.training_["epochs"],
        "seconds": det.training_["seconds"],
        "random_state": det.seed_,
        "threshold": det.threshold_,
        "promise": det.promise_.text,
        "fitted": det.training_["date"],
        "versions": det.training_["versions"],
    }


def run_config(det: "DefectDetector") -> RunConfig:
    """The run file that fits this model again, with the seed that was used."""
    arguments = {**det.get_params(deep=False), **det.fitted_.model.choices.spec(), "random_state": det.seed_}
    arguments.pop("verbose")
    kept = {name: value for name, value in arguments.items() if value is not None}
    data = {
        name: value
        for name, value in getattr(det, "notes_", {}).get("run", {}).items()
        if name not in kept and name != "preset"
    }
    return RunConfig.check({**data, **kept}, "the model")
