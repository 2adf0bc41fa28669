"""Is more labelling worth it? The report on labels that are good, wrong, contradictory or too few."""

import numpy as np
import pytest

from blemish import DefectDetector, load
from blemish.calibration.calibration import Calibration
from blemish.calibration.label_report import far_below, label_report
from blemish.calibration.label_statistics import LabelStatistics
from blemish.core.errors import ConfigError, DataError, NoDefectsError
from blemish.scoring import SCORERS

ATTACK = "<script>alert(1)</script>"


def rows(n=400, n_defect=8, seed=0, distance=4.0):
    """Normals round the origin with odd ones among them, defects on one side."""
    rng = np.random.default_rng(seed)
    X = rng.standard_t(3, size=(n + n_defect, 4))
    X[:, 0] = rng.normal(size=len(X)) + np.repeat([0, distance], [n, n_defect])
    return X, np.array([None] * n + ["defect"] * n_defect, dtype=object)


QUICK = {"name": "ensemble", "experts": {"plain": ["linear"], "error": ["value"]}}


def fitted(X, y):
    return DefectDetector(epochs=1, scorer=QUICK, random_state=0).fit(X, y)


@pytest.fixture(scope="module")
def det():
    return fitted(*rows())


def test_it_answers_six_questions(det):
    found = det.label_report()
    assert det.fitted_.curve_rows is None
    assert (found.n_defects, found.n_negatives, found.batch) == (8, 0, 80)
    assert (found.n_rejected, found.curve[0].far_out) == (0, found.curve[0].surprisal)  # their former names
    assert not hasattr(found, "n_labelled")
    assert found.budget == max(1, int((det.fitted_.calibration.defect > det.threshold_).sum()))
    assert list(found.says) == [
        "What to expect",
        "Better than without labels?",
        "Is more labelling worth it?",
        "Labels that contradict each other",
        "Labels that look wrong",
        "Near-duplicates",
    ]
    assert (found.wins, found.losses) == (5, 1)
    assert found.p_value == pytest.approx(7 / 64)  # 5 or 6 of 6 fair coins
    assert not found.beats
    assert found.above > 0.95
    assert 0 < found.at_budget.low < found.at_budget.precision <= found.at_budget.high
    assert [step.n_labels for step in found.curve] == [1, 2, 4, 6]
    assert (found.conflicts, found.doubts) == ((), ())
    assert str(found).startswith("8 labelled defects, 0 rows labelled 'other' or 'normal'\nWhat to expect: Of the ")


def test_it_knows_the_precision_that_new_rows_have(det):
    """The stated share is the true one: the precision among new rows lies in the interval."""
    rng = np.random.default_rng(1)
    new, mine = rng.standard_t(3, size=(20_000, 4)), rng.random(20_000) < 0.05
    new[:, 0] = rng.normal(size=len(new)) + 4 * mine
    found = det.set_prior(defect=0.05).label_report(budget=4)
    det.set_prior(defect=0.03)
    top = np.argsort(-det.defect_score(new))[: len(new) * 4 // 80]
    assert found.at_budget.low <= mine[top].mean() <= found.at_budget.high


def test_a_wrong_label_is_named_and_no_right_one():
    X, y = rows(n_defect=12)
    X[-1] = 0.1  # called a defect, and as ordinary as can be
    found = fitted(X, y).label_report()
    assert [doubt.name for doubt in found.doubts] == [len(X) - 1]
    assert found.beats
    assert found.doubts[0].label == "defect"
    assert "a model fitted without it puts" in found.doubts[0].why
    assert found.doubts[0].as_high > 0.05


def test_an_other_that_looks_like_a_defect_is_named():
    X, y = rows(n_defect=12)
    X[-1], y[-1] = [5.0, 0, 0, 0], "other"
    found = fitted(X, y).label_report()
    assert [(doubt.name, doubt.label) for doubt in found.doubts] == [(len(X) - 1, "other")]
    assert "although the model was fitted on its label" in str(found)


def test_near_duplicates_with_different_labels_are_named():
    X, y = rows()
    X = np.vstack([X, X[-1] + 1e-9, X[-2] + 2.0])
    y = np.append(y, ["other", "normal"])
    found = fitted(X, y).label_report()
    assert [(c.names, c.labels) for c in found.conflicts] == [((407, 408), ("defect", "other"))]
    assert "407 is labelled defect and 408 other, but they are nearly identical" in str(found)


def test_labels_that_say_nothing_are_not_better_than_none():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 4))
    y = np.array([None] * 392 + ["defect"] * 8, dtype=object)
    found = fitted(X, y).label_report()
    assert not found.beats
    assert found.says["Better than without labels?"].startswith("Not shown yet. ")
    assert found.at_budget is not None
    assert found.at_budget.precision < 0.5


def test_more_labels_are_worth_it_where_they_are():
    """Defects of many kinds: each new one teaches something, and the curve says so."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(640, 8))
    X[-40:] = rng.normal(size=(40, 8)) + 5 * np.eye(8)[np.arange(40) % 8] * rng.choice([1, 1], 40)[:, None]
    y = np.array([None] * 600 + ["defect"] * 40, dtype=object)
    found = fitted(X, y).label_report()
    assert [step.n_labels for step in found.curve] == [1, 2, 4, 8, 16, 30]
    assert found.curve[-1].above > found.curve[0].above + 0.05
    easy = fitted(*rows(n_defect=40, distance=8.0)).label_report()
    assert easy.rising is False
    assert "No significant gain so far: with 16 labelled defects" in str(easy)


def test_only_what_looks_ordinary_and_lies_apart_is_doubted():
    assert far_below(np.array([0.01] * 4 + [0.25])).tolist() == [False] * 4 + [True]
    assert not far_below(np.array([0.01] * 4 + [0.19])).any()  # one of five ordinary rows: rare enough
    assert not far_below(np.array([0.01, 0.1, 0.2, 0.3, 0.5])).any()


def test_a_single_label_says_nothing_of_itself():
    X, y = rows(n_defect=1)
    found = fitted(X, y).label_report()
    assert found.at_budget is None
    assert "Label a second one" in str(found)
    assert found.to_frame()["precision"].isna().all()


def test_two_labels_make_no_curve():
    found = fitted(*rows(n_defect=2)).label_report()
    assert found.rising is None
    assert "A learning curve needs at least three labelled defects" in str(found)


def test_the_model_file_keeps_the_curve_and_without_it_the_rows_are_asked_for(tmp_path):
    X, y = rows()
    det = fitted(X, y)
    det.save(tmp_path / "before.blemish")
    drawn = det.label_report(budget=3)
    det.save(tmp_path / "after.blemish")
    assert load(tmp_path / "after.blemish").label_report(budget=3) == drawn
    plain = load(tmp_path / "before.blemish")
    assert plain.label_report(budget=3).curve == ()
    assert "it needs the training rows" in str(plain.label_report())
    with pytest.raises(DataError, match="these 401 rows have 1 labelled defects, the model was fitted with 8"):
        plain.label_report(X[:401], y[:401])
    assert [s.n_labels for s in plain.label_report(X, y).curve] == [1, 2, 4, 6]
    assert plain.label_report(budget=3) == drawn


def test_a_frame_and_a_page_of_it_escape_what_they_hold(det):
    import pandas as pd

    frame = det.label_report().to_frame()
    assert isinstance(frame, pd.DataFrame)
    assert frame["about"].tolist() == ["budget", "labels pay", *["curve"] * 4]
    X, y = rows(n_defect=12)
    X[-1] = 0.1  # looks wrong, so it is named
    named = pd.DataFrame(X, index=[f"{ATTACK}{i}" for i in range(len(X))])
    html = fitted(named, y).label_report()._repr_html_()
    assert "Labels that look wrong" in html
    assert ATTACK not in html
    assert "&lt;script&gt;" in html


@pytest.mark.parametrize("budget", [0, 80, 81, -1])
def test_a_budget_larger_than_the_data_is_refused(det, budget):
    with pytest.raises(ConfigError, match="budget"):
        det.label_report(budget=budget)


def test_without_labelled_defects_there_is_nothing_to_report(table_split):
    with pytest.raises(NoDefectsError, match="label_report needs labelled defects"):
        fitted(rows()[0], None).label_report()


@pytest.mark.parametrize("name", SCORERS)
def test_every_scorer_has_a_report(name, table_split):
    det = DefectDetector(epochs=2, scorer=QUICK if name == "ensemble" else name, random_state=0).fit(
        table_split.X_train, table_split.y_train
    )
    found = det.label_report()
    assert len(found.curve) == 4
    assert found == det.label_report()


def test_intervals_hold_the_truth_nine_times_of_ten():
    """Many draws of eight labelled defects: how often the interval of the precision covers the true one."""
    from scipy.stats import norm

    rng, share, budget, n, covered = np.random.default_rng(0), 0.05, 10, 400, 0
    for _ in range(400):
        ordinary = np.sort(rng.normal(size=n))
        known = rng.normal(2.0, 1, 8)
        calibration = Calibration(ordinary, ordinary, known)
        labels = LabelStatistics(known, np.zeros(0), np.zeros((0, 2), dtype=int))
        found = label_report(calibration, labels, list(range(8)), share, budget, ["defect"] * 8)
        cut = np.linspace(-2, 6, 4000)
        reported = share * norm.sf(cut, 2) + (1 - share) * norm.sf(cut)
        at = np.abs(reported - budget / n).argmin()
        truth = share * norm.sf(cut[at], 2) / reported[at]
        assert found.at_budget is not None
        covered += found.at_budget.low <= truth <= found.at_budget.high
    assert covered / 400 >= 0.9 - 3 * np.sqrt(0.09 / 400)
