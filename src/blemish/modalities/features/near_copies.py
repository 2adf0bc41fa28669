"""Which pictures show the same thing: exposures of one part, frames of one moment."""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.cluster.hierarchy import fcluster, linkage
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d

SIDE = 32  # pixels of the copies that are compared
WINDOW = 9  # pixels: brightness and contrast are those of such a neighbourhood, so that lighting does not matter
SAME = 0.5
"""Correlation above which two pictures show the same thing (decisions.md 113)."""
ROWS = 1024  # pictures at a time
MIN_NORM = 1e-6  # where all pictures are equal, nothing is left of any


def near_copies(
    x: Float[Tensor, "row channel height width"], is_defect: Bool[np.ndarray, " row"]
) -> Int[np.ndarray, " row"] | None:
    """Groups of pictures of which one is labelled the defect, and which show the same thing; others are alone.

    Compared is what is left of a picture without the mean of all pictures, in units of the local contrast.

    Args:
        x: Pictures.
        is_defect: Which are labelled defects.

    Returns:
        A number per picture, equal for those of a group. None where no labelled defect is like another one, or all are
        one group: then there is nothing to keep together, or nothing else to learn from.
    """
    known = np.flatnonzero(is_defect)
    if len(known) < 2:
        return None
    flat = _compared(x)
    to_known = flat @ flat[known].T
    apart = 1 - to_known[known]
    condensed = np.clip(apart[np.triu_indices(len(known), 1)], 0, 2)
    of_known = fcluster(linkage(condensed, "average"), 1 - SAME, criterion="distance") - 1
    n_groups = int(of_known.max()) + 1
    if n_groups in (1, len(known)):
        return None
    mean = np.stack([to_known[:, of_known == k].mean(axis=1) for k in range(n_groups)], axis=1)
    found = np.where(mean.max(axis=1) > SAME, mean.argmax(axis=1), n_groups + np.arange(len(flat)))
    found[known] = of_known
    return found.astype(np.int64)


def _compared(x: Float[Tensor, "row channel height width"]) -> Float[np.ndarray, "row pixel"]:
    """Pictures as vectors of length 1, or 0, whose products are correlations."""
    flat = torch.cat([_contrast(some) for some in x.split(ROWS)])
    flat -= flat.mean(dim=0)
    return (flat / flat.norm(dim=1, keepdim=True).clamp(min=MIN_NORM)).cpu().numpy().astype(np.float64)


def _contrast(x: Float[Tensor, "row channel height width"]) -> Float[Tensor, "row pixel"]:
    small = adaptive_avg_pool2d(x.mean(dim=1, keepdim=True), (min(SIDE, x.shape[-2]), min(SIDE, x.shape[-1])))

    def local(values: Tensor) -> Tensor:
        return avg_pool2d(values, WINDOW, stride=1, padding=WINDOW // 2, count_include_pad=False)

    centred = small - local(small)
    return (centred / (local(centred.square()).sqrt() + 1e-3)).flatten(1)
