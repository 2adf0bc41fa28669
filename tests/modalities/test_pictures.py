"""What images and clips share."""

from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from blemish.core.errors import DataError
from blemish.core.graph import Graph
from blemish.modalities.image import Image
from blemish.modalities.pictures import (
    Pixels,
    cell_masks,
    fill_pictures,
    fit_pixels,
    grid_boxes,
    grid_regions,
    mask_pictures,
    shrink_mask,
    without_cells,
)
from blemish.modalities.video import Video


def run(graph, feeds) -> Any:
    return onnxruntime.InferenceSession(graph.model({}).SerializeToString()).run(None, feeds)


@pytest.mark.parametrize("size", [(8, 8), (16, 12), (11, 29), (3, 5), (1, 1)])
def test_pictures_of_any_size_become_what_the_network_sees(size):
    rng = np.random.default_rng(0)
    pixels = Pixels(channels=3, size=(8, 6), low=0.0, high=255.0)
    picture = rng.integers(0, 256, (3, *size)).astype(np.uint8)
    for shape, batch in ((["row", 3, "height", "width"], picture), (["row", 2, 3, "height", "width"], [picture] * 2)):
        graph = Graph()
        node = graph.input("X", np.float32, shape)
        graph.output("x", pixels.graph(node), np.float32, shape)
        (found,) = run(graph, {"X": np.array([batch], np.float32)})
        np.testing.assert_allclose(found[0], pixels.encode(np.array(batch)), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    ("sizes", "wanted", "size"),
    [
        ([(64, 48)], None, (64, 48)),
        ([(65, 48)], None, (33, 24)),
        ([(20, 30), (30, 20)], None, (64, 64)),
        ([(20, 30)], (8, 8), (8, 8)),
    ],
)
def test_the_size_that_the_network_sees(sizes, wanted, size):
    assert fit_pixels([np.zeros((1, *one), np.uint8) for one in sizes], wanted).size == size


@pytest.mark.parametrize(
    ("picture", "low", "high"),
    [
        (np.array([[[3, 200]]], np.uint8), 0, 255),
        (np.array([[[3, 200]]], np.uint16), 0, 65535),
        (np.array([[[0.2, 0.9]]]), 0, 1),
        (np.array([[[-2.0, 5.0]]]), -2, 5),
        (np.array([[[7.0, 7.0]]]), 7, 8),
    ],
)
def test_the_range_is_that_of_the_type_or_of_the_training_pictures(picture, low, high):
    found = fit_pixels([picture], None)
    assert (found.low, found.high) == (low, high)
    np.testing.assert_allclose(found.decode(found.encode(picture)), picture, rtol=1e-6)


def test_no_picture_is_an_error():
    with pytest.raises(DataError, match="there is no picture; check the folder and --glob"):
        fit_pixels([], None)


def test_what_is_masked_in_part_is_masked():
    mask = np.zeros((3, 8, 8), dtype=bool)
    mask[0, 1, 1] = True
    found = shrink_mask(mask, Pixels(1, (4, 4), 0.0, 1.0))
    assert found.shape == (1, 4, 4)
    assert np.argwhere(found).tolist() == [[0, 0, 0]]


def test_one_mask_serves_all_samples_and_the_channel_axis_may_be_left_out():
    pictures, mask = [np.zeros((3, 2, 2)), np.zeros((3, 2, 2))], np.array([[True, False], [False, False]])
    found = mask_pictures(mask, pictures)
    assert [one.shape for one in found] == [(3, 2, 2)] * 2
    assert found[1][:, 0, 0].all()
    with pytest.raises(DataError, match="the mask has 3 rows, the data 2"):
        mask_pictures([mask] * 3, pictures)


def test_only_what_is_masked_is_filled_and_transparency_becomes_opaque():
    picture, mask = np.full((4, 2, 2), 9, np.uint8), np.zeros((4, 2, 2), dtype=bool)
    mask[:, 0, 0] = True
    (filled,) = fill_pictures([picture], [mask], np.full((1, 3, 2, 2), 5.0))
    assert filled[:, 0, 0].tolist() == [5, 5, 5, 255]
    assert (filled[:, 1, 1] == 9).all()


@pytest.mark.parametrize(("kind", "shape"), [(Image(), (4, 3, 20, 20)), (Video(), (4, 5, 3, 20, 20))])
def test_pictures_and_clips_are_filled_in_their_own_size(kind, shape):
    X = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    fitted = kind.fit(X)
    assert fitted.sample_shape == shape[1:]
    mask = np.zeros(shape, dtype=bool)
    mask[..., :5, :5] = True
    filled = fitted.fill(X, mask, np.zeros_like(fitted.to_tensor(X)))
    assert np.array_equal(filled == 0, mask | (X == 0))
    assert fitted.to_mask(X, mask).sum() == mask.sum()
    names, means = fitted.regions(fitted.to_tensor(X))
    sample = torch.from_numpy(fitted.to_tensor(X[:1]))[0]
    assert len(fitted.replaced(sample, sample)) == len(names) == means.shape[1]


def test_regions_are_means_of_cells_with_all_channels_together():
    errors = np.random.default_rng(0).random((2, 3, 16, 24)).astype(np.float32)
    names, means = grid_regions(errors)
    assert names[9] == "upper left"
    assert (names[0], names[3], names[27], names[63]) == ("upper left", "top", "centre", "lower right")
    assert means[1, 9] == pytest.approx(errors[1, :, 2:4, 3:6].mean())


def test_regions_of_a_clip_are_those_of_each_frame():
    errors = np.random.default_rng(0).random((2, 3, 1, 4, 4)).astype(np.float32)
    names, means = grid_regions(errors)
    assert len(names) == 3 * 16
    assert names[17] == "frame 1, top"
    assert means[0, 17] == pytest.approx(errors[0, 1, 0, 0, 1])


def test_the_boxes_of_cells_cover_the_picture_in_its_own_pixels():
    boxes = grid_boxes((1, 16, 24), 35, 50)
    cover = np.zeros((35, 50), int)
    for x, y, width, height in boxes:
        cover[y : y + height, x : x + width] += 1
    assert (cover == 1).all()
    assert len(boxes) == 64
    assert grid_boxes((3, 1, 4, 4), 8, 8)[16:32].tolist() == grid_boxes((1, 4, 4), 8, 8).tolist()


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
