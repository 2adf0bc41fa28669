"""Patches of pictures at their own size."""

from dataclasses import replace
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from blemish.core.graph import Graph
from blemish.modalities.features import patch_grid
from blemish.modalities.features.patch_grid import PatchGrid, enlarged_size, fit_patch_grid, growth_for
from blemish.modalities.features.pretrained import DETAILS, patches


@pytest.fixture(scope="module")
def grid():
    generator = torch.Generator().manual_seed(0)
    return fit_patch_grid(
        iter([(b"abc"[i : i + 1], torch.rand(1, 160, 176, generator=generator)) for i in range(3)]), 3, growth=1.5
    )


def test_each_patch_is_that_of_the_enlarged_picture(grid):
    picture = torch.rand(1, 64, 48)
    assert grid.shape(64, 48) == (12, 8), "96 and 72 pixels, of which 72 becomes 64 (half to even)"
    own = PatchGrid(1.0, grid.learnt).described(picture)
    expected = grid.learnt.described(patches(picture[None], side=64))[0]
    np.testing.assert_array_equal(own, expected.numpy())
    assert own.shape == (8 * 6, expected.shape[-1])


def test_overlapping_crops_see_what_the_whole_picture_shows(grid, monkeypatch):
    picture = torch.rand(1, 336, 304)
    one = PatchGrid(1.0, grid.learnt)
    whole = one.described(picture)
    monkeypatch.setattr(patch_grid, "CROP", 128)
    np.testing.assert_allclose(one.described(picture), whole, atol=2e-3)


def test_memory_is_bounded_by_the_crop(grid, monkeypatch):
    seen = []
    real = patch_grid.patch_maps
    monkeypatch.setattr(patch_grid, "patch_maps", lambda x, **how: seen.append(tuple(x.shape[-2:])) or real(x, **how))
    monkeypatch.setattr(patch_grid, "CROP", 64)
    monkeypatch.setattr(patch_grid, "MARGIN", 32)
    found = PatchGrid(1.0, grid.learnt).described(torch.rand(1, 200, 80))
    assert max(map(max, seen)) <= 64 + 2 * 32
    assert len(seen) == 3 * 2, "192 and 80 pixels: the sides become multiples of 16"
    assert found.shape[0] == 24 * 10
    assert np.isfinite(found).all()


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 90), (7, 3), (16, 16)])
def test_pictures_of_a_few_pixels_have_patches(grid, height, width):
    found = grid.described(torch.rand(3, height, width))
    assert len(found) == np.prod(grid.shape(height, width)) >= 4
    assert np.isfinite(found).all()
    assert grid.spread(found[:, -1], height, width).shape == (height, width)


def test_a_mask_marks_the_patches_that_hold_half_as_much_of_it_as_any_does(grid):
    one = PatchGrid(1.0, grid.learnt)
    mask = np.zeros((32, 48), dtype=bool)
    mask[9, 17] = True  # one pixel of the second patch down, the third across
    assert np.flatnonzero(one.marked(mask)).tolist() == [1 * 6 + 2]
    mask[:, 44:] = True  # half of each patch of the last column
    assert np.flatnonzero(one.marked(mask)).tolist() == [5, 11, 17, 23]
    mask[:8, 40:] = True
    mask[9:16, 44:] = False
    assert np.flatnonzero(one.marked(mask)).tolist() == [5, 17, 23]


def test_details_stand_between_the_components_and_the_distance(grid):
    picture = torch.rand(1, 30, 30)
    with_details = replace(grid, details=True)
    plain, more = grid.described(picture), with_details.described(picture)
    assert more.shape == (len(plain), with_details.width) == (len(plain), grid.width + DETAILS)
    np.testing.assert_array_equal(np.delete(more, slice(grid.width - 1, -1), axis=1), plain)
    again = PatchGrid.from_state(with_details.state())
    np.testing.assert_array_equal(again.described(picture), more)


def test_a_map_is_highest_where_its_patch_is(grid):
    values = np.zeros(4 * 6)
    values[1 * 6 + 2] = 1.0
    spread = PatchGrid(1.0, grid.learnt).spread(values, 32, 48)
    assert spread.shape == (32, 48)
    row, column = np.unravel_index(spread.argmax(), spread.shape)
    assert 8 <= row < 16
    assert 16 <= column < 24


def test_one_factor_for_all_pictures_by_the_median():
    assert growth_for(np.array([384.0, 100.0, 1000.0])) == 1.0
    assert growth_for(np.array([64.0])) == 1.5
    assert growth_for(np.array([16.0])) == 4.0, "a grid of 8 x 8 patches at least"


@pytest.mark.parametrize("growth", [1.0, 1.2, 64 / 28])
def test_the_graph_spreads_alike(grid, growth):
    grid, graph, rng = replace(grid, growth=growth), Graph(), np.random.default_rng(0)
    x = graph.input("X", np.float32, ["row", 1, "height", "width"])
    values = graph.input("values", np.float64, ["row", "patch"])
    graph.output("heat", grid.spread_graph(values, x), np.float32, ["row", "height", "width"])
    session = onnxruntime.InferenceSession(graph.model({}).SerializeToString())
    for height, width in ((1, 1), (28, 28), (371, 269), (33, 1200)):
        made = 10 * rng.normal(size=(2, np.prod(grid.shape(height, width))))
        heat: Any
        (heat,) = session.run(None, {"X": np.zeros((2, 1, height, width), np.float32), "values": made})
        expected = [grid.spread(one, height, width) for one in made]
        np.testing.assert_allclose(heat, expected, rtol=1e-5, atol=1e-5)


def test_the_graph_enlarges_alike(grid):
    graph = Graph()
    x = graph.input("X", np.float32, ["row", 1, "height", "width"])
    graph.output("larger", grid.enlarged(x), np.float32, ["row", 1, "height_out", "width_out"])
    session = onnxruntime.InferenceSession(graph.model({}).SerializeToString())
    for height, width in ((20, 33), (1, 1), (64, 48)):
        picture = torch.rand(2, 1, height, width)
        size = enlarged_size(height, width, grid.growth)
        expected = torch.nn.functional.interpolate(picture, size=size, mode="bilinear", align_corners=False)
        (found,) = session.run(None, {"X": picture.numpy()})
        np.testing.assert_allclose(np.asarray(found), expected.numpy(), atol=1e-5)


def test_what_was_stored_describes_alike(grid):
    picture = torch.rand(1, 30, 30)
    np.testing.assert_array_equal(PatchGrid.from_state(grid.state()).described(picture), grid.described(picture))
