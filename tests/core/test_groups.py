"""Groups of samples: as numbers, in folds that split none, and one row of each."""

import numpy as np
import pytest

from blemish.core.errors import DataError
from blemish.core.groups import deal, n_groups, one_each, to_clusters, together


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (["a", "b"], "there are 2 groups and 3 samples; give one group per sample"),
        ("abc", "groups are 'abc'; give one value per sample, such as a column of the table"),
        (7, "groups are 7; give one value per sample"),
        ([["a"], ["b"], ["c"]], "a group is a list, dictionary or array; give one word or number per sample"),
        (np.ones((3, 2)), "a group is a list, dictionary or array"),
        ([1, 1, 1], "all 3 samples are of one group, 1, so none can be judged apart from the others"),
    ],
)
def test_groups_that_cannot_be_used_are_refused_in_one_line(groups, message):
    with pytest.raises(DataError, match=message) as refused:
        to_clusters(groups, 3)
    assert "\n" not in str(refused.value)


def test_missing_groups_are_groups_of_their_own_and_all_different_ones_are_none():
    missing = [None, float("nan"), "", np.nan, "a", "a"]
    assert to_clusters(missing, 6).tolist() == [0, 1, 2, 3, 4, 4]
    assert to_clusters([None] * 3, 3) is None
    assert to_clusters(range(5), 5) is None
    assert to_clusters(None, 5) is None
    assert to_clusters([("tile", 1), ("tile", 1), ("tile", 2)], 3).tolist() == [0, 0, 1]
    assert to_clusters(["x"], 1) is None  # one row in one group is no reason to refuse it


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n_folds", [2, 4, 9])
def test_folds_split_no_group_and_spread_those_with_a_defect(seed, n_folds):
    rng = np.random.default_rng(seed)
    cluster, first = rng.integers(0, 13, 80) * 3, rng.random(80) < 0.1
    fold = deal(first, n_folds, rng, cluster)
    assert all(len(set(fold[cluster == one])) == 1 for one in set(cluster))
    of_group = np.array([[fold[cluster == one][0], first[cluster == one].any()] for one in set(cluster)])
    for kind in (0, 1):
        assert np.ptp(np.bincount(of_group[of_group[:, 1] == kind, 0], minlength=n_folds)) <= 1
    assert np.bincount(fold, minlength=n_folds).max() <= 80 / n_folds + 2 * np.bincount(cluster).max()


def test_without_groups_rows_are_dealt_as_they_always_were():
    first = np.arange(103) >= 95
    rng, by_hand = np.random.default_rng(3), np.empty(103, dtype=int)
    for kind in (True, False):
        rows = rng.permutation(np.flatnonzero(first == kind))
        by_hand[rows] = np.arange(len(rows)) % 4
    assert deal(first, 4, np.random.default_rng(3)).tolist() == by_hand.tolist()
    assert deal(first, 4, np.random.default_rng(3), np.arange(103)[::-1] * 7).max() == 3


def test_fewer_groups_than_folds_leave_folds_empty_and_a_single_one_is_dealt_by_row():
    fold = deal(np.full(6, False), 4, np.random.default_rng(0), np.array([5, 5, 5, 8, 8, 8]))
    assert sorted(set(fold)) == [0, 1]
    alone = deal(np.full(6, False), 3, np.random.default_rng(0), np.full(6, 4))
    assert np.bincount(alone).tolist() == [2, 2, 2]


def test_one_row_of_each_group_is_drawn_evenly():
    cluster, rows = np.array([3, 3, 1, 1, 1, 0]), np.array([0, 1, 2, 4, 5])
    drawn = [one_each(rows, cluster, np.random.default_rng(seed)) for seed in range(400)]
    assert {tuple(cluster[one]) for one in drawn} == {(3, 1, 0)}
    assert all((np.diff(one) > 0).all() for one in drawn)
    assert np.mean([0 in one for one in drawn]) == pytest.approx(0.5, abs=0.1)
    assert np.mean([2 in one for one in drawn]) == pytest.approx(0.5, abs=0.1)
    assert not any(3 in one for one in drawn)
    assert one_each(rows, None, np.random.default_rng(0)) is rows


def test_rows_come_with_the_others_of_their_group():
    cluster = np.array([3, 3, 1, 0])
    assert together(np.array([0]), cluster, 4).tolist() == [True, True, False, False]
    assert together(np.array([0]), None, 4).tolist() == [True, False, False, False]
    assert not together(np.array([], dtype=int), cluster, 4).any()
    assert (n_groups(np.array([0, 1, 2]), cluster), n_groups(np.array([0, 1, 2]), None)) == (2, 3)
