"""From scores to probabilities, and whether these are calibrated."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import norm

from blemish import DefectDetector, load
from blemish.calibration.probabilities import brier, defect_probability, prior_of, reliability, reweighted
from blemish.core.errors import ConfigError
from blemish.scoring.mixture import PRIOR


def test_the_chance_is_the_true_one_where_the_model_is_right():
    rng = np.random.default_rng(0)
    known, ordinary, scores = rng.normal(2, 1, 4000), rng.normal(0, 1, 40_000), np.linspace(-2, 5, 20)
    for share in (0.01, 0.3):
        density = share * norm.pdf(scores, 2), (1 - share) * norm.pdf(scores)
        np.testing.assert_allclose(
            defect_probability(known, ordinary, scores, share), density[0] / sum(density), atol=0.02
        )


def test_how_many_are_labelled_says_nothing_of_how_many_there_are():
    rng = np.random.default_rng(0)
    known, ordinary = rng.normal(2, 1, 500), rng.normal(0, 1, 5000)
    some = np.array([0.0, 1.0, 3.0])
    all_of_them, few = (defect_probability(k, ordinary, some, 0.1) for k in (known, np.tile(known, 4)))
    np.testing.assert_allclose(all_of_them, few, atol=0.02)


def test_a_score_that_speaks_against_defects_says_nothing():
    rng = np.random.default_rng(0)
    p = defect_probability(rng.normal(-3, 1, 8), rng.normal(0, 1, 200), np.array([-5.0, 0.0, 5.0]), 0.07)
    assert p == pytest.approx([0.07] * 3)


def test_one_score_for_all_rows_leaves_the_prior():
    assert defect_probability(np.ones(3), np.ones(50), np.ones(2), 0.2) == pytest.approx([0.2, 0.2])


def test_chances_that_are_true_lie_on_the_diagonal():
    rng = np.random.default_rng(0)
    p = expit(rng.normal(-1, 2, 60_000))
    bins = reliability(p, rng.random(len(p)) < p)
    assert sum(b.n for b in bins) == len(p)
    assert [b.predicted for b in bins] == sorted(b.predicted for b in bins)
    for b in bins:
        assert b.observed == pytest.approx(b.predicted, abs=4 * np.sqrt(b.predicted * (1 - b.predicted) / b.n))
        assert b.low <= b.observed <= b.high


def test_labelled_defects_are_weighed_to_the_share_that_is_assumed():
    rng = np.random.default_rng(0)
    defect = np.repeat([True, False], [2000, 2000])
    scores = rng.normal(np.where(defect, 2, 0), 1)
    share = 0.05
    p = share * norm.pdf(scores, 2) / (share * norm.pdf(scores, 2) + (1 - share) * norm.pdf(scores))
    weighed, raw = reliability(p, defect, share), reliability(p, defect)
    middle = next(i for i, b in enumerate(weighed) if 0.2 <= b.predicted < 0.5)
    assert weighed[middle].observed == pytest.approx(weighed[middle].predicted, abs=0.08)
    assert raw[middle].observed > weighed[middle].predicted + 0.2


def test_a_bin_names_its_rows_and_the_brier_score_is_a_mean_square():
    (found,) = reliability(np.array([0.9, 0.85, 0.9]), np.array([True, False, True]))
    assert (found.n, found.n_defects) == (3, 2)
    assert found.observed == pytest.approx(2 / 3)
    assert brier(np.array([1.0, 0.0, 0.5]), np.array([True, False, True])) == pytest.approx(0.25 / 3)


def test_the_chance_of_a_defect_rises_with_its_score(table_split):
    det = DefectDetector(epochs=3, scorer="latent", random_state=0).fit(table_split.X_train, table_split.y_train)
    order = np.argsort(det.defect_score(table_split.X_test))
    assert (np.diff(det.predict_proba(table_split.X_test)[order, 2]) >= -1e-12).all()


def test_one_label_or_none_still_gives_probabilities_of_the_stated_prior(table_split):
    for y in ([*[None] * (len(table_split.y_train) - 1), "defect"], None):
        det = DefectDetector(epochs=1, scorer="latent", random_state=0).fit(table_split.X_train, y)
        p = det.set_prior(defect=0.2).predict_proba(table_split.X_test)
        np.testing.assert_allclose(p.sum(1), 1, atol=1e-12)
        assert p[:, 2].any() == (y is not None)


def test_shares_of_all_groups_follow_from_that_of_the_defects():
    assert prior_of(0.03) == pytest.approx(PRIOR)
    assert prior_of(0.2, 0.3) == pytest.approx({"normal": 0.5, "other": 0.3, "defect": 0.2})
    assert prior_of(0.5, 0.0)["other"] == 0


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ((0.0,), "defect=0.0 must lie strictly between 0 and 1"),
        ((1.0,), "defect=1.0 must lie strictly between 0 and 1"),
        ((float("nan"),), "defect=nan must lie strictly between 0 and 1"),
        ((0.1, -0.1), "other=-0.1 must lie between 0 and 1"),
        ((0.4, 0.6), "defect=0.4 and other=0.6 leave nothing for normal rows"),
    ],
)
def test_shares_that_make_no_sense_are_refused(shares, message):
    with pytest.raises(ConfigError, match=message):
        prior_of(*shares)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.lists(st.floats(1e-6, 1), min_size=3, max_size=3), st.floats(0.001, 0.4), st.sampled_from([0.0, 1e-3, 0.2]))
def test_another_prior_is_bayes_rule(densities, defect, other):
    before, after = np.array(list(PRIOR.values())), prior_of(defect, other)
    first = before * densities / (before @ densities)
    expected = np.array(list(after.values())) * densities / (np.array(list(after.values())) @ densities)
    np.testing.assert_allclose(reweighted(first[None], PRIOR, after)[0], expected, rtol=1e-9, atol=1e-12)
    if other:
        again = reweighted(reweighted(first[None], PRIOR, after), after, PRIOR)
        np.testing.assert_allclose(again[0], first, rtol=1e-9)


def test_a_group_that_is_said_not_to_exist_has_no_chance_but_where_nothing_else_has():
    shares = prior_of(0.1, 0.0)
    assert reweighted(np.array([[0.5, 0.4, 0.1]]), PRIOR, shares)[0, 1] == 0
    assert reweighted(np.array([[0.0, 1.0, 0.0]]), PRIOR, shares)[0].tolist() == [0, 1, 0]


def test_a_stated_prior_moves_probabilities_and_nothing_else(table_split, tmp_path):
    det = DefectDetector(epochs=3, scorer="latent", random_state=0).fit(table_split.X_train, table_split.y_train)
    before, words, scores = (f(table_split.X_test) for f in (det.predict_proba, det.predict, det.defect_score))
    assert det.prior_ == PRIOR
    assert det.set_prior(defect=0.3, other=0.2) is det
    after = det.predict_proba(table_split.X_test)
    np.testing.assert_allclose(after.sum(1), 1, atol=1e-12)
    odds = (after[:, 2] / (1 - after[:, 2])) / (before[:, 2] / (1 - before[:, 2]))
    sure = (before[:, 2] > 1e-9) & (before[:, 2] < 1 - 1e-9)
    np.testing.assert_allclose(odds[sure], (0.3 / 0.7) / (0.03 / 0.97), rtol=1e-6)
    np.testing.assert_array_equal(det.predict(table_split.X_test), words)
    np.testing.assert_array_equal(det.defect_score(table_split.X_test), scores)
    det.save(tmp_path / "m.blemish")
    assert load(tmp_path / "m.blemish").prior_ == det.prior_
    np.testing.assert_array_equal(load(tmp_path / "m.blemish").predict_proba(table_split.X_test), after)
