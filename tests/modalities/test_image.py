"""Images of one size or of many."""

import numpy as np
import pytest
import torch

from blemish.core.errors import DataError
from blemish.modalities.image import PATCH_SETS, FittedImage, Image


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(0, 256, (6, 1, 24, 24)).astype(np.uint8)


@pytest.fixture(scope="module")
def fitted(pictures):
    return Image().fit(pictures)


def test_feature_sets_are_those_that_the_experts_ask_for(fitted, pictures):
    found = fitted.features(torch.from_numpy(fitted.to_tensor(pictures)))
    assert set(found) == {name for names in Image.experts for name in names.split("+")}
    assert set(found) == {"texture", "pixels", *(name for of_set in PATCH_SETS for name in of_set["fractions"])}
    assert found["pixels"].shape == (6, 24 * 24)


def test_the_state_has_the_keys_of_older_files(fitted):
    state = fitted.state()
    assert list(state) == ["channels", "size", "low", "high", "looks"]
    assert [sorted(look) for look in state["looks"]] == [["patches", "shares", "side", "usual"]] * 2
    assert FittedImage.from_state(state).sample_shape == (1, 24, 24)


def test_lists_of_several_sizes_are_brought_to_one():
    some = [np.zeros((3, 10, 20), np.uint8), np.zeros((3, 30, 20), np.uint8)]
    fitted = Image(size=(8, 8)).fit(some)
    assert fitted.to_tensor(some).shape == (2, 3, 8, 8)


def test_a_clip_is_not_a_picture(fitted):
    with pytest.raises(DataError):
        fitted.to_tensor(np.zeros((2, 5, 1, 24, 24), np.uint8))
