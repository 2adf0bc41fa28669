"""P-values and discoveries against loops and by simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reference
from blemish import DefectDetector
from blemish.calibration.conformal import conformal_p_values, discoveries


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(
    st.lists(st.integers(-3, 3).map(float), min_size=0, max_size=12),
    st.lists(st.integers(-4, 4).map(float), min_size=1, max_size=5),
)
def test_p_values_equal_the_loops_with_ties_counted(calibration, scores):
    p = conformal_p_values(np.array(calibration), np.array(scores))
    assert p.tolist() == [reference.conformal_p_value(calibration, score) for score in scores]
    assert ((p > 0) & (p <= 1)).all()


@pytest.mark.parametrize("decimals", [1, 8], ids=["with ties", "without ties"])
def test_p_values_are_valid_at_every_level(decimals):
    rng, n, times = np.random.default_rng(0), 19, 3000
    draws = rng.normal(size=(times, n + 1)).round(decimals)
    p = np.array([conformal_p_values(row[:n], row[n:])[0] for row in draws])
    for level in (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0):
        assert (p <= level).mean() <= level + 4 * np.sqrt(level * (1 - level) / times)


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(st.lists(st.integers(1, 40).map(lambda k: k / 40), min_size=1, max_size=12), st.sampled_from([0.07, 0.1, 0.33]))
def test_discoveries_equal_the_step_up_procedure(p_values, fdr):
    found = discoveries(np.array(p_values), fdr)
    least = min(
        (p for p, d in zip(p_values, reference.benjamini_hochberg(p_values, fdr), strict=True) if not d), default=2
    )
    assert found.tolist() == [p < least for p in p_values]


def test_no_rows_have_no_discoveries():
    assert discoveries(np.zeros(0), 0.1).tolist() == []


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
