"""The labelling loop: ranking, marks, refits."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
from PIL import Image
from pyarrow import csv

from blemish import DefectDetector, Tabular, load
from blemish import Image as PictureKind
from blemish.core.errors import BlemishError
from blemish.review import answers
from blemish.review.catalogue import Catalogue, open_catalogue
from blemish.review.ledger import Ledger
from blemish.review.marks import Mark
from blemish.review.session import Review, Status
from served import NOW, mark, wait_ready


def test_the_first_ranking_equals_the_models_own_scores(review, model):
    X = review.catalogue.samples.X
    det = load(model)
    assert np.array_equal(review.ranking.snapshot.outlier, det.outlier_score(X))
    assert review.ranking.order.tolist() == np.argsort(-det.outlier_score(X), kind="stable").tolist()
    assert review.ranking.snapshot.defect is None


def test_marks_and_a_refit_move_the_ranking(review):
    before = review.ranking
    rows = before.order[:6].tolist()
    review.write([mark(review, row, "defect" if i < 3 else "other") for i, row in enumerate(rows)])
    assert review.counts() == {"normal": 0, "other": 3, "defect": 3, "conflict": 0}
    assert review.refit()
    wait_ready(review)
    assert review.ranking.number > before.number
    assert review.ranking.snapshot.defect is not None
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


def test_fits_of_the_page_keep_groups_together(table, tmp_path):
    rows = csv.read_csv(table).append_column("plate", pa.array([i // 4 for i in range(60)]))
    csv.write_csv(rows, tmp_path / "plates.csv")
    found = Review(open_catalogue(tmp_path / "plates.csv", groups="plate"), Ledger(tmp_path / "labels.db"))
    wait_ready(found)
    assert found.det.training_["groups"] == 15
    found.write([mark(found, row) for row in (0, 1, 9)])
    assert found.refit()
    wait_ready(found)
    assert len(found.det.fitted_.calibration.counted) == 2
    assert found.det.notes_["run"]["groups"] == "plate"
    assert found.catalogue.groups([0, 1, 2]) is None
    found.stop()


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
    monkeypatch.setattr(PictureKind, "on_page", replace(PictureKind.on_page, max_fitted=20))
    monkeypatch.setattr("blemish.review.session.MIN_FITTED", 20)
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
    assert (glance.scored, glance.snapshot.defect, glance.glance, last.glance) == (20, None, True, False)
    assert last.model.startswith("fit ")
    assert (last.scored, last.snapshot.defect is None) == (24, False)
    assert [one.marks for one in review.points] == [1]
    assert review.det is not None
    assert review.det.get_params()["scorer"] == DefectDetector().get_params()["scorer"]
    review.stop()


def test_many_samples_are_fitted_in_part_and_scored_page_by_page(table, tmp_path, monkeypatch):
    monkeypatch.setattr(Tabular, "on_page", replace(Tabular.on_page, max_fitted=20, at_once=17))
    monkeypatch.setattr("blemish.review.session.MIN_FITTED", 20)
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


def test_status_is_ready_with_the_error_in_words(table, tmp_path, monkeypatch):
    def fails(self):
        raise BlemishError("the words")

    monkeypatch.setattr(Review, "_begin", fails)
    review = Review(open_catalogue(table, key="name"), Ledger(tmp_path / "l.db"))
    while review.status == Status():
        pass
    assert review.status.error == "the words"
    review.stop()


def test_a_review_of_a_mapped_table_ranks_like_one_in_memory(always_mapped, table, model, tmp_path):
    review = Review(open_catalogue(table, key="name"), Ledger(tmp_path / "labels.db"), load(model))
    wait_ready(review)
    assert review.ranking is not None
    assert np.array_equal(
        review.ranking.snapshot.outlier, load(model).outlier_score(csv.read_csv(table).drop_columns(["name"]))
    )
    assert isinstance(review.suggestions()[0].row, int)
    review.stop()
