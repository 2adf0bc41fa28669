"""The review page in a real browser: by keyboard, by mouse and by touch, through outages and restarts."""

import re
import shutil
import socket
import time
from itertools import product
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import csv

from blemish import DefectDetector, load
from blemish.data.dataset import Dataset
from blemish.datasets import ring
from blemish.review import drawings
from blemish.review.catalogue import Catalogue, open_catalogue
from blemish.review.ledger import Ledger, Unsaved
from blemish.review.ranking import Ranking
from blemish.review.session import Review
from blemish.review.suggestions import Snapshot
from browser import PHONE, visit
from served import Program, served, wait_ready

ATTACK = "<img src=x onerror=alert(1)>"
CSS = (Path(drawings.__file__).parent / "static" / "review.css").read_text()


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """60 rows, names that attack, and a model of them."""
    split = ring(n_normal=100, n_test=12)
    folder = tmp_path_factory.mktemp("table")
    X = split.X_test[:60]
    names = [f"{ATTACK}{i}" if i % 2 else f"part {i}" for i in range(len(X))]
    frame = pa.table({"name": names, **{f"x{i}": column for i, column in enumerate(X.T)}})
    csv.write_csv(frame, folder / "ring.csv")
    det = DefectDetector(epochs=2, random_state=0).fit(frame.drop_columns(["name"]))
    det.notes_ = {"run": {}, "taken_out": ["name"]}
    det.save(folder / "m.blemish")
    return folder / "ring.csv", folder / "m.blemish"


@pytest.fixture(scope="module")
def modalities(tmp_path_factory, image_split, video_split, text_split):
    """For each modality a data set on the disk, and a model of it."""
    home, found = tmp_path_factory.mktemp("modalities"), {}
    pictures = home / "pictures"
    pictures.mkdir()
    for i, picture in enumerate(image_split.X_test[:30]):
        Image.fromarray(np.asarray(picture).reshape(picture.shape[-2:])).save(pictures / f"{ATTACK}{i}.png")
    (home / "texts.txt").write_text("\n".join(text_split.X_test[:30]))
    for i, clip in enumerate(video_split.X_test[::2]):
        (home / "clips" / f"{i:02d}").mkdir(parents=True)
        for t, frame in enumerate(clip):
            Image.fromarray(frame[0]).save(home / "clips" / f"{i:02d}" / f"{t:03d}.png")
    for modality, name in (("image", "pictures"), ("video", "clips"), ("text", "texts.txt")):
        catalogue = open_catalogue(home / name, modality=modality)
        X, _ = catalogue.take(range(len(catalogue)))
        found[modality] = catalogue, DefectDetector(modality=modality, epochs=1, random_state=0).fit(X)
    return found


@pytest.fixture
def opened(browser, modalities, tmp_path):
    """`opened(modality)` gives a context manager of a visit."""
    from contextlib import contextmanager

    @contextmanager
    def opening(modality, **options):
        catalogue, det = modalities[modality]
        review = Review(catalogue, Ledger(tmp_path / "labels.db"), det)
        with served(review, tmp_path / "cache") as link:
            wait_ready(review)
            with visit(browser, link, **options) as seen:
                ranked(seen.page)
                yield seen, review

    return opening


def ranked(page, number=0, seconds=120):
    page.locator("#stage", has_text="ranked").wait_for(timeout=1000 * seconds)
    page.locator(".cell[aria-label*='rank']").first.wait_for(timeout=20_000)


def labels_in(path):
    ledger = Ledger(path)
    found = [entry.mark for entry in ledger.everything()]
    ledger.close()
    return found


def text_of(page, name, wanted, seconds=20):
    page.locator(f"#{name}", has_text=wanted).wait_for(timeout=1000 * seconds, state="attached")


# From the first mark to the export -------------------------------------------------------------------------------------


def test_a_table_by_keyboard_alone(browser, table, tmp_path):
    data, model = table
    program = Program(tmp_path, data, "--model", model, "--key", "name", "--port", "0", "--labels", "l.db")
    try:
        with visit(browser, program.link, accept_downloads=True) as seen:
            page = seen.page
            ranked(page)
            assert program.link.split("=")[1] not in page.url
            for key in ("d", "d", "o", "n", "d"):
                page.keyboard.press(key)
            text_of(page, "counts", "3 defect, 1 other, 1 normal")
            page.keyboard.press("u")
            text_of(page, "counts", "2 defect, 1 other, 1 normal")
            text_of(page, "unsaved", "all saved")
            assert page.locator("#gallery").get_attribute("aria-activedescendant") == "cell-4"
            text_of(page, "reasons", "Why")
            page.keyboard.press("r")
            text_of(page, "said", "new ranking", 120)
            page.keyboard.press("l")
            assert page.locator("#fits tr").count() == 2
            assert "2 defects found with 4 marks" in page.locator("#found").get_attribute("aria-label")
            page.locator("#more-open").focus()
            page.keyboard.press("Enter")
            page.locator("#value").fill("0.2")
            page.locator("#cut").press("Enter")
            text_of(page, "promise", "false_positive_rate=0.2")
            for name in ("Model", "Scores (CSV)", "Scores (Parquet)"):
                with page.expect_download() as download:
                    page.get_by_role("link", name=name).press("Enter")
                download.value.save_as(tmp_path / download.value.suggested_filename)
            page.keyboard.press("Escape")
            assert seen.problems == []
            assert seen.hosts() == {re.search("//(.*?)/", program.link)[1]}  # type: ignore[index]
    finally:
        program.kill()
    assert load(tmp_path / "model.blemish").training_["rows"]["defect"] == 2
    scores = csv.read_csv(tmp_path / "scores.csv")
    assert scores["marked"].to_pylist().count("defect") == 2
    said = labels_in(tmp_path / "l.db")
    assert [mark.label for mark in said] == ["defect", "defect", "other", "normal", "defect", None]
    assert said[-1].undoes == said[-2].id
    assert [mark.rank for mark in said[:5]] == [1, 2, 3, 4, 5]
    assert all(mark.model and mark.who for mark in said)


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def test_ten_marks_during_an_outage_and_ten_during_a_restart_are_durable(browser, table, tmp_path):
    data, model = table
    arguments = (data, "--model", model, "--key", "name", "--port", free_port(), "--labels", "l.db")
    program = Program(tmp_path, *arguments)
    try:
        with visit(browser, program.link) as seen:
            page = seen.page
            ranked(page)
            page.context.set_offline(True)
            began = time.monotonic()
            for i in range(10):
                page.keyboard.press("don"[i % 3])
                assert page.locator("#gallery").get_attribute("aria-activedescendant") == f"cell-{i + 1}"
            text_of(page, "unsaved", "10 unsaved")
            text_of(page, "trouble", "does not answer")
            assert labels_in(tmp_path / "l.db") == []
            page.wait_for_timeout(10_000 - 1000 * (time.monotonic() - began))
            page.context.set_offline(False)
            text_of(page, "unsaved", "all saved")
            assert len(labels_in(tmp_path / "l.db")) == 10

            program.kill()
            for _ in range(10):
                page.keyboard.press("d")
            text_of(page, "unsaved", "10 unsaved")
            program = Program(tmp_path, *arguments)
            text_of(page, "trouble", "open the link that it printed")
            other = page.context.new_page()
            other.goto(program.link)
            text_of(other, "unsaved", "all saved")
            text_of(page, "unsaved", "all saved")
            page.locator("#trouble").wait_for(state="hidden", timeout=20_000)
    finally:
        program.kill()
    said = labels_in(tmp_path / "l.db")
    assert len({mark.id for mark in said}) == len(said) == 20
    assert [mark.label for mark in said[10:]] == ["defect"] * 10


def test_a_disk_that_fills_up_is_said_and_the_marks_wait(browser, table, tmp_path, monkeypatch):
    data, model = table
    review = Review(open_catalogue(data, key="name"), Ledger(tmp_path / "l.db"), load(model))

    def full(marks):
        raise Unsaved("the disk that holds l.db is full; free some space, nothing that was saved is lost", full=True)

    with served(review, tmp_path / "cache") as link, visit(browser, link) as seen:
        page = seen.page
        ranked(page)
        page.keyboard.press("d")
        text_of(page, "unsaved", "all saved")
        monkeypatch.setattr(review, "write", full)
        page.keyboard.press("o")
        page.keyboard.press("n")
        text_of(page, "unsaved", "2 unsaved")
        text_of(page, "trouble", "is full; free some space")
        assert page.locator("#cell-2").get_attribute("data-label") == "normal"
        monkeypatch.undo()
        text_of(page, "unsaved", "all saved")
        page.locator("#trouble").wait_for(state="hidden", timeout=20_000)
    assert [mark.label for mark in labels_in(tmp_path / "l.db")] == ["defect", "other", "normal"]


def test_suggestions_by_key_and_a_refit_after_five_marks(browser, table, tmp_path):
    data, model = table
    review = Review(open_catalogue(data, key="name"), Ledger(tmp_path / "l.db"), load(model))
    with served(review, tmp_path / "cache") as link, visit(browser, link) as seen:
        page = seen.page
        ranked(page)
        first = page.locator("#suggestions button").first
        first.wait_for(timeout=10_000)
        assert first.locator("small").text_content().startswith("typical: ")
        page.keyboard.press("s")
        name = review.catalogue.title(review.suggestions()[0].row)
        text_of(page, "sample-name", name)
        page.keyboard.press("d")  # it counts before any refit
        page.locator("#suggestions small", has_text="likely: the closest match to your defects").first.wait_for(
            timeout=10_000
        )
        assert review.points[-1].marks == 0
        page.locator("#after").select_option("5")
        page.locator("#gallery").focus()
        for _ in range(len(review.catalogue)):  # what was suggested may stand last, with none after it to mark
            page.keyboard.press("ArrowUp")
        for key in "odon":
            page.keyboard.press(key)
        text_of(page, "said", "new ranking", 120)
        assert review.points[-1].marks == 5
        page.locator("#suggestions small", has_text="closest match to your defects").first.wait_for(timeout=10_000)
        assert seen.problems == []


def test_two_people_see_each_other_and_their_conflict(browser, table, tmp_path):
    data, model = table
    review = Review(open_catalogue(data, key="name"), Ledger(tmp_path / "l.db"), load(model))
    with served(review, tmp_path / "cache") as link, visit(browser, link) as ann, visit(browser, link) as bob:
        for seen, name in ((ann, "ann"), (bob, "bob")):
            ranked(seen.page)
            seen.page.locator("#who").fill(name)
            seen.page.locator("#who").blur()
        ann.page.keyboard.press("d")
        bob.page.locator('.cell[data-label="defect"]').wait_for(timeout=10_000)
        bob.page.keyboard.press("n")
        ann.page.locator('.cell[data-label="conflict"]').wait_for(timeout=10_000)
        text_of(ann.page, "conflicts", "ann: defect · bob: normal")
        assert ann.problems == bob.problems == []


# What a control is called, and how to reach it --------------------------------------------------------------------------

CONTROLS = "button, select, input, a[href], canvas, [tabindex='0'], img, svg, table, progress"
NAMELESS = """elements => elements.filter(e => {
    const name = e.getAttribute('aria-label') || e.getAttribute('alt') || e.textContent.trim()
        || (e.labels && e.labels.length && e.labels[0].textContent.trim()) || '';
    return !name && !(e.tagName === 'IMG' && e.hasAttribute('alt'));
}).map(e => e.outerHTML.slice(0, 120))"""


def test_every_control_has_a_name_and_tab_reaches_it(opened):
    with opened("image") as (seen, _):
        page = seen.page
        page.locator("#suggestions button").first.wait_for(timeout=10_000)
        assert page.locator(CONTROLS).evaluate_all(NAMELESS) == []
        reached = set()
        page.evaluate("document.activeElement.blur()")
        for _ in range(60):
            page.keyboard.press("Tab")
            reached.add(page.evaluate("document.activeElement.id || document.activeElement.dataset.mark || ''"))
        assert {"gallery", "tab-gallery", "show", "by", "who", "theme", "help-open", "refit", "undo", "more-open", "after",
                "defect", "other", "normal"} <= reached  # fmt: skip
        page.keyboard.press("?")
        assert page.locator("#help").is_visible()
        page.keyboard.press("Escape")
        assert page.locator("#help").is_hidden()
        page.locator("#tab-gallery").focus()
        page.keyboard.press("ArrowRight")
        assert page.locator("#map").is_visible()
        assert page.evaluate("document.activeElement.id") == "tab-map"
        assert seen.problems == []


def test_two_kinds_by_keys_buttons_and_filter(browser, modalities, tmp_path):
    """Several kinds of defect: keys and buttons by number, colours, counts, the filter, and a refit that tells them."""
    catalogue, _ = modalities["text"]
    review = Review(catalogue, Ledger(tmp_path / "labels.db"), kinds=("crack", "pin hole"))
    with served(review, tmp_path / "cache") as link:
        wait_ready(review)
        with visit(browser, link) as seen:
            page = seen.page
            ranked(page)
            for key in ("1", "2", "d", "n"):
                page.keyboard.press(key)
            text_of(page, "counts", "1 crack, 1 pin hole, 0 other, 1 normal")
            page.get_by_role("button", name="pin hole").first.click()
            text_of(page, "counts", "2 pin hole")
            text_of(page, "unsaved", "all saved")
            drawn = page.locator(".cell[data-label='pin hole']").first
            assert drawn.evaluate("cell => getComputedStyle(cell).getPropertyValue('--label')") == "#0b5cad"
            page.locator("#show").select_option("pin hole")
            page.locator(".cell[data-label='crack']").first.wait_for(state="hidden")
            assert page.locator(".cell[data-label='pin hole']:visible").count() == 2
            page.locator("#show").select_option(index=0)
            page.locator("#gallery").focus()
            page.keyboard.press("r")
            text_of(page, "said", "new ranking", 120)
            assert seen.problems == []
        assert review.det is not None
        assert review.det.classes_.tolist() == ["normal", "other", "crack", "pin hole"]
    assert sorted(str(mark.label) for mark in labels_in(tmp_path / "labels.db")) == [
        "crack",
        "normal",
        "pin hole",
        "pin hole",
    ]


def contrast(first, second):
    def light(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        r, g, b = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    low, high = sorted([light(first), light(second)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("block", [r":root \{(.*?)\}", r':root\[data-theme="dark"\] \{(.*?)\}'], ids=["light", "dark"])
def test_colours_have_contrast(block):
    found = re.search(block, CSS, re.DOTALL)
    assert found
    colours = dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6})", found[1]))
    for kind, ground in product(range(2, 10), ("paper", "card")):
        assert contrast(colours[f"kind-{kind}"], colours[ground]) >= 3, (kind, ground)  # of marks, not of text
    for text in ("ink", "soft", "defect", "other", "normal", "conflict", "accent"):
        for ground in ("paper", "card"):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    assert contrast(colours["on-accent"], colours["accent"]) >= 4.5
    assert contrast(colours["ink"], colours["warm"]) >= 4.5


# Kinds of data -----------------------------------------------------------------------------------------------------------


def test_of_a_wide_row_all_values_are_true_and_all_columns_in_reach(browser, tmp_path):
    rng = np.random.default_rng(0)
    X = {f"c{i}": rng.integers(10**8, 10**9, 40) for i in range(20)}
    csv.write_csv(pa.table(X), tmp_path / "wide.csv")
    catalogue = open_catalogue(tmp_path / "wide.csv")
    det = DefectDetector(epochs=1, random_state=0).fit(pa.table(X))
    review = Review(catalogue, Ledger(tmp_path / "labels.db"), det)
    with served(review, tmp_path / "cache") as link:
        wait_ready(review)
        with visit(browser, link) as seen:
            page = seen.page
            ranked(page)
            row = int(page.locator("#sample-name").text_content().removeprefix("row "))
            page.locator("#reasons td").first.wait_for(timeout=20_000)
            assert page.locator("#content tr:visible").count() == 12
            summary = page.locator("#content summary")
            assert summary.text_content() == "8 more columns"
            assert page.locator("#cell-0 .text").text_content().splitlines()[0] == f"c0: {X['c0'][row]}"
            summary.click()
            cells = page.locator("#content tr:visible").all_text_contents()
            assert sorted(cells) == sorted(f"{name}{column[row]}" for name, column in X.items())
            first = page.locator("#reasons tbody tr").first
            assert first.locator("td").first.text_content() == str(X[first.locator("th").text_content()][row])
            page.keyboard.press("ArrowRight")
            page.locator("#content details[open]").wait_for(timeout=10_000)
            assert page.locator("#content tr:visible").count() == 20


def test_pictures_their_reconstruction_the_map_and_a_lasso(opened):
    with opened("image") as (seen, review):
        page = seen.page
        page.locator("#pictures img").nth(2).wait_for(timeout=20_000)
        for i in range(3):
            picture = page.locator("#pictures img").nth(i)
            picture.evaluate("image => image.decode()")
            assert picture.evaluate("image => image.naturalWidth") > 0
        assert ATTACK in page.locator("#sample-name").text_content()
        page.keyboard.press("m")
        text_of(page, "legend", "30 samples")
        box = page.locator("#map").bounding_box()
        assert box
        for step, (x, y) in enumerate([(0.01, 0.01), (0.99, 0.01), (0.99, 0.99), (0.01, 0.99)]):
            page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
            if not step:
                page.mouse.down()
        page.mouse.up()
        text_of(page, "selected", "30 selected")
        page.locator("#selection [data-mark=normal]").click()
        text_of(page, "counts", "30 normal")
        text_of(page, "unsaved", "all saved")
        assert review.counts()["normal"] == 30
        assert seen.problems == []


def test_a_clip_plays_and_can_be_scrubbed(opened):
    with opened("video") as (seen, _):
        page = seen.page
        clip = page.locator("#pictures img").first
        clip.evaluate("image => image.decode()")
        assert clip.evaluate("image => image.naturalWidth / image.naturalHeight") == 7
        page.keyboard.press(" ")
        page.wait_for_timeout(600)
        page.keyboard.press(" ")
        assert clip.evaluate("image => image.style.objectPosition") not in ("", "0% 0px")
        box = clip.bounding_box()
        assert box
        page.mouse.move(box["x"] + 0.99 * box["width"], box["y"] + box["height"] / 2)
        assert clip.evaluate("image => image.style.objectPosition").startswith("100%")
        page.keyboard.press("d")
        text_of(page, "counts", "1 defect")
        assert seen.problems == []


def test_a_text_shows_its_odd_words(opened):
    with opened("text") as (seen, _):
        page = seen.page
        page.locator("#content mark").first.wait_for(timeout=20_000)
        assert page.locator("#content mark").first.text_content() in page.locator("#content").text_content()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("o")
        text_of(page, "counts", "1 other")
        assert seen.problems == []


def test_on_a_phone_in_the_dark_by_touch(opened):
    with opened("image", viewport=PHONE, dark=True, has_touch=True) as (seen, review):
        page = seen.page
        page.locator("#who").fill("bo")
        page.locator("#cell-1").tap()
        assert page.locator("#cell-1").get_attribute("aria-selected") == "true"
        page.locator(".buttons [data-mark=defect]").tap()
        text_of(page, "counts", "1 defect")
        assert page.locator("#cell-2").get_attribute("aria-selected") == "true"
        assert [mark.who for mark in review.marks()] == ["bo"]
        assert seen.overflow() <= 0
        assert seen.problems == []


def test_ten_thousand_rows_are_a_few_cells(browser, table, tmp_path):
    _, model = table
    X = np.random.default_rng(0).normal(size=(10_000, 8))
    csv.write_csv(pa.table({f"x{i}": column for i, column in enumerate(X.T)}), tmp_path / "many.csv")
    review = Review(open_catalogue(tmp_path / "many.csv"), Ledger(tmp_path / "l.db"), load(model))
    with served(review, tmp_path / "cache") as link, visit(browser, link) as seen:
        page = seen.page
        ranked(page)
        assert page.locator(".cell").count() < 100
        page.keyboard.press("End")
        page.locator("#cell-9999[aria-label*='rank 10000']").wait_for(timeout=10_000)
        assert page.locator(".cell").count() < 100
        page.keyboard.press("Home")
        assert page.locator("#gallery").get_attribute("aria-activedescendant") == "cell-0"
        assert seen.problems == []


def test_a_million_rows_can_be_scrolled_to_the_end(browser, table, tmp_path):
    n = 1_000_000
    X = pa.table(dict.fromkeys([f"x{i}" for i in range(8)], pa.array(np.arange(float(n)) / n)))
    catalogue = Catalogue("rows", Dataset(X, range(n), "tabular"))
    review = Review(catalogue, Ledger(tmp_path / "l.db"), load(table[1]), start=False)
    flat = np.zeros((n, 2))
    review.ranking = Ranking(1, "m", Snapshot(np.linspace(1, 0, n), None, np.full((n, 3), 1 / 3), flat), flat)
    in_window = """id => {
        const cell = document.getElementById(id).getBoundingClientRect();
        const box = document.getElementById('gallery').getBoundingClientRect();
        return cell.top >= box.top - 2 && cell.bottom <= box.bottom + 2;
    }"""
    with served(review, tmp_path / "cache") as link, visit(browser, link, PHONE) as seen:
        page = seen.page
        page.locator(".cell[aria-label*='rank 1,']").wait_for(timeout=60_000)
        page.locator("#gallery").focus()
        page.keyboard.press("End")
        page.locator("#cell-999999[aria-label*='rank 1000000']").wait_for(timeout=20_000)
        assert page.evaluate(in_window, "cell-999999")
        for height in (PHONE["height"] - 60, PHONE["height"]):  # a note came and went above the list
            page.set_viewport_size({"width": PHONE["width"], "height": height})
            page.wait_for_timeout(200)
            assert page.evaluate(in_window, "cell-999999")
        page.keyboard.press("ArrowLeft")
        page.wait_for_timeout(200)
        assert page.evaluate(in_window, "cell-999998")
        page.evaluate("document.getElementById('gallery').scrollTop *= 0.5")
        page.locator(".cell[aria-label*='rank 5000']").first.wait_for(timeout=20_000)
        page.evaluate("document.getElementById('gallery').scrollTop = 1e9")
        page.locator("#cell-999999[aria-label*='rank 1000000']").wait_for(timeout=20_000)
        assert page.evaluate(in_window, "cell-999999")
        assert page.locator(".cell").count() < 100
        assert seen.problems == []


def test_a_broken_picture_is_said_and_the_others_go_on(browser, modalities, tmp_path):
    catalogue, det = modalities["image"]
    shutil.copytree(catalogue.name, tmp_path / "pictures")
    (tmp_path / "pictures" / "zz-broken.png").write_bytes(b"nothing")
    review = Review(open_catalogue(tmp_path / "pictures"), Ledger(tmp_path / "l.db"), det)
    wait_ready(review)
    with served(review, tmp_path / "cache") as link, visit(browser, link) as seen:
        ranked(seen.page)
        text_of(seen.page, "stage", "30 of 31 ranked")
        text_of(seen.page, "trouble", "zz-broken.png")
        seen.page.keyboard.press("End")
        seen.page.locator(".cell", has_text="cannot be read").wait_for(timeout=10_000)
        assert seen.problems == []
