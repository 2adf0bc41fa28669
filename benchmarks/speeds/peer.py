"""PyOD's autoencoder on the same work; runs in the peers' environment, one piece of work a line of its input."""

import sys
import time

import numpy as np
import torch
from pyod.models.auto_encoder import AutoEncoder  # pyright: ignore[reportMissingImports]

torch.set_num_threads(1)
rng = np.random.default_rng(0)
x = rng.standard_normal((20_000, 30)).astype(np.float32)
many = rng.standard_normal((int(sys.argv[1]), 30)).astype(np.float32)


def fit(epochs: int) -> AutoEncoder:
    """The layers and batches of our row."""
    model = AutoEncoder(
        epoch_num=epochs,
        batch_size=128,
        hidden_neuron_list=[64, 32, 16],
        batch_norm=False,
        dropout_rate=0.0,
        verbose=0,
        device="cpu",
    )
    return model.fit(x)


fitted = fit(1)
fitted.batch_size = 8192  # at its own 128 a million rows take minutes
for line in sys.stdin:
    start = time.perf_counter()
    if line.startswith("fit"):
        fit(int(line.split()[1]))
    else:
        fitted.decision_function(many)
    print("seconds", time.perf_counter() - start, flush=True)
