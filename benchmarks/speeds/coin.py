"""A row on video: sequences per second in training, ours and the original prototype's architecture."""

import time
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from blemish import DefectDetector
from blemish.autoencoder.layers import ConvLstmCell
from blemish.core.labels import DEFECT, UNLABELLED
from blemish.datasets import rotating_coin
from blemish.losses.contrast.mean_distance import mean_distance
from blemish.losses.functional import is_learnt
from blemish.training.loop import run
from speeds.turns import Result, compare

N_NORMAL, N_DEFECTS = 64, 8
SEEDS_BATCH = 4  # the last is a defect; its own batch of 108 takes two minutes per step and is not faster per sequence


def coin(turns: int, *, quick: bool) -> Iterator[Result]:
    """Seconds per sequence in a step of the prototype's network, and per normal sequence in an epoch of our default."""
    split = rotating_coin(16 if quick else N_NORMAL, N_DEFECTS, 1)
    fit = DefectDetector(epochs=1, random_state=0).begin_fit(split.X_train, split.y_train)
    n_learnt = int(is_learnt(fit.task.data.group).sum())
    x = torch.from_numpy(split.X_train[: 2 if quick else SEEDS_BATCH]).float() / 255
    network = SpatioTemporal()
    optimiser = torch.optim.Adam(network.parameters(), lr=5e-4, weight_decay=1e-8)

    def ours() -> float:
        return sum(record.seconds for record in run(fit.task)) / n_learnt

    def prototype() -> float:
        start = time.perf_counter()
        optimiser.zero_grad()
        network.loss(x).backward()
        optimiser.step()
        return (time.perf_counter() - start) / len(x)

    what = "the coin: sequences per second in training, ours / the original prototype's"
    yield compare(what, ">= 40", {"prototype": prototype, "ours": ours}, turns)


class SpatioTemporal(nn.Module):
    """The prototype's network of 7.7 million weights for clips of 21 frames of 101 × 101 pixels, from its shapes.

    Reference:
        github.com/Stancoo/contrastive_loss at 5c59272, `ST_AutoEncoder`.
    """

    def __init__(self) -> None:
        """Build all layers."""
        super().__init__()
        self.encoder = nn.Sequential(
            nn.BatchNorm3d(1),
            nn.Conv3d(1, 128, (1, 13, 13), (1, 2, 2)), nn.ReLU(), nn.Dropout(0.5),
            nn.Conv3d(128, 64, 5, (3, 2, 2)), nn.ReLU(),
            nn.Conv3d(64, 64, (5, 11, 11), 2), nn.ReLU(),
        )  # fmt: skip
        self.narrow, self.narrower, self.wide = ConvLstmCell(64, 64), ConvLstmCell(64, 32), ConvLstmCell(32, 64)
        self.decoder = nn.Sequential(
            nn.ConvTranspose3d(64, 64, (5, 11, 11), 2), nn.ReLU(),
            nn.ConvTranspose3d(64, 128, 5, (4, 2, 2)), nn.ReLU(),
            nn.ConvTranspose3d(128, 1, (1, 13, 13), (1, 2, 2)), nn.ReLU(),
        )  # fmt: skip

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Reconstruction, and the code after the second cell; the clip is one step long by then."""
        states = [self.encoder(x).squeeze(2)]
        for cell in (self.narrow, self.narrower, self.wide):
            states.append(cell(states[-1], cell.zero_state(states[-1]))[0])
        return self.decoder(states[-1].unsqueeze(2)), states[2].flatten(1)

    def loss(self, x: Tensor) -> Tensor:
        """Squared error a frame of all but the last, which is a defect, and the contrast."""
        clips = x.transpose(1, 2)  # (batch, channel, frame, height, width)
        x_hat, code = self(clips)
        n = len(x) - 1
        error = (clips - x_hat)[:n].square().sum() / clips.shape[2] / n
        group = torch.tensor([UNLABELLED] * n + [DEFECT])
        return error + mean_distance(code, group)
