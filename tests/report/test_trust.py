"""The report's sections on the threshold, the probabilities and the labels."""

import numpy as np
from scipy.stats import beta

from blemish import DefectDetector
from blemish.calibration.probabilities import Bin
from blemish.report.trust import labels_body, probabilities_body, promise_body, reliability_chart
from report_pieces import ATTACK, traces


def few_defects(n):
    X = np.random.default_rng(0).normal(size=(60 + n, 3))
    y = [None] * 60 + ["defect"] * n
    return DefectDetector(epochs=1, scorer="latent", random_state=0).fit(X, y)


def test_the_threshold_comes_with_exact_intervals(table_detector):
    html = promise_body(table_detector)
    ordinary = table_detector.fitted_.calibration.ordinary
    above, n = int((ordinary >= table_detector.threshold_).sum()), len(ordinary)
    high = beta.ppf(0.975, above + 1, n - above)
    assert f"{above} of {n} ({above / n:.1%})" in html
    assert f"to {high:.1%} (exact)" in html
    assert [trace["name"].split()[0] for trace in traces(html)] == ["normal", "defect"]


def test_probabilities_say_what_they_assume(table_detector):
    html = probabilities_body(table_detector)
    assert f"{table_detector.prior_['defect']:.2g} defect" in html
    assert "scored out of fold" in html


def test_one_labelled_defect_is_too_few_for_a_chart():
    html = probabilities_body(few_defects(1))
    assert "One labelled defect is too few for calibration" in html
    assert "plotly" not in html


def test_a_reliability_chart_has_a_point_per_bin():
    bins = [Bin(predicted=0.1, observed=0.2, low=0.05, high=0.4, n=10, n_defects=2)]
    ideal, found = traces(reliability_chart({ATTACK: bins}, ATTACK))
    assert ideal["name"] == "ideal"
    assert (found["x"], found["y"]) == ([0.1], [0.2])
    assert "2 defects among 10 rows" in found["text"][0]


def test_labels_that_cannot_be_judged_say_why():
    det = DefectDetector(epochs=1, scorer="latent", random_state=0)
    det.fit(np.random.default_rng(0).normal(size=(60, 3)))
    assert labels_body(det).startswith("<p>")
    assert "Six questions" in labels_body(few_defects(4))
