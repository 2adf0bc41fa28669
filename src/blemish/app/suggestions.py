"""What to mark next, and why: likely defects, the uncertain, and the new. Pure functions over scores."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

EACH = 4
"""Suggestions of each kind."""
UNUSUAL = 0.1
"""Share of the samples, the most unusual, among which the new ones are looked for."""
MOST_COMPARED = 2000


@dataclass(frozen=True)
class Suggestion:
    """A sample to look at.

    Attributes:
        row: Which.
        kind: 'conflict', 'likely', 'uncertain' or 'new'.
        reason: One sentence.
    """

    row: int
    kind: str
    reason: str


def suggest(
    outlier: Float[np.ndarray, " row"],
    defect: Float[np.ndarray, " row"] | None,
    probabilities: Float[np.ndarray, "row 3"],
    codes: Float[np.ndarray, "row latent"],
    marked: Bool[np.ndarray, " row"],
    each: int = EACH,
) -> list[Suggestion]:
    """Samples to mark next, the kinds in turn, no sample twice.

    Args:
        outlier: How unusual; NaN: not scored, never suggested.
        defect: How much like the labelled defects, or None.
        probabilities: Of normal, other and defect.
        codes: Latent codes.
        marked: What has a label already.
        each: Suggestions of each kind.

    Returns:
        Likely, uncertain, new, likely, …; without labelled defects there are no uncertain ones.
    """
    free = ~marked & ~np.isnan(outlier)
    taken: set[int] = set()
    kinds = [
        likely(outlier, defect, free, each, taken),
        uncertain(probabilities, free, each, taken) if defect is not None else [],
        new(outlier, codes, free, marked, each, taken),
    ]
    longest = max(map(len, kinds))
    return [kind[turn] for turn in range(longest) for kind in kinds if turn < len(kind)]


def likely(
    outlier: Float[np.ndarray, " row"],
    defect: Float[np.ndarray, " row"] | None,
    free: Bool[np.ndarray, " row"],
    n: int,
    taken: set[int],
) -> list[Suggestion]:
    """The highest scores without a label; `taken` gains them."""
    score = outlier if defect is None else defect
    rows = [row for row in np.argsort(-np.where(free, score, -np.inf), kind="stable").tolist() if free[row]][:n]
    what = "unusual" if defect is None else "like your defects"
    taken |= set(rows)
    return [
        Suggestion(
            row, "likely", f"most {what} of all not marked" if place == 1 else f"number {place} of those most {what}"
        )
        for place, row in enumerate(rows, 1)
    ]


def uncertain(
    probabilities: Float[np.ndarray, "row 3"], free: Bool[np.ndarray, " row"], n: int, taken: set[int]
) -> list[Suggestion]:
    """Where 'defect' and the likelier of the other two are closest; a mark there moves the border."""
    rest = np.max(probabilities[:, :2], axis=1)
    doubt = np.where(free, np.abs(probabilities[:, 2] - rest), np.inf)
    rows = [row for row in np.argsort(doubt, kind="stable").tolist() if free[row] and row not in taken][:n]
    taken |= set(rows)
    words = ["normal", "other"]
    said = [f"{words[int(np.argmax(probabilities[row, :2]))]} {rest[row]:.0%}" for row in rows]
    return [
        Suggestion(row, "uncertain", f"undecided: defect {probabilities[row, 2]:.0%}, {words}")
        for row, words in zip(rows, said, strict=True)
    ]


def new(
    outlier: Float[np.ndarray, " row"],
    codes: Float[np.ndarray, "row latent"],
    free: Bool[np.ndarray, " row"],
    marked: Bool[np.ndarray, " row"],
    n: int,
    taken: set[int],
) -> list[Suggestion]:
    """Unusual samples far in latent space from all that is marked and from each other: what nobody has looked at.

    Greedy farthest-first traversal (Gonzalez, 1985), over the most unusual tenth.
    """
    order = np.argsort(-np.where(free, outlier, -np.inf), kind="stable")[: int(free.sum())]
    order = order[~np.isin(order, list(taken))]
    few: Int[np.ndarray, " candidate"] = order[: min(max(n, round(UNUSUAL * len(order))), MOST_COMPARED)]
    if not len(few):
        return []
    scale = np.nanstd(codes, axis=0)
    z = codes / np.where(scale > 0, scale, 1)
    known = [*np.flatnonzero(marked & ~np.isnan(outlier)).tolist(), *taken][:MOST_COMPARED]
    nearest = _distance(z[few], z[known]) if known else np.full(len(few), np.inf)
    found = []
    for _ in range(min(n, len(few))):
        best = int(np.argmax(nearest))
        found.append(int(few[best]))
        nearest = np.minimum(nearest, np.linalg.norm(z[few] - z[few[best]], axis=1))
        nearest[best] = -np.inf
    taken |= set(found)
    return [Suggestion(row, "new", "unusual, and unlike anything that is marked") for row in found]


def _distance(a: Float[np.ndarray, "row latent"], b: Float[np.ndarray, "known latent"]) -> Float[np.ndarray, " row"]:
    """From each row to the nearest known one."""
    return np.min([np.linalg.norm(a - one, axis=1) for one in b], axis=0)


def plane(
    codes: Float[np.ndarray, "row latent"], axes: tuple[np.ndarray, np.ndarray] | None = None
) -> tuple[Float[np.ndarray, "row 2"], tuple[np.ndarray, np.ndarray]]:
    """Codes on their two principal axes, and these: their centre and directions (2, latent).

    Args:
        codes: Latent codes; NaN rows stay NaN.
        axes: From an earlier call, to put more samples on the same map.
    """
    if axes is None:
        known = codes[~np.isnan(codes).any(axis=1)]
        centre = known.mean(axis=0)
        _, _, directions = np.linalg.svd(known - centre, full_matrices=False)
        directions = np.vstack([directions[:2], np.zeros((max(0, 2 - len(directions)), codes.shape[1]))])
        axes = centre, directions
    return (codes - axes[0]) @ axes[1].T, axes
