"""Answers to the page, as values."""

import io

import numpy as np
from PIL import Image

from blemish import DefectDetector
from blemish.review import answers


def test_a_reconstruction_has_the_form_of_its_picture_as_the_heat_over_it_has():
    rng = np.random.default_rng(0)
    wide = [rng.integers(0, 255, (1, 20, 60)).astype(np.uint8) for _ in range(24)]
    det = DefectDetector(epochs=1, random_state=0, scorer="reconstruction").fit(wide)
    made, heat = answers.reconstructed(det, wide[:1]), answers.heat(det, wide[:1])
    assert made is not None
    assert heat is not None
    with Image.open(io.BytesIO(made)) as below, Image.open(io.BytesIO(heat)) as above:
        assert below.size == above.size == (answers.LARGE_SIDE, round(answers.LARGE_SIDE / 3))
