"""Contracts of every scorer, found in the dict; p-values, thresholds and intervals against loops and simulations."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

import reference
from blemish.calibration.calibration import Calibration
from blemish.calibration.conformal import conformal_p_values, discoveries
from blemish.calibration.promise import promise
from blemish.calibration.thresholds import (
    clopper_pearson,
    for_budget,
    for_contamination,
    for_false_positive_rate,
    for_precision,
    for_recall,
)
from blemish.core.errors import ConfigError, DataError
from blemish.core.labels import DEFECT, NORMAL, OTHER, UNLABELLED
from blemish.scoring import SCORERS
from blemish.scoring.ensemble import Ensemble
from blemish.scoring.evidence import Evidence
from blemish.scoring.latent import Latent
from blemish.scoring.mixture import (
    BREADTH,
    PRIOR,
    WIDTHS,
    fit_mixture,
    fit_whitening,
    log_joint,
    log_kernels,
    log_normal,
    mixture_log_joint,
    whitened,
)

MAKEUPS = {
    "all groups": (200, 8, 6),
    "no defects": (200, 0, 6),
    "one defect": (200, 1, 0),
    "many defects": (200, 60, 0),
    "one other": (200, 5, 1),
    "nothing labelled": (200, 0, 0),
    "one normal": (1, 1, 1),
    "two normals": (2, 2, 2),
    "one row": (1, 0, 0),
}
"""Numbers of normals, defects and others."""


def example(n_normal=200, n_defect=8, n_other=6, latent=3, seed=0):
    """Normals round the origin, defects at +6, others at -6; evidence and groups."""
    rng = np.random.default_rng(seed)
    centres = np.repeat([0.0, 6.0, -6.0], [n_normal, n_defect, n_other])
    group = np.repeat([UNLABELLED, DEFECT, OTHER], [n_normal, n_defect, n_other])
    group[: n_normal // 2] = NORMAL
    z = rng.normal(size=(len(group), latent)) + centres[:, None]
    return Evidence(z, np.exp(rng.normal(size=len(group)) * 0.3 + np.abs(centres) / 4)), group


def strangers():
    """Rows in every direction, near and far, and with any error."""
    rng = np.random.default_rng(1)
    z = np.concatenate([rng.normal(size=(20, 3)) * spread for spread in (1, 10, 1e3, 1e6)])
    return Evidence(z, np.concatenate([[0.0, 1e-30, 1e6, 1e12], np.exp(rng.normal(size=76))]))


SCORERS_AND_MAKEUPS = [
    pytest.param(cls(), makeup, id=f"{name}-{case}")
    for name, cls in SCORERS.items()
    for case, makeup in MAKEUPS.items()
]


@pytest.mark.parametrize(("scorer", "makeup"), SCORERS_AND_MAKEUPS)
def test_probabilities_are_those_of_three_groups(scorer, makeup):
    evidence, group = example(*makeup)
    state = scorer.fit(evidence, group)
    for rows in (evidence, strangers()):
        p = scorer.probabilities(state, rows)
        assert (p.shape, p.dtype) == ((len(rows), 3), np.float64)
        assert ((p >= 0) & (p <= 1)).all()
        np.testing.assert_allclose(p.sum(1), 1, atol=1e-12)
        if not makeup[1]:
            assert not p[:, 2].any(), "without labelled defects nothing is a defect"


@pytest.mark.parametrize(("scorer", "makeup"), SCORERS_AND_MAKEUPS)
def test_scores_are_finite_numbers_in_double_precision(scorer, makeup):
    evidence, group = example(*makeup)
    state = scorer.fit(evidence, group)
    scores = [scorer.outlier_score] + [scorer.defect_score] * bool(makeup[1])
    for score in scores:
        for rows in (evidence, strangers()):
            result = score(state, rows)
            assert (result.shape, result.dtype) == ((len(rows),), np.float64)
            assert np.isfinite(result).all()


@pytest.mark.parametrize("cls", SCORERS.values(), ids=SCORERS)
def test_constant_codes_and_errors_are_no_obstacle(cls):
    evidence, group = example()
    flat = Evidence(np.ones_like(evidence.z), np.ones_like(evidence.error))
    half = Evidence(evidence.z * [1, 0, 0], evidence.error)
    for rows in (flat, half):
        state = cls().fit(rows, group)
        for other in (rows, evidence):
            assert np.isfinite(cls().defect_score(state, other)).all()
            np.testing.assert_allclose(cls().probabilities(state, other).sum(1), 1)


@pytest.mark.parametrize("cls", SCORERS.values(), ids=SCORERS)
def test_fitting_and_scoring_are_deterministic_and_mutate_nothing(cls):
    evidence, group = example()
    before = evidence.z.copy(), evidence.error.copy(), group.copy()
    first, second = cls().fit(evidence, group), cls().fit(evidence, group)
    assert all(np.array_equal(first[key], second[key]) for key in first)
    for method in ("outlier_score", "defect_score", "probabilities"):
        score = getattr(cls(), method)
        assert np.array_equal(score(first, evidence), score(second, evidence))
    assert all(np.array_equal(a, b) for a, b in zip(before, (evidence.z, evidence.error, group), strict=True))


@pytest.mark.parametrize("cls", SCORERS.values(), ids=SCORERS)
def test_a_row_does_not_depend_on_its_batch_mates(cls):
    evidence, group = example()
    state = cls().fit(evidence, group)
    for method in ("outlier_score", "defect_score", "probabilities"):
        score = getattr(cls(), method)
        for row in ([0], [200, 3]):
            np.testing.assert_allclose(score(state, evidence[np.array(row)]), score(state, evidence)[row], rtol=1e-9)


@pytest.mark.parametrize("cls", SCORERS.values(), ids=SCORERS)
def test_what_was_learnt_is_named_arrays_without_loss(cls):
    state = cls().fit(*example())
    assert all(isinstance(value, np.ndarray) and value.dtype.kind in "fi" for value in state.values())
    assert all(value.dtype == np.float64 for value in state.values() if value.dtype.kind == "f")


@pytest.mark.parametrize("cls", SCORERS.values(), ids=SCORERS)
def test_defects_look_more_like_the_defect_than_normals_do(cls):
    evidence, group = example()
    state = cls().fit(evidence, group)
    score, p = cls().defect_score(state, evidence), cls().probabilities(state, evidence)
    assert np.median(score[group == DEFECT]) > np.quantile(score[group != DEFECT][:200], 0.99)
    assert p[group == DEFECT, 2].mean() > p[:200, 2].mean()


@pytest.mark.parametrize("makeup", [makeup for makeup in MAKEUPS.values() if makeup[1]])
@pytest.mark.parametrize("cls", SCORERS.values(), ids=SCORERS)
def test_an_unseen_region_is_not_my_defect(cls, makeup):
    evidence, group = example(*makeup)
    state = cls().fit(evidence, group)
    directions = np.random.default_rng(0).normal(size=(50, 3))
    far = Evidence(1e4 * directions / np.linalg.norm(directions, axis=1, keepdims=True), np.full(50, 1e9))
    assert cls().probabilities(state, far)[:, 2].max() < PRIOR["defect"]


def test_a_row_that_is_reconstructed_better_than_most_is_no_outlier():
    evidence, group = example()
    scorer = Ensemble()
    state = scorer.fit(evidence, group)
    order = np.argsort(evidence.error)
    chances = scorer.probabilities(state, replace(evidence, z=np.zeros_like(evidence.z)))[order]
    other = chances[:, 1] / chances[:, :2].sum(axis=1)
    assert (np.diff(other) >= -1e-12).all()
    better = scorer.probabilities(state, Evidence(np.zeros((1, 3)), np.zeros(1)))[0]
    assert better[1] / better[:2].sum() == pytest.approx(other[0])


def test_an_unseen_region_scores_below_the_defects():
    evidence, group = example()
    scorer = SCORERS["latent"]()
    state = scorer.fit(evidence, group)
    known = scorer.defect_score(state, evidence[group == DEFECT])
    far = Evidence(np.array([[0.0, 0.0, 60.0], [60.0, 60.0, 60.0], [-60.0, 0.0, 0.0]]), np.full(3, 5.0))
    assert scorer.defect_score(state, far).max() < known.min()


def test_a_labelled_other_near_the_defects_lowers_their_score():
    evidence, group = example(n_other=0)
    near = evidence[np.flatnonzero(group == DEFECT)[:1]]
    more = Evidence(np.vstack([evidence.z, near.z]), np.append(evidence.error, near.error))
    scorer = SCORERS["latent"]()
    without = scorer.defect_score(scorer.fit(evidence, group), near)
    assert scorer.defect_score(scorer.fit(more, np.append(group, OTHER)), near) < without


@pytest.mark.parametrize("cls", SCORERS.values(), ids=SCORERS)
def test_every_option_of_a_scorer_changes_its_probabilities(cls):
    evidence, group = example()
    for option in fields(cls):
        default = getattr(cls(), option.name)
        changed = {"code": ["trees"], "error": ["value"]} if isinstance(default, dict) else 4 * default
        other = replace(cls(), **{option.name: changed})
        results = [s.probabilities(s.fit(evidence, group), evidence) for s in (cls(), other)]
        assert not np.array_equal(*results), option.name


def test_evidence_can_be_indexed_by_masks_and_numbers():
    evidence, group = example()
    assert len(evidence) == 214
    assert len(evidence[group == DEFECT]) == 8
    assert np.array_equal(evidence[np.array([3, 1])].error, evidence.error[[3, 1]])


def test_latent_probabilities_are_those_of_bayes_rule_over_code_and_error():
    evidence, group = example()
    state = Latent().fit(evidence, group)
    u = whitened(state, evidence.z)
    errors = np.log(evidence.error[group < OTHER] + 1e-12)
    middle = np.median(errors)
    spread = 1.4826 * np.median(errors[errors > middle] - middle)
    p = Latent().probabilities(state, evidence)
    for row in range(0, len(group), 7):
        above = max(0.0, (np.log(evidence.error[row] + 1e-12) - middle) / spread)
        usual, unusual = np.exp(-(above**2) / 2), np.exp(-(above**2) / 2 / BREADTH**2) / BREADTH
        normal, other, defect = np.exp(log_joint(u[[row]], u[group == DEFECT], u[group == OTHER])[0])
        by_error_alone = normal / PRIOR["normal"] * PRIOR["other"]
        joint = np.array([normal * usual, (other + by_error_alone) / 2 * unusual, defect * unusual])
        np.testing.assert_allclose(p[row], joint / joint.sum(), rtol=1e-8, atol=1e-12)
        if above:
            score = Latent().outlier_score(state, evidence[np.array([row])])[0]
            assert score == pytest.approx(-np.log(joint[0] / joint[:2].sum()))


def test_an_error_alone_makes_another_outlier_though_outliers_hide_among_the_rows():
    evidence, group = example(n_normal=400, n_defect=0, n_other=0, latent=32)
    usual = np.exp(np.random.default_rng(0).normal(size=400) * 0.03)
    usual[:20] *= 7  # hidden outliers, which would widen a standard deviation twentyfold
    state = Latent().fit(replace(evidence, error=usual), group)
    rows = Evidence(np.zeros((3, 32)), np.array([1.0, 7.0, 0.1]))
    p, score = Latent().probabilities(state, rows), Latent().outlier_score(state, rows)
    assert p[:, 1] == pytest.approx([0, 1, 0], abs=0.05)
    assert score[1] > 1 > score[0] > score[2] > 0


def test_an_odd_code_makes_another_outlier_however_well_it_is_reconstructed():
    evidence, group = example(n_defect=0, n_other=0, latent=32)
    state = Latent().fit(evidence, group)
    odd = Evidence(np.full((1, 32), 9.0), np.array([1e-3]))
    assert Latent().probabilities(state, odd)[0, 1] > 0.99
    assert Latent().outlier_score(state, odd) > Latent().outlier_score(state, evidence).max()


# Mixture


def test_whitened_normals_have_unit_covariance():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(20000, 3)) @ np.array([[3.0, 0, 0], [2, 0.1, 0], [0, 0, 50]]) + 7
    u = whitened(fit_whitening(features), features)
    np.testing.assert_allclose(np.cov(u.T), np.eye(3), atol=0.05)
    np.testing.assert_allclose(np.median(whitened(fit_whitening(features), features), axis=0), 0, atol=0.05)


def test_whitening_does_not_depend_on_the_unit_of_a_feature():
    features = np.random.default_rng(0).normal(size=(300, 3))
    a, b = (whitened(fit_whitening(f), f) for f in (features, features * [1, 1000, 0.001]))
    np.testing.assert_allclose(np.square(a).sum(1), np.square(b).sum(1), rtol=1e-6)


def test_log_densities_equal_the_loops():
    rng = np.random.default_rng(0)
    u, points = rng.normal(size=(6, 3)), rng.normal(size=(4, 3))
    np.testing.assert_allclose(log_kernels(u, points), [reference.log_kernels(row, points, WIDTHS) for row in u])
    np.testing.assert_allclose(log_normal(u, 4.0), [reference.log_normal(row, 4.0) for row in u])


@pytest.mark.parametrize(("n_defects", "n_others"), [(3, 0), (3, 4), (0, 4), (0, 0)])
def test_posterior_equals_bayes_rule(n_defects, n_others):
    rng = np.random.default_rng(0)
    u, defects, others = rng.normal(size=(6, 3)), rng.normal(size=(n_defects, 3)), rng.normal(size=(n_others, 3))
    joint = np.exp(log_joint(u, defects, others))
    expected = [reference.posterior(row, defects, others, WIDTHS, list(PRIOR.values()), BREADTH) for row in u]
    np.testing.assert_allclose(joint / joint.sum(1, keepdims=True), expected, rtol=1e-9)


def test_priors_sum_to_one():
    assert list(PRIOR) == ["normal", "other", "defect"]
    assert sum(PRIOR.values()) == pytest.approx(1)


def test_log_kernels_far_away_are_finite():
    assert np.isfinite(log_kernels(np.full((1, 2), 1e6), np.zeros((1, 2)))).all()


def test_the_error_of_a_labelled_defect_is_out_of_fold_as_it_is():
    evidence, group = example(n_defect=3)
    scorer = SCORERS["reconstruction"]()
    known = scorer.out_of_fold_scores(scorer.fit(evidence, group), evidence, group)
    for row, score in zip(np.flatnonzero(group == DEFECT), known, strict=True):
        rest = np.arange(len(group)) != row
        without = scorer.fit(evidence[rest], group[rest])
        assert score == scorer.defect_score(without, evidence[np.array([row])])[0]


@pytest.mark.parametrize("n_defects", [2, 8])
def test_latent_scores_of_labelled_defects_are_those_of_a_scorer_without_them(n_defects):
    evidence, group = example(n_defect=n_defects)
    scorer = Latent()
    scores = scorer.out_of_fold_scores(scorer.fit(evidence, group), evidence, group)
    features = evidence.z if n_defects == 8 else evidence.feature_set("code")
    for row, score in zip(np.flatnonzero(group == DEFECT), scores, strict=True):
        state = fit_mixture(np.delete(features, row, axis=0), np.delete(group, row))
        normal, other, defect = mixture_log_joint(state, features[[row]])[0]
        assert score == pytest.approx(defect - np.logaddexp(normal, other))


def test_the_error_of_eight_labelled_defects_is_not_held_against_new_ones():
    evidence, group = example(latent=8)
    worse = replace(evidence, error=np.where(group == DEFECT, 3 * evidence.error, evidence.error))
    scorer, new = Latent(), evidence[group == DEFECT]
    of, of_worse = (scorer.defect_score(scorer.fit(e, group), new) for e in (evidence, worse))
    np.testing.assert_array_equal(of, of_worse)


def test_of_fewer_labelled_defects_the_error_counts():
    evidence, group = example(n_defect=7)
    scorer, one = Latent(), evidence[group == DEFECT]
    state = scorer.fit(evidence, group)
    badly = replace(one, error=1e3 * one.error)
    assert (scorer.defect_score(state, badly) < scorer.defect_score(state, one)).all()


# Conformal p-values


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(
    st.lists(st.integers(-3, 3).map(float), min_size=0, max_size=12),
    st.lists(st.integers(-4, 4).map(float), min_size=1, max_size=5),
)
def test_p_values_equal_the_loops_with_ties_counted(calibration, scores):
    p = conformal_p_values(np.array(calibration), np.array(scores))
    assert p.tolist() == [reference.conformal_p_value(calibration, score) for score in scores]
    assert ((p > 0) & (p <= 1)).all()


@pytest.mark.parametrize("decimals", [1, 8], ids=["with ties", "without ties"])
def test_p_values_are_valid_at_every_level(decimals):
    rng, n, times = np.random.default_rng(0), 19, 3000
    draws = rng.normal(size=(times, n + 1)).round(decimals)
    p = np.array([conformal_p_values(row[:n], row[n:])[0] for row in draws])
    for level in (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0):
        assert (p <= level).mean() <= level + 4 * np.sqrt(level * (1 - level) / times)


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(st.lists(st.integers(1, 40).map(lambda k: k / 40), min_size=1, max_size=12), st.sampled_from([0.07, 0.1, 0.33]))
def test_discoveries_equal_the_step_up_procedure(p_values, fdr):
    found = discoveries(np.array(p_values), fdr)
    least = min(
        (p for p, d in zip(p_values, reference.benjamini_hochberg(p_values, fdr), strict=True) if not d), default=2
    )
    assert found.tolist() == [p < least for p in p_values]


def test_no_rows_have_no_discoveries():
    assert discoveries(np.zeros(0), 0.1).tolist() == []


# Thresholds


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


# Promises


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


@pytest.mark.parametrize(("target", "value"), [("recall", 0.8), ("false_positive_rate", 0.1), ("contamination", 0.1)])
def test_the_interval_of_a_share_covers_the_truth_nine_times_of_ten(target, value):
    rng = np.random.default_rng(0)
    draws = [rng.normal(size=29) for _ in range(3000)]
    found = [promised(target, value, defect=scores, out_of_fold=scores) for scores in draws]
    truth = [norm.sf(one.threshold) for one in found]
    covered = [one.low <= share <= one.high for one, share in zip(found, truth, strict=True)]
    assert np.mean(covered) == pytest.approx(0.9, abs=3 * np.sqrt(0.09 / 3000))
    assert np.mean(truth) == pytest.approx(found[0].estimate, abs=0.006)


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


def test_a_precision_that_few_labels_cannot_support_is_marked():
    few = promised("precision", 0.8, out_of_fold=np.ones(4), labelled_negatives=np.zeros(3))
    assert (few.estimate, few.supported) == (1.0, False)
    assert (few.low, few.high) == pytest.approx(reference.clopper_pearson(4, 4, 0.9, steps=4000), abs=1e-3)
    assert "Not promised: so few labels do not support the target: label more of the top hits." in few.text
    many = promised("precision", 0.8, out_of_fold=np.ones(40), labelled_negatives=np.zeros(3))
    assert many.supported
    assert "Not promised" not in many.text


def test_without_held_out_rows_nothing_is_promised():
    found = promised("false_positive_rate", 0.1, held_out=False, outlier=np.arange(30.0))
    assert not found.supported
    assert "judged on rows that trained the model" in found.text
    assert "of a batch of 30 ordinary ones" in promised("budget", 3.0, outlier=np.arange(30.0)).text


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 1.5])
def test_contamination_is_a_share(share):
    with pytest.raises(ConfigError, match="must lie strictly between 0 and 1"):
        for_contamination(np.arange(30.0), share)
