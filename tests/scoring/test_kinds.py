"""Several kinds of defect by one scorer for each."""

from typing import Any

import numpy as np
import pytest

from blemish.core.labels import DEFECT, UNLABELLED, of_kind
from blemish.scoring.ensemble import Ensemble
from blemish.scoring.kinds import Kinds
from blemish.scoring.latent import Latent
from blemish.scoring.scorer import Evidence

SCORERS = {
    "ensemble": Ensemble({"plain": ["neighbours", "linear", "kernel"], "error": ["value"]}, far=("plain",)),
    "latent": Latent(),
}


def rows(n_labelled=(5, 5)):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 4))
    group = np.full(200, UNLABELLED)
    for k, n in enumerate(n_labelled):
        x[20 * k : 20 * k + 20, k] += 6
        group[20 * k : 20 * k + n] = DEFECT + k
    return Evidence(x[:, :2], np.exp(x[:, -1]), {"plain": x}), group


@pytest.mark.parametrize("name", SCORERS)
def test_the_highest_kind_counts_and_each_knows_its_own(name):
    evidence, group = rows()
    scorer = Kinds(SCORERS[name], 2)
    state = scorer.fit(evidence, group)
    found = scorer.scores(state, evidence, labelled=True)
    each: Any = np.stack([np.asarray(one.defect) for one in found.kinds])
    np.testing.assert_array_equal(found.defect, each.max(axis=0))
    assert (each[:, 5:20].argmax(axis=0) == 0).mean() > 0.8
    assert (each[:, 25:40].argmax(axis=0) == 1).mean() > 0.8


@pytest.mark.parametrize("name", SCORERS)
def test_every_labelled_defect_is_scored_for_every_kind_by_scorers_fitted_without_it(name):
    evidence, group = rows()
    scorer = Kinds(SCORERS[name], 2)
    state = scorer.fit(evidence, group)
    found = scorer.out_of_fold_of_kinds(state, evidence, group)
    assert found.shape == (10, 2)
    assert np.isfinite(found).all()
    known = scorer.out_of_fold_scores(state, evidence, group)
    np.testing.assert_array_equal(known, found.max(axis=1))


def test_the_only_label_of_a_kind_and_a_kind_without_labels():
    evidence, group = rows((5, 1))
    scorer = Kinds(SCORERS["ensemble"], 3)
    state = scorer.fit(evidence, group)
    assert state.n_labelled.tolist() == [5, 1, 0]
    found = scorer.scores(state, evidence, labelled=True)
    assert found.kinds[2].defect is None
    second = np.asarray(found.kinds[1].defect)
    assert second[20] > np.median(second)
    unseen = scorer.out_of_fold_of_kinds(state, evidence, group)
    assert np.isnan(unseen[:, 2]).all()
    assert np.isnan(unseen[5, 1])
    assert len(scorer.out_of_fold_scores(state, evidence, group)) == 5


def test_one_kind_of_two_is_the_scorer_of_one():
    """One cross-validation for all kinds learns, of a single labelled kind, what the scorer learns alone."""
    evidence, group = rows((5, 0))
    scorer = SCORERS["ensemble"]
    of_two: Any = Kinds(scorer, 2).fit(evidence, group).of_kinds[0]
    alone = scorer.fit(evidence, of_kind(group, 0))
    np.testing.assert_array_equal(of_two.labelled.weights, alone.labelled.weights)
    np.testing.assert_array_equal(scorer.defect_score(of_two, evidence), scorer.defect_score(alone, evidence))
