"""What to mark next, and why: likely defects, uncertain, typical and new samples. Pure functions over scores.

Each mark counts at once: likely defects come from a Gaussian process over all marks, in the space of `embed`. The
model's own score is not used: it ranks better, but finds defects no faster. Measured by `benchmarks/labelling.py`;
decisions.md 44, 50 and 58.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np
from jaxtyping import Bool, Float, Int, Int8

from blemish.review.marks import CODES, DISAGREEMENT

MAX_SUGGESTED = 12
"""Suggestions at a time."""
UNUSUAL, HALF = 0.25, 0.5
"""Fractions of the samples, the most unusual ones, among which new ones are searched."""
MAX_COMPARED, MAX_NEAR = 2000, 20_000
ALIKE = 20
"""Samples are alike if they are as close as the median sample is to its n-th neighbour; of few samples, one in 30."""
PATIENCE = 5
"""Once a defect is known: after this many marks in a row without one, every n-th suggestion looks elsewhere."""
WIDTH, NOISE, EXPECTED = 6.0, 0.1, 0.1
"""For the Gaussian process: squared width of the kernel in units of `Snapshot.reach`, noise variance of a mark, and
prior mean of the most unusual sample, where a defect is 1."""


@dataclass(frozen=True)
class Suggestion:
    """A sample to inspect.

    Attributes:
        row: Its row.
        kind: 'likely', 'uncertain', 'new' or 'typical'.
        reason: Why, in a few words.
    """

    row: int
    kind: str
    reason: str


@dataclass(frozen=True, eq=False)
class Snapshot:
    """All samples as one model sees them.

    Attributes:
        outlier: Outlier scores; NaN: not scored, never suggested.
        defect: Defect scores; None if the model was fitted without labelled defects.
        probabilities: Of normal, other and defect.
        embedding: See `blemish.review.embedding.embed`; may lie on disk.
    """

    outlier: Float[np.ndarray, " row"]
    defect: Float[np.ndarray, " row"] | None
    probabilities: Float[np.ndarray, "row 3"]
    embedding: Float[np.ndarray, "row direction"]

    def at(self, rows: Int[np.ndarray, " some"]) -> Float[np.ndarray, "some direction"]:
        """The embedding of some rows, in memory."""
        return np.asarray(self.embedding[rows], dtype=np.float64)

    @cached_property
    def unusual(self) -> Int[np.ndarray, " some"]:
        """Samples to compare, the most unusual first: of many, the top and evenly spaced ones of the rest."""
        order = _best(self.outlier)
        if len(order) <= MAX_COMPARED:
            return order
        half = MAX_COMPARED // 2
        rest = np.linspace(half, len(order) - 1, half).round().astype(int)
        return np.concatenate([order[:half], order[rest]])

    @cached_property
    def first(self) -> Int[np.ndarray, " some"]:
        """Candidates for likely defects: the top of the model's rankings, in order of row."""
        if self.defect is None:
            return np.sort(_best(self.outlier)[:MAX_NEAR])
        half = MAX_NEAR // 2
        return np.union1d(_best(self.outlier)[:half], _best(self.defect)[:half])

    @cached_property
    def place(self) -> Float[np.ndarray, " row"]:
        """Fraction of the samples that are more unusual; 1 where not scored."""
        place, order = np.ones(len(self.outlier)), _best(self.outlier)
        place[order] = np.arange(len(order)) / max(len(order), 1)
        return place

    @cached_property
    def apart(self) -> Float[np.ndarray, "some some"]:
        """Squared distances between the `unusual`."""
        z = self.at(self.unusual)
        return _squares(z, z).astype(np.float32)

    @cached_property
    def reach(self) -> float:
        """The squared distance up to which samples are alike."""
        n = len(self.unusual)
        if n < 2:
            return 1.0
        at = max(1, min(ALIKE, n // 30))
        return max(float(np.median(np.partition(self.apart, at, axis=1)[:, at])), 1e-12)


@dataclass
class Choice:
    """A choice in progress.

    Attributes:
        snapshot: The samples as the model sees them.
        labels: Current labels, see `CODES`.
        taken: Rows already suggested.
    """

    snapshot: Snapshot
    labels: Int8[np.ndarray, " row"]
    taken: set[int] = field(default_factory=set)

    @property
    def free(self) -> Bool[np.ndarray, " row"]:
        """Which rows may still be suggested."""
        free = (self.labels == 0) & ~np.isnan(self.snapshot.outlier)
        free[list(self.taken)] = False
        return free

    def marked(self, which: Bool[np.ndarray, " row"]) -> Int[np.ndarray, " some"]:
        """The scored rows among `which` that have a label: the last `MAX_COMPARED`."""
        return np.flatnonzero(which & (self.labels > 0) & ~np.isnan(self.snapshot.outlier))[-MAX_COMPARED:]

    def take(self, rows: Sequence[int], kind: str, reasons: Sequence[str]) -> list[Suggestion]:
        """Suggest rows."""
        self.taken |= set(rows)
        return [Suggestion(row, kind, reason) for row, reason in zip(rows, reasons, strict=True)]


Kind = Callable[[Choice, int], list[Suggestion]]


def suggest(
    snapshot: Snapshot, labels: Int8[np.ndarray, " row"], missed: int = 0, most: int = MAX_SUGGESTED
) -> list[Suggestion]:
    """Samples to mark next, the best first, no sample twice.

    Until a defect is known, the question is which *kind* of sample is meant: samples that represent many alternate with
    samples unlike all marked ones, and every other time the outlier score counts for more, since it helps where it is
    right and misleads where it is wrong. Afterwards the likeliest come first and, once these are no longer defects, now
    and then a new, typical or uncertain one. Whose turn it is follows from the marks so far, so that asking again after
    each mark shows every kind.

    Args:
        snapshot: The samples as the model sees them.
        labels: Current labels, see `CODES`.
        missed: Number of marks since the last defect, see `misses`.
        most: Maximal number of suggestions.
    """
    choice = Choice(snapshot, labels)
    if (labels == CODES["defect"]).any():
        turns: list[Kind] = [_after_a_defect(missed + at) for at in range(most)]
    else:
        start = int((labels > 0).sum())
        turns = [SEARCH[(start + at) % len(SEARCH)] for at in range(most)]
    found = {kind: iter(kind(choice, turns.count(kind))) for kind in dict.fromkeys(turns)}
    mixed = [one for kind in turns if (one := next(found[kind], None)) is not None]
    return mixed + likely(choice, most - len(mixed))  # where some kind had too few


def _after_a_defect(missed: int) -> Kind:
    """The next kind after `missed` marks in a row that were not defects."""
    turn, likely_again = divmod(missed - PATIENCE, PATIENCE)
    return likely if turn < 0 or likely_again else (new, typical, uncertain)[turn % 3]


def misses(labels: Sequence[str]) -> int:
    """Number of labels at the end that are not 'defect'.

    Example:
        >>> misses(["other", "defect", "normal", "other"])
        2
    """
    return next((at for at, label in enumerate(reversed(labels)) if label == "defect"), len(labels))


def likely(choice: Choice, n: int) -> list[Suggestion]:
    """Samples most like the defects and least like everything else that is marked; without a defect the most unusual.

    The posterior mean of a Gaussian process, as in active search: a marked defect is 1, any other mark 0, and far from
    all marks the prior mean is the squared rank of the outlier score. The kernel is rational quadratic, which is a
    mixture of Gaussians of all widths. Of many samples the top of the model's rankings is compared, half of it by
    outlier score.

    Reference:
        Garnett, Krishnamurthy, Xiong, Schneider and Mann, "Bayesian optimal active search and surveying", 2012 (greedy
        search); Rasmussen and Williams, "Gaussian processes for machine learning", 2006, eq. 2.23 and 4.19.
    """
    snapshot, is_defect = choice.snapshot, choice.labels == CODES["defect"]
    if not choice.marked(is_defect).size:
        rows = _best(np.where(choice.free, snapshot.outlier, np.nan))[:n].tolist()
        return choice.take(rows, "likely", _ranked("most unusual", rows))
    marked = choice.marked(choice.labels < CODES[DISAGREEMENT])
    rows, place = snapshot.first, snapshot.place
    mean = posterior_mean(
        _squares(snapshot.at(rows), snapshot.at(marked)) / snapshot.reach,
        _squares(snapshot.at(marked), snapshot.at(marked)) / snapshot.reach,
        is_defect[marked] - _expected(place[marked]),
    )
    mean = np.where(choice.free[rows], _expected(place[rows]) + mean, np.nan)
    found = rows[_best(mean)][:n].tolist()
    return choice.take(found, "likely", _ranked("closest match to your defects", found))


def posterior_mean(
    to_marked: Float[np.ndarray, "row mark"], between: Float[np.ndarray, "mark mark"], y: Float[np.ndarray, " mark"]
) -> Float[np.ndarray, " row"]:
    r"""Posterior mean of a Gaussian process of prior mean 0, observed with noise at the marks.

    .. math:: K_{r m} (K_{m m} + \sigma^2 I)^{-1} y, \quad K = \frac{1}{1 + d^2 / w}

    Here d is the distance: `to_marked` and `between` are squared ones, `y` are the observations at the marks.
    """
    noisy = 1 / (1 + between / WIDTH) + NOISE * np.eye(len(y))
    return np.asarray(1 / (1 + to_marked / WIDTH) @ np.linalg.solve(noisy, y))


def _expected(place: Float[np.ndarray, " row"]) -> Float[np.ndarray, " row"]:
    return EXPECTED * (1 - place) ** 2


def _ranked(what: str, rows: Sequence[int]) -> list[str]:
    return [f"the {what}" if not at else f"{_ordinal(at + 1)} {what}" for at in range(len(rows))]


def _ordinal(n: int) -> str:
    ending = "th" if 10 <= n % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"


def uncertain(choice: Choice, n: int) -> list[Suggestion]:
    """Samples for which 'defect' and the likelier of the other two are closest; a mark there moves the boundary."""
    p = choice.snapshot.probabilities
    if choice.snapshot.defect is None:
        return new(choice, n)
    rest, word = p[:, :2].max(axis=1), np.where(p[:, 1] > p[:, 0], "other", "normal")
    rows = _best(np.where(choice.free, -np.abs(p[:, 2] - rest), np.nan))[:n].tolist()
    reasons = [f"defect {100 * p[row, 2]:.0f} %, {word[row]} {100 * rest[row]:.0f} %" for row in rows]
    return choice.take(rows, "uncertain", [f"close to the boundary: {reason}" for reason in reasons])


def new(choice: Choice, n: int, fraction: float = UNUSUAL) -> list[Suggestion]:
    """Unusual samples far from all marked ones and from each other: regions not inspected yet.

    Greedy farthest-first traversal (Gonzalez, 1985).

    Args:
        choice: The choice in progress.
        n: How many.
        fraction: Fraction of the samples, the most unusual ones, to choose from.
    """
    snapshot = choice.snapshot
    order = _best(np.where(choice.free, snapshot.outlier, np.nan))
    few = order[: min(max(n, round(fraction * len(order))), MAX_COMPARED)]
    if not len(few):
        return []
    z, known = snapshot.at(few), _covered(choice)
    nearest = _squares(z, snapshot.at(known)).min(axis=1) if len(known) else np.full(len(few), np.inf)
    found = []
    for _ in range(min(n, len(few))):
        best = int(np.argmax(nearest))
        found.append(int(few[best]))
        nearest = np.minimum(nearest, _squares(z, z[best : best + 1])[:, 0])
        nearest[best] = -np.inf
    return choice.take(found, "new", ["unusual, and unlike anything you've marked"] * len(found))


def typical(choice: Choice, n: int, power: float = 2.0) -> list[Suggestion]:
    """Samples that represent many unusual ones, none of which is like a marked one.

    Greedy facility location (Nemhauser, Wolsey and Fisher, 1978) with a Gaussian of the distance, weighted by a power
    of the outlier score's rank. Of many samples, the most unusual and evenly spaced ones of the rest count.

    Args:
        choice: The choice in progress.
        n: How many.
        power: 0: all samples have equal weight.
    """
    snapshot, rows = choice.snapshot, choice.snapshot.unusual
    able = choice.free[rows]
    if not able.any():
        return []
    weight, alike = (1 - snapshot.place[rows]) ** power, np.exp(-snapshot.apart / snapshot.reach)
    covered, known = np.zeros(len(rows)), _covered(choice)
    if len(known):
        covered = np.exp(-_squares(snapshot.at(rows), snapshot.at(known)).min(axis=1) / snapshot.reach)
    found, reasons = [], []
    for _ in range(min(n, int(able.sum()))):
        gain = np.where(able, weight @ np.maximum(alike - covered[:, None], 0), -np.inf)
        best = int(np.argmax(gain))
        found.append(int(rows[best]))
        reasons.append(_represents(int((alike[:, best] > 0.5).sum()) - 1))
        covered = np.maximum(covered, alike[:, best])
        able[best] = False
    return choice.take(found, "typical", reasons)


SEARCH: tuple[Kind, ...] = (
    partial(typical, power=0.0),
    partial(new, fraction=UNUSUAL),
    typical,
    partial(new, fraction=HALF),
)
"""Turns until a defect is known."""


def _represents(n: int) -> str:
    return f"represents {n} similar, none marked yet" if n else "unlike the others, not marked yet"


def _covered(choice: Choice) -> Int[np.ndarray, " some"]:
    """Rows that are marked or suggested already: the last `MAX_COMPARED`."""
    marked = choice.marked(np.ones(len(choice.labels), dtype=bool))
    return np.concatenate([marked, np.array(sorted(choice.taken), dtype=np.int64)])[-MAX_COMPARED:]


def _best(score: Float[np.ndarray, " row"]) -> Int[np.ndarray, " some"]:
    """Rows by descending score, ties in their order, without NaN."""
    return np.argsort(-score, kind="stable")[: int((~np.isnan(score)).sum())]


def _squares(
    a: Float[np.ndarray, "row latent"], b: Float[np.ndarray, "known latent"]
) -> Float[np.ndarray, "row known"]:
    """Squared distances."""
    return np.maximum(np.square(a).sum(axis=1)[:, None] + np.square(b).sum(axis=1) - 2 * a @ b.T, 0)
