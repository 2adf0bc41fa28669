"""Is more labelling worth it? What the labels are worth, and which of them look wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import binomtest

from blemish.calibration.calibration import Calibration
from blemish.calibration.conformal import conformal_p_values
from blemish.calibration.kinds import Named
from blemish.calibration.label_statistics import LabelStatistics
from blemish.calibration.thresholds import Outlook, outlook
from blemish.core.errors import ConfigError
from blemish.data.columns import frame_html, frame_of

MIN_COMPARED = 4  # labelled defects, before one of them can lie apart from the others
# A label is only called wrong on strong evidence: a defect that a fifth of the ordinary rows reach looks ordinary, but
# it is doubted only if that fraction is four times that of the worst quarter of the other defects (decisions.md 34).
ORDINARY, FAR = 0.2, 4.0
SIGNIFICANT = 0.05  # p-value of a sign test
FORMER = {"far_out": "surprisal", "n_rejected": "n_negatives"}  # attributes of reports before 0.1.0, which still work


def _former(report: object, name: str) -> Any:
    if name not in FORMER:
        raise AttributeError(f"{type(report).__name__!r} object has no attribute {name!r}")
    return getattr(report, FORMER[name])


@dataclass(frozen=True)
class Doubt:
    """A label that looks wrong.

    Attributes:
        name: The row's.
        label: Its label.
        as_high: Fraction of ordinary rows that score as high.
        why: One sentence.
    """

    name: Any
    label: str
    as_high: float
    why: str


@dataclass(frozen=True)
class Conflict:
    """Two rows that are nearly identical, with different labels."""

    names: tuple[Any, Any]
    labels: tuple[str, str]


@dataclass(frozen=True)
class Copies:
    """Near-duplicates that no group keeps together: they stand on both sides of a split.

    Attributes:
        n_defects: Labelled defects with one.
        n_held_out: Held-out rows with one among the rows that were learnt from.
        above: Mean fraction of ordinary rows below an unseen labelled defect; None: there is nothing to compare.
        above_together: The same if near-duplicates are kept together.
    """

    n_defects: int
    n_held_out: int
    above: float | None
    above_together: float | None


@dataclass(frozen=True)
class Step:
    """One point of the learning curve.

    Attributes:
        n_labels: Labelled defects that the scorer was fitted on.
        above: Mean fraction of ordinary rows that lie below a labelled defect that was left out.
        outlook: What to expect at the budget.
        surprisal: Mean surprisal of the left-out defects, in nats.
        error: Standard error of that mean, in nats.
    """

    n_labels: int
    above: float
    outlook: Outlook
    surprisal: float
    error: float
    __getattr__ = _former


@dataclass(frozen=True)
class LabelReport:
    """What the labels are worth.

    Attributes:
        n_defects: Labelled defects.
        n_negatives: Rows labelled 'other' or 'normal'.
        budget: Rows to look at in a batch.
        batch: Rows of that batch: as many as were held out.
        share: Assumed fraction of defects, see `DefectDetector.set_prior`.
        at_budget: What to expect at the budget, by cross-validation over the labelled defects; None for a single one.
        above: Mean fraction of ordinary rows below a labelled defect, by the defect score of models fitted without it.
        above_unlabelled: The same by the outlier score, which uses no labels.
        wins: Labelled defects that the defect score puts higher than the outlier score does.
        losses: Those that it puts lower.
        curve: By number of labels; empty where it was not computed.
        conflicts: Near-duplicates with different labels.
        doubts: Labels that look wrong.
        n_groups: Groups of labelled defects, each of which counts once in all figures; `n_defects` without groups.
        copies: Near-duplicates on both sides of a split; None where the learning curve was not computed.
        kinds: The same for each kind of defect alone, where there are several.
        confusion: Which kinds are taken for which, where there are several.
    """

    n_defects: int
    n_negatives: int
    budget: int
    batch: int
    share: float
    at_budget: Outlook | None
    above: float | None
    above_unlabelled: float | None
    wins: int
    losses: int
    curve: tuple[Step, ...]
    conflicts: tuple[Conflict, ...]
    doubts: tuple[Doubt, ...]
    n_groups: int
    copies: Copies | None = None
    kinds: Mapping[str, "LabelReport"] = field(default_factory=dict)
    confusion: tuple[Named, ...] = ()
    __getattr__ = _former

    @property
    def p_value(self) -> float:
        """Probability of this many wins if both scores were equally good: a sign test, ties left out."""
        n = self.wins + self.losses
        return float(binomtest(self.wins, n, alternative="greater").pvalue) if n else 1.0

    @property
    def beats(self) -> bool:
        """Whether the defect score is significantly better than the outlier score."""
        return self.p_value < SIGNIFICANT

    @property
    def rising(self) -> bool | None:
        """Whether the last step of the curve raises the surprisal of unseen defects by more than its standard error."""
        if len(self.curve) < 2:
            return None
        before, last = self.curve[-2:]
        return last.surprisal - before.surprisal > float(np.hypot(before.error, last.error))

    @property
    def says(self) -> dict[str, str]:
        """Question → answer, one or two sentences each."""
        return {
            "What to expect": self._expected(),
            "Better than without labels?": self._compared(),
            "Is more labelling worth it?": self._learning(),
            "Labels that contradict each other": self._conflicting(),
            "Labels that look wrong": self._doubted(),
            "Near-duplicates": self._copied(),
            **({"Which kinds are taken for which?": self._confused()} if self.confusion else {}),
            **{f"What to expect of {kind!r} alone": one._expected() for kind, one in self.kinds.items()},
        }

    def _confused(self) -> str:
        return (
            f"{'. '.join(one.text for one in self.confusion)} (exact 90 % intervals, "
            "each labelled defect scored by models fitted without it)."
        )

    @property
    def _single(self) -> str:
        return "a single labelled defect" if self.n_defects == 1 else "a single group of labelled defects"

    def _expected(self) -> str:
        if self.at_budget is None:
            return f"Unknown with {self._single}: it cannot be left out. Label a second one."
        found, of = self.at_budget, "" if self.n_groups == self.n_defects else "groups of "
        return (
            f"Of the {self.budget} highest rows in a batch of {self.batch}, about {found.precision:.0%} are defects if "
            f"{self.share:.2g} of all rows are ({found.low:.0%} to {found.high:.0%}: exact 90 % interval from "
            f"{found.n} {of}labelled defects, each scored by a model fitted without it); {found.recall:.0%} of the "
            "defects are found."
        )

    def _compared(self) -> str:
        if self.above is None or self.above_unlabelled is None:
            return f"Unknown with {self._single}."
        figures = (
            f"Unseen labelled defects lie above {self.above:.1%} of the ordinary rows by the defect score and above "
            f"{self.above_unlabelled:.1%} by the outlier score, which uses no labels; the former ranks {self.wins} "
            f"higher and {self.losses} lower (sign test: p = {self.p_value:.2g})."
        )
        return f"{'Yes' if self.beats else 'Not shown yet'}. {figures}"

    def _learning(self) -> str:
        if not self.curve:
            return (
                "The learning curve was not computed: it needs the training rows. Call label_report() before the model "
                "is saved, or 'blemish info MODEL --labels' where the training data still are."
            )
        if self.rising is None:
            return "A learning curve needs at least three labelled defects."
        before, last = self.curve[-2:]
        steps = ", ".join(
            f"with {one.n_labels} labelled defects the others lie above {one.above:.1%} of the ordinary rows, and "
            f"{one.outlook.recall:.0%} of them are found at the budget"
            for one in (before, last)
        )
        return f"It seems so: {steps}." if self.rising else f"No significant gain so far: {steps}."

    def _conflicting(self) -> str:
        if not self.conflicts:
            return "None: no two labelled rows are nearly identical and labelled differently."
        return "; ".join(
            f"{c.names[0]} is labelled {c.labels[0]} and {c.names[1]} {c.labels[1]}, but they are nearly identical"
            for c in self.conflicts
        )

    def _doubted(self) -> str:
        if not self.doubts:
            return "None."
        return "; ".join(f"{doubt.name} ({doubt.label}): {doubt.why}" for doubt in self.doubts)

    def _copied(self) -> str:
        if self.copies is None:
            return "Not looked for, as no learning curve was computed."
        n_defects, n_held_out = self.copies.n_defects, self.copies.n_held_out
        if not n_defects and not n_held_out:
            return "None on both sides of a split: no labelled defect and no held-out row has one in another group."
        found = (
            f"{n_defects} of the {self.n_defects} labelled defects and {n_held_out} held-out rows have near-duplicates "
            "that models fitted without them have seen, so the figures above may flatter"
        )
        if self.copies.above is None or self.copies.above_together is None:
            how = "by how much cannot be told, as all labelled defects are near-duplicates of one another"
        else:
            how = (
                f"unseen labelled defects lie above {self.copies.above:.1%} of the ordinary rows, and above "
                f"{self.copies.above_together:.1%} if near-duplicates are kept together"
            )
        return f"{found}: {how}. Say which samples belong together: groups=, or --groups on the command line."

    def to_frame(self) -> Any:
        """A frame with one line per finding; an Arrow table without pandas.

        Columns: about ('budget', 'curve', 'conflict', 'doubt', 'labels pay', with several kinds 'kind'), item (names of
        rows, a kind, or a number of labels), precision with low and high (at the budget; of a kind the fraction named
        right), recall (at the budget), above (mean fraction of ordinary rows below) and says.
        """
        lines = [self._line("budget", str(self.budget), self.at_budget, self.above, self._expected())]
        lines += [self._line("labels pay", f"{self.wins} : {self.losses}", None, None, self._compared())]
        lines += [self._line("curve", str(s.n_labels), s.outlook, s.above, "") for s in self.curve]
        lines += [
            self._line("conflict", " | ".join(map(str, c.names)), None, None, " | ".join(c.labels))
            for c in self.conflicts
        ]
        lines += [
            {**self._line("kind", f"{one.kind}", None, None, one.text), "low": one.low, "high": one.high,
             "precision": one.right}
            for one in self.confusion
        ]  # fmt: skip
        lines += [self._line("doubt", str(d.name), None, 1 - d.as_high, f"{d.label}: {d.why}") for d in self.doubts]
        return frame_of(lines)

    @staticmethod
    def _line(about: str, item: str, at: Outlook | None, above: float | None, says: str) -> dict[str, Any]:
        figures = {name: None if at is None else getattr(at, name) for name in ("precision", "low", "high", "recall")}
        return {"about": about, "item": item, **figures, "above": above, "says": says}

    def __str__(self) -> str:
        """All answers, one paragraph each."""
        head = f"{self.n_defects} labelled defects, {self.n_negatives} rows labelled 'other' or 'normal'"
        return "\n".join([head, *(f"{question}: {answer}" for question, answer in self.says.items())])

    def _repr_html_(self) -> str:
        """The answers and the frame, for notebooks; everything escaped."""
        answers = "".join(f"<dt>{escape(q)}</dt><dd>{escape(a)}</dd>" for q, a in self.says.items())
        return f"<dl>{answers}</dl>{frame_html(self.to_frame())}"


def label_report(
    calibration: Calibration,
    labels: LabelStatistics,
    names: Sequence[Any],
    prior: float,
    budget: int,
    words: Sequence[str],
) -> LabelReport:
    """What the labels are worth.

    Args:
        calibration: Of a fit with labelled defects.
        labels: Of the same fit.
        names: Of the labelled defects, then of the labelled negatives.
        prior: Assumed fraction of defects among the rows to score.
        budget: Rows to look at in a batch of as many rows as there are ordinary ones.
        words: Labels of the labelled defects.

    Raises:
        ConfigError: If the budget does not lie between 1 and the rows of the batch less one.
    """
    ordinary, scores = calibration.ordinary, calibration.out_of_fold
    if not 1 <= budget < len(ordinary):
        raise ConfigError(
            f"budget={budget} must lie between 1 and {len(ordinary) - 1}, the rows that were held out less one"
        )
    n_defects = len(labels.outlier)
    words = [*words, *("normal" if one else "other" for one in labels.negative_is_normal)]
    reported = budget / len(ordinary)
    above = above_unlabelled = at_budget = None
    wins = losses = 0
    once = np.arange(n_defects) if calibration.counted is None else calibration.counted
    once = once[once < n_defects]
    if len(scores):
        once = once[once < len(scores)]
        p_labelled = conformal_p_values(ordinary, scores[once])
        p_unlabelled = conformal_p_values(calibration.outlier, labels.outlier[once])
        above, above_unlabelled = 1 - float(p_labelled.mean()), 1 - float(p_unlabelled.mean())
        wins, losses = int((p_labelled < p_unlabelled).sum()), int((p_labelled > p_unlabelled).sum())
        at_budget = outlook(p_labelled, prior, reported)
    return LabelReport(
        n_defects=n_defects,
        n_negatives=len(words) - n_defects,
        budget=budget,
        batch=len(ordinary),
        share=prior,
        at_budget=at_budget,
        above=above,
        above_unlabelled=above_unlabelled,
        wins=wins,
        losses=losses,
        curve=() if labels.curve is None else _steps(labels.curve, prior, reported),
        conflicts=tuple(Conflict((names[i], names[j]), (words[i], words[j])) for i, j in labels.conflicts.tolist()),
        doubts=_doubts(calibration, names, words, n_defects),
        n_groups=len(once),
        copies=None if labels.copies is None else _copies(*labels.copies.tolist()),
    )


def _copies(n_defects: float, n_held_out: float, above: float, above_together: float) -> Copies:
    told = above >= 0
    return Copies(int(n_defects), int(n_held_out), above if told else None, above_together if told else None)


def far_below(as_high: Float[np.ndarray, " defect"]) -> Bool[np.ndarray, " defect"]:
    """Which labelled defects lie far below the others, and look ordinary.

    Args:
        as_high: Fraction of ordinary rows that score as high as each, by a scorer fitted without it; at least two.

    Example:
        >>> far_below(np.array([0.01, 0.01, 0.02, 0.01, 0.6])).tolist()
        [False, False, False, False, True]
        >>> far_below(np.array([0.1, 0.2, 0.3, 0.4, 0.6])).any()  # a useless score makes no label doubtful
        np.False_
    """
    others = np.array([np.quantile(np.delete(as_high, i), 0.75) for i in range(len(as_high))])
    return (as_high >= ORDINARY) & (as_high >= FAR * others)


def _steps(curve: Float[np.ndarray, "unseen 3"], prior: float, reported: float) -> tuple[Step, ...]:
    found = []
    for n in np.unique(curve[:, 0]):
        p = curve[curve[:, 0] == n, 2]
        error = float(np.std(-np.log(p), ddof=1) / np.sqrt(len(p))) if len(p) > 1 else np.inf
        found.append(Step(int(n), 1 - float(p.mean()), outlook(p, prior, reported), float(-np.log(p).mean()), error))
    return tuple(found)


def _doubts(calibration: Calibration, names: Sequence[Any], words: Sequence[str], n_defects: int) -> tuple[Doubt, ...]:
    found, ordinary = [], calibration.ordinary
    scores, negatives = calibration.out_of_fold, calibration.labelled_negatives[: len(words) - n_defects]
    if len(scores) >= MIN_COMPARED:
        as_high = conformal_p_values(ordinary, scores)
        for i in np.flatnonzero(far_below(as_high)).tolist():
            why = (
                f"a model fitted without it puts {as_high[i]:.0%} of the ordinary rows as high, against "
                f"{np.median(as_high):.1%} for the median of the labelled defects"
            )
            found.append(Doubt(names[i], words[i], float(as_high[i]), why))
    if len(scores) and len(negatives):
        as_high = conformal_p_values(ordinary, negatives)
        for j in np.flatnonzero(negatives >= np.quantile(scores, 0.25)).tolist():
            why = "it scores as high as most unseen defects do, although the model was fitted on its label"
            found.append(Doubt(names[n_defects + j], words[n_defects + j], float(as_high[j]), why))
    return tuple(found)
