"""Experts on parts: marks, bags, and the mean of the highest."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import reference
from blemish.scoring.experts import EXPERTS
from blemish.scoring.experts.expert import fit_scaling, scaled
from blemish.scoring.experts.parts import (
    PartDiscriminant,
    PartDistance,
    PartExpert,
    PartLinear,
    mean_of_highest,
)
from scoring_examples import pictures_of_parts

DIRECTED = (PartDiscriminant, PartLinear)


@pytest.mark.parametrize(("n", "kept"), [(1, 1), (15, 1), (40, 2), (128, 8), (1000, 8)])
def test_a_sample_scores_the_mean_of_its_highest_parts(n, kept):
    scores = np.random.default_rng(n).permutation(np.arange(float(n)))
    assert mean_of_highest(scores) == np.arange(n - kept, n).mean() == reference.mean_of_highest(scores)


def test_part_experts_are_those_that_score_parts():
    assert {name for name, cls in EXPERTS.items() if issubclass(cls, PartExpert)} == {
        "part_distance",
        "part_discriminant",
        "part_linear",
    }


@pytest.mark.parametrize("cls", DIRECTED)
@pytest.mark.parametrize("marks", ["all", "one", "none"])
def test_the_parts_that_hold_the_defect_are_found(cls, marks):
    x, is_defect, weight, _ = pictures_of_parts(marks=marks)
    expert = cls()
    fresh, fresh_defect, _, fresh_holds = pictures_of_parts(seed=1, marks="none")
    state = expert.fit(x, is_defect, weight, 0)
    score = expert.score(state, fresh)
    assert score[fresh_defect].min() > np.quantile(score[~fresh_defect], 0.95)
    parts = np.concatenate([expert.part_scores(state, one) for one in fresh])
    assert np.median(parts[fresh_holds]) > np.quantile(parts[~fresh_holds], 0.99)


@pytest.mark.parametrize("cls", DIRECTED)
def test_a_mark_says_which_of_two_strange_parts_counts(cls):
    """All defects hold a scratch, too; with marks on the crack the scratch alone does not score."""
    x, is_defect, weight, _ = pictures_of_parts(marks="all", scratch=True)
    fresh, fresh_defect, *_ = pictures_of_parts(seed=1, marks="none")
    only_scratch, scratched, *_ = pictures_of_parts(seed=2, marks="none", scratch=True, crack=False)
    state = cls().fit(x, is_defect, weight, 0)
    cracks, scratches = cls().score(state, fresh)[fresh_defect], cls().score(state, only_scratch)[scratched]
    assert np.median(cracks) > scratches.max()


def test_one_labelled_row_without_a_mark_will_do():
    x, is_defect, weight, _ = pictures_of_parts(n_defects=1, marks="none")
    fresh, fresh_defect, *_ = pictures_of_parts(seed=1)
    score = PartDiscriminant().score(PartDiscriminant().fit(x, is_defect, weight, 0), fresh)
    assert np.median(score[fresh_defect]) > np.quantile(score[~fresh_defect], 0.9)


@pytest.mark.parametrize("n_details", [0, 2])
def test_with_marks_the_direction_is_fishers_of_the_details_where_there_are_any(n_details):
    x, is_defect, weight, _ = pictures_of_parts(marks="all")
    x = replace(x, n_details=n_details)
    rest, _ = x[~is_defect].evenly(10**9)
    state = PartDiscriminant().fit(x, is_defect, np.ones_like(weight), 0)
    scaling = fit_scaling(rest)
    used = slice(rest.shape[1] - 1 - n_details, rest.shape[1] - 1) if n_details else slice(0, rest.shape[1] - 1)
    defects = x[is_defect]
    chosen = np.concatenate([row[mark] for row, mark in zip(defects, defects.marks(), strict=True)])
    expected = np.zeros(rest.shape[1])
    expected[used] = reference.fisher_direction(*(scaled(scaling, part)[:, used] for part in (chosen, rest)))
    np.testing.assert_allclose(state.normal, expected, rtol=1e-5, atol=1e-9)


def test_without_marks_details_are_not_used():
    x, is_defect, weight, _ = pictures_of_parts(marks="none")
    x = replace(x, n_details=2)
    for expert in (PartDiscriminant(), PartLinear()):
        normal = expert.fit(x, is_defect, weight, 0).normal
        assert (normal[-3:] == 0).all()
        assert (normal[:-3] != 0).any()


def test_rows_of_one_constant_part_are_no_obstacle():
    x, is_defect, weight, _ = pictures_of_parts(n_parts=1)
    x.values[:] = 1.0
    expert: Any
    for expert in (PartDistance(), PartDiscriminant(), PartLinear()):
        assert np.isfinite(expert.score(expert.fit(x, is_defect, weight, 0), x)).all()


def test_without_labels_the_distance_counts():
    x, is_defect, weight, _ = pictures_of_parts()
    score = PartDistance().score(PartDistance().fit(x, is_defect, weight, 0), x)
    assert score[is_defect].min() > np.median(score[~is_defect])
