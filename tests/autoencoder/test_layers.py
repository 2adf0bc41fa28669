"""Building blocks of the backbones against loops."""

import numpy as np
import pytest
import torch

import reference
from blemish.autoencoder.layers import (
    CategoryEmbedding,
    ConvLstmCell,
    Fold,
    Unfold,
    UpConv,
    embedding_dim,
    mlp,
    normalise,
)
from blemish.core.output import Block
from network_examples import samples

BLOCKS = (Block(0, 1, "numeric"), Block(1, 2, "binary"), Block(2, 6, "categorical"), Block(6, 9, "categorical"))


@torch.no_grad()
def test_conv_lstm_step_equals_the_loops():
    cell = ConvLstmCell(2, 3).double()
    x, h, c = (torch.randn(1, width, 4, 3, dtype=torch.float64) for width in (2, 3, 3))
    kernel, bias = (value.numpy() for value in cell.gates.parameters())
    expected = reference.conv_lstm_step(x[0].numpy(), h[0].numpy(), c[0].numpy(), kernel, bias)
    for result, wanted in zip(cell(x, (h, c)), expected, strict=True):
        np.testing.assert_allclose(result[0].numpy(), wanted, atol=1e-12)
    assert all(state.shape == (1, 3, 4, 3) and not state.any() for state in cell.zero_state(x))


@torch.no_grad()
def test_mlp_has_silu_between_layers_and_none_at_the_end():
    network = mlp((2, 3, 1)).double()
    x = torch.randn(1, 2, dtype=torch.float64)
    weight, bias, last_weight, last_bias = (value.numpy() for value in network.parameters())
    inner = [reference.silu(v) for v in (weight @ x[0].numpy() + bias).tolist()]
    expected = sum(w * v for w, v in zip(last_weight[0].tolist(), inner, strict=True)) + last_bias.item()
    assert float(network(x)) == pytest.approx(expected)
    assert len(mlp((2, 3))) == 1


@torch.no_grad()
def test_category_embedding_looks_its_vectors_up():
    embedding = CategoryEmbedding(9, BLOCKS)
    x = samples((9,), BLOCKS, n=6)
    result = embedding(x)
    assert result.shape == (6, embedding.out_features)
    assert torch.equal(result[:, :2], x[:, :2])
    for row in range(6):
        first, second = (int(x[row, b.start : b.stop].argmax()) for b in BLOCKS[2:])
        torch.testing.assert_close(
            result[row, 2:], torch.cat([embedding.weights[0][first], embedding.weights[1][second]])
        )


@torch.no_grad()
def test_an_unseen_category_has_the_vector_zero():
    embedding = CategoryEmbedding(9, BLOCKS)
    x = torch.zeros(1, 9)
    x[0, [2, 6]] = 1
    assert not embedding(x)[0, 2:].any()
    assert embedding(samples((9,), BLOCKS))[:, 2:].any(0).all()


def test_a_vector_of_a_category_that_does_not_occur_stays_where_it_is():
    embedding = CategoryEmbedding(9, BLOCKS)
    (gradient,) = torch.autograd.grad(embedding(samples((9,), BLOCKS)).sum(), [embedding.weights[0]])
    assert not gradient[0].any()
    assert gradient[1:].all()


@pytest.mark.parametrize(("categories", "width"), [(1, 1), (2, 1), (3, 2), (10, 5), (31, 16), (1000, 16)])
def test_embeddings_are_half_as_wide_as_the_vocabulary_up_to_16(categories, width):
    assert embedding_dim(categories) == width


@torch.no_grad()
@pytest.mark.parametrize("channels", [1, 3, 8, 12, 16])
def test_normalisation_stays_within_a_sample(channels):
    x = torch.randn(4, channels, 5, 5)
    torch.testing.assert_close(normalise(channels)(x)[:1], normalise(channels)(x[:1]))
    torch.testing.assert_close(normalise(channels)(10 * x + 3), normalise(channels)(10 * x + 3))
    assert float(normalise(channels)(100 * x).std()) == pytest.approx(1, abs=0.1)


def test_fold_and_unfold_are_inverse():
    x = torch.randn(2, 3, 4, 5, 6)
    assert Fold()(x).shape == (2, 12, 5, 6)
    assert torch.equal(Unfold((3, 4, 5, 6))(Fold()(x)), x)


@torch.no_grad()
@pytest.mark.parametrize("upsampling", ["transposed", "nearest"])
@pytest.mark.parametrize("size", [(6, 8), (5, 7), (6, 7)])
def test_upsampling_gives_exactly_the_size_asked_for(upsampling, size):
    assert UpConv(2, 3, size, upsampling)(torch.randn(2, 2, 3, 4)).shape == (2, 3, *size)
