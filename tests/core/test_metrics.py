"""The measures of a ranking, against counts by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reference
from blemish.core.errors import DataError
from blemish.core.metrics import auroc, evaluate, recall_at

FEW_NUMBERS = st.lists(st.integers(0, 5).map(float), min_size=1, max_size=10)


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(FEW_NUMBERS, FEW_NUMBERS)
def test_auroc_equals_the_count_of_pairs(above, below):
    assert auroc(np.array(above), np.array(below)) == pytest.approx(reference.auroc(above, below))


@pytest.mark.parametrize(("above", "below"), [([], [1.0]), ([1.0], []), ([], [])])
def test_auroc_of_an_empty_group_is_refused(above, below):
    with pytest.raises(DataError, match="the area under the ROC curve needs rows of both groups"):
        auroc(np.array(above), np.array(below))


def test_recall_counts_defects_above_the_highest_false_alarms_allowed():
    rest = np.arange(200.0)
    scores = np.concatenate([rest, [198.5, 199.5, 197.5, 0.0]])
    defect = np.arange(204) >= 200
    assert recall_at(scores, defect, 0.01) == 0.75  # two of 200 may lie above: the cut is 197
    assert recall_at(scores, defect, 0.005) == 0.5
    assert recall_at(scores, defect, 0.0) == 0.25
    assert recall_at(scores, defect, 0.999) == 0.75


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(FEW_NUMBERS, FEW_NUMBERS, st.sampled_from([0.0, 0.01, 0.2, 0.5, 0.99]))
def test_recall_never_has_more_false_alarms_than_asked_for(known, rest, rate):
    scores = np.array(known + rest)
    defect = np.arange(len(scores)) < len(known)
    cuts = [cut for cut in rest if sum(score > cut for score in rest) <= rate * len(rest)]
    assert recall_at(scores, defect, rate) == pytest.approx(np.mean([score > min(cuts) for score in known]))


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(FEW_NUMBERS, FEW_NUMBERS, st.randoms(use_true_random=False))
def test_average_precision_equals_the_sum_over_thresholds(known, rest, random):
    rows = [(score, True) for score in known] + [(score, False) for score in rest]
    random.shuffle(rows)
    scores, defect = np.array([s for s, _ in rows]), np.array([d for _, d in rows])
    found = evaluate(scores, defect, np.full(len(rows), "rest"))
    assert found.average_precision == pytest.approx(reference.average_precision(defect.tolist(), scores.tolist()))
    assert found.auroc_defect_above == {"rest": pytest.approx(reference.auroc(known, rest))}


def test_an_evaluation_tells_the_kinds_apart():
    scores = np.array([9.0, 8.0, 1.0, 2.0, 8.5, 7.0])
    defect = np.array([True, True, False, False, False, False])
    kind = np.array(["defect", "defect", "normal", "normal", "scratch", "scratch"], dtype=object)
    found = evaluate(scores, defect, kind)
    assert found.n == {"defect": 2, "normal": 2, "scratch": 2}
    assert found.auroc_defect_above == {"normal": 1.0, "scratch": 0.75}
    assert found.average_precision == pytest.approx((1 + 2 / 3) / 2)
    assert found.recall_at_1pct == 0.5
    assert found.precision_at == {}


def test_precision_is_told_for_the_top_rows_there_are():
    scores = -np.arange(25.0)
    found = evaluate(scores, scores > -5, np.full(25, "rest"))
    assert found.precision_at == {"10": 0.5, "20": 0.25}


def test_an_evaluation_ignores_the_order_of_rows():
    rng = np.random.default_rng(0)
    scores, defect, kind = rng.normal(size=60), rng.random(60) < 0.2, rng.choice(["a", "b"], 60)
    order = rng.permutation(60)
    assert evaluate(scores, defect, kind) == evaluate(scores[order], defect[order], kind[order])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_are_refused(bad):
    with pytest.raises(DataError, match=r"2 score\(s\) are NaN or infinite; leave those rows out"):
        evaluate(np.array([bad, 1.0, bad]), np.array([True, False, False]), np.full(3, "rest"))


@pytest.mark.parametrize(("defect", "count"), [([False, False], "0 of 2"), ([True, True], "2 of 2")])
def test_an_evaluation_needs_defects_and_something_else(defect, count):
    with pytest.raises(DataError, match=f"{count} rows are defects; an evaluation needs defects and something else"):
        evaluate(np.array([1.0, 2.0]), np.array(defect), np.full(2, "rest"))
