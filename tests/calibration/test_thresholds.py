"""Thresholds and exact intervals against loops and by simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reference
from blemish.calibration.conformal import conformal_p_values
from blemish.calibration.thresholds import (
    clopper_pearson,
    for_budget,
    for_contamination,
    for_false_positive_rate,
    for_fraction,
    for_precision,
    for_recall,
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
        lambda some: for_fraction(some, 0.5),
        lambda some: for_budget(some, 1),
        lambda some: for_recall(some, 0.5),
        lambda some: for_precision(some, np.ones(2), 0.5),
        lambda some: for_precision(np.ones(2), some, 0.5),
    ],
)
def test_nan_scores_are_refused(ask):
    with pytest.raises(DataError, match=r"1 of \d score\(s\) are NaN; leave those rows out, or fit again"):
        ask(np.array([0.0, np.nan, 1.0, 2.0]))
