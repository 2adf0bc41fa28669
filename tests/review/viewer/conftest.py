"""Pictures with cracks and spots, and a model of them, for the tests of the viewer."""

from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image, ImageDraw

from blemish import DefectDetector
from blemish.review.catalogue import open_catalogue
from blemish.review.ledger import Ledger
from blemish.review.session import Review
from conftest import ten_trees
from served import served, wait_ready


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place, rng = tmp_path_factory.mktemp("parts"), np.random.default_rng(0)
    for i in range(30):
        picture = Image.fromarray(np.clip(rng.normal(150, 6, (90, 120)), 0, 255).astype(np.uint8))
        if i % 5 == 0:
            ImageDraw.Draw(picture).line([(20, 30), (48, 44)], fill=40, width=3)
        elif i % 5 == 1:
            ImageDraw.Draw(picture).ellipse([70, 50, 84, 64], fill=230)
        picture.save(place / f"part{i:02d}.png")
    return place


@pytest.fixture(scope="module")
def det(folder):
    with ten_trees():
        catalogue = open_catalogue(folder)
        return DefectDetector(epochs=1, random_state=0).fit(catalogue.take(range(len(catalogue)))[0])


@pytest.fixture
def parts(folder, det, tmp_path, few_trees):
    """The loop on these pictures, fitted without labels."""
    review = Review(open_catalogue(folder), Ledger(tmp_path / "labels.db"), det)
    wait_ready(review)
    yield review
    review.stop()


@pytest.fixture
def opened(folder, det, tmp_path, few_trees):
    """`opened()` serves a loop on these pictures and the labels in `tmp_path`: link and loop."""

    @contextmanager
    def opening():
        review = Review(open_catalogue(folder), Ledger(tmp_path / "labels.db"), det)
        with served(review, tmp_path / "cache") as link:
            wait_ready(review)
            yield link, review

    return opening
