"""Texts as weighted words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from annotated_types import Len
from jaxtyping import Bool, Float
from scipy.sparse import csr_matrix
from sklearn.decomposition import TruncatedSVD
from torch import Tensor
from torch.nn.functional import normalize
from typing_extensions import TypedDict

from blemish.core.errors import ConfigError, DataError
from blemish.core.graph import Graph, Node
from blemish.core.manifest import Positive, declared
from blemish.core.state import need
from blemish.data.words import Words, check_texts, vectorizer
from blemish.modalities.modality import ExportableModality, Modality, OnPage, packed, unpacked

RECONSTRUCTED_WORDS = 10
MIN_FRACTION = 0.01  # of a text's error, from which on a word that it lacks is part of its explanation


@dataclass(frozen=True)
class Text(Modality):
    """Texts of any length; the order of the words is ignored.

    A text becomes the weights of its words (term frequency, damped, times inverse document frequency), scaled so that
    the mean square of a feature is 1. Rows stay sparse until they are batched. A text without a known word is a row of
    zeros; an empty or missing one too.

    Attributes:
        column: Of a table, the column with the texts; None: the only one that holds text.
        idf: Power of the inverse document frequency, >= 0; true is 1, false 0. The higher it is, the less words weigh
            that are in many texts. For unlabelled outliers among texts of one kind take less: the words that the kind
            has in common would weigh least (decisions.md 27).
        stop_words: Leave out English words without content ('the', 'of'). They tell one kind of text from another.
        max_terms: How many of the most frequent words are told apart, >= 1.
        topics: Directions of the latent semantic analysis that the experts see, >= 1.

    Reference:
        Salton and Buckley, "Term-weighting approaches in automatic text retrieval", 1988; Deerwester et al.,
        "Indexing by latent semantic analysis", 1990.
    """

    column: str | None = None
    idf: float | bool = 1.0
    stop_words: bool = False
    max_terms: int = 5000
    topics: int = 128
    # As RSRAE: a first layer of 128 overfits few texts.
    backbone: ClassVar[Any] = {"name": "mlp", "widths": [32, 64]}
    on_page: ClassVar[OnPage] = OnPage("prose", max_fitted=10_000, at_once=2000)
    experts: ClassVar[Mapping[str, list[Any]]] = {
        "topics": ["discriminant", {"name": "kernel", "softness": 0.1, "standardise": False}],
        "words": ["direction"],
    }
    far: ClassVar[tuple[str, ...]] = ("extent",)

    def fit(self, raw: Any) -> "FittedText":
        """Learn words, their weights and the topics.

        Raises:
            DataError: If an item is not a string, or no word occurs often enough to learn from.
            ConfigError: If `idf` is negative.
        """
        if self.idf < 0:
            raise ConfigError(f"idf={self.idf} is a power of the inverse document frequency; give 0 or more")
        texts = check_texts(raw)
        least = 2 if len(texts) > 20 else 1
        words = vectorizer(self.stop_words, min_df=least, max_features=self.max_terms)
        try:
            words.fit(texts)
        except ValueError:
            raise DataError(f"no word occurs in at least {least} of the {len(texts)} texts; give more text") from None
        words.idf_ = idf = words.idf_**self.idf
        weights = words.transform(texts)
        terms = words.get_feature_names_out()
        n_topics = max(1, min(self.topics, len(terms) - 1, len(texts) - 1))
        directions = np.full((1, len(terms)), len(terms) ** -0.5)
        if min(len(terms), len(texts)) > 1:
            with np.errstate(invalid="ignore"):  # identical texts have no variance to explain
                directions = np.asarray(TruncatedSVD(n_topics, random_state=0).fit(weights).components_)
        return FittedText(tuple(map(str, terms)), idf, directions, self.stop_words)

    def latent_dim(self, sample_shape: tuple[int, ...]) -> int:
        """32, or half of a small vocabulary."""
        return max(1, min(32, sample_shape[0] // 2))


@declared
class TextFacts(TypedDict):
    """What a model file keeps of a vocabulary; directions are packed."""

    terms: Annotated[list[str], Len(1)]
    idf: list[Positive]
    stop_words: bool
    directions: str


class FittedText(ExportableModality):
    """A vocabulary, the weights of its words, and topics."""

    inputs, stored = "weights", TextFacts

    def __init__(
        self,
        terms: tuple[str, ...],
        idf: Float[np.ndarray, " term"],
        directions: Float[np.ndarray, "topic term"],
        stop_words: bool = False,
    ) -> None:
        """Keep what was learnt: words in the order of the features, and directions of the latent semantic analysis."""
        self.stop_words = stop_words
        self.terms, self.idf, self.directions = terms, idf, directions.astype(np.float32)
        self.sample_shape, self.elements = (len(terms),), terms
        self._words = Words(terms, idf, stop_words)

    def to_tensor(self, raw: Any) -> csr_matrix:
        """Scaled weights as float32, shape (row, term), sparse."""
        return self._words.features(raw)

    def to_raw(self, x: Float[np.ndarray, "row term"]) -> np.ndarray:
        """The heaviest words of each row, heaviest first."""
        order = np.argsort(-x, axis=1, kind="stable")[:, :RECONSTRUCTED_WORDS]
        texts = [" ".join(self.terms[i] for i in row if weights[i] > 0) for row, weights in zip(order, x, strict=True)]
        return np.array(texts, dtype=object)

    def to_mask(self, raw: Any, mask: Any) -> np.ndarray:
        """Texts have no mask: raises DataError."""
        raise DataError("texts have no cells or pixels to mask; inpainting is for tables, images and video")

    def describe(self, x: Float[np.ndarray, "row some"]) -> list[list[Any]]:
        """The weight of each of some words of each row, 0 to 1."""
        return (x / np.sqrt(len(self.terms))).round(4).tolist()

    def matters(
        self, x: Float[np.ndarray, "row term"], error: Float[np.ndarray, "row term"]
    ) -> Bool[np.ndarray, "row term"]:
        """Words that explain a row: those in the text, and missing ones with a sizeable fraction of its error."""
        return (x > 0) | (error >= MIN_FRACTION * error.sum(axis=1, keepdims=True))

    def held(self, sample: Float[Tensor, " term"], kept: Bool[np.ndarray, " term"]) -> list[int]:
        """Numbers among the kept words of those in the text."""
        place = np.cumsum(kept) - 1
        return [int(place[term]) for term in sample.nonzero().flatten().tolist()]

    def replaced(
        self, sample: Float[Tensor, " term"], typical: Float[Tensor, " term"]
    ) -> Float[Tensor, "element term"]:
        """A copy for each word of the text, without it; see `without_words`."""
        return without_words(sample)

    def features(self, x: Float[Tensor, "row term"]) -> dict[str, Float[Tensor, "row feature"]]:
        """Positions along the directions of the latent semantic analysis, and how much of a text is known.

        'topics': of the weights; 'words': of texts whose words weigh alike (no inverse document frequency, length 1),
        because rare words tell topics apart, and common ones tell what kind of text it is. 'extent': how many known
        words a text has, how many of them share its weight, and the weight of the heaviest: what is empty, of another
        language or one word throughout is far from all texts in these, and among them in the others (decisions.md 78).
        """
        directions, idf = (torch.from_numpy(a.astype(np.float32)).to(x.device) for a in (self.directions, self.idf))
        alike = normalize(x / idf, dim=1)
        weights = x / len(self.terms) ** 0.5
        n_known, heaviest = (x > 0).sum(dim=1), weights.amax(dim=1)
        sharing = weights.square().sum(dim=1).square() / weights.pow(4).sum(dim=1).clamp_min(1e-12)
        extent = torch.stack([n_known.log1p(), sharing.log1p(), heaviest], dim=1)
        return {"topics": x @ directions.T / len(self.terms) ** 0.5, "words": alike @ directions.T, "extent": extent}

    def graph(self, graph: Graph) -> Node:
        """Weights as an input: `blemish.data.words` splits the texts, because ONNX cannot split them alike."""
        return graph.input("weights", np.float32, ["row", len(self.terms)])

    def interface(self) -> dict[str, Any]:
        """The vocabulary."""
        return {"terms": list(self.terms), "idf": self.idf.tolist(), "stop_words": self.stop_words}

    def state(self) -> dict[str, Any]:
        """Vocabulary, weights and topics (packed), as JSON values."""
        return {**self.interface(), "directions": packed(self.directions)}

    @classmethod
    def from_state(cls, state: TextFacts) -> "FittedText":
        """The inverse of `state`."""
        need(
            len(set(state["terms"])) == len(state["terms"]) == len(state["idf"]), "words occur twice, or lack a weight"
        )
        directions = unpacked(state["directions"], len(state["terms"]))
        return cls(tuple(state["terms"]), np.array(state["idf"]), directions, state["stop_words"])


def without_words(sample: Float[Tensor, " term"]) -> Float[Tensor, "element term"]:
    """A copy for each word that the text holds, without it; rows keep their length, as a text without it would have."""
    words = sample.nonzero().flatten()
    copies = sample.repeat(len(words), 1)
    copies[torch.arange(len(words)), words] = 0
    return normalize(copies, dim=1) * sample.norm()


Text.fitted = FittedText
