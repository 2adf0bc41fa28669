"""Texts as weighted words."""

from typing import Any

import numpy as np
import pytest
import torch

from blemish import DefectDetector
from blemish.core.errors import ConfigError, DataError
from blemish.modalities.text import Text, without_words

TEXTS = ["oil and gas", "gas and coal", "oil prices", "coal prices and gas"]


def test_a_text_without_a_word_is_the_text_without_it(text_split):
    det = DefectDetector(epochs=1, random_state=0).fit(text_split.X_train, text_split.y_train)
    modality: Any = det.fitted_.model.modality
    text = "crude oil the market"
    x = torch.from_numpy(modality.to_tensor([text]).toarray())[0]
    copies = without_words(x)
    terms = [modality.terms[i] for i in x.nonzero().flatten().tolist()]
    for word, copy in zip(terms, copies, strict=True):
        shorter = modality.to_tensor([text.replace(word, "")]).toarray()[0]
        np.testing.assert_allclose(copy.numpy(), shorter, rtol=1e-5)


def test_words_of_a_text_are_the_elements_that_it_holds():
    fitted = Text().fit(TEXTS)
    x = torch.from_numpy(np.asarray(fitted.to_tensor(["oil prices"]).todense()))[0]
    kept = np.isin(fitted.terms, ["and", "oil", "prices"])
    assert [fitted.terms[i] for i in np.flatnonzero(kept)[fitted.held(x, kept)]] == ["oil", "prices"]
    assert torch.equal(fitted.replaced(x, torch.zeros_like(x)), without_words(x))


def test_a_reconstruction_is_the_heaviest_words():
    fitted = Text().fit(TEXTS)
    assert set(fitted.to_raw(np.asarray(fitted.to_tensor(["gas and oil"]).todense()))[0].split()) == {
        "gas",
        "and",
        "oil",
    }


def test_texts_cannot_be_masked():
    fitted = Text().fit(TEXTS)
    with pytest.raises(DataError, match="texts have no cells or pixels to mask"):
        fitted.fill(TEXTS, np.ones((4, 1)), np.zeros((4, 1), dtype=np.float32))


def test_a_negative_power_is_refused():
    with pytest.raises(ConfigError, match="idf=-1.0 is a power"):
        Text(idf=-1.0).fit(TEXTS)
