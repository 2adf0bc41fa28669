"""What to mark next, and why: likely defects, the uncertain, and the new. Pure functions over scores."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

MOST = 12
"""Suggestions at a time."""
UNUSUAL = 0.25
"""Share of the samples, the most unusual, among which the new ones are looked for."""
MOST_COMPARED = 2000
ALIKE = 20
"""A typical sample stands for what is as near as the neighbour of this number is to most; of few samples, one in 30."""


@dataclass(frozen=True)
class Suggestion:
    """A sample to look at.

    Attributes:
        row: Which.
        kind: 'likely', 'uncertain', 'new' or 'typical'.
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
    most: int = MOST,
) -> list[Suggestion]:
    """Samples to mark next, the best first, no sample twice.

    Until a defect is known, what is asked is which *kind* of outlier is meant: samples that are unlike all marked ones
    take turns with ones that stand for many. Then mostly the likeliest, with some that are uncertain or new. Measured
    by `benchmarks/labelling.py`.

    Args:
        outlier: How unusual; NaN: not scored, never suggested.
        defect: How much like the labelled defects, or None.
        probabilities: Of normal, other and defect.
        codes: Latent codes.
        marked: What has a label already.
        most: How many at most.
    """
    free = ~marked & ~np.isnan(outlier)
    taken: set[int] = set()
    if defect is None:
        halves = -(-most // 2)
        far, many = (kind(outlier, codes, free, marked, halves, taken) for kind in (new, typical))
        return in_turn([many, far])[:most]
    few = most // 5
    first = likely(outlier, defect, free, most - few, taken)
    doubtful = uncertain(probabilities, free, few - few // 2, taken)
    rest = in_turn([doubtful, new(outlier, codes, free, marked, few // 2, taken)])
    quarter = -(-len(first) // max(1, len(rest)))
    mixed = [first[at * quarter : (at + 1) * quarter] + rest[at : at + 1] for at in range(max(1, len(rest)))]
    return [one for part in mixed for one in part][:most]


def in_turn(kinds: Sequence[Sequence[Suggestion]]) -> list[Suggestion]:
    """The first of each, then the second of each, and so on.

    Example:
        >>> one, two, three = (Suggestion(row, "new", "") for row in (1, 2, 3))
        >>> [found.row for found in in_turn([[one, two], [three]])]
        [1, 3, 2]
    """
    longest = max(map(len, kinds), default=0)
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

    Greedy farthest-first traversal (Gonzalez, 1985), over the most unusual quarter.
    """
    order = np.argsort(-np.where(free, outlier, -np.inf), kind="stable")[: int(free.sum())]
    order = order[~np.isin(order, list(taken))]
    few: Int[np.ndarray, " candidate"] = order[: min(max(n, round(UNUSUAL * len(order))), MOST_COMPARED)]
    if not len(few):
        return []
    known = _known(outlier, marked, taken)
    z = _scaled(codes, np.concatenate([few, known]))
    z, z_known = z[: len(few)], z[len(few) :]
    nearest = _squares(z, z_known).min(axis=1) if len(known) else np.full(len(few), np.inf)
    found = []
    for _ in range(min(n, len(few))):
        best = int(np.argmax(nearest))
        found.append(int(few[best]))
        nearest = np.minimum(nearest, _squares(z, z[best : best + 1])[:, 0])
        nearest[best] = -np.inf
    taken |= set(found)
    return [Suggestion(row, "new", "unusual, and unlike anything that is marked") for row in found]


def typical(
    outlier: Float[np.ndarray, " row"],
    codes: Float[np.ndarray, "row latent"],
    free: Bool[np.ndarray, " row"],
    marked: Bool[np.ndarray, " row"],
    n: int,
    taken: set[int],
) -> list[Suggestion]:
    """Samples that stand for many unusual ones, none of which is like a marked one.

    Greedy facility location (Nemhauser, Wolsey and Fisher, 1978) with a Gaussian of the distance of codes, weighed by
    the square of how unusual a sample is by rank. Of many samples the most unusual and evenly some of the rest count.
    """
    order = np.argsort(-np.where(np.isnan(outlier), -np.inf, outlier), kind="stable")[: int((~np.isnan(outlier)).sum())]
    weight = (1 - np.arange(len(order)) / max(len(order), 1)) ** 2
    if len(order) > MOST_COMPARED:
        half = MOST_COMPARED // 2
        kept = np.concatenate([np.arange(half), np.linspace(half, len(order) - 1, half).round().astype(int)])
        order, weight = order[kept], weight[kept]
    if not free[order].any():
        return []
    known = _known(outlier, marked, taken)
    z = _scaled(codes, np.concatenate([order, known]))
    far = _squares(z[: len(order)], z[: len(order)])
    at = max(1, min(ALIKE, len(order) // 30)) if len(order) > 1 else 0
    reach = max(float(np.median(np.partition(far, at, axis=1)[:, at])), 1e-12)
    alike = np.exp(-far / reach)
    covered = np.zeros(len(order))
    if len(known):
        covered = np.exp(-_squares(z[: len(order)], z[len(order) :]).min(axis=1) / reach)
    able = free[order] & ~np.isin(order, list(taken))
    found = []
    for _ in range(min(n, int(able.sum()))):
        gain = np.where(able, weight @ np.maximum(alike - covered[:, None], 0), -np.inf)
        best = int(np.argmax(gain))
        found.append(Suggestion(int(order[best]), "typical", _stands_for(int((alike[:, best] > 0.5).sum()) - 1)))
        covered = np.maximum(covered, alike[:, best])
        able[best] = False
    taken |= {one.row for one in found}
    return found


def _stands_for(n: int) -> str:
    return f"stands for {n} much like it, none of them marked" if n else "unlike the others, and not marked"


def _known(outlier: Float[np.ndarray, " row"], marked: Bool[np.ndarray, " row"], taken: set[int]) -> np.ndarray:
    """Rows that are marked or suggested already, at most so many."""
    return np.array([*np.flatnonzero(marked & ~np.isnan(outlier)).tolist(), *taken][:MOST_COMPARED], dtype=np.int64)


def _scaled(codes: Float[np.ndarray, "row latent"], rows: np.ndarray) -> Float[np.ndarray, "some latent"]:
    """Some codes in units of the spread of all, which are looked at in parts, for they may lie on the disk."""
    sums, n = np.zeros((2, codes.shape[1])), 0
    for start in range(0, len(codes), 2**16):
        part = np.asarray(codes[start : start + 2**16], dtype=np.float64)
        part = part[~np.isnan(part[:, 0])]
        n += len(part)
        sums += part.sum(axis=0), np.square(part).sum(axis=0)
    spread = np.sqrt(np.maximum(sums[1] / max(n, 1) - (sums[0] / max(n, 1)) ** 2, 0))
    return np.asarray(codes[rows], dtype=np.float64) / np.where(spread > 0, spread, 1)


def _squares(
    a: Float[np.ndarray, "row latent"], b: Float[np.ndarray, "known latent"]
) -> Float[np.ndarray, "row known"]:
    """Squared distances."""
    return np.maximum(np.square(a).sum(axis=1)[:, None] + np.square(b).sum(axis=1) - 2 * a @ b.T, 0)


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
