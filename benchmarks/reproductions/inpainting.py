"""Inpainting, compression and generation on Fashion-MNIST: a hidden box is filled in, against simpler ways."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import distance_transform_edt

from blemish import DefectDetector

N_TRAIN, N_TEST, LATENT, EPOCHS, N_DRAWN = 2000, 300, 64, 12, 300
BOX = slice(9, 19)
NEAREST = "distance to the nearest training picture"
TRAINED: dict[str, dict[str, Any]] = {
    "plain": {},
    "masked pixels in training": {"corruption": {"name": "mask", "share": 0.4}},
}


def reproduce(data: Path, seeds: Sequence[int], quick: bool, cells: Any) -> dict[str, Any]:
    """Mean squared error (pixels in [0, 1]) within a hidden box of 10 x 10, by one pass and by re-projection.

    Args:
        data: Folder that holds `fashion_mnist`.
        seeds: For each, another 2,000 training and 300 test pictures, and other weights.
        quick: 100 pictures, an epoch.
        cells: Keeps what was measured.
    """
    arrays = np.load(data / "fashion_mnist" / "fashion_mnist.npz")
    figures: dict[tuple[str, str], list[float]] = {}
    for seed in seeds:
        for way, measure, value in cells(f"seed {seed}", partial(_one_seed, arrays, seed, quick=quick)):
            figures.setdefault((way, measure), []).append(value)
    rows = [
        {"way": way, "measure": measure, "mean": float(np.mean(v)), "sd": float(np.std(v)), "published": None}
        for (way, measure), v in figures.items()
    ]
    return {"published": "no figure in the original prototype", "rows": rows}


def _one_seed(arrays: Any, seed: int, *, quick: bool) -> list[tuple[str, str, float]]:
    rng = np.random.default_rng(seed)
    train = arrays["x_train"][rng.permutation(60000)[: 100 if quick else N_TRAIN]][:, None]
    test = arrays["x_test"][rng.permutation(10000)[:N_TEST]][:, None]
    mask = np.zeros(test.shape[1:], dtype=bool)
    mask[:, BOX, BOX] = True

    def error(made: np.ndarray) -> float:
        return float(np.square((made.astype(float) - test) / 255.0)[:, mask].mean())

    nearest = distance_transform_edt(mask[0], return_distances=False, return_indices=True)
    assert isinstance(nearest, np.ndarray)
    simple = {
        "mean of the training pictures": np.broadcast_to(train.mean(axis=0), test.shape),
        "nearest known pixel": test[:, :, nearest[0], nearest[1]],
    }
    found = [(way, "error in the box", error(made)) for way, made in simple.items()]
    holes = np.where(mask, 0, test).astype(np.uint8)
    for name, parts in TRAINED.items():
        det = DefectDetector(
            latent_dim=LATENT, epochs=1 if quick else EPOCHS, scorer="reconstruction", random_state=seed, **parts
        ).fit(train)
        for rounds in (1, 5, 20):
            made = det.inpaint(holes, mask, n_rounds=rounds)
            found.append((f"{name}, {rounds} round(s)", "error in the box", error(made)))
        if not parts:
            codes = det.encode(test)
            found += [
                ("encode, decode", "numbers per picture", float(codes.shape[1])),
                ("encode, decode", "error of the picture", float(np.square((det.decode(codes) - test) / 255).mean())),
                ("drawn", NEAREST, _to_nearest(det.sample(N_DRAWN, random_state=seed), train)),
                ("held out", NEAREST, _to_nearest(test, train)),
            ]
    return found


def _to_nearest(pictures: np.ndarray, train: np.ndarray) -> float:
    """Median over the pictures of the root mean squared difference from the nearest training picture."""
    a, b = (p.reshape(len(p), -1) / 255.0 for p in (pictures, train))
    squared = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T
    return float(np.median(np.sqrt(squared.min(axis=1).clip(0) / a.shape[1])))
