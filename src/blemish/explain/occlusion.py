"""Explanation by occlusion: replace each element by its normal value and measure how far the score falls."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from blemish.core.output import Block

TOGETHER = 3
"""Size of a set of columns; each of its columns costs as many scorings as the table has columns (decisions.md 43)."""
ROWS_AT_ONCE = 256

Score = Callable[[Tensor], Float[np.ndarray, " row"]]


def falls(
    score: Score,
    x: Float[Tensor, "row *sample"],
    replaced: Callable[[Tensor], Float[Tensor, "element *sample"]],
    elements: Callable[[Tensor], list[int]],
    n_elements: int,
    min_change: float = 0.0,
) -> Float[np.ndarray, "row element"]:
    r"""How far the score of each row falls when one of its elements is replaced: :math:`s(x) - s(x_{-e})`.

    Args:
        score: Maps tensors (row, *sample) to scores (row,).
        x: Rows to explain.
        replaced: Maps a row to its copies, each with one element replaced, in the order of `elements`.
        elements: Maps a row to the numbers of the elements that `replaced` replaces.
        n_elements: Number of elements of all rows; the fall of an element that a row does not have is 0.
        min_change: A copy in which no value changes by more counts as the row itself: its fall is 0.

    Returns:
        Shape (row, element), in the score's unit; below 0 where the element lowered the score.

    Reference:
        Zeiler and Fergus, "Visualizing and understanding convolutional networks", 2014, section 4.2.
    """
    found, whole = np.zeros((len(x), n_elements)), score(x)
    for places, copies in _batches(x, replaced, elements, min_change):
        for (row, element), without in zip(places, score(copies), strict=True):
            found[row, element] = whole[row] - without
    return found


def _batches(
    x: Float[Tensor, "row *sample"],
    replaced: Callable[[Tensor], Float[Tensor, "element *sample"]],
    elements: Callable[[Tensor], list[int]],
    min_change: float,
) -> Iterator[tuple[list[tuple[int, int]], Float[Tensor, "copy *sample"]]]:
    """The copies that differ from their row, those of several rows together for speed; each with row and element."""
    places: list[tuple[int, int]] = []
    waiting: list[Tensor] = []
    for row, sample in enumerate(x):
        copies, named = replaced(sample), np.asarray(elements(sample), dtype=np.int64)
        changed = ((copies - sample).abs().flatten(1) > min_change).any(dim=1)
        places_of_row = [(row, int(element)) for element in named[changed.cpu().numpy()]]
        for start in range(0, len(places_of_row), ROWS_AT_ONCE):
            places.extend(places_of_row[start : start + ROWS_AT_ONCE])
            waiting.append(copies[changed][start : start + ROWS_AT_ONCE])
            if len(places) >= ROWS_AT_ONCE:
                yield places, torch.cat(waiting)
                places, waiting = [], []
    if places:
        yield places, torch.cat(waiting)


def named_together(
    score: Score,
    x: Float[Tensor, "row feature"],
    typical: Float[Tensor, " feature"],
    blocks: Sequence[Block],
    fall: Float[np.ndarray, "row element"],
    n_named: int = TOGETHER,
) -> tuple[Int[np.ndarray, "row named"], Float[np.ndarray, "row named"]]:
    """Columns that lower the score as a set: the one that lowers it most, then the one that adds most, and so on.

    Of columns that repeat each other, each looks important or each looks dispensable as long as the others are kept.

    Args:
        score: Maps tensors (row, feature) to scores (row,).
        x: Rows to explain.
        typical: A row of normal values.
        blocks: The columns, each one element.
        fall: Fall of each element alone, from `falls`.
        n_named: Size of the set; at most all columns.

    Returns:
        The columns in the order chosen, and how far the score falls when each and all before it are replaced; both of
        shape (row, named).

    Reference:
        Greedy as in Nemhauser, Wolsey and Fisher, "An analysis of approximations for maximizing submodular set
        functions", 1978; the score is not submodular, so their guarantee does not hold.
    """
    named = min(n_named, len(blocks))
    order, together = np.argsort(-fall, axis=1, kind="stable")[:, :named].copy(), np.zeros((len(x), named))
    whole = score(x)
    if named:
        together[:, 0] = np.take_along_axis(fall, order[:, :1], axis=1)[:, 0]
    for row, sample in enumerate(x):
        bare, candidates = sample.clone(), np.argsort(-fall[row], kind="stable").tolist()
        for at in range(1, named):
            chosen = order[row, :at].tolist()
            last = blocks[chosen[-1]]
            bare[last.start : last.stop] = typical[last.start : last.stop]
            left = [element for element in candidates if element not in chosen]
            without = score(without_columns(bare, typical, [blocks[element] for element in left]))
            order[row, at], together[row, at] = left[int(without.argmin())], whole[row] - without.min()
    return order, together


def without_columns(
    sample: Float[Tensor, " feature"], typical: Float[Tensor, " feature"], blocks: Sequence[Block]
) -> Float[Tensor, "element feature"]:
    """One copy per column of a table, with that column's features taken from the typical row."""
    copies = sample.repeat(len(blocks), 1)
    for copy, block in zip(copies, blocks, strict=True):
        copy[block.start : block.stop] = typical[block.start : block.stop]
    return copies


def typical_row(normals: Float[Tensor, "normal feature"], blocks: Sequence[Block]) -> Float[Tensor, " feature"]:
    """A normal row: medians of numbers, the most likely categories.

    Args:
        normals: Reconstructions of normals; probabilities where columns are binary or categorical.
        blocks: The columns.
    """
    typical = normals.median(dim=0).values
    for block in blocks:
        part = slice(block.start, block.stop)
        if block.kind == "categorical":
            best = normals[:, part].mean(dim=0).argmax()
            typical[part] = torch.zeros_like(typical[part]).index_fill_(0, best, 1.0)
        elif block.kind == "binary":
            typical[part] = (normals[:, part].mean(dim=0) > 0.5).to(typical)
    return typical


def tail(ordinary: Float[np.ndarray, " calibration"], scores: Float[np.ndarray, " row"]) -> Float[np.ndarray, " row"]:
    """Fraction of ordinary rows that score at least as high, the row itself counted: (1 + #>=) / (n + 1), in (0, 1]."""
    above = len(ordinary) - np.searchsorted(np.sort(ordinary), scores, side="left")
    return (above + 1) / (len(ordinary) + 1)


def drivers(
    unusual: Float[np.ndarray, " row"], alike: Float[np.ndarray, " row"] | None, rare: float = 0.05
) -> list[str]:
    """What drove each row's score, in words.

    Args:
        unusual: Fraction of ordinary rows that are at least as unusual, see `tail`.
        alike: Fraction of ordinary rows at least as similar to the defects; None without labelled defects.
        rare: A larger fraction drives nothing.

    Returns:
        'unusual', 'like your defect', 'both' (each is at least the square root of the other's rarity) or 'neither'.

    Example:
        >>> drivers(np.array([0.01, 0.5]), np.array([0.3, 0.01]))
        ['unusual', 'like your defect']
    """
    words = []
    for row, how_rare in enumerate(unusual):
        mine = 1.0 if alike is None else float(alike[row])
        low, high = sorted((float(how_rare), mine))
        if low > rare:
            words.append("neither")
        elif high <= rare and high <= np.sqrt(low):
            words.append("both")
        else:
            words.append("unusual" if how_rare < mine else "like your defect")
    return words
