"""A column of free text in a table as a few numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from annotated_types import Len
from jaxtyping import Float
from scipy.sparse import csr_matrix
from sklearn.decomposition import TruncatedSVD
from typing_extensions import TypedDict

from blemish.core.errors import DataError
from blemish.core.manifest import declared
from blemish.core.state import need
from blemish.data.columns import is_missing
from blemish.data.words import Words, vectorizer
from blemish.modalities.modality import packed, unpacked

MAX_TERMS, TOPICS = 2000, 8


@declared
class FreeTextFacts(TypedDict):
    """What a model file keeps of a column of free text; weights and topics are packed."""

    terms: Annotated[list[str], Len(1)]
    idf: str
    topics: str


@dataclass(frozen=True)
class FreeText:
    """Words of a column, their weights, and the topics that they form.

    Attributes:
        terms: Words, in the order of the topics' last axis.
        idf: Their inverse document frequency.
        topics: Directions of the latent semantic analysis, shape (topic, term), as float32.
    """

    terms: tuple[str, ...]
    idf: Float[np.ndarray, " term"]
    topics: Float[np.ndarray, "topic term"]

    @classmethod
    def fit(cls, name: str, texts: Sequence[str | None]) -> "FreeText":
        """Learn words that occur in at least two texts, and topics.

        Raises:
            DataError: If there is no such word.
        """
        some = [text for text in texts if text is not None and not is_missing(text)]
        words = vectorizer(False, min_df=2, max_features=MAX_TERMS)
        try:
            weights = csr_matrix(words.fit_transform(some))
        except ValueError:
            raise DataError(
                f"column {name!r} cannot be read as text: no word occurs in two of its {len(some)} texts"
            ) from None
        n = min(TOPICS, weights.shape[1] - 1, len(some) - 1)  # pyright: ignore[reportOptionalSubscript]
        with np.errstate(invalid="ignore"):  # identical texts have no variance to explain
            topics = TruncatedSVD(n, random_state=0).fit(weights).components_ if n > 0 else np.ones((1, 1))
        idf = np.asarray(words.idf_, dtype=np.float32).astype(np.float64)
        return cls(tuple(map(str, words.get_feature_names_out())), idf, np.asarray(topics, dtype=np.float32))

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the features."""
        return (*(f"topic {k + 1}" for k in range(len(self.topics))), "unknown words")

    def features(self, texts: Sequence[str | None]) -> Float[np.ndarray, "row feature"]:
        """The topics of each text, and the fraction of its words that are unknown; NaN where there is no text."""
        blank = np.array([is_missing(text) for text in texts], dtype=bool)
        filled = ["" if text is None else text for text in texts]
        weights = Words(self.terms, self.idf, stop_words=False).features(filled)
        weights = csr_matrix(weights, dtype=np.float64) / np.sqrt(len(self.terms))
        split, known = vectorizer(False).build_analyzer(), set(self.terms)
        words = [split(text) for text in filled]
        unknown = [sum(word not in known for word in some) / max(1, len(some)) for some in words]
        found = np.column_stack([weights @ self.topics.T.astype(np.float64), unknown])
        found[blank] = np.nan
        return found

    def state(self) -> dict[str, Any]:
        """All that was learnt, as JSON values."""
        return {"terms": list(self.terms), "idf": packed(self.idf), "topics": packed(self.topics)}

    @classmethod
    def from_state(cls, state: FreeTextFacts) -> "FreeText":
        """The inverse of `state`."""
        terms = tuple(state["terms"])
        need(len(set(terms)) == len(terms), "words occur twice")
        idf = unpacked(state["idf"], len(terms)).astype(np.float64)
        need(len(idf) == 1 and (idf > 0).all(), "a word lacks its weight")
        return cls(terms, idf[0], unpacked(state["topics"], len(terms)))
