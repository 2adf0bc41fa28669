"""Points with whiskers: the learning curve, and predicted against observed probabilities."""

import pytest

from blemish.report import Point, intervals
from report_pieces import ATTACK, traces

POINTS = [Point(1.0, 0.5, 0.2, 0.6, "one\nlabel"), Point(4.0, 0.75, 0.5, 0.875, ATTACK)]


def test_whiskers_reach_from_low_to_high():
    (trace,) = traces(intervals({"precision": POINTS}, "title", "labels", "fraction"))
    assert (trace["x"], trace["y"]) == ([1.0, 4.0], [0.5, 0.75])
    assert trace["error_y"]["array"] == pytest.approx([0.1, 0.125])
    assert trace["error_y"]["arrayminus"] == pytest.approx([0.3, 0.25])
    assert trace["text"][0] == "one<br>label"


def test_the_diagonal_is_drawn_first_and_both_axes_are_fractions():
    html = intervals({"a": POINTS[:1]}, "title", "predicted", "observed", diagonal=True, note="a note")
    assert [trace["name"] for trace in traces(html)] == ["ideal", "a"]
    assert html.count('"tickformat":".0%"') == 2
    assert '<p class="note">a note</p>' in html


def test_ticks_of_counts_stand_where_points_are():
    html = intervals({"a": POINTS, "b": POINTS[:1]}, "title", "labels", "fraction")
    assert '"tickvals":[1.0,4.0]' in html
    assert len({trace["line"]["color"] for trace in traces(html)}) == 2


def test_every_string_is_escaped():
    html = intervals({ATTACK: POINTS}, ATTACK, ATTACK, ATTACK, note=ATTACK)
    assert "<script>alert" not in html
    assert "<a href" not in html
    assert traces(html)[0]["text"][1].startswith("&lt;script&gt;")
