"""What to mark next, and why: likely defects, the uncertain, the typical and the new. Pure functions over scores.

Each mark counts at once, before the model has learnt from it: a defect makes what is like it likely, anything else
what is like it less so. Measured by `benchmarks/labelling.py`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int, Int8

from blemish.app.marks import CODES

MOST = 12
"""Suggestions at a time."""
UNUSUAL = 0.25
"""Share of the samples, the most unusual, among which the new ones are looked for."""
MOST_COMPARED, MOST_NEAR = 2000, 20_000
ALIKE = 20
"""Samples are alike that are as near as the neighbour of this number is to most; of few samples, one in 30."""
PATIENCE = 3
"""Once a defect is known and so many marks in a row were none, every second suggestion looks elsewhere."""


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
        codes: Latent codes.
        learnt: The labels that the model has learnt from, see `CODES`.
    """

    outlier: Float[np.ndarray, " row"]
    defect: Float[np.ndarray, " row"] | None
    probabilities: Float[np.ndarray, "row 3"]
    codes: Float[np.ndarray, "row latent"]
    learnt: Int8[np.ndarray, " row"]

    def scaled(self, rows: Int[np.ndarray, " some"]) -> Float[np.ndarray, "some latent"]:
        """Some codes in units of the spread of all."""
        return np.asarray(self.codes[rows], dtype=np.float64) / self._spread

    @cached_property
    def _spread(self) -> Float[np.ndarray, " latent"]:
        """Of all codes, which are looked at in parts, for they may lie on the disk."""
        sums, n = np.zeros((2, self.codes.shape[1])), 0
        for start in range(0, len(self.codes), 2**16):
            part = np.asarray(self.codes[start : start + 2**16], dtype=np.float64)
            part = part[~np.isnan(part[:, 0])]
            n += len(part)
            sums += part.sum(axis=0), np.square(part).sum(axis=0)
        spread = np.sqrt(np.maximum(sums[1] / max(n, 1) - (sums[0] / max(n, 1)) ** 2, 0))
        return np.where(spread > 0, spread, 1)

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
    def apart(self) -> Float[np.ndarray, "some some"]:
        """Squared distances between the `unusual`."""
        z = self.scaled(self.unusual)
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
        """Rows with a label and a code among some, at most so many."""
        return np.flatnonzero(which & (self.labels > 0) & ~np.isnan(self.view.outlier))[-MOST_COMPARED:]

    def take(self, rows: Sequence[int], kind: str, reasons: Sequence[str]) -> list[Suggestion]:
        """Suggest rows."""
        self.taken |= set(rows)
        return [Suggestion(row, kind, reason) for row, reason in zip(rows, reasons, strict=True)]


Kind = Callable[[Choice, int], list[Suggestion]]


def suggest(view: View, labels: Int8[np.ndarray, " row"], missed: int = 0, most: int = MOST) -> list[Suggestion]:
    """Samples to mark next, the best first, no sample twice.

    Until a defect is known, what is asked is which *kind* of outlier is meant: samples that stand for many take turns
    with ones that are unlike all marked ones. Then the likeliest, as long as they are defects; where they no longer
    are, they take turns with new, typical and uncertain ones. Whose turn it is follows from the marks so far, so that
    who asks again after each mark meets every kind.

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
        turns = [(typical, new)[(start + at) % 2] for at in range(most)]
    found = {kind: iter(kind(choice, turns.count(kind))) for kind in dict.fromkeys(turns)}
    mixed = [one for kind in turns if (one := next(found[kind], None)) is not None]
    return mixed + likely(choice, most - len(mixed))  # where some kind had too few


def _after_a_defect(missed: int) -> Kind:
    """Which kind is next when so many marks in a row were no defects."""
    turn, likely_again = divmod(missed - PATIENCE, 2)
    return likely if turn < 0 or likely_again else (new, typical, uncertain)[turn % 3]


def misses(said: Sequence[str]) -> int:
    """How many labels at the end are no defects.

    Example:
        >>> misses(["other", "defect", "normal", "other"])
        2
    """
    return next((at for at, label in enumerate(reversed(said)) if label == "defect"), len(said))


def likely(choice: Choice, n: int) -> list[Suggestion]:
    """The highest scores without a label.

    What is like a sample that was marked since the model learnt, and was no defect, comes later. Where the model knows
    no defect yet, the score is how much nearer the nearest defect is than the nearest other marked sample.
    """
    view, labels = choice.view, choice.labels
    is_defect = labels == CODES["defect"]
    if view.defect is None and not choice.marked(is_defect).size:
        rows = _best(np.where(choice.free, view.outlier, np.nan))[:n].tolist()
        return choice.take(rows, "likely", _ranked("most unusual", rows))
    if view.defect is None:
        score = _likeness(choice)
        rows = _best(np.where(choice.free, score, np.nan))[:n].tolist()
        return choice.take(rows, "likely", _ranked("nearest to your defects", rows))
    order = _best(np.where(choice.free, view.defect, np.nan))
    order = order[: max(n, MOST_COMPARED)]
    rejected = choice.marked((labels != view.learnt) & ~is_defect)
    if len(rejected):
        z = view.scaled(order)
        to_rejected = _squares(z, view.scaled(rejected)).min(axis=1)
        known = choice.marked(is_defect)
        to_defect = _squares(z, view.scaled(known)).min(axis=1) if len(known) else np.full(len(order), np.inf)
        later = (to_rejected < view.reach) & (to_rejected < to_defect)
        order = np.concatenate([order[~later], order[later]])
    rows = order[:n].tolist()
    return choice.take(rows, "likely", _ranked("most like your defects", rows))


def _likeness(choice: Choice) -> Float[np.ndarray, " row"]:
    """How much nearer the nearest marked defect is than the nearest other marked sample; NaN: not compared."""
    view, is_defect = choice.view, choice.labels == CODES["defect"]
    known, rest = choice.marked(is_defect), choice.marked(~is_defect)
    rows = _best(view.outlier)[:MOST_NEAR]
    z, score = view.scaled(rows), np.full(len(view.outlier), np.nan)
    far = _squares(z, view.scaled(rest)).min(axis=1) if len(rest) else 1.0
    score[rows] = far / (_squares(z, view.scaled(known)).min(axis=1) + 1e-12)
    return score


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


def new(choice: Choice, n: int) -> list[Suggestion]:
    """Unusual samples far in latent space from all that is marked and from each other: what nobody has looked at.

    Greedy farthest-first traversal (Gonzalez, 1985), over the most unusual quarter.
    """
    view = choice.view
    order = _best(np.where(choice.free, view.outlier, np.nan))
    few = order[: min(max(n, round(UNUSUAL * len(order))), MOST_COMPARED)]
    if not len(few):
        return []
    z, known = view.scaled(few), _asked_about(choice)
    nearest = _squares(z, view.scaled(known)).min(axis=1) if len(known) else np.full(len(few), np.inf)
    found = []
    for _ in range(min(n, len(few))):
        best = int(np.argmax(nearest))
        found.append(int(few[best]))
        nearest = np.minimum(nearest, _squares(z, z[best : best + 1])[:, 0])
        nearest[best] = -np.inf
    return choice.take(found, "new", ["unusual, and unlike anything that is marked"] * len(found))


def typical(choice: Choice, n: int) -> list[Suggestion]:
    """Samples that stand for many unusual ones, none of which is like a marked one.

    Greedy facility location (Nemhauser, Wolsey and Fisher, 1978) with a Gaussian of the distance of codes, weighed by
    the square of how unusual a sample is by rank. Of many samples the most unusual and evenly some of the rest count.
    """
    view, rows = choice.view, choice.view.unusual
    able = choice.free[rows]
    if not able.any():
        return []
    place = np.empty(len(view.outlier))
    order = _best(view.outlier)
    place[order] = np.arange(len(order)) / len(order)
    weight, alike = (1 - place[rows]) ** 2, np.exp(-view.apart / view.reach)
    covered, known = np.zeros(len(rows)), _asked_about(choice)
    if len(known):
        covered = np.exp(-_squares(view.scaled(rows), view.scaled(known)).min(axis=1) / view.reach)
    found, reasons = [], []
    for _ in range(min(n, int(able.sum()))):
        gain = np.where(able, weight @ np.maximum(alike - covered[:, None], 0), -np.inf)
        best = int(np.argmax(gain))
        found.append(int(rows[best]))
        reasons.append(_stands_for(int((alike[:, best] > 0.5).sum()) - 1))
        covered = np.maximum(covered, alike[:, best])
        able[best] = False
    return choice.take(found, "typical", reasons)


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
