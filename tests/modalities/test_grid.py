"""The grid of an explanation's cells."""

import numpy as np
import pytest
import torch

from blemish.modalities.grid import cell_masks, regions, without_cells


def test_regions_are_means_of_cells_with_all_channels_together():
    errors = np.random.default_rng(0).random((2, 3, 16, 24)).astype(np.float32)
    names, means = regions(errors)
    assert names[9] == "rows 2-3, columns 3-5"
    assert means[1, 9] == pytest.approx(errors[1, :, 2:4, 3:6].mean())


def test_regions_of_a_clip_are_those_of_each_frame():
    errors = np.random.default_rng(0).random((2, 3, 1, 4, 4)).astype(np.float32)
    names, means = regions(errors)
    assert len(names) == 3 * 16
    assert names[17] == "frame 1, rows 0-0, columns 1-1"
    assert means[0, 17] == pytest.approx(errors[0, 1, 0, 0, 1])


def test_cells_cover_a_picture_once_and_leave_the_rest_alone():
    masks = cell_masks(20, 11)
    assert masks.shape == (64, 20, 11)
    assert (masks.sum(dim=0) == 1).all()
    picture, normal = torch.rand(1, 20, 20), torch.full((1, 20, 20), 0.5)
    copies = without_cells(picture, normal)
    assert copies.shape == (64, 1, 20, 20)
    assert torch.equal(copies[0, 0, 6:, 6:], picture[0, 6:, 6:])
    level = (picture - normal).median()
    assert float(copies[0, 0, 0, 0]) == pytest.approx(float(0.5 + level))


def test_cells_of_a_clip_are_replaced_frame_by_frame():
    clip, normal = torch.rand(3, 1, 8, 8), torch.rand(3, 1, 8, 8)
    copies = without_cells(clip, normal)
    assert copies.shape == (192, 3, 1, 8, 8)
    assert torch.equal(copies[64, 0], clip[0])
    assert not torch.equal(copies[64, 1], clip[1])
