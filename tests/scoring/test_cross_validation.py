"""Cross-validation of an expert over the labelled defects."""

import numpy as np
import pytest

from blemish.scoring.cross_validation import folds, mean_surprisal, out_of_fold
from blemish.scoring.experts import EXPERTS
from scoring_examples import island


def test_folds_deal_defects_evenly_and_spare_a_single_one():
    is_defect = np.arange(103) >= 95
    fold = folds(is_defect.astype(int), 4, 0, None)
    assert np.bincount(fold[is_defect]).tolist() == [2, 2, 2, 2]
    assert np.ptp(np.bincount(fold[~is_defect])) <= 1
    single = folds((np.arange(10) == 9).astype(int), 2, 0, None)
    assert single[9] == -1


def test_an_out_of_fold_score_is_by_an_expert_that_has_not_seen_the_row():
    x, is_defect, weight = island()
    fold = folds(is_defect.astype(int), 4, 0, None)
    scores = out_of_fold(EXPERTS["linear"](), x, is_defect.astype(int), weight, fold, 0)[:, 0]
    seen = fold != 2
    state = EXPERTS["linear"]().fit(x[seen], is_defect[seen], weight[seen], 0)
    np.testing.assert_allclose(scores[~seen], EXPERTS["linear"]().score(state, x[~seen]))


def test_mean_surprisal_is_the_mean_log_of_what_is_above():
    scores = np.array([0.0, 1, 2, 3, 2.5])
    is_defect, fold = np.arange(5) == 4, np.zeros(5, dtype=int)
    assert mean_surprisal(scores, is_defect, fold) == pytest.approx(-np.log(2 / 5))
