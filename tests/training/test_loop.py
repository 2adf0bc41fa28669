"""The loop: what a batch holds, what is refused, what a record says."""

import pytest
import torch

from blemish.autoencoder import BACKBONES, BOTTLENECKS
from blemish.autoencoder.autoencoder import Autoencoder
from blemish.core.errors import ConfigError, DataError, TrainingError
from blemish.core.labels import DEFECT, OTHER, UNLABELLED, is_ordinary
from blemish.losses import LOSSES
from blemish.losses.loss import ContrastiveLoss, losses_of_kind
from blemish.training import SCHEDULES
from blemish.training.batches import Plan, TrainingData
from blemish.training.loop import EpochRecord, stops_early, train
from blemish.training.synthetic import Synthetic

MSE, MARGIN = LOSSES["mse"](), LOSSES["margin"]()
CONTRASTS = losses_of_kind(ContrastiveLoss)


def network(bottleneck="plain", width=5):
    torch.manual_seed(0)
    part = BOTTLENECKS[bottleneck](3)
    return Autoencoder(BACKBONES["mlp"]((width,), part.hidden_dim, 3, widths=(16,)), part)


def data(n=40, n_defects=2, n_others=0, width=5):
    x = torch.randn(n + n_defects + n_others, width, generator=torch.Generator().manual_seed(1))
    group = torch.tensor([UNLABELLED] * n + [DEFECT] * n_defects + [OTHER] * n_others, dtype=torch.long)
    return TrainingData(x, group)


def generator():
    return torch.Generator().manual_seed(0)


def batches_of(plan, sample, terms=(MSE, MARGIN)):
    """The groups of every batch, seen by a spying loss term."""
    seen = []

    class Spy(type(terms[-1])):
        def __call__(self, batch, out):
            seen.append(batch.group.clone())
            return super().__call__(batch, out)

    list(train(network(), sample, [*terms[:-1], Spy()], plan, generator()))
    return seen


def test_a_record_per_epoch():
    records = list(train(network(), data(), [MSE, MARGIN], Plan(epochs=3, batch_size=16), generator()))
    assert [record.epoch for record in records] == [1, 2, 3]
    assert set(records[0].terms) == {"Mse", "Margin"}
    expected = sum(term.weight * records[0].terms[type(term).__name__] for term in (MSE, MARGIN))
    assert records[0].total == pytest.approx(expected)
    assert records[0].validation is None


def test_the_loss_falls():
    records = list(train(network(), data(n=200), [MSE], Plan(epochs=60, batch_size=32), generator()))
    assert records[-1].total < 0.6 * records[0].total


@pytest.mark.parametrize("n_defects", [1, 2, 30])
def test_every_batch_of_a_contrast_holds_labelled_defects(n_defects):
    groups = batches_of(Plan(epochs=2, batch_size=16), data(n_defects=n_defects, n_others=1))
    assert len(groups) == 2 * 3
    for group in groups:
        assert (group == DEFECT).sum() == 4
        assert (group == OTHER).sum() == 4


def test_synthetic_outliers_join_as_others():
    plan = Plan(epochs=1, batch_size=10, synthesise=lambda x, g, b: Synthetic(x + 100))
    for group in batches_of(plan, data()):
        assert (group == OTHER).sum() == 10


def test_rows_as_they_came_have_a_pace_of_1_and_labelled_ones_have_none():
    seen = []

    class Spy(LOSSES["pace"]):
        def __call__(self, batch, out):
            seen.append((batch.group, batch.pace))
            return super().__call__(batch, out)

    plan = Plan(epochs=1, batch_size=10, synthesise=lambda x, g, b: Synthetic(x + 100, x.new_full((len(x),), 0.5)))
    list(train(network(), data(n_others=2), [MSE, Spy()], plan, generator()))
    for group, pace in seen:
        made = torch.arange(len(group)) >= len(group) - 10
        assert (pace[made] == 0.5).all()
        assert (pace[is_ordinary(group)] == 1).all()
        assert pace[~made & ~is_ordinary(group)].isnan().all()


def test_one_labelled_defect_makes_pairs_of_its_own_augmented_rows():
    seen = []

    class Spy(LOSSES["info_nce"]):
        def __call__(self, batch, out):
            defect = batch.group == DEFECT
            seen.append((batch.x[defect], out.z[defect]))
            return super().__call__(batch, out)

    plan = Plan(epochs=1, batch_size=16, augmentation=lambda x, g, b: x + torch.randn(x.shape, generator=g))
    list(train(network(), data(n_defects=1), [MSE, Spy()], plan, generator()))
    for x, z in seen:
        assert len(x) == 4
        assert len(x.unique(dim=0)) == 1
        assert len(z.unique(dim=0)) == 4


@pytest.mark.parametrize("fraction", [0.01, 0.25])
@pytest.mark.parametrize("name", CONTRASTS)
def test_a_contrastive_vae_trains_with_one_defect_in_a_batch(name, fraction):
    terms = [MSE, LOSSES["kl"](), CONTRASTS[name]()]
    plan = Plan(epochs=30, batch_size=16, labelled_fraction=fraction)
    groups = []

    class Spy(CONTRASTS[name]):
        def __call__(self, batch, out):
            groups.append(batch.group)
            return super().__call__(batch, out)

    records = list(train(network("variational"), data(n_defects=1), [*terms[:-1], Spy()], plan, generator()))
    assert {int((group == DEFECT).sum()) for group in groups} == {1 if fraction < 0.1 else 4}
    assert records[-1].total < records[0].total


def test_terms_that_want_no_augmentation_get_none():
    plan = Plan(
        epochs=1,
        batch_size=10,
        synthesise=lambda x, g, b: Synthetic(x + 100),
        augmentation=lambda x, g, b: x * float("nan"),
    )
    for group in batches_of(plan, data(), (MSE, LOSSES["mean_distance"]())):
        assert not (group == OTHER).any()


def test_every_row_is_seen_once_an_epoch():
    rows = TrainingData(torch.arange(37.0).unsqueeze(1), torch.zeros(37, dtype=torch.long))
    seen = []

    class Spy(LOSSES["mse"]):
        def __call__(self, batch, out):
            seen.extend(batch.x[:, 0].tolist())
            return super().__call__(batch, out)

    list(train(network(width=1), rows, [Spy()], Plan(epochs=1, batch_size=8), generator()))
    assert sorted(seen) == list(range(37))


@pytest.mark.parametrize("n", [1, 2, 7])
def test_fewer_rows_than_a_batch_are_trained(n):
    model = network()
    before = [p.clone() for p in model.parameters()]
    list(train(model, data(n=n), [MSE, MARGIN], Plan(epochs=1, batch_size=64), generator()))
    assert any(not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


@pytest.mark.parametrize(("n_defects", "there"), [(1, False), (2, True)])
def test_a_contrast_may_need_more_defects_than_one(n_defects, there):
    terms = [MSE, LOSSES["pace"](), LOSSES["margin"](least_defects=2)]
    records = list(train(network(), data(n_defects=n_defects), terms, Plan(epochs=1, batch_size=16), generator()))
    assert ("Margin" in records[0].terms) == there
    assert "PlaybackSpeed" in records[0].terms


def test_without_defects_contrasts_are_left_out():
    record = next(train(network(), data(n_defects=0), [MSE, MARGIN], Plan(epochs=1), generator()))
    assert set(record.terms) == {"Mse"}


def test_only_the_given_generator_is_used():
    state = torch.get_rng_state()
    first = list(train(network(), data(), [MSE, MARGIN], Plan(epochs=2), generator()))
    torch.manual_seed(99)
    second = list(train(network(), data(), [MSE, MARGIN], Plan(epochs=2), generator()))
    assert [r.total for r in first] == [r.total for r in second]
    torch.set_rng_state(state)


def test_gradients_are_clipped():
    class Steep(LOSSES["mse"]):
        def __call__(self, batch, out):
            return 1e12 * super().__call__(batch, out)

    model = network()
    list(train(model, data(), [Steep()], Plan(epochs=2, clip_norm=1.0), generator()))
    assert all(torch.isfinite(p).all() for p in model.parameters())


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_run_to_the_end(name):
    plan = Plan(epochs=4, batch_size=8, schedule=SCHEDULES[name]())
    rates = [record.lr for record in train(network(), data(), [MSE], plan, generator())]
    assert len(rates) == 4
    assert all(0 < rate <= 0.01 for rate in rates)


def test_one_cycle_rises_and_falls():
    schedule = SCHEDULES["one_cycle"](lr=1e-2, warm_up=0.5)
    rates = [
        r.lr for r in train(network(), data(), [MSE], Plan(epochs=20, batch_size=8, schedule=schedule), generator())
    ]
    assert max(rates) == pytest.approx(1e-2, rel=0.05)
    assert rates[0] < max(rates) > 100 * rates[-1]


def test_cosine_restarts():
    schedule = SCHEDULES["cosine_warm_restarts"](cycles=2)
    rates = [
        r.lr for r in train(network(), data(), [MSE], Plan(epochs=10, batch_size=40, schedule=schedule), generator())
    ]
    assert rates[4] > rates[3] < rates[0]


def test_a_nan_names_its_term():
    class Broken(LOSSES["margin"]):
        def __call__(self, batch, out):
            return super().__call__(batch, out) * float("nan")

    with pytest.raises(TrainingError, match="loss Broken became NaN or infinite in epoch 1; lower lr"):
        list(train(network(), data(), [MSE, Broken()], Plan(epochs=3), generator()))


def test_a_term_without_its_field_is_refused():
    with pytest.raises(ConfigError, match="Kl needs 'mu', which bottleneck Plain does not fill"):
        next(train(network(), data(), [MSE, LOSSES["kl"]()], Plan(), generator()))


@pytest.mark.parametrize("name", ["sum_of_squares", "mean_distance"])
def test_a_term_without_a_bound_is_refused(name):
    with pytest.raises(ConfigError, match="has no lower bound and would diverge; give it a cap"):
        next(train(network(), data(), [MSE, LOSSES[name](cap=None)], Plan(), generator()))


def test_no_term_is_refused():
    with pytest.raises(ConfigError, match="no loss term to train"):
        next(train(network(), data(n_defects=0), [MARGIN], Plan(), generator()))


def test_no_row_is_refused():
    with pytest.raises(DataError, match="no unlabelled or normal row"):
        next(train(network(), data(n=0), [MSE], Plan(), generator()))
    with pytest.raises(DataError, match="no unlabelled or normal row"):
        next(train(network(), data(n=0, n_defects=0), [MSE], Plan(), generator()))


def test_early_stopping_watches_the_validation_loss():
    def record(total, validation):
        return EpochRecord(1, total, {}, validation, 1e-3, 0.0)

    falling = [record(1.0 / i, 1.0 / i) for i in range(1, 10)]
    rising = [record(1.0 / i, float(i)) for i in range(1, 10)]
    assert not stops_early(falling, patience=3)
    assert stops_early(rising, patience=3)
    assert not stops_early(rising[:3], patience=3)


def test_validation_rows_are_measured():
    sample = data()
    held = TrainingData(sample.x, sample.group, held_out=torch.zeros(4, 5))
    record = next(train(network(), held, [MSE, MARGIN], Plan(epochs=1), generator()))
    assert record.validation is not None
    assert record.validation > 0


# Alternating steps -----------------------------------------------------------------------------------------------


def skewed():
    """A network whose RSR basis is far from orthonormal, and that basis."""
    model = network("rsr")
    basis = model.get_parameter("bottleneck.basis")
    basis.data *= 1.5
    return model, basis


ALTERNATING = [LOSSES["orthogonality"](), LOSSES["l2p"](), LOSSES["subspace"]()]


def test_a_term_with_its_own_step_moves_only_its_parts():
    class Still(LOSSES["l2p"]):
        def __call__(self, batch, out):
            return 0 * super().__call__(batch, out)

    for own, moved in (("subspace", {"encoder", "bottleneck"}), ("orthogonality", {"bottleneck"})):
        model, _ = skewed()
        before = {name: parameter.clone() for name, parameter in model.named_parameters()}
        plan = Plan(epochs=1, schedule=SCHEDULES["constant"]())
        list(train(model, data(), [Still(), LOSSES[own]()], plan, generator()))
        after = dict(model.named_parameters())
        assert {n.split(".")[0] for n, p in before.items() if not torch.equal(p, after[n])} == moved, own


def test_a_step_of_its_own_is_larger_and_decodes_nothing():
    seen = []

    class Spy(LOSSES["orthogonality"]):
        lr_factor = 3.0

        def __call__(self, batch, out):
            seen.append((len(out.x_hat), len(out.z)))
            return super().__call__(batch, out)

    model, basis = skewed()
    before = basis.detach().clone()
    plan = Plan(epochs=1, batch_size=64, schedule=SCHEDULES["constant"](lr=1e-4))

    class Still(LOSSES["l2p"]):
        def __call__(self, batch, out):
            return 0 * super().__call__(batch, out)

    list(train(model, data(n_defects=0), [Still(), Spy()], plan, generator()))
    assert seen == [(0, 40)]
    step = (basis - before).abs().max().item()
    assert step == pytest.approx(3e-4, rel=0.01), "Adam's first step is the learning rate"


def test_alternating_steps_reach_both_aims():
    model, _ = skewed()
    records = list(train(model, data(n=200), ALTERNATING, Plan(epochs=40, batch_size=32), generator()))
    assert set(records[0].terms) == {"L2p", "Subspace", "Orthogonality"}
    assert records[-1].terms["Orthogonality"] < 0.05 * records[0].terms["Orthogonality"]
    assert records[-1].terms["Subspace"] < 0.3 * records[0].terms["Subspace"]
    assert records[-1].terms["L2p"] < records[0].terms["L2p"]


@pytest.mark.parametrize(
    ("backbone", "shape"), [("conv", (1, 12, 12)), ("conv_lstm", (3, 1, 12, 12)), ("linear", (5,))]
)
def test_every_backbone_takes_alternating_steps(backbone, shape):
    part = BOTTLENECKS["rsr"](3, unit_length=True)
    model = Autoencoder(BACKBONES[backbone](shape, part.hidden_dim, 3), part)
    rows = TrainingData(torch.rand(6, *shape), torch.zeros(6, dtype=torch.long))
    assert len(list(train(model, rows, ALTERNATING, Plan(epochs=1, batch_size=4), generator()))) == 1


def test_a_step_of_its_own_is_no_objective_alone():
    with pytest.raises(ConfigError, match="no loss term to train"):
        next(train(network("rsr"), data(), [LOSSES["subspace"]()], Plan(), generator()))
