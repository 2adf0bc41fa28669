"""Contracts of every network family with every bottleneck, found in the dicts."""

from itertools import pairwise

import pytest
import torch

from blemish.autoencoder import BACKBONES, BOTTLENECKS
from blemish.autoencoder.autoencoder import Autoencoder
from blemish.core.errors import ConfigError
from blemish.core.labels import DEFECT, UNLABELLED
from blemish.core.output import Backbone, Batch, Block
from blemish.core.parts import choose
from blemish.losses import LOSSES
from network_examples import samples
from options import options_of

BLOCKS = (Block(0, 1, "numeric"), Block(1, 2, "binary"), Block(2, 6, "categorical"), Block(6, 9, "categorical"))
EXAMPLES = {
    "row": ((7,), ()),
    "table": ((9,), BLOCKS),
    "picture": ((1, 9, 7), ()),
    "clip": ((2, 1, 9, 7), ()),
}
"""Small inputs by dimensionality: sample shape and columns."""


def changes_of(name):
    """Every other value of every option of a network family, one at a time."""
    return [{option: value} for option, values in options_of(BACKBONES[name]).items() for value in values]


def accepts(name, example):
    """Whether a network family is made for such data."""
    shape, blocks = EXAMPLES[example]
    try:
        BACKBONES[name](shape, 4, 4, blocks)
    except ConfigError:
        return False
    return True


FITTING = {name: [example for example in EXAMPLES if accepts(name, example)] for name in BACKBONES}
CASES = [pytest.param(name, example, id=f"{name}-{example}") for name in BACKBONES for example in FITTING[name]]
WITH_OPTIONS = [
    pytest.param(name, example, options, id=f"{name}-{example}-{'-'.join(options) or 'defaults'}")
    for name in BACKBONES
    for example in FITTING[name]
    for options in ({}, *changes_of(name))
]


def build(name, example, bottleneck="plain", latent_dim=4, **options):
    """A network and samples that fit it."""
    shape, blocks = EXAMPLES[example]
    middle = BOTTLENECKS[bottleneck](latent_dim)
    network = Autoencoder(BACKBONES[name](shape, middle.hidden_dim, latent_dim, blocks, **options), middle)
    return network, samples(shape, blocks)


@pytest.mark.parametrize("name", BACKBONES)
def test_every_network_family_has_an_example(name):
    assert FITTING[name], f"{name} accepts none of the examples; add one by dimensionality"


def test_every_example_has_a_network_family():
    assert set().union(*FITTING.values()) == set(EXAMPLES)


@pytest.mark.parametrize(("name", "example"), CASES)
def test_halves_have_the_promised_shapes(name, example):
    shape, blocks = EXAMPLES[example]
    backbone = BACKBONES[name](shape, 6, 3, blocks)
    assert isinstance(backbone, Backbone)
    h = backbone.encoder(samples(shape, blocks))
    assert h.shape == (8, 6)
    assert backbone.decoder(h[:, :3]).shape == (8, *shape)


@pytest.mark.parametrize("bottleneck", BOTTLENECKS)
@pytest.mark.parametrize(("name", "example"), CASES)
def test_every_parameter_gets_a_finite_gradient_that_is_not_zero(name, example, bottleneck):
    network, x = build(name, example, bottleneck)
    batch = Batch(x, torch.tensor([UNLABELLED] * 6 + [DEFECT] * 2), EXAMPLES[example][1])
    out = network(x, torch.Generator().manual_seed(0))
    terms = ("typed", *BOTTLENECKS[bottleneck].default_losses)
    torch.stack([LOSSES[term]()(batch, out) for term in terms]).sum().backward()
    for parameter, value in network.named_parameters():
        assert value.grad is not None, parameter
        assert value.grad.isfinite().all(), parameter
        assert value.grad.abs().sum() > 0, parameter


@pytest.mark.parametrize(("name", "example", "options"), WITH_OPTIONS)
def test_one_batch_of_any_values_can_be_overfitted(name, example, options):
    network, x = build(name, example, latent_dim=16, **options)
    assert x.min() < -0.5
    assert x.max() >= 1
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-2, weight_decay=0.0, fused=True)
    error = float("inf")
    for _ in range(500):
        loss = (network(x).x_hat - x).square().mean()
        error = loss.item() / x.var().item()
        if error < 0.01:
            break
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert error < 0.01


@pytest.mark.parametrize("shape", [(1, 13, 17), (3, 17, 13), (2, 1, 13, 17), (1, 1, 1, 1), (1, 2, 3)])
@pytest.mark.parametrize("name", BACKBONES)
def test_odd_sizes_keep_their_shape(name, shape):
    if ("clip" if len(shape) == 4 else "picture") not in FITTING[name]:
        return
    for options in ({}, *changes_of(name)):
        encoder, decoder = BACKBONES[name](shape, 5, 4, **options)
        x = torch.randn(2, *shape)
        assert decoder(encoder(x)[:, :4]).shape == x.shape


@pytest.mark.parametrize("bottleneck", BOTTLENECKS)
@pytest.mark.parametrize(("name", "example"), CASES)
@torch.no_grad()
def test_scoring_twice_gives_equal_bits_in_both_modes(name, example, bottleneck):
    network, x = build(name, example, bottleneck)
    first = network.eval()(x)
    assert torch.equal(network(x).x_hat, first.x_hat)
    assert torch.equal(network.train()(x).x_hat, first.x_hat), "training mode must not change what is computed"


@pytest.mark.parametrize("bottleneck", BOTTLENECKS)
@pytest.mark.parametrize(("name", "example"), CASES)
@torch.no_grad()
def test_a_row_does_not_depend_on_its_batch_mates(name, example, bottleneck):
    network, x = build(name, example, bottleneck)
    together = network(x)
    strange = network(torch.cat([x[:1], 100 * x[1:]]))
    for alone in (network(x[:1]), strange):
        torch.testing.assert_close(alone.x_hat[:1], together.x_hat[:1], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(alone.z[:1], together.z[:1], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("name", "example"), CASES)
@torch.no_grad()
def test_inputs_are_not_mutated(name, example):
    network, x = build(name, example)
    before = x.clone()
    network(x)
    assert torch.equal(x, before)


@pytest.mark.parametrize(("name", "example"), CASES)
def test_every_option_changes_the_network(name, example):
    def layers(**options):
        return str(build(name, example, **options)[0])

    for change in changes_of(name):
        assert layers(**change) != layers(), change


@pytest.mark.parametrize(("name", "example"), CASES)
@torch.no_grad()
def test_encode_and_decode_are_the_halves_of_forward(name, example):
    network, x = build(name, example)
    out = network(x)
    assert torch.equal(network.encode(x), out.z)
    assert torch.equal(network.decode(out.z), out.x_hat)


@pytest.mark.parametrize("n_decoded", [0, 3, 8])
@pytest.mark.parametrize(("name", "example"), CASES)
@torch.no_grad()
def test_rows_that_only_train_a_contrast_are_not_decoded(name, example, n_decoded):
    network, x = build(name, example)
    whole, part = network(x), network(x, n_decoded=n_decoded)
    assert torch.equal(part.z, whole.z)
    torch.testing.assert_close(part.x_hat, whole.x_hat[:n_decoded], rtol=1e-5, atol=1e-5)
    assert len(part.x_hat) == n_decoded
    assert len(whole.first(3).x_hat) == len(whole.first(3).z) == 3


# Refusals


@pytest.mark.parametrize(("shape", "blocks"), [((7,), ()), ((9,), BLOCKS), ((3, 4), ()), ((1, 9, 7), BLOCKS)])
def test_conv_refuses_what_is_no_picture(shape, blocks):
    with pytest.raises(ConfigError, match=r"backbone 'conv' needs images or video, got samples of shape .*; use 'mlp'"):
        BACKBONES["conv"](shape, 4, 4, blocks)


def test_conv_refuses_an_unknown_upsampling():
    with pytest.raises(ConfigError, match=r"option 'upsampling': .* 'transposed' or 'nearest', got 'bilinear'"):
        choose("backbone", BACKBONES, {"name": "conv", "upsampling": "bilinear"})


@pytest.mark.parametrize(("shape", "blocks"), [((7,), ()), ((1, 9, 7), ()), ((2, 1, 9, 7), BLOCKS)])
def test_conv_lstm_refuses_what_is_no_video(shape, blocks):
    with pytest.raises(
        ConfigError, match=r"backbone 'conv_lstm' needs video \(frame, .*use 'conv' for images and 'mlp'"
    ):
        BACKBONES["conv_lstm"](shape, 4, 4, blocks)


def test_a_batch_of_another_shape_is_refused():
    encoder, _ = BACKBONES["conv_lstm"]((2, 1, 9, 7), 4, 4)
    with pytest.raises(Exception, match="Type-check error"):
        encoder(torch.zeros(3, 1, 9, 7))


# Recurrence


@torch.no_grad()
def test_conv_lstm_reads_frames_in_order():
    encoder, _ = BACKBONES["conv_lstm"]((4, 1, 9, 7), 6, 6)
    x = torch.randn(2, 4, 1, 9, 7)
    assert (encoder(x) - encoder(x.flip(1))).abs().max() > 1e-4
    assert (encoder(x) - encoder(x[:, [1, 0, 2, 3]])).abs().max() > 1e-5


def test_gradient_of_the_hidden_vector_reaches_the_first_frame():
    encoder, _ = BACKBONES["conv_lstm"]((4, 1, 9, 7), 6, 6)
    x = torch.randn(2, 4, 1, 9, 7, requires_grad=True)
    (gradient,) = torch.autograd.grad(encoder(x).sum(), x)
    assert (gradient.abs().sum((0, 2, 3, 4)) > 0).all()


@torch.no_grad()
@pytest.mark.parametrize("half", ["encoder", "decoder"])
def test_conv_lstm_takes_one_step_per_frame(half):
    n_frames = 5
    backbone = BACKBONES["conv_lstm"]((n_frames, 1, 9, 7), 6, 6)
    states = []
    cell = getattr(backbone, half).cell
    cell.register_forward_hook(lambda _module, args, result: states.append((args[1][0], result[0])))
    backbone.decoder(backbone.encoder(torch.randn(2, n_frames, 1, 9, 7)))
    assert len(states) == n_frames
    assert all(torch.equal(before[1], after[0]) for before, after in pairwise(states))


@torch.no_grad()
def test_conv_lstm_writes_frames_that_differ():
    _, decoder = BACKBONES["conv_lstm"]((3, 1, 9, 7), 6, 6)
    frames = decoder(torch.randn(1, 6))[0]
    assert (frames[0] - frames[1]).abs().max() > 1e-6


def test_conv_lstm_learns_the_standing_picture_in_few_steps():
    picture = torch.rand(1, 1, 1, 9, 7, generator=torch.Generator().manual_seed(0)).expand(8, 4, 1, 9, 7)
    encoder, decoder = BACKBONES["conv_lstm"]((4, 1, 9, 7), 6, 6, widths=(4,), recurrent_width=4)
    optimiser = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=3e-3)
    for _ in range(60):
        optimiser.zero_grad()
        (decoder(encoder(picture)) - picture).square().mean().backward()
        optimiser.step()
    assert (decoder(torch.zeros(1, 6)) - picture[:1]).square().mean() < 0.02 * picture.var()


@torch.no_grad()
def test_a_table_of_categories_only_is_embedded():
    blocks = (Block(0, 3, "categorical"), Block(3, 5, "categorical"))
    for name in BACKBONES:
        if "table" in FITTING[name]:
            encoder, decoder = BACKBONES[name]((5,), 4, 4, blocks)
            assert decoder(encoder(torch.eye(5))).shape == (5, 5)
