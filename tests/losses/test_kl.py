"""The regulariser of a variational autoencoder."""

import torch

from blemish.losses import LOSSES
from blemish.losses.kl import kl_divergence
from loss_examples import GROUPS, example


def test_the_default_kl_term_is_not_zero():
    batch, out = example(GROUPS["no others"])
    term = LOSSES["kl"]()
    assert term.weight * float(term(batch, out)) > 1e-3


def test_kl_is_zero_for_the_standard_normal_only():
    zero = torch.zeros(1, 2)
    assert float(kl_divergence(zero, zero)) == 0
    assert float(kl_divergence(zero + 0.1, zero)) > 0
    assert float(kl_divergence(zero, zero + 0.1)) > 0
