"""A plane between the labelled defects and the rest: logistic regression, and Fisher's linear discriminant."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from sklearn.covariance import ledoit_wolf
from sklearn.linear_model import LogisticRegression

from blemish.core.graph import Node
from blemish.scoring.experts.expert import ExportableExpert, Features, Flags, Numbers, fit_scaling, scaled, scaled_graph
from blemish.scoring.scorer import State


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


def discriminant(
    defects: Float[np.ndarray, "defect feature"],
    rest: Float[np.ndarray, "row feature"],
    weight: Float[np.ndarray, " row"],
) -> tuple[Float[np.ndarray, " feature"], Float[np.ndarray, " feature"]]:
    r"""The direction that tells defects from the rest, and the mean of the rest.

    .. math:: w = \Sigma^{-1} (\bar x_d - \bar x), \quad \Sigma = (1 - \rho) S + \rho \, \frac{\operatorname{tr} S}{p} I

    The scatter S is that of the rest alone: a handful of defects shows where they are, not how they vary.

    Args:
        defects: Labelled defects.
        rest: Everything else.
        weight: Weight of each of the rest, > 0.

    Reference:
        Fisher, "The use of multiple measurements in taxonomic problems", 1936; the shrinkage rho after Ledoit and Wolf,
        "A well-conditioned estimator for large-dimensional covariance matrices", 2004.
    """
    relative = weight / weight.mean()
    centre = np.average(rest, axis=0, weights=relative)
    covariance, _ = ledoit_wolf((rest - centre) * np.sqrt(relative)[:, None], assume_centered=True)
    return np.linalg.lstsq(covariance, defects.mean(axis=0) - centre, rcond=None)[0], centre


@dataclass(frozen=True)
class Discriminant(LinearExpert):
    """Fisher's linear discriminant, its covariance shrunk.

    The best expert where there are many correlated features and one label or a handful (decisions.md 47): it learns
    from the unlabelled rows which differences are common. Not for a defect in a corner of few columns, where most rows
    are far from the boundary (`Linear`), or one that is surrounded by normals (`Kernel`).
    """

    def fit(self, x: Features, is_defect: Flags, weight: Numbers, seed: int) -> State:
        """Fit the direction; see `Expert`."""
        scaling = fit_scaling(x[~is_defect])
        x = scaled(scaling, x).astype(np.float64)
        normal, centre = discriminant(x[is_defect], x[~is_defect], weight[~is_defect])
        return {**scaling, "normal": normal, "offset": np.array(-float(centre @ normal))}
