"""A column of free text in a table."""

import json

import numpy as np
import pytest

from blemish.core.errors import DataError
from blemish.modalities.free_text import FreeText

pytestmark = pytest.mark.usefixtures("few_trees")

MEMOS = [f"paid {what} in {where}" for what in ("rent", "food", "fuel") for where in ("may", "june", "july")] * 3


def test_topics_of_known_words_and_the_fraction_of_unknown_ones():
    text = FreeText.fit("memo", [*MEMOS, None])
    found = text.features([MEMOS[0], "paid rent unheard", None, "", "n/a"])
    assert found.shape == (5, len(text.parts))
    assert text.parts[-1] == "unknown words"
    assert found[:2, -1].tolist() == [0.0, pytest.approx(1 / 3)]
    assert np.isnan(found[2:]).all()
    np.testing.assert_array_equal(text.features([MEMOS[0]])[0], found[0])


def test_it_comes_back_to_the_bit():
    text = FreeText.fit("memo", MEMOS)
    again = FreeText.from_state(json.loads(json.dumps(text.state())))
    np.testing.assert_array_equal(again.features(MEMOS), text.features(MEMOS))


def test_one_word_and_none():
    assert np.isfinite(FreeText.fit("memo", ["same", "same"]).features(["same", "other"])).all()
    with pytest.raises(DataError, match="column 'memo' cannot be read as text: no word occurs in two of its 2 texts"):
        FreeText.fit("memo", ["one", "two"])
