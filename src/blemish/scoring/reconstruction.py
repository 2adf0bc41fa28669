"""Ranks by reconstruction error alone: the field's way, kept for comparison."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int

from blemish.core.labels import DEFECT
from blemish.scoring.evidence import Evidence, EvidenceNodes, ScoreNodes, State
from blemish.scoring.mixture import clouds, clouds_graph, fit_clouds, posterior, posterior_graph


@dataclass(frozen=True)
class ReconstructionOnly:
    """Both scores are the reconstruction error; probabilities come from three clouds over its logarithm.

    Use to reproduce the prototype. It cannot tell one kind of outlier from another of the same error.
    """

    contrast: ClassVar[tuple[str, ...]] = ("margin",)

    def fit(self, evidence: Evidence, group: Int[np.ndarray, " row"], seed: int = 0) -> State:
        """Learn the clouds; see `Scorer`."""
        return fit_clouds(evidence.view("error"), group)

    def known_scores(
        self,
        state: State,
        evidence: Evidence,
        group: Int[np.ndarray, " row"],
    ) -> Float[np.ndarray, " defect"]:
        """Their errors: no error depends on what was labelled."""
        known = evidence.error[group == DEFECT]
        return known if len(known) > 1 else np.empty(0)

    def outlier_score(self, state: State, evidence: Evidence) -> Float[np.ndarray, " row"]:
        """The reconstruction error."""
        return evidence.error

    def defect_score(self, state: State, evidence: Evidence) -> Float[np.ndarray, " row"]:
        """The reconstruction error."""
        return evidence.error

    def probabilities(self, state: State, evidence: Evidence) -> Float[np.ndarray, "row 3"]:
        """Posterior of the three clouds under the assumed shares."""
        return posterior(clouds(state, evidence.view("error")))

    def graph(self, state: State, evidence: EvidenceNodes, *, labelled: bool) -> ScoreNodes:
        """All scores as part of an ONNX graph; see `Scorer`."""
        joint = clouds_graph(state, evidence.view("error"))
        return ScoreNodes(evidence.error, evidence.error if labelled else None, posterior_graph(joint))
