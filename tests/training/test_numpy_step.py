"""The step written out is PyTorch's own, and is taken where it can be and nowhere else."""

from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from blemish.autoencoder.autoencoder import Autoencoder
from blemish.autoencoder.backbones import BACKBONES
from blemish.autoencoder.bottlenecks import BOTTLENECKS
from blemish.core.output import Batch, Block, WrittenOut
from blemish.losses import LOSSES
from blemish.losses.reconstruction.huber import Huber
from blemish.training.loop import Run, run
from blemish.training.numpy_step import chain_of
from blemish.training.task import Plan, Task, TrainingData

BLOCKS = tuple(Block(i, i + 1, "numeric") for i in range(5))
MIXED = (*BLOCKS[:3], Block(3, 5, "categorical"))
MARKED = (*BLOCKS[:3], Block(3, 4, "binary"), BLOCKS[4])
WRITTEN_OUT: dict[str, Any] = {name: loss() for name, loss in LOSSES.items() if isinstance(loss(), WrittenOut)} | {
    "huber": Huber(delta=0.3)
}


def network(backbone="mlp", bottleneck="plain", blocks=(), shape=(5,)):
    torch.manual_seed(0)
    part, options = BOTTLENECKS[bottleneck](3), {"widths": (16, 8)} if backbone == "mlp" else {}
    return Autoencoder(BACKBONES[backbone](shape, part.hidden_dim, 3, blocks, **options), part)


def with_gradients(model):
    for weight in model.parameters():
        weight.grad = torch.full_like(weight, torch.nan)
    return model


def unknown(term):
    """The same term by another name, which is left to PyTorch."""
    return type("Unknown", (type(term),), {})(**asdict(term))


@pytest.mark.parametrize("columns", [BLOCKS, MARKED], ids=["numbers", "numbers and yes/no"])
@pytest.mark.parametrize("n", [1, 7])
@pytest.mark.parametrize("shape", [(5,), (1, 2, 3)])
@pytest.mark.parametrize("backbone", ["mlp", "linear"])
@pytest.mark.parametrize("loss", WRITTEN_OUT)
def test_error_and_gradients_are_those_of_autograd(loss, backbone, shape, n, columns):
    term, source = WRITTEN_OUT[loss], torch.Generator().manual_seed(1)
    x, seen = (2 * torch.randn(n, *shape, generator=source) for _ in range(2))
    blocks: tuple[Block, ...] = ()
    if shape == (5,):
        blocks = columns
        x[:, 3] = (x[:, 3] > 0).float()
    batch = Batch(x, torch.zeros(n, dtype=torch.long), blocks)
    ours, theirs = with_gradients(network(backbone, shape=shape)), network(backbone, shape=shape)
    chain = chain_of(ours, [term], blocks)
    assert chain is not None
    chain.gradient(batch, x)
    error = chain.gradient(batch, seen)  # into the same memory
    expected = term(batch, theirs(seen))
    expected.backward()
    assert error == pytest.approx(float(expected.detach()), rel=1e-5)
    for (name, a), b in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize("corrupted", [False, True])
@pytest.mark.parametrize("loss", WRITTEN_OUT)
def test_a_whole_run_ends_where_pytorchs_does(loss, corrupted):
    x = torch.randn(101, 5, generator=torch.Generator().manual_seed(1))
    noise = (lambda x, generator, blocks: x + torch.randn(x.shape, generator=generator)) if corrupted else None
    plan = Plan(epochs=6, batch_size=16, corruption=noise)
    term, ended = WRITTEN_OUT[loss], {}
    for name, objective in {"chain": term, "autograd": unknown(term)}.items():
        model, data = network(), TrainingData(x, torch.zeros(101, dtype=torch.long), BLOCKS)
        task = Task(model, data, [objective], plan, torch.Generator().manual_seed(0))
        assert (Run(task)._chain is not None) == (name == "chain")
        records = list(run(task))
        ended[name] = [record.total for record in records], [w.detach() for w in model.parameters()]
    np.testing.assert_allclose(ended["chain"][0], ended["autograd"][0], rtol=1e-4)
    for a, b in zip(ended["chain"][1], ended["autograd"][1], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


def test_what_is_not_written_out_is_left_to_pytorch():
    mse = LOSSES["mse"]()
    assert chain_of(with_gradients(network()), [mse], BLOCKS) is not None
    others = [
        (network(bottleneck="variational"), [mse], BLOCKS),
        (network(bottleneck="rsr"), [mse], BLOCKS),
        (network(blocks=MIXED), [mse], MIXED),
        (network("conv", shape=(1, 8, 8)), [mse], ()),
        (network().double(), [mse], BLOCKS),
        (network(), [LOSSES["mse"](weight=2.0)], BLOCKS),
        (network(), [mse, LOSSES["margin"]()], BLOCKS),
        (network(), [LOSSES["l2p"]()], BLOCKS),
        (network(), [LOSSES["typed"]()], MIXED),
        (network(), [unknown(mse)], BLOCKS),
    ]
    for model, terms, blocks in others:
        assert chain_of(with_gradients(model), terms, blocks) is None
    bent = network()
    bent.decoder = nn.Sequential(bent.decoder, nn.Tanh())
    assert chain_of(with_gradients(bent), [mse], BLOCKS) is None
