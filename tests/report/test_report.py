"""The report's pieces: charts, films and the page around them."""

import base64
import io
import json
import re
import subprocess
import sys

import numpy as np
import plotly.offline
import pytest
from PIL import Image
from sklearn.decomposition import PCA

from blemish.core.errors import ConfigError, DataError, MissingExtraError
from blemish.report import (
    Section,
    Table,
    curves,
    film,
    film_pair,
    histograms,
    latent_map,
    principal_plane,
    render,
    write_page,
)

ATTACK = """<script>alert("a")</script><a href='https://evil.example'>&amp;</a>"""
REQUESTS = re.compile(
    r"""(?:src|srcset|href|action)\s*=\s*["']?\s*(?:https?:)?//|url\(\s*["']?(?:https?:)?//|@import"""
)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def traces(fragment):
    """The traces as plotly.js reads them: the JSON list after the first comma of `Plotly.newPlot(`."""
    start = re.search(r'Plotly\.newPlot\(\s*"[^"]+",\s*', fragment)
    assert start is not None
    return json.JSONDecoder().raw_decode(fragment, start.end())[0]


def picture(html):
    source = re.search(r'src="data:image/png;base64,([^"]+)"', html)
    assert source is not None
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(source[1]))))


def a_page(**changes):
    parts = {"title": "t", "lead": "l", "facts": {"rows": "3"}, "tables": [], "sections": [], **changes}
    return render(**parts)


# Charts


def test_histograms_show_shares_on_common_bins_in_the_given_order(rng):
    scores = {"normal": rng.normal(size=300), "defect": rng.normal(3, 1, 20), "other": rng.normal(size=50)}
    first, second, third = traces(histograms(scores, "title", "score"))
    assert [trace["name"] for trace in (first, second, third)] == ["normal (300)", "defect (20)", "other (50)"]
    assert "fill" in second
    assert "fill" not in first
    for trace in (first, second, third):
        assert sum(trace["y"]) == pytest.approx(100)
    steps = np.unique(np.round(np.diff(first["x"] + second["x"]), 9))
    assert (np.diff(first["x"]) > 0).all()
    assert steps[steps > 0].max() == pytest.approx(steps[steps > 0].min(), rel=1e-6)


def test_histograms_count_outlying_values_in_the_edge_bins(rng):
    values = np.append(rng.uniform(size=998), [1e9, -1e9])
    fragment = histograms({"normal": values}, "title", "score")
    (trace,) = traces(fragment)
    assert sum(trace["y"]) == pytest.approx(100)
    assert -0.2 < min(trace["x"]) < max(trace["x"]) < 1.2
    assert "10 values outside the axis" in fragment


@pytest.mark.parametrize(
    "values",
    [[], [2.0, 2.0], [0.0], [1e300, 1e300], [np.nan, np.inf, 1.0]],
    ids=["none", "equal", "zero", "huge", "nan"],
)
def test_histograms_take_degenerate_scores(values):
    (trace,) = traces(histograms({"defect": np.array(values)}, "title", "score"))
    assert sum(trace["y"]) == pytest.approx(100 if len(values) else 0)


def test_map_has_a_trace_a_group_with_its_own_symbol_and_the_defects_on_top():
    groups = ["defect", "normal", "line 3", "normal", "unlabelled"]
    points = np.arange(10.0).reshape(5, 2)
    shown = traces(latent_map(points, groups, [f"row {row}" for row in range(5)], "title"))
    assert [trace["name"] for trace in shown] == ["line 3 (1)", "unlabelled (1)", "normal (2)", "defect (1)"]
    assert len({trace["marker"]["symbol"] for trace in shown}) == 4
    assert len({trace["marker"]["color"] for trace in shown}) == 4
    assert shown[2]["x"] == [2.0, 6.0]
    assert shown[2]["text"] == ["row 1", "row 3"]


def test_map_asks_for_one_group_a_point():
    with pytest.raises(DataError, match="3 points, 2 groups and 3 hover texts"):
        latent_map(np.zeros((3, 2)), ["normal"] * 2, [""] * 3, "title")


@pytest.mark.parametrize(("losses", "scale"), [([3.0, 2.0, 1.0], "log"), ([3.0, -1.0], "linear")])
def test_curves_use_a_log_axis_where_they_can(losses, scale):
    fragment = curves({"total": losses, "kl": [1.0, float("nan")]}, "Training", "epoch", "loss")
    total, kl = traces(fragment)
    assert total["y"] == losses
    assert total["x"] == list(range(1, len(losses) + 1))
    assert kl["y"] == [1.0, None]
    assert total["line"]["dash"] != kl["line"]["dash"]
    assert f'"type":"{scale}"' in fragment


def test_charts_are_svg_only_and_bring_no_plotly_js(rng):
    points = rng.normal(size=(6, 2))
    for fragment in (
        histograms({"normal": points[:, 0]}, "t", "x"),
        latent_map(points, ["normal"] * 6, [""] * 6, "t"),
        curves({"total": [1.0]}, "t", "x", "y"),
    ):
        assert {trace["type"] for trace in traces(fragment)} == {"scatter"}
        assert len(fragment) < 10_000
        assert '"displaylogo": false' in fragment


def test_charts_escape_every_string():
    fragments = [
        histograms({ATTACK: np.ones(3)}, ATTACK, ATTACK),
        latent_map(np.zeros((1, 2)), [ATTACK], [ATTACK], ATTACK),
        curves({ATTACK: [1.0]}, ATTACK, ATTACK, ATTACK),
    ]
    for fragment in fragments:
        assert "alert(" in fragment
        assert "<script>alert" not in fragment
        assert "<a href" not in fragment
        texts = json.dumps(traces(fragment))  # decoded: what plotly would read as HTML
        assert "<script>" not in texts
        assert "<a " not in texts
    assert traces(fragments[1])[0]["text"][0].startswith("&lt;script&gt;")


# The plane


def test_principal_plane_equals_scikit_learns_up_to_sign(rng):
    z = rng.normal(size=(40, 5)) * [5, 1, 3, 1, 1]
    plane = principal_plane(z)
    assert np.abs(plane) == pytest.approx(np.abs(PCA(2).fit_transform(z)))
    assert principal_plane(z[::-1])[::-1] == pytest.approx(plane)


def test_principal_plane_of_few_dimensions_or_rows_is_padded_with_zeros():
    assert principal_plane(np.array([[1.0], [3.0]])).tolist() == [[-1.0, 0.0], [1.0, 0.0]]
    assert principal_plane(np.ones((1, 4))).tolist() == [[0.0, 0.0]]
    assert principal_plane(np.ones((0, 4))).shape == (0, 2)


# Pictures


def test_film_holds_every_nth_frame_side_by_side():
    clip = np.linspace(0, 1, 5)[:, None, None] * np.ones((5, 3, 4))
    strip = picture(film(clip, every=2))
    assert strip.shape == (3, 3 * 4 + 2 * 2, 2)
    assert strip[0, [0, 6, 12], 0].tolist() == [0, 128, 255]
    assert strip[0, [0, 4, 5, 6], 1].tolist() == [255, 0, 0, 255]


def test_film_clips_what_is_no_grey_value():
    strip = picture(film(np.array([[[-1.0, 2.0, np.nan]]]), every=1))
    assert strip[0, :, 0].tolist() == [0, 255, 0]


def test_film_explains_a_wrong_step():
    with pytest.raises(ConfigError, match="every is 0"):
        film(np.zeros((2, 3, 3)), every=0)


def test_film_pair_shows_the_difference_and_escapes_its_caption():
    html = film_pair(np.full((2, 3, 3), 0.75), np.full((2, 3, 3), 0.25), ATTACK, every=1)
    images = re.findall("<img[^>]*>", html)
    assert [int(picture(image)[0, 0, 0]) for image in images] == [191, 64, 128]
    assert 'alt="absolute difference: &lt;script&gt;' in images[2]
    assert "<script>" not in html
    assert "<a href" not in html


# The page


def test_page_escapes_all_but_bodies():
    table = Table(ATTACK, [ATTACK, "n"], [[ATTACK, 1]])
    page = a_page(
        title=ATTACK,
        lead=ATTACK,
        facts={ATTACK: ATTACK},
        tables=[table],
        sections=[Section(ATTACK, ATTACK, "<b>body</b>")] * 3,
    )
    assert "<b>body</b>" in page
    assert page.count("alert(") == page.count("&lt;script&gt;alert(") > 10
    assert "<script" not in page
    assert "evil.example'>" not in page


def test_page_with_charts_requests_nothing_and_holds_plotly_once(rng):
    chart = curves({"total": [2.0, 1.0]}, "t", "x", "y")
    films = film_pair(rng.random((2, 4, 4)), rng.random((2, 4, 4)), "clip", 1)
    page = a_page(sections=[Section("a", "", chart), Section("b", "", chart + films)])
    script = plotly.offline.get_plotlyjs()
    assert page.count(script) == 1
    assert page.index(script) < page.index("Plotly.newPlot", page.index(script) + len(script))
    rest = page.replace(script, "")
    assert REQUESTS.search(rest) is None
    assert "Content-Security-Policy\" content=\"default-src 'none';" in rest
    assert "unsafe-eval" not in rest
    assert '<meta name="viewport"' in rest
    assert '<html lang="en">' in rest
    assert "@media print" in rest
    assert "prefers-color-scheme: dark" in rest


def test_request_pattern_finds_requests():
    for text in ('src="https://a', "href=//a", "url(http://a", '@import "a"'):
        assert REQUESTS.search(text)


def test_page_without_charts_is_small():
    assert len(a_page()) < 20_000


def test_page_lists_sections_only_where_there_are_several():
    sections = [Section(name, "one\n\ntwo", "") for name in "abc"]
    page = a_page(sections=sections)
    assert page.count("<p>one</p>\n<p>two</p>") == 3
    assert '<a href="#section-3">c</a>' in page
    assert "<nav" not in a_page(sections=sections[:2])


def test_table_aligns_numbers_and_gives_a_column_its_decimals():
    rows = [["a", 0.98765, 7], ["b", 0.5, None], ["c", float("nan"), 12000]]
    page = a_page(tables=[Table("scores", ["method", "AP", "rows"], rows)])
    cells = re.findall(r'<td class="number">(.*?)</td>', page)
    assert cells == ["0.988", "7", "0.500", "–", "nan", "12000"]
    assert page.count('<th scope="row">') == 3
    assert "<caption>scores</caption>" in page


@pytest.mark.parametrize(
    ("value", "text"), [(4321.7, "4322"), (43.217, "43.2"), (0.0, "0.00"), (0.00123456, "0.00123")]
)
def test_floats_show_three_digits(value, text):
    assert f">{text}<" in a_page(tables=[Table("t", ["name", "value"], [["a", value]])])


def test_table_refuses_a_ragged_row():
    with pytest.raises(DataError, match="'scores' does not have 2 cells"):
        a_page(tables=[Table("scores", ["a", "b"], [["only one"]])])


def test_empty_table_has_its_headings():
    assert '<th scope="col">method</th>' in a_page(tables=[Table("scores", ["method"], [])])


def test_write_page_is_utf8_and_survives_odd_file_names(tmp_path):
    write_page(tmp_path / "report.html", "Größe \udcff")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == "Größe ?"


# The extra


@pytest.mark.parametrize(
    "draw",
    [
        lambda: histograms({"normal": np.ones(2)}, "t", "x"),
        lambda: latent_map(np.zeros((1, 2)), ["normal"], [""], "t"),
        lambda: curves({"total": [1.0]}, "t", "x", "y"),
        lambda: a_page(sections=[Section("a", "", '<div class="plotly-graph-div"></div>')]),
    ],
    ids=["histograms", "map", "curves", "page"],
)
def test_without_plotly_the_error_names_the_extra(draw, monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly", None)
    with pytest.raises(MissingExtraError, match=r"'plotly' is not installed.*blemish\[report\]"):
        draw()


def test_without_jinja_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingExtraError, match=r"'jinja2' is not installed.*blemish\[report\]"):
        a_page()


def test_import_needs_no_extra():
    code = "import sys; sys.modules.update(plotly=None, jinja2=None); import blemish.report"
    subprocess.run([sys.executable, "-c", code], check=True)
