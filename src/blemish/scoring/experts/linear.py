"""Experts whose score is linear in the features: logistic regression, Fisher's discriminant, a common direction."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Float64
from sklearn.covariance import ledoit_wolf
from sklearn.linear_model import LogisticRegression

from blemish.core.graph import Node
from blemish.core.state import State
from blemish.scoring.experts.expert import (
    ExportableExpert,
    Features,
    Flags,
    Numbers,
    Scaling,
    fit_scaling,
    scaled,
    scaled_graph,
)

MAX_ROUNDS = 20  # concentration steps of `common_direction`; a handful is usual


@dataclass(frozen=True)
class Plane(State):
    """A plane's normal vector w and offset b; the features' scaling, if any."""

    normal: Float64[np.ndarray, " feature"]
    offset: Float64[np.ndarray, ""]
    scaling: Scaling | None = None


class LinearExpert(ExportableExpert[Plane]):
    """An expert whose score is linear in the features."""

    state = Plane

    def score(self, state: Plane, x: Features) -> Numbers:
        r"""Log-odds :math:`w^\top x + b`, up to the prior."""
        return scaled(state.scaling, x) @ state.normal + float(state.offset)

    def graph(self, state: Plane, x: Node) -> Node:
        """See `ExportableExpert`."""
        return scaled_graph(state.scaling, x) @ state.normal + state.offset


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

    @property
    def given(self) -> Mapping[str, bool]:
        """See `Expert`."""
        return {"scaling": self.standardise}

    def fit(self, x: Features, is_defect: Flags, weight: Numbers, seed: int) -> Plane:
        """Fit the plane; see `Expert`."""
        scaling = fit_scaling(x) if self.standardise else None
        x = scaled(scaling, x)
        inverse_penalty = min(1.0, self.strength / x.shape[1]) / max(float(np.square(x).mean()), 1e-12)
        model = LogisticRegression(C=inverse_penalty, max_iter=500, random_state=seed)
        model.fit(x, is_defect, sample_weight=weight)
        offset = np.array(float(np.ravel(model.intercept_)[0]))
        return Plane(model.coef_[0].astype(np.float64), offset, scaling)


def discriminant(
    defects: Float[np.ndarray, "defect feature"],
    rest: Float[np.ndarray, "row feature"],
    weight: Float[np.ndarray, " row"],
) -> tuple[Float[np.ndarray, " feature"], Float[np.ndarray, " feature"]]:
    r"""The direction that tells defects from the rest, and the mean of the rest.

    .. math:: w = \Sigma^{-1} (\bar x_d - \bar x), \quad \Sigma = (1 - \rho) S + \rho \, \frac{\operatorname{tr} S}{p} I

    The scatter S is that of the rest alone, by their weights > 0: a handful of defects shows where they are, not how
    they vary.

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

    @property
    def given(self) -> Mapping[str, bool]:
        """See `Expert`."""
        return {"scaling": True}

    def fit(self, x: Features, is_defect: Flags, weight: Numbers, seed: int) -> Plane:
        """Fit the direction; see `Expert`."""
        scaling = fit_scaling(x[~is_defect])
        x = scaled(scaling, x).astype(np.float64)
        normal, centre = discriminant(x[is_defect], x[~is_defect], weight[~is_defect])
        return Plane(normal, np.array(-float(centre @ normal)), scaling)


def common_direction(x: Float[np.ndarray, "row feature"], fraction: float) -> Float[np.ndarray, " feature"]:
    r"""A unit vector along the mean of the fraction of the rows that lie furthest along it.

    From the leading right singular vector, by concentration steps: :math:`K \leftarrow` the rows with the largest
    :math:`x_i^\top m`, :math:`m \leftarrow \sum_{i \in K} x_i / \lVert \sum_{i \in K} x_i \rVert`. Each step raises
    the mean of the kept :math:`x_i^\top m`, or leaves it as it is. The rows are not centred.

    Reference:
        Rousseeuw and Van Driessen, "A fast algorithm for the minimum covariance determinant estimator", 1999,
        theorem 1 (concentration steps, there for a covariance).
    """
    direction = np.linalg.svd(x, full_matrices=False)[2][0]
    direction = direction * (np.sign((x @ direction).sum()) or 1.0)
    n_kept = max(1, round(fraction * len(x)))
    kept = np.empty(0, dtype=int)
    for _ in range(MAX_ROUNDS):
        now = np.sort(np.argsort(-(x @ direction), kind="stable")[:n_kept])
        if np.array_equal(now, kept):
            break
        kept, total = now, x[now].sum(axis=0)
        direction = total / (np.linalg.norm(total) or 1.0)
    return direction


@dataclass(frozen=True)
class Common(State):
    """What half of the rows have in common."""

    direction: Float64[np.ndarray, " feature"]


@dataclass(frozen=True)
class Direction(ExportableExpert[Common]):
    """How little a row has of what half of the rows have in common; unsupervised.

    For texts and other rows whose length is bounded and whose zero means "nothing of it". Not for centred numbers,
    where a direction and its opposite are alike.

    Attributes:
        share: Fraction of the rows that have it in common, in (0, 1].
    """

    share: float = 0.5
    state = Common
    uses_labels: ClassVar[bool] = False

    def fit(self, x: Features, is_defect: Flags, weight: Numbers, seed: int) -> Common:
        """Find the direction; see `Expert`."""
        return Common(common_direction(x[~is_defect].astype(np.float64), self.share))

    def score(self, state: Common, x: Features) -> Numbers:
        """Minus the length along the direction."""
        return -(x @ state.direction)

    def graph(self, state: Common, x: Node) -> Node:
        """See `ExportableExpert`."""
        return -(x @ state.direction)
