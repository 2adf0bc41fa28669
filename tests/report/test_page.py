"""The page around the pieces: escaped, self-contained, and quiet in a real browser."""

import re
import subprocess
import sys

import numpy as np
import plotly.offline
import pytest

from blemish.core.errors import DataError, MissingExtraError
from blemish.report import (
    Section,
    Table,
    check_extras,
    curves,
    film_pair,
    histograms,
    latent_map,
    render,
    table_html,
    write_page,
)
from browser import DESKTOP, PHONE, visit
from report_pieces import ATTACK

ATTACKS = ATTACK + """<img src=x onerror="alert(1)">"""
REQUESTS = re.compile(
    r"""(?:src|srcset|href|action)\s*=\s*["']?\s*(?:https?:)?//|url\(\s*["']?(?:https?:)?//|@import"""
)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def a_page(**changes):
    parts = {"title": "t", "lead": "l", "facts": {"rows": "3"}, "tables": [], "sections": [], **changes}
    return render(**parts)


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


def test_a_table_in_a_sections_body_is_escaped_as_well():
    html = table_html(Table(ATTACK, [ATTACK], [[ATTACK]]))
    assert html.count("&lt;script&gt;alert(") == 4  # the caption, its label for screen readers, heading and cell
    assert "<script" not in html


def test_empty_table_has_its_headings():
    assert '<th scope="col">method</th>' in a_page(tables=[Table("scores", ["method"], [])])


def test_write_page_is_utf8_and_survives_odd_file_names(tmp_path):
    write_page(tmp_path / "report.html", "Größe \udcff")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == "Größe ?"


# The extra


def test_without_plotly_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly", None)
    with pytest.raises(MissingExtraError, match=r"'plotly' is not installed.*blemish\[report\]"):
        a_page(sections=[Section("a", "", '<div class="plotly-graph-div"></div>')])


def test_without_jinja_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingExtraError, match=r"'jinja2' is not installed.*blemish\[report\]"):
        a_page()


@pytest.mark.parametrize("package", ["jinja2", "plotly"])
def test_extras_are_checked_without_a_page(monkeypatch, package):
    check_extras()
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"'{package}' is not installed"):
        check_extras()


def test_import_needs_no_extra():
    code = "import sys; sys.modules.update(plotly=None, jinja2=None); import blemish.report"
    subprocess.run([sys.executable, "-c", code], check=True)


# In a browser


@pytest.fixture(scope="module")
def pieces(tmp_path_factory):
    """A page with every kind of piece and an attack in every string."""
    rng = np.random.default_rng(0)
    bodies = [
        histograms({"normal": rng.normal(size=50), ATTACKS: rng.normal(size=9)}, ATTACKS, ATTACKS),
        latent_map(rng.normal(size=(5, 2)), ["normal"] * 4 + ["defect"], [ATTACKS] * 5, ATTACKS),
        curves({ATTACKS: [2.0, 1.0]}, ATTACKS, ATTACKS, ATTACKS)
        + film_pair(np.ones((4, 9, 9)), np.ones((4, 9, 9)), "c", 1),
    ]
    table = Table(ATTACKS, [ATTACKS, *"abcdef"], [[ATTACKS * 3, *[1.5] * 6]])
    path = tmp_path_factory.mktemp("pieces") / "page.html"
    page = render(ATTACKS, ATTACKS, {ATTACKS: ATTACKS}, [table], [Section(ATTACKS, ATTACKS, body) for body in bodies])
    write_page(path, page)
    return path


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_pieces_open_quietly(browser, pieces, size):
    with visit(browser, pieces.as_uri(), size, dark=size is PHONE) as seen:
        assert seen.page.locator(".js-plotly-plot .main-svg").count() >= 3
        assert seen.problems == []
        assert seen.requests == [pieces.as_uri()]
        assert seen.overflow() <= 0


def test_the_browser_notes_what_a_page_does_wrong(browser, tmp_path):
    path = tmp_path / "bad.html"
    path.write_text(
        "<p style='width:900px'>wide</p><img src='http://other.invalid/a.png'><script>alert(1);nope()</script>"
    )
    with visit(browser, path.as_uri(), PHONE) as seen:
        assert seen.hosts() == {"other.invalid"}
        assert any("nope" in problem for problem in seen.problems)
        assert "dialog: 1" in seen.problems
        assert seen.overflow() > 0
