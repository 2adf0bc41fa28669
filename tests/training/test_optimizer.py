"""Adam on one vector makes the steps of PyTorch's own, and the rates those of PyTorch's schedulers."""

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingWarmRestarts, OneCycleLR

from blemish.training import SCHEDULES
from blemish.training.optimizer import FlatAdam, FlatWeights

REFERENCES = {
    "constant": lambda adam, _schedule, _total: ConstantLR(adam, factor=1.0, total_iters=0),
    "one_cycle": lambda adam, s, total: OneCycleLR(adam, max_lr=s.lr, total_steps=total + 1, pct_start=s.warm_up),
    "cosine_warm_restarts": lambda adam, s, total: CosineAnnealingWarmRestarts(adam, T_0=max(1, -(-total // s.cycles))),
}


def network():
    torch.manual_seed(0)
    return nn.ModuleDict({"encoder": nn.Linear(5, 3), "other": nn.Linear(3, 3), "decoder": nn.Linear(3, 5)})


def loss(model, x):
    return 30 * (model["decoder"](model["other"](model["encoder"](x))) - x).square().mean()


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("parts", [["encoder", "other", "decoder"], ["encoder", "decoder"]])
def test_steps_are_those_of_pytorch(name, parts):
    schedule, x = SCHEDULES[name](lr=1e-2), torch.randn(16, 5, generator=torch.Generator().manual_seed(1))
    ours, theirs = network(), network()
    weights = FlatWeights(ours)
    flat = FlatAdam(weights, [ours[part] for part in parts], schedule, 40, clip_norm=1.0)
    moved = [weight for part in parts for weight in theirs[part].parameters()]
    adam = torch.optim.AdamW(moved, lr=schedule.lr, weight_decay=schedule.weight_decay, eps=schedule.eps)
    scheduler = REFERENCES[name](adam, schedule, 40)
    for _ in range(40):
        assert flat.lr == pytest.approx(scheduler.get_last_lr()[0], rel=1e-9)
        weights.gradient.zero_()
        loss(ours, x).backward()
        flat.step()
        theirs.zero_grad()
        loss(theirs, x).backward()
        torch.nn.utils.clip_grad_norm_(theirs.parameters(), 1.0)
        adam.step()
        scheduler.step()
    weights.release()
    for (where, a), b in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5, msg=where)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("total", [1, 2, 3, 7, 100])
def test_rates_are_those_of_pytorch(name, total):
    schedule = SCHEDULES[name]()
    adam = torch.optim.AdamW([nn.Parameter(torch.zeros(1))], lr=schedule.lr)
    scheduler = REFERENCES[name](adam, schedule, total)
    for step in range(total):
        lr, beta1 = schedule.rates(step, total)
        assert lr == pytest.approx(adam.param_groups[0]["lr"], rel=1e-9, abs=1e-15)
        assert beta1 == pytest.approx(adam.param_groups[0]["betas"][0], rel=1e-9)
        adam.step()
        scheduler.step()


def test_flat_weights_are_the_networks_and_can_be_given_back():
    model = network()
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    weights = FlatWeights(model)
    assert all(torch.equal(before[name], weight) for name, weight in model.named_parameters())
    weights.weight += 1.0
    assert all(torch.equal(before[name] + 1, weight) for name, weight in model.named_parameters())
    weights.release()
    weights.weight += 1.0
    assert all(torch.equal(before[name] + 1, weight) for name, weight in model.named_parameters())
    assert all(weight.grad is None for weight in model.parameters())
