"""Denoising autoencoders on Fashion-MNIST: each is trained with one kind of noise, compared with a median filter."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.ndimage import median_filter

from blemish import DefectDetector
from blemish.training import CORRUPTIONS

NOISES: dict[str, dict[str, float]] = {"gaussian": {"stdev": 0.3}, "mask": {"share": 0.4}, "swap": {"share": 0.3}}
N_TRAIN, N_TEST, LATENT, EPOCHS = 2000, 300, 64, 12
FILTERS = (3, 5)  # sides of the median filter, the better one counts


def reproduce(data: Path, seeds: Sequence[int], quick: bool, cells: Any) -> dict[str, Any]:
    """Peak signal-to-noise ratio (dB) of held-out pictures: noisy, filtered, denoised.

    Args:
        data: Folder that holds `fashion_mnist`.
        seeds: For each, another 2,000 training and 300 test pictures, other noise and other weights.
        quick: 100 pictures, an epoch.
        cells: Keeps what was measured.
    """
    arrays = np.load(data / "fashion_mnist" / "fashion_mnist.npz")
    figures: dict[tuple[str, str], list[float]] = {}
    for seed in seeds:
        rng = np.random.default_rng(seed)
        train = arrays["x_train"][rng.permutation(60000)[: 100 if quick else N_TRAIN]][:, None]
        clean = arrays["x_test"][rng.permutation(10000)[:N_TEST]][:, None] / 255.0
        for name in NOISES:
            of = partial(_measure, train, clean, name, seed, 1 if quick else EPOCHS)
            for measure, value in cells(f"{name}, seed {seed}", of).items():
                figures.setdefault((name, measure), []).append(value)
    rows = [
        {
            "noise": f"{noise} {next(iter(NOISES[noise].values()))}",
            "measure": measure,
            "mean": float(np.mean(values)),
            "sd": float(np.std(values)),
            "published": None,
        }
        for (noise, measure), values in figures.items()
    ]
    return {"published": "no figure in the original prototype", "rows": rows}


def _measure(train: np.ndarray, clean: np.ndarray, name: str, seed: int, epochs: int) -> dict[str, float]:
    options = NOISES[name]
    noise, generator = CORRUPTIONS[name](**options), torch.Generator().manual_seed(seed)
    noisy = noise(torch.tensor(clean, dtype=torch.float32), generator).clamp(0, 1).numpy()
    det = DefectDetector(
        corruption={"name": name, **options}, latent_dim=LATENT, epochs=epochs, scorer="reconstruction",
        random_state=seed,
    ).fit(train)  # fmt: skip
    best = max(psnr(clean, median_filter(noisy, (1, 1, side, side))) for side in FILTERS)
    before, after = psnr(clean, noisy), psnr(clean, det.denoise(noisy * 255) / 255)
    return {
        "noisy, dB": before,
        "median filter, dB": best,
        "denoised, dB": after,
        "gain, dB": after - before,
        "gain over the median filter, dB": after - best,
    }


def psnr(clean: np.ndarray, made: np.ndarray) -> float:
    """Peak signal-to-noise ratio of pixels in [0, 1], in dB."""
    return float(-10 * np.log10(np.square(clean - made).mean()))
