"""Which way do the defects lie, in units of how much the rest varies that way? Fisher's linear discriminant."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float
from sklearn.covariance import ledoit_wolf

from blemish.core.graph import Node
from blemish.scoring.experts.expert import State
from blemish.scoring.experts.linear import linear_graph, linear_score
from blemish.scoring.experts.scaling import fit_scaling, scaled


def discriminant(
    defects: Float[np.ndarray, "defect feature"],
    rest: Float[np.ndarray, "row feature"],
    weight: Float[np.ndarray, " row"],
) -> tuple[Float[np.ndarray, " feature"], Float[np.ndarray, " feature"]]:
    r"""The direction that tells defects from the rest, and the mean of the rest.

    .. math:: w = \Sigma^{-1} (\bar x_d - \bar x), \quad \Sigma = (1 - \rho) S + \rho \, \frac{\operatorname{tr} S}{p} I

    The scatter S is that of the rest alone: a handful of defects says where they are, not how they vary.

    Args:
        defects: Labelled defects.
        rest: Everything else.
        weight: Of each of the rest, > 0.

    Reference:
        Fisher, "The use of multiple measurements in taxonomic problems", 1936; the share rho after Ledoit and Wolf,
        "A well-conditioned estimator for large-dimensional covariance matrices", 2004.
    """
    share = weight / weight.mean()
    centre = np.average(rest, axis=0, weights=share)
    covariance, _ = ledoit_wolf((rest - centre) * np.sqrt(share)[:, None], assume_centered=True)
    return np.linalg.lstsq(covariance, defects.mean(axis=0) - centre, rcond=None)[0], centre


@dataclass(frozen=True)
class Discriminant:
    """Fisher's linear discriminant, its covariance shrunk.

    The best expert where there are many features that go together and a single label or a handful: it learns from the
    unlabelled rows which differences are nothing special. Not for a defect in a corner of few columns, where most rows
    say little about the border (`Linear`), or one that is surrounded by normals (`Kernel`).
    """

    uses_labels: ClassVar[bool] = True

    def fit(
        self,
        x: Float[np.ndarray, "row feature"],
        is_defect: Bool[np.ndarray, " row"],
        weight: Float[np.ndarray, " row"],
        seed: int,
    ) -> State:
        """Fit the direction; see `Expert`."""
        scaling = fit_scaling(x[~is_defect])
        x = scaled(scaling, x).astype(np.float64)
        normal, centre = discriminant(x[is_defect], x[~is_defect], weight[~is_defect])
        return {**scaling, "normal": normal, "offset": np.array(-float(centre @ normal))}

    def score(self, state: State, x: Float[np.ndarray, "row feature"]) -> Float[np.ndarray, " row"]:
        """Along the direction."""
        return linear_score(state, x)

    def graph(self, state: State, x: Node) -> Node:
        """`score` as part of an ONNX graph."""
        return linear_graph(state, x)
