"""Scores in latent space against Bayes' rule, and by the reconstruction error alone."""

from dataclasses import replace

import numpy as np
import pytest

from blemish.core.labels import DEFECT, OTHER
from blemish.scoring import SCORERS
from blemish.scoring.latent import Latent
from blemish.scoring.mixture import (
    BREADTH,
    PRIOR,
    fit_mixture,
    log_joint,
    mixture_log_joint,
    whitened,
)
from blemish.scoring.scorer import Evidence
from scoring_examples import example, probabilities


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


def test_latent_probabilities_are_those_of_bayes_rule_over_code_and_error():
    evidence, group = example()
    state = Latent().fit(evidence, group)
    u = whitened(state.mixture.whitening, evidence.z)
    errors = np.log(evidence.error[group < OTHER] + 1e-12)
    middle = np.median(errors)
    spread = 1.4826 * np.median(errors[errors > middle] - middle)
    p = probabilities(Latent(), state, evidence)
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
    p, score = probabilities(Latent(), state, rows), Latent().outlier_score(state, rows)
    assert p[:, 1] == pytest.approx([0, 1, 0], abs=0.05)
    assert score[1] > 1 > score[0] > score[2] > 0


def test_an_odd_code_makes_another_outlier_however_well_it_is_reconstructed():
    evidence, group = example(n_defect=0, n_other=0, latent=32)
    state = Latent().fit(evidence, group)
    odd = Evidence(np.full((1, 32), 9.0), np.array([1e-3]))
    assert probabilities(Latent(), state, odd)[0, 1] > 0.99
    assert Latent().outlier_score(state, odd) > Latent().outlier_score(state, evidence).max()


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


def test_the_error_of_a_labelled_defect_is_out_of_fold_as_it_is():
    evidence, group = example(n_defect=3)
    scorer = SCORERS["reconstruction"]()
    known = scorer.out_of_fold_scores(scorer.fit(evidence, group), evidence, group)
    for row, score in zip(np.flatnonzero(group == DEFECT), known, strict=True):
        rest = np.arange(len(group)) != row
        without = scorer.fit(evidence[rest], group[rest])
        assert score == scorer.defect_score(without, evidence[np.array([row])])[0]


def test_a_fold_measures_errors_and_what_is_far_on_the_scale_of_all_rows():
    evidence, group = example()
    scorer, seen = Latent(), np.arange(len(group)) % 4 > 0
    whole, fold = scorer.fit(evidence, group), scorer.fit(evidence[seen], group[seen])
    found = scorer.fit_fold(evidence[seen], group[seen], 0, whole)
    assert not np.array_equal(fold.errors, whole.errors)
    np.testing.assert_array_equal(found.errors, whole.errors)
    for one, other in zip(found.mixture.arrays().values(), fold.mixture.arrays().values(), strict=True):
        np.testing.assert_array_equal(one, other)
