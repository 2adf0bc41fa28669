"""`fit(..., regions=)`, `heat` and `regions`, from pictures with a planted crack to its outline."""

from typing import Any

import numpy as np
import pytest

from blemish import DefectDetector, load
from blemish.core.errors import DataError, LabelError

PARTS = {"name": "ensemble", "experts": {"parts": ["part_distance", "part_discriminant", "part_linear"]}}
SIDE = 48


def pictures(n, rng, defect=None):
    """Grey noise with a bright dot (an outlier) in every third; a 'crack' is a dark line, at a place of its own."""
    X = rng.normal(120, 6, (n, 1, SIDE, SIDE + 16))
    masks = np.zeros((n, SIDE, SIDE + 16), dtype=bool)
    for row in range(n):
        y, x = rng.integers(4, SIDE - 22, 2)
        if row % 3 == 0:
            X[row, 0, y : y + 4, x : x + 4] += 60
        if defect:
            y, x = rng.integers(4, SIDE - 22, 2)
            steps = np.arange(20)
            X[row, 0, y + steps, x + steps] -= 50
            X[row, 0, y + steps + 1, x + steps] -= 50
            masks[row, y + steps, x + steps] = True
    return X.clip(0, 255).astype(np.uint8), masks


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    (normal, _), (cracked, masks), (fresh, _), (new, new_masks) = (
        pictures(110, rng), pictures(4, rng, "crack"), pictures(20, rng), pictures(6, rng, "crack")
    )  # fmt: skip
    X, y = np.concatenate([normal, cracked]), np.array([None] * 110 + ["defect"] * 4, dtype=object)
    return X, y, [None] * 110 + list(masks), np.concatenate([new, fresh]), new_masks


def fit(data, regions):
    X, y, *_ = data
    return DefectDetector(epochs=1, random_state=0, scorer=PARTS).fit(X, y, regions=regions)


@pytest.fixture(scope="module")
def marked(data):
    return fit(data, data[2])


def hits(heat, masks):
    """How many of the maps are highest within two pixels of their mask."""
    found = 0
    for one, mask in zip(heat, masks, strict=True):
        y, x = np.unravel_index(one.argmax(), one.shape)
        found += bool(mask[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3].any())
    return found


def test_the_map_is_highest_in_the_defect(data, marked):
    *_, new, masks = data
    heat = marked.heat(new)
    assert [one.shape for one in heat] == [(SIDE, SIDE + 16)] * len(new)
    assert {one.dtype for one in heat} == {np.dtype(np.float32)}
    assert hits(heat[:6], masks) >= 5
    inside = np.concatenate([one[mask] for one, mask in zip(heat[:6], masks, strict=True)])
    assert np.median(inside) > np.quantile(np.stack(heat[6:]), 0.99)


def test_a_stroke_a_box_and_a_mask_point_alike(data):
    _, _, masks, new, new_masks = data
    strokes: list[Any] = [None] * 110
    boxes: list[Any] = [None] * 110
    for mask in masks[110:]:
        rows, columns = np.nonzero(mask)
        strokes.append([(columns.min(), rows.min()), (columns.max(), rows.max())])
        boxes.append((columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1))
    strokes[-2:] = [None, None]  # two of the four are bags
    for regions in (strokes, boxes):
        det = fit(data, regions)
        assert hits(det.heat(new[:6]), new_masks) >= 4
        assert det.defect_score(new)[:6].min() > np.median(det.defect_score(new)[6:])


def test_regions_outline_the_defects_and_keep_quiet_about_normals(data, marked):
    *_, new, masks = data
    frame = marked.regions(list(new), false_alarm_area=0.002)
    assert list(frame.columns) == ["sample", "kind", "x", "y", "width", "height", "area", "score"]
    assert set(frame["kind"]) == {"defect"}
    for row, mask in enumerate(masks):
        best = frame[frame["sample"] == row].iloc[0]
        box = np.zeros_like(mask)
        box[best.y : best.y + best.height, best.x : best.x + best.width] = True
        assert (box & mask).sum() > 0.4 * mask.sum()
    on_normals = frame[frame["sample"] >= 6]["area"].sum() / (20 * SIDE * (SIDE + 16))
    assert on_normals < 0.01
    none = marked.regions(new[6:7] * 0 + 120, false_alarm_area=0.002)
    assert list(none.columns) == list(frame.columns)


def test_pictures_of_other_sizes_have_maps_of_their_own(marked):
    some = [np.full((1, 1), 9, np.uint8), np.full((3, 40, 90), 120, np.uint8), np.full((200, 30), 120, np.uint8)]
    assert [one.shape for one in marked.heat(some)] == [(1, 1), (40, 90), (200, 30)]
    assert all(np.isfinite(one).all() for one in marked.heat(some))
    assert np.isfinite(marked.defect_score(some)).all()


def test_a_saved_model_draws_the_same_map(data, marked, tmp_path):
    marked.save(tmp_path / "m.blemish")
    again = load(tmp_path / "m.blemish")
    for own, other in zip(marked.heat(data[3][:3]), again.heat(data[3][:3]), strict=True):
        np.testing.assert_array_equal(own, other)
    assert again.regions(data[3]).equals(marked.regions(data[3]))


def test_a_score_does_not_depend_on_how_many_are_scored_together(data, marked, monkeypatch):
    together = marked.defect_score(data[3])
    monkeypatch.setattr("blemish.fitting.model.JUDGED_PARTS", 300)
    np.testing.assert_allclose(marked.defect_score(data[3]), together, rtol=1e-5)


def test_without_labels_the_map_is_of_what_is_unusual(data):
    X, _, _, new, masks = data
    det = DefectDetector(epochs=1, random_state=0, scorer=PARTS).fit(X[:110])
    assert hits(det.heat(new[1:3]), masks[1:3]) == 2, "these two have no bright dot"
    assert set(det.regions(new)["kind"]) == {"other"}


def test_what_cannot_be_marked_is_said(data, table_split):
    X, y, masks, *_ = data
    det = DefectDetector(epochs=1, random_state=0, scorer=PARTS)
    with pytest.raises(LabelError, match="sample 0 has a region and is not labelled as the defect"):
        det.fit(X, y, regions=[masks[-1], *masks[1:]])
    with pytest.raises(DataError, match=r"the region of sample 113 has shape \(48, 63\), its picture is 48 x 64"):
        det.fit(X, y, regions=[*masks[:-1], masks[-1][:, 1:]])
    with pytest.raises(DataError, match="the region of sample 113 marks no pixel"):
        det.fit(X, y, regions=[*masks[:-1], masks[-1] & False])
    with pytest.raises(DataError, match="3 regions, 114 samples"):
        det.fit(X, y, regions=masks[:3])
    with pytest.raises(DataError, match="regions say where in a picture the defect is; tabular data have no"):
        DefectDetector(epochs=1).fit(
            table_split.X_train, table_split.y_train, regions=[None] * len(table_split.X_train)
        )
    assert not hasattr(det, "fitted_"), "nothing is half fitted"


def test_scorers_of_whole_samples_have_no_map(data):
    X, y, *_ = data
    det = DefectDetector(epochs=1, random_state=0, scorer="reconstruction").fit(X, y)
    for ask in (det.heat, det.regions):
        with pytest.raises(DataError, match=r"scores whole samples and cannot|has no maps"):
            ask(X[:1])


def test_a_refit_of_few_pictures_learns_from_new_marks_out_of_fold():
    """The folds are those of the former fit, their marks those of this one; details come with the first mark."""
    rng = np.random.default_rng(3)
    X, masks = (
        np.concatenate([pictures(20, rng)[0], pictures(4, rng, "crack")[0]]),
        np.zeros((24, SIDE, SIDE + 16), bool),
    )
    y = np.array([None] * 20 + ["defect"] * 4, dtype=object)
    masks[20:, 4:12, 4:12] = True
    one, none = [*[None] * 20, masks[20], *[None] * 3], [None] * 24
    four = [*[None] * 20, *masks[20:]]
    det = DefectDetector(epochs=1, random_state=0, scorer=PARTS)
    seen = []
    for regions in (None, one, four, none):
        det.refit(X, y, regions=regions) if seen else det.fit(X, y)
        seen.append(det.fitted_.folds)
    marked = [[int(fold.evidence.parts.marked.sum()) > 0 for fold in folds] for folds in seen]
    assert [set(flags) for flags in marked] == [{False}, {True}, {True}, {False}]
    assert [folds[0].evidence.parts.n_details > 0 for folds in seen] == [False, True, True, False]
    assert seen[2][0].evidence.parts.values is seen[1][0].evidence.parts.values
    assert seen[2][0].evidence.parts.marked.sum() > seen[1][0].evidence.parts.marked.sum()
