"""What a scorer is: pure functions from evidence, what is measured about each row, to scores."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

import numpy as np
from jaxtyping import Bool, Float, Int

from blemish.core.errors import ConfigError
from blemish.core.graph import Exportable, Node
from blemish.core.groups import Clusters
from blemish.core.labels import RIVAL, of_kind
from blemish.core.state import Learns, Learnt, State, Stored
from blemish.modalities.parts import Parts

OF_THE_NETWORK = frozenset({"code", "error"})  # feature sets that need no modality
OF_PARTS = "parts"  # the feature set that is one row per part of a sample
RIVAL_FOLDS = 4
LOG_OFFSET = 1e-12  # added to an error before its logarithm: a perfect reconstruction has a log error, too
Values = TypeVar("Values", np.ndarray, Node)
"""Numbers, or the node of an ONNX graph that will hold them: some formulas are the same for both."""


@dataclass(frozen=True)
class Evidence:
    """Everything that scores are computed from.

    Attributes:
        z: Codes, shape (row, latent), float64.
        error: Reconstruction error, shape (row,), float64, >= 0.
        features: Feature sets of the modality by name, each (row, feature), float32.
        parts: Of the samples; None where they have none, or nothing asks for them.
        cluster: Of a fit, which rows are not independent, see `blemish.core.groups`.
    """

    z: Float[np.ndarray, "row latent"]
    error: Float[np.ndarray, " row"]
    features: Mapping[str, Float[np.ndarray, "row feature"]] = field(default_factory=dict)
    parts: Parts | None = None
    cluster: Clusters = None

    def feature_set(self, name: str) -> Any:
        """One feature set; 'code' is the code with the log error, 'error' the log error alone, 'parts' the parts.

        Args:
            name: Several side by side are joined by '+', such as 'texture+pixels'.

        Raises:
            ConfigError: If the data have no such feature set.
        """
        if "+" in name:
            return np.hstack([self.feature_set(one) for one in name.split("+")])
        if name == "code":
            return np.column_stack([self.z, np.log(self.error + LOG_OFFSET)])
        if name == "error":
            return np.log(self.error + LOG_OFFSET)[:, None]
        if name == OF_PARTS and self.parts is not None:
            return self.parts
        if name not in self.features:
            raise ConfigError(
                f"feature set {name!r} is unknown; these data have {', '.join(['code', 'error', *self.features])}"
            )
        return self.features[name]

    def __getitem__(self, rows: Bool[np.ndarray, " row"] | Int[np.ndarray, " some"]) -> "Evidence":
        """Some of the rows."""
        features = {name: x[rows] for name, x in self.features.items()}
        parts = None if self.parts is None else self.parts[rows]
        cluster = None if self.cluster is None else self.cluster[rows]
        return Evidence(self.z[rows], self.error[rows], features, parts, cluster)

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.error)


@dataclass(frozen=True)
class EvidenceNodes:
    """`Evidence` as part of an ONNX graph, of the same shapes; everything is float64."""

    z: Node
    error: Node
    features: Mapping[str, Node] = field(default_factory=dict)
    parts: Node | None = None

    def feature_set(self, name: str) -> Node:
        """One feature set; see `Evidence.feature_set`."""
        graph = self.z.graph
        if "+" in name:
            return graph.concat([self.feature_set(one) for one in name.split("+")], axis=1)
        if name == "code":
            return graph.concat([self.z, self.feature_set("error")], axis=1)
        if name == "error":
            return (self.error + LOG_OFFSET).op("Log").expand_dims(1)
        if name == OF_PARTS and self.parts is not None:
            return self.parts
        return self.features[name]


@dataclass(frozen=True)
class Scores:
    """The scores of some rows, in their order; NaN where a sample cannot be read.

    Attributes:
        outlier: How unusual, shape (row,).
        defect: How much like the labelled defects, shape (row,); None where none is labelled.
        probabilities: Of normal, other and defect, shape (row, 3); by a fit with several kinds one of each.
        codes: Shape (row, latent); (0, 0) where they were not asked for.
        feature_sets: What the modality computes in addition to the network, by name, each (row, feature); empty where
            they were not asked for.
        beyond: What lying beyond the training rows added to the log-odds of other against normal, >= 0, shape (row,);
            0 where a scorer does not know it.
        kinds: Those of each kind of defect alone, where there are several.
    """

    outlier: Float[np.ndarray, " row"]
    defect: Float[np.ndarray, " row"] | None
    probabilities: Float[np.ndarray, "row class"]
    codes: Float[np.ndarray, "coded latent"] = field(default_factory=lambda: np.empty((0, 0)))
    feature_sets: Mapping[str, Float[np.ndarray, "row feature"]] = field(default_factory=dict)
    beyond: Float[np.ndarray, " row"] | float = 0.0
    kinds: tuple["Scores", ...] = ()

    @property
    def views(self) -> Mapping[str, Float[np.ndarray, "row feature"]]:
        """The former name of `feature_sets`."""
        return self.feature_sets


@dataclass(frozen=True)
class ScoreNodes:
    """`Scores` as part of an ONNX graph, of the same shapes; everything is float64.

    Attributes:
        of_parts: `PartScorer.part_scores`, shape (row, part); None where the graph does not have them.
    """

    outlier: Node
    defect: Node | None
    probabilities: Node
    beyond: Node | float = 0.0
    of_parts: Node | None = None
    kinds: tuple["ScoreNodes", ...] = ()


class Scorer(Learns[Learnt], ABC):
    """Pure functions of evidence and of what `fit` learnt, its state; subclasses are frozen dataclasses of choices.

    Attributes:
        state: The class of what `fit` learns; without one a part cannot be stored.
        contrast: Loss terms that the default objective gains, because the score reads the latent space.
    """

    contrast: ClassVar[tuple[str, ...]] = ()

    def read(self, stored: Stored, widths: Mapping[str, int], n_defects: int) -> Learnt:
        """What `fit` learnt, from a file.

        Args:
            stored: Its arrays.
            widths: Features of each feature set, by name; 'code' and 'error' among them.
            n_defects: Labelled defects.

        Raises:
            ArtifactError: If they are not what this scorer learns from such evidence.
        """
        return self.state.read(stored, latent=widths["code"] - 1)

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the feature sets that the scores read, several joined by '+'; by default the network's alone.

        A scorer that names neither 'code' nor 'error' is judged with the network that it shares (decisions.md 81).
        """
        return ("code",)

    @property
    def feature_sets(self) -> list[str]:
        """The feature sets of the modality among them, sorted; 'code' and 'error' are the network's."""
        return sorted({one for names in self.sources for one in names.split("+")} - OF_THE_NETWORK - {OF_PARTS})

    @abstractmethod
    def fit(self, evidence: Evidence, group: Int[np.ndarray, " row"], seed: int = 0) -> Learnt:
        """Learn where the groups lie; any group may be absent except the normals."""

    def fit_fold(self, evidence: Evidence, group: Int[np.ndarray, " row"], seed: int, whole: Learnt) -> Learnt:
        """Learn from the rows without a fold, for scores on the scale of what all rows taught; by default `fit`.

        Args:
            evidence: Without the fold.
            group: Their groups.
            seed: Source of all randomness.
            whole: What `fit` learnt from all rows.
        """
        return self.fit(evidence, group, seed)

    def fit_kinds(
        self, evidence: Evidence, group: Int[np.ndarray, " row"], n_kinds: int, seed: int
    ) -> tuple[Learnt, ...]:
        """What `fit` learns of each of several kinds of defect against all else, see `blemish.scoring.kinds`."""
        return tuple(self.fit(evidence, of_kind(group, kind), seed) for kind in range(n_kinds))

    def fit_fold_kinds(
        self, evidence: Evidence, group: Int[np.ndarray, " row"], seed: int, whole: tuple[Learnt, ...]
    ) -> tuple[Learnt, ...]:
        """`fit_fold` for each of several kinds."""
        return tuple(self.fit_fold(evidence, of_kind(group, k), seed, one) for k, one in enumerate(whole))

    def rival_scores(
        self, state: Learnt, evidence: Evidence, group: Int[np.ndarray, " row"]
    ) -> Float[np.ndarray, " rival"]:
        """Defect score of each labelled defect of another kind, `RIVAL`, by a scorer that was fitted without it.

        The arguments are those of `out_of_fold_scores`.
        """
        rivals = np.flatnonzero(group == RIVAL)
        found = np.empty(len(rivals))
        for k in range(min(RIVAL_FOLDS, len(rivals))):
            seen = np.setdiff1d(np.arange(len(group)), rivals[k::RIVAL_FOLDS])
            without = self.fit_fold(evidence[seen], group[seen], 0, state)
            found[k::RIVAL_FOLDS] = self.defect_score(without, evidence[rivals[k::RIVAL_FOLDS]])
        return found

    @abstractmethod
    def out_of_fold_scores(
        self, state: Learnt, evidence: Evidence, group: Int[np.ndarray, " row"]
    ) -> Float[np.ndarray, " defect"]:
        """Defect score of each labelled defect by a scorer that was fitted without it; empty for a single one.

        Args:
            state: What `fit` learnt from the same rows.
            evidence: The rows.
            group: Their groups.
        """

    @abstractmethod
    def scores(self, state: Learnt, evidence: Evidence, *, labelled: bool) -> Scores:
        """Both scores, higher = more, and probabilities of normal, other and defect, whose rows sum to 1.

        Args:
            state: What `fit` learnt.
            evidence: The rows.
            labelled: Whether defects were labelled; if not, there is no defect score. The outlier score does not depend
                on it.
        """

    def outlier_score(self, state: Learnt, evidence: Evidence) -> Float[np.ndarray, " row"]:
        """The outlier score alone."""
        return self.scores(state, evidence, labelled=False).outlier

    def defect_score(self, state: Learnt, evidence: Evidence) -> Float[np.ndarray, " row"]:
        """The defect score alone, of a state that was learnt from labelled defects."""
        defect = self.scores(state, evidence, labelled=True).defect
        assert defect is not None
        return defect


class PartScorer(Scorer[Learnt]):
    """A scorer that also scores the parts of a sample, for a map of where the defect is."""

    @abstractmethod
    def part_scores(self, state: Learnt, parts: Parts, *, labelled: bool) -> Float[np.ndarray, " part"] | None:
        """What the whole sample would score by its parts alone if its highest parts scored as each does.

        Args:
            state: What `fit` learnt.
            parts: Of one row or several; the scores are one after the other.
            labelled: Whether defects were labelled: the score is then that of the defect, else the outlier score.

        Returns:
            None if it was fitted without parts.
        """


def part_scores(
    scorer: Scorer[Any], state: State, parts: Parts | None, *, labelled: bool
) -> Float[np.ndarray, " part"] | None:
    """`PartScorer.part_scores`; None where there are no parts, or the scorer does not score them."""
    if parts is None or not isinstance(scorer, PartScorer):
        return None
    return scorer.part_scores(state, parts, labelled=labelled)


class ExportableScorer(Scorer[Learnt], Exportable):
    """A scorer that can be written as part of an ONNX graph."""

    @abstractmethod
    def graph(self, state: Learnt, evidence: EvidenceNodes, *, labelled: bool) -> ScoreNodes:
        """`scores` as part of an ONNX graph."""
