"""Two-sample tests of columns."""

import numpy as np
import pytest

import reference
from blemish.calibration.drift import compare, compare_numbers, compare_words, mostly_reported


def test_the_distance_of_numbers_is_that_of_the_distribution_functions():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=30).tolist(), (rng.normal(size=20) + 1).tolist()
    effect, p_value = compare_numbers(first, second)
    assert effect == pytest.approx(reference.kolmogorov_smirnov(first, second))
    assert 0 < p_value < 0.05
    assert compare_numbers([*first, np.nan], second)[0] == effect
    assert compare_numbers([np.nan, np.nan], second) == (0.0, 1.0)


def test_the_distance_of_words_is_the_share_that_would_have_to_change():
    before, now = ["red"] * 60 + ["blue"] * 40, ["red"] * 30 + ["blue"] * 50 + ["new"] * 20
    effect, p_value = compare_words(before, now)
    assert effect == pytest.approx(0.3)
    assert p_value < 1e-4
    assert compare_words(["a"] * 30, ["a"] * 30) == (0.0, 1.0)
    assert compare_words(before, before)[1] == pytest.approx(1)


def test_a_gap_that_training_never_had_is_named():
    rng = np.random.default_rng(0)
    reference = {"flow": rng.normal(size=300).tolist(), "hot": [True] * 300}
    found = compare(reference, {"flow": [float("nan")] * 40, "hot": [True] * 35 + [None] * 5}, 300, 40)
    assert "flow: missing in 100%, never in training" in found.text
    assert [(s.name, s.effect, s.seen) for s in found.shifts] == [
        ("flow", 1.0, "missing in 100%"), ("hot", 0.125, "missing in 12%")
    ]  # fmt: skip
    # one in a hundred is no drift, and a column that had gaps is compared as before
    few = {"flow": [float("nan"), *rng.normal(size=299).tolist()], "hot": [True] * 300}
    assert not compare(reference, few, 300, 300).found
    assert not compare(few, few, 300, 300).found


@pytest.mark.parametrize(
    ("n_reported", "n", "said"),
    [(11, 12, True), (2, 2, True), (1, 1, False), (6, 12, False), (7, 12, True), (3, 4, True), (0, 9, False)],
)
def test_most_samples_reported_is_said_unless_chance_would_do(n_reported, n, said):
    assert bool(mostly_reported(n_reported, n, 0.05)) == said


def test_what_a_model_reports_of_normal_samples_decides_what_is_unusual():
    assert mostly_reported(11, 12, 0.0625).startswith("11 of 12 samples are reported, of normal ones 1 in 16 would be:")
    assert mostly_reported(11, 12, 0.9) == mostly_reported(12, 12, 1.0) == ""
