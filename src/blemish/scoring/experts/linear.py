"""A plane between the labelled defects and the rest: logistic regression."""

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression

from blemish.core.graph import Node
from blemish.scoring.evidence import State
from blemish.scoring.experts.expert import ExportableExpert, Features, Flags, Numbers
from blemish.scoring.experts.scaling import fit_scaling, scaled, scaled_graph


class LinearExpert(ExportableExpert):
    """An expert whose score is linear in the features.

    The state holds the plane's 'normal' vector w (feature,) and 'offset' b; the features' scaling, if any.
    """

    def score(self, state: State, x: Features) -> Numbers:
        r"""Log-odds :math:`w^\top x + b`, up to the prior."""
        return scaled(state, x) @ state["normal"] + float(state["offset"])

    def graph(self, state: State, x: Node) -> Node:
        """See `ExportableExpert`."""
        return scaled_graph(state, x) @ state["normal"] + state["offset"]


@dataclass(frozen=True)
class Linear(LinearExpert):
    """Logistic regression with an L2 penalty.

    Needs few labels, and is the best expert where a defect lies in a corner of the data. Not for a defect that is
    surrounded by normals.

    Attributes:
        strength: Inverse penalty for features of unit mean square; it is divided by their number, because 8 labels
            must not determine 1,000 free weights.
        standardise: Divide each feature by its standard deviation first.

    Reference:
        Pedregosa et al., "Scikit-learn", 2011: `LogisticRegression`.
    """

    strength: float = 10.0
    standardise: bool = True

    def fit(self, x: Features, is_defect: Flags, weight: Numbers, seed: int) -> State:
        """Fit the plane; see `Expert`."""
        scaling = fit_scaling(x) if self.standardise else {}
        x = scaled(scaling, x)
        inverse_penalty = min(1.0, self.strength / x.shape[1]) / max(float(np.square(x).mean()), 1e-12)
        model = LogisticRegression(C=inverse_penalty, max_iter=500, random_state=seed)
        model.fit(x, is_defect, sample_weight=weight)
        offset = np.array(float(np.ravel(model.intercept_)[0]))
        return {**scaling, "normal": model.coef_[0].astype(np.float64), "offset": offset}
