"""Ranks by where a row lies in latent space as well as by its reconstruction error."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int

from blemish.scoring.clouds import clouds, clouds_graph, fit_clouds, log_sum_exp, posterior, posterior_graph
from blemish.scoring.evidence import Evidence, EvidenceNodes, ScoreNodes, State, leave_one_out


@dataclass(frozen=True)
class Latent:
    """Three clouds over the code and the log error.

    The defect score is the log-odds of the defect cloud against the two others. A region that nobody has seen belongs
    to the broad cloud, not to the defect's. Not for a latent space that the contrast did not shape *and* that mixes
    the groups; then only more labels help.

    Attributes:
        least_bandwidth: Smallest width of a defect's kernel, in the normals' standard deviations: labelled defects
            lie closer together than new ones, because the network saw them.
    """

    least_bandwidth: float = 0.5
    contrast: ClassVar[tuple[str, ...]] = ("margin",)

    def fit(self, evidence: Evidence, group: Int[np.ndarray, " row"], seed: int = 0) -> State:
        """Learn the clouds; see `Scorer`."""
        return fit_clouds(evidence.view("code"), group, self.least_bandwidth)

    def known_scores(
        self,
        state: State,
        evidence: Evidence,
        group: Int[np.ndarray, " row"],
    ) -> Float[np.ndarray, " defect"]:
        """By leaving one out; see `Scorer`."""
        return leave_one_out(self, evidence, group)

    def outlier_score(self, state: State, evidence: Evidence) -> Float[np.ndarray, " row"]:
        """The reconstruction error."""
        return evidence.error

    def defect_score(self, state: State, evidence: Evidence) -> Float[np.ndarray, " row"]:
        """Log-odds of the defect cloud."""
        joint = clouds(state, evidence.view("code"))
        return joint[:, 2] - log_sum_exp(joint.T[:2])

    def probabilities(self, state: State, evidence: Evidence) -> Float[np.ndarray, "row 3"]:
        """Posterior of the three clouds under the assumed shares."""
        return posterior(clouds(state, evidence.view("code")))

    def graph(self, state: State, evidence: EvidenceNodes, *, labelled: bool) -> ScoreNodes:
        """All scores as part of an ONNX graph; see `Scorer`."""
        joint = clouds_graph(state, evidence.view("code"))
        rest = joint[0].graph.concat(joint[:2], axis=1).reduce("LogSumExp", 1)
        defect = joint[2].reduce("Sum", 1) - rest if labelled else None
        return ScoreNodes(evidence.error, defect, posterior_graph(joint))
