"""How far to trust a model: the report's sections on its threshold, its probabilities and its labels."""

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
from scipy.stats import binomtest

from blemish.calibration.probabilities import MIN_OUT_OF_FOLD, Bin, defect_probability, reliability
from blemish.core.errors import DataError
from blemish.detector import DefectDetector
from blemish.report import Point, Table, histograms, intervals, table_html


def promise_body(det: DefectDetector) -> str:
    """What the cut means on rows that the model has not seen."""
    calibration = det.fitted_.calibration
    mine = "defect" if det.fitted_.n_defects else "outlier"
    ordinary, known = calibration.ordinary, calibration.out_of_fold
    unseen = "held out from training" if len(det.fitted_.held_out) else "of training: too few to hold any out"
    rows = [("cut", f"{det.threshold_:.4g}", det.promise_.text),
            ("ordinary rows above it", *_rate(ordinary, det.threshold_), )]  # fmt: skip
    if len(known):
        rows.append(("labelled defects above it", *_rate(known, det.threshold_)))
    chart = histograms({"normal": ordinary, **({"defect": known} if len(known) else {})},
                       "Calibration: ordinary rows and blind scores of labelled defects", f"{mine} score")  # fmt: skip
    text = f"Ordinary rows are {len(ordinary)} {unseen}. Labelled defects are scored by models that had not seen them."
    return (
        f"<p>{escape(text)}</p>{table_html(Table('What the cut promises', ('what', 'value', 'sure to'), rows))}{chart}"
    )


def _rate(scores: np.ndarray, cut: float) -> tuple[str, str]:
    above, n = int((scores >= cut).sum()), len(scores)
    interval = binomtest(above, n).proportion_ci(confidence_level=0.95, method="exact")
    return f"{above} of {n} ({above / n:.1%})", f"{interval.low:.1%} to {interval.high:.1%} (95 %, exact)"


def probabilities_body(det: DefectDetector) -> str:
    """What stands behind `predict_proba`: the assumed shares, and whether chances come true on blind scores."""
    shares = ", ".join(f"{share:.2g} {name}" for name, share in det.prior_.items())
    assumed = (
        f"They assume these shares of the rows: {shares}. Labelled defects are no random sample, so they cannot tell; "
        "say what you expect with set_prior(defect=…) or 'blemish threshold MODEL --defect-share …'."
    )
    known = det.fitted_.calibration.out_of_fold
    if len(known) < MIN_OUT_OF_FOLD:
        why = "A single labelled defect calibrates nothing: take the probabilities as a scale, not as chances."
        return f"<p>{escape(assumed)}</p><p>{escape(why)}</p>"
    ordinary, share = det.fitted_.calibration.ordinary, det.prior_["defect"]
    scores, defect = np.concatenate([known, ordinary]), np.repeat([True, False], [len(known), len(ordinary)])
    bins = reliability(defect_probability(known, ordinary, scores, share), defect, share)
    note = (
        f"{len(known)} labelled defects by models that had not seen them, and {len(ordinary)} ordinary rows, weighed "
        f"to a share of {share:.2g} defects. Two numbers were fitted to these very rows; defects hidden among the "
        "ordinary rows count as none."
    )
    chart = reliability_chart({"by cross-validation": bins}, "Do the chances come true?", note)
    return f"<p>{escape(assumed)}</p>{chart}"


def reliability_chart(series: Mapping[str, Sequence[Bin]], title: str, note: str = "") -> str:
    """Probability against what came true, a point a bin, with exact 90 % intervals.

    Args:
        series: Name → bins, from `blemish.calibration.probabilities.reliability`.
        title: Caption.
        note: Plain text under the chart.
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
    return intervals(points, title, "predicted probability of a defect", "share of defects", diagonal=True, note=note)


def labels_body(det: DefectDetector) -> str:
    """The label report, its learning curve if it was drawn, and the labels to look at again."""
    try:
        found = det.fitted_.label_report(det.prior_["defect"], None, det.threshold_)  # draws no curve: that takes time
    except DataError as error:
        return f"<p>{escape(str(error))}.</p>"
    answers = table_html(Table("Five questions", ("question", "answer"), list(found.says.items())))
    chart = ""
    if len(found.curve) > 1:
        points = [
            Point(float(s.n_labels), s.outlook.precision, s.outlook.low, s.outlook.high,
                  f"{s.n_labels} labels: precision {s.outlook.precision:.0%}\nordinary rows below: {s.above:.1%}")
            for s in found.curve
        ]  # fmt: skip
        above = [
            Point(
                float(s.n_labels),
                s.above,
                s.above,
                s.above,
                f"{s.n_labels} labels: above {s.above:.1%} of ordinary rows",
            )
            for s in found.curve
        ]
        names = {f"precision among the top {found.budget}": points, "ordinary rows below an unseen defect": above}
        chart = intervals(names, "Learning curve", "labelled defects that were learnt from", "share")
    rows = [
        *((str(d.name), d.label, d.why) for d in found.doubts),
        *((" and ".join(map(str, c.names)), " and ".join(c.labels), "nearly identical") for c in found.conflicts),
    ]
    return (
        answers + chart + (table_html(Table("Labels to look at again", ("row", "label", "why"), rows)) if rows else "")
    )
