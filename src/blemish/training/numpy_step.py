"""Forth and back through a chain of layers, written out: no graph is recorded and nothing is allocated.

A step of a table's network is some fifty operations of a few microseconds; to record them and to look up their
gradients costs more than their arithmetic. NumPy works on the memory of PyTorch's tensors, and has less to do around
each operation.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from blemish.autoencoder.autoencoder import Autoencoder
from blemish.autoencoder.bottlenecks.plain import Plain
from blemish.autoencoder.layers import CategoryEmbedding, Unfold
from blemish.core.output import Batch, Block, LossTerm, MeanError, WrittenOut

HALF, ONE = np.array(0.5, np.float32), np.array(1, np.float32)  # a Python number would be converted at each use

Call = tuple[Callable[..., object], tuple[np.ndarray, ...]]


class Program:
    """All calls of a step on so many rows, each with its arguments; they read and write the same memory every time.

    Attributes:
        seen: What goes in, shape (n, feature).
        x_hat: What the forward calls make of it, shape (n, feature).
        of_x_hat: Its gradient, which the backward calls start from; spoilt by them.
    """

    def __init__(self, linears: Sequence[tuple[nn.Linear, bool]], n: int) -> None:
        """Take the memory, and write the calls down; arguments as of `Chain`."""
        self.forward: list[Call] = []
        self.backward: list[Call] = []
        x = self.seen = np.empty((n, linears[0][0].in_features), np.float32)
        ones = np.ones(n, np.float32)
        into_x = np.empty((0, 0), np.float32)  # nobody asks for the gradient of what goes in
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


class Chain:
    """The gradient of a mean reconstruction error through linear layers with SiLU between them.

    The same numbers as PyTorch's, up to rounding.
    """

    def __init__(self, linears: Sequence[tuple[nn.Linear, bool]], error: MeanError) -> None:
        """Keep what is computed.

        Args:
            linears: First to last, and whether a SiLU follows; their weights have gradients already.
            error: Of the last layer's result.
        """
        self._linears, self._error = linears, error
        self._programs: dict[int, Program] = {}

    def gradient(self, batch: Batch, seen: Float[torch.Tensor, "batch *sample"]) -> float:
        """The mean error; the gradient of every weight is written where the last one was.

        Args:
            batch: What is to be reconstructed, all of it.
            seen: What the network sees of it.
        """
        n = len(seen)
        if n not in self._programs:
            self._programs[n] = Program(self._linears, n)
        program = self._programs[n]
        with np.errstate(all="ignore"):  # the loop says what is not finite
            np.copyto(program.seen, seen.numpy().reshape(n, -1))
            for call, arguments in program.forward:
                call(*arguments)
            error = self._error(batch.x.numpy().reshape(n, -1), program.x_hat, program.of_x_hat)
            for call, arguments in program.backward:
                call(*arguments)
        return error


def chain_of(network: Autoencoder, terms: Sequence[LossTerm], blocks: tuple[Block, ...]) -> Chain | None:
    """The chain that a network is, where all of it and the objective are written out here; None: leave it to PyTorch.

    Args:
        network: Its weights have gradients already.
        terms: The objective.
        blocks: The columns of a table.
    """
    error = _written_out(terms[0], blocks) if len(terms) == 1 and terms[0].weight == 1 else None
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
    return Chain(linears, error)


def _written_out(term: LossTerm, blocks: tuple[Block, ...]) -> MeanError | None:
    own = "written_out" in vars(type(term))  # a subclass may compute something else than what it inherits
    return term.written_out(blocks) if own and isinstance(term, WrittenOut) else None


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
