"""What a decision may promise: p-values and false discoveries by simulation, and every kind of bad input."""

import numpy as np
import pytest

from blemish import DefectDetector, load
from blemish.calibration.conformal import conformal_p_values, discoveries
from blemish.calibration.thresholds import (
    for_budget,
    for_contamination,
    for_false_positive_rate,
    for_fraction,
    for_precision,
    for_recall,
)
from blemish.core.errors import ConfigError, DataError, LabelError, NoDefectsError
from blemish.core.labels import to_groups
from blemish.fitting.fitted import MAX_REFITTED

QUICK = {"name": "ensemble", "experts": {"plain": ["linear"], "error": ["value"]}}
LEVELS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 1 / 3, 0.5, 0.75, 0.9, 0.99, 1.0)
SCORES = {
    "continuous": lambda rng, size: rng.normal(size=size),
    "heavy tails": lambda rng, size: rng.standard_cauchy(size=size),
    "four values": lambda rng, size: rng.integers(0, 4, size=size).astype(float),
    "mostly zero": lambda rng, size: (rng.random(size) < 0.05) * rng.exponential(size=size),
    "yes or no": lambda rng, size: (rng.random(size) < 0.1).astype(float),
    "rounded": lambda rng, size: rng.normal(size=size).round(1),
    "constant": lambda rng, size: np.ones(size),
    "some infinite": lambda rng, size: np.where(rng.random(size) < 0.2, np.inf, rng.normal(size=size)),
}
"""How scores of ordinary rows may be distributed: ties, few values, outliers among the calibration rows."""


def more_than(share, level, times):
    """Whether a share of so many draws lies above the level by more than four standard errors."""
    return share > level + 4 * np.sqrt(level * (1 - level) / times)


@pytest.mark.slow
@pytest.mark.parametrize("n", [1, 2, 3, 5, 9, 19, 20, 99, 250])
@pytest.mark.parametrize("kind", SCORES)
def test_p_values_are_valid_at_every_level_whatever_the_scores(kind, n):
    rng, times = np.random.default_rng(n), 20_000
    draws = SCORES[kind](rng, (times, n + 1))
    p = np.array([conformal_p_values(row[:n], row[n:])[0] for row in draws])
    assert ((p > 0) & (p <= 1)).all()
    for level in (*LEVELS, *(k / (n + 1) for k in range(1, min(n, 12) + 1))):
        assert not more_than((p <= level + 1e-12).mean(), level, times), level


@pytest.mark.slow
@pytest.mark.parametrize("n", [9, 19, 99])
def test_p_values_are_exact_where_there_are_no_ties(n):
    """Not merely valid: without ties p is uniform on 1/(n + 1), …, 1, so nothing is given away."""
    rng, times = np.random.default_rng(0), 20_000
    p = np.array([conformal_p_values(row[:n], row[n:])[0] for row in rng.normal(size=(times, n + 1))])
    counts = np.bincount(np.round(p * (n + 1)).astype(int), minlength=n + 2)[1:]
    assert np.abs(counts / times - 1 / (n + 1)).max() < 5 * np.sqrt(1 / (n + 1) / times)


@pytest.mark.slow
@pytest.mark.parametrize("fdr", [0.05, 0.1, 0.3])
@pytest.mark.parametrize("n_outliers", [0, 5, 25])
@pytest.mark.parametrize("n", [19, 199])
@pytest.mark.parametrize("kind", ["continuous", "four values", "mostly zero", "rounded", "some infinite"])
def test_false_discoveries_are_as_few_as_was_asked(kind, n, n_outliers, fdr):
    """All p-values share the calibration rows; the false share is at most fdr on average, over both."""
    rng, times, n_ordinary = np.random.default_rng(0), 2000, 50
    false = []
    for _ in range(times):
        scores = SCORES[kind](rng, n + n_ordinary)
        tested = np.concatenate([scores[n:], 2 + SCORES[kind](rng, n_outliers)])
        found = discoveries(conformal_p_values(scores[:n], tested), fdr)
        false.append(found[:n_ordinary].sum() / max(1, found.sum()))
    allowed = fdr * n_ordinary / (n_ordinary + n_outliers)
    assert np.mean(false) <= allowed + 4 * np.std(false) / np.sqrt(times) + 1e-12


@pytest.mark.slow
@pytest.mark.parametrize("labelled", [False, True])
@pytest.mark.parametrize("n", [100, 250])
def test_a_detectors_p_values_and_selections_hold_over_many_fits(n, labelled):
    """The whole way: tables with whole numbers and repeated rows, hidden outliers, a fit a draw."""
    rng, fits = np.random.default_rng(n), 40
    shares, false, found_any = [], [], 0

    def ordinary(size):
        return np.column_stack([rng.normal(size=size), rng.integers(0, 3, size), (rng.random(size) < 0.1)]).astype(
            float
        )

    for _ in range(fits):
        X, y = ordinary(n + 4), np.array([None] * n + ["defect"] * 4, dtype=object)
        X[n:, 0] += 6
        det = DefectDetector(epochs=1, scorer=QUICK, random_state=int(rng.integers(2**31)))
        det.fit(*((X, y) if labelled else (X[:n], None)))
        new = np.concatenate([ordinary(300), ordinary(100) + np.array([6.0, 0, 0])])
        p = det.p_values(new)
        assert ((p > 0) & (p <= 1)).all()
        shares.append([(p[:300] <= level).mean() for level in LEVELS])
        chosen = det.select(new, fdr=0.2)
        false.append(chosen[:300].sum() / max(1, chosen.sum()))
        found_any += chosen[300:].any()
    mean, error = np.mean(shares, axis=0), np.std(shares, axis=0, ddof=1) / np.sqrt(fits)
    assert (mean <= np.array(LEVELS) + 4 * error + 1e-9).all()
    assert np.mean(false) <= 0.2 + 4 * np.std(false) / np.sqrt(fits)
    if labelled and n == 250:
        assert found_any > fits / 4  # it is not by never choosing anything


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
    learnt = fitted.scorer.fit(evidence, to_groups(y, len(X)))  # these experts draw no random number but for the folds
    assert np.array_equal(learnt["1.normal"], fitted.scorer_state["1.normal"])

    scores = fitted.out_of_fold.decision_score(fitted.model.evidence(fitted.model.to_tensor(new)))
    np.testing.assert_array_equal(det.p_values(new), conformal_p_values(fitted.ordinary, scores))
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


# Bad input


@pytest.mark.parametrize(
    "ask",
    [
        lambda some: conformal_p_values(some, np.ones(2)),
        lambda some: conformal_p_values(np.ones(2), some),
        lambda some: for_false_positive_rate(some, 0.5),
        lambda some: for_contamination(some, 0.5),
        lambda some: for_fraction(some, 0.5),
        lambda some: for_budget(some, 1),
        lambda some: for_recall(some, 0.5),
        lambda some: for_precision(some, np.ones(2), 0.5),
        lambda some: for_precision(np.ones(2), some, 0.5),
    ],
)
def test_nan_scores_are_refused(ask):
    with pytest.raises(DataError, match=r"1 of \d score\(s\) are NaN; leave those rows out, or fit again"):
        ask(np.array([0.0, np.nan, 1.0, 2.0]))


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


def test_without_calibration_data_a_rate_is_marked_and_a_lower_one_refused(few):
    assert not few.set_threshold(false_positive_rate=0.1).promise_.supported
    assert "40 training rows" in few.promise_.text
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
