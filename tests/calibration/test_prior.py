"""Fractions of the groups, and probabilities under a stated prior."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blemish import DefectDetector, load
from blemish.calibration.prior import prior_of, reweighted
from blemish.core.errors import ConfigError
from blemish.scoring.mixture import PRIOR


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
