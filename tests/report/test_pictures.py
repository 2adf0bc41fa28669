"""Pictures and films: every frame, in grey, with its difference or its heat."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from blemish.core.errors import ConfigError
from blemish.report import film, film_pair, picture
from report_pieces import ATTACK


def pixels(html):
    source = re.search(r'src="data:image/png;base64,([^"]+)"', html)
    assert source is not None
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(source[1]))))


def test_film_holds_every_nth_frame_side_by_side():
    clip = np.linspace(0, 1, 5)[:, None, None] * np.ones((5, 3, 4))
    strip = pixels(film(clip, every=2))
    assert strip.shape == (3, 3 * 4 + 2 * 2, 2)
    assert strip[0, [0, 6, 12], 0].tolist() == [0, 128, 255]
    assert strip[0, [0, 4, 5, 6], 1].tolist() == [255, 0, 0, 255]


def test_film_clips_what_is_no_grey_value():
    strip = pixels(film(np.array([[[-1.0, 2.0, np.nan]]]), every=1))
    assert strip[0, :, 0].tolist() == [0, 255, 0]


def test_film_explains_a_wrong_step():
    with pytest.raises(ConfigError, match="every is 0"):
        film(np.zeros((2, 3, 3)), every=0)


def test_film_pair_shows_the_difference_and_escapes_its_caption():
    html = film_pair(np.full((2, 3, 3), 0.75), np.full((2, 3, 3), 0.25), ATTACK, every=1)
    images = re.findall("<img[^>]*>", html)
    assert [int(pixels(image)[0, 0, 0]) for image in images] == [191, 64, 128]
    assert 'alt="absolute difference: &lt;script&gt;' in images[2]
    assert "<script>" not in html
    assert "<a href" not in html


def test_a_picture_is_grey_or_in_colour_and_heat_paints_it_orange():
    grey = pixels(picture(np.full((1, 2, 3), 0.5), "a part"))
    assert grey.shape == (2, 3, 3)
    assert (grey == 128).all()
    colour = pixels(picture(np.stack([np.ones((2, 3)), np.zeros((2, 3)), np.full((2, 3), 2.0)]), "a part"))
    assert colour[0, 0].tolist() == [255, 0, 255]
    heat = np.zeros((2, 3))
    heat[1, 2] = 1
    painted = pixels(picture(np.full((1, 2, 3), 0.5), "a part", heat))
    assert painted[0, 0].tolist() == [128, 128, 128]
    red, green, blue = painted[1, 2].tolist()
    assert red > green > blue


def test_a_pictures_description_is_escaped():
    assert "<script>" not in picture(np.zeros((1, 2, 2)), ATTACK)
