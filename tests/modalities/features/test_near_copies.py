"""Pictures that show the same thing, whatever the light."""

from typing import Any

import numpy as np
import pytest
import torch

from blemish import DefectDetector
from blemish.modalities.features.near_copies import near_copies


def _scenes(n, exposures, seed=0, shared=0.0):
    """Pictures in [0, 1] of n scenes under several lights, scene by scene; `shared`: how much all have in common."""
    rng = np.random.default_rng(seed)
    scene = rng.random((n, 1, 16, 10)) + shared * rng.random((1, 1, 16, 10))
    scene = np.kron(scene, np.ones((1, 1, 3, 4)))
    scene = scene.repeat(exposures, axis=0)
    light = np.linspace(0.3, 1, 40) ** rng.uniform(-0.5, 0.5, (len(scene), 1, 1, 1))
    x = scene * light * rng.uniform(0.4, 1, (len(scene), 1, 1, 1)) + rng.normal(0, 0.02, scene.shape)
    return torch.from_numpy(x / x.max()).float()


def _parts(found, rows):
    """Sets of rows of one number."""
    return sorted(sorted(np.flatnonzero(found == k).tolist()) for k in set(found[rows].tolist()))


@pytest.mark.parametrize("shared", [0.0, 3.0])
def test_exposures_of_a_scene_are_one_group_also_where_all_pictures_are_alike(shared):
    x, is_defect = _scenes(30, 3, shared=shared), np.zeros(90, dtype=bool)
    is_defect[[0, 1, 3, 6]] = True
    found: Any = near_copies(x, is_defect)
    assert _parts(found, [0, 3, 6]) == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert len(set(found.tolist())) == 3 + 81, "all others are alone"


def test_nothing_is_said_where_there_is_nothing_to_keep_together():
    x, one, apart, copies = _scenes(30, 3), *(np.zeros(90, dtype=bool) for _ in range(3))
    one[0], apart[[0, 3, 6]], copies[[0, 1, 2]] = True, True, True
    assert near_copies(x, one) is None, "one labelled defect"
    assert near_copies(x, apart) is None, "no two of one scene"
    assert near_copies(x, copies) is None, "all of one scene: nothing else to learn from"


def test_pictures_of_one_colour_are_like_each_other_only():
    x, is_defect = _scenes(10, 2), np.zeros(20, dtype=bool)
    x[:4] = 0.5
    is_defect[[0, 1, 4, 5]] = True
    found: Any = near_copies(x, is_defect)
    assert _parts(found, [0, 4]) == [[0, 1, 2, 3], [4, 5]]


def test_equal_pictures_do_not_break_it():
    assert near_copies(torch.full((6, 3, 5, 4), 0.5), np.array([True, True, False, False, False, True])) is None


def test_a_fit_says_so_and_given_groups_take_their_place(few_trees):
    x = (255 * _scenes(30, 2).numpy()).astype(np.uint8)
    y = ["defect" if i < 6 else None for i in range(60)]
    det = DefectDetector(epochs=1, random_state=0).fit(x, y)
    (note,) = [note for note in det.reading_ if note.what == "groups"]
    assert "6 labelled defects look like exposures of 3 parts" in str(note)
    grouped = DefectDetector(epochs=1, random_state=0).fit(x, y, groups=np.arange(60) // 2)
    (note,) = [note for note in grouped.reading_ if note.what == "groups"]
    assert "60 samples in 30 groups" in str(note)
