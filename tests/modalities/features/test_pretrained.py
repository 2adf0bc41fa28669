"""The pretrained network, its patches and what a picture's most unusual ones are."""

import numpy as np
import pytest
import torch

import reference
from blemish.core.labels import DEFECT, UNLABELLED
from blemish.modalities.features.patch_memory import COMPONENTS, Oddities, fit_oddities
from blemish.modalities.features.pretrained import WIDTH, Convolution, patches
from blemish.scoring.ensemble import Ensemble
from blemish.scoring.evidence import Evidence


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


def test_pooled_is_the_mean_of_the_most_unusual_patches():
    rng = np.random.default_rng(0)
    centre, directions, usual = rng.normal(size=WIDTH), rng.normal(size=(WIDTH, 3)), 9 * rng.normal(size=(20, 3))
    x = torch.rand(2, 1, 16, 16)
    learnt = [one.astype(np.float32) for one in (centre, directions, usual)]
    pooled = Oddities(128, {"few": 0.02, "all": 1.0}, *learnt).pooled(x)
    for row, found in enumerate(patches(x, side=128).double().numpy()):
        for view, n in (("few", 5), ("all", 256)):
            expected = reference.oddest_patches(found, centre, directions, usual, n)
            np.testing.assert_allclose(pooled[view][row], expected, rtol=2e-3)


def test_usual_patches_have_unit_spread_and_few_pictures_will_do():
    x = torch.rand(4, 1, 32, 32)
    learnt = fit_oddities(x, 96, {"few": 0.04})
    assert learnt.directions.shape == (WIDTH, COMPONENTS)
    white = (patches(x, 96).flatten(0, 1).numpy() - learnt.centre) @ learnt.directions
    np.testing.assert_allclose(white.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(white.std(axis=0), 1, atol=0.02)
    flat = fit_oddities(torch.zeros(1, 3, 2, 2), 96, {"half": 0.5})
    assert np.isfinite(flat.directions).all()
    assert flat.pooled(torch.zeros(1, 3, 2, 2))["half"].isfinite().all()


def test_what_was_stored_pools_alike():
    x = torch.rand(3, 1, 32, 32)
    learnt = fit_oddities(x, 96, {"few": 0.04})
    again = Oddities.from_state(learnt.state())
    assert torch.equal(learnt.pooled(x)["few"], again.pooled(x)["few"])


def test_a_mark_is_seen_wherever_it_lies():
    """A pinhole of four pixels on noise: the few oddest patches tell it, the mean of all pixels does not."""
    rng = np.random.default_rng(0)
    x = rng.normal(0.5, 0.02, size=(60, 1, 64, 64)).astype(np.float32)
    for row in range(40, 60):
        down, across = rng.integers(4, 58, size=2)
        x[row, 0, down : down + 2, across : across + 2] = 0
    pictures = torch.from_numpy(x)
    marks = fit_oddities(pictures[:40], 160, {"marks": 0.04}).pooled(pictures)["marks"]
    assert marks[40:, -1].min() > marks[:40, -1].max()


def test_nothing_is_more_like_the_defects_than_the_labelled_defects():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(208, 2))
    x[200:, 0] += 4
    group = np.where(np.arange(208) >= 200, DEFECT, UNLABELLED)
    scorer = Ensemble(experts={"plain": ["linear", "neighbours"]})

    def evidence(rows):
        return Evidence(rows, np.ones(len(rows)), {"plain": rows})

    state = scorer.fit(evidence(x), group)
    known = scorer.expert_scores(state, evidence(x[200:]))["1 linear of plain"].max()
    far_side = scorer.expert_scores(state, evidence(np.array([[400.0, 0.0]])))["1 linear of plain"]
    assert far_side == known
