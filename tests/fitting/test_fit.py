"""A fit begins, trains, and ends early or late; a refit starts from the weights of the former."""

from copy import copy

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from blemish import DefectDetector

pytestmark = pytest.mark.usefixtures("few_trees")


def test_early_stopping_stops(table_split):
    det = DefectDetector(epochs={"at_most": 200, "patience": 2}, random_state=0).fit(table_split.X_train)
    assert 3 <= len(det.history_) < 200
    assert det.history_[0].validation is not None


@pytest.mark.parametrize(("epochs", "again"), [(1, 1), (2, 1), (4, 1), (10, 2), (20, 5), (200, 50), ("auto", 50)])
def test_a_refit_takes_a_quarter_of_the_epochs(epochs, again, table_split, table_detector):
    X, det = table_split.X_train[:100], copy(table_detector).set_params(epochs=epochs)
    assert det.begin_fit(X).objective.plan.epochs == (200 if epochs == "auto" else epochs)
    assert det.begin_fit(X, warm_start=True).objective.plan.epochs == again


def test_a_tenth_of_the_rows_to_learn_from_decide_when_to_stop(table_split, table_detector):
    y = table_split.y_train
    det = copy(table_detector).set_params(epochs={"at_most": 9, "patience": 3})
    fit = det.begin_fit(table_split.X_train, y)
    data, n_ordinary = fit.objective.data, int((y != "defect").sum()) - len(fit.held_out)
    assert (fit.patience, fit.objective.plan.epochs) == (3, 9)
    assert len(data.held_out) == n_ordinary // 10
    assert len(data.x) == len(y) - len(fit.held_out) - len(data.held_out)


def test_a_fit_that_judges_some_rows_keeps_their_names_groups_and_places(table_split, table_detector):
    fit = table_detector.begin_fit(table_split.X_train, table_split.y_train)
    rows = np.unique([*fit.held_out[::2], *range(0, len(fit.group), 5)])
    some = fit.judging(rows)
    assert list(some.names) == [fit.names[row] for row in rows]
    np.testing.assert_array_equal(some.group, fit.group[rows])
    np.testing.assert_array_equal(rows[some.held_out], np.intersect1d(rows, fit.held_out))
    assert some.objective is fit.objective


def test_refit_goes_on_with_new_labels(table_split):
    det = DefectDetector(epochs=20, random_state=0).fit(table_split.X_train)
    held_out, first = det.fitted_.held_out, det.history_[0].total
    det.refit(table_split.X_train, table_split.y_train)
    np.testing.assert_array_equal(det.fitted_.held_out, held_out)
    assert det.history_[0].terms["Typed"] < first, "it went on from the fitted weights"
    assert len(det.history_) == 5
    assert det.defect_score(table_split.X_test).shape == (180,)
    with pytest.raises(NotFittedError):
        DefectDetector().refit(table_split.X_train)


def test_leaving_the_generator_early_keeps_the_old_fit(table_split):
    det = DefectDetector(epochs=3, random_state=0).fit(table_split.X_train, table_split.y_train)
    fitted = det.fitted_
    scores = det.defect_score(table_split.X_test)
    for warm_start in (False, True):
        for _ in det.iter_fit(table_split.X_train, table_split.y_train, warm_start=warm_start):
            break
    assert det.fitted_ is fitted
    np.testing.assert_array_equal(det.defect_score(table_split.X_test), scores)


def test_leaving_early_keeps_what_the_former_fit_was(table_split):
    X = np.asarray(table_split.X_train)
    det = DefectDetector(epochs=2, random_state=0).fit(X)
    before = (det.seed_, det.history_, det.n_features_in_)
    for _ in det.set_params(random_state=1).iter_fit(X[:, :2]):
        break
    assert (det.seed_, det.history_, det.n_features_in_) == before
