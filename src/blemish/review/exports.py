"""What a person takes home: the model, the scores, the report, the labels with their history."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

from blemish.core.errors import BlemishError, LabelError
from blemish.data.writing import write_table
from blemish.review.marks import Mark
from blemish.review.session import Review

MOST_REPORTED = 2000
NAMES = {
    "model": "model.blemish",
    "csv": "scores.csv",
    "parquet": "scores.parquet",
    "report": "report.html",
    "labels": "labels.csv",
}


def write_export(review: Review, kind: str, folder: Path) -> Path:
    """Write one of `NAMES` into a folder.

    Raises:
        LabelError: If there is no such export.
        BlemishError: If there is no model yet.
    """
    if kind not in NAMES:
        raise LabelError(f"{kind[:40]!r} cannot be exported; known are {', '.join(NAMES)}")
    path = folder / NAMES[kind]
    _EXPORTERS[kind](review, path)
    return path


def _model(review: Review, path: Path) -> None:
    if review.det is None:
        raise BlemishError("there is no model yet; wait for the first fit")
    review.det.save(path)


def _report(review: Review, path: Path) -> None:
    from blemish.report import write_page
    from blemish.report.overview import model_page

    ranking = review.ranking
    if review.det is None or ranking is None:
        raise BlemishError("there is no model yet; wait for the first fit")
    rows = ranking.order[: ranking.scored]
    if len(rows) > MOST_REPORTED:
        drawn = np.random.default_rng(0).permutation(np.arange(MOST_REPORTED // 2, len(rows)))[: MOST_REPORTED // 2]
        rows = np.concatenate([rows[: MOST_REPORTED // 2], rows[np.sort(drawn)]])
    X, kept = review.catalogue.take(rows.tolist())
    keys = [review.catalogue.keys[row] for row in kept]
    command = f"blemish review {review.catalogue.name}"
    write_page(path, model_page(review.det, X, keys, words=review.labels(kept), command=command))


def _history(review: Review, path: Path) -> None:
    entries = list(review.ledger.everything())
    columns = {
        name: pa.array([getattr(one.mark, name) for one in entries], pa.int64() if name == "rank" else pa.string())
        for name in Mark.__dataclass_fields__
    }
    write_table(pa.table({**columns, "saved": pa.array([one.saved for one in entries], pa.string())}), path)


_EXPORTERS: dict[str, Callable[[Review, Path], None]] = {
    "model": _model,
    "csv": lambda review, path: write_table(review.table(), path),
    "parquet": lambda review, path: write_table(review.table(), path),
    "report": _report,
    "labels": _history,
}
