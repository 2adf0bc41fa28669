"""Scores by reconstruction error alone: the field's baseline, kept for comparison."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int

from blemish.core.labels import DEFECT
from blemish.scoring.mixture import fit_mixture, mixture_log_joint, mixture_log_joint_graph, posterior, posterior_graph
from blemish.scoring.scorer import Evidence, EvidenceNodes, ExportableScorer, ScoreNodes, Scores, State


@dataclass(frozen=True)
class ReconstructionOnly(ExportableScorer):
    """Both scores are the reconstruction error; probabilities come from a mixture of three groups over its logarithm.

    Use it to reproduce the original prototype. It cannot tell one kind of outlier from another of the same error.
    """

    contrast: ClassVar[tuple[str, ...]] = ("margin",)

    def fit(self, evidence: Evidence, group: Int[np.ndarray, " row"], seed: int = 0) -> State:
        """Fit the mixture; see `Scorer`."""
        return fit_mixture(evidence.feature_set("error"), group)

    def out_of_fold_scores(
        self, state: State, evidence: Evidence, group: Int[np.ndarray, " row"]
    ) -> Float[np.ndarray, " defect"]:
        """Their errors: no error depends on the labels."""
        errors = evidence.error[group == DEFECT]
        return errors if len(errors) > 1 else np.empty(0)

    def scores(self, state: State, evidence: Evidence, *, labelled: bool) -> Scores:
        """The error twice, and the posterior of the three groups under the assumed prior."""
        joint = mixture_log_joint(state, evidence.feature_set("error"))
        return Scores(evidence.error, evidence.error if labelled else None, posterior(joint))

    def graph(self, state: State, evidence: EvidenceNodes, *, labelled: bool) -> ScoreNodes:
        """See `ExportableScorer`."""
        joint = mixture_log_joint_graph(state, evidence.feature_set("error"))
        return ScoreNodes(evidence.error, evidence.error if labelled else None, posterior_graph(joint))
