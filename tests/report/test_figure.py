"""One chart as a fragment: captioned, escaped, without a logo and without the button that uploads it."""

import sys

import pytest

from blemish.core.errors import MissingExtraError
from blemish.report.figure import Style, fragment, plain, trace
from report_pieces import ATTACK, traces

TRACE = {"type": "scatter", "x": [1, 2], "y": [3, 4]}


def test_a_fragment_has_its_caption_axis_and_note_as_text():
    html = fragment(ATTACK, [TRACE], {}, ATTACK, ATTACK)
    assert html.startswith('<figure class="chart"><figcaption>&lt;script&gt;')
    assert html.count("&lt;script&gt;alert(") == 3
    assert '<p class="axis">' in html
    assert '<p class="note">' in html
    assert "<p" not in fragment("t", [TRACE], {})
    assert traces(html) == [TRACE]


def test_only_a_chart_with_a_modebar_shows_buttons_and_none_uploads():
    assert '"displayModeBar": false' in fragment("t", [TRACE], {})
    shown = fragment("t", [TRACE], {"modebar": {"color": "black"}})
    assert '"displayModeBar": true' in shown
    assert "zoomIn2d" in shown
    assert "sendDataToCloud" not in shown


def test_plain_text_stays_text_in_plotly():
    assert plain('<b>"a"\nb') == '&lt;b&gt;"a"<br>b'


def test_without_plotly_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly", None)
    with pytest.raises(MissingExtraError, match=r"'plotly' is not installed.*blemish\[report\]"):
        fragment("t", [], {})


def test_a_trace_has_its_style_and_a_text_per_point():
    found = trace("<b>", Style("#000000", "x", "dash"), "lines+markers", [1, 2], [0.5, None], ["a\nb", "<i>"])
    assert (found["name"], found["text"]) == ("&lt;b&gt;", ["a<br>b", "&lt;i&gt;"])
    assert (found["x"], found["y"]) == ([1, 2], [0.5, None])
    assert (found["line"]["dash"], found["marker"]["symbol"]) == ("dash", "x")
    assert found["line"]["color"] == found["marker"]["color"] == "#000000"
    assert "text" not in trace("a", Style("#000000", "x", "dash"), "lines", [], [])
