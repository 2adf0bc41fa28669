"""Linear and convolutional autoencoders on Fashion-MNIST, 784 pixels to 32 numbers, against principal components."""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.decomposition import PCA

from blemish import DefectDetector

CLASSES = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
N_TRAIN, N_TEST, N_ODD, LATENT = 2000, 500, 20, 32
BAGS = f"fraction of bags among the {N_ODD} most anomalous"
SYSTEMS: dict[str, dict[str, Any]] = {
    "linear": {
        "backbone": "linear", "epochs": 100, "batch_size": 64,
        "lr": {"name": "one_cycle", "lr": 1e-2, "weight_decay": 0.0},
    },
    "conv, transposed": {"epochs": 12},
    "conv, nearest": {"backbone": {"name": "conv", "upsampling": "nearest"}, "epochs": 12},
}  # fmt: skip


def reproduce(data: Path, seeds: Sequence[int], quick: bool, cells: Any) -> dict[str, Any]:
    """Mean squared error of held-out pictures, pixels in [0, 1], and which pictures are the most anomalous.

    Args:
        data: Folder that holds `fashion_mnist`.
        seeds: For each, another 2,000 training and 500 test pictures, and other weights.
        quick: 100 pictures, an epoch.
        cells: Keeps what was measured.
    """
    arrays = np.load(data / "fashion_mnist" / "fashion_mnist.npz")
    figures: dict[tuple[str, str], list[float]] = {}
    odd: dict[str, dict[str, int]] = {}
    for seed in seeds:
        found = cells(f"seed {seed}", partial(_one_seed, arrays, seed, quick=quick))
        odd = odd or found["odd"]
        for of in ("mean squared error", BAGS):
            for name, value in found[of].items():
                figures.setdefault((name, of), []).append(value)
    results = [
        {"system": system, "measure": measure, "mean": float(np.mean(v)), "sd": float(np.std(v)), "published": None}
        for (system, measure), v in sorted(figures.items(), key=lambda item: item[0][1])
    ]
    published = "no figure; 'able to reconstruct most of the images very well' from 32 numbers (prototype)"
    return {"published": published, "rows": results, "most_anomalous": odd}


def _one_seed(arrays: Any, seed: int, *, quick: bool) -> dict[str, dict[str, Any]]:
    rng = np.random.default_rng(seed)
    train = arrays["x_train"][rng.permutation(60000)[: 100 if quick else N_TRAIN]][:, None]
    rows = rng.permutation(10000)[:N_TEST]
    test, kind = arrays["x_test"][rows][:, None], arrays["y_test"][rows]
    made, odd, bags = {"principal components": _principal(train, test)}, {}, {}
    for name, parts in SYSTEMS.items():
        options = {**parts, "epochs": 1} if quick else parts
        det = DefectDetector(latent_dim=LATENT, scorer="reconstruction", random_state=seed, **options).fit(train)
        made[name] = det.reconstruct(test)
        top = np.argsort(-det.outlier_score(test))[:N_ODD]
        odd[name] = dict(Counter(CLASSES[k] for k in kind[top]).most_common())
        bags[name] = float(np.mean([CLASSES[k] == "bag" for k in kind[top]]))
    error = {name: float(np.square((pictures - test) / 255.0).mean()) for name, pictures in made.items()}
    return {"mean squared error": error, BAGS: bags, "odd": odd}


def _principal(train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """What the leading components make of the test pictures, clipped to the range of a pixel as ours are."""
    components = PCA(LATENT, random_state=0).fit(train.reshape(len(train), -1))
    made = components.inverse_transform(components.transform(test.reshape(len(test), -1)))
    return np.clip(made, 0, 255).reshape(test.shape)
