"""Scores by reconstruction error alone: the field's baseline, kept for comparison."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int

from blemish.core.labels import DEFECT
from blemish.scoring.evidence import Evidence, EvidenceNodes, State
from blemish.scoring.mixture import fit_mixture, mixture_log_joint, mixture_log_joint_graph, posterior, posterior_graph
from blemish.scoring.scorer import ExportableScorer, ScoreNodes


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

    def outlier_score(self, state: State, evidence: Evidence) -> Float[np.ndarray, " row"]:
        """The reconstruction error."""
        return evidence.error

    def defect_score(self, state: State, evidence: Evidence) -> Float[np.ndarray, " row"]:
        """The reconstruction error."""
        return evidence.error

    def probabilities(self, state: State, evidence: Evidence) -> Float[np.ndarray, "row 3"]:
        """Posterior of the three groups under the assumed prior."""
        return posterior(mixture_log_joint(state, evidence.feature_set("error")))

    def graph(self, state: State, evidence: EvidenceNodes, *, labelled: bool) -> ScoreNodes:
        """All scores as part of an ONNX graph; see `ExportableScorer`."""
        joint = mixture_log_joint_graph(state, evidence.feature_set("error"))
        return ScoreNodes(evidence.error, evidence.error if labelled else None, posterior_graph(joint))
