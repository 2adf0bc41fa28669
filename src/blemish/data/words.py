"""Texts as weighted words."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer

from blemish.core.errors import DataError


class Words:
    """A vocabulary with the weights of its words."""

    def __init__(self, terms: Sequence[str], idf: Float[np.ndarray, " term"], stop_words: bool) -> None:
        """Store the words in the order of the features, and whether English stop words are left out."""
        self.n_terms = len(terms)
        self._vectorizer = vectorizer(stop_words, vocabulary=list(terms))
        self._vectorizer.idf_ = idf

    def features(self, raw: Any) -> csr_matrix:
        """Weights of the words of each text, scaled so that the mean square of a feature is 1; float32, sparse.

        A text without a known word is a row of zeros. Raises DataError if an item is not a string.
        """
        weights = csr_matrix(self._vectorizer.transform(check_texts(raw)))
        return csr_matrix(weights * np.sqrt(self.n_terms), dtype=np.float32)


def vectorizer(stop_words: bool, **options: Any) -> TfidfVectorizer:
    """How texts are split into words and counted: 1 + log of the term frequency.

    Args:
        stop_words: Leave out English stop words.
        options: Of `TfidfVectorizer`.
    """
    return TfidfVectorizer(sublinear_tf=True, stop_words="english" if stop_words else None, **options)


def check_texts(raw: Any) -> list[str]:
    """Strings as a list; raises DataError if there is none, or an item is not a string."""
    texts: list[Any] = list(raw) if not isinstance(raw, (str, bytes)) and hasattr(raw, "__iter__") else [raw]
    if not texts:
        raise DataError("there is no text")
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            raise DataError(
                f"text {row} is {type(text).__name__} {str(text)[:40]!r}, not a string; give '' for no text"
            )
    return texts
