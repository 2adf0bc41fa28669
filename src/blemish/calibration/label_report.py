"""Is more labelling worth it? What the labels at hand say of themselves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import binomtest

from blemish.calibration.conformal import conformal_p_values
from blemish.calibration.outlook import Outlook, outlook
from blemish.core.errors import ConfigError
from blemish.data.columns import frame_html, frame_of

LEAST_COMPARED = 4  # labelled defects, before one of them can lie apart from the others
ORDINARY = 0.2  # share of ordinary rows that score as high: a defect of which that is true looks ordinary, but …
FAR = 4.0  # … is only doubted if that share is so many times that of the worst quarter of the others
SURE = 0.05  # of a sign test


@dataclass(frozen=True)
class Doubt:
    """A label that looks wrong.

    Attributes:
        name: The row's.
        label: What it was called.
        as_high: Share of ordinary rows that score as high.
        why: One sentence.
    """

    name: Any
    label: str
    as_high: float
    why: str


@dataclass(frozen=True)
class Conflict:
    """Two rows that are all but the same, with different labels."""

    names: tuple[Any, Any]
    labels: tuple[str, str]


@dataclass(frozen=True)
class Step:
    """One point of the learning curve.

    Attributes:
        n_labels: Labelled defects that were learnt from.
        above: Mean share of ordinary rows that lie below a labelled defect that was left out.
        outlook: What to expect at the budget.
        far_out: Mean of minus the logarithm of the share of ordinary rows that score as high as a left-out defect.
        error: Standard error of that mean, in nats.
    """

    n_labels: int
    above: float
    outlook: Outlook
    far_out: float
    error: float


@dataclass(frozen=True)
class LabelReport:
    """What the labels at hand are worth.

    Attributes:
        n_defects: Labelled defects.
        n_rejected: Rows labelled 'other' or 'normal'.
        budget: Rows to look at in a batch.
        batch: Rows of that batch: as many as were held out.
        share: Share of defects that is assumed, see `DefectDetector.set_prior`.
        at_budget: What to expect at the budget, by cross-validation over the labelled defects; None for a single one.
        above: Mean share of ordinary rows below a labelled defect, by the defect score of models that had not seen it.
        above_unlabelled: The same by the outlier score, which looks at no label.
        wins: Labelled defects that the defect score puts higher than the outlier score does.
        losses: Those that it puts lower.
        curve: By number of labels; empty where it was not asked for.
        conflicts: Near-duplicates with different labels.
        doubts: Labels that look wrong.
    """

    n_defects: int
    n_rejected: int
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

    @property
    def p_value(self) -> float:
        """Chance of as many wins if both scores were as good: a sign test, ties left out."""
        n = self.wins + self.losses
        return float(binomtest(self.wins, n, alternative="greater").pvalue) if n else 1.0

    @property
    def beats(self) -> bool:
        """Whether the labelled score is better than the unlabelled one, beyond chance."""
        return self.p_value < SURE

    @property
    def rising(self) -> bool | None:
        """Whether the last step of the curve puts unseen defects further out, by more than its standard error."""
        if len(self.curve) < 2:
            return None
        before, last = self.curve[-2:]
        return last.far_out - before.far_out > float(np.hypot(before.error, last.error))

    @property
    def says(self) -> dict[str, str]:
        """Question → answer, each one sentence or two."""
        return {
            "What to expect": self._expected(),
            "Better than without labels?": self._compared(),
            "Is more labelling worth it?": self._learning(),
            "Labels that contradict each other": self._conflicting(),
            "Labels that look wrong": self._doubted(),
        }

    def _expected(self) -> str:
        if self.at_budget is None:
            return "Nothing can be said with a single labelled defect: none can be left out. Label a second one."
        found = self.at_budget
        return (
            f"Of the {self.budget} highest rows in a batch of {self.batch}, about {found.precision:.0%} are defects if "
            f"{self.share:.2g} of all rows are ({found.low:.0%} to {found.high:.0%}: exact 90 % interval from "
            f"{found.n} labelled defects, each scored by a model that had not seen it); {found.recall:.0%} of the "
            "defects are found."
        )

    def _compared(self) -> str:
        if self.above is None or self.above_unlabelled is None:
            return "Not known with a single labelled defect."
        said = (
            f"Unseen labelled defects lie above {self.above:.1%} of the ordinary rows by the defect score and above "
            f"{self.above_unlabelled:.1%} by the outlier score, which looks at no label; the former puts {self.wins} "
            f"higher and {self.losses} lower (sign test: p = {self.p_value:.2g})."
        )
        return f"{'Yes' if self.beats else 'Not shown yet'}. {said}"

    def _learning(self) -> str:
        if not self.curve:
            return (
                "The learning curve was not drawn: that takes the training rows. Ask label_report() before the model "
                "is saved, or 'blemish info MODEL --labels' where the training data still are."
            )
        if self.rising is None:
            return "Two labelled defects make no curve; label a third one."
        before, last = self.curve[-2:]
        steps = ", ".join(
            f"with {one.n_labels} labelled defects the others lie above {one.above:.1%} of the ordinary rows, and "
            f"{one.outlook.recall:.0%} of them are found at the budget"
            for one in (before, last)
        )
        return f"It seems so: {steps}." if self.rising else f"No gain beyond chance so far: {steps}."

    def _conflicting(self) -> str:
        if not self.conflicts:
            return "None: no two labelled rows are all but the same and named differently."
        return "; ".join(
            f"{c.names[0]} is called {c.labels[0]} and {c.names[1]} {c.labels[1]}, and they are all but the same"
            for c in self.conflicts
        )

    def _doubted(self) -> str:
        if not self.doubts:
            return "None."
        return "; ".join(f"{doubt.name} ({doubt.label}): {doubt.why}" for doubt in self.doubts)

    def to_frame(self) -> Any:
        """A frame with one line for each thing that is said; an Arrow table without pandas.

        Columns: about ('budget', 'curve', 'conflict', 'doubt', 'labels pay'), item (names of rows, or a number of
        labels), precision with low and high (at the budget), recall (at the budget), above (mean share of ordinary
        rows below) and says.
        """
        lines = [self._line("budget", str(self.budget), self.at_budget, self.above, self._expected())]
        lines += [self._line("labels pay", f"{self.wins} : {self.losses}", None, None, self._compared())]
        lines += [self._line("curve", str(s.n_labels), s.outlook, s.above, "") for s in self.curve]
        lines += [
            self._line("conflict", " | ".join(map(str, c.names)), None, None, " | ".join(c.labels))
            for c in self.conflicts
        ]
        lines += [self._line("doubt", str(d.name), None, 1 - d.as_high, f"{d.label}: {d.why}") for d in self.doubts]
        return frame_of(lines)

    @staticmethod
    def _line(about: str, item: str, at: Outlook | None, above: float | None, says: str) -> dict[str, Any]:
        figures = {name: None if at is None else getattr(at, name) for name in ("precision", "low", "high", "recall")}
        return {"about": about, "item": item, **figures, "above": above, "says": says}

    def __str__(self) -> str:
        """All answers, a paragraph each."""
        head = f"{self.n_defects} labelled defects, {self.n_rejected} rows labelled otherwise"
        return "\n".join([head, *(f"{question}: {answer}" for question, answer in self.says.items())])

    def _repr_html_(self) -> str:
        """The answers and the frame, for notebooks; everything escaped."""
        answers = "".join(f"<dt>{escape(q)}</dt><dd>{escape(a)}</dd>" for q, a in self.says.items())
        return f"<dl>{answers}</dl>{frame_html(self.to_frame())}"


def label_report(
    calibration: Mapping[str, np.ndarray],
    labels: Mapping[str, np.ndarray],
    names: Mapping[str, Sequence[Any]],
    n_defects: int,
    share: float,
    budget: int,
) -> LabelReport:
    """Read the labels at hand.

    Args:
        calibration: Of a fit: sorted scores of ordinary rows ('outlier', 'defect'), scores of labelled defects by
            scorers that had not seen them ('known', empty for a single one), scores of rows labelled otherwise
            ('rejected').
        labels: 'outlier', the outlier score of each labelled defect; 'rejected_normal', whether a rejected row is
            called normal; 'conflicts', pairs of numbers of labelled rows, first the defects, then the rejected ones;
            'curve', from `learning_curve`, may be missing.
        names: Of the labelled defects ('defect') and of rows labelled otherwise ('rejected').
        n_defects: Labelled defects.
        share: Assumed share of defects among the rows to score.
        budget: Rows to look at in a batch of as many rows as there are ordinary ones.

    Raises:
        ConfigError: If the budget does not lie between 1 and the rows of the batch less one.
    """
    ordinary, known = calibration["defect"], calibration["known"]
    if not 1 <= budget < len(ordinary):
        raise ConfigError(
            f"budget={budget} must lie between 1 and {len(ordinary) - 1}, the rows that were held out less one"
        )
    words = ["defect"] * n_defects + ["normal" if one else "other" for one in labels["rejected_normal"]]
    all_names = [*names["defect"][:n_defects], *names["rejected"]]
    reported = budget / len(ordinary)
    above = above_unlabelled = at_budget = None
    wins = losses = 0
    if len(known):
        mine = conformal_p_values(ordinary, known)
        free = conformal_p_values(calibration["outlier"], labels["outlier"][: len(known)])
        above, above_unlabelled = 1 - float(mine.mean()), 1 - float(free.mean())
        wins, losses = int((mine < free).sum()), int((mine > free).sum())
        at_budget = outlook(mine, share, reported)
    return LabelReport(
        n_defects=n_defects,
        n_rejected=len(words) - n_defects,
        budget=budget,
        batch=len(ordinary),
        share=share,
        at_budget=at_budget,
        above=above,
        above_unlabelled=above_unlabelled,
        wins=wins,
        losses=losses,
        curve=_steps(labels.get("curve", np.zeros((0, 3))), share, reported),
        conflicts=tuple(
            Conflict((all_names[i], all_names[j]), (words[i], words[j])) for i, j in labels["conflicts"].tolist()
        ),
        doubts=_doubts(known, calibration["rejected"], ordinary, all_names, words, n_defects),
    )


def far_below(as_high: Float[np.ndarray, " defect"]) -> Bool[np.ndarray, " defect"]:
    """Which labelled defects lie far below the others, and look ordinary.

    Args:
        as_high: Share of ordinary rows that score as high as each, by a scorer that had not seen it, at least two.

    Example:
        >>> far_below(np.array([0.01, 0.01, 0.02, 0.01, 0.6])).tolist()
        [False, False, False, False, True]
        >>> far_below(np.array([0.1, 0.2, 0.3, 0.4, 0.6])).any()  # a score that is no good doubts nothing
        np.False_
    """
    others = np.array([np.quantile(np.delete(as_high, i), 0.75) for i in range(len(as_high))])
    return (as_high >= ORDINARY) & (as_high >= FAR * others)


def _steps(curve: Float[np.ndarray, "unseen 3"], share: float, reported: float) -> tuple[Step, ...]:
    found = []
    for n in np.unique(curve[:, 0]):
        p = curve[curve[:, 0] == n, 2]
        error = float(np.std(-np.log(p), ddof=1) / np.sqrt(len(p))) if len(p) > 1 else np.inf
        found.append(Step(int(n), 1 - float(p.mean()), outlook(p, share, reported), float(-np.log(p).mean()), error))
    return tuple(found)


def _doubts(
    known: np.ndarray,
    rejected: np.ndarray,
    ordinary: np.ndarray,
    names: Sequence[Any],
    words: Sequence[str],
    n_defects: int,
) -> tuple[Doubt, ...]:
    found = []
    if len(known) >= LEAST_COMPARED:
        as_high = conformal_p_values(ordinary, known)
        for i in np.flatnonzero(far_below(as_high)).tolist():
            why = (
                f"a model that had not seen it puts {as_high[i]:.0%} of the ordinary rows as high, against "
                f"{np.median(as_high):.1%} for the middle one of the labelled defects"
            )
            found.append(Doubt(names[i], words[i], float(as_high[i]), why))
    if len(known) and len(rejected):
        as_high = conformal_p_values(ordinary, rejected)
        for j in np.flatnonzero(rejected >= np.quantile(known, 0.25)).tolist():
            why = "it scores as high as most of the labelled defects do unseen, although the model was told otherwise"
            found.append(Doubt(names[n_defects + j], words[n_defects + j], float(as_high[j]), why))
    return tuple(found)
