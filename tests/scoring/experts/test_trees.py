"""Trees as arrays against scikit-learn's own; the isolation forest, and its equation 1."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesClassifier, IsolationForest

import reference
from blemish.scoring.experts import EXPERTS
from blemish.scoring.experts.trees import as_arrays, path_left, trees_score
from scoring_examples import island


def test_trees_as_arrays_score_as_scikit_learns_do():
    x, is_defect, weight = island()
    x = x.astype(np.float32)
    model = ExtraTreesClassifier(20, min_samples_leaf=2, random_state=0).fit(x, is_defect, sample_weight=weight)
    state = EXPERTS["trees"](n_trees=20).fit(x, is_defect, weight, 0)
    np.testing.assert_allclose(EXPERTS["trees"]().score(state, x), model.predict_proba(x)[:, 1], rtol=1e-12, atol=1e-12)


def test_a_tree_of_one_leaf_is_its_value():
    model = ExtraTreesClassifier(1, random_state=0).fit(np.zeros((4, 1)), [0, 0, 0, 1])
    state = as_arrays(model.estimators_, lambda tree: np.array([0.25]))
    assert trees_score(state, np.ones((3, 1))).tolist() == [0.25] * 3


@pytest.mark.parametrize("name", ["trees", "forest", "isolation"])
def test_the_walk_in_numpy_gives_the_bits_of_the_compiled_one(name, monkeypatch):
    from blemish.scoring.experts import trees

    rng = np.random.default_rng(0)
    x = rng.standard_normal((400, 5)).astype(np.float32)
    x[:6, 0] += 4
    is_defect = np.arange(400) < 6
    expert = EXPERTS[name]()
    state = expert.fit(x, is_defect, np.ones(400), 0)
    compiled = expert.score(state, x)
    monkeypatch.setattr(trees, "NODE_DTYPE", np.dtype([("another", "i4")]))  # of some other scikit-learn
    trees._COMPILED.clear()
    np.testing.assert_array_equal(expert.score(state, x), compiled)
    monkeypatch.setattr(trees, "walk", None)
    with pytest.raises(TypeError):
        expert.score(state, x)


def test_walks_are_kept_as_long_as_their_trees():
    from blemish.scoring.experts import trees

    x, is_defect = np.random.default_rng(0).standard_normal((400, 5)).astype(np.float32), np.arange(400) < 6
    expert = EXPERTS["trees"]()
    state = expert.fit(x, is_defect, np.ones(400), 0)
    expert.score(state, x)
    place = tuple(id(getattr(state, name)) for name in ("roots", "feature", "threshold", "children", "value"))
    first = trees._COMPILED[place]
    expert.score(state, x)
    assert trees._COMPILED[place] is first
    other = replace(state, value=np.zeros_like(state.value))
    assert (expert.score(other, x) == 0).all()
    del state, other
    assert place not in trees._COMPILED


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


@pytest.mark.parametrize("name", ["trees", "forest"])
def test_the_trees_of_several_kinds_hold_the_fraction_of_each(name):
    x, is_defect, weight = island()
    kind = np.where(is_defect, 1 + np.arange(len(x)) % 2, 0)
    one, other = EXPERTS[name](n_trees=5).fit_kinds(x, kind, weight, 0)
    assert one.feature is other.feature
    first, second = (EXPERTS[name]().score(state, x) for state in (one, other))
    assert ((first >= 0) & (second >= 0) & (first + second <= 1 + 1e-9)).all()
    assert first[kind == 1].mean() > first[kind == 2].mean()
    alone = EXPERTS[name](n_trees=5).fit(x, is_defect, weight, 0)
    (same,) = EXPERTS[name](n_trees=5).fit_kinds(x, is_defect.astype(int), weight, 0)
    np.testing.assert_array_equal(same.value, alone.value)
