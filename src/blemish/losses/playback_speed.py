"""Playback speed: one element of the code has to predict how fast a clip is played."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch.nn.functional import smooth_l1_loss

from blemish.core.output import Batch, Codes, Output, PerRow, Scalar
from blemish.losses.loss import Loss, mean_where

SCALE = 5.0
"""Units of the code for a clip at twice its recorded speed: 10 % more or less is half a unit."""


def pace_error(z: Codes, pace: PerRow) -> Scalar:
    r"""How far the first element of each code is from the playback speed (pace) of its clip.

    .. math:: \frac1n \sum_i h\bigl(z_{i1} - 5 \min(1, \max(-1, p_i - 1))\bigr), \quad
              h(e) = e^2 / 2 \text{ where } |e| < 1, \text{ else } |e| - 1/2

    over the n rows whose pace p is known.

    Args:
        z: Codes, shape (batch, latent).
        pace: Multiples of the recorded speed, shape (batch,); NaN where it is unknown.

    Returns:
        A number >= 0; 0 where no pace is known.

    Example:
        >>> pace_error(torch.tensor([[0.0], [0.5], [9.0]]), torch.tensor([1.0, 1.3, torch.nan]))
        tensor(0.2500)

    Reference:
        Wang, Jiao and Liu, "Self-supervised video representation learning by pace prediction", ECCV 2020,
        arXiv:2008.05861, equation 1; they classify a few paces, ours is a regression.
    """
    known = ~pace.isnan()
    wanted = SCALE * torch.where(known, pace - 1, 0.0).clamp(-1, 1)
    return mean_where(smooth_l1_loss(z[:, 0], wanted, reduction="none"), known)


@dataclass(frozen=True)
class PlaybackSpeed(Loss):
    """Clips replayed at other speeds teach the code how fast a clip is played; part of the default for video.

    One labelled defect is then enough to know its speed, where a network with only a handful of labels would memorise
    them (decisions.md 26). Not for defects in a single frame: there it does nothing.
    """

    needs_defects: ClassVar[bool] = True
    wants_outliers: ClassVar[bool] = True

    def __call__(self, batch: Batch, out: Output) -> Scalar:
        """See `pace_error`; 0 where the rows have no pace."""
        unknown = out.z.new_full((len(out.z),), torch.nan)
        return pace_error(out.z, unknown if batch.pace is None else batch.pace)
