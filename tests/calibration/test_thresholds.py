"""Thresholds and exact intervals against loops and by simulation."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

import reference
from blemish.calibration.calibration import Calibration
from blemish.calibration.conformal import conformal_p_values
from blemish.calibration.thresholds import (
    clopper_pearson,
    for_budget,
    for_contamination,
    for_false_positive_rate,
    for_precision,
    for_recall,
    outlook,
    promise,
    shortfall,
    unsupported,
)
from blemish.core.errors import ConfigError, DataError


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.1, 0.3, 1 / 3, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("n", [1, 2, 9, 10, 99, 100, 333])
def test_false_positive_threshold_is_the_documented_rank(rate, n):
    calibration = np.random.default_rng(0).permutation(n).astype(float)
    rank = reference.order_statistic_rank(n, rate)
    if rank > n:
        with pytest.raises(
            DataError, match=rf"a false positive rate of {rate:g} needs at least \d+ held-out rows, there"
        ):
            for_false_positive_rate(calibration, rate)
    else:
        assert for_false_positive_rate(calibration, rate) == rank - 1


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.1, 0.3, 1 / 3, 0.07])
def test_as_many_rows_as_the_message_asks_for_are_enough(rate):
    with pytest.raises(DataError) as refusal:
        for_false_positive_rate(np.zeros(1), rate)
    needed = int(str(refusal.value).split("at least ")[1].split()[0])
    assert for_false_positive_rate(np.zeros(needed), rate) == 0
    with pytest.raises(DataError, match="fit on more rows or allow more"):
        for_false_positive_rate(np.zeros(needed - 1), rate)


def test_false_positive_rate_is_kept_for_new_rows():
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(2000, 31))
    alarms = np.mean([row[30] > for_false_positive_rate(row[:30], 0.1) for row in draws])
    assert 0.07 < alarms <= 0.1 + 3 * np.sqrt(0.09 / 2000)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 1.5, float("nan")])
def test_shares_outside_0_and_1_are_refused(share):
    some = np.arange(9.0)
    for name, ask in {
        "false_positive_rate": lambda: for_false_positive_rate(some, share),
        "recall": lambda: for_recall(some, share),
        "precision": lambda: for_precision(some, some, share),
    }.items():
        with pytest.raises(ConfigError, match=rf"{name}={share!r} must lie strictly between 0 and 1"):
            ask()


@pytest.mark.parametrize("budget", [1, 3, 9])
def test_a_budget_of_rows_lies_above_its_threshold(budget):
    calibration = np.random.default_rng(0).normal(size=10)
    assert (calibration > for_budget(calibration, budget)).sum() == budget


@pytest.mark.parametrize("budget", [0, -1, 10, 11])
def test_an_impossible_budget_is_refused(budget):
    with pytest.raises(DataError, match=rf"budget={budget} must lie between 1 and 9, the calibration rows less one"):
        for_budget(np.arange(10.0), budget)


@pytest.mark.parametrize("recall", [0.5, 0.8, 0.9])
def test_recall_is_kept_for_new_defects(recall):
    draws = np.random.default_rng(0).normal(size=(2000, 31))
    found = np.mean([row[30] > for_recall(row[:30], recall) for row in draws])
    assert recall - 3 * np.sqrt(recall * (1 - recall) / 2000) <= found < recall + 0.06


@pytest.mark.parametrize("recall", [0.5, 0.8, 0.9, 2 / 3, 0.95])
def test_recall_needs_as_many_defects_as_its_message_says(recall):
    with pytest.raises(
        DataError, match=rf"recall={recall:g} needs at least \d+ labelled defects, there are 0; label"
    ) as it:
        for_recall(np.zeros(0), recall)
    needed = int(str(it.value).split("at least ")[1].split()[0])
    assert for_recall(np.zeros(needed), recall) < 0
    with pytest.raises(DataError, match="label more or ask for less"):
        for_recall(np.zeros(needed - 1), recall)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(
    st.lists(st.integers(0, 6).map(float), max_size=8),
    st.lists(st.integers(0, 6).map(float), min_size=1, max_size=8),
    st.sampled_from([0.3, 0.5, 0.75, 0.99]),
)
def test_precision_threshold_equals_the_loops(known, rejected, precision):
    expected = reference.threshold_for_precision(known, rejected, precision)
    if expected is None:
        with pytest.raises(DataError, match=rf"no threshold has precision {precision:g} on the \d+ labelled rows"):
            for_precision(np.array(known), np.array(rejected), precision)
        return
    cut = for_precision(np.array(known), np.array(rejected), precision)
    true, false = (np.array(known) > cut).sum(), (np.array(rejected) > cut).sum()
    assert true / (true + false) >= precision
    assert cut < expected
    assert cut == pytest.approx(expected)


def test_precision_without_rejected_rows_is_refused():
    with pytest.raises(DataError, match="precision needs rows labelled 'other' or 'normal' in addition to the defects"):
        for_precision(np.ones(3), np.zeros(0), 0.5)


@pytest.mark.parametrize(("successes", "n"), [(0, 5), (5, 5), (3, 7), (1, 20), (19, 20), (0, 1)])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_clopper_pearson_equals_a_scan_of_binomial_tails(successes, n, confidence):
    expected = reference.clopper_pearson(successes, n, confidence, steps=2000)
    assert clopper_pearson(successes, n, confidence) == pytest.approx(expected, abs=1e-3)


def test_nothing_tried_says_nothing():
    assert clopper_pearson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 1.5])
def test_contamination_is_a_share(share):
    with pytest.raises(ConfigError, match="must lie strictly between 0 and 1"):
        for_contamination(np.arange(30.0), share)


@pytest.mark.parametrize(
    "ask",
    [
        lambda some: conformal_p_values(some, np.ones(2)),
        lambda some: conformal_p_values(np.ones(2), some),
        lambda some: for_false_positive_rate(some, 0.5),
        lambda some: for_contamination(some, 0.5),
        lambda some: for_budget(some, 1),
        lambda some: for_recall(some, 0.5),
        lambda some: for_precision(some, np.ones(2), 0.5),
        lambda some: for_precision(np.ones(2), some, 0.5),
    ],
)
def test_nan_scores_are_refused(ask):
    with pytest.raises(DataError, match=r"1 of \d score\(s\) are NaN; leave those rows out, or fit again"):
        ask(np.array([0.0, np.nan, 1.0, 2.0]))


def promised(target, value, judged_on: Any = "held out", **scores):
    calibration = Calibration(**{"outlier": scores.get("defect", np.empty(0)), **scores})
    cut = {
        "recall": lambda: for_recall(calibration.out_of_fold, value),
        "precision": lambda: for_precision(calibration.out_of_fold, calibration.labelled_negatives, value),
        "false_positive_rate": lambda: for_false_positive_rate(calibration.ordinary, value),
        "contamination": lambda: for_contamination(calibration.ordinary, value),
        "budget": lambda: for_budget(calibration.ordinary, int(value)),
    }[target]()
    return promise(target, value, cut, calibration, judged_on)


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
    found = promised("false_positive_rate", 0.1, "training", outlier=np.arange(30.0))
    assert not found.supported
    assert "judged on rows that trained the model" in found.text
    assert "of a batch of 30 ordinary ones" in promised("budget", 3.0, outlier=np.arange(30.0)).text


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.1])
@pytest.mark.parametrize("n", [1, 18, 19, 20, 21, 38, 40, 98, 99, 101, 300])
def test_a_contamination_is_never_exceeded_on_average_or_says_by_how_much(rate, n):
    """21 rows at 5 %: the second highest of them would be exceeded by 2 of 22, not by 5 %."""
    found = promised("contamination", rate, "out of fold", outlier=np.arange(float(n)))
    assert found.supported == (1 / (n + 1) <= rate)
    assert found.estimate == pytest.approx(max(np.floor(rate * (n + 1) + 1e-9), 1) / (n + 1))
    assert (found.estimate <= rate + 1e-9) == found.supported
    assert bool(found.shortfall) != found.supported
    assert found.supported or found.threshold == n - 1


@pytest.mark.parametrize("target", ["contamination", "false_positive_rate", "budget"])
def test_out_of_fold_a_rate_has_no_lower_end(target):
    """The model that is cut has learnt from more rows than those that judge it: new ones are less unusual to it."""
    value, rows = (15.0 if target == "budget" else 0.1), np.arange(40.0)
    held_out, folds = (promised(target, value, on, outlier=rows) for on in ("held out", "out of fold"))
    assert held_out.low > 0 == folds.low
    assert folds.high == held_out.high
    by_labels = [promised("recall", 0.5, on, out_of_fold=np.arange(8.0)).low for on in ("held out", "out of fold")]
    assert by_labels[0] == by_labels[1] > 0


def test_fewer_than_twenty_samples_do_not_tell_a_rate_out_of_fold():
    found = promised("contamination", 0.05, "out of fold", outlier=np.arange(15.0))
    assert (found.low, found.high) == (0, 1)
    assert found.shortfall == (
        "15 unlabelled or normal samples cannot support a rate of 5 %; how many new ones exceed it is unknown"
    )
    assert promised("budget", 3.0, "out of fold", outlier=np.arange(15.0)).high == 15
    assert promised("contamination", 0.05, "out of fold", outlier=np.arange(20.0)).high < 0.2


def test_a_shortfall_names_samples_rate_and_what_comes_instead():
    found = promised("contamination", 0.01, "out of fold", outlier=np.arange(20.0))
    why = "20 unlabelled or normal samples cannot support a rate of 1 %; about 4.8 % of new ones exceed it"
    assert found.shortfall == why
    assert found.text.endswith(f"(20 rows, out of fold). Not promised: {why}.")
    assert promised("contamination", 0.01, outlier=np.arange(20.0)).shortfall.startswith("20 held-out samples cannot")
    assert promised("recall", 0.5, "training", out_of_fold=np.arange(8.0)).shortfall == ""


def test_several_cuts_that_are_not_supported_share_a_clause():
    rows = np.arange(15.0)
    cuts = [promised("contamination", rate, "out of fold", outlier=rows) for rate in (0.1, 0.01, 0.05)]
    assert shortfall(cuts) == (
        "15 unlabelled or normal samples cannot support a rate of 1 % or 5 %; how many new ones exceed it is unknown"
    )
    assert shortfall(cuts[:1]) == shortfall([]) == ""
    (one,) = unsupported(dict(zip(("kept", "defect", "other"), cuts, strict=True)))
    assert one == f"the cut for 'defect' and 'other': {shortfall(cuts)}"
    assert unsupported({"kept": cuts[0]}) == []


@pytest.mark.parametrize("share", [0.01, 0.1])
@pytest.mark.parametrize("reported", [0.02, 0.2])
def test_the_outlook_is_the_precision_among_new_rows(share, reported):
    rng = np.random.default_rng(0)
    p = conformal_p_values(rng.normal(size=40_000), rng.normal(2, 1, 4000))
    found = outlook(p, share, reported)
    defect = rng.random(400_000) < share
    scores = rng.normal(np.where(defect, 2, 0), 1)
    top = scores >= np.quantile(scores, 1 - reported)
    assert found.precision == pytest.approx(defect[top].mean(), abs=0.03)
    assert found.recall == pytest.approx(top[defect].mean(), abs=0.03)
    assert found.low <= found.precision <= found.high


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(
    st.lists(st.integers(1, 50).map(lambda k: k / 50), min_size=1, max_size=12),
    st.floats(0.001, 0.9),
    st.floats(0.001, 0.999),
)
def test_an_outlook_is_a_share_within_its_interval(p_values, share, reported):
    found = outlook(np.array(p_values), share, reported)
    assert 0 <= found.low <= found.precision <= found.high <= 1
    assert 0 <= found.recall <= 1
    assert found.precision * reported <= share + 1e-9


@pytest.mark.parametrize(("share", "reported"), [(0.0, 0.1), (0.1, 0.0), (1.0, 0.1), (0.1, 1.0)])
def test_an_outlook_needs_shares(share, reported):
    with pytest.raises(ConfigError, match="must lie strictly between 0 and 1"):
        outlook(np.array([0.1]), share, reported)
