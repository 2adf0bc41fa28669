"""Usual patches, and the patches of a picture that lie furthest from them."""

import numpy as np
import torch

import reference
from blemish.modalities.features.patch_memory import COMPONENTS, PatchMemory, UsualPatches, fit_patch_memory
from blemish.modalities.features.pretrained import WIDTH, patches


def test_pooled_is_the_mean_of_the_most_unusual_patches():
    rng = np.random.default_rng(0)
    centre, directions, usual = rng.normal(size=WIDTH), rng.normal(size=(WIDTH, 3)), 9 * rng.normal(size=(20, 3))
    x = torch.rand(2, 1, 16, 16)
    learnt = UsualPatches(*(one.astype(np.float32) for one in (centre, directions, usual)))
    pooled = PatchMemory(128, {"few": 0.02, "all": 1.0}, learnt).pooled(x)
    for row, found in enumerate(patches(x, side=128).double().numpy()):
        for view, n in (("few", 5), ("all", 256)):
            expected = reference.furthest_patches(found, centre, directions, usual, n)
            np.testing.assert_allclose(pooled[view][row], expected, rtol=2e-3)


def test_usual_patches_have_unit_spread_and_few_pictures_will_do():
    x = torch.rand(4, 1, 32, 32)
    learnt = fit_patch_memory(x, 96, {"few": 0.04}).learnt
    assert learnt.directions.shape == (WIDTH, COMPONENTS)
    white = (patches(x, 96).flatten(0, 1).numpy() - learnt.centre) @ learnt.directions
    np.testing.assert_allclose(white.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(white.std(axis=0), 1, atol=0.02)
    flat = fit_patch_memory(torch.zeros(1, 3, 2, 2), 96, {"half": 0.5})
    assert np.isfinite(flat.learnt.directions).all()
    assert flat.pooled(torch.zeros(1, 3, 2, 2))["half"].isfinite().all()


def test_what_was_stored_pools_alike():
    x = torch.rand(3, 1, 32, 32)
    learnt = fit_patch_memory(x, 96, {"few": 0.04})
    again = PatchMemory.from_state(learnt.state())
    assert torch.equal(learnt.pooled(x)["few"], again.pooled(x)["few"])


def test_a_mark_is_seen_wherever_it_lies():
    """A pinhole of four pixels on noise: the few most unusual patches tell it, the mean of all pixels does not."""
    rng = np.random.default_rng(0)
    x = rng.normal(0.5, 0.02, size=(60, 1, 64, 64)).astype(np.float32)
    for row in range(40, 60):
        down, across = rng.integers(4, 58, size=2)
        x[row, 0, down : down + 2, across : across + 2] = 0
    pictures = torch.from_numpy(x)
    marks = fit_patch_memory(pictures[:40], 160, {"marks": 0.04}).pooled(pictures)["marks"]
    assert marks[40:, -1].min() > marks[:40, -1].max()
