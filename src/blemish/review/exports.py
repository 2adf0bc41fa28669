"""Downloads: model, scores, report, and labels with their history."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

from blemish.core.errors import BlemishError, LabelError
from blemish.data.writing import EXPORTED, write_labels, write_table
from blemish.review.ledger import as_cells
from blemish.review.marks import label_codes
from blemish.review.session import Review

MAX_REPORTED = 2000


def write_export(review: Review, kind: str, folder: Path) -> Path:
    """Write one of `EXPORTS` into a folder.

    Raises:
        LabelError: If the kind is unknown.
        BlemishError: If there is no model yet.
    """
    if kind not in EXPORTS:
        raise LabelError(f"unknown export {kind[:40]!r}; choose one of {', '.join(EXPORTS)}")
    name, write = EXPORTS[kind]
    write(review, folder / name)
    return folder / name


def score_table(review: Review) -> pa.Table:
    """All scores per sample, with the marked labels.

    Columns: the key, outlier_score, defect_score, p_normal, p_other, p_defect, label (predicted), marked.

    Raises:
        BlemishError: If there are no scores yet.
    """
    det, ranking = review.det, review.ranking
    if det is None or ranking is None:
        raise BlemishError("there are no scores yet; wait for the first fit")
    scores = ranking.snapshot
    unscored, defect = np.isnan(scores.outlier), scores.defect
    label = np.where(scores.outlier > det.outlier_threshold_, 1, 0)
    if defect is not None:
        kinds = defect[:, None] if ranking.kinds is None else ranking.kinds
        above = kinds - np.array(list(det.thresholds_.values()))
        label = np.where(above.max(axis=1) > 0, 2 + above.argmax(axis=1), label)
    files, keys = review.catalogue.samples.files, review.catalogue.keys
    floats = {
        "outlier_score": scores.outlier,
        "defect_score": np.full(len(label), np.nan) if defect is None else defect,
    }
    classes, codes = det.classes_.tolist(), label_codes(review.kinds)
    marked = {code: word for word, code in codes.items()}
    chances = scores.probabilities if ranking.chances is None else ranking.chances
    floats |= {f"p_{word}": chances[:, at] for at, word in enumerate(classes)}
    return pa.table(
        {
            review.catalogue.run.get("key") or ("path" if files else "row"): pa.array(list(keys)),
            **{column: pa.array(values, mask=np.isnan(values)) for column, values in floats.items()},
            "label": pa.array(classes).take(pa.array(label, mask=unscored)),
            "marked": pa.array([marked[code] for code in review.codes.tolist()], pa.string()),
        }
    )


def _model(review: Review, path: Path) -> None:
    if review.det is None:
        raise BlemishError("there is no model yet; wait for the first fit")
    review.det.save(path)


def _scores(review: Review, path: Path) -> None:
    write_table(score_table(review), path)


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
    names = (*EXPORTED, "stroke")
    schema = pa.schema([(name, pa.int64() if name == "rank" else pa.string()) for name in names])
    rows = [{**as_cells(one.mark), "saved": one.saved} for one in review.ledger.everything()]
    write_labels(pa.Table.from_pylist(rows, schema), path)


EXPORTS: dict[str, tuple[str, Callable[[Review, Path], None]]] = {
    "model": ("model.blemish", _model),
    "csv": ("scores.csv", _scores),
    "parquet": ("scores.parquet", _scores),
    "report": ("report.html", _report),
    "labels": ("labels.csv", _history),
}
"""What the page's links ask for → the file's name, and what writes it."""
