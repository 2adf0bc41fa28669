"""What the ensemble learns, as its model file keeps it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float64

from blemish.core.state import State, need
from blemish.scoring.far import NOTHING_FAR, STORED_AS, Far
from blemish.scoring.mixture import Whitening
from blemish.scoring.surprisal import Tail


@dataclass(frozen=True)
class MemberState(State):
    """What an expert learnt, and the levels of its scores."""

    own: State
    tail: Tail


@dataclass(frozen=True)
class Weighting(State):
    """What the ensemble learns from labelled defects.

    Attributes:
        known_level: Highest outlier score of the training rows.
        most: Cap on the surprisal of each expert.
        weights: Of the experts; they sum to 1.
        mean: Mean surprisal of unseen defects by each expert.
        out_of_fold: Defect score of each labelled defect by experts that have not seen it.
        slope: Of the log-odds of the defect in its score, > 0.
        intercept: Of the same.
        rivals: Likewise of each labelled defect of another kind; None where there is one kind only.
    """

    may_be_empty = ("rival",)

    stored_as: ClassVar[Mapping[str, str]] = {"mean": "far_out", "out_of_fold": "unseen"}

    known_level: Float64[np.ndarray, ""]
    most: Float64[np.ndarray, " expert"]
    weights: Float64[np.ndarray, " expert"]
    mean: Float64[np.ndarray, " expert"]
    out_of_fold: Float64[np.ndarray, " defect"]
    slope: Float64[np.ndarray, ""]
    intercept: Float64[np.ndarray, ""]
    rivals: Float64[np.ndarray, " rival"] | None = None

    def check(self) -> None:
        """See `State`."""
        need((self.weights >= 0).all() and np.isclose(self.weights.sum(), 1), "the weights do not sum to 1")
        need(self.slope > 0, "the slope is not above 0")


@dataclass(frozen=True)
class EnsembleState(State):
    """What the ensemble learns: of the log error, each expert, labelled defects where there are any, and the ranges.

    Attributes:
        errors: Units of the log error.
        members: Of the experts, in the order of `Ensemble._experts`.
        parts: There is one where the fit had parts, and with it experts on them.
        labelled: What is learnt from labelled defects.
        far: Ranges of the training rows.
    """

    stored_as: ClassVar[Mapping[str, str]] = STORED_AS

    errors: Whitening
    members: tuple[MemberState, ...]
    parts: Float64[np.ndarray, ""] | None = None
    labelled: Weighting | None = None
    far: Far = NOTHING_FAR
