"""Patch memory: usual patches of normal pictures, and the patches of a picture that lie furthest from them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge, Le, Len
from jaxtyping import Float
from sklearn.decomposition import PCA
from torch import Tensor
from typing_extensions import TypedDict

from blemish.core.manifest import Fraction, declared
from blemish.modalities.features.pretrained import WIDTH, patches
from blemish.modalities.modality import packed, unpacked
from blemish.modalities.pictures import chunks

COMPONENTS = 96
MAX_PATCHES = 20_000  # that the components are learnt from
MAX_USUAL = 512  # patches that stand for all usual ones
MAX_SIDE = 1024  # pixels: the memory that a picture takes grows with its square
MIN_SPREAD = 1e-3  # of a component: what hardly varies must not outweigh all others
ROWS = 4  # pictures at a time: their patches stay in the processor's cache


@declared
class PatchFacts(TypedDict):
    """What a model file keeps of a patch memory; numbers are packed."""

    side: Annotated[int, Ge(16), Le(MAX_SIDE)]
    shares: Annotated[dict[str, Fraction], Len(1)]
    patches: str
    usual: str


@dataclass(frozen=True)
class PatchMemory:
    """Patches at one scale: in units of the patches' own spread, and how far from the usual ones.

    Attributes:
        side: Pixels that the longer side of a picture is resized to first: a larger one shows smaller defects.
        fractions: Feature set → fraction of a picture's patches, in (0, 1], that count. A small one does not average a
            pinhole away, a large one describes the picture as a whole.
        centre: Mean patch.
        directions: Principal components, each divided by its standard deviation.
        usual: Patches of the training pictures, in those units.
    """

    side: int
    fractions: Mapping[str, float]
    centre: Float[np.ndarray, " feature"]
    directions: Float[np.ndarray, "feature component"]
    usual: Float[np.ndarray, "patch component"]

    def pooled(self, x: Float[Tensor, "row channel height width"]) -> dict[str, Float[Tensor, "row feature"]]:
        """The mean of the most unusual patches of every picture.

        A patch is unusual in so far as it is far from the nearest usual one.

        Args:
            x: Pictures in [0, 1].

        Returns:
            By feature set, the mean whitened patch and the mean distance, shape (row, component + 1).
        """
        found = [self._pooled(chunk) for chunk in chunks(x, ROWS)]
        return {name: torch.cat([chunk[name] for chunk in found]) for name in self.fractions}

    def _pooled(self, x: Tensor) -> dict[str, Tensor]:
        centre, directions, usual = (
            torch.from_numpy(a).to(x.device) for a in (self.centre, self.directions, self.usual)
        )
        found = (patches(x, self.side) - centre) @ directions
        squared = found.square().sum(dim=2, keepdim=True) - 2 * found @ usual.T + usual.square().sum(dim=1)
        distance = squared.amin(dim=2, keepdim=True).clamp(min=0).sqrt()
        order = distance.argsort(dim=1, descending=True, stable=True)
        ranked = torch.cat([found, distance], dim=2).gather(1, order.expand(-1, -1, found.shape[2] + 1))
        kept = {name: max(1, round(fraction * ranked.shape[1])) for name, fraction in self.fractions.items()}
        return {name: ranked[:, :n].mean(dim=1) for name, n in kept.items()}

    def state(self) -> PatchFacts:
        """All of it as JSON values, arrays packed."""
        patches_ = packed(np.vstack([self.centre, self.directions.T]))
        return {"side": self.side, "shares": dict(self.fractions), "patches": patches_, "usual": packed(self.usual)}

    @classmethod
    def from_state(cls, state: PatchFacts) -> "PatchMemory":
        """The inverse of `state`."""
        rows = unpacked(state["patches"], WIDTH)
        usual = unpacked(state["usual"], len(rows) - 1)
        return cls(state["side"], state["shares"], rows[0].copy(), rows[1:].T.copy(), usual.copy())


def fit_patch_memory(
    x: Float[Tensor, "row channel height width"], side: int, fractions: Mapping[str, float]
) -> PatchMemory:
    """Learn which patches are usual.

    Args:
        x: Pictures in [0, 1], at least one; an even sample of their patches is used.
        side: See `PatchMemory`.
        fractions: See `PatchMemory`.

    Reference:
        Units after Defard et al., "PaDiM", 2021 (there a distribution for each position, here one for all); distance
        to the nearest of the usual patches after Roth et al., "Towards total recall in industrial anomaly detection",
        2022 (PatchCore; there a greedily chosen subset, here an even one).
    """
    seen = torch.cat([patches(chunk, side).flatten(0, 1) for chunk in x.split(ROWS)])
    seen = seen[_evenly(len(seen), MAX_PATCHES)].cpu().numpy()
    learnt = PCA(min(COMPONENTS, *seen.shape), svd_solver="full").fit(seen)
    spread = np.sqrt(learnt.explained_variance_) + MIN_SPREAD
    centre, directions = learnt.mean_.astype(np.float32), (learnt.components_ / spread[:, None]).T.astype(np.float32)
    usual = (seen[_evenly(len(seen), MAX_USUAL)] - centre) @ directions
    return PatchMemory(side, fractions, centre, directions, usual)


def _evenly(n: int, most: int) -> Tensor:
    """At most this many of n places, evenly spread."""
    return torch.linspace(0, n - 1, min(n, most)).long()
