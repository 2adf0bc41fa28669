"""Downloads: model, scores, report, labels."""

import io
from dataclasses import fields

import numpy as np
import pytest
from pyarrow import parquet

from blemish import load
from blemish.core.errors import LabelError
from blemish.data.writing import EXPORTED, check_labels
from blemish.review.marks import Mark
from served import mark, wait_ready


def test_exports_are_the_model_the_scores_the_report_and_the_labels(guest, review, tmp_path):
    review.write([mark(review, row) for row in review.ranking.order[:4].tolist()])
    review.refit()
    wait_ready(review)
    answer = guest.post("/api/threshold", json={"target": "false_positive_rate", "value": 0.1})
    assert "false_positive_rate=0.1" in answer.json()["promise"]
    (tmp_path / "m.blemish").write_bytes(guest.get("/api/export/model").content)
    det = load(tmp_path / "m.blemish")
    X = review.catalogue.samples.X
    scores = parquet.read_table(io.BytesIO(guest.get("/api/export/parquet").content))
    assert np.array_equal(scores["defect_score"].to_numpy(), det.defect_score(X))
    assert scores["label"].to_pylist() == det.predict(X).tolist()
    assert scores["marked"].to_pylist().count("defect") == 4
    assert scores.column_names[0] == "name"
    lines = guest.get("/api/export/csv").text.splitlines()
    assert lines[0].startswith('"name","outlier_score","defect_score"')
    assert len(lines) == len(X) + 1
    report = guest.get("/api/export/report")
    assert "Blemish report" in report.text
    assert report.headers["content-disposition"] == 'attachment; filename="report.html"'
    assert "html" not in report.headers["content-type"]
    labels = guest.get("/api/export/labels").text
    assert labels.count('"defect"') == 4
    assert '"id","sample","key"' in labels
    (tmp_path / "labels.csv").write_text(labels, newline="")
    check_labels(tmp_path / "labels.csv")
    (tmp_path / "labels.csv").write_text(labels.replace('"defect"', '"normal"', 1), newline="")
    with pytest.raises(LabelError, match="does not have its digest"):
        check_labels(tmp_path / "labels.csv")


def test_all_that_a_mark_says_is_exported():
    assert (*(field.name for field in fields(Mark) if field.name != "stroke"), "saved") == EXPORTED
