"""Answers to the page, as values."""

import io

import numpy as np
import pytest
from PIL import Image

from blemish import DefectDetector
from blemish.review import answers
from blemish.review.ranking import Ranking
from blemish.review.suggestions import Snapshot


def test_a_reconstruction_has_the_form_of_its_picture_as_the_heat_over_it_has():
    rng = np.random.default_rng(0)
    wide = [rng.integers(0, 255, (1, 20, 60)).astype(np.uint8) for _ in range(24)]
    det = DefectDetector(epochs=1, random_state=0, scorer="reconstruction").fit(wide)
    made, heat = answers.reconstructed(det, wide[:1]), answers.heat(det, wide[:1])
    assert made is not None
    assert heat is not None
    with Image.open(io.BytesIO(made)) as below, Image.open(io.BytesIO(heat)) as above:
        assert below.size == above.size == (answers.LARGE_SIDE, round(answers.LARGE_SIDE / 3))


@pytest.mark.parametrize(
    ("higher", "glance", "said"), [(0.0, False, ""), (9.0, True, ""), (9.0, False, "12 of 12 samples are reported, ")]
)
def test_the_advice_says_that_most_samples_are_reported(higher, glance, said):
    det = DefectDetector(epochs=1, random_state=0, scorer="reconstruction").fit(
        np.random.default_rng(0).random((24, 2))
    )
    outlier = np.append(det.fitted_.calibration.outlier[:12] + higher, np.nan)  # one is not scored yet
    snapshot = Snapshot(outlier, None, np.zeros((13, 3)), np.zeros((13, 1)))
    found = answers._mostly_reported(det, Ranking(1, "m", snapshot, np.zeros((13, 2)), glance=glance))
    assert found.startswith(said)
    assert bool(found) == bool(said)
