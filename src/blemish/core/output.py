"""What all parts of the network agree on: a batch goes in, an `Output` comes out, a loss term reads both."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from jaxtyping import Float, Int
from torch import Tensor, nn


class Block(NamedTuple):
    """One column of a table inside the feature axis of `x`: features `start` to `stop`."""

    start: int
    stop: int
    kind: Literal["numeric", "binary", "categorical"]


Blocks = tuple[Block, ...]
Samples = Float[Tensor, "batch *sample"]
Elements = Float[Tensor, "batch *element"]
Codes = Float[Tensor, "batch latent"]
Groups = Int[Tensor, " batch"]
PerRow = Float[Tensor, " batch"]
Scalar = Float[Tensor, ""]


@dataclass(frozen=True)
class Batch:
    """What a loss term may know of its rows.

    Attributes:
        x: The clean samples, shape (batch, *sample).
        group: Shape (batch,), codes of `blemish.core.labels`.
        blocks: The columns of a table; empty for other modalities.
        n_ordinary: This many first rows, and no others, are unlabelled or normal; None: see their groups.
        pace: Playback speed of each clip, shape (batch,), as a multiple of the recorded speed: 1 as it came, NaN where
            it is unknown; None where there is no time.
    """

    x: Float[Tensor, "batch *sample"]
    group: Int[Tensor, " batch"]
    blocks: tuple[Block, ...] = ()
    n_ordinary: int | None = None
    pace: Float[Tensor, " batch"] | None = None

    def first(self, n: int) -> "Batch":
        """The first n rows."""
        if n == len(self.group):
            return self
        n_ordinary = None if self.n_ordinary is None else min(n, self.n_ordinary)
        pace = None if self.pace is None else self.pace[:n]
        return Batch(self.x[:n], self.group[:n], self.blocks, n_ordinary, pace)


@dataclass(frozen=True)
class Output:
    """What the network made of a batch; a field that no part fills is None.

    Attributes:
        x_hat: Reconstruction of all rows or the first ones, (decoded, *sample); raw scores (logits) where the column is
            binary or categorical.
        h: Encoder output before the bottleneck, (batch, hidden).
        z: Latent code, (batch, latent).
        mu: Mean of q(z given x), (batch, latent).
        logvar: Log-variance of q(z given x), (batch, latent).
        basis: The RSR matrix, (latent, hidden).
        vectors: The learnt vectors of each categorical column of a table, (category, width).
    """

    x_hat: Float[Tensor, "decoded *sample"]
    h: Float[Tensor, "batch hidden"]
    z: Float[Tensor, "batch latent"]
    mu: Float[Tensor, "batch latent"] | None = None
    logvar: Float[Tensor, "batch latent"] | None = None
    basis: Float[Tensor, "latent hidden"] | None = None
    vectors: tuple[Float[Tensor, "_ _"], ...] | None = None

    def first(self, n: int) -> "Output":
        """The first n rows."""
        if n == len(self.z) == len(self.x_hat):
            return self
        mu, logvar = (None if field is None else field[:n] for field in (self.mu, self.logvar))
        return Output(self.x_hat[:n], self.h[:n], self.z[:n], mu, logvar, self.basis, self.vectors)


class Backbone(NamedTuple):
    """A network family's two halves: x (batch, *sample) → h (batch, hidden), and z (batch, latent) → x_hat."""

    encoder: nn.Module
    decoder: nn.Module
