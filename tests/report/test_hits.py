"""The figures of the top hits: why each is flagged, in words, a table and a picture."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

from blemish.report.hits import DRIVEN, hits, legend
from report_pieces import ATTACK


@pytest.fixture
def page(table_detector, table_split):
    score = table_detector.defect_score(table_split.X_test)
    rows = np.argsort(-score)[:2].tolist()
    return hits(table_detector, table_split.X_test, [ATTACK] * len(score), score, rows), score[rows]


def test_each_hit_has_a_figure_with_its_score_and_reasons(page):
    html, scores = page
    assert html.count('<figure class="hit">') == 2
    for at, score in enumerate(scores, start=1):
        assert f"{at}. &lt;script&gt;" in html
        assert f"score {score:.3g}" in html
    assert any(words in html for words in DRIVEN.values())
    assert html.count("of normal rows are at least as unusual.") == 2
    assert html.count("Nearest labelled defects: ") == html.count("Nearest normals: ") == 2
    assert "<script>" not in html


def test_a_table_says_seen_expected_and_score_drop(page):
    for head in ("element", "seen", "expected", "score drop"):
        assert f">{head}</th>" in page[0]
    assert " the score drops by " in page[0]


def test_a_picture_stands_next_to_its_map_with_regions_outlined(fitted, splits):
    X = splits["image"].X_test
    html = hits(fitted["image"], X, list(range(len(X))), np.zeros(len(X)), [0])
    assert html.count('class="outlined"') == 2
    assert ">region</th>" not in html
    assert "Outlined is what scores higher than" in legend(fitted["image"])


def test_without_a_map_a_picture_stands_next_to_what_makes_the_score(fitted, splits):
    X = splits["image"].X_test
    det: Any = clone(fitted["image"])
    vars(det).update(vars(fitted["image"]))
    det.fitted_ = replace(det.fitted_, area_levels=None)
    html = hits(det, X, list(range(len(X))), np.zeros(len(X)), [0])
    assert html.count('class="picture"') == 2
    assert "what makes the score" in html
    assert ">region</th>" in html
    assert "Orange marks regions" in legend(det)


def test_a_long_text_is_cut(fitted, splits):
    X = [f"{text} " * 20 for text in splits["text"].X_test]
    html = hits(fitted["text"], X, list(range(len(X))), np.zeros(len(X)), [0])
    assert '<p class="quote">' in html
    assert " …</p>" in html
