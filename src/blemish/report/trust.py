"""How reliable a model is: the report's sections on its threshold, its probabilities and its labels."""

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
from scipy.stats import binomtest

from blemish.calibration.probabilities import MIN_OUT_OF_FOLD, Bin, defect_probability, reliability
from blemish.core.errors import DataError
from blemish.detector import DefectDetector
from blemish.report import Point, Table, histograms, intervals, table_html

SOURCES = {
    "held out": "held out from training",
    "out of fold": "used in training, each scored by a model fitted without it",
    "training": "used in training: too few to hold any out",
}
"""Where the ordinary rows come from that a cut is judged on, by `JudgedOn`."""


def promise_body(det: DefectDetector) -> str:
    """What the threshold means for unseen rows."""
    calibration = det.fitted_.calibration.independent(det.fitted_.n_defects)
    name = "defect" if det.fitted_.n_defects else "outlier"
    ordinary, known = calibration.ordinary, calibration.out_of_fold
    source = SOURCES[det.fitted_.judged_on] + (", one of each group" if det.promise_.grouped else "")
    rows = [("threshold", f"{det.threshold_:.4g}", det.promise_.text),
            ("normal rows above it", *_rate(ordinary, det.threshold_))]  # fmt: skip
    groups = {"normal": ordinary}
    if len(known):
        rows.append(("labelled defects above it", *_rate(known, det.threshold_)))
        groups["defect"] = known
    title = "Calibration: normal rows, and out-of-fold scores of labelled defects"
    text = (
        f"Normal rows are the {len(ordinary)} unlabelled or normal ones {source}. Labelled defects are scored by "
        "models fitted without them."
    )
    table = Table("What the threshold guarantees", ("what", "value", "95 % interval"), rows)
    return f"<p>{escape(text)}</p>{table_html(table)}{histograms(groups, title, f'{name} score')}"


def _rate(scores: np.ndarray, threshold: float) -> tuple[str, str]:
    above, n = int((scores >= threshold).sum()), len(scores)
    interval = binomtest(above, n).proportion_ci(confidence_level=0.95, method="exact")
    return f"{above} of {n} ({above / n:.1%})", f"{interval.low:.1%} to {interval.high:.1%} (exact)"


def probabilities_body(det: DefectDetector) -> str:
    """The basis of `predict_proba`: the assumed fractions, and whether probabilities are reliable out of fold."""
    fractions = ", ".join(f"{fraction:.2g} {name}" for name, fraction in det.prior_.items())
    assumed = (
        f"They assume these fractions of the rows: {fractions}. Labelled defects are not a random sample, so the "
        "fraction of defects cannot be estimated from them; set it with set_prior(defect=…) or 'blemish threshold "
        "MODEL --defect-share …'."
    )
    known = det.fitted_.calibration.independent(det.fitted_.n_defects).out_of_fold
    if len(known) < MIN_OUT_OF_FOLD:
        why = "One labelled defect is too few for calibration: read the probabilities as a scale only."
        return f"<p>{escape(assumed)}</p><p>{escape(why)}</p>"
    ordinary, fraction = det.fitted_.calibration.ordinary, sum(det.prior_[kind] for kind in det.fitted_.kinds)
    scores, defect = np.concatenate([known, ordinary]), np.repeat([True, False], [len(known), len(ordinary)])
    bins = reliability(defect_probability(known, ordinary, scores, fraction), defect, fraction)
    note = (
        f"{len(known)} labelled defects, scored out of fold, and {len(ordinary)} normal rows, weighted to a fraction "
        f"of {fraction:.2g} defects. Two numbers were fitted to these same rows; unlabelled defects among the normal "
        "rows are counted as normal."
    )
    chart = reliability_chart({"by cross-validation": bins}, note)
    return f"<p>{escape(assumed)}</p>{chart}"


def reliability_chart(series: Mapping[str, Sequence[Bin]], note: str) -> str:
    """Predicted probability against the observed fraction, one point per bin, with exact 90 % intervals.

    Args:
        series: Name → bins, from `blemish.calibration.probabilities.reliability`.
        note: Plain text below the chart.
    """
    points = {
        name: [
            Point(b.predicted, b.observed, b.low, b.high,
                  f"predicted {b.predicted:.1%}, observed {b.observed:.1%}\n{b.low:.1%} to {b.high:.1%}\n"
                  f"{b.n_defects} defects among {b.n} rows")
            for b in bins
        ]
        for name, bins in series.items()
    }  # fmt: skip
    axes = "predicted probability of a defect", "observed fraction of defects"
    return intervals(points, "Are the probabilities reliable?", *axes, diagonal=True, note=note)


def labels_body(det: DefectDetector) -> str:
    """The label report, its learning curve if it was computed, and the labels to check."""
    try:
        found = det.fitted_.label_report(
            det.prior_, None, det.threshold_, det.thresholds_
        )  # no new curve: that takes time
    except DataError as error:
        return f"<p>{escape(str(error))}.</p>"
    answers = table_html(Table("Six questions", ("question", "answer"), list(found.says.items())))
    chart = ""
    if len(found.curve) > 1:
        precision, above = [], []
        for step in found.curve:
            n, outlook = float(step.n_labels), step.outlook
            hover = f"{n:.0f} labels: precision {outlook.precision:.0%}\nnormal rows ranked below: {step.above:.1%}"
            precision.append(Point(n, outlook.precision, outlook.low, outlook.high, hover))
            hover = f"{n:.0f} labels: above {step.above:.1%} of normal rows"
            above.append(Point(n, step.above, step.above, step.above, hover))
        names = {
            f"precision among the top {found.budget}": precision,
            "normal rows ranked below a held-out defect": above,
        }
        chart = intervals(names, "Learning curve", "labelled defects used in training", "fraction")
    rows = [
        *((str(d.name), d.label, d.why) for d in found.doubts),
        *((" and ".join(map(str, c.names)), " and ".join(c.labels), "nearly identical") for c in found.conflicts),
    ]
    return answers + chart + (table_html(Table("Labels to check", ("row", "label", "why"), rows)) if rows else "")
