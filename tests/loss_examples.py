"""Batches and outputs for tests of loss terms."""

from dataclasses import fields

import numpy as np
import torch

from blemish.core.labels import DEFECT, NORMAL, OTHER, UNLABELLED, is_defect
from blemish.core.output import Batch, Block, Output
from blemish.losses.loss import ContrastiveLoss, MinedLoss, ReconstructionLoss, losses_of_kind

RECONSTRUCTIONS = losses_of_kind(ReconstructionLoss)
CONTRASTS = losses_of_kind(ContrastiveLoss)
MINED = losses_of_kind(MinedLoss)
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


def of_defects(batch):
    """1.0 where a row is a defect, shape (batch, 1)."""
    return is_defect(batch.group).to(torch.float64).unsqueeze(1)
