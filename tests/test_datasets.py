"""Synthetic sets: sizes, the truth, and that the same seed gives the same data."""

import numpy as np
import pytest

from blemish.data.regions.masks import to_mask
from blemish.datasets import (
    COIN_FRAMES,
    COIN_SIDE,
    PART_SIZE,
    coin_sequences,
    coin_table,
    machined_part,
    machined_parts,
    ring,
    rotating_coin,
    tiles,
)

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


def test_parts_have_one_stroke_and_the_truth_of_each_crack():
    split = machined_parts(n_normal=2, n_others=1, n_test=2, random_state=3)
    assert split.X_train.shape == (4, 1, *PART_SIZE)
    assert split.y_train.tolist() == [None, None, None, "defect"]
    assert split.regions_train is not None
    assert split.masks_test is not None
    assert [stroke is None for stroke in split.regions_train] == [True, True, True, False]
    assert split.kind_test.tolist() == ["normal", "normal", "scratch", "stain", "crack", "crack"]
    assert split.group_test.tolist() == ["normal", "normal", "other", "other", "defect", "defect"]
    sizes = split.masks_test.sum(axis=(1, 2))
    assert (sizes[:4] == 0).all()
    assert (sizes[4:] > 100).all()
    again = machined_parts(n_normal=2, n_others=1, n_test=2, random_state=3)
    np.testing.assert_array_equal(split.X_test, again.X_test)
    assert (split.X_test != machined_parts(2, 1, 2, random_state=4).X_test).any()


def test_a_crack_is_a_thin_dark_line_and_the_stroke_lies_along_it():
    picture, crack, stroke = machined_part("crack", np.random.default_rng(1))
    assert stroke is not None
    y, x = np.nonzero(crack)
    from_crack = np.hypot(*(stroke[:, None] - np.column_stack([x, y])[None]).transpose(2, 0, 1)).min(axis=1)
    assert np.median(from_crack) < 3
    assert to_mask(stroke, *PART_SIZE).sum() > 100
    near = np.pad(crack, 4)
    ring_of = np.zeros_like(crack)
    for down in range(-4, 5):
        for right in range(-4, 5):
            ring_of |= np.roll(near, (down, right), (0, 1))[4:-4, 4:-4]
    assert crack.sum() < ring_of.sum() / 3  # nine pixels with four on either side: at most three are the crack
    fall = picture[0][ring_of & ~crack].mean() - picture[0][crack].mean()
    assert 15 < fall < 60


def test_no_two_parts_share_a_texture():
    first, second = (machined_part("normal", np.random.default_rng(seed))[0][0].astype(float) for seed in (0, 1))
    inner = np.s_[100:250, 250:400]  # metal in both, wherever they lie
    assert abs(np.corrcoef(first[inner].ravel(), second[inner].ravel())[0, 1]) < 0.9
    assert first.std() > 20
