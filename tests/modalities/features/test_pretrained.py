"""The pretrained network and its patches."""

import numpy as np
import pytest
import torch

import reference
from blemish.modalities.features.pretrained import DETAILS, WIDTH, Convolution, patch_maps, patches


@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (3, 2), (5, 1), (5, 2)])
def test_convolutions_keep_the_size_and_halve_it_with_stride_2(kernel, stride):
    torch.manual_seed(0)
    x = torch.rand(1, 2, 6, 4, dtype=torch.float64)
    weight, bias = torch.rand(2, 1, kernel, kernel, dtype=torch.float64), torch.rand(2, dtype=torch.float64)
    found = Convolution(weight, bias, groups=2)(x, stride=stride)
    assert found.shape == (1, 2, 6 // stride, 4 // stride)
    expected = reference.same_depthwise(x[0].numpy(), weight[:, 0].numpy(), bias.numpy(), stride)
    np.testing.assert_allclose(found[0], expected, rtol=1e-12)


def test_patches_are_those_of_the_published_network():
    """Figures of the package efficientnet-lite-pytorch 0.1.0 with the same weights, blocks 4 and 8."""
    down, across = np.mgrid[0:64, 0:64] / 64
    picture = torch.from_numpy((0.5 + 0.5 * np.sin(12 * across + 5 * down**2)).astype(np.float32))
    found = patches(picture[None, None], side=128)[0]
    assert found.shape == (256, WIDTH)
    places = [(0, 0), (0, 151), (17, 3), (100, 40), (137, 39), (200, 90), (255, 120), (255, 7)]
    published = [-1.03573, -1.79715, 3.89703, -2.20990, -1.86653, 0.02128, 2.91009, -0.98049]
    np.testing.assert_allclose([found[place] for place in places], published, atol=2e-4)
    np.testing.assert_allclose([found.mean(), found.std()], [-0.120984, 5.449053], atol=2e-4)


@pytest.mark.parametrize(
    ("shape", "n"), [((1, 28, 28), 400), ((3, 64, 20), 120), ((4, 3, 200), 40), ((2, 1, 1), 400)], ids=str
)
def test_pictures_of_any_shape_have_patches(shape, n):
    found = patches(torch.rand(2, *shape), side=160)
    assert found.shape == (2, n, WIDTH)
    assert found.isfinite().all()


def test_details_are_the_answers_of_all_depths_not_smoothed():
    """The depths that are smoothed stand among them: their mean over the picture is nearly the same."""
    x = torch.rand(1, 3, 64, 96)
    maps = patch_maps(x, details=True)
    assert maps.shape == (1, WIDTH + DETAILS, 8, 12)
    np.testing.assert_array_equal(maps[:, :WIDTH], patch_maps(x))
    smooth, sharp = maps[0, :WIDTH].flatten(1), maps[0, -WIDTH:].flatten(1)
    assert (smooth.std(dim=1) < sharp.std(dim=1)).float().mean() > 0.95
    assert np.corrcoef(smooth.mean(dim=1), sharp.mean(dim=1))[0, 1] > 0.95
