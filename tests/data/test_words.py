"""Texts as weighted words."""

import numpy as np
import pytest

from blemish.core.errors import DataError
from blemish.data.words import Words, check_texts, vectorizer

TERMS, IDF = ["oil", "pump", "the"], np.array([2.0, 1.5, 1.0])


def test_features_are_damped_counts_times_idf_with_a_mean_square_of_one():
    x = Words(TERMS, IDF, stop_words=False).features(["oil oil the", "nothing known", ""])
    weights = np.array([(1 + np.log(2)) * 2.0, 0.0, 1.0])
    assert x.dtype == np.float32
    np.testing.assert_allclose(x.toarray()[0], weights / np.linalg.norm(weights) * np.sqrt(3), rtol=1e-6)
    assert (x.toarray()[1:] == 0).all()


def test_stop_words_are_left_out():
    assert list(vectorizer(True).fit(["the oil of the pump"]).get_feature_names_out()) == ["oil", "pump"]
    assert "the" in vectorizer(False).fit(["the oil of the pump"]).get_feature_names_out()
    assert Words(TERMS, IDF, stop_words=True).features(["the"]).nnz == 0


def test_texts_are_strings():
    assert check_texts("one") == ["one"]
    assert check_texts(np.array(["a", "b"], dtype=object)) == ["a", "b"]
    with pytest.raises(DataError, match="there is no text"):
        check_texts([])
    with pytest.raises(DataError, match="text 1 is int '3', not a string; give '' for no text"):
        check_texts(["a", 3])
