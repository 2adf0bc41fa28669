"""Synthetic sets with known defects, for the demo, the docs and the tests."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont


@dataclass(frozen=True)
class Split:
    """Training and test data with the truth.

    Attributes:
        X_train: Samples to fit on.
        y_train: 'defect' or None for each.
        X_test: Samples to rank.
        group_test: 'normal', 'other' or 'defect' for each.
        kind_test: The kind within the group.
    """

    X_train: np.ndarray
    y_train: np.ndarray
    X_test: np.ndarray
    group_test: np.ndarray
    kind_test: np.ndarray


COIN_SIDE, COIN_FRAMES = 101, 21
NORMAL_STEP, DEFECT_STEP = 2.0, 2.1
OTHER_STEPS = {"1.9": 1.9, "1.0": 1.0, "0": 0.0, "3.0": 3.0, "-2.0": -2.0, "random": None}
_UNIT = 0.1


def coin_table() -> UInt8[np.ndarray, "angle height width"]:
    """A coin with a milled edge, drawn at every tenth of a degree: (3600, 101, 101) bytes."""
    side = 2 * COIN_SIDE
    picture = Image.new("L", (side, side), 0)
    draw, middle = ImageDraw.Draw(picture), side / 2
    draw.ellipse((6, 6, side - 6, side - 6), fill=55)
    for ridge in range(0, 360, 12):
        draw.arc((16, 16, side - 16, side - 16), ridge, ridge + 6, fill=200, width=14)
    for text, left, grey, size in (("5", 76, 235, 84), ("c", 130, 140, 60)):
        draw.text((left, middle), text, fill=grey, font=ImageFont.load_default(size=size), anchor="mm")
    turns = [picture.rotate(_UNIT * k, Image.Resampling.BICUBIC).reduce(2) for k in range(round(90 / _UNIT))]
    quarter = np.stack([np.asarray(turn) for turn in turns])
    return np.concatenate([np.rot90(quarter, k, axes=(1, 2)) for k in range(4)])


def coin_sequences(
    table: UInt8[np.ndarray, "angle height width"], step: float | None, n: int, rng: np.random.Generator
) -> UInt8[np.ndarray, "n frame 1 height width"]:
    """Sequences of a coin that turns by `step` degrees per frame from a random start; None: every frame at random."""
    shape = (n, COIN_FRAMES) if step is None else (n, 1)
    steps = 0 if step is None else round(step / _UNIT) * np.arange(COIN_FRAMES)
    return table[(rng.integers(len(table), size=shape) + steps) % len(table)][:, :, None]


def rotating_coin(n_normal: int = 400, n_defects: int = 8, n_test: int = 50, random_state: int = 0) -> Split:
    """The rotating coin: normals turn by 2.0° per frame, the defect by 2.1°, and no other outlier is in training.

    Args:
        n_normal: Unlabelled normal training sequences.
        n_defects: Labelled defect sequences.
        n_test: Test sequences of each kind.
        random_state: Seed of all starting angles.

    Returns:
        Arrays (batch, 21, 1, 101, 101), bytes.

    Reference:
        The data of github.com/Stancoo/contrastive_loss, with a coin of our own and a fixed set of defects.
    """
    table, rng = coin_table(), np.random.default_rng(random_state)
    train = [coin_sequences(table, NORMAL_STEP, n_normal, rng), coin_sequences(table, DEFECT_STEP, n_defects, rng)]
    kinds = {"normal": NORMAL_STEP, "defect": DEFECT_STEP, **OTHER_STEPS}
    test = [coin_sequences(table, step, n_test, rng) for step in kinds.values()]
    groups = ["normal", "defect"] + ["other"] * len(OTHER_STEPS)
    return Split(
        np.concatenate(train),
        np.array([None] * n_normal + ["defect"] * n_defects, dtype=object),
        np.concatenate(test),
        np.repeat(groups, n_test),
        np.repeat(list(kinds), n_test),
    )


def ring(
    n_normal: int = 600, n_defects: int = 8, n_test: int = 100, n_features: int = 8, random_state: int = 0
) -> Split:
    """A table: normals on a ring in a random plane; defects inside it at one place, others anywhere off it.

    Reconstruction error ranks the far-off others above the defects; only their place tells the defects.

    Args:
        n_normal: Unlabelled normal training rows.
        n_defects: Labelled defects.
        n_test: Test rows of each group.
        n_features: Columns, >= 3.
        random_state: Seed.

    Returns:
        Arrays (row, n_features), float64.
    """
    rng = np.random.default_rng(random_state)
    plane = np.linalg.qr(rng.normal(size=(n_features, 3)))[0]

    def normals(n: int) -> Float[np.ndarray, "n feature"]:
        angle = rng.uniform(0, 2 * np.pi, n)
        points = np.stack([np.cos(angle), np.sin(angle), np.zeros(n)], axis=1)
        return points @ plane.T * 3 + rng.normal(scale=0.1, size=(n, n_features))

    def defects(n: int) -> Float[np.ndarray, "n feature"]:
        return np.array([0.9, 0.6, 0.5]) @ plane.T + rng.normal(scale=0.15, size=(n, n_features))

    def others(n: int) -> Float[np.ndarray, "n feature"]:
        away = rng.normal(size=(n, n_features))
        return normals(n) + 3 * away / np.linalg.norm(away, axis=1, keepdims=True)

    return Split(
        np.concatenate([normals(n_normal), others(n_normal // 20), defects(n_defects)]),
        np.array([None] * (n_normal + n_normal // 20) + ["defect"] * n_defects, dtype=object),
        np.concatenate([normals(n_test), others(n_test), defects(n_test)]),
        np.repeat(["normal", "other", "defect"], n_test),
        np.repeat(["normal", "off the ring", "inside the ring"], n_test),
    )


def tiles(n_normal: int = 200, n_defects: int = 8, n_test: int = 40, side: int = 32, random_state: int = 0) -> Split:
    """Images: striped tiles; the defect is a dark crack, the others are bright spots and a missing corner.

    Args:
        n_normal: Unlabelled normal training images.
        n_defects: Labelled defects.
        n_test: Test images of each kind.
        side: Height and width in pixels.
        random_state: Seed.

    Returns:
        Arrays (batch, 1, side, side), bytes.
    """
    rng = np.random.default_rng(random_state)

    def plain() -> np.ndarray:
        stripes = 120 + 40 * np.sin(np.arange(side) * 0.8 + rng.uniform(0, 6.3))
        return stripes[None] + rng.normal(scale=6, size=(side, side)) + np.zeros((side, 1))

    def crack() -> np.ndarray:
        image, row = plain(), rng.integers(side // 4, 3 * side // 4)
        for column in range(side):
            row = int(np.clip(row + rng.integers(-1, 2), 1, side - 2))
            image[row - 1 : row + 1, column] -= 90
        return image

    def spot() -> np.ndarray:
        image = plain()
        top, left = rng.integers(2, side - 8, size=2)
        image[top : top + 6, left : left + 6] += 90
        return image

    def corner() -> np.ndarray:
        image, cut = plain(), int(rng.integers(side // 4, side // 2))
        image[np.add.outer(np.arange(side), np.arange(side)) < cut] = 0
        return image

    def many(draw: Sequence, n: int) -> UInt8[np.ndarray, "n 1 height width"]:
        return np.stack([np.clip(draw[i % len(draw)](), 0, 255) for i in range(n)]).astype(np.uint8)[:, None]

    return Split(
        np.concatenate([many([plain], n_normal), many([spot, corner], n_normal // 20), many([crack], n_defects)]),
        np.array([None] * (n_normal + n_normal // 20) + ["defect"] * n_defects, dtype=object),
        np.concatenate([many([plain], n_test), many([spot], n_test), many([corner], n_test), many([crack], n_test)]),
        np.repeat(["normal", "other", "other", "defect"], n_test),
        np.repeat(["normal", "spot", "corner", "crack"], n_test),
    )
