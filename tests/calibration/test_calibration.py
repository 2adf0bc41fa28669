"""What a fit keeps to decide with, and the names that model files use for it."""

from dataclasses import replace

import numpy as np
import pytest

from blemish import DefectDetector
from blemish.calibration.calibration import (
    MAX_HELD_OUT,
    MIN_TO_HOLD_OUT,
    Calibration,
    Reference,
    hold_out,
    still_held_out,
    warn_of_quality,
)
from blemish.calibration.label_statistics import LabelStatistics
from blemish.core.errors import ArtifactError, QualityWarning
from blemish.core.labels import DEFECT, NORMAL, OTHER, UNLABELLED
from blemish.core.state import Stored


def same(first, second):
    assert list(first) == list(second)
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_without_labels_the_outlier_score_is_cut():
    found = Calibration(np.arange(3.0))
    assert found.ordinary is found.outlier
    assert len(found.out_of_fold) == len(found.labelled_negatives) == 0
    same(found.arrays(), {"outlier": np.arange(3.0)})
    assert Calibration.read(Stored(found.arrays())).defect is None


def test_with_labels_the_defect_score_is_cut_and_files_keep_their_names():
    found = Calibration(np.arange(3.0), np.arange(3.0) + 1, np.array([9.0]), np.array([4.0, 5.0]))
    assert found.ordinary is found.defect
    assert list(found.arrays()) == ["outlier", "defect", "known", "rejected"]
    same(Calibration.read(Stored(found.arrays())).arrays(), found.arrays())


def test_outlier_scores_are_needed():
    with pytest.raises(ArtifactError, match="^array 'outlier' is missing$"):
        Calibration.read(Stored({"defect": np.zeros(2)}))


def test_statistics_of_labels_keep_the_names_of_model_files():
    without = LabelStatistics(np.ones(2), np.array([1.0]), np.array([[0, 2]]))
    assert list(without.arrays()) == ["outlier", "rejected_normal", "conflicts"]
    found = LabelStatistics(np.ones(2), np.array([1.0]), np.array([[0, 2]]), np.ones((4, 3)))
    same(LabelStatistics.read(Stored(found.arrays())).arrays(), found.arrays())


def test_rows_of_tables_belong_to_a_reference():
    assert list(Reference(np.zeros((2, 3), np.float32)).arrays()) == ["z"]
    assert list(Reference(np.zeros((2, 3), np.float32), np.zeros((2, 5), np.float32)).arrays()) == ["z", "x"]


def held_out(n):
    return hold_out(np.full(n, UNLABELLED), np.random.default_rng(0))


def test_a_fifth_is_held_out_where_that_is_enough():
    assert len(held_out(MIN_TO_HOLD_OUT - 1)) == 0
    assert len(held_out(MIN_TO_HOLD_OUT)) == MIN_TO_HOLD_OUT // 5
    assert len(held_out(503)) == 100
    assert len(held_out(10 * MAX_HELD_OUT)) == MAX_HELD_OUT


def test_only_unlabelled_and_normal_rows_are_held_out():
    group = np.tile([UNLABELLED, NORMAL, DEFECT, OTHER], 100)
    found = hold_out(group, np.random.default_rng(0))
    assert len(found) == 40
    assert (np.diff(found) > 0).all()
    assert set(group[found]) == {UNLABELLED, NORMAL}


def test_a_refit_keeps_the_rows_that_are_still_ordinary():
    group = np.array([UNLABELLED, DEFECT, NORMAL, OTHER])
    assert still_held_out(np.array([0, 1, 2, 3, 7]), group).tolist() == [0, 2]


def test_labels_that_do_not_improve_the_ranking_are_noticed():
    ordinary = np.linspace(0, 1, 101)
    useless = Calibration(ordinary, ordinary, np.full(5, 0.5))
    with pytest.warns(QualityWarning, match=r"5 labelled defects, .* above 50% .* above 8.%: .*; label more defects"):
        warn_of_quality(useless, ordinary, np.full(5, 0.9), 1.0, 101)
    with pytest.warns(QualityWarning, match="all codes are equal"):
        warn_of_quality(Calibration(ordinary), ordinary, np.empty(0), 0.0, 101)
    warn_of_quality(replace(useless, out_of_fold=np.full(5, 0.9)), ordinary, np.full(5, 0.9), 1.0, 101)
    warn_of_quality(replace(useless, out_of_fold=np.full(3, 0.5)), ordinary, np.full(3, 0.9), 1.0, 101)


def test_random_labels_are_noticed_by_a_detector():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 3))
    far = np.arange(6)
    x[far] = 9 * np.repeat(np.eye(3), 2, axis=0) * np.tile([1, -1], 3)[:, None]  # alike in nothing but being unusual
    y = np.full(400, None, dtype=object)
    y[far] = "defect"
    scorer = {"name": "ensemble", "experts": {"plain": ["linear", "isolation"]}, "free_share": 1e-9}
    with pytest.warns(QualityWarning, match="the labels do not improve the ranking yet"):
        DefectDetector(epochs=1, random_state=0, scorer=scorer).fit(x, y)


def test_groups_are_held_out_whole_and_those_with_a_labelled_outlier_are_not():
    cluster = np.repeat(np.arange(150), 4)
    group = np.where(np.arange(600) % 4 == 0, NORMAL, UNLABELLED)
    group[[1, 5, 6, 40]] = DEFECT, OTHER, DEFECT, OTHER
    held_out = hold_out(group, np.random.default_rng(0), cluster)
    assert len(held_out) == int(0.2 * 147)
    assert len(set(cluster[held_out])) == len(held_out)  # one row of each
    assert not {0, 1, 10} & set(cluster[held_out])
    assert not len(hold_out(group[:400], np.random.default_rng(0), cluster[:400]))  # a fifth of 100 groups less three
    group[held_out[0] // 4 * 4 + (held_out[0] + 1) % 4] = DEFECT  # a copy of a held-out row is labelled
    assert still_held_out(held_out, group, cluster).tolist() == held_out[1:].tolist()


def test_one_label_of_each_group_counts():
    scores = Calibration(
        np.zeros(3), np.zeros(3), np.arange(4.0), np.arange(10.0, 13.0), counted=np.array([1, 2, 4, 6])
    )
    once = scores.independent(4)
    assert once.out_of_fold.tolist() == [1, 2]
    assert once.labelled_negatives.tolist() == [10, 12]
    assert replace(scores, out_of_fold=np.empty(0)).independent(4).out_of_fold.tolist() == []
    assert replace(scores, counted=None).independent(4).out_of_fold.tolist() == [0, 1, 2, 3]
