"""Usual patches of normal pictures, and the patches of a picture that lie furthest from them."""

from collections.abc import Iterable, Mapping
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
class UsualFacts(TypedDict):
    """What a model file keeps of usual patches; numbers are packed."""

    patches: str
    usual: str


@declared
class PatchFacts(UsualFacts):
    """What a model file keeps of a patch memory."""

    side: Annotated[int, Ge(16), Le(MAX_SIDE)]
    shares: Annotated[dict[str, Fraction], Len(1)]


@dataclass(frozen=True)
class UsualPatches:
    """Units of patches, their own spread, and patches that stand for all usual ones.

    Attributes:
        centre: Mean patch.
        directions: Principal components, each divided by its standard deviation.
        usual: Patches of the training pictures, in those units.
    """

    centre: Float[np.ndarray, " feature"]
    directions: Float[np.ndarray, "feature component"]
    usual: Float[np.ndarray, "patch component"]

    @property
    def width(self) -> int:
        """Numbers that `described` gives per patch."""
        return self.directions.shape[1] + 1

    def described(self, x: Float[Tensor, "*row patch feature"]) -> Float[Tensor, "*row patch value"]:
        """Whitened patches, each with its distance from the nearest usual one as the last value."""
        centre, directions = (torch.from_numpy(a).to(x.device) for a in (self.centre, self.directions))
        found = (x - centre) @ directions
        return torch.cat([found, self.distance(found)[..., None]], dim=-1)

    def distance(self, x: Float[Tensor, "*row patch component"]) -> Float[Tensor, "*row patch"]:
        """How far whitened patches are from the nearest usual one."""
        usual = torch.from_numpy(self.usual).to(x.device)
        squared = x.square().sum(dim=-1, keepdim=True) - 2 * x @ usual.T + usual.square().sum(dim=1)
        return squared.amin(dim=-1).clamp(min=0).sqrt()

    def state(self) -> UsualFacts:
        """All of it as JSON values, arrays packed."""
        return {"patches": packed(np.vstack([self.centre, self.directions.T])), "usual": packed(self.usual)}

    @classmethod
    def from_state(cls, state: UsualFacts, width: int = WIDTH) -> "UsualPatches":
        """The inverse of `state`, for patches of a width."""
        rows = unpacked(state["patches"], width)
        usual = unpacked(state["usual"], len(rows) - 1)
        return cls(rows[0].copy(), rows[1:].T.copy(), usual.copy())


@dataclass(frozen=True)
class PatchMemory:
    """Usual patches at one scale, and how the most unusual ones of a picture are pooled.

    Attributes:
        side: Pixels that the longer side of a picture is resized to first: a larger one shows smaller defects.
        fractions: Feature set → fraction of a picture's patches, in (0, 1], that count. A small one does not average a
            pinhole away, a large one describes the picture as a whole.
        learnt: The usual patches.
    """

    side: int
    fractions: Mapping[str, float]
    learnt: UsualPatches

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
        found = self.learnt.described(patches(x, self.side))
        order = found[..., -1:].argsort(dim=1, descending=True, stable=True)
        ranked = found.gather(1, order.expand(-1, -1, found.shape[2]))
        kept = {name: max(1, round(fraction * ranked.shape[1])) for name, fraction in self.fractions.items()}
        return {name: ranked[:, :n].mean(dim=1) for name, n in kept.items()}

    def state(self) -> PatchFacts:
        """All of it as JSON values, arrays packed."""
        return {"side": self.side, "shares": dict(self.fractions), **self.learnt.state()}

    @classmethod
    def from_state(cls, state: PatchFacts) -> "PatchMemory":
        """The inverse of `state`."""
        return cls(state["side"], state["shares"], UsualPatches.from_state(state))


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
    return PatchMemory(side, fractions, learn_usual(seen[_evenly(len(seen), MAX_PATCHES)]))


def fit_usual_patches(patches_: Iterable[Float[Tensor, "_ feature"]], n: int) -> UsualPatches:
    """Learn from the patches of n pictures, one after the other; as many of each are used."""
    per_picture = max(1, MAX_PATCHES // n)
    return learn_usual(torch.cat([some[_evenly(len(some), per_picture)] for some in patches_]))


def learn_usual(patches_: Float[Tensor, "patch feature"]) -> UsualPatches:
    """From some patches, at most a few ten thousand."""
    seen = patches_.cpu().numpy()
    learnt = PCA(min(COMPONENTS, *seen.shape), svd_solver="full").fit(seen)
    spread = np.sqrt(learnt.explained_variance_) + MIN_SPREAD
    centre, directions = learnt.mean_.astype(np.float32), (learnt.components_ / spread[:, None]).T.astype(np.float32)
    return UsualPatches(centre, directions, (seen[_evenly(len(seen), MAX_USUAL)] - centre) @ directions)


def _evenly(n: int, most: int) -> Tensor:
    """At most this many of n places, evenly spread."""
    return torch.linspace(0, n - 1, min(n, most)).long()
