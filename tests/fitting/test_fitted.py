"""What a fit keeps to decide with, decisions that it cannot support, and whether new data look like its own."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from blemish import DefectDetector, load
from blemish.calibration.conformal import conformal_p_values
from blemish.calibration.drift import LEVEL, compare
from blemish.core.errors import ConfigError, DataError, LabelError, NoDefectsError
from blemish.core.labels import to_groups
from blemish.fitting.fit import MAX_REFITTED

pytestmark = pytest.mark.usefixtures("few_trees")

QUICK = {"name": "ensemble", "experts": {"plain": ["linear"], "error": ["value"]}}


def test_where_few_rows_are_held_out_the_scorer_learns_from_them_after_they_have_calibrated(table_split, tmp_path):
    X, y = table_split.X_train, table_split.y_train
    det = DefectDetector(epochs=1, scorer=QUICK, random_state=0).fit(X, y)
    fitted, new = det.fitted_, table_split.X_test
    evidence = fitted.model.evidence(fitted.model.to_tensor(X))
    assert len(fitted.held_out)
    assert fitted.out_of_fold_state
    np.testing.assert_array_equal(
        np.sort(fitted.out_of_fold.defect_score(evidence[fitted.held_out])), fitted.calibration.ordinary
    )
    assert not np.array_equal(fitted.defect_score(evidence), fitted.out_of_fold.defect_score(evidence))
    state: Any = fitted.scorer_state
    learnt: Any = fitted.scorer.fit(
        evidence, to_groups(y, len(X))
    )  # these experts draw no random number but for the folds
    assert np.array_equal(learnt.members[1].own.normal, state.members[1].own.normal)

    scores = fitted.out_of_fold.decision_score(fitted.model.evidence(fitted.model.to_tensor(new)))
    np.testing.assert_array_equal(det.p_values(new), conformal_p_values(fitted.calibration.ordinary, scores))
    det.save(tmp_path / "m.blemish")
    again = load(tmp_path / "m.blemish")
    np.testing.assert_array_equal(again.p_values(new), det.p_values(new))
    np.testing.assert_array_equal(again.defect_score(new), det.defect_score(new))


def test_where_many_rows_are_held_out_one_fit_of_the_scorer_is_enough():
    X = np.random.default_rng(0).normal(size=(5 * (MAX_REFITTED + 1), 2))
    det = DefectDetector(epochs=1, scorer="latent", random_state=0).fit(X)
    assert len(det.fitted_.held_out) == MAX_REFITTED + 1
    assert not det.fitted_.out_of_fold_state
    assert det.fitted_.out_of_fold is det.fitted_


def table(n, defects=0, seed=0):
    X = np.random.default_rng(seed).normal(size=(n + defects, 3))
    return X, np.array([None] * n + ["defect"] * defects, dtype=object)


@pytest.fixture(scope="module")
def few():
    return DefectDetector(epochs=1, scorer=QUICK, random_state=0).fit(*table(40, 6))


@pytest.fixture(scope="module")
def unlabelled():
    return DefectDetector(epochs=1, scorer="latent", random_state=0).fit(table(120)[0])


@pytest.mark.parametrize("ask", ["p_values", "select", "drift"])
def test_no_calibration_data_is_said_with_the_rows_that_it_takes(few, ask):
    with pytest.raises(DataError, match="held-out rows; fit on at least 100 unlabelled rows"):
        getattr(few, ask)(table(5)[0])


def test_few_rows_support_a_rate_out_of_fold_and_a_lower_one_is_refused(few):
    assert few.set_threshold(false_positive_rate=0.1).promise_.supported
    assert "(40 rows, out of fold)" in few.promise_.text
    with pytest.raises(
        DataError, match="a false positive rate of 0.001 needs at least 999 held-out rows, there are 40"
    ):
        few.set_threshold(false_positive_rate=0.001)


@pytest.mark.parametrize("group", ["defect", "other"])
def test_a_single_group_is_refused(group):
    with pytest.raises(LabelError, match="there is no unlabelled or normal row to learn from"):
        DefectDetector(epochs=1).fit(table(30)[0], [group] * 30)


def test_targets_about_defects_need_labelled_ones(unlabelled):
    for target in ({"recall": 0.5}, {"precision": 0.5}):
        with pytest.raises(NoDefectsError, match=f"{next(iter(target))} needs labelled defects"):
            unlabelled.set_threshold(**target)


@pytest.mark.parametrize("target", ["recall", "precision", "false_positive_rate", "contamination"])
@pytest.mark.parametrize("value", [0.0, 1.0, -0.2, 20.0, float("nan"), float("inf")])
def test_targets_outside_their_range_are_refused_and_change_nothing(few, target, value):
    cut = few.threshold_
    with pytest.raises((ConfigError, DataError), match=rf"{target}|precision needs rows labelled"):
        few.set_threshold(**{target: value})
    assert few.threshold_ == cut


@pytest.mark.parametrize("budget", [0, -3, 40, 1000])
def test_a_budget_must_lie_below_the_data(few, budget):
    with pytest.raises((ConfigError, DataError), match="budget"):
        few.set_threshold(budget=budget)


def test_conflicting_targets_and_none_are_refused(few):
    with pytest.raises(ConfigError, match="give exactly one of recall, .*, got recall, precision"):
        few.set_threshold(recall=0.5, precision=0.5)
    with pytest.raises(ConfigError, match="got none"):
        few.set_threshold()


@pytest.mark.parametrize("fdr", [0.0, 1.0, -1.0, 3.0, float("nan")])
def test_a_false_discovery_rate_is_a_share(unlabelled, fdr):
    with pytest.raises(ConfigError, match="must lie strictly between 0 and 1"):
        unlabelled.select(table(5)[0], fdr=fdr)


def parts_made(n, seed, speed=100.0, red=0.5):
    rng = np.random.default_rng(seed)
    colours = np.where(rng.random(n) < red, "red", "blue")
    return pd.DataFrame({"speed": rng.normal(speed, 5, n), "heat": rng.normal(size=n), "colour": colours})


@pytest.fixture(scope="module")
def machine():
    return DefectDetector(epochs=3, random_state=0).fit(parts_made(600, 0))


def test_data_of_the_same_kind_are_rarely_called_drifted(machine):
    called = [bool(machine.drift(parts_made(200, seed)).found) for seed in range(1, 61)]
    assert np.mean(called) <= LEVEL + 3 * np.sqrt(LEVEL / 60)


def test_a_moved_column_is_named_with_the_evidence(machine):
    drift = machine.drift(parts_made(200, 1, speed=110))
    assert drift.found[0].name == "speed"
    assert drift.found[0].effect > 0.5
    assert float(drift.found[0].seen.removeprefix("median ")) == pytest.approx(110, abs=2)
    assert float(drift.found[0].expected.removeprefix("median ")) == pytest.approx(100, abs=2)
    assert drift.text.startswith("these data do not look like the training data (200 rows compared; speed: median 1")
    assert drift.text.endswith("scores may mislead: fit again")
    assert "outlier score" in {shift.name for shift in drift.shifts}


def test_a_column_that_is_mostly_zero_is_described_by_its_mean():
    rng = np.random.default_rng(0)
    before, now = ((rng.random(400) < share) * 2.0 for share in (0.1, 0.4))
    shift = compare({"a": before.tolist()}, {"a": now.tolist()}, 400, 400).found[0]
    assert shift.expected == f"mean {before.mean():.4g}"
    assert shift.seen == f"mean {now.mean():.4g}"


def test_a_category_that_was_never_there_is_named(machine):
    new = parts_made(200, 1)
    new.loc[new.index[::2], "colour"] = "green"
    shift = next(s for s in machine.drift(new).found if s.name == "colour")
    assert shift.seen == "'(not seen in training)' in 50%"
    assert shift.expected == "'(not seen in training)' in 0%"
    assert machine.explain(new.iloc[:1]).seen[0][2] == "(not seen in training)"


def test_a_small_change_in_many_rows_is_no_drift():
    rng = np.random.default_rng(0)
    values = {"a": rng.normal(size=20_000).tolist()}, {"a": (rng.normal(size=20_000) + 0.1).tolist()}
    drift = compare(*values, 20_000, 20_000)
    assert drift.shifts[0].p_value < 1e-6
    assert drift.found == ()
    assert drift.text == "these data look like the training data (20000 rows compared)"


def test_the_model_file_remembers_what_the_data_looked_like(machine, tmp_path):
    machine.save(tmp_path / "m.blemish")
    new = parts_made(1500, 1, red=0.9)
    drift = load(tmp_path / "m.blemish").drift(new)
    assert drift == machine.drift(new)
    assert drift.found[0].name == "colour"
    assert (drift.n, drift.n_reference) == (750, 120)


def test_images_are_compared_by_code_and_score():
    rng = np.random.default_rng(0)
    pictures = rng.random((120, 1, 16, 16)).astype(np.float32) * 0.2
    machine = DefectDetector(epochs=1, random_state=0).fit(pictures)
    assert not machine.drift(pictures[:60]).found
    assert machine.drift(list(pictures[:60] + 0.7)).found


def test_too_few_rows_to_hold_some_out_are_refused():
    with pytest.raises(DataError, match="drift needs held-out rows; fit on at least 100 unlabelled rows"):
        DefectDetector(epochs=1, random_state=0).fit(parts_made(30, 0)).drift(parts_made(30, 1))
