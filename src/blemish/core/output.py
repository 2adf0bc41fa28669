"""What all parts agree on: a batch goes in, an `Output` comes out, a loss term reads both."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor, nn


class Block(NamedTuple):
    """One column of a table inside the feature axis of `x`: features `start` to `stop`."""

    start: int
    stop: int
    kind: Literal["numeric", "binary", "categorical"]


@dataclass(frozen=True)
class Batch:
    """What a loss term may know of its rows.

    Attributes:
        x: The clean samples, shape (batch, *sample).
        group: Shape (batch,), codes of `blemish.core.labels`.
        blocks: The columns of a table; empty for other modalities.
        learnt: How many of the first rows, and no others, are unlabelled or normal; None: the groups say which.
        pace: How fast each clip is played, shape (batch,), as a multiple of the ordinary: 1 as it came, NaN where
            nobody knows; None where there is no time.
    """

    x: Float[Tensor, "batch *sample"]
    group: Int[Tensor, " batch"]
    blocks: tuple[Block, ...] = ()
    learnt: int | None = None
    pace: Float[Tensor, " batch"] | None = None

    def first(self, n: int) -> "Batch":
        """The first n rows."""
        if n == len(self.group):
            return self
        learnt = None if self.learnt is None else min(n, self.learnt)
        pace = None if self.pace is None else self.pace[:n]
        return Batch(self.x[:n], self.group[:n], self.blocks, learnt, pace)


class SelfMade(NamedTuple):
    """Outliers made of normals: samples (batch, *sample), and their pace as in `Batch`."""

    x: Float[Tensor, "batch *sample"]
    pace: Float[Tensor, " batch"] | None = None


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


@runtime_checkable
class LossTerm(Protocol):
    """One summand of the objective: a frozen dataclass that declares what it needs.

    Attributes:
        weight: Factor of the term in the total.
        needs: Fields of `Output` that have to be filled; checked before training.
        needs_defects: Whether the term is trained only with labelled defects in every batch.
        wants_views: Whether its batches are seen through random views.
        wants_outliers: Whether its batches hold self-made outliers.
    """

    needs: ClassVar[tuple[str, ...]]
    needs_defects: ClassVar[bool]
    wants_views: ClassVar[bool]
    wants_outliers: ClassVar[bool]

    @property
    def weight(self) -> float: ...

    @property
    def lower_bound(self) -> float:
        """A number that the unweighted term never falls below, for any code; minus infinity if there is none."""
        ...

    def __call__(self, batch: Batch, out: Output) -> Float[Tensor, ""]: ...


@runtime_checkable
class OwnStep(LossTerm, Protocol):
    """A loss term that is not summed: after each step on the sum it takes one of its own, with its own optimiser.

    Its weight only scales what the records show: Adam does not feel it. Its step decodes nothing unless it trains the
    decoder; `x_hat` is empty then.

    Attributes:
        trains: The parts of the network that its step moves: 'encoder', 'bottleneck', 'decoder'.
        lr_factor: Its learning rate as a multiple of the schedule's, > 0.
    """

    trains: ClassVar[tuple[str, ...]]
    lr_factor: ClassVar[float]


MeanError = Callable[
    [Float[np.ndarray, "batch feature"], Float[np.ndarray, "batch feature"], Float[np.ndarray, "batch feature"]], float
]
"""The mean error of x and x_hat over all elements; its gradient by x_hat is written into the third array."""


@runtime_checkable
class WrittenOut(LossTerm, Protocol):
    """A loss term with its own NumPy gradient: `blemish.training.numpy_step` trains it without autograd."""

    def written_out(self, blocks: tuple[Block, ...]) -> MeanError | None:
        """The term where every row is to be learnt, without its weight; None for columns that it does not know."""
        ...


@runtime_checkable
class Reconstruction(LossTerm, Protocol):
    """A loss term that also tells how badly each row, and each element of it, is reconstructed."""

    def activate(
        self, x_hat: Float[Tensor, "batch *sample"], blocks: tuple[Block, ...]
    ) -> Float[Tensor, "batch *sample"]: ...

    def error_map(
        self, x: Float[Tensor, "batch *sample"], x_hat: Float[Tensor, "batch *sample"], blocks: tuple[Block, ...]
    ) -> Float[Tensor, "batch *element"]: ...

    def sample_error(
        self, x: Float[Tensor, "batch *sample"], x_hat: Float[Tensor, "batch *sample"], blocks: tuple[Block, ...]
    ) -> Float[Tensor, " batch"]: ...
