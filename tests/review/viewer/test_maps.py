"""The map of the score over a picture."""

import io
import threading
from concurrent.futures import CancelledError

import numpy as np
import pytest
from PIL import Image

from blemish import DefectDetector
from blemish.core.errors import DataError
from blemish.review.viewer.maps import SIDE, Maps, ScoreMap, overlay, score_map


def test_the_overlay_is_clear_where_nothing_is_and_has_a_line_around_what_is():
    heat = np.zeros((60, 120), dtype=np.float32)
    heat[20:40, 30:60] = 4
    image = Image.open(io.BytesIO(overlay(heat, 1.0, 2.0)))
    assert image.size == (SIDE, SIDE // 2)
    alpha = np.asarray(image)[..., 3]
    assert alpha[50, 50] == 0
    assert alpha[int(30 * SIDE / 120), int(45 * SIDE / 120)] == 150
    lines = np.argwhere(alpha == 255) * 120 / SIDE
    assert np.abs(np.array([lines.min(0), lines.max(0)]) - [[20, 30], [40, 60]]).max() < 1
    without = np.asarray(Image.open(io.BytesIO(overlay(heat, 1.0, None))))[..., 3]
    assert without.max() == 150


def test_a_flat_map_is_clear():
    assert np.asarray(Image.open(io.BytesIO(overlay(np.zeros((8, 8), np.float32), 0.0, 1.0))))[..., 3].max() == 0


class Told:
    """A detector whose map is whatever a test says."""

    def __init__(self, heat):
        self.heat = heat
        self.fitted_ = type("Fitted", (), {"n_defects": 0, "area_levels": None})()


def test_why_there_is_no_map_is_said():
    def none(_):
        raise DataError("this model scores whole samples and cannot draw maps")

    assert score_map(Told(none), [0]) == ScoreMap(
        None, [], "other", "this model scores whole samples and cannot draw maps"
    )
    assert score_map(Told(lambda _: [None]), [0]).overlay is None


def test_regions_are_those_of_the_detector_as_fractions(image_split, few_trees):
    X = image_split.X_train[:60]
    det = DefectDetector(epochs=1, random_state=0).fit(X)
    found = score_map(det, X[:1])
    heat = det.heat(X[:1])[0]
    expected = det.regions(X[:1])
    assert found.overlay is not None
    assert found.kind == "other"
    assert len(found.regions) == len(expected)
    assert det.fitted_.area_levels is not None
    assert (heat > det.fitted_.area_levels.cut(0.001)).any() == bool(found.regions)
    for region in found.regions:
        assert 0 <= region["x"] <= 1
        assert 0 < region["width"] <= 1


def test_one_map_at_a_time_and_those_that_nobody_waits_for_are_never_begun(monkeypatch):
    begun, go = [], threading.Event()

    def slow(det, X):
        begun.append(X)
        go.wait(20)
        return ScoreMap(b"", [], "other")

    monkeypatch.setattr("blemish.review.viewer.maps.score_map", slow)
    maps, det = Maps(), object()
    first = maps.ask("a", det, lambda: "a")
    left = [(name, maps.ask(name, det, lambda name=name: name)) for name in "bcd"]
    twice = maps.ask("e", det, lambda: "e")
    assert maps.ask("e", det, lambda: "e") is twice
    for name, made in left:
        maps.leave(name, made)
    maps.leave("e", twice)  # one of the two pages moves on
    go.set()
    assert twice.result(20) is not None
    assert begun == ["a", "e"]
    with pytest.raises(CancelledError):
        left[0][1].result(0)
    maps.leave("a", first)
    assert maps.ask("a", det, lambda: "a") is first  # kept
    assert maps.ask("b", det, lambda: "b").result(20)
    assert maps.ask("a", object(), lambda: "a") is not first  # another model
    maps.stop()


def test_a_map_that_failed_is_tried_again(monkeypatch):
    answers = iter([MemoryError("no"), ScoreMap(None, [], "other", "well")])

    def made(det, X):
        one = next(answers)
        if isinstance(one, Exception):
            raise one
        return one

    monkeypatch.setattr("blemish.review.viewer.maps.score_map", made)
    maps = Maps()
    failed = maps.ask("a", 1, lambda: 0)
    with pytest.raises(MemoryError):
        failed.result(20)
    maps.leave("a", failed)
    assert maps.ask("a", 1, lambda: 0).result(20).note == "well"
    maps.stop()
