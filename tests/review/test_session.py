"""The loop behind the page: samples, ranking, suggestions, refits, exports."""

import io
import os
import shutil
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import csv, feather, parquet
from starlette.testclient import TestClient

from blemish import DefectDetector, load
from blemish.cli import main
from blemish.core.errors import BlemishError, ConfigError, DataError
from blemish.datasets import ring
from blemish.review import answers, drawings
from blemish.review.catalogue import Catalogue, open_catalogue
from blemish.review.launch import PORT, bind, serve
from blemish.review.ledger import Ledger
from blemish.review.looks import learn_looks, looks
from blemish.review.marks import Mark
from blemish.review.ranking import Point, Ranking, advice, best_first, places, precision
from blemish.review.session import Review, Status
from blemish.review.suggestions import (
    NOISE,
    WIDTH,
    Choice,
    View,
    likely,
    misses,
    new,
    plane,
    posterior_mean,
    suggest,
    typical,
    uncertain,
)
from blemish.scoring.scorer import Scores
from served import TOKEN, guarded, wait_ready

OWN = "http://127.0.0.1:8765"
NOW = "2026-11-24T12:00:00+00:00"


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    split = ring(n_normal=150, n_test=20)
    path = tmp_path_factory.mktemp("table") / "ring.csv"
    columns = {f"x{i}": column for i, column in enumerate(split.X_test.T)}
    csv.write_csv(pa.table({"name": [f"part {i}" for i in range(len(split.X_test))], **columns}), path)
    return path


@pytest.fixture(scope="module")
def model(table, tmp_path_factory):
    det = DefectDetector(epochs=2, random_state=0).fit(csv.read_csv(table).drop_columns(["name"]))
    det.notes_ = {"run": {}, "taken_out": ["name"]}
    path = tmp_path_factory.mktemp("model") / "m.blemish"
    det.save(path)
    return path


@pytest.fixture
def review(table, model, tmp_path):
    found = Review(open_catalogue(table, key="name"), Ledger(tmp_path / "labels.db"), load(model))
    wait_ready(found)
    yield found
    found.stop()


@pytest.fixture
def guest(review, tmp_path):
    client = TestClient(guarded(review, tmp_path / "cache"), base_url=OWN)
    client.get(f"/?token={TOKEN}")
    client.headers["origin"] = OWN
    return client


def mark(review, row, label: str | None = "defect", who="ann", number=0, undoes=None):
    digest, key = review.catalogue.digest(row), review.catalogue.title(row)
    return Mark(f"mark-{row:04d}-{number}-{who}", digest, key, label, undoes, who, NOW, None, None)


# The loop ------------------------------------------------------------------------------------------------------------


def test_the_first_ranking_equals_the_models_own_scores(review, model):
    X = review.catalogue.samples.X
    det = load(model)
    assert np.array_equal(review.ranking.outlier, det.outlier_score(X))
    assert review.ranking.order.tolist() == np.argsort(-det.outlier_score(X), kind="stable").tolist()
    assert review.ranking.defect is None


def test_marks_and_a_refit_move_the_ranking(review):
    before = review.ranking
    rows = before.order[:6].tolist()
    review.write([mark(review, row, "defect" if i < 3 else "other") for i, row in enumerate(rows)])
    assert review.counts() == {"normal": 0, "other": 3, "defect": 3, "conflict": 0}
    assert review.refit()
    wait_ready(review)
    assert review.ranking.number > before.number
    assert review.ranking.defect is not None
    assert review.det.training_["rows"] == {
        "unlabelled": len(review.catalogue) - 6,
        "normal": 0,
        "other": 3,
        "defect": 3,
    }
    assert [one.marks for one in review.points] == [0, 6]
    assert "6 marks" in review.ranking.model
    assert not {one.row for one in review.suggestions()} & set(rows)
    others = {review.catalogue.title(row) for row in rows[1:3]}  # a defect is not its own neighbour
    assert set(answers.detail(review, rows[0])["reasons"]["nearest_defects"]) == others


def test_two_people_see_each_other_and_conflicts_teach_nothing(review, table, model):
    other = Review(open_catalogue(table, key="name"), Ledger(review.ledger.address), load(model))
    wait_ready(other)
    review.write([mark(review, 3, "defect", "ann"), mark(review, 4, "normal", "ann")])
    other.write([mark(review, 3, "normal", "bob")])
    review.sync()
    assert review.counts() == other.counts() == {"normal": 1, "other": 0, "defect": 0, "conflict": 1}
    assert review.labels([3]) == [None]
    assert review.opinions.of(review.catalogue.digest(3)) == {"ann": "defect", "bob": "normal"}
    other.stop()


def test_labels_follow_the_content_when_rows_move(review, table, model, tmp_path):
    review.write([mark(review, 3)])
    moved = csv.read_csv(table)
    moved = moved.take(pa.array([5, 3, 0, 1, 2, 4, *range(6, len(moved))]))
    csv.write_csv(moved.drop_columns(["name"]), tmp_path / "moved.csv")
    again = Review(open_catalogue(tmp_path / "moved.csv"), Ledger(review.ledger.address), load(model))
    wait_ready(again)
    assert np.flatnonzero(again.codes).tolist() == [1]
    again.stop()


def test_a_first_fit_has_progress_and_stops_in_time(table, tmp_path, monkeypatch):
    monkeypatch.setattr("blemish.review.session.PATIENCE", dict.fromkeys(("glance", "first", "refit"), 1e-9))
    seen = []
    monkeypatch.setattr(
        Review, "status", property(lambda self: seen[-1], lambda self, s: seen.append(s)), raising=False
    )
    review = Review(open_catalogue(table, key="name"), Ledger(tmp_path / "labels.db"))
    wait_ready(review)
    assert [s.stage for s in dict.fromkeys(seen)][:3] == ["waiting", "reading", "learning"]
    assert review.det is not None
    assert len(review.det.history_) == 1
    assert seen[-1].stage == "ready"
    review.stop()


def test_of_pictures_a_glance_comes_before_the_first_fit(tmp_path, monkeypatch, image_split):
    monkeypatch.setattr("blemish.review.session.PATIENCE", dict.fromkeys(("glance", "first", "refit"), 1e-9))
    monkeypatch.setattr("blemish.review.session.MOST_FITTED", {"image": 20})
    monkeypatch.setattr("blemish.review.session.LEAST_FITTED", 20)
    for i, picture in enumerate(image_split.X_test[:24]):
        Image.fromarray(np.asarray(picture).reshape(picture.shape[-2:])).save(tmp_path / f"{i}.png")
    catalogue, seen = open_catalogue(tmp_path, glob="*.png", modality="image"), []
    monkeypatch.setattr(
        Review, "ranking", property(lambda self: seen[-1], lambda self, one: seen.append(one)), raising=False
    )
    ledger = Ledger(tmp_path / "labels.db")
    digest = catalogue.digest(3)
    ledger.write([Mark("mark-0001", digest, "3.png", "defect", None, "ann", NOW)])
    review = Review(catalogue, ledger)
    wait_ready(review)
    glance, last = seen[1], seen[-1]  # the first is None
    assert glance.model.startswith("glance 1 of")
    assert (glance.scored, glance.defect, glance.glance, last.glance) == (20, None, True, False)
    assert last.model.startswith("fit ")
    assert (last.scored, last.defect is None) == (24, False)
    assert [one.marks for one in review.points] == [1]
    assert review.det is not None
    assert review.det.get_params()["scorer"] == DefectDetector().get_params()["scorer"]
    review.stop()


def test_many_samples_are_fitted_in_part_and_scored_page_by_page(table, tmp_path, monkeypatch):
    monkeypatch.setattr("blemish.review.session.MOST_FITTED", {"tabular": 20})
    monkeypatch.setattr("blemish.review.session.LEAST_FITTED", 20)
    monkeypatch.setattr("blemish.review.session.PAGE", {"tabular": 17})
    monkeypatch.setattr("blemish.review.session.PATIENCE", dict.fromkeys(("glance", "first", "refit"), 1e-9))
    taken = []
    take = Catalogue.take
    monkeypatch.setattr(Catalogue, "take", lambda self, rows: taken.append(len(rows)) or take(self, rows))
    review = Review(open_catalogue(table, key="name"), Ledger(tmp_path / "labels.db"))
    wait_ready(review)
    n = len(review.catalogue)
    assert taken[0] == 20
    assert max(taken[1:]) == 17
    assert review.ranking is not None
    assert review.ranking.scored == n == len(set(review.ranking.order.tolist()))
    outside = next(row for row in range(n) if row not in review._fit_rows)
    review.write([mark(review, outside)])
    review.refit()
    wait_ready(review)
    assert review._fit_rows[-1] == outside
    assert review.det is not None
    assert review.det.training_["rows"]["defect"] == 1
    review.stop()


def test_a_model_of_another_data_set_is_said_and_nothing_is_lost(table, tmp_path):
    columns = {name: np.random.default_rng(0).normal(size=40) for name in ("speed", "load")}
    other = DefectDetector(epochs=1, random_state=0).fit(pa.table(columns))
    review = Review(open_catalogue(table, key="name"), Ledger(tmp_path / "labels.db"), other)
    while review.status.stage != "ready":
        pass
    assert "speed" in review.status.error
    assert review.ranking is None
    review.write([mark(review, 0)])
    assert review.counts()["defect"] == 1
    review.stop()


# Over HTTP -----------------------------------------------------------------------------------------------------------


def as_json(one):
    return {name: getattr(one, name) for name in Mark.__dataclass_fields__ if getattr(one, name) is not None}


def test_marks_over_http_are_durable_and_sending_twice_is_harmless(guest, review):
    marks = [as_json(mark(review, row)) for row in range(3)]
    assert guest.post("/api/marks", json={"marks": marks}).json() == {"saved": [m["id"] for m in marks], "new": 3}
    assert guest.post("/api/marks", json={"marks": marks}).json()["new"] == 0
    assert [entry.mark.id for entry in Ledger(review.ledger.address).everything()] == [m["id"] for m in marks]
    state = guest.get("/api/state").json()
    assert state["counts"]["defect"] == 3
    assert state["found"] == [[1, 1], [2, 2], [3, 3]]
    items = guest.get("/api/items?show=defect").json()
    assert {item["row"] for item in items["items"]} == {0, 1, 2}


def test_a_full_disk_is_said_over_http_and_the_page_may_try_again(guest, review):
    with review.ledger._engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    marks = [{**as_json(mark(review, row)), "key": "k" * 4000} for row in range(60)]
    answer = guest.post("/api/marks", json={"marks": marks})
    assert answer.status_code == 507
    assert "is full" in answer.json()["error"]
    with review.ledger._engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=1000000")
    assert guest.post("/api/marks", json={"marks": marks}).json()["new"] == 60


def test_items_are_in_the_rankings_order_and_know_their_content(guest, review):
    answer = guest.get("/api/items?start=2&count=3").json()
    assert [item["row"] for item in answer["items"]] == review.ranking.order[2:5].tolist()
    assert [item["rank"] for item in answer["items"]] == [3, 4, 5]
    assert answer["total"] == len(review.catalogue)
    first = answer["items"][0]
    assert first["key"].startswith("part ")
    assert first["id"] == review.catalogue.digest(first["row"])
    assert set(first["summary"]) == {f"x{i}" for i in range(6)}
    assert guest.get(f"/api/rows?rows={first['row']}").json()["items"] == [first]


def test_a_sample_tells_why_and_what_was_said_of_it(guest, review):
    review.write([mark(review, 5), mark(review, 5, None, number=1, undoes=mark(review, 5).id)])
    detail = guest.get(f"/api/sample/{review.catalogue.digest(5)}").json()
    assert len(detail["reasons"]["elements"]) > 0
    assert {one["element"] for one in detail["reasons"]["elements"]} <= {f"x{i}" for i in range(8)}
    assert [one["label"] for one in detail["history"]] == ["defect", None]
    assert detail["people"] == {}
    assert set(detail["whole"]) == {f"x{i}" for i in range(8)}
    assert sum(detail["chances"].values()) == pytest.approx(1, abs=1e-3)


def test_the_map_has_every_scored_sample_once(guest, review):
    points = np.frombuffer(guest.get("/api/map").content, dtype="<f4").reshape(-1, 5)
    assert sorted(points[:, 0].astype(int).tolist()) == list(range(len(review.catalogue)))
    assert points[:, 3].max() == 1
    best = points[points[:, 3].argmax(), 0]
    assert int(best) == review.ranking.order[0]


def test_exports_are_the_model_the_scores_the_report_and_the_labels(guest, review, tmp_path):
    review.write([mark(review, row) for row in review.ranking.order[:4].tolist()])
    review.refit()
    wait_ready(review)
    answer = guest.post("/api/threshold", json={"target": "false_positive_rate", "value": 0.1})
    assert "false_positive_rate=0.1" in answer.json()["promise"]
    (tmp_path / "m.blemish").write_bytes(guest.get("/api/export/model").content)
    det = load(tmp_path / "m.blemish")
    X = review.catalogue.samples.X
    scores = parquet.read_table(io.BytesIO(guest.get("/api/export/parquet").content))
    assert np.array_equal(scores["defect_score"].to_numpy(), det.defect_score(X))
    assert scores["label"].to_pylist() == det.predict(X).tolist()
    assert scores["marked"].to_pylist().count("defect") == 4
    assert scores.column_names[0] == "name"
    lines = guest.get("/api/export/csv").text.splitlines()
    assert lines[0].startswith('"name","outlier_score","defect_score"')
    assert len(lines) == len(X) + 1
    report = guest.get("/api/export/report")
    assert "Blemish report" in report.text
    assert report.headers["content-disposition"] == 'attachment; filename="report.html"'
    assert "html" not in report.headers["content-type"]
    labels = guest.get("/api/export/labels").text
    assert labels.count('"defect"') == 4
    assert '"id","sample","key"' in labels


# Samples -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    (folder / "deep").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(6):
        place = folder / "deep" / f"{i}.png" if i % 2 else folder / f"{i}.jpg"
        Image.fromarray(rng.integers(0, 255, (40, 60), dtype=np.uint8)).save(place)
    (folder / "broken.png").write_bytes(b"nothing")
    return folder


def test_a_folder_of_pictures_is_opened_without_reading_them(pictures, monkeypatch):
    monkeypatch.setattr("blemish.review.catalogue.read_images", lambda paths: pytest.fail("read"))
    found = open_catalogue(pictures)
    assert found.modality == "image"
    assert list(found.keys) == ["0.jpg", "2.jpg", "4.jpg", "broken.png", "deep/1.png", "deep/3.png", "deep/5.png"]
    assert list(open_catalogue(pictures, glob="*.jpg").keys) == ["0.jpg", "2.jpg", "4.jpg"]


@pytest.mark.filterwarnings("ignore:skipped")
def test_broken_pictures_are_left_out_and_said(pictures):
    found = open_catalogue(pictures)
    X, rows = found.take(range(7))
    assert rows == [0, 1, 2, 4, 5, 6]
    assert len(X) == 6
    assert found.take([3]) == ([], [])
    with pytest.raises(DataError, match=r"broken\.png cannot be decoded"):
        found.picture(3, 192)


def test_the_content_is_hashed_and_not_the_name(pictures):
    found = open_catalogue(pictures)
    shutil.copy(pictures / "0.jpg", pictures / "again.jpg")
    again = open_catalogue(pictures)
    assert again.digest(list(again.keys).index("again.jpg")) == found.digest(0)
    (pictures / "2.jpg").unlink()
    with pytest.raises(DataError, match=r"2\.jpg is gone"):
        found.digest(1)


def test_thumbnails_are_made_once_and_outside_the_data(pictures, tmp_path):
    before = sorted(p.name for p in pictures.rglob("*"))
    found, made = open_catalogue(pictures), []
    thumbnails = drawings.Thumbnails(tmp_path / "cache")

    def make():
        made.append(1)
        return found.picture(0, 192)

    first = thumbnails.get(found.digest(0), 192, make)
    assert thumbnails.get(found.digest(0), 192, make) == first
    assert made == [1]
    assert sorted(p.name for p in pictures.rglob("*")) == before
    with Image.open(io.BytesIO(first)) as image:
        assert image.format == "JPEG"
        assert max(image.size) <= 192


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert drawings.Thumbnails(tmp_path / "file").get("ab" * 16, 192, lambda: b"made") == b"made"


def test_the_cache_is_where_the_user_says(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert drawings.Thumbnails().folder == tmp_path / "blemish" / "thumbnails"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: p.mkdir(), "holds no image, video or text"),
        (lambda p: None, "no file or folder"),
        (lambda p: p.write_text(""), "cannot be read|no rows|holds no text"),
    ],
)
def test_data_that_cannot_be_reviewed(tmp_path, make, message):
    make(tmp_path / "data.csv")
    with pytest.raises(DataError, match=message):
        open_catalogue(tmp_path / "data.csv")


def test_a_key_that_is_not_there(table):
    with pytest.raises(DataError, match="no column 'id'; it has name, x0"):
        open_catalogue(table, key="id")


def test_clips_are_strips(video_split):
    clip = video_split.X_test[0]
    with Image.open(io.BytesIO(drawings.strip(clip, 32))) as image:
        assert image.size == (32 * len(clip), 32)
        seen = np.asarray(image.convert("L")).reshape(32, len(clip), 32)
    bright = [np.unravel_index(seen[:, t].argmax(), (32, 32))[1] for t in (0, 2)]
    assert bright[0] != bright[1]
    wide = np.full((3, 1, 20, 60), 200, dtype=np.uint8)
    with Image.open(io.BytesIO(drawings.strip(wide, 30))) as image:
        light = np.asarray(image) > 100
    assert light.mean(axis=1).round(1).tolist() == [0.0] * 10 + [1.0] * 10 + [0.0] * 10  # not stretched to a square


def test_heat_is_transparent_where_nothing_is_wrong():
    error = np.zeros((10, 10))
    error[2, 7] = 1
    with Image.open(io.BytesIO(drawings.heat(error, 100, 50))) as image:
        alpha = np.asarray(image)[..., 3]
    assert alpha.shape == (50, 100)
    assert alpha[12, 75] > 150
    assert alpha[40, 10] == 0


def test_a_reconstruction_has_the_form_of_its_picture_as_the_heat_over_it_has():
    rng = np.random.default_rng(0)
    wide = [rng.integers(0, 255, (1, 20, 60)).astype(np.uint8) for _ in range(24)]
    det = DefectDetector(epochs=1, random_state=0, scorer="reconstruction").fit(wide)
    made, heat = answers.reconstructed(det, wide[:1]), answers.heat(det, wide[:1])
    assert made is not None
    assert heat is not None
    with Image.open(io.BytesIO(made)) as below, Image.open(io.BytesIO(heat)) as above:
        assert below.size == above.size == (answers.LARGE_SIDE, round(answers.LARGE_SIDE / 3))


# Pure functions ------------------------------------------------------------------------------------------------------


def view_of(outlier, places, defect=None, p=None):
    return View(outlier, defect, np.full((len(outlier), 3), 1 / 3) if p is None else p, places)


def labelled(n, **rows):
    """Labels as numbers: `labelled(9, defect=[3], other=[1, 2])`."""
    found = np.zeros(n, dtype=np.int8)
    for word, some in rows.items():
        found[some] = {"normal": 1, "other": 2, "defect": 3}[word]
    return found


def kinds(found):
    return [one.kind for one in found]


def test_with_a_defect_the_likely_come_first_and_now_and_then_another_where_they_miss():
    rng = np.random.default_rng(0)
    n = 200
    outlier, codes = rng.random(n), rng.normal(size=(n, 3))
    outlier[7], codes[7] = 2, [30, 0, 0]  # unusual, and far from all
    p = rng.dirichlet([5, 1, 1], n)
    p[11], codes[11] = [0.2, 0.4, 0.4], [-20, 0, 0]
    codes[[20, 30, 31, 32, 33]] = [0, 9, 0] + 0.01 * rng.normal(size=(5, 3))
    outlier[20] = np.nan
    labels = labelled(n, defect=[30, 31])
    view = view_of(outlier, codes, rng.random(n), p)
    found = suggest(view, labels)
    assert kinds(found) == [*["likely"] * 5, "new", *["likely"] * 4, "typical", "likely"]
    assert {one.row for one in found[:2]} == {32, 33}
    assert found[5].row == 7
    rows = [one.row for one in found]
    assert len(rows) == len(set(rows)) == 12
    assert not labels[rows].any()
    assert 20 not in rows
    border = suggest(view, labels, missed=15, most=3)
    assert kinds(border) == ["uncertain", "likely", "likely"]
    assert border[0].row == 11
    assert "defect 40 %, other 40 %" in border[0].reason


def test_how_many_marks_missed():
    assert misses([]) == misses(["other", "defect"]) == 0
    assert misses(["defect", "other", "normal"]) == misses(["other", "normal"]) == 2


def test_a_defect_makes_what_is_like_it_likely_before_the_model_has_learnt_it():
    codes = np.concatenate([np.linspace([0, 0], [9, 9], 50), np.random.default_rng(0).normal([30, 0], 0.1, (8, 2))])
    outlier = np.linspace(1, 0, 58)
    view = view_of(outlier, codes)
    assert kinds(suggest(view, labelled(58, other=[0]), most=2)) == ["new", "typical"]
    assert kinds(likely(Choice(view, labelled(58, other=[0])), 2)) == ["likely"] * 2
    found = suggest(view, labelled(58, other=[0], defect=[53]), most=3)
    assert kinds(found) == ["likely"] * 3
    assert all(one.row >= 50 for one in found)
    assert found[0].reason == "most like your defects of all not marked"


def test_what_is_like_a_rejected_sample_comes_later_whatever_the_model_says():
    rng = np.random.default_rng(0)
    codes = np.concatenate(
        [rng.normal([0, 0], 0.1, (20, 2)), rng.normal([1, 0], 0.1, (20, 2)), 50 * rng.random((60, 2)) + 5]
    )
    defect = np.linspace(1, 0, 100)
    view = view_of(np.full(100, 0.5), codes, defect)
    labels = labelled(100, defect=[20], other=[0])
    assert all(21 <= one.row < 40 for one in likely(Choice(view, labels), 10))
    turned = labelled(100, defect=[1], other=[20])
    assert all(one.row < 20 for one in likely(Choice(view, turned), 10))
    conflict = labels.copy()
    conflict[22] = 4
    assert 22 not in [one.row for one in likely(Choice(view, conflict), 99)]


def test_the_posterior_mean_is_that_of_scikit_learn():
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RationalQuadratic

    rng = np.random.default_rng(0)
    rows, marks, y = rng.normal(size=(30, 4)), rng.normal(size=(9, 4)), rng.random(9)

    def squares(a, b):
        return np.square(a[:, None] - b).sum(axis=2)

    # ours 1 / (1 + d^2 / w), theirs (1 + d^2 / (2 alpha l^2))^-alpha
    kernel = RationalQuadratic(length_scale=np.sqrt(WIDTH / 2), alpha=1.0)
    peer = GaussianProcessRegressor(kernel, alpha=NOISE, optimizer=None)  # pyright: ignore[reportArgumentType]
    peer.fit(marks, y)
    assert posterior_mean(squares(rows, marks), squares(marks, marks), y) == pytest.approx(peer.predict(rows))


def test_looks_give_every_view_the_same_voice():
    rng = np.random.default_rng(0)
    views = {
        "large": 1000 * rng.normal(size=(300, 50)) + 7,
        "still": np.ones((300, 2)),
        "one": rng.normal(size=(300, 1)),
    }
    found = Scores(np.zeros(300), None, np.zeros((300, 3)), rng.normal(size=(300, 8)), views)
    axes = learn_looks(found)
    assert [one.directions.shape[1] for one in axes.values()] == [32, 2, 1, 8]
    place = looks(found, axes)
    size = [np.square(part).sum(axis=1).mean() for part in np.split(place, [32, 34, 35], axis=1)]
    assert size == pytest.approx([1, 0, 1, 1], abs=1e-5)
    few = Scores(np.zeros(2), None, np.zeros((2, 3)), found.codes[:2], {name: x[:2] for name, x in views.items()})
    assert looks(few, axes) == pytest.approx(place[:2], abs=1e-5)
    views["one"][5] = np.nan  # a picture that cannot be read
    assert np.isnan(looks(found, learn_looks(found))[5]).any()
    assert np.isfinite(looks(found, learn_looks(found))[6:]).all()


def test_before_the_first_defect_the_typical_of_a_group_and_the_new_take_turns():
    rng = np.random.default_rng(0)
    codes = np.concatenate([6 * rng.normal(size=(60, 2)), rng.normal([30, 0], 0.1, (15, 2)), [[0, 60]]])
    outlier = np.concatenate([rng.random(60), 1.5 + 0.1 * rng.random(15), [1.2]])
    view, labels = view_of(outlier, codes), labelled(76)
    found = suggest(view, labels, most=4)
    assert kinds(found) == ["typical", "new", "typical", "new"]
    assert sum(60 <= one.row < 75 for one in found) == 1  # one of the fifteen, and only one
    assert 75 in [one.row for one in found]
    asked = next(one.row for one in found if 60 <= one.row < 75)
    again = suggest(view, labelled(76, other=[asked]), most=4)
    assert kinds(again) == ["new", "typical", "new", "typical"]
    assert not any(60 <= one.row < 75 for one in again)  # that group has been asked about
    outlier[60:75] = 0.99  # no longer the most unusual: it still stands for many
    codes[60:75] = rng.normal([6, 0], 0.1, (15, 2))
    first = suggest(view_of(outlier, codes), labels, most=1)[0]
    assert 60 <= first.row < 75
    assert first.reason.startswith("stands for ")


def test_of_very_many_samples_the_suggestions_still_know_the_most_unusual():
    rng = np.random.default_rng(0)
    codes, outlier = rng.normal(size=(30_000, 2)), rng.random(30_000)
    codes[:20], outlier[:20] = [50, 50], 3
    found = suggest(view_of(outlier, codes), labelled(30_000), most=4)
    assert sum(one.row < 20 for one in found) == 1
    near = suggest(view_of(outlier, codes), labelled(30_000, defect=[3]), most=4)
    assert sum(one.row < 20 for one in near[:3]) == 3


def test_with_everything_marked_there_is_nothing_to_suggest():
    n = 30
    outlier, codes = np.arange(n, dtype=float), np.eye(n)
    for defect in (None, outlier):
        view = view_of(outlier, codes, defect)
        for word in ("defect", "other"):
            assert suggest(view, labelled(n, **{word: range(n)})) == []
            labels = labelled(n, **{word: [row for row in range(n) if row not in (3, 4)]})
            assert sorted(one.row for one in suggest(view, labels)) == [3, 4]


@pytest.mark.parametrize("kind", [likely, uncertain, new, typical])
def test_no_kind_takes_what_is_taken_or_has_no_score(kind):
    rng = np.random.default_rng(0)
    outlier, codes = rng.random(40), rng.normal(size=(40, 2))
    outlier[3] = codes[3] = np.nan
    choice = Choice(view_of(outlier, codes, rng.random(40), rng.dirichlet([1, 1, 1], 40)), labelled(40, defect=[8]))
    first, second = kind(choice, 20), kind(choice, 40)
    rows = [one.row for one in (*first, *second)]
    assert len(rows) == len(set(rows)) == 38
    assert not {3, 8} & set(rows)


def test_the_plane_is_that_of_the_principal_components():
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(50, 4)) * [1, 10, 0.1, 5]
    places_, axes = plane(codes)
    centred = codes - codes.mean(axis=0)
    values = np.linalg.eigvalsh(centred.T @ centred)[::-1]
    assert np.square(places_).sum(axis=0) == pytest.approx(values[:2])
    assert np.array_equal(plane(codes[3:5], axes)[0], places_[3:5])
    assert plane(codes[:, :1])[0].shape == (50, 2)


def test_best_first_puts_what_has_no_score_last():
    assert best_first(np.array([1.0, np.nan, 3.0, 1.0])).tolist() == [2, 0, 3, 1]
    assert places(np.array([2, 0, 3, 1])).tolist() == [2, 4, 1, 3]


def ranked(n):
    order = np.arange(n)
    empty = np.zeros((n, 2))
    return Ranking(1, "m", np.zeros(n), None, np.zeros((n, 3)), empty, order, places(order), None, n)


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
        (["defect"] * 5, [], "Refit to see"),
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


def test_status_is_ready_with_the_error_in_words(table, tmp_path, monkeypatch):
    def fails(self):
        raise BlemishError("the words")

    monkeypatch.setattr(Review, "_begin", fails)
    review = Review(open_catalogue(table, key="name"), Ledger(tmp_path / "l.db"))
    while review.status == Status():
        pass
    assert review.status.error == "the words"
    review.stop()


@pytest.mark.slow
def test_a_hundred_thousand_pictures_open_in_little_memory(tmp_path):
    import tracemalloc

    for i in range(100_000):
        folder = tmp_path / f"{i // 10_000}"
        if i % 10_000 == 0:  # a file has at most 65,000 names
            folder.mkdir()
            Image.fromarray(np.zeros((32, 32), dtype=np.uint8)).save(folder / f"part-{i}-a.png")
        else:
            os.link(folder / f"part-{i - i % 10_000}-a.png", folder / f"part-{i}-a.png")
    tracemalloc.start()
    found = open_catalogue(tmp_path)
    assert len(found) == 100_000
    assert len(found.take([5, 99_999])[0]) == 2
    assert tracemalloc.get_traced_memory()[1] < 200e6
    tracemalloc.stop()


# The command line ----------------------------------------------------------------------------------------------------


def told(capsys, monkeypatch, *arguments):
    """Exit status and last line on stderr of `blemish review`."""
    monkeypatch.setattr("sys.argv", ["blemish", "review", *map(str, arguments), "--no-browser"])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code, capsys.readouterr().err.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["nowhere"], 1, "there is no file or folder 'nowhere'"),
        (["empty"], 1, "empty holds no image, video or text"),
        (["data.csv", "--model", "no.blemish"], 1, "no.blemish"),
        (["data.csv", "--key", "id"], 1, "has no column 'id'"),
        (["data.csv", "--column", "a"], 1, "--column is for texts, these data are tabular"),
        (["data.csv", "--labels", "nowhere/l.db"], 1, "must be a file in a folder that exists"),
        (["data.csv", "--labels", "data.csv"], 1, "is no database of labels"),
        (["data.csv", "--labels", "mysql://a@b/c"], 1, "SQLite or PostgreSQL only"),
        (["data.csv", "--host", "256.0.0.1"], 2, "cannot listen on 256.0.0.1"),
    ],
)
def test_wrong_usage_is_one_line(capsys, monkeypatch, tmp_path, arguments, status, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "data.csv").write_text("a,b\n" + "1,2\n" * 30)
    monkeypatch.setattr("blemish.review.session.Review._begin", lambda self: None)
    code, line = told(capsys, monkeypatch, *arguments)
    assert (code, line[:7]) == (status, "error: ")
    assert message in line


def test_a_port_that_is_taken_is_said(review):
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} .*try another --port"):
            bind("127.0.0.1", port)


def test_without_a_port_the_usual_one_or_the_next_free(review):
    with bind("127.0.0.1", None) as first, bind("127.0.0.1", None) as second:
        assert PORT <= first.getsockname()[1] < second.getsockname()[1] < PORT + 20


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_listening_for_others_says_what_that_means(review, monkeypatch, host):
    lines = []
    monkeypatch.setattr("uvicorn.Server.run", lambda self, sockets: None)
    serve(review, host, 0, browser=False, say=lines.append)
    assert lines[-1].startswith("review: http://127.0.0.1:")
    assert lines[-1].count("token=") == 1
    assert ("everyone who can reach this machine" in lines[0]) == (host == "0.0.0.0")
    assert len(lines) == (2 if host == "0.0.0.0" else 1)


def test_an_interrupt_ends_the_page_in_peace(review, monkeypatch):
    def interrupted(self, sockets):
        raise KeyboardInterrupt

    lines = []
    monkeypatch.setattr("uvicorn.Server.run", interrupted)
    serve(review, "127.0.0.1", 0, browser=False, say=lines.append)
    assert lines[-1] == f"stopped; labels are in {review.ledger.name}"


def test_without_the_extra_the_message_names_it(capsys, monkeypatch, tmp_path):
    (tmp_path / "data.csv").write_text("a,b\n1,2\n")
    monkeypatch.setitem(sys.modules, "blemish.review.launch", None)
    monkeypatch.delitem(sys.modules, "blemish.review.launch")
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    code, line = told(capsys, monkeypatch, tmp_path / "data.csv")
    assert code == 1
    assert "blemish[app]" in line


def test_a_row_of_a_table_in_many_chunks_is_a_slice(tmp_path, monkeypatch):
    parquet.write_table(
        pa.table({"a": np.arange(5000.0), "b": np.arange(5000.0) % 7}), tmp_path / "t.parquet", row_group_size=50
    )
    found = open_catalogue(tmp_path / "t.parquet")
    monkeypatch.setattr("blemish.review.catalogue.take", lambda X, rows: pytest.fail("copied"))
    assert found.whole(4321) == found.summary(4321) == {"a": 4321.0, "b": 2.0}
    assert len({found.digest(row) for row in range(100)}) == 100


# Large tables --------------------------------------------------------------------------------------------------------


@pytest.fixture
def always_mapped(monkeypatch, tmp_path):
    monkeypatch.setattr("blemish.data.mapped.LEAST_BYTES", 0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "blemish"


@pytest.mark.parametrize("kind", ["csv", "parquet", "arrow"])
def test_a_large_table_lies_on_the_disk_and_is_the_same(always_mapped, tmp_path, kind):
    frame = pa.table({"id": [f"p{i}" for i in range(500)], "x": np.arange(500.0), "word": ["a", "b", None, "ä"] * 125})
    path = tmp_path / f"t.{kind}"
    if kind == "csv":
        csv.write_csv(frame, path)
    elif kind == "parquet":
        parquet.write_table(frame, path, row_group_size=70)
    else:
        feather.write_feather(frame, path, chunksize=70)
    before = pa.total_allocated_bytes()
    found = open_catalogue(path, key="id")
    assert found.samples is not None
    assert pa.total_allocated_bytes() - before < 1000  # not in memory
    assert list(always_mapped.iterdir()) == []  # no name is left
    assert found.samples.X.to_pydict() == frame.drop_columns(["id"]).to_pydict()
    assert list(found.keys) == frame["id"].to_pylist()
    X, rows = found.take([499, 3, 250])
    assert rows == [499, 3, 250]
    assert X["x"].to_pylist() == [499, 3, 250]
    assert found.whole(3) == {"x": 3.0, "word": "ä"}


def test_rows_without_a_key_are_found_by_their_number(always_mapped, tmp_path):
    csv.write_csv(pa.table({"x": np.arange(50.0), "y": np.arange(50)}), tmp_path / "t.csv")
    found = open_catalogue(tmp_path / "t.csv")
    assert [found.find(found.title(row)) for row in (0, 49)] == [0, 49]
    assert found.find("row 50") is found.find("row -1") is found.find("part 1") is None


def test_no_room_for_the_copy_of_a_table_is_said(always_mapped, tmp_path, monkeypatch):
    csv.write_csv(pa.table({"x": np.arange(50.0), "y": np.arange(50)}), tmp_path / "t.csv")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("blemish.data.mapped.ipc.new_file", full)
    with pytest.raises(DataError, match=r"no room to lay out .*t\.csv .*disk is full.*XDG_CACHE_HOME"):
        open_catalogue(tmp_path / "t.csv")
    assert list(always_mapped.iterdir()) == []


@pytest.mark.parametrize("place", [0.05, 0.6], ids=["first chunk", "later"])
def test_a_table_that_is_broken_further_down_is_said(always_mapped, tmp_path, place):
    path = tmp_path / "t.parquet"
    table = pa.table({"x": np.random.default_rng(0).random(150_000), "y": np.arange(150_000) % 3})
    parquet.write_table(table, path, row_group_size=10_000)
    content = bytearray(path.read_bytes())
    at = int(place * len(content))
    content[at : at + 80_000] = b"\xff" * 80_000  # the head of a row group among them
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"t\.parquet is damaged, a part of it cannot be read"):
        open_catalogue(path)
    assert not always_mapped.exists() or list(always_mapped.iterdir()) == []


def test_a_review_of_a_mapped_table_ranks_like_one_in_memory(always_mapped, table, model, tmp_path):
    review = Review(open_catalogue(table, key="name"), Ledger(tmp_path / "labels.db"), load(model))
    wait_ready(review)
    assert review.ranking is not None
    assert np.array_equal(review.ranking.outlier, load(model).outlier_score(csv.read_csv(table).drop_columns(["name"])))
    assert isinstance(review.suggestions()[0].row, int)
    review.stop()


@pytest.mark.slow
def test_a_million_rows_are_open_in_far_less_than_they_take(tmp_path):
    schema = pa.schema([(f"x{at}", pa.float64()) for at in range(30)])
    with parquet.ParquetWriter(tmp_path / "rows.parquet", schema) as file:
        for seed in range(10):
            rng = np.random.default_rng(seed)
            file.write_table(pa.table({name: rng.normal(size=100_000) for name in schema.names}))
    program = """
import sys
from pathlib import Path
from blemish.review.catalogue import open_catalogue
def own():
    return int(Path("/proc/self/status").read_text().partition("RssAnon:")[2].split()[0]) / 1000
before = own()
found = open_catalogue(sys.argv[1])
taken = [found.take(range(start, start + 20_000))[0].num_rows for start in range(0, len(found), 20_000)]
found.digest(999_999)
print(len(found), sum(taken), own() - before)
"""
    told = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "rows.parquet"], capture_output=True, text=True, check=True
    ).stdout.split()
    assert told[:2] == ["1000000", "1000000"]
    assert float(told[2]) < 100  # MB; the table takes 240
