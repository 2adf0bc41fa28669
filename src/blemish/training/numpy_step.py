"""Training step of an MLP in NumPy: forward and backward pass without autograd and without allocations.

A step of a table's network is some fifty operations of a few microseconds; to record them and to look up their
gradients costs more than their arithmetic. NumPy works on the memory of PyTorch's tensors, with less overhead around
each operation: half the time of a training (decisions.md 51, 54).

This file is optional. It knows the losses of `GRADIENTS`; any other loss or network is left to PyTorch, and the records
of a fit name the path that was taken (`EpochRecord.step`). Without this file and its use in `blemish.training.loop`
everything trains as well, only slower.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from blemish.autoencoder.autoencoder import Autoencoder, Plain
from blemish.autoencoder.layers import CategoryEmbedding, Unfold
from blemish.core.output import Batch, Blocks
from blemish.losses.loss import Loss
from blemish.losses.reconstruction.huber import Huber
from blemish.losses.reconstruction.mse import Mse
from blemish.losses.reconstruction.typed import Typed

HALF, ONE = np.array(0.5, np.float32), np.array(1, np.float32)  # a Python number would be converted at each use

Call = tuple[Callable[..., object], tuple[np.ndarray, ...]]
Rows = Float[np.ndarray, "batch feature"]
MeanError = Callable[[Rows, Rows, Rows], float]
"""The mean error of x and x_hat over all elements; its gradient by x_hat is written into the third array."""


def squared_gradient(x: Rows, x_hat: Rows, into: Rows) -> float:
    """The mean of `squared_error`; its gradient by `x_hat` is written into the third array.

    Example:
        >>> squared_gradient(np.array([[1.0, 4.0]]), np.array([[2.0, 1.0]]), into := np.empty((1, 2))), into
        (5.0, array([[ 1., -3.]]))
    """
    np.subtract(x_hat, x, out=into)
    error = float(np.vdot(into, into)) / into.size
    into *= 2 / into.size
    return error


def huber_gradient(x: Rows, x_hat: Rows, into: Rows, delta: float = 1.0) -> float:
    """The mean of `huber_error`; its gradient by `x_hat` is written into the third array.

    Example:
        >>> huber_gradient(np.array([[1.0, 4.0]]), np.array([[2.0, 1.0]]), into := np.empty((1, 2))), into
        (1.5, array([[ 0.5, -0.5]]))
    """
    return huber_in_place(np.subtract(x_hat, x, out=into), delta)


def huber_in_place(difference: Rows, delta: float = 1.0) -> float:
    """The mean of Huber's error of some differences, which its gradient replaces."""
    cut = np.clip(difference, -delta, delta)
    difference -= cut / 2
    error = float(np.vdot(cut, difference)) / cut.size
    np.divide(cut, cut.size, out=difference)
    return error


def typed_gradient(x: Rows, x_hat: Rows, into: Rows, binary: list[int]) -> float:
    """The mean of `column_errors` without categories; its gradient by `x_hat` is written into the third array.

    The features `binary` are zeros and ones in `x`, and logits in `x_hat`; the others are scaled numbers.

    Example:
        >>> typed_gradient(np.array([[1.0, 1.0]]), np.array([[2.0, 0.0]]), into := np.empty((1, 2)), [1]), into
        (0.5965735902799727, array([[ 0.5 , -0.25]]))
    """
    np.subtract(x_hat, x, out=into)
    into[:, binary] = 0
    error, truth, logits = huber_in_place(into), x[:, binary], x_hat[:, binary]
    into[:, binary] = (1 / (1 + np.exp(-logits)) - truth) / into.size
    return error + float((np.logaddexp(0, logits) - logits * truth).sum()) / into.size


def _typed(blocks: Blocks) -> MeanError | None:
    if any(block.kind == "categorical" for block in blocks):
        return None
    binary = [block.start for block in blocks if block.kind == "binary"]
    return partial(typed_gradient, binary=binary) if binary else huber_gradient


GRADIENTS: dict[type[Loss], Callable[[Any, Blocks], MeanError | None]] = {
    Mse: lambda _term, _blocks: squared_gradient,
    Huber: lambda term, _blocks: partial(huber_gradient, delta=term.delta),
    Typed: lambda _term, blocks: _typed(blocks),
}
"""Class of a loss → the gradient of a term for these columns, before its weight; None: PyTorch's."""


class Program:
    """All calls of a step on this many rows, each with its arguments; they read and write the same memory every time.

    Attributes:
        seen: What goes in, shape (n, feature).
        x_hat: What the forward calls make of it, shape (n, feature).
        of_x_hat: Its gradient, where the backward calls start; they overwrite it.
    """

    def __init__(self, linears: Sequence[tuple[nn.Linear, bool]], n: int) -> None:
        """Allocate the memory and list the calls; arguments as of `NumpyStep`."""
        self.forward: list[Call] = []
        self.backward: list[Call] = []
        x = self.seen = np.empty((n, linears[0][0].in_features), np.float32)
        ones = np.ones(n, np.float32)
        into_x = np.empty((0, 0), np.float32)  # the gradient of the input is not needed
        for linear, curved in linears:
            weight, bias = (p.detach().numpy() for p in (linear.weight, linear.bias))
            of_weight, of_bias = (_gradient(p) for p in (linear.weight, linear.bias))
            a, s, y, gradient = np.empty((4, n, linear.out_features), np.float32)
            self.forward += [(np.dot, (x, weight.T, a)), (np.add, (a, bias, a))]
            back: list[Call] = []
            if curved:
                self.forward += [  # y = a s with s the logistic function, by tanh, which NumPy has at full speed
                    (np.multiply, (a, HALF, s)), (np.tanh, (s, s)), (np.add, (s, ONE, s)), (np.multiply, (s, HALF, s)),
                    (np.multiply, (a, s, y)),
                ]  # fmt: skip
                back += [  # its slope is s + y (1 - s)
                    (np.subtract, (ONE, s, a)), (np.multiply, (a, y, a)), (np.add, (a, s, a)),
                    (np.multiply, (gradient, a, gradient)),
                ]  # fmt: skip
            back += [(np.dot, (gradient.T, x, of_weight)), (np.dot, (ones, gradient, of_bias))]
            if into_x.size:
                back.append((np.dot, (gradient, weight, into_x)))
            self.backward = back + self.backward
            x, into_x = y if curved else a, gradient
        self.x_hat, self.of_x_hat = x, into_x


class NumpyStep:
    """The gradient of a mean reconstruction error through linear layers with SiLU between them.

    The same numbers as PyTorch's, up to rounding.
    """

    def __init__(self, linears: Sequence[tuple[nn.Linear, bool]], error: MeanError) -> None:
        """Store what is computed.

        Args:
            linears: First to last, and whether a SiLU follows; their weights have gradients already.
            error: Of the last layer's result.
        """
        self._linears, self._error = linears, error
        self._programs: dict[int, Program] = {}

    def gradient(self, batch: Batch, seen: Float[torch.Tensor, "batch *sample"]) -> float:
        """The mean error; the gradient of every weight is written where the last one was.

        Args:
            batch: What is to be reconstructed; all of its rows are unlabelled or normal.
            seen: What the network sees of it.
        """
        n = len(seen)
        if n not in self._programs:
            self._programs[n] = Program(self._linears, n)
        program = self._programs[n]
        with np.errstate(all="ignore"):  # the loop refuses what is not finite
            np.copyto(program.seen, seen.numpy().reshape(n, -1))
            for call, arguments in program.forward:
                call(*arguments)
            error = self._error(batch.x.numpy().reshape(n, -1), program.x_hat, program.of_x_hat)
            for call, arguments in program.backward:
                call(*arguments)
        return error


def numpy_step(network: Autoencoder, terms: Sequence[Loss], blocks: Blocks) -> NumpyStep | None:
    """The NumPy step of a network and an objective, or None: leave them to PyTorch.

    Args:
        network: Its weights have gradients already.
        terms: The objective.
        blocks: The columns of a table.
    """
    # several terms, or a weight, are left to PyTorch: nothing but one plain reconstruction loss is that cheap
    gradient_of = GRADIENTS.get(type(terms[0])) if len(terms) == 1 and terms[0].weight == 1 else None
    error = None if gradient_of is None else gradient_of(terms[0], blocks)
    weights = list(network.parameters())
    if error is None or type(network.bottleneck) is not Plain:
        return None
    if any(w.device.type != "cpu" or w.dtype != torch.float32 for w in weights):
        return None
    linears: list[tuple[nn.Linear, bool]] = []
    for module in (*_modules(network.encoder), *_modules(network.decoder)):
        if type(module) is nn.Linear:
            linears.append((module, False))
        elif type(module) is nn.SiLU and linears:
            linears[-1] = linears[-1][0], True
        elif not (isinstance(module, nn.Flatten | Unfold) or _passes(module)):
            return None
    return NumpyStep(linears, error)


def _modules(part: nn.Module) -> Iterator[nn.Module]:
    if type(part) is nn.Sequential:
        for module in part:
            yield from _modules(module)
    else:
        yield part


def _passes(module: nn.Module) -> bool:
    return isinstance(module, CategoryEmbedding) and not module.blocks


def _gradient(weight: torch.Tensor) -> np.ndarray:
    assert weight.grad is not None
    return weight.grad.numpy()
