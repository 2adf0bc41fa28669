"""Images of one size or of many."""

from typing import Any

import numpy as np
import pytest
import torch

from blemish import DefectDetector
from blemish.core.errors import DataError
from blemish.modalities.features import FeatureCache, caching
from blemish.modalities.features.patch_grid import PatchGrid
from blemish.modalities.image import PATCH_SETS, FittedImage, Image


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(0, 256, (6, 1, 24, 24)).astype(np.uint8)


@pytest.fixture(scope="module")
def fitted(pictures):
    return Image().fit(pictures)


def test_feature_sets_are_those_that_the_experts_ask_for(fitted, pictures):
    found = fitted.features(torch.from_numpy(fitted.to_tensor(pictures)))
    asked = {name for names in Image.experts for name in names.split("+")}
    assert {*found, "parts"} == asked | set(Image.far)
    of_patches = {name for _, fractions in PATCH_SETS for name in fractions}
    assert set(found) == {"texture", "pixels", "neighbours"} | of_patches
    assert found["pixels"].shape == (6, 24 * 24)


def test_the_state_has_the_keys_of_older_files(fitted):
    state = fitted.state()
    assert list(state) == ["channels", "size", "low", "high", "looks", "grid"]
    older: Any = {name: value for name, value in state.items() if name != "grid"}
    assert list(FittedImage.from_state(older).state()) == list(older)
    assert [sorted(look) for look in state["looks"]] == [["patches", "shares", "side", "usual"]]
    assert FittedImage.from_state(state).sample_shape == (1, 24, 24)


def test_parts_are_patches_of_the_pictures_own_size(fitted, pictures):
    masks = [None, np.eye(24, dtype=bool), *[None] * 4]
    parts = fitted.parts(pictures, masks)
    assert parts.counts.tolist() == [fitted.n_parts(pictures[0])] * 6 == [64] * 6, "24 pixels, enlarged to 64"
    assert [mark.any() for mark in parts.marks()] == [False, True, False, False, False, False]
    alone = fitted.parts(pictures[1:2])
    np.testing.assert_array_equal(next(iter(alone)), list(parts)[1])
    large = fitted.parts([np.zeros((1, 100, 60), np.uint8)])
    assert len(large.values) == fitted.n_parts(np.zeros((1, 100, 60))) > 64
    assert fitted.heat(pictures[0], np.arange(64.0)).shape == (24, 24)


def test_of_many_parts_the_marked_the_most_unusual_and_some_others_are_kept(fitted):
    picture = np.full((1, 96, 96), 128, np.uint8)
    picture[0, 8:12, 8:12] = 255
    mask = np.zeros((96, 96), dtype=bool)
    mask[90:, 90:] = True
    whole, some = fitted.parts([picture], [mask]), fitted.parts([picture], [mask], most=20)
    assert len(whole.values) == 32 * 32
    assert some.marked.sum() == whole.marked.sum()
    assert 20 <= len(some.values) <= 20 + whole.marked.sum()
    assert some.distance.max() == whole.distance.max()


@pytest.mark.parametrize(
    ("pixels", "sides"), [(1, [160, 96]), (20, [160, 96]), (24, [96]), (28, [96]), (32, [112, 96]), (64, [160, 96])]
)
def test_a_small_copy_is_not_enlarged_more_than_it_takes(pixels, sides):
    fitted = Image().fit(np.random.default_rng(0).integers(0, 256, (3, 1, pixels, pixels)).astype(np.uint8))
    assert [memory.side for memory in fitted.memories] == sides
    assert set(fitted.features(torch.zeros(1, 1, pixels, pixels))) >= {"marks", "surface", "blots"}


def test_parts_are_measured_once_in_a_cache(fitted, pictures, monkeypatch):
    with caching(FeatureCache(2**30)):
        first = fitted.parts(pictures)
        monkeypatch.setattr(PatchGrid, "described", None)
        np.testing.assert_array_equal(fitted.parts(pictures).values, first.values)
        with pytest.raises(TypeError):
            fitted.parts(pictures[:, :, ::-1])


def test_lists_of_several_sizes_are_brought_to_one():
    some = [np.zeros((3, 10, 20), np.uint8), np.zeros((3, 30, 20), np.uint8)]
    fitted = Image(size=(8, 8)).fit(some)
    assert fitted.to_tensor(some).shape == (2, 3, 8, 8)


def test_a_clip_is_not_a_picture(fitted):
    with pytest.raises(DataError):
        fitted.to_tensor(np.zeros((2, 5, 1, 24, 24), np.uint8))


def test_images_of_many_sizes(tmp_path):
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (1, 10 + i, 14), dtype=np.uint8) for i in range(12)]
    det = DefectDetector(epochs=1, random_state=0).fit(images)
    assert det.fitted_.model.modality.sample_shape == (1, 64, 64)
    assert det.outlier_score(images).shape == (12,)
    assert det.outlier_score([np.repeat(images[0], 3, axis=0)]).shape == (1,)


def test_pictures_of_another_range_are_refused(image_split):
    bytes_, floats = image_split.X_train, image_split.X_train / 255.0
    det = DefectDetector(epochs=1, scorer="reconstruction", random_state=0)
    det.fit(bytes_)
    with pytest.raises(
        DataError, match=r"holds fractions from 0 to 0.663, the model was fitted on 0 to 255; multiply by"
    ):
        det.outlier_score(floats[:3])
    np.testing.assert_array_equal(det.outlier_score(bytes_[:3].astype(float)), det.outlier_score(bytes_[:3]))
    assert np.isfinite(det.outlier_score(np.full(bytes_[:1].shape, 0.3))).all()  # a picture that is all but black
    det.fit(floats)
    with pytest.raises(DataError, match=r"holds whole numbers up to \d+, the model was fitted on fractions from 0 to"):
        det.outlier_score(bytes_[:3])
    assert np.isfinite(det.outlier_score((bytes_[:3] > 99).astype(np.uint8))).all()
