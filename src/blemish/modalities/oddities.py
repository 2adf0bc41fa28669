"""The most unusual patches of a picture: what is wrong with it, wherever in it."""

from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from sklearn.decomposition import PCA
from torch import Tensor

from blemish.modalities.pictures import chunks
from blemish.modalities.pretrained import WIDTH, patches

COMPONENTS = 96
MOST_PATCHES = 20_000  # that the components are learnt from
LEAST_SPREAD = 1e-3  # of a component: what hardly varies must not outweigh all others
ROWS = 8  # pictures at a time: their patches stay in the cache


@dataclass(frozen=True)
class Oddities:
    """Patches in units of their own spread.

    Attributes:
        centre: Mean patch.
        directions: Principal components, each divided by its standard deviation.
    """

    centre: Float[np.ndarray, " feature"]
    directions: Float[np.ndarray, "feature component"]

    def pooled(
        self, x: Float[Tensor, "row channel height width"], shares: Iterable[float]
    ) -> list[Float[Tensor, "row feature"]]:
        """The mean of the most unusual patches of every picture, for each share of the patches.

        A patch is the more unusual the longer it is. With a small share a pinhole is not averaged away, with a large
        one the picture as a whole is seen.

        Args:
            x: Pictures in [0, 1].
            shares: Of the patches, in (0, 1].

        Returns:
            A view a share: the mean whitened patch and the mean length, shape (row, component + 1).
        """
        found = [self._pooled(chunk, shares) for chunk in chunks(x, ROWS)]
        return [torch.cat(views) for views in zip(*found, strict=True)]

    def _pooled(self, x: Tensor, shares: Iterable[float]) -> list[Tensor]:
        centre, directions = (torch.from_numpy(a).to(x.device) for a in (self.centre, self.directions))
        found = (patches(x) - centre) @ directions
        length = found.norm(dim=2, keepdim=True)
        order = length.argsort(dim=1, descending=True, stable=True)
        ranked = torch.cat([found, length], dim=2).gather(1, order.expand(-1, -1, found.shape[2] + 1))
        return [ranked[:, : max(1, round(share * ranked.shape[1]))].mean(dim=1) for share in shares]

    def state(self) -> dict[str, Any]:
        """Both arrays (packed), as JSON values."""
        packed = np.ascontiguousarray(np.vstack([self.centre, self.directions.T]), dtype="<f4").tobytes()
        return {"patches": b64encode(packed).decode("ascii")}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "Oddities":
        """The inverse of `state`."""
        rows = np.frombuffer(b64decode(state["patches"], validate=True), dtype="<f4").reshape(-1, WIDTH)
        return cls(rows[0].copy(), rows[1:].T.copy())


def fit_oddities(x: Float[Tensor, "row channel height width"]) -> Oddities:
    """Learn which patches are usual.

    Args:
        x: Pictures in [0, 1], at least one; an even sample of their patches is used.

    Reference:
        Mahalanobis, "On the generalised distance in statistics", 1936; on patches of a pretrained network Defard et
        al., "PaDiM", 2021 (there a distribution for each position, here one for all).
    """
    seen = torch.cat([patches(chunk).flatten(0, 1) for chunk in x.split(ROWS)])
    seen = seen[torch.linspace(0, len(seen) - 1, min(len(seen), MOST_PATCHES)).long()].cpu().numpy()
    learnt = PCA(min(COMPONENTS, *seen.shape), svd_solver="full").fit(seen)
    spread = np.sqrt(learnt.explained_variance_) + LEAST_SPREAD
    return Oddities(learnt.mean_.astype(np.float32), (learnt.components_ / spread[:, None]).T.astype(np.float32))
