"""Columns that are empty, constant, unseen or in another order."""

import numpy as np
import pytest

from blemish import DefectDetector
from blemish.core.errors import DataError


def test_constant_and_missing_columns():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4))
    X[:, 1], X[:, 2], X[::7, 3] = 3.0, np.nan, np.nan
    with pytest.warns(UserWarning, match="left out column\\(s\\) 'x2': empty"):
        det = DefectDetector(epochs=1, random_state=0).fit(X)
    assert np.isfinite(det.outlier_score(X)).all()
    with pytest.raises(DataError, match="no column can be used"):
        DefectDetector().fit(np.full((5, 2), np.nan))


def test_unseen_categories_are_unusual_not_an_error(mixed_frame):
    det = DefectDetector(epochs=40, random_state=0).fit(mixed_frame)
    strange = mixed_frame.assign(kind="never seen")
    assert det.outlier_score(strange).median() > det.outlier_score(mixed_frame).median()


def test_columns_are_found_by_name(mixed_frame):
    det = DefectDetector(epochs=1, random_state=0).fit(mixed_frame)
    shuffled = mixed_frame[mixed_frame.columns[::-1]].assign(extra=1)
    np.testing.assert_array_equal(det.outlier_score(shuffled), det.outlier_score(mixed_frame))
    with pytest.raises(DataError, match="lacks 'load' of the 5 that the model was fitted on"):
        det.outlier_score(mixed_frame.drop(columns="load"))
    with pytest.raises(DataError, match="row 0, column 'speed': 'fast' is no number"):
        det.outlier_score(mixed_frame.assign(speed="fast"))


def test_a_missing_yes_or_no_is_no_error(typed_frame):
    frame, det = typed_frame
    assert np.isfinite(det.outlier_score(frame.assign(even=[None, *frame["even"][1:]]))).all()
