"""Scores of few rows by models that have not seen them, and the odds of 'other' that these correct."""

from typing import Any

import numpy as np
import pytest

from blemish.calibration.out_of_fold import (
    MIN_SLOPE,
    Fold,
    odds_correction,
    odds_within,
    out_of_fold,
    with_corrected_odds,
)
from blemish.core.labels import DEFECT, NORMAL, UNLABELLED
from blemish.scoring.latent import ReconstructionOnly
from blemish.scoring.scorer import Evidence, Scores


def folds_of_errors(errors, *held_out, own=(True, True)):
    """Rows that a fold has not seen have an error greater by 10, all in units of the fold's own."""
    z, rows = np.zeros((len(errors), 1)), np.arange(len(errors))
    return [
        Fold(Evidence(z, (errors + 10.0 * np.isin(rows, out)) * (k + 1.0)), np.array(out), one, b"")
        for k, (out, one) in enumerate(zip(held_out, own, strict=True))
    ]


def whole(errors, group):
    return ReconstructionOnly().fit(Evidence(np.zeros((len(errors), 1)), errors), group)


def as_probabilities(odds, defect=0.0):
    other = 1 / (1 + np.exp(-np.asarray(odds)))
    rest = np.stack([1 - other, other], axis=1) * (1 - defect)
    return np.column_stack([rest, np.full(len(rest), defect)])


def odds_of(p):
    return np.log(p[:, 1] / p[:, 0])


def scores(odds, beyond: Any = 0.0):
    beyond = np.broadcast_to(beyond, np.shape(odds))
    return Scores(np.zeros(len(odds)), None, as_probabilities(odds + beyond), beyond=beyond)


def test_each_row_is_scored_by_the_fold_that_has_not_seen_it():
    errors = np.arange(1.0, 7.0)
    folds = folds_of_errors(errors, [0, 2, 4], [1, 3])
    group = np.array([UNLABELLED, NORMAL, UNLABELLED, UNLABELLED, UNLABELLED, DEFECT])
    found = out_of_fold(ReconstructionOnly(), whole(errors, group), folds, errors, group, 0, labelled=True)
    assert found.outlier == pytest.approx([11, 13, 15, 12, 14])
    assert found.defect is not None
    assert found.defect.tolist() == found.outlier.tolist()
    assert found.odds.shape == (5,)


def test_rows_labelled_since_the_folds_were_dealt_are_no_longer_ordinary():
    errors = np.arange(1.0, 7.0)
    folds = folds_of_errors(errors, [0, 2, 4], [1, 3, 5])
    group = np.array([UNLABELLED, UNLABELLED, DEFECT, UNLABELLED, UNLABELLED, UNLABELLED])
    found = out_of_fold(ReconstructionOnly(), whole(errors, group), folds, errors, group, 0, labelled=False)
    assert found.outlier == pytest.approx([11, 15, 12, 14, 16])
    assert found.defect is None


def test_a_defect_labelled_since_the_folds_were_dealt_is_learnt_from_in_each(monkeypatch):
    errors, learnt, fit = np.arange(1.0, 7.0), [], ReconstructionOnly.fit
    group = np.array([UNLABELLED, UNLABELLED, DEFECT, UNLABELLED, UNLABELLED, UNLABELLED])
    folds, of_all = folds_of_errors(errors, [0, 2, 4], [1, 3, 5]), whole(errors, group)
    monkeypatch.setattr(
        ReconstructionOnly,
        "fit",
        lambda self, evidence, group, seed: learnt.append(group) or fit(self, evidence, group, seed),
    )
    out_of_fold(ReconstructionOnly(), of_all, folds, errors, group, 0, labelled=True)
    assert [int((one == DEFECT).sum()) for one in learnt] == [1, 1]


def test_probabilities_are_those_of_folds_with_a_network_of_their_own():
    errors = np.arange(1.0, 7.0)
    folds, group = folds_of_errors(errors, [0, 2], [1, 3, 5], own=(True, False)), np.full(6, UNLABELLED)
    found = out_of_fold(ReconstructionOnly(), whole(errors, group), folds, errors, group, 0, labelled=False)
    assert (len(found.outlier), len(found.odds)) == (5, 2)


def test_corrected_odds_of_unseen_rows_are_those_that_the_scorer_expects():
    rng = np.random.default_rng(0)
    memorised, unseen = rng.normal(-4, 1, 991), rng.normal(3, 5, 991)
    corrected = odds_of(with_corrected_odds(scores(unseen), odds_correction(memorised, unseen), 991))
    expected, found = (np.quantile(odds, [0.5, 0.9]) for odds in (memorised, corrected))
    assert found == pytest.approx(expected)
    assert (np.argsort(corrected) == np.argsort(unseen)).all()


def test_odds_are_never_raised_nor_stretched():
    rng = np.random.default_rng(0)
    wide, narrow = rng.normal(3, 5, 99), rng.normal(-4, 1, 99)
    assert odds_correction(wide, narrow)[:2].tolist() == [1.0, 0.0]
    same = np.zeros(9)
    assert odds_correction(same, same)[:2].tolist() == [1.0, 0.0]
    assert odds_correction(same, wide)[0] == MIN_SLOPE


def test_odds_beyond_all_unseen_rows_keep_their_distance():
    rng = np.random.default_rng(0)
    correction = odds_correction(rng.normal(-4, 0.1, 99), rng.normal(3, 2, 99))
    near, far = odds_of(with_corrected_odds(scores([correction[2], correction[2] + 20.0]), correction, 99))
    assert far - near == pytest.approx(20)


def test_what_lies_beyond_the_training_rows_is_not_corrected_away():
    odds, beyond = np.array([-2.0, 1.0, 4.0, -2.0]), np.array([0.0, 3.0, 20.0, 1e5])
    found = scores(odds, beyond)
    assert odds_within(found)[:3] == pytest.approx(odds[:3])
    corrected = with_corrected_odds(found, np.array([0.1, -4.0, 30.0]), 40)
    rarer = [0.0, np.log(1 + 40 * (np.exp(3) - 1)), np.log(40) + 20]
    assert odds_of(corrected[:3]) == pytest.approx(0.1 * odds[:3] - 4 + rarer)
    assert corrected[3].tolist() == [0, 1, 0]


def test_the_probability_of_the_defect_and_certainties_stay():
    p = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.2, 0.3, 0.5]])
    found = with_corrected_odds(Scores(np.zeros(4), None, p), np.array([0.5, -1.0, 9.0]), 4)
    assert found[:3] == pytest.approx(p[:3])
    assert found[3, 2] == 0.5
    assert found[3, 1] == pytest.approx(0.5 / (1 + np.exp(1 - 0.5 * np.log(1.5))))
    assert found.sum(axis=1) == pytest.approx(1)
