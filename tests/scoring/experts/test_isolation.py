"""The isolation forest against scikit-learn's, and equation 1."""

import numpy as np
import pytest
from sklearn.ensemble import IsolationForest

import reference
from blemish.scoring.experts import EXPERTS
from blemish.scoring.experts.isolation import path_left
from scoring_examples import island


def test_isolation_ranks_as_scikit_learns_forest_does():
    x, is_defect, weight = island()
    expert = EXPERTS["isolation"](n_trees=30)
    score = expert.score(expert.fit(x, is_defect, weight, 3), x)
    theirs = -IsolationForest(n_estimators=30, random_state=3).fit(x[~is_defect]).score_samples(x)
    assert np.corrcoef(np.log2(theirs), score)[0, 1] > 0.999999


def test_path_left_is_equation_1():
    assert path_left(np.array([1.0, 2.0])).tolist() == [0, 1]
    for n in (10, 64, 256):  # the harmonic number against its logarithm
        assert path_left(np.array([float(n)]))[0] == pytest.approx(reference.path_left(n), abs=1.1 / n)
