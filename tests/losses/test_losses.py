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
from blemish.autoencoder.bottlenecks.variational import MAX_LOGVAR
from blemish.core.errors import ConfigError
from blemish.core.labels import DEFECT, NORMAL, OTHER, UNLABELLED
from blemish.core.output import Batch, Block, Output
from blemish.losses import CONTRASTS, LOSSES, RECONSTRUCTIONS
from blemish.losses.contrast.cosine import cosine_contrast
from blemish.losses.contrast.margin import margin_contrast
from blemish.losses.contrast.mean_distance import mean_distance
from blemish.losses.contrast.miners import MINERS, mine
from blemish.losses.contrast.sum_of_squares import sum_of_squares
from blemish.losses.contrast.triplet import triplet_contrast
from blemish.losses.functional import is_defect, is_learnt
from blemish.losses.kl import kl_divergence
from blemish.losses.pace import SCALE
from blemish.losses.reconstruction.bce import binary_cross_entropy
from blemish.losses.reconstruction.mse import squared_error
from blemish.losses.reconstruction.typed import activate_columns, column_errors
from blemish.losses.rsr import orthogonality_error, subspace_distance

BLOCKS = (Block(0, 1, "numeric"), Block(1, 2, "binary"), Block(2, 5, "categorical"), Block(5, 6, "numeric"))
GROUPS = {
    "all groups": (UNLABELLED, NORMAL, DEFECT, OTHER, DEFECT, UNLABELLED, DEFECT),
    "one defect": (UNLABELLED, DEFECT, NORMAL, OTHER),
    "one normal": (DEFECT, NORMAL, DEFECT),
    "no others": (UNLABELLED, NORMAL, DEFECT, DEFECT),
    "no defects": (UNLABELLED, NORMAL, OTHER),
    "no normals": (DEFECT, OTHER, DEFECT),
    "one row": (UNLABELLED,),
    "only others": (OTHER, OTHER),
}
MINED = {name: cls for name, cls in CONTRASTS.items() if "miner" in signature(cls).parameters}
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def example(group, *, kind="table", seed=0, dtype=torch.float64, device="cpu"):
    """A batch and an output with every field filled."""
    rng, n = np.random.default_rng(seed), len(group)
    if kind == "table":
        x = np.column_stack(
            [rng.normal(size=n), rng.integers(0, 2, n), np.eye(3)[rng.integers(0, 3, n)], rng.normal(size=n)]
        )
    else:
        x = rng.random((n, 2, 1, 3))
    shapes = {"x_hat": x.shape, "h": (n, 4), "z": (n, 3), "mu": (n, 3), "logvar": (n, 3), "basis": (3, 4)}
    made = {
        name: torch.tensor(1.5 * rng.normal(size=shape), dtype=dtype, device=device) for name, shape in shapes.items()
    }
    batch = Batch(
        torch.tensor(x, dtype=dtype, device=device),
        torch.tensor(group, device=device),
        BLOCKS if kind == "table" else (),
        pace=torch.tensor(
            np.where(np.arange(n) % 3 == 1, np.nan, rng.normal(1, 1, size=n)), dtype=dtype, device=device
        ),
    )
    return batch, Output(**made)  # pyright: ignore[reportArgumentType]


def filled(out):
    """The fields that `example` fills: one tensor each."""
    return [f for f in fields(out) if getattr(out, f.name) is not None]


def as_numpy(part):
    """A batch or an output as a dict of float64 arrays."""
    values = {f.name: getattr(part, f.name) for f in fields(part)}
    return {k: v.double().numpy() if isinstance(v, torch.Tensor) else v for k, v in values.items()}


def variants(cls):
    """The defaults, and every option changed on its own."""
    made = [cls()]
    for option in fields(cls):
        if option.name == "weight":
            continue
        made += [cls(**{option.name: value}) for value in other_values(option)]
        if "None" in str(option.type):
            made.append(cls(**{option.name: None}))
    return made


def other_values(option):
    """What else an option may be: any other miner, or another number."""
    if isinstance(option.default, int):
        return [option.default + 1]
    if option.name == "miner":
        return [name for name in MINERS if name != option.default]
    return [0.6 * (option.default or 0.0) or 0.3]


VARIANTS = [pytest.param(name, term, id=repr(term)) for name, cls in LOSSES.items() for term in variants(cls)]


def test_losses_are_reconstructions_contrasts_and_regularisers_without_overlap():
    assert not set(RECONSTRUCTIONS) & set(CONTRASTS)
    assert {**RECONSTRUCTIONS, **CONTRASTS}.items() <= LOSSES.items()
    assert set(reference.LOSSES) == set(LOSSES), "every loss needs a reference in tests/reference.py"
    assert set(reference.ERROR_MAPS) == set(RECONSTRUCTIONS)


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


@pytest.mark.parametrize("kind", ["table", "picture"])
@pytest.mark.parametrize(("name", "term"), VARIANTS)
def test_value_equals_the_reference(name, term, kind):
    for case, group in GROUPS.items():
        batch, out = example(group, kind=kind)
        expected = reference.LOSSES[name](term, as_numpy(batch), as_numpy(out))
        assert float(term(batch, out)) == pytest.approx(expected, rel=1e-9, abs=3e-6), case


@pytest.mark.parametrize("name", LOSSES)
def test_value_equals_the_reference_where_all_distances_are_zero(name):
    for case, group in GROUPS.items():
        batch, out = example(group, kind="picture")
        flat = replace(out, x_hat=batch.x, h=out.h * 0, z=out.z * 0 + 2.0)
        expected = reference.LOSSES[name](LOSSES[name](), as_numpy(batch), as_numpy(flat))
        value = float(LOSSES[name]()(batch, flat))
        assert value == pytest.approx(expected, rel=1e-9, abs=2e-5), case  # distances start at 1e-6


@pytest.mark.parametrize("kind", ["table", "picture"])
@pytest.mark.parametrize("name", RECONSTRUCTIONS)
def test_errors_of_rows_and_elements_equal_the_reference(name, kind):
    batch, out = example(GROUPS["all groups"], kind=kind)
    x, x_hat = batch.x.numpy(), out.x_hat.numpy()
    for term in variants(RECONSTRUCTIONS[name]):
        elements = reference.ERROR_MAPS[name](term, x, x_hat, batch.blocks)
        rows = reference.sample_errors(name, term, x, x_hat, batch.blocks)
        np.testing.assert_allclose(term.error_map(batch.x, out.x_hat, batch.blocks), elements, atol=2e-6)
        np.testing.assert_allclose(term.sample_error(batch.x, out.x_hat, batch.blocks), rows, atol=2e-6)


@pytest.mark.parametrize("name", RECONSTRUCTIONS)
def test_error_map_has_one_number_a_column_or_one_an_element(name):
    for kind in ("table", "picture"):
        batch, out = example(GROUPS["all groups"], kind=kind)
        shape = RECONSTRUCTIONS[name]().error_map(batch.x, out.x_hat, batch.blocks).shape
        assert shape in [batch.x.shape, (len(batch.x), len(batch.blocks))]


@pytest.mark.parametrize("name", RECONSTRUCTIONS)
def test_the_best_reconstruction_costs_nothing_and_activates_to_the_input(name):
    batch, _ = example(GROUPS["all groups"], kind="picture")
    x = 0.2 + 0.6 * batch.x
    term, x_hat = RECONSTRUCTIONS[name](), torch.zeros_like(x, requires_grad=True)
    optimiser = torch.optim.Adam([x_hat], lr=0.1)
    for step in range(200):
        optimiser.param_groups[0]["lr"] = 0.3 * 0.96**step
        optimiser.zero_grad()
        term.sample_error(x, x_hat, ()).sum().backward()
        optimiser.step()
    assert float(term.sample_error(x, x_hat.detach(), ()).max()) < 1e-3
    torch.testing.assert_close(term.activate(x_hat.detach(), ()), x, atol=1e-2, rtol=0)


@pytest.mark.parametrize("term", [param.values[1] for param in VARIANTS], ids=repr)
@pytest.mark.parametrize("kind", ["table", "picture"])
def test_gradient_is_that_of_the_value(term, kind, monkeypatch):
    batch, out = example(GROUPS["all groups"], kind=kind)
    hold_weights(monkeypatch, term, batch, out)
    leaves = {f.name: getattr(out, f.name).clone().requires_grad_() for f in filled(out)}

    def value(*tensors):
        return term(batch, Output(**dict(zip(leaves, tensors, strict=True))))

    # Fields that a term does not read have no gradient at all; gradcheck counts it as zero.
    assert torch.autograd.gradcheck(value, tuple(leaves.values()), fast_mode=True)
    assert any(g is not None and g.abs().sum() > 0 for g in _gradients(value, leaves))


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
    away = ~is_learnt(batch.group)
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
    value = CONTRASTS[name]()(batch, out)
    assert torch.equal(CONTRASTS[name]()(batch, replace(out, x_hat=out.x_hat + 1, h=out.h + 1)), value)
    other_shape = out.z * torch.tensor([1.1, 1.0, 1.0])
    assert not torch.allclose(CONTRASTS[name]()(batch, replace(out, z=other_shape)), value)


@pytest.mark.parametrize("name", CONTRASTS)
def test_a_contrast_falls_as_defects_leave_the_normals(name):
    batch, out = example((UNLABELLED,) * 6 + (DEFECT,) * 3)
    z = 0.1 * out.z
    values = [
        float(CONTRASTS[name]()(batch, replace(out, z=z + shift * _of_defects(batch)))) for shift in (0.2, 0.5, 1.0)
    ]
    assert values == sorted(values, reverse=True)
    assert values[0] > values[-1]


def _of_defects(batch):
    return is_defect(batch.group).to(torch.float64).unsqueeze(1)


@pytest.mark.parametrize("name", CONTRASTS)
def test_a_contrast_does_not_depend_on_where_the_origin_is(name):
    batch, out = example(GROUPS["all groups"])
    torch.testing.assert_close(
        CONTRASTS[name]()(batch, replace(out, z=out.z + 100.0)), CONTRASTS[name]()(batch, out), rtol=1e-9, atol=1e-9
    )


@pytest.mark.parametrize("name", LOSSES)
def test_every_option_changes_the_value(name):
    groups = GROUPS["all groups"]
    batch, out = example(groups, kind="table")
    spread = replace(out, z=out.z * torch.linspace(0.2, 40, len(groups), dtype=torch.float64).unsqueeze(1))
    default = LOSSES[name]()
    for option in fields(default):
        if option.name in ("weight", "least_defects"):  # what these do: tests/test_training.py
            continue
        for value in other_values(option):
            changed = replace(default, **{option.name: value})
            values = [(float(default(batch, o)), float(changed(batch, o))) for o in (out, spread)]
            assert any(a != b for a, b in values), (option.name, value)


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
    far = replace(out, z=out.z + 1e6 * _of_defects(batch))
    assert term.lower_bound == -inf
    assert float(term(batch, far)) < -1e4


def test_sum_of_squares_in_single_precision_is_exact_far_from_the_origin():
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(200, 8, generator=generator) + 1000
    z[180:] += 3
    group = torch.tensor([UNLABELLED] * 180 + [DEFECT] * 20)
    for cap in (None, 50.0):
        exact = float(sum_of_squares(z.double(), group, cap))
        assert float(sum_of_squares(z, group, cap)) == pytest.approx(exact, rel=1e-6)


def test_sum_of_squares_is_the_seeds_sum_before_it_is_divided():
    batch, out = example(GROUPS["all groups"])
    for cap in (None, 2.0):
        expected = reference.sum_of_squares(out.z.numpy(), batch.group.numpy(), cap)
        assert float(sum_of_squares(out.z, batch.group, cap)) == pytest.approx(expected, rel=1e-12)


def test_mean_distance_counts_every_pair_of_normals_twice_as_the_seed_does():
    z = torch.tensor([[0.0], [4.0]])
    assert float(mean_distance(z, torch.tensor([NORMAL, NORMAL]))) == 8.0


def test_margin_leaves_rows_beyond_the_margin_alone():
    z = torch.tensor([[0.0, 0.0], [5.0, 5.0]], requires_grad=True)
    (gradient,) = torch.autograd.grad(margin_contrast(z, torch.tensor([NORMAL, DEFECT])), z)
    assert not gradient.any()


def test_margin_does_not_depend_on_the_width_of_the_code():
    narrow, group = torch.tensor([[0.0], [0.3], [0.5]]), torch.tensor([NORMAL, DEFECT, DEFECT])
    torch.testing.assert_close(margin_contrast(narrow.repeat(1, 9), group), margin_contrast(narrow, group))


def test_margin_pushes_others_as_well_as_normals():
    z = torch.tensor([[0.0], [0.2]])
    assert margin_contrast(z, torch.tensor([OTHER, DEFECT])) == margin_contrast(z, torch.tensor([NORMAL, DEFECT])) > 0


def test_triplet_leaves_rows_beyond_the_margin_alone():
    z = torch.tensor([[0.0], [0.5], [1.7], [2.5]], requires_grad=True)
    (gradient,) = torch.autograd.grad(triplet_contrast(z, torch.tensor([DEFECT, DEFECT, NORMAL, OTHER])), z)
    assert gradient[3] == 0
    assert gradient[2] < 0  # the loss falls as it moves away


@pytest.mark.parametrize("name", MINED)
def test_one_defect_is_pushed_away_from_its_nearest_row(name):
    z = torch.tensor([[0.0, 0.0], [2.0, 0.0], [2.0, 1.0]], requires_grad=True)
    term, batch = MINED[name](), Batch(torch.zeros(3, 1), torch.tensor([NORMAL, OTHER, DEFECT]))
    value = term(batch, Output(z, z, z))
    (gradient,) = torch.autograd.grad(value, z)
    assert value > 0
    moved = z.detach() - 0.01 * gradient / gradient.norm()
    assert term(batch, Output(moved, moved, moved)) < value


@pytest.mark.parametrize("name", ["info_nce", "cosine"])
def test_angles_do_not_depend_on_the_length_of_codes(name):
    batch, out = example(GROUPS["no others"])
    longer = replace(out, z=5 * out.z)
    torch.testing.assert_close(CONTRASTS[name]()(batch, longer), CONTRASTS[name]()(batch, out))


def test_info_nce_is_the_cross_entropy_of_naming_the_partner():
    batch, out = example((NORMAL, OTHER, UNLABELLED, DEFECT, DEFECT))
    u = torch.nn.functional.normalize(out.z - (out.z[0] + out.z[2]) / 2)
    logits = torch.stack([u[[4, 0, 1, 2]] @ u[3], u[[3, 0, 1, 2]] @ u[4]]) / 0.1
    expected = torch.nn.functional.cross_entropy(logits, torch.tensor([0, 0]))
    torch.testing.assert_close(CONTRASTS["info_nce"](temperature=0.1)(batch, out), expected)


def test_cosine_is_pytorchs_on_pairs_with_a_defect():
    batch, out = example((NORMAL, DEFECT, DEFECT, OTHER))
    z = out.z - out.z[0]
    first, second = z[[1, 1, 2, 1, 2]], z[[2, 3, 3, 0, 0]]
    errors = torch.nn.functional.cosine_embedding_loss(
        first, second, torch.tensor([1, -1, -1, -1, -1]), margin=0.2, reduction="none"
    )
    value = cosine_contrast(out.z, batch.group, margin=0.2, miner="uniform")
    torch.testing.assert_close(value, errors[0] + errors[1:].mean())


def similarities(seed, defects=3, rest=6):
    rng = np.random.default_rng(seed)
    return torch.tensor(rng.normal(size=(defects, rest))), torch.tensor(rng.normal(size=(defects, defects)))


def test_every_miner_has_a_reference():
    assert set(reference.MINERS) == set(MINERS)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", MINERS)
def test_a_miners_weights_equal_the_reference_and_sum_to_one(name, seed):
    negatives, positives = similarities(seed)
    weights = mine(name, negatives, positives)
    expected = [
        reference.MINERS[name](near, min(partners))
        for near, partners in zip(negatives.tolist(), positives.tolist(), strict=True)
    ]
    np.testing.assert_allclose(weights, expected, rtol=1e-12)
    assert (weights >= 0).all()
    torch.testing.assert_close(weights.sum(1), torch.ones(3, dtype=torch.float64))


@pytest.mark.parametrize("rest", [0, 1])
@pytest.mark.parametrize("name", MINERS)
def test_a_miner_of_few_negatives_takes_what_there_is(name, rest):
    assert mine(name, *similarities(0, rest=rest)).tolist() == [[1.0] * rest] * 3


@pytest.mark.parametrize("name", MINERS)
def test_a_miners_weights_carry_no_gradient(name):
    negatives, positives = similarities(0)
    assert not mine(name, negatives.requires_grad_(), positives.requires_grad_()).requires_grad


def test_miners_differ_in_how_much_they_look_at_the_nearest():
    negatives, positives = similarities(1)
    nearest = negatives.argmax(1, keepdim=True)
    share = {name: float(mine(name, negatives, positives).gather(1, nearest).mean()) for name in MINERS}
    assert share["uniform"] < share["distance_weighted"] < share["hard"] == 1


@pytest.mark.parametrize("cls", MINED.values(), ids=MINED)
def test_an_unknown_miner_is_refused_and_the_nearest_named(cls):
    with pytest.raises(ConfigError, match="miner 'hardest' is unknown; did you mean 'hard'"):
        cls(miner="hardest")


def test_the_default_kl_term_is_not_zero():
    batch, out = example(GROUPS["no others"])
    term = LOSSES["kl"]()
    assert term.weight * float(term(batch, out)) > 1e-3


def test_kl_is_zero_for_the_standard_normal_only():
    zero = torch.zeros(1, 2)
    assert float(kl_divergence(zero, zero)) == 0
    assert float(kl_divergence(zero + 0.1, zero)) > 0
    assert float(kl_divergence(zero, zero + 0.1)) > 0


def test_bce_reads_values_outside_0_and_1_as_0_and_1():
    term, x_hat = LOSSES["bce"](), torch.tensor([[0.3, -0.7]])
    assert torch.equal(
        term.error_map(torch.tensor([[-5.0, 3.0]]), x_hat), term.error_map(torch.tensor([[0.0, 1.0]]), x_hat)
    )


def test_bce_of_a_sure_and_right_pixel_is_not_below_zero():
    errors = LOSSES["bce"]().error_map(torch.tensor([[0.0, 1.0, 0.0]]), torch.tensor([[-1e4, 1e4, -20.0]]))
    assert errors.tolist() == [[0.0, 0.0, 0.0]]


def test_bce_of_huge_logits_is_finite():
    assert binary_cross_entropy(torch.ones(1, 2), torch.tensor([[-1e4, 1e4]])).tolist() == [[1e4, 0.0]]


@pytest.mark.parametrize("case", GROUPS)
def test_embedded_measures_in_the_space_of_the_vectors(case):
    batch, out = example(GROUPS[case], kind="table")
    vectors = (torch.randn(3, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64),)
    value = LOSSES["embedded"]()(batch, replace(out, vectors=vectors))
    rows = [
        reference.embedded_error(x, x_hat, [vectors[0].numpy()], BLOCKS)
        for x, x_hat in zip(batch.x.numpy(), out.x_hat.numpy(), strict=True)
    ]
    assert float(value) == pytest.approx(reference.mean_of_learnt(np.array(rows), batch.group.numpy()), abs=1e-9)


def test_embedded_costs_nothing_where_all_vectors_are_zero():
    batch, out = example(GROUPS["all groups"], kind="table")
    same = torch.cat([batch.x[:, :2], out.x_hat[:, 2:5], batch.x[:, 5:]], dim=1)
    assert float(LOSSES["embedded"]()(batch, replace(out, x_hat=same, vectors=(torch.zeros(3, 2).double(),)))) == 0


def test_bce_sees_the_numbers_of_a_table_through_the_logistic_function():
    blocks = (Block(0, 1, "numeric"), Block(1, 2, "binary"))
    x, term = torch.tensor([[-7.0, 1.0], [3.0, 0.0]]), LOSSES["bce"]()
    assert float(term.error_map(x, x, blocks)[:, 0].max()) < 1e-6
    torch.testing.assert_close(
        term.activate(torch.full((2, 2), 3.0), blocks)[0], torch.tensor([3.0, 0.9526]), atol=1e-4, rtol=0
    )


def test_typed_gives_a_wide_category_the_weight_of_one_number():
    blocks = (Block(0, 60, "categorical"), Block(60, 61, "numeric"))
    x = torch.cat([torch.eye(60)[:3], torch.zeros(3, 1)], dim=1)
    errors = column_errors(x, torch.zeros_like(x), blocks)
    assert errors.shape == (3, 2)
    torch.testing.assert_close(errors[:, 0], torch.full((3,), float(np.log(60))))


def test_typed_activates_categories_to_probabilities():
    _, out = example(GROUPS["one defect"])
    seen = activate_columns(out.x_hat, BLOCKS)
    torch.testing.assert_close(seen[:, 2:5].sum(1), torch.ones(4, dtype=torch.float64))
    assert ((seen[:, 1] > 0) & (seen[:, 1] < 1)).all()
    assert torch.equal(seen[:, [0, 5]], out.x_hat[:, [0, 5]])


def test_subspace_distance_is_zero_within_the_subspace():
    basis = torch.eye(4)[:2]
    h = torch.tensor([[1.0, 2.0, 0.0, 0.0], [0.0, 0.0, 3.0, 4.0]])
    torch.testing.assert_close(subspace_distance(h, basis), torch.tensor([0.0, 5.0]), atol=2e-6, rtol=0)
    assert float(orthogonality_error(basis)) == 0


@pytest.mark.parametrize("function", [squared_error, binary_cross_entropy])
def test_a_wrong_shape_is_refused_by_the_run_time_check(function):
    with pytest.raises(Exception, match=r"sample|shape"):
        function(torch.zeros(2, 3), torch.zeros(2, 4))


def test_a_batch_without_time_has_no_pace_to_learn():
    batch, out = example(GROUPS["all groups"])
    assert float(LOSSES["pace"]()(replace(batch, pace=None), out)) == 0.0


def test_a_pace_is_known_up_to_standing_still_and_twice_as_fast():
    batch, out = example((UNLABELLED, OTHER, OTHER))
    batch = replace(batch, pace=torch.tensor([1.0, -2.0, 9.0], dtype=torch.float64))
    z = out.z.clone()
    z[:, 0] = torch.tensor([0.0, -SCALE, SCALE])
    assert float(LOSSES["pace"]()(batch, replace(out, z=z))) == 0.0
