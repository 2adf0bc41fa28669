"""The NumPy step gives PyTorch's gradients, is taken where it can be and nowhere else, and can be left out."""

import numpy as np
import pytest
import torch
from torch import nn

from blemish.autoencoder import BACKBONES, BOTTLENECKS
from blemish.autoencoder.autoencoder import Autoencoder
from blemish.core.output import Batch, Block
from blemish.losses import LOSSES
from blemish.losses.reconstruction.huber import Huber
from blemish.training import loop
from blemish.training.batches import Plan, TrainingData
from blemish.training.numpy_step import GRADIENTS, numpy_step

BLOCKS = tuple(Block(i, i + 1, "numeric") for i in range(5))
MIXED = (*BLOCKS[:3], Block(3, 5, "categorical"))
MARKED = (*BLOCKS[:3], Block(3, 4, "binary"), BLOCKS[4])
TERMS = {name: loss() for name, loss in LOSSES.items() if loss in GRADIENTS} | {"huber, delta 0.3": Huber(delta=0.3)}


def network(backbone="mlp", bottleneck="plain", blocks=(), shape=(5,)):
    torch.manual_seed(0)
    part, options = BOTTLENECKS[bottleneck](3), {"widths": (16, 8)} if backbone == "mlp" else {}
    return Autoencoder(BACKBONES[backbone](shape, part.hidden_dim, 3, blocks, **options), part)


def with_gradients(model):
    for weight in model.parameters():
        weight.grad = torch.full_like(weight, torch.nan)
    return model


@pytest.mark.parametrize("columns", [BLOCKS, MARKED], ids=["numbers", "numbers and yes/no"])
@pytest.mark.parametrize("n", [1, 7])
@pytest.mark.parametrize("shape", [(5,), (1, 2, 3)])
@pytest.mark.parametrize("backbone", ["mlp", "linear"])
@pytest.mark.parametrize("loss", TERMS)
def test_error_and_gradients_are_those_of_autograd(loss, backbone, shape, n, columns):
    term, source = TERMS[loss], torch.Generator().manual_seed(1)
    x, seen = (2 * torch.randn(n, *shape, generator=source) for _ in range(2))
    blocks: tuple[Block, ...] = ()
    if shape == (5,):
        blocks = columns
        x[:, 3] = (x[:, 3] > 0).float()
    batch = Batch(x, torch.zeros(n, dtype=torch.long), blocks)
    ours, theirs = with_gradients(network(backbone, shape=shape)), network(backbone, shape=shape)
    step = numpy_step(ours, [term], blocks)
    assert step is not None
    step.gradient(batch, x)
    error = step.gradient(batch, seen)  # into the same memory
    expected = term(batch, theirs(seen))
    expected.backward()
    assert error == pytest.approx(float(expected.detach()), rel=1e-5)
    for (name, a), b in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize("corrupted", [False, True])
@pytest.mark.parametrize("loss", TERMS)
def test_without_the_numpy_step_the_loop_ends_at_the_same_weights(loss, corrupted, monkeypatch):
    x = torch.randn(101, 5, generator=torch.Generator().manual_seed(1))
    noise = (lambda x, generator, blocks: x + torch.randn(x.shape, generator=generator)) if corrupted else None
    plan, ended = Plan(epochs=6, batch_size=16, corruption=noise), {}
    for taken in ("numpy", "autograd"):
        if taken == "autograd":
            monkeypatch.setattr(loop, "numpy_step", lambda *_: None)
        model, data = network(), TrainingData(x, torch.zeros(101, dtype=torch.long), BLOCKS)
        records = list(loop.train(model, data, [TERMS[loss]], plan, torch.Generator().manual_seed(0)))
        assert {record.step for record in records} == {taken}
        ended[taken] = [record.total for record in records], [w.detach() for w in model.parameters()]
    np.testing.assert_allclose(ended["numpy"][0], ended["autograd"][0], rtol=1e-4)
    for a, b in zip(ended["numpy"][1], ended["autograd"][1], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


def test_what_it_does_not_know_is_left_to_pytorch():
    mse = LOSSES["mse"]()
    assert numpy_step(with_gradients(network()), [mse], BLOCKS) is not None
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
        (network(), [type("Another", (type(mse),), {})()], BLOCKS),
    ]
    for model, terms, blocks in others:
        assert numpy_step(with_gradients(model), terms, blocks) is None
    bent = network()
    bent.decoder = nn.Sequential(bent.decoder, nn.Tanh())
    assert numpy_step(with_gradients(bent), [mse], BLOCKS) is None
