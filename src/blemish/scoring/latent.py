"""Ranks by where a row lies in latent space as well as by its reconstruction error."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float, Int

from blemish.labels import DEFECT
from blemish.scoring.clouds import clouds, clouds_graph, fit_clouds, log_sum_exp, posterior, posterior_graph
from blemish.scoring.evidence import MOST_LEFT_OUT, Evidence, EvidenceNodes, ScoreNodes, State

LEAST_CONTRASTED = 8
"""Labelled defects without which the default objective for clips has no contrast."""
ALONE = "z_"
"""What the names of the state begin with that belongs to the clouds over the code alone."""


@dataclass(frozen=True)
class Latent:
    """Three clouds over the code.

    The defect score is the log-odds of the defect cloud against the two others. A region that nobody has seen belongs
    to the broad cloud, not to the defect's. Not for a latent space that the contrast did not shape *and* that mixes
    the groups; then only more labels help.

    The clouds that give the probabilities know the log error, too. The score knows it with fewer than eight labels
    only: a contrast moves the codes of labelled defects, so that they are reconstructed worse than new ones, and
    other outliers that are reconstructed badly would be taken for them.
    """

    contrast: ClassVar[tuple[str, ...]] = ("margin",)

    def fit(self, evidence: Evidence, group: Int[np.ndarray, " row"], seed: int = 0) -> State:
        """Learn the clouds; see `Scorer`."""
        state = fit_clouds(evidence.view("code"), group)
        if (group == DEFECT).sum() < LEAST_CONTRASTED:
            return state
        return {**state, **{ALONE + name: values for name, values in fit_clouds(evidence.z, group).items()}}

    def known_scores(
        self,
        state: State,
        evidence: Evidence,
        group: Int[np.ndarray, " row"],
    ) -> Float[np.ndarray, " defect"]:
        """Of each by the kernels of the others; the normals' spread, in which all is measured, is not theirs."""
        rows = np.flatnonzero(group == DEFECT)[:MOST_LEFT_OUT]
        if len(rows) < 2:
            return np.empty(0)
        judge, features = _judged_by(state, evidence[rows])
        others = [{**judge, "defects": np.delete(judge["defects"], i, axis=0)} for i in range(len(rows))]
        return np.concatenate([_log_odds(one, features[i : i + 1]) for i, one in enumerate(others)])

    def outlier_score(self, state: State, evidence: Evidence) -> Float[np.ndarray, " row"]:
        """The reconstruction error."""
        return evidence.error

    def defect_score(self, state: State, evidence: Evidence) -> Float[np.ndarray, " row"]:
        """Log-odds of the defect cloud."""
        return _log_odds(*_judged_by(state, evidence))

    def probabilities(self, state: State, evidence: Evidence) -> Float[np.ndarray, "row 3"]:
        """Posterior of the three clouds over code and log error under the assumed shares."""
        return posterior(clouds(state, evidence.view("code")))

    def graph(self, state: State, evidence: EvidenceNodes, *, labelled: bool) -> ScoreNodes:
        """All scores as part of an ONNX graph; see `Scorer`."""
        defect = None
        if labelled:
            joint = clouds_graph(*_judged_by(state, evidence))
            defect = joint[2].reduce("Sum", 1) - joint[0].graph.concat(joint[:2], axis=1).reduce("LogSumExp", 1)
        return ScoreNodes(evidence.error, defect, posterior_graph(clouds_graph(state, evidence.view("code"))))


def _judged_by(state: State, evidence: Any) -> tuple[State, Any]:
    """The clouds of the defect score, and what they see of the rows."""
    alone = {name.removeprefix(ALONE): values for name, values in state.items() if name.startswith(ALONE)}
    return (alone, evidence.z) if alone else (state, evidence.view("code"))


def _log_odds(state: State, features: Float[np.ndarray, "row feature"]) -> Float[np.ndarray, " row"]:
    joint = clouds(state, features)
    return joint[:, 2] - log_sum_exp(joint.T[:2])
