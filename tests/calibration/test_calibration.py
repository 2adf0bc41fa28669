"""What a fit keeps to decide with, and the names that model files use for it."""

import numpy as np
import pytest

from blemish.calibration.calibration import Calibration, LabelStatistics, Reference


def same(first, second):
    assert list(first) == list(second)
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_without_labels_the_outlier_score_is_cut():
    found = Calibration(np.arange(3.0))
    assert found.ordinary is found.outlier
    assert len(found.out_of_fold) == len(found.labelled_negatives) == 0
    same(found.arrays(), {"outlier": np.arange(3.0)})
    assert Calibration.from_arrays(found.arrays()).defect is None


def test_with_labels_the_defect_score_is_cut_and_files_keep_their_names():
    found = Calibration(np.arange(3.0), np.arange(3.0) + 1, np.array([9.0]), np.array([4.0, 5.0]))
    assert found.ordinary is found.defect
    assert list(found.arrays()) == ["outlier", "defect", "known", "rejected"]
    same(Calibration.from_arrays(found.arrays()).arrays(), found.arrays())


def test_outlier_scores_are_needed():
    with pytest.raises(KeyError, match="outlier"):
        Calibration.from_arrays({"defect": np.zeros(2)})


def test_statistics_of_labels_keep_the_names_of_model_files():
    without = LabelStatistics(np.ones(2), np.array([1.0]), np.array([[0, 2]]))
    assert list(without.arrays()) == ["outlier", "rejected_normal", "conflicts"]
    found = LabelStatistics(np.ones(2), np.array([1.0]), np.array([[0, 2]]), np.ones((4, 3)))
    again = LabelStatistics.from_arrays(found.arrays())
    assert again is not None
    same(again.arrays(), found.arrays())


def test_a_file_from_before_there_were_label_reports_has_no_statistics():
    assert LabelStatistics.from_arrays({}) is None
    assert LabelStatistics.from_arrays({"outlier": np.ones(2)}) is None


def test_rows_of_tables_belong_to_a_reference():
    assert list(Reference(np.zeros((2, 3))).arrays()) == ["z"]
    assert list(Reference(np.zeros((2, 3)), np.zeros((2, 5))).arrays()) == ["z", "x"]
