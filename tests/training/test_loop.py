"""The loop: records, schedules, clipping, early stopping."""

import pytest
import torch

from blemish.core.errors import TrainingError
from blemish.losses import LOSSES
from blemish.training import SCHEDULES
from blemish.training.batches import Plan
from blemish.training.loop import EpochRecord, stops_early, train
from training_examples import MARGIN, MSE, data, generator, network


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
