"""Pages in a real browser: no error, no request to another host, no sideways scrolling."""

import numpy as np
import pytest

from blemish.report import Section, Table, curves, film_pair, histograms, latent_map, render, write_page
from browser import DESKTOP, PHONE, visit

ATTACK = """<script>alert("a")</script><img src=x onerror="alert(1)"><a href='https://evil.example'>&amp;</a>"""


@pytest.fixture(scope="module")
def pieces(tmp_path_factory):
    """A page with every kind of piece and an attack in every string."""
    rng = np.random.default_rng(0)
    bodies = [
        histograms({"normal": rng.normal(size=50), ATTACK: rng.normal(size=9)}, ATTACK, ATTACK),
        latent_map(rng.normal(size=(5, 2)), ["normal"] * 4 + ["defect"], [ATTACK] * 5, ATTACK),
        curves({ATTACK: [2.0, 1.0]}, ATTACK, ATTACK, ATTACK)
        + film_pair(np.ones((4, 9, 9)), np.ones((4, 9, 9)), "c", 1),
    ]
    table = Table(ATTACK, [ATTACK, *"abcdef"], [[ATTACK * 3, *[1.5] * 6]])
    path = tmp_path_factory.mktemp("pieces") / "page.html"
    page = render(ATTACK, ATTACK, {ATTACK: ATTACK}, [table], [Section(ATTACK, ATTACK, body) for body in bodies])
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
