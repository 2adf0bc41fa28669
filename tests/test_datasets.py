"""Synthetic sets: sizes, the truth, and that the same seed gives the same data."""

import numpy as np
import pytest

from blemish.datasets import COIN_FRAMES, COIN_SIDE, coin_sequences, coin_table, ring, rotating_coin, tiles

SMALL = {
    ring: {"n_normal": 40, "n_defects": 3, "n_test": 5},
    tiles: {"n_normal": 40, "n_defects": 3, "n_test": 5, "side": 16},
    rotating_coin: {"n_normal": 4, "n_defects": 3, "n_test": 2},
}


@pytest.mark.parametrize("make", SMALL, ids=lambda make: make.__name__)
def test_a_set_has_its_labels_and_its_truth(make):
    split = make(**SMALL[make])
    assert len(split.X_train) == len(split.y_train)
    assert (split.y_train == "defect").sum() == 3
    assert len(split.X_test) == len(split.group_test) == len(split.kind_test)
    assert set(split.group_test) == {"normal", "other", "defect"}
    kinds, counts = np.unique(split.kind_test, return_counts=True)
    assert set(counts) == {SMALL[make]["n_test"]}
    for kind in kinds:
        assert len(set(split.group_test[split.kind_test == kind])) == 1


@pytest.mark.parametrize("make", SMALL, ids=lambda make: make.__name__)
def test_the_same_seed_gives_the_same_data(make):
    first, second, other = (make(**SMALL[make], random_state=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.X_train, second.X_train)
    np.testing.assert_array_equal(first.X_test, second.X_test)
    assert (first.X_test != other.X_test).any()


def test_others_lie_farther_from_the_ring_than_defects_do():
    split = ring()
    normals = split.X_test[split.group_test == "normal"]

    def distance(group):
        rows = split.X_test[split.group_test == group]
        return np.linalg.norm(rows[:, None] - normals[None], axis=2).min(axis=1).mean()

    assert distance("defect") < distance("other")


def test_a_crack_is_dark_and_a_spot_is_bright():
    split = tiles(n_test=10)
    means = {kind: split.X_test[split.kind_test == kind].astype(float) for kind in set(split.kind_test)}
    assert means["crack"].min() < means["normal"].min()
    assert means["spot"].max() > means["normal"].max()
    assert (means["corner"][:, 0, 0, 0] == 0).all()


def test_a_coin_turns_by_its_step():
    table = coin_table()
    assert table.shape == (3600, COIN_SIDE, COIN_SIDE)
    clip = coin_sequences(table, 2.1, 1, np.random.default_rng(0))[0, :, 0]
    assert len(clip) == COIN_FRAMES
    places = [int(np.flatnonzero((table == frame).all(axis=(1, 2)))[0]) for frame in clip[:4]]
    assert np.unique(np.diff(places) % 3600).tolist() == [21]
