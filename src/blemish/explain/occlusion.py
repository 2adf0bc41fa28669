"""Which elements make the score: replace each by its normal value, and see how far the score falls."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from blemish.core.output import Block

TOGETHER = 3
"""Columns that are chosen as a set: each costs as many scorings as there are columns."""
ROWS_AT_ONCE = 256

Score = Callable[[Tensor], Float[np.ndarray, " row"]]


def falls(
    score: Score,
    x: Float[Tensor, "row *sample"],
    replaced: Callable[[Tensor], Float[Tensor, "element *sample"]],
    elements: Callable[[Tensor], list[int]],
    n_elements: int,
    least_change: float = 0.0,
) -> Float[np.ndarray, "row element"]:
    r"""How far the score of each row falls when one of its elements is replaced: :math:`s(x) - s(x_{-e})`.

    Args:
        score: Of tensors, (row, *sample) to (row,).
        x: Rows to explain.
        replaced: A row to its copies, each with one element replaced, in the order of `elements`.
        elements: A row to the numbers of the elements that `replaced` replaces.
        n_elements: Of all rows; elements that a row does not have fall by 0.
        least_change: A copy in which no value changes by more is the row itself: its fall is 0.

    Returns:
        Shape (row, element), in the score's unit; below 0 where the element spoke against it.

    Reference:
        Zeiler and Fergus, "Visualizing and understanding convolutional networks", 2014, section 4.2.
    """
    found = np.zeros((len(x), n_elements))
    whole = score(x)
    places: list[tuple[int, int]] = []
    waiting: list[Tensor] = []

    def ask() -> None:
        scores = score(torch.cat(waiting)) if waiting else np.zeros(0)
        for (row, element), without in zip(places, scores, strict=True):
            found[row, element] = whole[row] - without
        places.clear()
        waiting.clear()

    for row, sample in enumerate(x):
        copies, named = replaced(sample), np.asarray(elements(sample), dtype=np.int64)
        changed = ((copies - sample).abs().flatten(1) > least_change).any(dim=1)
        places_of_row = [(row, int(element)) for element in named[changed.cpu().numpy()]]
        for start in range(0, len(places_of_row), ROWS_AT_ONCE):  # several rows are asked at once, for speed
            places.extend(places_of_row[start : start + ROWS_AT_ONCE])
            waiting.append(copies[changed][start : start + ROWS_AT_ONCE])
            if len(places) >= ROWS_AT_ONCE:
                ask()
    ask()
    return found


def named_together(
    score: Score,
    x: Float[Tensor, "row feature"],
    typical: Float[Tensor, " feature"],
    blocks: Sequence[Block],
    fall: Float[np.ndarray, "row element"],
    n_named: int = TOGETHER,
) -> tuple[Int[np.ndarray, "row named"], Float[np.ndarray, "row named"]]:
    """Columns that lower the score as a set: first the one whose loss lowers it most, then what lowers it most besides.

    Columns that repeat each other each look dear, or each look dispensable, as long as the others are there.

    Args:
        score: Of tensors, (row, feature) to (row,).
        x: Rows to explain.
        typical: Where normal values come from.
        blocks: The columns, each an element.
        fall: Of each element alone, from `falls`.
        n_named: Columns of the set, at most all.

    Returns:
        The columns in the order in which they were chosen, and how far the score falls when each and all before it are
        replaced; shape (row, named).

    Reference:
        Greedy as in Nemhauser, Wolsey and Fisher, "An analysis of approximations for maximizing submodular set
        functions", 1978; the score is not submodular, so without their guarantee.
    """
    named = min(n_named, len(blocks))
    order, together = np.argsort(-fall, axis=1, kind="stable")[:, :named].copy(), np.zeros((len(x), named))
    whole = score(x)
    if named:
        together[:, 0] = np.take_along_axis(fall, order[:, :1], axis=1)[:, 0]
    for row, sample in enumerate(x):
        best_first = np.argsort(-fall[row], kind="stable").tolist()
        for at in range(1, named):
            before = order[row, :at].tolist()
            left = [element for element in best_first if element not in before]
            bare = sample.clone()
            for element in before:
                bare[blocks[element].start : blocks[element].stop] = typical[
                    blocks[element].start : blocks[element].stop
                ]
            without = score(without_columns(bare, typical, [blocks[element] for element in left]))
            order[row, at] = left[int(without.argmin())]
            together[row, at] = whole[row] - without.min()
    return order, together


def without_columns(
    sample: Float[Tensor, " feature"], typical: Float[Tensor, " feature"], blocks: Sequence[Block]
) -> Float[Tensor, "element feature"]:
    """A copy for each column of a table, that column's features taken from the typical row."""
    copies = sample.repeat(len(blocks), 1)
    for copy, block in zip(copies, blocks, strict=True):
        copy[block.start : block.stop] = typical[block.start : block.stop]
    return copies


def typical_row(normals: Float[Tensor, "normal feature"], blocks: Sequence[Block]) -> Float[Tensor, " feature"]:
    """Medians of numbers, the most likely category: a row as ordinary as one can be made.

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
    """Share of ordinary rows that score as high, the row itself counted: (1 + #>=) / (n + 1), in (0, 1]."""
    above = len(ordinary) - np.searchsorted(np.sort(ordinary), scores, side="left")
    return (above + 1) / (len(ordinary) + 1)


def drivers(
    unusual: Float[np.ndarray, " row"], alike: Float[np.ndarray, " row"] | None, rare: float = 0.05
) -> list[str]:
    """What drove each row's score, in words.

    Args:
        unusual: Share of ordinary rows that are as unusual, see `tail`.
        alike: Share of ordinary rows that are as much like the defect; None without labelled defects.
        rare: A share above this drives nothing.

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
