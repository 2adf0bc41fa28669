"""Scores by a mixture of three groups: over the code and the reconstruction error, or over the error alone."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float, Float64, Int

from blemish.core.groups import n_groups
from blemish.core.labels import DEFECT, is_ordinary
from blemish.core.state import State, Stored, need
from blemish.scoring.far import NOTHING_FAR, STORED_AS, Beyond, Far, beyond, beyond_graph, fit_far, read_far
from blemish.scoring.mixture import (
    BREADTH,
    PRIOR,
    Mixture,
    fit_mixture,
    log_sum_exp,
    mixture_log_joint,
    mixture_log_joint_graph,
    posterior,
    posterior_graph,
)
from blemish.scoring.scorer import Evidence, EvidenceNodes, ExportableScorer, ScoreNodes, Scores, Values

MIN_CONTRASTED = 8
"""Labelled defects without which the default objective for clips has no contrast."""
MAX_LEFT_OUT = 50  # labelled defects that leave-one-out goes through
ODD_ERROR = np.log(PRIOR["other"] / PRIOR["normal"])
"""What turns the joint log-density of a normal code into that of an outlier with such a code."""


@dataclass(frozen=True)
class LatentState(State):
    """What `Latent` learns.

    Attributes:
        mixture: Over the code.
        errors: Median of the usual log errors, and their spread.
        with_error: The mixture over the code *and* the log error; None without labels, and with many.
        far: What lies beyond the training rows.
    """

    stored_as: ClassVar[Mapping[str, str]] = {"with_error": "with_error", **STORED_AS}

    mixture: Mixture
    errors: Float64[np.ndarray, " 2"]
    with_error: Mixture | None = None
    far: Far = NOTHING_FAR

    def check(self) -> None:
        """See `State`."""
        need(self.errors[1] > 0, "the spread of the errors is not above 0")


@dataclass(frozen=True)
class Latent(ExportableScorer[LatentState]):
    """A mixture of three groups over the code.

    The defect score is the log-odds of the defect against the two other groups. An unseen region belongs to the
    background, not to the defect. Not for a latent space that the contrast did not shape *and* that mixes the groups;
    then only more labels help.

    The defect score reads the log error, too, but only with fewer than eight labels: a contrast moves the codes of
    labelled defects, so that they are reconstructed worse than new ones, and other outliers that are reconstructed
    badly would be taken for them. The outlier score and the probabilities take a row for another outlier by its code or
    by its error alone, and for another outlier if it lies beyond all training rows.

    Attributes:
        far: Feature sets in which a row may lie beyond all training rows, see `blemish.scoring.far`.
    """

    state = LatentState
    far: tuple[str, ...] = ()
    contrast: ClassVar[tuple[str, ...]] = ("margin",)

    @property
    def sources(self) -> tuple[str, ...]:
        """See `Scorer`."""
        return ("code", *self.far)

    def read(self, stored: Stored, widths: Mapping[str, int], n_defects: int) -> LatentState:
        """See `Scorer`."""
        state = LatentState.read(stored, {"with_error": False}, feature=widths["code"] - 1, defect=n_defects)
        state = replace(state, far=read_far(stored, self.far, widths))
        if not 0 < n_defects < MIN_CONTRASTED:
            return state
        with_error = Mixture.read(stored.under("with_error"), feature=widths["code"], defect=n_defects)
        return replace(state, with_error=with_error)

    def fit(self, evidence: Evidence, group: Int[np.ndarray, " row"], seed: int = 0) -> LatentState:
        """Fit the mixture; see `Scorer`."""
        far = fit_far(self.far, evidence, group, seed)
        state = LatentState(fit_mixture(evidence.z, group), _usual_errors(evidence[is_ordinary(group)]), far=far)
        # From this many labels on, the default objective has a contrast, which makes the errors of the labelled
        # defects larger than those of new ones (decisions.md 59).
        if not 0 < (group == DEFECT).sum() < MIN_CONTRASTED:
            return state
        return replace(state, with_error=fit_mixture(evidence.feature_set("code"), group))

    def out_of_fold_scores(
        self, state: LatentState, evidence: Evidence, group: Int[np.ndarray, " row"]
    ) -> Float[np.ndarray, " defect"]:
        """Each by the kernels of other groups; the whitening that all share is that of the normals."""
        defects = np.flatnonzero(group == DEFECT)
        rows = defects[:MAX_LEFT_OUT]
        if n_groups(rows, evidence.cluster) < 2:
            return np.empty(0)
        mixture, features = _defect_mixture(state, evidence[rows])
        of = defects if evidence.cluster is None else evidence.cluster[defects]
        others = [replace(mixture, defects=mixture.defects[of != one]) for one in of[: len(rows)]]
        return np.concatenate([_log_odds(one, features[i : i + 1]) for i, one in enumerate(others)])

    def scores(self, state: LatentState, evidence: Evidence, *, labelled: bool) -> Scores:
        """Outlier score, log-odds of the defect, and the posterior of the groups, by code and error; see `Scorer`.

        The outlier score is minus the log-probability of a normal row rather than another outlier, >= 0.
        """
        far = beyond(state.far, evidence, self.far)
        shifts = _log_far(far)
        joint = _log_joint(state, evidence) + np.stack(shifts).T
        # A row that is reconstructed better than the median scores a little lower still, so that rows keep an order.
        below = np.minimum(_above(state, evidence.feature_set("error")[:, 0]), 0.0)
        outlier = np.logaddexp(0.0, joint[:, 1] - joint[:, 0] + below)
        defect = _log_odds(*_defect_mixture(state, evidence), far) if labelled else None
        return Scores(outlier, defect, posterior(joint), beyond=shifts[1] - shifts[0])

    def graph(self, state: LatentState, evidence: EvidenceNodes, *, labelled: bool) -> ScoreNodes:
        """See `ExportableScorer`."""
        score, far = None, beyond_graph(state.far, evidence, self.far)
        shifts = [shift.expand_dims(1) for shift in _log_far(far)]
        if labelled:
            joint = mixture_log_joint_graph(*_defect_mixture(state, evidence))
            joint = [one + shift for one, shift in zip(joint, shifts, strict=True)]
            score = joint[2].reduce("Sum", 1) - joint[0].graph.concat(joint[:2], axis=1).reduce("LogSumExp", 1)
        normal, other, *defect = mixture_log_joint_graph(state.mixture, evidence.z)
        above = _above(state, evidence.feature_set("error"))
        usual, unusual = _log_errors(above.op("Max", 0.0))
        other = other.graph.concat([other, normal + ODD_ERROR], axis=1).reduce("LogSumExp", 1, keepdims=True)
        groups = [normal + usual, other + unusual - np.log(2), *(one + unusual for one in defect)]
        groups = [one + shift for one, shift in zip(groups, shifts, strict=False)]
        odds = groups[1] - groups[0] + above.op("Min", 0.0)
        outlier = odds.op("Max", 0.0) + ((-odds.op("Abs")).op("Exp") + 1.0).op("Log")  # no Softplus of doubles there
        beyond_all = (shifts[1] - shifts[0]).reduce("Sum", 1)
        return ScoreNodes(outlier.reduce("Sum", 1), score, posterior_graph(groups), beyond_all)


@dataclass(frozen=True)
class ReconstructionOnly(ExportableScorer[Mixture]):
    """Both scores are the reconstruction error; probabilities come from a mixture of three groups over its logarithm.

    The field's baseline, kept for comparison: use it to reproduce the original prototype. It cannot tell one kind of
    outlier from another of the same error.
    """

    state = Mixture
    contrast: ClassVar[tuple[str, ...]] = ("margin",)

    def read(self, stored: Stored, widths: Mapping[str, int], n_defects: int) -> Mixture:
        """See `Scorer`."""
        return Mixture.read(stored, feature=widths["error"], defect=n_defects)

    def fit(self, evidence: Evidence, group: Int[np.ndarray, " row"], seed: int = 0) -> Mixture:
        """Fit the mixture; see `Scorer`."""
        return fit_mixture(evidence.feature_set("error"), group)

    def out_of_fold_scores(
        self, state: Mixture, evidence: Evidence, group: Int[np.ndarray, " row"]
    ) -> Float[np.ndarray, " defect"]:
        """Their errors: no error depends on the labels."""
        errors = evidence.error[group == DEFECT]
        return errors if len(errors) > 1 else np.empty(0)

    def scores(self, state: Mixture, evidence: Evidence, *, labelled: bool) -> Scores:
        """The error twice, and the posterior of the three groups under the assumed prior."""
        joint = mixture_log_joint(state, evidence.feature_set("error"))
        return Scores(evidence.error, evidence.error if labelled else None, posterior(joint))

    def graph(self, state: Mixture, evidence: EvidenceNodes, *, labelled: bool) -> ScoreNodes:
        """See `ExportableScorer`."""
        joint = mixture_log_joint_graph(state, evidence.feature_set("error"))
        return ScoreNodes(evidence.error, evidence.error if labelled else None, posterior_graph(joint))


def _log_joint(state: LatentState, evidence: Evidence) -> Float[np.ndarray, "row 3"]:
    """Log of prior times density of normal, other and defect, of code and error, up to a constant."""
    normal, other, defect = mixture_log_joint(state.mixture, evidence.z).T
    usual, unusual = _log_errors(np.maximum(_above(state, evidence.feature_set("error")[:, 0]), 0.0))
    # A clip is another outlier by its code or by its error alone (decisions.md 63).
    other = np.logaddexp(other, normal + ODD_ERROR) - np.log(2)
    return np.stack([normal + usual, other + unusual, defect + unusual]).T


def _usual_errors(ordinary: Evidence) -> Float[np.ndarray, " 2"]:
    """Median of the log errors, and the median excess of those above it, as a standard deviation.

    Unlike the standard deviation itself it does not grow with the outliers that hide among the rows.
    """
    errors = ordinary.feature_set("error")[:, 0]
    above = errors - np.median(errors)
    spread = 1.4826 * np.median(above[above > 0]) if (above > 0).any() else 0.0  # quartile of a normal
    return np.array([np.median(errors), max(spread, 1e-6) if len(errors) > 1 else 1.0])


def _above(state: LatentState, log_error: Values) -> Values:
    """How far log errors lie above their usual median, in units of their usual spread."""
    median, spread = state.errors
    return (log_error - median) / spread


def _log_errors(above: Any) -> tuple[Any, Any]:
    """Log-densities of errors, an array or a node of numbers >= 0, among normals and among everything else."""
    squared = above * above
    return squared * -0.5, squared * (-0.5 / BREADTH**2) - np.log(BREADTH)


def _defect_mixture(state: LatentState, evidence: Any) -> tuple[Mixture, Any]:
    """The mixture behind the defect score, and the features that it reads."""
    if state.with_error is None:
        return state.mixture, evidence.z
    return state.with_error, evidence.feature_set("code")


def _log_far(far: Beyond) -> tuple[Any, Any, Any]:
    """Log-densities of how far a row lies beyond the training rows among normal, other and defect; 0 for one within."""
    squared = far.normal * far.normal
    return squared * -0.5, squared * (-0.5 / BREADTH**2), far.labelled * far.labelled * -0.5


def _log_odds(
    state: Mixture, features: Float[np.ndarray, "row feature"], far: Beyond | None = None
) -> Float[np.ndarray, " row"]:
    joint = mixture_log_joint(state, features)
    joint = joint if far is None else joint + np.stack(_log_far(far)).T
    return joint[:, 2] - log_sum_exp(joint.T[:2])
