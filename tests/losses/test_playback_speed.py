"""The term that predicts playback speed."""

from dataclasses import replace

import torch

from blemish.core.labels import OTHER, UNLABELLED
from blemish.losses import LOSSES
from blemish.losses.playback_speed import SCALE
from loss_examples import GROUPS, example


def test_a_batch_without_time_has_no_pace_to_learn():
    batch, out = example(GROUPS["all groups"])
    assert float(LOSSES["pace"]()(replace(batch, pace=None), out)) == 0.0


def test_a_pace_is_known_up_to_standing_still_and_twice_as_fast():
    batch, out = example((UNLABELLED, OTHER, OTHER))
    batch = replace(batch, pace=torch.tensor([1.0, -2.0, 9.0], dtype=torch.float64))
    z = out.z.clone()
    z[:, 0] = torch.tensor([0.0, -SCALE, SCALE])
    assert float(LOSSES["pace"]()(batch, replace(out, z=z))) == 0.0
