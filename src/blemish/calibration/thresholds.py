"""Where to cut a score so that a target is met, and what such a cut promises.

In every function `calibration` are scores of ordinary rows that did not train the model, shape (held_out,);
`out_of_fold` are those of labelled defects, each by a scorer that was fitted without it, shape (defect,).
"""

from dataclasses import dataclass
from math import ceil, floor
from typing import Literal

import numpy as np
from jaxtyping import Float
from scipy.stats import beta, betabinom

from blemish.calibration.calibration import Calibration
from blemish.core.errors import ConfigError, DataError

CONFIDENCE = 0.9
MIN_OUT_OF_FOLD = 20  # ordinary rows: a model of three quarters of fewer tells nothing of one of all (decisions.md 105)
DEFAULT_FALSE_POSITIVES, DEFAULT_CONTAMINATION = 0.01, 0.05
"""Fractions of the ordinary rows that a fit cuts at: of the defect score, and of the outlier score."""
GROUPS_OF = "groups of "
JudgedOn = Literal["held out", "out of fold", "training"]
"""What a rate is judged on: rows that no model has seen, that this model has seen but others have not, or neither."""
JUDGED_ON = {"held out": "held-out rows", "out of fold": "rows, out of fold", "training": "training rows"}
UNITS = {
    "recall": "of new defects are found",
    "precision": "of what is reported are defects",
    "false_positive_rate": "of ordinary rows are reported",
    "contamination": "of ordinary rows are reported",
    "budget": "rows of a batch of {n} ordinary ones are reported",
}


def for_false_positive_rate(calibration: Float[np.ndarray, " held_out"], rate: float, of: str = "") -> float:
    """The score that an ordinary new row exceeds with a probability of at most `rate`, in (0, 1).

    The (n + 1)(1 - rate)-th smallest of the n calibration scores, rounded up.
    `of` is 'groups of ' where the scores are one per group.

    Raises:
        DataError: If there are too few calibration rows for a rate this low.

    Reference:
        Vovk et al., "Algorithmic learning in a random world", 2005, proposition 4.1.
    """
    _check_fraction("false_positive_rate", rate)
    rank = ceil((len(calibration) + 1) * (1 - rate) - 1e-9)
    if rank > len(calibration):
        raise DataError(
            f"a false positive rate of {rate:g} needs at least {ceil(1 / rate) - 1} {of}held-out rows, there are "
            f"{len(calibration)}; fit on more rows or allow more"
        )
    return float(ordered(calibration)[rank - 1])


def ordered(scores: Float[np.ndarray, " some"]) -> Float[np.ndarray, " some"]:
    """Scores, smallest first.

    Raises:
        DataError: If one is NaN: it has no rank among the others, and would count as the highest.
    """
    missing = int(np.isnan(scores).sum())
    if missing:
        raise DataError(f"{missing} of {len(scores)} score(s) are NaN; leave those rows out, or fit again")
    return np.sort(scores)


def for_contamination(calibration: Float[np.ndarray, " held_out"], fraction: float) -> float:
    """The score that a fraction, in (0, 1), of rows like the training rows, including their outliers, exceeds.

    That of `for_false_positive_rate`; where there are too few rows for a fraction this low, the highest score.

    Example:
        >>> for_contamination(np.array([1.0, 2.0, 3.0, 4.0]), 0.4), for_contamination(np.array([1.0, 2.0]), 0.01)
        (3.0, 2.0)
    """
    _check_fraction("contamination", fraction)
    return for_false_positive_rate(calibration, max(fraction, 1 / (len(calibration) + 1)))


def for_budget(calibration: Float[np.ndarray, " held_out"], budget: int) -> float:
    """The score that `budget` rows of a batch as large as the calibration set exceed.

    Raises:
        DataError: If the budget is not between 1 and the number of rows - 1.
    """
    if not 1 <= budget < len(calibration):
        raise DataError(f"budget={budget} must lie between 1 and {len(calibration) - 1}, the calibration rows less one")
    return float(ordered(calibration)[len(calibration) - budget - 1])


def for_recall(out_of_fold: Float[np.ndarray, " defect"], recall: float, of: str = "") -> float:
    """The highest score that leaves a fraction `recall`, in (0, 1), of new defects above.

    `of` is 'groups of ' where the scores are one per group.

    Raises:
        DataError: If there are too few labelled defects to lower the threshold far enough.
    """
    _check_fraction("recall", recall)
    rank = floor((len(out_of_fold) + 1) * (1 - recall) + 1e-9)
    if rank < 1:
        n, needed = len(out_of_fold), ceil(recall / (1 - recall) - 1e-9)
        most = f"; {n} support at most recall={floor(100 * n / (n + 1)) / 100:g}" if n else ""
        raise DataError(
            f"recall={recall:g} needs at least {needed} {of}labelled defects, "
            f"there are {n}{most}; label more or ask for less"
        )
    return float(np.nextafter(ordered(out_of_fold)[rank - 1], -np.inf))


def for_precision(
    out_of_fold: Float[np.ndarray, " defect"], negatives: Float[np.ndarray, " negative"], precision: float
) -> float:
    """The lowest score above which a fraction `precision`, in (0, 1), of the labelled rows are defects.

    The negatives are scores of rows labelled 'normal' or 'other'.

    Raises:
        DataError: If nothing was labelled 'normal' or 'other', or no threshold reaches the target.
    """
    _check_fraction("precision", precision)
    if not len(negatives):
        raise DataError(
            "precision needs rows labelled 'other' or 'normal' in addition to the defects; mark some and refit"
        )
    for cut in ordered(np.concatenate([out_of_fold, negatives])):
        above, false = (out_of_fold >= cut).sum(), (negatives >= cut).sum()
        if above and above / (above + false) >= precision:
            return float(np.nextafter(cut, -np.inf))
    n = len(out_of_fold) + len(negatives)
    raise DataError(f"no threshold has precision {precision:g} on the {n} labelled rows; ask for less or label more")


def clopper_pearson(successes: int, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Exact interval of a fraction from `successes` out of `n`.

    Example:
        >>> [round(bound, 2) for bound in clopper_pearson(8, 8)]
        [0.69, 1.0]

    Reference:
        Clopper and Pearson, "The use of confidence or fiducial limits", Biometrika 26, 1934.
    """
    tail = (1 - confidence) / 2
    low = 0.0 if successes == 0 else float(beta.ppf(tail, successes, n - successes + 1))
    high = 1.0 if successes == n else float(beta.ppf(1 - tail, successes + 1, n - successes))
    return low, high


@dataclass(frozen=True)
class Promise:
    """A target, and what to expect on new rows.

    Attributes:
        target: 'recall', 'precision', 'false_positive_rate', 'budget' or 'contamination'.
        value: What was asked for.
        threshold: The cut that was chosen for it.
        estimate: What to expect of new rows: a fraction, or for a budget a number of rows.
        low: Lower end of the 90 % interval of it, exact where rows were held out; 0 for a rate out of fold.
        high: Upper end.
        n: Rows that the estimate is based on: labelled defects, reported labelled rows, or held-out rows.
        supported: Whether the target is kept on average over data like these; for a precision, whether the whole
            interval lies above the target, because rows are marked among the top hits and not at random.
        judged_on: What a rate is estimated on, one of `JudgedOn`; '' in model files of before there were folds.
        grouped: Whether each of the n rows is drawn from a group of samples of its own; it is of a random row of a new
            group that is then spoken.
    """

    target: str
    value: float
    threshold: float
    estimate: float
    low: float
    high: float
    n: int
    supported: bool
    judged_on: str = ""
    grouped: bool = False

    @property
    def text(self) -> str:
        """One sentence, and a second where the target is not supported."""
        whole = self.target == "budget"
        figures = [f"{x:.0f}" if whole else f"{x:.1%}" for x in (self.estimate, self.low, self.high)]
        before = "held out" if self.supported else "training"
        rows = {"recall": "labelled defects", "precision": "labelled rows above the cut"}.get(
            self.target, JUDGED_ON[self.judged_on or before]
        )
        sentence = (
            f"{self.target}={self.value:g}: about {figures[0]} {UNITS[self.target].format(n=self.n)}, "
            f"{figures[1]} to {figures[2]} with {CONFIDENCE:.0%} confidence ({self.n} {self._of}{rows})"
        )
        if self.supported:
            return f"{sentence}."
        why = {
            "precision": "there are too few labels for this target: label more of the top hits",
            "recall": "there are too few labels for this target: label more defects",
        }.get(self.target, self.shortfall)
        return f"{sentence}. Not promised: {why}."

    @property
    def _of(self) -> str:
        return GROUPS_OF if self.grouped else ""

    @property
    def shortfall(self) -> str:
        """Why a rate of ordinary rows is not supported, in one clause; '' where it is, and for other targets."""
        if self.supported or self.target in ("recall", "precision"):
            return ""
        if self.judged_on in ("", "training"):
            return "this is judged on rows that trained the model, so it reports more of new ones: fit on more rows"
        if self.judged_on == "out of fold" and self.n < MIN_OUT_OF_FOLD:
            return (
                f"{self.n} {self._of}unlabelled or normal samples cannot support a rate of {100 * self.value:.3g} %; "
                f"the cut is the highest of their scores, and fewer than {MIN_OUT_OF_FOLD} do not tell how many new "
                "ordinary samples exceed it"
            )
        samples = "held-out samples" if self.judged_on == "held out" else "unlabelled or normal samples"
        return (
            f"{self.n} {self._of}{samples} cannot support a rate of {100 * self.value:.3g} %; the cut is the highest "
            f"of their scores, which about {100 * self.estimate:.2g} % of new ordinary samples exceed"
        )


def promise(target: str, value: float, threshold: float, calibration: Calibration, judged_on: JudgedOn) -> Promise:
    r"""What to expect above a threshold, with its exact interval.

    The probability that a new row exceeds a threshold which :math:`a` of :math:`n` rows exceed is distributed as
    :math:`\mathrm{Beta}(a + 1, n - a)` if the threshold is one of these rows, and as
    :math:`\mathrm{Beta}(a, n - a + 1)` if it lies just below one, as that for a recall does. The number in a batch of
    n is then beta-binomial. A precision has the interval of Clopper and Pearson. Out of fold a rate has no lower end:
    the model that is cut has learnt from more rows than those that judge it, so to it new rows are less unusual; the
    upper end is exact for the folds and was kept by it in simulation (decisions.md 105). Fewer than
    20 rows tell nothing. Where samples are in groups, the rows are one of each, drawn at random, so that the laws are
    those of a random row of a new group (`blemish.core.groups.one_each`).

    Target, value, threshold and `judged_on` are those of the `Promise`.

    Reference:
        David and Nagaraja, "Order statistics", 2003, section 2.3 (the uniform order statistic is a Beta).
    """
    of_labels = target in ("recall", "precision")
    grouped = calibration.counted is not None and (of_labels or judged_on != "training")
    if target == "precision":
        defects = int((calibration.out_of_fold > threshold).sum())
        n = defects + int((calibration.labelled_negatives > threshold).sum())
        low, high = clopper_pearson(defects, n)
        return Promise(target, value, threshold, defects / n, low, high, n, supported=low >= value, grouped=grouped)
    scores = calibration.out_of_fold if target == "recall" else calibration.ordinary
    # A recall is cut just below one of the labelled defects, everything else at one of the rows.
    n, above = len(scores), int((scores > threshold).sum())
    a, b = (above, n - above + 1) if target == "recall" else (above + 1, n - above)
    law = betabinom(n, a, b) if target == "budget" else beta(a, b)
    tail = (1 - CONFIDENCE) / 2
    low, high = (float(law.ppf(q)) for q in (tail, 1 - tail))
    if judged_on == "out of fold" and target != "recall":
        low, high = 0.0, (high if n >= MIN_OUT_OF_FOLD else float(law.support()[1]))
    enough = target not in ("contamination", "false_positive_rate") or value * (n + 1) > 1 - 1e-9
    supported = target == "recall" or (judged_on != "training" and enough)
    return Promise(target, value, threshold, float(law.mean()), low, high, n, supported, judged_on, grouped)


@dataclass(frozen=True)
class Outlook:
    """Fraction of defects to expect among the highest rows of a batch.

    Attributes:
        precision: That fraction, in [0, 1].
        low: Lower end of the exact 90 % interval that the number of labelled defects leaves.
        high: Upper end.
        recall: Fraction of unseen labelled defects that lie above the cut.
        n: Labelled defects that the estimate is based on.
    """

    precision: float
    low: float
    high: float
    recall: float
    n: int


def outlook(p_values: Float[np.ndarray, " defect"], prior: float, reported: float) -> Outlook:
    r"""What to expect if the highest rows are reported.

    A cut that a fraction :math:`f` of the ordinary rows and a fraction :math:`r(f)` of the defects exceed reports
    :math:`\pi r + (1 - \pi) f` of all rows. It is lowered until that is `reported`; then the precision is
    :math:`\pi r / (\pi r + (1 - \pi) f)`. Between two labelled defects r is a straight line. Defects that hide among
    the ordinary rows count as false alarms: the true precision is at least as high (decisions.md 34).

    Args:
        p_values: Fraction of ordinary rows that score as high as each labelled defect, by a scorer fitted without it,
            in (0, 1]; at least one.
        prior: Fraction of defects among the rows to score, in (0, 1).
        reported: Fraction of the rows to report, in (0, 1).

    Raises:
        ConfigError: If a fraction lies outside.

    Example:
        >>> found = outlook(np.array([0.001, 0.001, 0.5]), prior=0.1, reported=0.1)
        >>> round(found.precision, 2), round(found.recall, 2)
        (0.69, 0.69)
    """
    _check_fraction("prior", prior)
    _check_fraction("reported", reported)
    n = len(p_values)
    alarms, last = np.unique(np.sort(p_values), return_index=True)
    above = np.append(last[1:], n)  # defects at or above each cut
    alarms, above = np.append(0.0, alarms), np.append(0.0, above / n)
    of_all = prior * above + (1 - prior) * alarms
    recall = float(np.interp(reported, np.append(of_all, 1.0), np.append(above, 1.0)))
    low, high = clopper_pearson(floor(recall * n), n)[0], clopper_pearson(ceil(recall * n), n)[1]
    precision, least, most = (min(1.0, prior * r / reported) for r in (recall, low, high))
    return Outlook(precision, least, most, recall, n)


def _check_fraction(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise ConfigError(f"{name}={value!r} must lie strictly between 0 and 1")
