"""Trees grown by scikit-learn's builder alone are those of its estimator."""

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesClassifier

from blemish.scoring.experts import growing
from blemish.scoring.experts.growing import extra_trees


def same(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        for name in ("feature", "threshold", "children_left", "children_right", "value", "n_node_samples"):
            np.testing.assert_array_equal(getattr(one.tree_, name), getattr(other.tree_, name))


def example(n, n_features, n_defects):
    rng = np.random.default_rng(n)
    x = rng.normal(size=(n, n_features)).astype(np.float32).round(1)  # with ties
    return x, (rng.permutation(n) < n_defects).astype(np.int64), rng.random(n) + 0.1


@pytest.mark.parametrize(("n", "n_features", "n_defects"), [(2, 1, 1), (40, 5, 1), (60, 26, 8), (30, 3, 29)])
@pytest.mark.parametrize("least_rows", [1, 2])
def test_they_are_the_same_bit_for_bit(n, n_features, n_defects, least_rows):
    x, kind, weight = example(n, n_features, n_defects)
    model = ExtraTreesClassifier(7, min_samples_leaf=least_rows, random_state=3)
    grown = extra_trees(x, kind, weight, 7, least_rows, 3)
    assert type(grown[0]).__name__ == "Grown"
    same(grown, model.fit(x, kind, sample_weight=weight).estimators_)


def test_several_kinds_are_classes_and_one_without_rows_is_scikit_learns():
    x, kind, weight = example(60, 4, 20)
    kind[:3] = 2
    model = ExtraTreesClassifier(7, min_samples_leaf=2, random_state=3).fit(x, kind, sample_weight=weight)
    grown = extra_trees(x, kind, weight, 7, 2, 3)
    assert type(grown[0]).__name__ == "Grown"
    same(grown, model.estimators_)
    assert type(extra_trees(x, 2 * kind, weight, 7, 2, 3)[0]).__name__ == "ExtraTreeClassifier"


@pytest.mark.parametrize("error", [TypeError, ValueError, AttributeError])
def test_another_version_of_the_builder_is_gone_round(monkeypatch, error):
    def other(*_):
        raise error("another version")

    x, kind, weight = example(40, 5, 4)
    expected = extra_trees(x, kind, weight, 3, 2, 0)
    monkeypatch.setattr(growing, "RandomSplitter", other)
    found = extra_trees(x, kind, weight, 3, 2, 0)
    assert type(found[0]).__name__ == "ExtraTreeClassifier"
    same(found, expected)


def test_one_class_alone_is_scikit_learns():
    x, _, weight = example(12, 2, 0)
    assert len(extra_trees(x, np.zeros(12, np.int64), weight, 3, 2, 0)) == 3
