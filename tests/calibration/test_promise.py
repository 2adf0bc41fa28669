"""What a threshold promises: exact intervals, by order statistics and by simulation."""

import numpy as np
import pytest
from scipy.stats import norm

import reference
from blemish.calibration.calibration import Calibration
from blemish.calibration.promise import promise
from blemish.calibration.thresholds import (
    for_budget,
    for_contamination,
    for_false_positive_rate,
    for_precision,
    for_recall,
)


def promised(target, value, held_out=True, **scores):
    calibration = Calibration(**{"outlier": scores.get("defect", np.empty(0)), **scores})
    cut = {
        "recall": lambda: for_recall(calibration.out_of_fold, value),
        "precision": lambda: for_precision(calibration.out_of_fold, calibration.labelled_negatives, value),
        "false_positive_rate": lambda: for_false_positive_rate(calibration.ordinary, value),
        "contamination": lambda: for_contamination(calibration.ordinary, value),
        "budget": lambda: for_budget(calibration.ordinary, int(value)),
    }[target]()
    return promise(target, value, cut, calibration, held_out)


@pytest.mark.slow  # the order statistics below are exact
@pytest.mark.parametrize(("target", "value"), [("recall", 0.8), ("false_positive_rate", 0.1), ("contamination", 0.1)])
def test_the_interval_of_a_share_covers_the_truth_nine_times_of_ten(target, value):
    rng = np.random.default_rng(0)
    draws = [rng.normal(size=29) for _ in range(3000)]
    found = [promised(target, value, defect=scores, out_of_fold=scores) for scores in draws]
    truth = [norm.sf(one.threshold) for one in found]
    covered = [one.low <= share <= one.high for one, share in zip(found, truth, strict=True)]
    assert np.mean(covered) == pytest.approx(0.9, abs=3 * np.sqrt(0.09 / 3000))
    assert np.mean(truth) == pytest.approx(found[0].estimate, abs=0.006)


@pytest.mark.slow  # the sums below are exact
def test_the_interval_of_a_budget_covers_a_batch_nine_times_of_ten():
    rng = np.random.default_rng(0)
    found = [promised("budget", 5.0, defect=rng.normal(size=60)) for _ in range(3000)]
    covered = [one.low <= (rng.normal(size=60) > one.threshold).sum() <= one.high for one in found]
    assert 0.9 - 0.02 < np.mean(covered) < 0.97  # whole numbers: never below 90 %, and some above
    assert found[0].estimate == pytest.approx(60 * 6 / 61)


def test_the_share_of_a_recall_is_its_order_statistic():
    found = promised("recall", 0.5, out_of_fold=np.arange(8.0))
    above = 8 - 4 + 1  # the fourth smallest and all above it
    low, high = reference.beta_quantiles(above, 8 - above + 1, (0.05, 0.95))
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-3)
    assert found.text.startswith("recall=0.5: about 55.6% of new defects are found, ")
    assert found.text.endswith("with 90% confidence (8 labelled defects).")


@pytest.mark.parametrize("target", ["false_positive_rate", "contamination"])
def test_the_fraction_above_one_of_the_rows_is_its_order_statistic(target):
    found = promised(target, 0.25, defect=np.arange(19.0))
    above = int((np.arange(19.0) > found.threshold).sum())
    assert above == 4
    low, high = reference.beta_quantiles(above + 1, 19 - above, (0.05, 0.95))
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-3)
    assert found.estimate == pytest.approx((above + 1) / 20)


def test_the_number_above_a_budget_is_beta_binomial():
    n, above = 12, 3
    found = promised("budget", 3.0, defect=np.arange(12.0))
    weight = [reference.beta_binomial(k, n, above + 1, n - above) for k in range(n + 1)]
    assert sum(weight) == pytest.approx(1)
    below = np.cumsum(weight)
    assert (found.low, found.high) == (np.argmax(below >= 0.05), np.argmax(below >= 0.95))
    assert found.estimate == pytest.approx(sum(k * w for k, w in enumerate(weight)))


def test_a_precision_that_few_labels_cannot_support_is_marked():
    few = promised("precision", 0.8, out_of_fold=np.ones(4), labelled_negatives=np.zeros(3))
    assert (few.estimate, few.supported) == (1.0, False)
    assert (few.low, few.high) == pytest.approx(reference.clopper_pearson(4, 4, 0.9, steps=4000), abs=1e-3)
    assert "Not promised: there are too few labels for this target: label more of the top hits." in few.text
    many = promised("precision", 0.8, out_of_fold=np.ones(40), labelled_negatives=np.zeros(3))
    assert many.supported
    assert "Not promised" not in many.text


def test_without_held_out_rows_nothing_is_promised():
    found = promised("false_positive_rate", 0.1, held_out=False, outlier=np.arange(30.0))
    assert not found.supported
    assert "judged on rows that trained the model" in found.text
    assert "of a batch of 30 ordinary ones" in promised("budget", 3.0, outlier=np.arange(30.0)).text
