"""Contracts of every loss term, found in the dict; values come from `reference.py`."""

from dataclasses import FrozenInstanceError, fields, is_dataclass, replace
from inspect import signature
from math import inf

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import reference
from blemish.autoencoder.autoencoder import MAX_LOGVAR
from blemish.core.errors import ConfigError
from blemish.core.labels import DEFECT, NORMAL, OTHER, UNLABELLED, is_defect, is_ordinary
from blemish.core.output import Batch, Output
from blemish.losses import LOSSES
from blemish.losses.contrast.miners import MINERS
from loss_examples import CONTRASTS, GROUPS, MINED, RECONSTRUCTIONS, as_numpy, example, filled, of_defects
from options import options_of

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def variants(cls):
    """The defaults, and every option changed on its own."""
    changes = [(name, value) for name, values in options_of(cls).items() if name != "weight" for value in values]
    return [cls(), *(cls(**{name: value}) for name, value in changes)]


def test_losses_are_reconstructions_contrasts_and_regularisers_without_overlap():
    assert not set(RECONSTRUCTIONS) & set(CONTRASTS)


@pytest.mark.parametrize("cls", LOSSES.values(), ids=LOSSES)
def test_a_term_is_a_frozen_dataclass_that_declares_what_it_needs(cls):
    term = cls()
    assert is_dataclass(cls)
    assert set(term.needs) <= {f.name for f in fields(Output)}
    assert isinstance(term.needs_defects, bool)
    assert term.weight > 0
    assert term.lower_bound > -inf
    with pytest.raises(FrozenInstanceError, match="cannot assign"):
        term.weight = 2.0


@pytest.mark.parametrize("cls", CONTRASTS.values(), ids=CONTRASTS)
def test_a_contrast_needs_defects(cls):
    assert cls.needs_defects
    assert cls().min_defects == 1


@pytest.mark.parametrize("name", LOSSES)
def test_value_equals_the_reference(name):
    expected_of = reference.of_loss(name)
    for term in variants(LOSSES[name]):
        for kind in ("table", "picture"):
            for case, group in GROUPS.items():
                batch, out = example(group, kind=kind)
                expected = expected_of(term, as_numpy(batch), as_numpy(out))
                assert float(term(batch, out)) == pytest.approx(expected, rel=1e-9, abs=3e-6), (term, kind, case)


@pytest.mark.parametrize("name", LOSSES)
def test_value_equals_the_reference_where_all_distances_are_zero(name):
    for case, group in GROUPS.items():
        batch, out = example(group, kind="picture")
        flat = replace(out, x_hat=batch.x, h=out.h * 0, z=out.z * 0 + 2.0)
        expected = reference.of_loss(name)(LOSSES[name](), as_numpy(batch), as_numpy(flat))
        value = float(LOSSES[name]()(batch, flat))
        assert value == pytest.approx(expected, rel=1e-9, abs=2e-5), case  # distances start at 1e-6


@pytest.mark.parametrize("kind", ["table", "picture"])
@pytest.mark.parametrize("name", RECONSTRUCTIONS)
def test_errors_of_rows_and_elements_equal_the_reference(name, kind):
    batch, out = example(GROUPS["all groups"], kind=kind)
    x, x_hat = batch.x.numpy(), out.x_hat.numpy()
    for term in variants(LOSSES[name]):
        elements = reference.of_error_map(name)(term, x, x_hat, batch.blocks)
        rows = reference.sample_errors(name, term, x, x_hat, batch.blocks)
        np.testing.assert_allclose(term.error_map(batch.x, out.x_hat, batch.blocks), elements, atol=2e-6)
        np.testing.assert_allclose(term.sample_error(batch.x, out.x_hat, batch.blocks), rows, atol=2e-6)


@pytest.mark.parametrize("name", RECONSTRUCTIONS)
def test_error_map_has_one_number_per_column_or_per_element(name):
    for kind in ("table", "picture"):
        batch, out = example(GROUPS["all groups"], kind=kind)
        shape = LOSSES[name]().error_map(batch.x, out.x_hat, batch.blocks).shape
        assert shape in [batch.x.shape, (len(batch.x), len(batch.blocks))]


@pytest.mark.parametrize("name", RECONSTRUCTIONS)
def test_the_best_reconstruction_costs_nothing_and_activates_to_the_input(name):
    batch, _ = example(GROUPS["all groups"], kind="picture")
    x = 0.2 + 0.6 * batch.x
    term, x_hat = LOSSES[name](), torch.zeros_like(x, requires_grad=True)
    optimiser = torch.optim.Adam([x_hat], lr=0.1)
    for step in range(200):
        optimiser.param_groups[0]["lr"] = 0.3 * 0.96**step
        optimiser.zero_grad()
        term.sample_error(x, x_hat, ()).sum().backward()
        optimiser.step()
    assert float(term.sample_error(x, x_hat.detach(), ()).max()) < 1e-3
    torch.testing.assert_close(term.activate(x_hat.detach(), ()), x, atol=1e-2, rtol=0)


@pytest.mark.parametrize("name", LOSSES)
def test_gradient_is_that_of_the_value(name, monkeypatch):
    for term in variants(LOSSES[name]):
        for kind in ("table", "picture"):
            batch, out = example(GROUPS["all groups"], kind=kind)
            leaves = {f.name: getattr(out, f.name).clone().requires_grad_() for f in filled(out)}

            def value(*tensors, term=term, batch=batch, leaves=leaves):
                return term(batch, Output(**dict(zip(leaves, tensors, strict=True))))

            with monkeypatch.context() as patched:
                hold_weights(patched, term, batch, out)
                # Fields that a term does not read have no gradient at all; gradcheck counts it as zero.
                assert torch.autograd.gradcheck(value, tuple(leaves.values()), fast_mode=True), (term, kind)
                assert any(g is not None and g.abs().sum() > 0 for g in _gradients(value, leaves)), (term, kind)


def hold_weights(monkeypatch, term, batch, out):
    """Make the term's miner give the weights of this output whatever the codes: they have no gradient by design."""
    miner, given = getattr(term, "miner", "uniform"), []
    original = MINERS[miner]
    monkeypatch.setitem(MINERS, miner, lambda near, partner: given.append(original(near, partner)) or given[0])
    term(batch, out)


def _gradients(value, leaves):
    return torch.autograd.grad(value(*leaves.values()), list(leaves.values()), allow_unused=True)


@pytest.mark.parametrize("name", LOSSES)
def test_gradient_is_finite_where_distances_are_zero(name):
    batch, out = example(GROUPS["all groups"], kind="picture", dtype=torch.float32)
    zero = {f: torch.zeros_like(getattr(out, f)) for f in ("h", "z", "mu", "logvar")}
    flat = replace(out, x_hat=batch.x, **zero)
    leaves = {f.name: getattr(flat, f.name).clone().requires_grad_() for f in filled(flat)}
    gradients = _gradients(lambda *t: LOSSES[name]()(batch, Output(**dict(zip(leaves, t, strict=True)))), leaves)
    assert all(g is None or g.isfinite().all() for g in gradients)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", LOSSES)
def test_dtype_and_device_are_kept(name, dtype, device):
    batch, out = example(GROUPS["all groups"], dtype=dtype, device=device)
    value = LOSSES[name]()(batch, out)
    assert (value.dtype, value.device.type, value.shape) == (dtype, device, ())


@pytest.mark.parametrize("name", LOSSES)
def test_order_of_the_rows_does_not_matter(name):
    batch, out = example(GROUPS["all groups"])
    order = torch.tensor([3, 0, 6, 2, 5, 1, 4])
    rows = {f.name: getattr(out, f.name)[order] for f in filled(out) if f.name != "basis"}
    assert batch.pace is not None
    shuffled = Batch(batch.x[order], batch.group[order], batch.blocks, pace=batch.pace[order])
    torch.testing.assert_close(LOSSES[name]()(shuffled, replace(out, **rows)), LOSSES[name]()(batch, out))


@pytest.mark.parametrize("name", LOSSES)
def test_inputs_are_not_mutated(name):
    batch, out = example(GROUPS["all groups"])
    before = [t.clone() for t in (batch.x, batch.group, *as_tensors(out))]
    LOSSES[name]()(batch, out)
    assert all(torch.equal(a, b) for a, b in zip(before, (batch.x, batch.group, *as_tensors(out)), strict=True))


def as_tensors(out):
    return [getattr(out, f.name) for f in filled(out)]


@pytest.mark.parametrize("name", [name for name, cls in LOSSES.items() if not cls.needs_defects])
def test_defects_and_others_never_influence_a_term_that_needs_no_defects(name):
    batch, out = example(GROUPS["all groups"])
    away = ~is_ordinary(batch.group)
    changed = {}
    for f in filled(out):
        value = getattr(out, f.name).clone()
        if f.name != "basis":
            value[away] = 7.0
        changed[f.name] = value
    x = batch.x.clone()
    x[away] = x[away].flip(0)
    other = LOSSES[name]()(Batch(x, batch.group, batch.blocks), Output(**changed))
    assert torch.equal(other, LOSSES[name]()(batch, out))


@pytest.mark.parametrize("name", [name for name, cls in LOSSES.items() if not cls.needs_defects])
def test_a_defect_that_overflows_never_influences_a_term_that_needs_no_defects(name):
    batch, out = example(GROUPS["all groups"], kind="picture", dtype=torch.float32)
    away = is_defect(batch.group)
    wild = {f.name: getattr(out, f.name).clone() for f in filled(out)}
    for field_name in ("x_hat", "h", "mu", "logvar"):
        wild[field_name][away] = 1e30  # its square is infinite in float32
    assert torch.equal(LOSSES[name]()(batch, Output(**wild)), LOSSES[name]()(batch, out))


@pytest.mark.parametrize("name", CONTRASTS)
def test_a_contrast_reads_codes_only(name):
    batch, out = example(GROUPS["all groups"])
    value = LOSSES[name]()(batch, out)
    assert torch.equal(LOSSES[name]()(batch, replace(out, x_hat=out.x_hat + 1, h=out.h + 1)), value)
    other_shape = out.z * torch.tensor([1.1, 1.0, 1.0])
    assert not torch.allclose(LOSSES[name]()(batch, replace(out, z=other_shape)), value)


@pytest.mark.parametrize("name", CONTRASTS)
def test_a_contrast_falls_as_defects_leave_the_normals(name):
    batch, out = example((UNLABELLED,) * 6 + (DEFECT,) * 3)
    z = 0.1 * out.z
    values = [float(LOSSES[name]()(batch, replace(out, z=z + shift * of_defects(batch)))) for shift in (0.2, 0.5, 1.0)]
    assert values == sorted(values, reverse=True)
    assert values[0] > values[-1]


@pytest.mark.parametrize("name", CONTRASTS)
def test_a_contrast_does_not_depend_on_where_the_origin_is(name):
    batch, out = example(GROUPS["all groups"])
    torch.testing.assert_close(
        LOSSES[name]()(batch, replace(out, z=out.z + 100.0)), LOSSES[name]()(batch, out), rtol=1e-9, atol=1e-9
    )


@pytest.mark.parametrize("name", LOSSES)
def test_every_option_changes_the_value(name):
    groups = GROUPS["all groups"]
    batch, out = example(groups, kind="table")
    spread = replace(out, z=out.z * torch.linspace(0.2, 40, len(groups), dtype=torch.float64).unsqueeze(1))
    default = LOSSES[name]()
    for option, others in options_of(LOSSES[name]).items():
        if option in ("weight", "least_defects"):  # what these do: tests/training/test_loop.py
            continue
        for value in others:
            changed = replace(default, **{option: value})
            values = [(float(default(batch, o)), float(changed(batch, o))) for o in (out, spread)]
            assert any(a != b for a, b in values), (option, value)


@pytest.mark.parametrize("kind", ["table", "picture"])
@pytest.mark.parametrize("name", LOSSES)
def test_lower_bound_is_never_violated(name, kind):
    terms = [term for term in variants(LOSSES[name]) if term.lower_bound > -inf]

    @settings(max_examples=25, deadline=None, derandomize=True, database=None)
    @given(
        group=st.lists(st.sampled_from([UNLABELLED, NORMAL, OTHER, DEFECT]), min_size=1, max_size=7),
        values=st.lists(st.floats(-1000, 1000, width=32), min_size=1, max_size=8),
        seed=st.integers(0, 1000),
    )
    def check(group, values, seed):
        rng = np.random.default_rng(seed)
        batch, out = example(group, kind=kind, seed=seed, dtype=torch.float32)
        drawn = {f.name: torch.tensor(rng.choice(values, getattr(out, f.name).shape)).float() for f in filled(out)}
        drawn["logvar"] = drawn["logvar"].clamp(-MAX_LOGVAR, MAX_LOGVAR)  # what the bottleneck lets through
        for term in terms:
            value = float(term(batch, Output(**drawn)))  # pyright: ignore[reportArgumentType]
            assert value >= term.lower_bound - 1e-6 * (1 + abs(term.lower_bound)), term

    check()


@pytest.mark.parametrize("name", LOSSES)
def test_without_a_cap_there_is_no_lower_bound(name):
    if "cap" not in signature(LOSSES[name]).parameters:
        assert LOSSES[name]().lower_bound > -inf
        return
    term = LOSSES[name](cap=None)
    batch, out = example(GROUPS["all groups"])
    far = replace(out, z=out.z + 1e6 * of_defects(batch))
    assert term.lower_bound == -inf
    assert float(term(batch, far)) < -1e4


@pytest.mark.parametrize("name", MINED)
def test_one_defect_is_pushed_away_from_its_nearest_row(name):
    z = torch.tensor([[0.0, 0.0], [2.0, 0.0], [2.0, 1.0]], requires_grad=True)
    term, batch = LOSSES[name](), Batch(torch.zeros(3, 1), torch.tensor([NORMAL, OTHER, DEFECT]))
    value = term(batch, Output(z, z, z))
    (gradient,) = torch.autograd.grad(value, z)
    assert value > 0
    moved = z.detach() - 0.01 * gradient / gradient.norm()
    assert term(batch, Output(moved, moved, moved)) < value


@pytest.mark.parametrize("cls", MINED.values(), ids=MINED)
def test_an_unknown_miner_is_refused_and_the_nearest_named(cls):
    with pytest.raises(ConfigError, match="miner 'hardest' is unknown; did you mean 'hard'"):
        cls(miner="hardest")
