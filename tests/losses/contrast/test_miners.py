"""Facts of the miners."""

import numpy as np
import pytest
import torch

import reference
from blemish.losses.contrast.miners import MINERS, mine


def similarities(seed, defects=3, rest=6):
    rng = np.random.default_rng(seed)
    return torch.tensor(rng.normal(size=(defects, rest))), torch.tensor(rng.normal(size=(defects, defects)))


@pytest.mark.parametrize("name", MINERS)
def test_a_miners_weights_equal_the_reference_and_sum_to_one(name):
    for seed in range(5):
        negatives, positives = similarities(seed)
        weights = mine(name, negatives, positives)
        expected = [
            reference.of_miner(name)(near, min(partners))
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
    fraction = {name: float(mine(name, negatives, positives).gather(1, nearest).mean()) for name in MINERS}
    assert fraction["uniform"] < fraction["distance_weighted"] < fraction["hard"] == 1
