"""Rankings and what marks say about them: pure functions."""

import numpy as np
import pytest

from blemish.review.marks import Mark
from blemish.review.ranking import Point, Ranking, advice, best_first, precision
from blemish.review.suggestions import Snapshot


def test_best_first_puts_what_has_no_score_last():
    assert best_first(np.array([1.0, np.nan, 3.0, 1.0])).tolist() == [2, 0, 3, 1]
    scores = Snapshot(np.array([1.0, np.nan, 3.0, 1.0]), None, np.zeros((4, 3)), np.zeros((4, 2)))
    found = Ranking(1, "m", scores, np.zeros((4, 2)))
    assert (found.order.tolist(), found.places.tolist(), found.scored) == ([2, 0, 3, 1], [2, 4, 1, 3], 3)


def ranked(n):
    return Ranking(1, "m", Snapshot(np.zeros(n), None, np.zeros((n, 3)), np.zeros((n, 2))), np.zeros((n, 2)))


def test_precision_counts_what_is_marked_of_the_top():
    codes = np.array([3, 3, 1, 0, 3, 0, 0, 3], dtype=np.int8)
    found = precision(ranked(8), codes, 5)
    assert (found["hits"], found["marked"], found["budget"]) == (3, 4, 5)
    assert found["low"] == pytest.approx(0.2486, abs=1e-3)  # Clopper and Pearson for 3 of 4 at 90 %
    assert found["high"] == pytest.approx(0.9873, abs=1e-3)
    assert precision(ranked(8), np.zeros(8, dtype=np.int8), 100) == {
        "budget": 8, "hits": 0, "marked": 0, "low": 0.0, "high": 1.0
    }  # fmt: skip


def said(labels):
    return [
        Mark(f"mark-{i:04d}", "0" * 32, "k", label, None, "ann", f"2026-11-24T12:{i // 60:02d}:{i % 60:02d}Z")
        for i, label in enumerate(labels)
    ]


@pytest.mark.parametrize(
    ("labels", "points", "words"),
    [
        ([], [], "Nothing is marked"),
        (["normal"] * 5, [], "No defect is marked"),
        (["defect"] * 5, [], "Refit to update"),
        (["defect"] * 5, [Point(2, 5, 5, None, 0.5)], "Too few to tell"),
        (
            ["defect"] * 10 + ["normal"] * 20,
            [Point(2, 30, 10, 0.9, 0.96)],
            "hardly pays any more: the last 20 marks found 0",
        ),
        (["defect"] * 10 + ["normal"] * 20, [Point(2, 30, 10, 0.9, 0.5)], "Marking pays: the last 20 marks found 0"),
        (["normal"] * 10 + ["defect"] * 20, [Point(2, 30, 20, 0.9, 0.96)], "Marking pays: the last 20 marks found 20"),
    ],
)
def test_advice(labels, points, words):
    assert words in advice(said(labels), points)
