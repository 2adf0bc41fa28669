"""Weights and rows of these tests are drawn from one seed; the global generator is as before afterwards."""

import pytest
import torch


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield
