"""Synthetic sets with known defects, for the demo, the docs and the tests."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import cycle, islice, pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter, gaussian_filter1d, uniform_filter1d


@dataclass(frozen=True)
class Split:
    """Training and test data with the truth.

    Attributes:
        X_train: Samples to fit on.
        y_train: 'defect' or None for each.
        X_test: Samples to rank.
        group_test: 'normal', 'other' or 'defect' for each.
        kind_test: The kind within the group.
        regions_train: Of pictures: for each training sample a stroke, points (x, y) along the defect, or None.
        masks_test: Of pictures: the pixels of each test sample that are the defect.
    """

    X_train: np.ndarray
    y_train: np.ndarray
    X_test: np.ndarray
    group_test: np.ndarray
    kind_test: np.ndarray
    regions_train: Sequence[np.ndarray | None] | None = None
    masks_test: Bool[np.ndarray, "sample height width"] | None = None


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


BILINEAR = Image.Resampling.BILINEAR
PART_SIZE, _WIDE = (768, 1024), (1024, 768)  # height and width of a picture of a part in pixels; as Pillow counts
_PLATE, _CORNER = (880, 630), 40.0  # width and height of the part, radius of its corners
_HOLES = ((0, 0, 100), *((x, y, 30) for x in (-340, 340) for y in (-225, 225)))  # x, y from its middle, and radius
_FACED = 152  # radius up to which it is turned around the bore
_LENGTH, _DEPTH = (140.0, 320.0), (0.2, 0.32)
"""Cracks and scratches alike: their length in pixels, and by which fraction they are darker or lighter."""
Light = Float[np.ndarray, "height width"]
Point = Float[np.ndarray, "2"]
Points = Float[np.ndarray, "_ 2"]
Path = tuple[Points, int]  # points of a line, and its width in half pixels


class _Shape(NamedTuple):  # of each pixel of the part as it is drawn, upright in the middle of the picture
    edge: Light  # distance from the nearest edge of the metal, > 0 on it
    radius: Light  # distance from the middle
    bevel: Float[np.ndarray, "2 height width"]  # how far the broken edges look to the right and down


@lru_cache(maxsize=1)
def _shape() -> _Shape:
    height, width = PART_SIZE
    y, x = np.mgrid[:height, :width].astype(np.float32) - np.array([height, width], np.float32)[:, None, None] / 2
    right, down = np.abs(x) - (_PLATE[0] / 2 - _CORNER), np.abs(y) - (_PLATE[1] / 2 - _CORNER)
    outside = np.hypot(np.maximum(right, 0), np.maximum(down, 0)) + np.minimum(np.maximum(right, down), 0) - _CORNER
    edge = np.minimum.reduce([-outside, *(np.hypot(x - at, y - to) - radius for at, to, radius in _HOLES)])
    bevel = np.stack(np.gradient(edge)[::-1]) * np.exp(-(((edge - 3) / 2.2) ** 2))
    return _Shape(edge, np.hypot(x, y), bevel)


def machined_part(
    kind: str, rng: np.random.Generator
) -> tuple[UInt8[np.ndarray, "1 height width"], Bool[np.ndarray, "height width"], Points | None]:
    """A picture of a brushed and turned metal part with five holes.

    No two have texture, light, place or number in common. A *crack* wanders and branches, one or two pixels wide; a
    *scratch* is straight, and otherwise as long, wide and deep, dark or bright; a *stain* is darker than a crack, a
    *chip* breaks an edge. Every second cracked part has one of these as well.

    Args:
        kind: 'normal', 'crack', 'scratch', 'stain' or 'chip'.
        rng: What everything is drawn from.

    Returns:
        The picture, the pixels of the crack, and a stroke along it (points x, y in pixels) as a hand would draw it;
        None without a crack.
    """
    metal, cover, line = _metal(rng), np.zeros(PART_SIZE, np.float32), None
    other = str(rng.choice(list(_FLAWS))) if kind == "crack" and rng.random() < 0.5 else kind
    if other in _FLAWS:
        metal = _FLAWS[other](metal, rng)
    if kind == "crack":
        paths = _placed(_crack, rng)
        cover, line = _drawn(paths), paths[0][0]
        metal = metal * (1 - rng.uniform(*_DEPTH) * cover)
    angle, shift = np.deg2rad(rng.uniform(-5, 5)), rng.uniform(-20, 20, 2)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])  # from picture to part
    middle = np.array(_WIDE) / 2
    back = np.column_stack([turn, middle - turn @ (middle + shift)])

    def place(drawn: Light, beyond: float = 0.0) -> Light:
        image, axes = Image.fromarray(drawn.astype(np.float32)), back.ravel().tolist()
        return np.asarray(image.transform(image.size, Image.Transform.AFFINE, axes, BILINEAR, fillcolor=beyond))

    edge = place(_shape().edge, beyond=-100.0)
    inside = np.clip(edge + 0.5, 0, 1)
    bare = inside * place(metal) + (1 - inside) * _background(edge, rng)
    light = gaussian_filter(bare * _light(rng), 0.6) + rng.normal(0, 2.5, PART_SIZE)
    stroke = None if line is None else (line - middle) @ turn + middle + shift + rng.normal(0, 1.5, line.shape)
    return np.clip(light, 0, 255).astype(np.uint8)[None], place(cover) > 0.3, stroke


def _metal(rng: np.random.Generator) -> Light:
    """The part without a flaw: brushed along its width, turned around its bore, edges broken, a number on it."""
    shape, grain = _shape(), rng.standard_normal(PART_SIZE).astype(np.float32)
    brushed = sum(uniform_filter1d(grain, along, axis=1) * along**0.5 for along in (9, int(rng.integers(40, 120)), 400))
    grooves = gaussian_filter1d(rng.standard_normal(2 * PART_SIZE[1]), 1.0)
    rings = grooves[(2 * shape.radius).astype(int)] * 13 - 8
    faced = np.clip((_FACED - shape.radius) / 2, 0, 1)
    metal = 150 + rng.uniform(-12, 12) + (1 - faced) * brushed * rng.uniform(2.5, 4.5) + faced * rings
    angle = rng.uniform(0, 2 * np.pi)
    metal += 60 * (shape.bevel[0] * np.cos(angle) + shape.bevel[1] * np.sin(angle))
    engraved = Image.new("L", _WIDE, 0)
    number, font = f"BL {rng.integers(1000, 9999)}-{rng.integers(10, 99)}", ImageFont.load_default(size=34)
    at = PART_SIZE[1] / 2 - 170 + rng.uniform(-20, 20), PART_SIZE[0] / 2 + 235
    ImageDraw.Draw(engraved).text(at, number, fill=255, font=font, anchor="mm")
    return metal * (1 - 0.35 * np.asarray(engraved, dtype=np.float32) / 255)


def _background(edge: Light, rng: np.random.Generator) -> Light:
    """What the part lies on: dark, with the part's shadow."""
    weave = rng.standard_normal([side // 8 for side in PART_SIZE]).astype(np.float32)
    cloth = Image.fromarray(weave).resize(_WIDE, Image.Resampling.BICUBIC)
    return (38 + 5 * np.asarray(cloth)) * (0.5 + 0.5 * np.clip(-edge / 30, 0, 1))


def _light(rng: np.random.Generator) -> Light:
    """Light that falls off to one side, and a gleam across."""
    y, x = (np.mgrid[: PART_SIZE[0], : PART_SIZE[1]].T - np.array(PART_SIZE) / 2).T / 600
    angle, across = rng.uniform(0, 2 * np.pi, 2)
    gleam = (x * np.cos(across) + y * np.sin(across) - rng.uniform(-0.4, 0.4)) / rng.uniform(0.2, 0.43)
    slope = rng.uniform(0.08, 0.2) * (x * np.cos(angle) + y * np.sin(angle))
    return rng.uniform(0.9, 1.1) * (1 + slope + rng.uniform(0.05, 0.2) * np.exp(-(gleam**2)))


def _placed(draw: Callable[[Point, np.random.Generator], list[Path]], rng: np.random.Generator) -> list[Path]:
    """Lines from a random point, all of them on the metal."""
    while True:
        paths = draw(_somewhere(rng), rng)
        at = np.rint(np.concatenate([points for points, _ in paths])).astype(int)
        if (at >= 0).all() and (at < _WIDE).all() and (_shape().edge[at[:, 1], at[:, 0]] > 8).all():
            return paths


def _somewhere(rng: np.random.Generator, margin: float = 8.0) -> Point:
    """A random point on the metal, this far from its edge."""
    y, x = np.nonzero(_shape().edge > margin)
    at = rng.integers(len(y))
    return np.array([x[at], y[at]], dtype=np.float64)


def _drawn(paths: Sequence[Path]) -> Light:
    """Which fraction of each pixel lines cover."""
    twice = Image.new("L", (2 * PART_SIZE[1], 2 * PART_SIZE[0]), 0)
    for points, width in paths:
        for start, end in pairwise(points):
            ImageDraw.Draw(twice).line([tuple(2 * start), tuple(2 * end)], fill=255, width=width)
    return np.asarray(twice.reduce(2), dtype=np.float32) / 255


def _crack(start: Point, rng: np.random.Generator) -> list[Path]:
    def wander(start: Point, heading: float, length: float) -> Points:
        turns = np.zeros(max(3, int(length / 7)))
        for i in range(1, len(turns)):
            turns[i] = 0.8 * turns[i - 1] + rng.normal(0, 0.28)
        steps = 7 * np.column_stack([np.cos(heading + turns), np.sin(heading + turns)])
        return start + np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])

    heading, length = rng.uniform(0, 2 * np.pi), rng.uniform(*_LENGTH)
    main = wander(start, heading, length)
    third = len(main) // 3
    paths = [(main, 2), (main[: 2 * third], 3), (main[:third], 4)]
    for _ in range(int(rng.integers(1, 3))):
        at, aside = main[rng.integers(len(main) // 4, 3 * len(main) // 4)], rng.choice([-1, 1]) * rng.uniform(0.4, 0.9)
        paths.append((wander(at, heading + aside, length * rng.uniform(0.2, 0.45)), 2))
    return paths


def _scratches(start: Point, rng: np.random.Generator) -> list[Path]:
    heading, length, bend = rng.uniform(0, 2 * np.pi), rng.uniform(*_LENGTH), rng.uniform(-0.1, 0.1)
    along = np.array([np.cos(heading), np.sin(heading)])
    aside, t = np.array([-along[1], along[0]]), np.linspace(0, 1, 20)[:, None]
    arc, width = length * (t * along + bend * t * (1 - t) * aside), int(rng.integers(2, 5))
    return [
        (start + i * rng.uniform(6, 25) * aside + rng.uniform(0.7, 1) * arc, width) for i in range(rng.integers(1, 4))
    ]


def _scratch(metal: Light, rng: np.random.Generator) -> Light:
    return metal * (1 + rng.choice([-1, 1]) * rng.uniform(*_DEPTH) * _drawn(_placed(_scratches, rng)))


def _stain(metal: Light, rng: np.random.Generator) -> Light:
    blob, at = Image.new("L", _WIDE, 0), _somewhere(rng, 30.0)
    for _ in range(int(rng.integers(3, 8))):
        ImageDraw.Draw(blob).circle(tuple(at + rng.normal(0, 18, 2)), rng.uniform(8, 30), fill=255)
    soft = gaussian_filter(np.asarray(blob, dtype=np.float32) / 255, rng.uniform(2, 5))
    return metal * (1 - rng.uniform(0.25, 0.45) * soft - 0.6 * soft * (1 - soft))


def _chip(metal: Light, rng: np.random.Generator) -> Light:
    y, x = np.nonzero((_shape().edge > 0) & (_shape().edge < 4))
    at, angles = rng.integers(len(y)), np.sort(rng.uniform(0, 2 * np.pi, 9))
    corners = [x[at], y[at]] + rng.uniform(15, 40) * rng.uniform(0.6, 1.2, (9, 1)) * np.column_stack(
        [np.cos(angles), np.sin(angles)]
    )
    hole = Image.new("L", _WIDE, 0)
    ImageDraw.Draw(hole).polygon([tuple(one) for one in corners], fill=255)
    inside = gaussian_filter(np.asarray(hole, dtype=np.float32) / 255, 0.7)
    facets = 230 * gaussian_filter(rng.standard_normal(PART_SIZE).astype(np.float32), 3)
    return metal * (1 - inside) + inside * (rng.uniform(60, 130) + facets)


_FLAWS = {"scratch": _scratch, "stain": _stain, "chip": _chip}


def machined_parts(n_normal: int = 24, n_others: int = 8, n_test: int = 12, random_state: int = 0) -> Split:
    """Pictures of metal parts: the defect is a hairline crack; scratches, stains and chips are other outliers.

    One part is labelled, with a stroke along its crack; see `machined_part`.

    Args:
        n_normal: Unlabelled normal training pictures.
        n_others: Unlabelled training pictures with a scratch, a stain or a chip.
        n_test: Test pictures that are normal, as many with a crack, and as many with something else.
        random_state: Seed.

    Returns:
        Arrays (batch, 1, 768, 1024), bytes; the last training picture is the labelled one.
    """
    train = ["normal"] * n_normal + list(islice(cycle(_FLAWS), n_others)) + ["crack"]
    test = ["normal"] * n_test + list(islice(cycle(_FLAWS), n_test)) + ["crack"] * n_test
    seeds = np.random.default_rng(random_state).spawn(len(train) + len(test))
    parts = [machined_part(kind, rng) for kind, rng in zip(train + test, seeds, strict=True)]
    pictures, strokes = np.stack([part[0] for part in parts]), [part[2] for part in parts[: len(train)]]
    return Split(
        pictures[: len(train)],
        np.array(["defect" if kind == "crack" else None for kind in train], dtype=object),
        pictures[len(train) :],
        np.repeat(["normal", "other", "defect"], n_test),
        np.array(test),
        strokes,
        np.stack([part[1] for part in parts[len(train) :]]),
    )
