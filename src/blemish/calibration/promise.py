"""What a threshold can promise with the available labels and rows."""

from dataclasses import dataclass

from scipy.stats import beta, betabinom

from blemish.calibration.calibration import Calibration
from blemish.calibration.thresholds import clopper_pearson

CONFIDENCE = 0.9
UNITS = {
    "recall": "of new defects are found",
    "precision": "of what is reported are defects",
    "false_positive_rate": "of ordinary rows are reported",
    "contamination": "of ordinary rows are reported",
    "budget": "rows of a batch of {n} ordinary ones are reported",
}


@dataclass(frozen=True)
class Promise:
    """A target, and what to expect on new rows.

    Attributes:
        target: 'recall', 'precision', 'false_positive_rate', 'budget' or 'contamination'.
        value: What was asked for.
        threshold: The cut that was chosen for it.
        estimate: What to expect of new rows: a fraction, or for a budget a number of rows.
        low: Lower end of the exact 90 % interval of it.
        high: Upper end.
        n: Rows that the estimate is based on: labelled defects, reported labelled rows, or held-out rows.
        supported: Whether the target is kept on average over data like these; for a precision, whether the whole
            interval lies above the target, because rows are marked among the top hits and not at random.
    """

    target: str
    value: float
    threshold: float
    estimate: float
    low: float
    high: float
    n: int
    supported: bool

    @property
    def text(self) -> str:
        """One sentence, and a second where the target is not supported."""
        whole = self.target == "budget"
        figures = [f"{x:.0f}" if whole else f"{x:.1%}" for x in (self.estimate, self.low, self.high)]
        rows = {"recall": "labelled defects", "precision": "labelled rows above the cut"}.get(
            self.target, "held-out rows" if self.supported else "training rows"
        )
        sentence = (
            f"{self.target}={self.value:g}: about {figures[0]} {UNITS[self.target].format(n=self.n)}, "
            f"{figures[1]} to {figures[2]} with {CONFIDENCE:.0%} confidence ({self.n} {rows})"
        )
        if self.supported:
            return f"{sentence}."
        why = {
            "precision": "there are too few labels for this target: label more of the top hits",
            "recall": "there are too few labels for this target: label more defects",
        }.get(self.target, "no rows were held out, so this is judged on rows that trained the model: fit on more rows")
        return f"{sentence}. Not promised: {why}."


def promise(target: str, value: float, threshold: float, calibration: Calibration, held_out: bool) -> Promise:
    r"""What to expect above a threshold, with its exact interval.

    The probability that a new row exceeds a threshold which :math:`a` of :math:`n` rows exceed is distributed as
    :math:`\mathrm{Beta}(a + 1, n - a)` if the threshold is one of these rows, and as
    :math:`\mathrm{Beta}(a, n - a + 1)` if it lies just below one, as that for a recall does. The number in a batch of
    n is then beta-binomial. A precision has the interval of Clopper and Pearson.

    Args:
        target: See `Promise`.
        value: What was asked for.
        threshold: What was chosen.
        calibration: Scores of held-out and of labelled rows.
        held_out: Whether the ordinary rows did not train the model.

    Reference:
        David and Nagaraja, "Order statistics", 2003, section 2.3 (the uniform order statistic is a Beta).
    """
    tail = (1 - CONFIDENCE) / 2
    if target == "precision":
        defects = int((calibration.out_of_fold > threshold).sum())
        n = defects + int((calibration.labelled_negatives > threshold).sum())
        low, high = clopper_pearson(defects, n, CONFIDENCE)
        return Promise(target, value, threshold, defects / n, low, high, n, supported=low >= value)
    scores = calibration.out_of_fold if target == "recall" else calibration.ordinary
    # A recall is cut just below one of the labelled defects, everything else at one of the rows.
    n, above = len(scores), int((scores > threshold).sum())
    a, b = (above, n - above + 1) if target == "recall" else (above + 1, n - above)
    law = betabinom(n, a, b) if target == "budget" else beta(a, b)
    low, high = (float(law.ppf(q)) for q in (tail, 1 - tail))
    supported = target == "recall" or held_out
    return Promise(target, value, threshold, float(law.mean()), low, high, n, supported=supported)
