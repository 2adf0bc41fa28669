"""Ranks by where a row lies in latent space and by its reconstruction error."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float, Int

from blemish.core.labels import DEFECT, is_ordinary
from blemish.scoring.evidence import Evidence, EvidenceNodes, ScoreNodes, State
from blemish.scoring.mixture import (
    BREADTH,
    PRIOR,
    clouds,
    clouds_graph,
    fit_clouds,
    log_sum_exp,
    posterior,
    posterior_graph,
)

LEAST_CONTRASTED = 8
"""Labelled defects without which the default objective for clips has no contrast."""
MOST_LEFT_OUT = 50  # labelled defects that leave-one-out goes through
WITH_ERROR = "with_error."
"""What the names of the state begin with that belongs to the clouds over the code *and* the log error."""
ODD_ERROR = np.log(PRIOR["other"] / PRIOR["normal"])
"""What turns the joint log-density of a normal code into that of an outlier with such a code."""


@dataclass(frozen=True)
class Latent:
    """Three clouds over the code.

    The defect score is the log-odds of the defect cloud against the two others. A region that nobody has seen belongs
    to the broad cloud, not to the defect's. Not for a latent space that the contrast did not shape *and* that mixes
    the groups; then only more labels help.

    The score knows the log error, too, with fewer than eight labels only: a contrast moves the codes of labelled
    defects, so that they are reconstructed worse than new ones, and other outliers that are reconstructed badly would
    be taken for them. The outlier score and the probabilities take a row for another outlier by its code or by its
    error alone.
    """

    contrast: ClassVar[tuple[str, ...]] = ("margin",)

    def fit(self, evidence: Evidence, group: Int[np.ndarray, " row"], seed: int = 0) -> State:
        """Learn the clouds; see `Scorer`."""
        state = {**fit_clouds(evidence.z, group), "errors": _usual_errors(evidence[is_ordinary(group)])}
        if not 0 < (group == DEFECT).sum() < LEAST_CONTRASTED:
            return state
        return {**state, **{WITH_ERROR + name: x for name, x in fit_clouds(evidence.view("code"), group).items()}}

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
        """Minus the log-probability of a normal row rather than another outlier, >= 0.

        What is reconstructed better than the median is a little less unusual still, for the order.
        """
        joint = _log_joint(state, evidence)
        below = np.minimum(_above(state, evidence.view("error")[:, 0]), 0.0)
        return np.logaddexp(0.0, joint[:, 1] - joint[:, 0] + below)

    def defect_score(self, state: State, evidence: Evidence) -> Float[np.ndarray, " row"]:
        """Log-odds of the defect cloud."""
        return _log_odds(*_judged_by(state, evidence))

    def probabilities(self, state: State, evidence: Evidence) -> Float[np.ndarray, "row 3"]:
        """Posterior of the three clouds over the code and of the error under the assumed shares."""
        return posterior(_log_joint(state, evidence))

    def graph(self, state: State, evidence: EvidenceNodes, *, labelled: bool) -> ScoreNodes:
        """All scores as part of an ONNX graph; see `Scorer`."""
        score = None
        if labelled:
            joint = clouds_graph(*_judged_by(state, evidence))
            score = joint[2].reduce("Sum", 1) - joint[0].graph.concat(joint[:2], axis=1).reduce("LogSumExp", 1)
        normal, other, *defect = clouds_graph(state, evidence.z)
        above = _above(state, evidence.view("error"))
        usual, unusual = _log_errors(above.op("Max", 0.0))
        other = other.graph.concat([other, normal + ODD_ERROR], axis=1).reduce("LogSumExp", 1, keepdims=True)
        groups = [normal + usual, other + unusual - np.log(2), *(one + unusual for one in defect)]
        odds = groups[1] - groups[0] + above.op("Min", 0.0)
        outlier = odds.op("Max", 0.0) + ((-odds.op("Abs")).op("Exp") + 1.0).op("Log")  # no Softplus of doubles there
        return ScoreNodes(outlier.reduce("Sum", 1), score, posterior_graph(groups))


def _log_joint(state: State, evidence: Evidence) -> Float[np.ndarray, "row 3"]:
    """Log of prior times density of normal, other and defect, up to a constant: of the code and of the error."""
    normal, other, defect = clouds(state, evidence.z).T
    usual, unusual = _log_errors(np.maximum(_above(state, evidence.view("error")[:, 0]), 0.0))
    other = np.logaddexp(other, normal + ODD_ERROR) - np.log(2)
    return np.stack([normal + usual, other + unusual, defect + unusual]).T


def _usual_errors(ordinary: Evidence) -> Float[np.ndarray, " 2"]:
    """Median of the log errors and how far above it half of those lie that do, as a standard deviation.

    Unlike the standard deviation itself it does not grow with the outliers that hide among the rows.
    """
    errors = ordinary.view("error")[:, 0]
    above = errors - np.median(errors)
    spread = 1.4826 * np.median(above[above > 0]) if (above > 0).any() else 0.0  # of a normal distribution's quartile
    return np.array([np.median(errors), max(spread, 1e-6) if len(errors) > 1 else 1.0])


def _above(state: State, log_error: Any) -> Any:
    """By how many spreads of usual ones log errors, an array or a node, lie above their median."""
    median, spread = state["errors"]
    return (log_error - median) / spread


def _log_errors(above: Any) -> tuple[Any, Any]:
    """Log-densities of errors, an array or a node of numbers >= 0, among normals and among all else."""
    squared = above * above
    return squared * -0.5, squared * (-0.5 / BREADTH**2) - np.log(BREADTH)


def _judged_by(state: State, evidence: Any) -> tuple[State, Any]:
    """The clouds of the defect score, and what they see of the rows."""
    both = {name.removeprefix(WITH_ERROR): x for name, x in state.items() if name.startswith(WITH_ERROR)}
    return (both, evidence.view("code")) if both else (state, evidence.z)


def _log_odds(state: State, features: Float[np.ndarray, "row feature"]) -> Float[np.ndarray, " row"]:
    joint = clouds(state, features)
    return joint[:, 2] - log_sum_exp(joint.T[:2])
