"""Contracts of every bottleneck, found in the dict."""

from dataclasses import fields

import numpy as np
import pytest
import torch

from blemish.autoencoder import BOTTLENECKS
from blemish.autoencoder.autoencoder import MAX_LOGVAR, Rsr, Variational, reparameterise
from blemish.core.output import Output
from blemish.core.parts import choose
from blemish.losses import LOSSES
from blemish.losses.rsr import orthogonality_error
from options import options_of


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def hidden(bottleneck, n=6):
    return torch.randn(n, bottleneck.hidden_dim)


@pytest.mark.parametrize("cls", BOTTLENECKS.values(), ids=BOTTLENECKS)
def test_exactly_the_declared_fields_are_filled(cls):
    bottleneck = cls(3)
    code = bottleneck(hidden(bottleneck))
    assert set(code) == {"z", *cls.fills}
    assert set(cls.fills) <= {f.name for f in fields(Output)}
    assert code["z"].shape == (6, bottleneck.latent_dim) == (6, 3)


@pytest.mark.parametrize("cls", BOTTLENECKS.values(), ids=BOTTLENECKS)
def test_its_own_losses_find_what_they_need(cls):
    for name in cls.default_losses:
        assert set(LOSSES[name].needs) <= {"x_hat", "h", "z", *cls.fills}


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_works_with_some_bottleneck(name):
    assert any(set(LOSSES[name].needs) <= {"x_hat", "h", "z", *cls.fills} for cls in BOTTLENECKS.values())


@pytest.mark.parametrize("cls", BOTTLENECKS.values(), ids=BOTTLENECKS)
@torch.no_grad()
def test_without_a_generator_there_is_no_noise(cls):
    bottleneck = cls(3)
    h = hidden(bottleneck)
    before = h.clone()
    assert torch.equal(bottleneck(h)["z"], bottleneck.train()(h)["z"])
    assert torch.equal(h, before)


@pytest.mark.parametrize("cls", BOTTLENECKS.values(), ids=BOTTLENECKS)
@torch.no_grad()
def test_all_noise_comes_from_the_generator(cls):
    bottleneck = cls(3)
    h = hidden(bottleneck)
    state = torch.get_rng_state()
    assert torch.equal(bottleneck(h, generator(1))["z"], bottleneck(h, generator(1))["z"])
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("cls", BOTTLENECKS.values(), ids=BOTTLENECKS)
def test_gradient_reaches_the_hidden_vector(cls):
    bottleneck = cls(3)
    h = hidden(bottleneck).requires_grad_()
    (gradient,) = torch.autograd.grad(bottleneck(h, generator())["z"].square().sum(), h)
    assert gradient.isfinite().all()
    assert (gradient.abs().sum(1) > 0).all()


@pytest.mark.parametrize("name", BOTTLENECKS)
def test_every_option_can_be_chosen_and_changes_something(name):
    for option, values in options_of(BOTTLENECKS[name]).items():
        for other in values:
            made = choose("bottleneck", BOTTLENECKS, {"name": name, option: other}).make(3)
            assert getattr(made, option) == other != getattr(BOTTLENECKS[name](3), option)


def test_plain_passes_on_the_hidden_vector():
    h = torch.randn(2, 3)
    assert torch.equal(BOTTLENECKS["plain"](3)(h)["z"], h)


@torch.no_grad()
def test_variational_code_is_its_mean_without_noise():
    bottleneck = Variational(3)
    code = bottleneck(hidden(bottleneck))
    assert torch.equal(code["z"], code["mu"])


@pytest.mark.parametrize("stdev", [0.0, 0.1, 1.0])
@torch.no_grad()
def test_noise_has_the_spread_of_the_moments_times_the_factor(stdev):
    mu, logvar = torch.full((20000, 2), 3.0), torch.tensor([0.0, 2.0]).repeat(20000, 1)
    z = reparameterise(mu, logvar, generator(), stdev)
    np.testing.assert_allclose(z.mean(0), [3, 3], atol=0.05)
    np.testing.assert_allclose(z.std(0), [stdev, stdev * np.e], rtol=0.03, atol=1e-6)


@torch.no_grad()
def test_variational_uses_its_factor():
    quiet = Variational(3, stdev=0.0)
    h = hidden(quiet)
    assert torch.equal(quiet(h, generator())["z"], quiet(h)["z"])
    loud = Variational(3, stdev=1.0)
    assert not torch.equal(loud(h, generator())["z"], loud(h)["z"])


def test_reparameterised_gradients_reach_both_moments():
    mu = torch.randn(4, 2, dtype=torch.float64, requires_grad=True)
    logvar = torch.randn(4, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda m, v: reparameterise(m, v, generator()), (mu, logvar))


@torch.no_grad()
def test_log_variances_are_bounded_so_that_no_code_overflows():
    bottleneck = Variational(3)
    code = bottleneck(1e6 * hidden(bottleneck), generator())
    assert code["logvar"].abs().max() <= MAX_LOGVAR
    assert code["z"].isfinite().all()


def test_rsr_starts_orthonormal():
    assert float(orthogonality_error(Rsr(5)(torch.randn(2, 128))["basis"]).detach()) < 1e-9


@torch.no_grad()
def test_rsr_projects_onto_its_basis():
    bottleneck = Rsr(2, hidden_dim=3)
    h = torch.randn(4, 3)
    expected = [
        [sum(a * b for a, b in zip(row, v, strict=True)) for row in bottleneck.basis.tolist()] for v in h.tolist()
    ]
    np.testing.assert_allclose(bottleneck(h)["z"], expected, atol=1e-6)


def test_rsr_is_never_narrower_than_its_code():
    assert Rsr(200).hidden_dim == 200


def test_rsr_codes_of_unit_length():
    h = 100 * torch.randn(5, 16, generator=torch.Generator().manual_seed(0))
    z = Rsr(3, hidden_dim=16, unit_length=True)(h)["z"]
    torch.testing.assert_close(z.norm(dim=1), torch.ones(5))
