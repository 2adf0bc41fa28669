"""What is minimised, and the loop: records, schedules, clipping, early stopping."""

import pytest
import torch

from blemish.autoencoder import BACKBONES, BOTTLENECKS
from blemish.autoencoder.autoencoder import Autoencoder
from blemish.core.errors import ConfigError, TrainingError
from blemish.losses import LOSSES
from blemish.training import SCHEDULES
from blemish.training.batches import Plan, TrainingData
from blemish.training.loop import EpochRecord, stops_early, train
from training_examples import MARGIN, MSE, data, generator, network


def skewed():
    """A network whose RSR basis is far from orthonormal, and that basis."""
    model = network("rsr")
    basis = model.get_parameter("bottleneck.basis")
    basis.data *= 1.5
    return model, basis


ALTERNATING = [LOSSES["orthogonality"](), LOSSES["l2p"](), LOSSES["subspace"]()]


@pytest.mark.parametrize(("n_defects", "there"), [(1, False), (2, True)])
def test_a_contrast_may_need_more_defects_than_one(n_defects, there):
    terms = [MSE, LOSSES["pace"](), LOSSES["margin"](least_defects=2)]
    records = list(train(network(), data(n_defects=n_defects), terms, Plan(epochs=1, batch_size=16), generator()))
    assert ("Margin" in records[0].terms) == there
    assert "PlaybackSpeed" in records[0].terms


def test_without_defects_contrasts_are_left_out():
    record = next(train(network(), data(n_defects=0), [MSE, MARGIN], Plan(epochs=1), generator()))
    assert set(record.terms) == {"Mse"}


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


def test_validation_rows_are_measured():
    sample = data()
    held = TrainingData(sample.x, sample.group, held_out=torch.zeros(4, 5))
    record = next(train(network(), held, [MSE, MARGIN], Plan(epochs=1), generator()))
    assert record.validation is not None
    assert record.validation > 0


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


def test_early_stopping_watches_the_validation_loss():
    def record(total, validation):
        return EpochRecord(1, total, {}, validation, 1e-3, 0.0)

    falling = [record(1.0 / i, 1.0 / i) for i in range(1, 10)]
    rising = [record(1.0 / i, float(i)) for i in range(1, 10)]
    assert not stops_early(falling, patience=3)
    assert stops_early(rising, patience=3)
    assert not stops_early(rising[:3], patience=3)
