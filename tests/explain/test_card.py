"""A fitted detector as a notebook shows it."""

import sys

import pandas as pd

from blemish import DefectDetector

ATTACK = """<script>alert("a")</script><img src=x onerror="alert(1)">"""


def test_a_notebook_shows_a_fitted_detector_without_any_extra(table_split, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)

    columns = [f"{ATTACK}{i}" for i in range(table_split.X_train.shape[1])]
    frame = pd.DataFrame(table_split.X_train, columns=columns)
    det = DefectDetector(epochs=1, scorer="latent", random_state=0)
    unfitted = det._repr_html_()
    assert "blemish-card" not in unfitted
    html = det.fit(frame, table_split.y_train)._repr_html_()
    for said in ("blemish-card", "Threshold", det.promise_.text[:30], "Is more labelling worth it?", "held out"):
        assert said in html
    assert "<script" not in html
    assert det._repr_mimebundle_()["text/html"] == html


def test_a_card_without_labels_has_no_questions(table_split):
    det = DefectDetector(epochs=1, scorer="latent", random_state=0).fit(table_split.X_train)
    html = det._repr_html_()
    assert f"<dt>rows</dt><dd>{det.training_['rows']['unlabelled']} unlabelled</dd>" in html
    assert "<caption>Threshold</caption>" in html
    assert "<caption>Labels</caption>" not in html
