"""Statistics of local filters."""

import numpy as np
import pytest
import torch

import reference
from blemish.modalities.features.texture import derivatives, moments, neighbours, texture


def test_moments_are_their_definitions():
    x = torch.randn(2, 3, 5, 4, dtype=torch.float64)
    found = moments(x).reshape(2, 6, 3)
    for row in range(2):
        for channel in range(3):
            expected = reference.moments_of(x[row, channel].flatten().tolist())
            np.testing.assert_allclose(found[row, :, channel], expected, rtol=1e-6)


@pytest.mark.parametrize("scale", [0.7, 1.4])
def test_derivatives_are_filters_with_derivatives_of_a_gaussian(scale):
    x = torch.rand(1, 1, 7, 6, dtype=torch.float64)
    picture = x[0, 0].tolist()
    bell, slope, curve = reference.gaussian_derivatives(scale)
    down, across, length, bend_down, bend_across, mixed, laplacian = (m[0, 0].numpy() for m in derivatives(x, scale))
    np.testing.assert_allclose(down, reference.filtered(picture, slope, bell), atol=1e-12)
    np.testing.assert_allclose(across, reference.filtered(picture, bell, slope), atol=1e-12)
    np.testing.assert_allclose(mixed, reference.filtered(picture, slope, slope), atol=1e-12)
    np.testing.assert_allclose(bend_down, reference.filtered(picture, curve, bell), atol=1e-12)
    np.testing.assert_allclose(bend_across, reference.filtered(picture, bell, curve), atol=1e-12)
    np.testing.assert_allclose(length, np.hypot(down, across), atol=1e-12)
    np.testing.assert_allclose(laplacian, bend_down + bend_across, atol=1e-12)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 2), (1, 28, 28)])
def test_texture_is_finite_for_any_size(shape):
    for x in (torch.rand(2, *shape), torch.zeros(2, *shape)):
        assert texture(x).shape == (2, shape[0] * 6 * 44)
        assert texture(x).isfinite().all()


def test_texture_does_not_care_where_a_spot_lies():
    x = torch.zeros(2, 1, 40, 40)
    x[0, 0, 15, 15] = x[1, 0, 25, 22] = 1
    np.testing.assert_allclose(texture(x)[0], texture(x)[1], rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("shape", [(1, 9, 7), (3, 5, 5), (1, 2, 3), (1, 1, 1), (1, 1, 6)])
def test_neighbours_equal_the_loops(shape):
    x = np.random.default_rng(0).random((4, *shape))
    found = neighbours(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(found, [reference.neighbours(picture) for picture in x], atol=1e-12)


def test_neighbours_tell_a_picture_of_any_contrast_from_noise_and_from_none():
    rng = np.random.default_rng(0)
    smooth = np.cumsum(np.cumsum(rng.normal(size=(3, 1, 40, 40)), axis=2), axis=3)
    smooth = (smooth - smooth.min()) / np.ptp(smooth) * np.array([1, 0.5, 0.05])[:, None, None, None]
    shuffled = rng.permuted(smooth.reshape(3, -1), axis=1).reshape(smooth.shape)
    assert (neighbours(torch.from_numpy(smooth)) > 0.8).all()
    for none in (shuffled, rng.random(smooth.shape), np.full_like(smooth, 0.3)):
        assert (neighbours(torch.from_numpy(none)).abs() < 0.1).all()
