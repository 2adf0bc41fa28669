"""Several kinds of defect: one scorer for each against all else, on the same evidence; the highest counts."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Int64

from blemish.core.graph import exportable
from blemish.core.labels import DEFECT, of_kind
from blemish.core.state import State, Stored, need
from blemish.modalities.parts import Parts
from blemish.scoring.scorer import (
    Evidence,
    EvidenceNodes,
    ExportableScorer,
    PartScorer,
    ScoreNodes,
    Scorer,
    Scores,
    part_scores,
)


@dataclass(frozen=True)
class KindsState(State):
    """What the scorer of each kind learnt.

    Attributes:
        n_labelled: Labelled defects of each kind; a kind without any has no score.
        of_kinds: What was learnt of each.
    """

    n_labelled: Int64[np.ndarray, " kind"]
    of_kinds: tuple[State, ...]

    def check(self) -> None:
        """See `State`."""
        need(self.n_labelled >= 0, "a number of labelled defects is negative")


@dataclass(frozen=True)
class Kinds(ExportableScorer[KindsState], PartScorer[KindsState]):
    """Several kinds of defect, each by a scorer of its own (decisions.md 120).

    The labelled defects of the other kinds are the closest negatives of each. Not a part to choose: a detector with
    several kinds puts it around the scorer that was chosen.

    Attributes:
        of: The scorer of one kind.
        n_kinds: >= 2.
    """

    of: Scorer[Any]
    n_kinds: int

    state = KindsState

    @property
    def sources(self) -> tuple[str, ...]:
        """See `Scorer`."""
        return self.of.sources

    def read(self, stored: Stored, widths: Mapping[str, int], n_defects: int) -> KindsState:
        """See `Scorer`."""
        n_labelled = stored.take("n_labelled", ("int64",), (self.n_kinds,), {})
        need((n_labelled >= 0).all() and n_labelled.sum() == n_defects, f"the kinds do not have {n_defects} defects")
        each = (self.of.read(stored.under(str(k)), widths, int(n)) for k, n in enumerate(n_labelled))
        return KindsState(n_labelled, tuple(each))

    def fit(self, evidence: Evidence, group: Int[np.ndarray, " row"], seed: int = 0) -> KindsState:
        """See `Scorer`."""
        n_labelled = np.bincount(np.maximum(group - DEFECT + 1, 0), minlength=self.n_kinds + 1)[1:].astype(np.int64)
        return KindsState(n_labelled, self.of.fit_kinds(evidence, group, self.n_kinds, seed))

    def fit_fold(self, evidence: Evidence, group: Int[np.ndarray, " row"], seed: int, whole: KindsState) -> KindsState:
        """See `Scorer`."""
        return replace(whole, of_kinds=self.of.fit_fold_kinds(evidence, group, seed, whole.of_kinds))

    def out_of_fold_of_kinds(
        self, state: KindsState, evidence: Evidence, group: Int[np.ndarray, " row"]
    ) -> Float[np.ndarray, "defect kind"]:
        """Score of each labelled defect for each kind by scorers fitted without it; see `out_of_fold_scores`.

        Returns:
            NaN for its own kind where it is the only one of that, and for kinds without labels.
        """
        kind = group[group >= DEFECT] - DEFECT
        found = np.full((len(kind), self.n_kinds), np.nan)
        for k in np.flatnonzero(state.n_labelled).tolist():
            against, own = of_kind(group, k), np.flatnonzero(kind == k)
            scores = self.of.out_of_fold_scores(state.of_kinds[k], evidence, against)
            found[own[: len(scores)], k] = scores
            found[kind != k, k] = self.of.rival_scores(state.of_kinds[k], evidence, against)
        return found

    def out_of_fold_scores(
        self, state: KindsState, evidence: Evidence, group: Int[np.ndarray, " row"]
    ) -> Float[np.ndarray, " defect"]:
        """The highest over the kinds, of the labelled defects that are not the only ones of theirs; see `Scorer`."""
        found, kind = self.out_of_fold_of_kinds(state, evidence, group), group[group >= DEFECT] - DEFECT
        return np.nanmax(found[~np.isnan(found[np.arange(len(kind)), kind])], axis=1)

    def scores(self, state: KindsState, evidence: Evidence, *, labelled: bool) -> Scores:
        """The outlier score of the first kind, which knows the most labels of none; the highest defect score."""
        each = self._each(state, labelled=labelled)
        kinds = tuple(self.of.scores(one, evidence, labelled=known) for one, known in each)
        known = [one.defect for one in kinds if one.defect is not None]
        return replace(kinds[0], defect=np.max(known, axis=0) if known else None, kinds=kinds)

    def graph(self, state: KindsState, evidence: EvidenceNodes, *, labelled: bool) -> ScoreNodes:
        """See `ExportableScorer`."""
        scorer = exportable("scorer", type(self.of).__name__, self.of, "score with the model file instead")
        kinds = tuple(
            scorer.graph(one, evidence, labelled=known) for one, known in self._each(state, labelled=labelled)
        )
        known = [one.defect for one in kinds if one.defect is not None]
        highest = evidence.error.graph.op("Max", *known) if known else None
        of_parts = [one.of_parts for one in kinds if not known or one.defect is not None]
        drawn = [one for one in of_parts if one is not None]
        whole = evidence.error.graph.op("Max", *drawn) if drawn and len(drawn) == len(of_parts) else None
        return replace(kinds[0], defect=highest, kinds=kinds, of_parts=whole)

    def part_scores(self, state: KindsState, parts: Parts, *, labelled: bool) -> Float[np.ndarray, " part"] | None:
        """The highest over the kinds; see `PartScorer`."""
        each = [part_scores(self.of, one, parts, labelled=known) for one, known in self._each(state, labelled=labelled)]
        if any(one is None for one in each):
            return None
        known = [one for one, n in zip(each, state.n_labelled, strict=True) if n or not labelled]
        return np.max(np.stack([one for one in known if one is not None]), axis=0)

    def _each(self, state: KindsState, *, labelled: bool) -> list[tuple[Any, bool]]:
        """What each kind learnt, and whether it has labels that count."""
        return [(one, labelled and bool(n > 0)) for one, n in zip(state.of_kinds, state.n_labelled, strict=True)]
