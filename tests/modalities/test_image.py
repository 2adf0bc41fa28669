"""Pictures of many sizes, and of another range than those of the fit."""

import numpy as np
import pytest

from blemish import DefectDetector
from blemish.core.errors import DataError


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
