"""The viewer in a real browser: open, zoom, draw, undo, refit, the map, and all of it after a reload."""

import time

import numpy as np
from PIL import Image

from blemish.review.catalogue import open_catalogue
from blemish.review.ledger import Ledger
from blemish.review.session import Review
from browser import PHONE, visit
from served import served

CONTROLS = "#viewer button, #viewer input, #viewer canvas, #reasons button, #reasons img"
NAMELESS = """elements => elements.filter(e => !(e.getAttribute('aria-label') || e.getAttribute('alt') || e.textContent.trim()
    || e.labels?.[0]?.textContent.trim() || e.querySelector('img')?.alt)).map(e => e.outerHTML.slice(0, 120))"""
INK = """() => { // pixels of the window that are bluer than grey: strokes
    const canvas = document.getElementById('viewer-canvas');
    const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    let found = 0;
    for (let at = 0; at < data.length; at += 4) if (data[at + 3] === 255 && data[at + 2] > data[at] + 30) found++;
    return found;
}"""
ORANGE = INK.replace("data[at + 2] > data[at] + 30", "data[at] > data[at + 2] + 30")


def text_of(page, name, wanted, seconds=30):
    page.locator(f"#{name}", has_text=wanted).wait_for(timeout=1000 * seconds, state="attached")


def enter(page, row, review):
    """Open the picture of a row."""
    text_of(page, "stage", "ranked")
    page.locator(".cell[aria-label*='rank']").first.wait_for(timeout=30_000)
    place = review.ranking.places[row] - 1
    page.locator("#gallery").focus()
    page.keyboard.press("Home")
    for _ in range(place):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    text_of(page, "viewer-name", review.catalogue.title(row))
    text_of(page, "viewer-zoom", "%")


def drag(page, *points):
    """Draw from point to point, in fractions of the canvas."""
    box = page.locator("#viewer-canvas").bounding_box()
    for step, (x, y) in enumerate(points):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=4)
        if not step:
            page.mouse.down()
    page.mouse.up()


def settled(page, script, wanted, seconds=30):
    """Until `wanted(what the script gives)`; the page's policy lets no string be run in it, so it is asked again."""
    end = time.monotonic() + seconds
    while not wanted(found := page.evaluate(script)):
        assert time.monotonic() < end, found
        page.wait_for_timeout(50)


def problems_of(seen):
    """Left out: a map that is given up on the way, as it should be, and that this test reads the canvas."""
    ours = [one for one in seen.problems if one.startswith("failed: ") and "/api/places/" in one]
    return [one for one in seen.problems if one not in ours and "getImageData" not in one]


def strokes_in(place):
    ledger = Ledger(place / "labels.db")
    found = [entry.mark for entry in ledger.everything()]
    ledger.close()
    return found


def test_draw_undo_refit_see_the_map_and_reload(browser, opened, tmp_path):
    with opened() as (link, review), visit(browser, link) as seen:
        page = seen.page
        enter(page, 0, review)
        text_of(page, "viewer-said", "unusual")
        assert review.opinions.label(review.catalogue.digest(0)) is None
        page.keyboard.press("b")
        text_of(page, "viewer-said", "this marks the picture as the defect")
        page.keyboard.press("]")
        drag(page, (0.3, 0.3), (0.36, 0.4), (0.4, 0.5))
        assert page.locator("#viewer [data-mark=defect]").get_attribute("aria-pressed") == "true"
        settled(page, INK, lambda found: found > 300)
        page.keyboard.press("x")
        drag(page, (0.6, 0.6), (0.7, 0.7))
        text_of(page, "unsaved", "all saved")
        assert [(one.label, one.stroke and one.stroke.tool) for one in strokes_in(tmp_path)] == [
            ("defect", "brush"),
            ("defect", "box"),
        ]
        both = page.evaluate(INK)
        page.keyboard.press("u")
        settled(page, INK, lambda found: found < both - 300)
        page.keyboard.press("e")
        drag(page, (0.38, 0.45), (0.41, 0.53))
        text_of(page, "unsaved", "all saved")
        left = page.evaluate(INK)
        assert 0 < left < both
        assert page.locator("#viewer").is_visible()
        (drawn,) = review.opinions.drawings(review.catalogue.digest(0))
        assert [stroke.tool for stroke in drawn] == ["brush", "eraser"]
        assert all(stroke.picture == (120, 90) for stroke in drawn)

        page.keyboard.press("Escape")
        assert page.locator("#viewer").is_hidden()
        assert page.evaluate("document.activeElement.id") == "gallery"
        page.keyboard.press("r")
        text_of(page, "said", "new ranking", 120)
        enter(page, 5, review)
        text_of(page, "viewer-said", "like the defect")
        settled(page, ORANGE, lambda found: found > 20)
        page.keyboard.press("h")
        settled(page, ORANGE, lambda found: found == 0)

        assert problems_of(seen) == []
        page.reload()
        enter(page, 0, review)
        seen.problems.clear()  # what was under way is broken off by a reload
        settled(page, INK, lambda found: found > 100)
        assert page.locator("#viewer [data-mark=defect]").get_attribute("aria-pressed") == "true"
        page.keyboard.press("n")  # marks, and goes on at the same zoom
        text_of(page, "unsaved", "all saved")
        assert page.locator("#viewer").is_visible()
        assert page.locator("#viewer-name").text_content() != review.catalogue.title(0)
        assert problems_of(seen) == []


def test_the_nearest_defects_are_pictures_with_their_spot(browser, opened, tmp_path):
    with opened() as (link, review), visit(browser, link) as seen:
        page = seen.page
        enter(page, 0, review)
        page.keyboard.press("x")
        drag(page, (0.3, 0.3), (0.4, 0.5))
        page.keyboard.press("Escape")
        text_of(page, "unsaved", "all saved")
        page.keyboard.press("r")
        text_of(page, "said", "new ranking", 120)
        enter(page, 5, review)
        page.keyboard.press("Escape")
        near = page.locator("#reasons button").first
        near.wait_for(timeout=30_000)
        assert near.locator(".spot").is_visible()
        assert page.locator("#reasons").text_content().strip() == "nearest labelled defects"
        assert page.locator(CONTROLS).evaluate_all(NAMELESS) == []
        near.click()
        text_of(page, "sample-name", review.catalogue.title(0))
        assert problems_of(seen) == []


def test_by_keyboard_alone_a_box_is_drawn(browser, opened):
    with opened() as (link, review), visit(browser, link) as seen:
        page = seen.page
        enter(page, 1, review)
        zoom = page.locator("#viewer-zoom")
        fitted = zoom.text_content()
        page.keyboard.press("1")
        assert zoom.text_content() == "100 %"
        page.keyboard.press("+")
        assert zoom.text_content() == "150 %"
        page.keyboard.press("ArrowRight")
        assert page.locator("#viewer-name").text_content() != review.catalogue.title(1)
        page.wait_for_timeout(500)
        assert zoom.text_content() == "150 %"
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("f")
        text_of(page, "viewer-zoom", fitted)
        page.keyboard.press("x")
        page.keyboard.press(" ")
        for key in ("Shift+ArrowRight", "Shift+ArrowDown"):
            for _ in range(8):
                page.keyboard.press(key)
        page.keyboard.press(" ")
        text_of(page, "unsaved", "all saved")
        (((box,),),) = [review.opinions.drawings(review.catalogue.digest(1))]
        (left, top), (right, bottom) = box.points
        assert box.tool == "box"
        assert right - left == bottom - top > 2
        reached = set()
        for _ in range(24):
            page.keyboard.press("Tab")
            reached.add(
                page.evaluate(
                    "document.activeElement.id || document.activeElement.dataset.tool || document.activeElement.dataset.mark || ''"
                )
            )
        assert {"viewer-canvas", "viewer-close", "viewer-fit", "viewer-whole", "viewer-map", "viewer-undo", "viewer-thickness",
                "move", "brush", "box", "eraser", "defect", "other", "normal"} <= reached  # fmt: skip
        page.keyboard.press("?")
        assert page.locator("#help").is_visible()
        page.keyboard.press("Escape")
        assert page.locator("#viewer").is_visible()
        assert problems_of(seen) == []


def test_two_tabs_keep_each_others_strokes_and_an_outage_loses_none(browser, opened, tmp_path):
    with opened() as (link, review), visit(browser, link) as seen:
        first = seen.page
        second = first.context.new_page()
        second.goto(link)
        for page in (first, second):
            enter(page, 0, review)
            page.keyboard.press("b")
        drag(first, (0.3, 0.3), (0.4, 0.3))
        drag(second, (0.6, 0.6), (0.7, 0.6))
        for page in (first, second):
            text_of(page, "unsaved", "all saved")
        one = first.evaluate(INK)
        settled(first, INK, lambda found: found > 600)  # the other's stroke arrives
        assert one > 0
        first.context.set_offline(True)
        drag(first, (0.3, 0.7), (0.4, 0.7))
        text_of(first, "unsaved", "1 unsaved")
        assert len(strokes_in(tmp_path)) == 2
        first.context.set_offline(False)
        text_of(first, "unsaved", "all saved")
        assert len({stroke.id for stroke in strokes_in(tmp_path)}) == 3
        assert len(review.opinions.drawings(review.catalogue.digest(0))[0]) == 3


def test_on_a_phone_by_touch(browser, opened):
    with opened() as (link, review), visit(browser, link, PHONE, dark=True, has_touch=True) as seen:
        page = seen.page
        text_of(page, "stage", "ranked")
        page.locator("#cell-0[aria-label*='rank'][aria-selected='true']").wait_for(timeout=30_000)
        page.locator("#cell-0").tap()  # it is chosen already: it opens
        text_of(page, "viewer-zoom", "%")
        assert seen.overflow() <= 0
        page.locator("#viewer [data-tool=brush]").tap()
        box = page.locator("#viewer-canvas").bounding_box()
        page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        text_of(page, "unsaved", "all saved")
        row = int(review.ranking.order[0])
        ((dot,),) = review.opinions.drawings(review.catalogue.digest(row))
        assert (dot.tool, len(dot.points)) == ("brush", 1)
        assert dot.points[0] == (60, 45)
        page.locator("#viewer-undo").tap()
        text_of(page, "counts", "0 defect")
        page.locator("#viewer-close").tap()
        assert page.locator("#viewer").is_hidden()
        assert problems_of(seen) == []


def test_a_large_picture_is_looked_at_in_tiles_and_no_map_is_made_of_what_is_not_opened(browser, det, tmp_path):
    pixels = np.random.default_rng(0).integers(100, 140, (2000, 3000), dtype=np.uint8)
    pixels[1000, 1500] = 255
    (tmp_path / "pictures").mkdir()
    for i in range(3):
        Image.fromarray(pixels).save(tmp_path / "pictures" / f"{i}.png")
        pixels[i, 0] = 7
    review = Review(open_catalogue(tmp_path / "pictures"), Ledger(tmp_path / "labels.db"), det)
    with served(review, tmp_path / "cache") as link, visit(browser, link) as seen:
        page = seen.page
        page.locator("#stage", has_text="ranked").wait_for(timeout=60_000)
        page.locator(".cell[aria-label*='rank']").first.wait_for()
        page.wait_for_timeout(1000)
        asked = ("/tile/", "/api/places/", "/overlay/", "/api/view/")
        assert [address for address in seen.requests if any(part in address for part in asked)] == []
        page.keyboard.press("Enter")
        text_of(page, "viewer-zoom", "%")
        page.wait_for_timeout(500)
        before = [address for address in seen.requests if "/tile/" in address]
        assert 0 < len(before) <= 12
        assert not any(address.split("/")[-3] == "0" for address in before)
        page.keyboard.press("1")
        middle = "/0/2/1"  # of 512 pixels: where (1500, 1000) is
        settled(
            page,
            "performance.getEntriesByType('resource').map(one => one.name)",
            lambda names: any(name.endswith(middle) for name in names),
        )
        page.wait_for_timeout(300)
        bright = page.evaluate("""() => {
            const canvas = document.getElementById('viewer-canvas');
            const data = canvas.getContext('2d').getImageData(canvas.width / 2 - 3, canvas.height / 2 - 3, 6, 6).data;
            return data.filter((value, at) => at % 4 === 0 && value > 200).length;
        }""")
        assert bright >= 1
        assert len(seen.requests) < 80
        assert problems_of(seen) == []
