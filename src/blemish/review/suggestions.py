"""What to mark next, and why: likely defects, the uncertain, the typical and the new. Pure functions over scores.

Each mark counts at once: what is likely is said by a Gaussian process over all marks, where samples lie as `looks` has
it. The model's own score is not asked: it ranks better, and finds no faster. Measured by `benchmarks/labelling.py`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np
from jaxtyping import Bool, Float, Int, Int8

from blemish.review.marks import CODES

MOST = 12
"""Suggestions at a time."""
UNUSUAL, HALF = 0.25, 0.5
"""Shares of the samples, the most unusual, among which new ones are looked for."""
MOST_COMPARED, MOST_NEAR = 2000, 20_000
ALIKE = 20
"""Samples are alike that are as near as the neighbour of this number is to most; of few samples, one in 30."""
PATIENCE = 5
"""Once a defect is known and so many marks in a row were none, every suggestion of that number looks elsewhere."""
WIDTH, NOISE, EXPECTED = 6.0, 0.1, 0.1
"""Of the Gaussian process: squared width of the kernel in units of `View.reach`, variance of a mark, and what is
expected of the most unusual sample before anything is marked, where a defect is 1."""


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


@dataclass(frozen=True, eq=False)
class View:
    """All samples as one model sees them.

    Attributes:
        outlier: How unusual; NaN: not scored, never suggested.
        defect: How much like the labelled defects; None where the model has learnt from none.
        probabilities: Of normal, other and defect.
        looks: Where samples lie among the others, see `looks`.
    """

    outlier: Float[np.ndarray, " row"]
    defect: Float[np.ndarray, " row"] | None
    probabilities: Float[np.ndarray, "row 3"]
    looks: Float[np.ndarray, "row look"]

    def at(self, rows: Int[np.ndarray, " some"]) -> Float[np.ndarray, "some look"]:
        """Where some lie; all may lie on the disk."""
        return np.asarray(self.looks[rows], dtype=np.float64)

    @cached_property
    def unusual(self) -> Int[np.ndarray, " some"]:
        """Samples to compare, the most unusual first: of many the top and evenly some of the rest."""
        order = _best(self.outlier)
        if len(order) <= MOST_COMPARED:
            return order
        half = MOST_COMPARED // 2
        rest = np.linspace(half, len(order) - 1, half).round().astype(int)
        return np.concatenate([order[:half], order[rest]])

    @cached_property
    def first(self) -> Int[np.ndarray, " some"]:
        """Samples that may be likely: what the model puts first, in order of row."""
        if self.defect is None:
            return np.sort(_best(self.outlier)[:MOST_NEAR])
        half = MOST_NEAR // 2
        return np.union1d(_best(self.outlier)[:half], _best(self.defect)[:half])

    @cached_property
    def place(self) -> Float[np.ndarray, " row"]:
        """Share of the samples that are more unusual; 1 where not scored."""
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
    """A choice that is being made.

    Attributes:
        view: What the model says.
        labels: What people say now, see `CODES`.
        taken: Rows that are suggested already.
    """

    view: View
    labels: Int8[np.ndarray, " row"]
    taken: set[int] = field(default_factory=set)

    @property
    def free(self) -> Bool[np.ndarray, " row"]:
        """What may be suggested still."""
        free = (self.labels == 0) & ~np.isnan(self.view.outlier)
        free[list(self.taken)] = False
        return free

    def marked(self, which: Bool[np.ndarray, " row"]) -> Int[np.ndarray, " some"]:
        """Rows with a label and a place among some, at most so many."""
        return np.flatnonzero(which & (self.labels > 0) & ~np.isnan(self.view.outlier))[-MOST_COMPARED:]

    def take(self, rows: Sequence[int], kind: str, reasons: Sequence[str]) -> list[Suggestion]:
        """Suggest rows."""
        self.taken |= set(rows)
        return [Suggestion(row, kind, reason) for row, reason in zip(rows, reasons, strict=True)]


Kind = Callable[[Choice, int], list[Suggestion]]


def suggest(view: View, labels: Int8[np.ndarray, " row"], missed: int = 0, most: int = MOST) -> list[Suggestion]:
    """Samples to mark next, the best first, no sample twice.

    Until a defect is known, what is asked is which *kind* of sample is meant: ones that stand for many take turns with
    ones that are unlike all marked ones, and every other time what is unusual to the model counts for more, since it is
    a help where it is right and a trap where it is wrong. Then the likeliest, and where these are no defects any more,
    now and then a new, typical or uncertain one. Whose turn it is follows from the marks so far, so that who asks again
    after each mark meets every kind.

    Args:
        view: What the model says.
        labels: What people say now, see `CODES`.
        missed: How many marks there were since the last defect, see `misses`.
        most: How many at most.
    """
    choice = Choice(view, labels)
    if (labels == CODES["defect"]).any():
        turns: list[Kind] = [_after_a_defect(missed + at) for at in range(most)]
    else:
        start = int((labels > 0).sum())
        turns = [SEARCH[(start + at) % len(SEARCH)] for at in range(most)]
    found = {kind: iter(kind(choice, turns.count(kind))) for kind in dict.fromkeys(turns)}
    mixed = [one for kind in turns if (one := next(found[kind], None)) is not None]
    return mixed + likely(choice, most - len(mixed))  # where some kind had too few


def _after_a_defect(missed: int) -> Kind:
    """Which kind is next when so many marks in a row were no defects."""
    turn, likely_again = divmod(missed - PATIENCE, PATIENCE)
    return likely if turn < 0 or likely_again else (new, typical, uncertain)[turn % 3]


def misses(said: Sequence[str]) -> int:
    """How many labels at the end are no defects.

    Example:
        >>> misses(["other", "defect", "normal", "other"])
        2
    """
    return next((at for at, label in enumerate(reversed(said)) if label == "defect"), len(said))


def likely(choice: Choice, n: int) -> list[Suggestion]:
    """What is most like the defects and least like all else that is marked; without a defect the most unusual.

    The mean of a Gaussian process, as in active search: a marked defect is 1, any other mark 0, and what lies far from
    all marks is expected to be as much of a defect as it is unusual, by the square of its rank. The kernel is a
    rational quadratic one, which is a mixture of Gaussians of all widths. Of many samples those are compared that the
    model puts first, half of them by how unusual they are.

    Reference:
        Garnett, Krishnamurthy, Xiong, Schneider and Mann, "Bayesian optimal active search and surveying", 2012 (greedy
        search); Rasmussen and Williams, "Gaussian processes for machine learning", 2006, eq. 2.23 and 4.19.
    """
    view, is_defect = choice.view, choice.labels == CODES["defect"]
    if not choice.marked(is_defect).size:
        rows = _best(np.where(choice.free, view.outlier, np.nan))[:n].tolist()
        return choice.take(rows, "likely", _ranked("most unusual", rows))
    marked = choice.marked(choice.labels < CODES["conflict"])
    rows, place = view.first, view.place
    mean = posterior_mean(
        _squares(view.at(rows), view.at(marked)) / view.reach,
        _squares(view.at(marked), view.at(marked)) / view.reach,
        is_defect[marked] - _expected(place[marked]),
    )
    mean = np.where(choice.free[rows], _expected(place[rows]) + mean, np.nan)
    found = rows[_best(mean)][:n].tolist()
    return choice.take(found, "likely", _ranked("most like your defects", found))


def posterior_mean(
    to_marked: Float[np.ndarray, "row mark"], between: Float[np.ndarray, "mark mark"], y: Float[np.ndarray, " mark"]
) -> Float[np.ndarray, " row"]:
    r"""Of a Gaussian process of mean 0, known with some noise at the marks.

    .. math:: K_{r m} (K_{m m} + \sigma^2 I)^{-1} y, \quad K = \frac{1}{1 + d^2 / w}

    Args:
        to_marked: Squared distances.
        between: Squared distances of the marks.
        y: What was seen at the marks.
    """
    noisy = 1 / (1 + between / WIDTH) + NOISE * np.eye(len(y))
    return np.asarray(1 / (1 + to_marked / WIDTH) @ np.linalg.solve(noisy, y))


def _expected(place: Float[np.ndarray, " row"]) -> Float[np.ndarray, " row"]:
    return EXPECTED * (1 - place) ** 2


def _ranked(what: str, rows: Sequence[int]) -> list[str]:
    return [f"{what} of all not marked" if not at else f"number {at + 1} of those {what}" for at in range(len(rows))]


def uncertain(choice: Choice, n: int) -> list[Suggestion]:
    """Where 'defect' and the likelier of the other two are closest; a mark there moves the border."""
    p = choice.view.probabilities
    if choice.view.defect is None:
        return new(choice, n)
    rest = np.max(p[:, :2], axis=1)
    rows = _best(np.where(choice.free, -np.abs(p[:, 2] - rest), np.nan))[:n].tolist()
    words = ["normal", "other"]
    reasons = [
        f"close to the border: defect {100 * p[row, 2]:.0f} %, "
        f"{words[int(np.argmax(p[row, :2]))]} {100 * rest[row]:.0f} %"
        for row in rows
    ]
    return choice.take(rows, "uncertain", reasons)


def new(choice: Choice, n: int, share: float = UNUSUAL) -> list[Suggestion]:
    """Unusual samples far from all that is marked and from each other: what nobody has looked at.

    Greedy farthest-first traversal (Gonzalez, 1985).

    Args:
        choice: What is known.
        n: How many.
        share: The most unusual among which they are, in (0, 1].
    """
    view = choice.view
    order = _best(np.where(choice.free, view.outlier, np.nan))
    few = order[: min(max(n, round(share * len(order))), MOST_COMPARED)]
    if not len(few):
        return []
    z, known = view.at(few), _asked_about(choice)
    nearest = _squares(z, view.at(known)).min(axis=1) if len(known) else np.full(len(few), np.inf)
    found = []
    for _ in range(min(n, len(few))):
        best = int(np.argmax(nearest))
        found.append(int(few[best]))
        nearest = np.minimum(nearest, _squares(z, z[best : best + 1])[:, 0])
        nearest[best] = -np.inf
    return choice.take(found, "new", ["unusual, and unlike anything that is marked"] * len(found))


def typical(choice: Choice, n: int, power: float = 2.0) -> list[Suggestion]:
    """Samples that stand for many unusual ones, none of which is like a marked one.

    Greedy facility location (Nemhauser, Wolsey and Fisher, 1978) with a Gaussian of the distance, weighed by a power
    of how unusual a sample is by rank. Of many samples the most unusual and evenly some of the rest count.

    Args:
        choice: What is known.
        n: How many.
        power: 0: all samples count alike.
    """
    view, rows = choice.view, choice.view.unusual
    able = choice.free[rows]
    if not able.any():
        return []
    weight, alike = (1 - view.place[rows]) ** power, np.exp(-view.apart / view.reach)
    covered, known = np.zeros(len(rows)), _asked_about(choice)
    if len(known):
        covered = np.exp(-_squares(view.at(rows), view.at(known)).min(axis=1) / view.reach)
    found, reasons = [], []
    for _ in range(min(n, int(able.sum()))):
        gain = np.where(able, weight @ np.maximum(alike - covered[:, None], 0), -np.inf)
        best = int(np.argmax(gain))
        found.append(int(rows[best]))
        reasons.append(_stands_for(int((alike[:, best] > 0.5).sum()) - 1))
        covered = np.maximum(covered, alike[:, best])
        able[best] = False
    return choice.take(found, "typical", reasons)


SEARCH: tuple[Kind, ...] = (partial(typical, power=0.0), partial(new, share=UNUSUAL), typical, partial(new, share=HALF))
"""Turns until a defect is known."""


def _stands_for(n: int) -> str:
    return f"stands for {n} much like it, none of them marked" if n else "unlike the others, and not marked"


def _asked_about(choice: Choice) -> Int[np.ndarray, " some"]:
    """Rows that are marked or suggested already, at most so many."""
    marked = choice.marked(np.ones(len(choice.labels), dtype=bool))
    return np.concatenate([marked, np.array(sorted(choice.taken), dtype=np.int64)])[-MOST_COMPARED:]


def _best(score: Float[np.ndarray, " row"]) -> Int[np.ndarray, " some"]:
    """Rows by falling score, equal ones in their order, without those of score NaN."""
    return np.argsort(-score, kind="stable")[: int((~np.isnan(score)).sum())]


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
