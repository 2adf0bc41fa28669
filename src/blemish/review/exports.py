"""Downloads: model, scores, report, and labels with their history."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

from blemish.core.errors import BlemishError, LabelError
from blemish.data.writing import write_table
from blemish.review.marks import CODES, Mark
from blemish.review.session import Review

MAX_REPORTED = 2000
NAMES = {
    "model": "model.blemish",
    "csv": "scores.csv",
    "parquet": "scores.parquet",
    "report": "report.html",
    "labels": "labels.csv",
}


def write_export(review: Review, kind: str, folder: Path) -> Path:
    """Write one of the exports in `NAMES` into a folder.

    Raises:
        LabelError: If the kind is unknown.
        BlemishError: If there is no model yet.
    """
    if kind not in NAMES:
        raise LabelError(f"unknown export {kind[:40]!r}; choose one of {', '.join(NAMES)}")
    path = folder / NAMES[kind]
    _EXPORTERS[kind](review, path)
    return path


def score_table(review: Review) -> pa.Table:
    """All scores per sample, with the marked labels.

    Columns: the key, outlier_score, defect_score, p_normal, p_other, p_defect, label (predicted), marked.

    Raises:
        BlemishError: If there are no scores yet.
    """
    det, ranking = review.det, review.ranking
    if det is None or ranking is None:
        raise BlemishError("there are no scores yet; wait for the first fit")
    label = np.where(ranking.outlier > det.outlier_threshold_, 1, 0)
    if ranking.defect is not None:
        label[ranking.defect > det.threshold_] = 2
    run, keys = review.catalogue.run, review.catalogue.keys
    name = run.get("key") or ("path" if review.catalogue.samples is None or review.catalogue.samples.files else "row")
    defect = np.full(len(label), np.nan) if ranking.defect is None else ranking.defect
    floats = {"outlier_score": ranking.outlier, "defect_score": defect}
    floats |= {f"p_{word}": ranking.probabilities[:, at] for at, word in enumerate(("normal", "other", "defect"))}
    words = pa.array(["normal", "other", "defect"])
    return pa.table(
        {
            name: pa.array(np.arange(len(keys)) if isinstance(keys, range) else list(keys)),
            **{column: pa.array(values, mask=np.isnan(values)) for column, values in floats.items()},
            "label": words.take(pa.array(label, mask=np.isnan(ranking.outlier))),
            "marked": pa.array([None, *map(str, list(CODES)[1:])], pa.string()).take(pa.array(review.codes)),
        }
    )


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
    if len(rows) > MAX_REPORTED:
        drawn = np.random.default_rng(0).permutation(np.arange(MAX_REPORTED // 2, len(rows)))[: MAX_REPORTED // 2]
        rows = np.concatenate([rows[: MAX_REPORTED // 2], rows[np.sort(drawn)]])
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
    "csv": lambda review, path: write_table(score_table(review), path),
    "parquet": lambda review, path: write_table(score_table(review), path),
    "report": _report,
    "labels": _history,
}
