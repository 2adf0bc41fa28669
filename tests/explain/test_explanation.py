"""Explanations name the right elements and the labelled samples nearby."""

import pytest

from blemish import DefectDetector
from blemish.losses.loss import ReconstructionLoss, losses_of_kind
from blemish.modalities import MODALITIES


@pytest.mark.parametrize("name", losses_of_kind(ReconstructionLoss))
def test_every_error_is_explained_by_column(name, mixed_frame):
    det = DefectDetector(losses=[name], epochs=1, random_state=0).fit(mixed_frame)
    explanation = det.explain(mixed_frame[:3])
    assert explanation.error.shape == (3, len(explanation.elements))
    assert set(explanation.to_frame(top=6)["element"]) == {*mixed_frame.columns, "load (missing)"}


@pytest.mark.parametrize("name", MODALITIES)
def test_explanations_name_elements_and_neighbours(name, splits, fitted):
    X = splits[name].X_test[-3:]
    explanation = fitted[name].explain(X)
    frame = explanation.to_frame(top=2)
    assert len(frame) == 6
    assert list(frame.columns) == [
        "row", "rank", "element", "error", "share", "seen", "expected", "nearest_defect", "nearest_normal",
        *([] if explanation.boxes is None else ["x", "y", "width", "height"]),
        "fall", "together", "chances", "driver",
    ]  # fmt: skip
    assert frame["element"].groupby(frame["row"]).nunique().tolist() == [2, 2, 2]
    assert (frame["error"] >= 0).all()
    n_train = len(splits[name].X_train)
    assert all(0 <= found < n_train for row in explanation.nearest_defects for found in row)
    assert all(splits[name].y_train[found] == "defect" for row in explanation.nearest_defects for found in row)


def test_an_explanation_points_at_the_wrong_column(table_split):
    det = DefectDetector(epochs=60, random_state=0).fit(table_split.X_train)
    row = table_split.X_test[:1].copy()
    row[0, 5] += 25
    assert det.explain(row).to_frame(top=1)["element"].tolist() == ["x5"]
