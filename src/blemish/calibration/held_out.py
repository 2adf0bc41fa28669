"""Which rows calibrate: they are held out from training, so that their scores are those of new rows."""

import numpy as np
from jaxtyping import Int

from blemish.core.labels import is_ordinary

# Calibration on training rows promises too much: their scores are lower than those of new rows (decisions.md 5).
HELD_OUT, MIN_HELD_OUT, MAX_HELD_OUT = 0.2, 20, 1000
MIN_ORDINARY = round(MIN_HELD_OUT / HELD_OUT)  # ordinary rows, before some are held out


def hold_out(group: Int[np.ndarray, " row"], rng: np.random.Generator) -> Int[np.ndarray, " held_out"]:
    """Unlabelled and normal rows for calibration: a fifth of them, none where that would be fewer than 20."""
    rows = np.flatnonzero(is_ordinary(group))
    n = min(MAX_HELD_OUT, int(HELD_OUT * len(rows)))
    return np.sort(rng.permutation(rows)[:n]) if n >= MIN_HELD_OUT else rows[:0]


def still_held_out(before: Int[np.ndarray, " held_out"], group: Int[np.ndarray, " row"]) -> Int[np.ndarray, " still"]:
    """Rows held out before that are still there and unlabelled or normal: no row that was trained on joins them."""
    there = before[before < len(group)]
    return there[is_ordinary(group[there])]
