"""Tiles, maps and strokes over HTTP, and how strokes come into the next fit."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from blemish.review.catalogue import open_catalogue
from blemish.review.ledger import Ledger
from blemish.review.session import Review
from blemish.review.viewer.strokes import to_stroke
from served import OWN, TOKEN, guarded, mark, wait_ready

CRACK = ((20, 30), (48, 44))  # of the pictures 0, 5, 10 and so on, see the fixture `folder`


def entering(review, cache):
    client = TestClient(guarded(review, cache), base_url=OWN)
    client.get(f"/?token={TOKEN}")
    client.headers["origin"] = OWN
    return client


@pytest.fixture
def guest(parts, tmp_path):
    return entering(parts, tmp_path / "cache")


def crack(review, row, number=0):
    stroke = to_stroke({"tool": "brush", "points": [*map(list, CRACK)], "thickness": 5, "picture": [120, 90]})
    return replace(mark(review, row, number=number), stroke=stroke)


def test_a_picture_is_its_size_its_tiles_and_what_was_drawn(guest, parts):
    digest = parts.catalogue.digest(0)
    assert guest.get(f"/api/view/{digest}").json() == {
        "width": 120,
        "height": 90,
        "tile": 512,
        "levels": 1,
        "strokes": [],
    }
    made = guest.get(f"/tile/{digest}/0/0/0")
    assert made.headers["content-type"] == "image/png"
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(made.content))), parts.catalogue.take([0])[0][0][0])
    one = crack(parts, 0)
    parts.write([one])
    (drawn,) = guest.get(f"/api/view/{digest}").json()["strokes"]
    assert drawn == {
        "id": one.id,
        "who": "ann",
        "tool": "brush",
        "points": [[20, 30], [48, 44]],
        "thickness": 5,
        "picture": [120, 90],
    }
    history = guest.get(f"/api/sample/{digest}").json()["history"]
    assert [(entry["label"], entry["stroke"]) for entry in history] == [("defect", "brush")]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/tile/{}/1/0/0", 400), ("/tile/{}/0/1/0", 400), ("/tile/{}/0/0/1", 400), ("/tile/{}/-1/0/0", 400), ("/tile/{}/0/0/-1", 400),
        ("/tile/{}/x/0/0", 422), ("/tile/{}/0/nan/0", 422), ("/tile/{}/0/0/1e3", 422), ("/tile/{}/0/0/inf", 422), ("/tile/{}/0/0/1.5", 422),
        ("/tile/{}/0/0/" + "9" * 30, 400), ("/tile/{}/0/0/" + "9" * 5000, 422), ("/tile/{}/0/0", 404), ("/tile/{}/0/0/0/0", 404),
        ("/tile/nobody/0/0/0", 400), ("/api/view/nobody", 400), ("/api/places/nobody", 400), ("/overlay/nobody", 400), ("/api/view/%00", 400),
    ],
)  # fmt: skip
def test_what_does_not_exist_is_refused_in_one_line(path, status, guest, parts):
    answer = guest.get(path.format(parts.catalogue.digest(0)))
    assert (answer.status_code, set(answer.json())) == (status, {"error"})
    assert len(answer.json()["error"]) < 300


def test_of_samples_that_are_not_pictures_there_is_nothing_to_open(review, tmp_path):
    client, digest = entering(review, tmp_path / "cache"), review.catalogue.digest(0)
    for path in (f"/api/view/{digest}", f"/tile/{digest}/0/0/0", f"/api/places/{digest}", f"/overlay/{digest}"):
        assert client.get(path).status_code == 400
    one = {"id": "mark-0001", "sample": digest, "key": "k", "label": "defect", "made": "2026-11-24T12:00:00Z"}
    stroke = {"tool": "box", "points": [[0, 0], [1, 1]], "thickness": 0, "picture": [2, 2]}
    answer = client.post("/api/marks", json={"marks": [{**one, "stroke": stroke}]})
    assert (answer.status_code, "strokes are for pictures" in answer.json()["error"]) == (400, True)
    assert list(review.ledger.everything()) == []


def test_broken_and_replaced_pictures_are_said(tmp_path):
    (tmp_path / "pictures").mkdir()
    Image.new("L", (30, 20), 90).save(tmp_path / "pictures" / "a.png")
    (tmp_path / "pictures" / "b.png").write_bytes(b"nothing")
    review = Review(open_catalogue(tmp_path / "pictures"), Ledger(tmp_path / "l.db"), start=False)
    client, (good, bad) = entering(review, tmp_path / "cache"), (review.catalogue.digest(row) for row in (0, 1))
    assert client.get(f"/tile/{good}/0/0/0").status_code == 200
    for path in (f"/api/view/{bad}", f"/tile/{bad}/0/0/0"):
        assert client.get(path).status_code == 400
    assert "still training" in client.get(f"/api/places/{good}").json()["note"]
    assert client.get(f"/overlay/{good}").status_code == 404
    Image.new("L", (31, 20), 90).save(tmp_path / "pictures" / "a.png")
    answer = client.get(f"/tile/{good}/0/0/0")
    assert (answer.status_code, "reload the page" in answer.json()["error"]) == (400, True)
    review.stop()


@pytest.mark.filterwarnings("ignore:Image size:PIL.Image.DecompressionBombWarning")
def test_a_picture_of_12000_x_8000_is_sent_in_tiles(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "pictures").mkdir()
    whole = Image.new("L", (12_000, 8_000), 90)
    whole.paste(200, (6_000, 4_000, 6_003, 4_003))
    whole.save(tmp_path / "pictures" / "a.png", compress_level=1)
    review = Review(open_catalogue(tmp_path / "pictures"), Ledger(tmp_path / "l.db"), start=False)
    client, digest = entering(review, tmp_path / "cache"), review.catalogue.digest(0)
    view = client.get(f"/api/view/{digest}").json()
    assert (view["width"], view["height"], view["levels"]) == (12_000, 8_000, 6)
    whole = client.get(f"/tile/{digest}/5/0/0")
    assert Image.open(io.BytesIO(whole.content)).size == (375, 250)
    native = client.get(f"/tile/{digest}/0/{6_000 // 512}/{4_000 // 512}")
    pixels = np.asarray(Image.open(io.BytesIO(native.content)))
    assert pixels.shape == (512, 512)
    assert (
        pixels[4_000 % 512 :, 6_000 % 512 :][:4, :4] == np.pad(np.full((3, 3), 200), (0, 1), constant_values=90)
    ).all()
    assert len(whole.content) + len(native.content) < 600_000
    review.stop()


def test_strokes_are_the_regions_of_the_next_fit_and_the_map_is_of_the_defect(guest, parts):
    digest = parts.catalogue.digest(0)
    before = guest.get(f"/api/places/{digest}").json()
    assert (before["map"], before["kind"]) == (True, "other")
    parts.write([crack(parts, 0), crack(parts, 5), mark(parts, 1, "other"), mark(parts, 2, "normal")])
    rows = parts._fit_rows or list(range(len(parts.catalogue)))
    X, rows = parts.catalogue.take(rows)
    regions = parts.regions(rows, X)
    assert regions is not None
    assert [at for at, mask in enumerate(regions) if mask is not None] == [rows.index(0), rows.index(5)]
    assert regions[rows.index(0)].shape == (90, 120)
    assert regions[rows.index(0)][37, 34]
    seen, fit = [], type(parts.det).begin_fit

    def begin_fit(self, X, y=None, **options):
        seen.append(options["regions"])
        return fit(self, X, y, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(parts.det), "begin_fit", begin_fit)
        assert parts.refit()
        wait_ready(parts)
    assert sum(mask is not None for mask in seen[0]) == 2
    after = guest.get(f"/api/places/{parts.catalogue.digest(10)}").json()
    assert (after["map"], after["kind"]) == (True, "defect")
    heat = parts.det.heat(parts.catalogue.take([10])[0])[0]
    y, x = np.unravel_index(heat.argmax(), heat.shape)
    assert 12 <= x <= 56  # at the crack
    assert 22 <= y <= 52
    made = guest.get(f"/overlay/{parts.catalogue.digest(10)}")
    assert made.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(made.content)).size == (1024, 768)
    near = guest.get(f"/api/sample/{parts.catalogue.digest(10)}").json()["reasons"]["near"]
    assert {one["key"] for one in near} == {"part00.png", "part05.png"}
    assert near[0]["spot"] == pytest.approx([0.15, 0.3, 0.27, 0.22], abs=0.03)


def test_a_label_that_is_taken_back_takes_the_region_with_it(parts):
    X, rows = parts.catalogue.take([0, 5])
    parts.write([crack(parts, 0), crack(parts, 5)])
    assert parts.regions(rows, X) is not None
    parts.write([mark(parts, 0, "normal", number=1), mark(parts, 5, "normal", who="bob")])
    assert parts.regions(rows, X) is None
    parts.write([mark(parts, 0, None, number=2, undoes=mark(parts, 0, number=1).id)])
    found = parts.regions(rows, X)
    assert found is not None
    assert found[0] is not None
    assert found[1] is None  # they disagree


def test_labels_are_exported_with_what_was_drawn(guest, parts):
    parts.write([crack(parts, 0)])
    assert '""tool"":""brush""' in guest.get("/api/export/labels").text.replace(" ", "")
