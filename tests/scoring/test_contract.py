"""Contracts of every scorer, found in the dict."""

from dataclasses import fields, replace
from functools import cache, partial

import numpy as np
import pytest

from blemish.core.labels import DEFECT
from blemish.scoring import SCORERS
from blemish.scoring.mixture import PRIOR
from blemish.scoring.scorer import Evidence
from scoring_examples import MAKEUPS, check_stored, example, probabilities, same_arrays, strangers

SCORERS_AND_MAKEUPS = [
    pytest.param(name, makeup, id=f"{name}-{case}") for name in SCORERS for case, makeup in MAKEUPS.items()
]


@cache
def fitted(name, makeup=MAKEUPS["all groups"]):
    """A scorer, what it learnt, evidence and groups; a fit of the ensemble takes a second, and scoring changes nothing."""
    evidence, group = example(*makeup)
    scorer = SCORERS[name]()
    return scorer, scorer.fit(evidence, group), evidence, group


@pytest.mark.parametrize(("name", "makeup"), SCORERS_AND_MAKEUPS)
def test_probabilities_are_those_of_three_groups(name, makeup):
    scorer, state, evidence, _ = fitted(name, makeup)
    for rows in (evidence, strangers()):
        p = probabilities(scorer, state, rows, makeup[1] > 0)
        assert (p.shape, p.dtype) == ((len(rows), 3), np.float64)
        assert ((p >= 0) & (p <= 1)).all()
        np.testing.assert_allclose(p.sum(1), 1, atol=1e-12)
        if not makeup[1]:
            assert not p[:, 2].any(), "without labelled defects nothing is a defect"


@pytest.mark.parametrize(("name", "makeup"), SCORERS_AND_MAKEUPS)
def test_scores_are_finite_numbers_in_double_precision(name, makeup):
    scorer, state, evidence, _ = fitted(name, makeup)
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
            np.testing.assert_allclose(probabilities(cls(), state, other).sum(1), 1)


@pytest.mark.parametrize("name", SCORERS)
def test_fitting_and_scoring_are_deterministic_and_mutate_nothing(name):
    evidence, group = example()
    scorer, first, before, groups_before = fitted(name)
    second = SCORERS[name]().fit(evidence, group)
    assert same_arrays(first, second)
    for score in (scorer.outlier_score, scorer.defect_score, partial(probabilities, scorer)):
        assert np.array_equal(score(first, before), score(second, evidence))
    untouched, groups = example()
    for fit in (evidence, before):
        assert np.array_equal(fit.z, untouched.z)
        assert np.array_equal(fit.error, untouched.error)
    assert np.array_equal(group, groups)
    assert np.array_equal(groups_before, groups)


@pytest.mark.parametrize("name", SCORERS)
def test_all_scores_at_once_are_the_scores(name):
    for makeup in (MAKEUPS["all groups"], MAKEUPS["no defects"]):
        scorer, state, evidence, _ = fitted(name, makeup)
        found = scorer.scores(state, evidence, labelled=makeup[1] > 0)
        np.testing.assert_array_equal(found.outlier, scorer.outlier_score(state, evidence))
        if makeup[1]:
            np.testing.assert_array_equal(found.defect, scorer.defect_score(state, evidence))
        else:
            assert found.defect is None


@pytest.mark.parametrize("name", SCORERS)
def test_a_row_does_not_depend_on_its_batch_mates(name):
    scorer, state, evidence, _ = fitted(name)
    for score in (scorer.outlier_score, scorer.defect_score, partial(probabilities, scorer)):
        for row in ([0], [200, 3]):
            np.testing.assert_allclose(score(state, evidence[np.array(row)]), score(state, evidence)[row], rtol=1e-9)


@pytest.mark.parametrize("name", SCORERS)
def test_what_was_learnt_is_named_arrays_without_loss(name):
    _, state, *_ = fitted(name)
    arrays = state.arrays().values()
    assert all(isinstance(value, np.ndarray) and value.dtype.kind in "fi" for value in arrays)
    assert all(value.dtype == np.float64 for value in arrays if value.dtype.kind == "f")


@pytest.mark.parametrize(("name", "makeup"), SCORERS_AND_MAKEUPS)
def test_what_was_learnt_is_read_again_and_nothing_else(name, makeup):
    scorer, state, evidence, _ = fitted(name, makeup)
    widths = {"code": evidence.z.shape[1] + 1, "error": 1}
    check_stored(state, lambda stored: scorer.read(stored, widths, makeup[1]))


@pytest.mark.parametrize("name", SCORERS)
def test_defects_look_more_like_the_defect_than_normals_do(name):
    scorer, state, evidence, group = fitted(name)
    score, p = scorer.defect_score(state, evidence), probabilities(scorer, state, evidence)
    assert np.median(score[group == DEFECT]) > np.quantile(score[group != DEFECT][:200], 0.99)
    assert p[group == DEFECT, 2].mean() > p[:200, 2].mean()


@pytest.mark.parametrize("makeup", [makeup for makeup in MAKEUPS.values() if makeup[1]])
@pytest.mark.parametrize("name", SCORERS)
def test_an_unseen_region_is_not_my_defect(name, makeup):
    scorer, state, *_ = fitted(name, makeup)
    directions = np.random.default_rng(0).normal(size=(50, 3))
    far = Evidence(1e4 * directions / np.linalg.norm(directions, axis=1, keepdims=True), np.full(50, 1e9))
    assert probabilities(scorer, state, far)[:, 2].max() < PRIOR["defect"]


@pytest.mark.parametrize("name", SCORERS)
def test_every_option_of_a_scorer_changes_its_probabilities(name):
    scorer, state, evidence, group = fitted(name)
    for option in fields(scorer):
        default = getattr(scorer, option.name)
        changed = {dict: {"code": ["trees"], "error": ["value"]}, tuple: ("error",)}.get(type(default))
        changed = changed or 4 * default
        other = replace(scorer, **{option.name: changed})
        found = probabilities(other, other.fit(evidence, group), evidence)
        assert not np.array_equal(probabilities(scorer, state, evidence), found), option.name
