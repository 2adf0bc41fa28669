"""Video: scores by frame, and training in two stages."""

import numpy as np
import pytest

import reference
from blemish import DefectDetector, Explanation
from blemish.core.errors import DataError
from blemish.explain.explanation import regularity


@pytest.fixture(scope="module")
def detector(video_split):
    return DefectDetector(epochs=2, scorer="reconstruction", random_state=0).fit(video_split.X_train)


def test_frames_of_recordings_get_the_mean_of_their_clips():
    names, maps = ["a#0", "a#2", "b#0"], np.random.default_rng(0).random((3, 4, 1, 2, 3))
    empty = {"elements": (), "error": np.zeros((3, 0)), "total": np.zeros(3), "seen": None, "expected": None}
    explanation = Explanation(names, error_map=maps, nearest_defects=[], nearest_normals=[], **empty)
    frame = explanation.by_frame()
    found = {(r, f): error for r, f, error in frame[["recording", "frame", "error"]].itertuples(index=False)}
    assert found == pytest.approx(reference.errors_by_frame(names, maps))
    assert frame["frame"].tolist() == [0, 1, 2, 3, 4, 5, 0, 1, 2, 3]
    for _, rows in frame.groupby("recording"):
        assert rows["regularity"].tolist() == pytest.approx(reference.regularity(rows["error"].tolist()))


def test_frames_of_clips_that_are_missing_are_left_out():
    maps = np.random.default_rng(0).random((1, 4, 1, 2, 3))
    empty = {"elements": (), "error": np.zeros((1, 0)), "total": np.zeros(1), "seen": None, "expected": None}
    frame = Explanation(["take#3"], error_map=maps, nearest_defects=[], nearest_normals=[], **empty).by_frame()
    assert frame["frame"].tolist() == [3, 4, 5, 6]
    assert frame["error"].notna().all()


def test_clips_without_a_place_are_recordings_of_their_own(detector, video_split):
    explanation = detector.explain(video_split.X_test[:2])
    frame = explanation.by_frame()
    assert frame["recording"].tolist() == [0] * 7 + [1] * 7
    assert frame["regularity"].min() == 0
    assert frame["regularity"].max() == 1
    assert (regularity(np.full(3, 0.2)) == 1).all()


def test_only_video_has_frames(table_split, table_detector):
    with pytest.raises(DataError, match=r"only clips have frames; these rows have shape \(8,\)"):
        table_detector.explain(table_split.X_test[:1]).by_frame()


def test_a_refit_with_labels_is_the_second_stage(video_split):
    """First the conventional autoencoder, then the contrast from its weights."""
    X, y = video_split.X_train, video_split.y_train
    det = DefectDetector.from_preset("contrastive_spatio_temporal_formula", epochs=8, random_state=0).fit(
        X[y != "defect"]
    )
    assert set(det.history_[0].terms) == {"Mse"}
    learnt = det.history_[-1].terms["Mse"]
    det.set_params(epochs=32).refit(X, y)  # a refit takes a quarter of them
    assert len(det.history_) == 8
    assert set(det.history_[0].terms) == {"Mse", "SumOfSquares"}
    fresh = DefectDetector.from_preset("contrastive_spatio_temporal_formula", epochs=1, random_state=0).fit(X, y)
    assert det.history_[0].terms["Mse"] < (learnt + fresh.history_[0].terms["Mse"]) / 2, "from the learnt weights"
    assert det.history_[-1].terms["SumOfSquares"] < det.history_[0].terms["SumOfSquares"]
