"""A small network and small data for tests of the training."""

import torch

from blemish.autoencoder import BACKBONES, BOTTLENECKS
from blemish.autoencoder.autoencoder import Autoencoder
from blemish.core.labels import DEFECT, OTHER, UNLABELLED
from blemish.losses import LOSSES
from blemish.losses.loss import ContrastiveLoss, losses_of_kind
from blemish.training.batches import TrainingData
from blemish.training.loop import train

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
