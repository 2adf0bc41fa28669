"""In which direction do the defects lie, in units of how much the rest varies in it? Fisher's linear discriminant."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from sklearn.covariance import ledoit_wolf

from blemish.scoring.evidence import State
from blemish.scoring.experts.expert import Features, Flags, Numbers
from blemish.scoring.experts.linear import LinearExpert
from blemish.scoring.experts.scaling import fit_scaling, scaled


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
    say little about the boundary (`Linear`), or one that is surrounded by normals (`Kernel`).
    """

    def fit(self, x: Features, is_defect: Flags, weight: Numbers, seed: int) -> State:
        """Fit the direction; see `Expert`."""
        scaling = fit_scaling(x[~is_defect])
        x = scaled(scaling, x).astype(np.float64)
        normal, centre = discriminant(x[is_defect], x[~is_defect], weight[~is_defect])
        return {**scaling, "normal": normal, "offset": np.array(-float(centre @ normal))}
