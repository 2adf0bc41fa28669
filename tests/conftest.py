"""Shared by all tests: one thread, and small fitted detectors."""

import numpy as np
import pytest
import torch

from blemish import DefectDetector
from blemish.datasets import Split, coin_sequences, coin_table, ring, tiles

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def table_split():
    return ring(n_normal=300, n_test=60)


@pytest.fixture(scope="session")
def image_split():
    return tiles(n_normal=120, n_test=20, side=20)


@pytest.fixture(scope="session")
def video_split():
    """A small, easy coin: 7 frames of 21 x 21; normal 6 degrees a frame, the defect 15, others 0 and random."""
    table, rng = coin_table(), np.random.default_rng(0)

    def clips(step, n):
        return coin_sequences(table, step, n, rng)[:, ::3, :, ::5, ::5]

    groups = ["normal"] * 10 + ["defect"] * 10 + ["other"] * 20
    return Split(
        np.concatenate([clips(2.0, 60), clips(5.0, 6)]),
        np.array([None] * 60 + ["defect"] * 6, dtype=object),
        np.concatenate([clips(2.0, 10), clips(5.0, 10), clips(0.0, 10), clips(None, 10)]),
        np.array(groups),
        np.array(["2.0"] * 10 + ["5.0"] * 10 + ["0"] * 10 + ["random"] * 10),
    )


@pytest.fixture(scope="session")
def splits(table_split, image_split, video_split):
    """One small data set for each modality, by name; a new modality needs one here."""
    return {"tabular": table_split, "image": image_split, "video": video_split}


@pytest.fixture(scope="session")
def table_detector(table_split):
    return DefectDetector(epochs=30, random_state=0).fit(table_split.X_train, table_split.y_train)


@pytest.fixture(scope="session")
def mixed_frame():
    import pandas as pd

    rng = np.random.default_rng(0)
    n = 120
    frame = pd.DataFrame(
        {
            "speed": rng.normal(10, 2, n),
            "load": np.where(rng.random(n) < 0.1, np.nan, rng.exponential(3, n)),
            "kind": rng.choice(["a", "b", "c"], n),
            "hot": rng.random(n) < 0.2,
            "constant": 1.0,
        },
        index=[f"part {i}" for i in range(n)],
    )
    frame.loc["part 3", "kind"] = None
    return frame
