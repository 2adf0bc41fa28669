"""Fits that each leave out one fold of the ordinary rows, so that every one of them has an out-of-fold score."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from blemish.calibration.calibration import MIN_TO_HOLD_OUT
from blemish.calibration.conformal import conformal_p_values, cross_conformal_p_values
from blemish.core.errors import ConfigError, DataError, DataWarning, QualityWarning
from blemish.core.labels import is_ordinary
from blemish.data.dataset import Dataset
from blemish.fitting.choices import Arguments, choose_modality, whole_number
from blemish.fitting.fit import Fit
from blemish.fitting.fitted import Fitted
from blemish.fitting.model import new_model


def deal_out(group: Int[np.ndarray, " row"], n_folds: Any, seed: int) -> list[Int[np.ndarray, " _"]]:
    """The unlabelled and normal ones of some rows, dealt evenly to folds at random.

    Raises:
        ConfigError: If there cannot be this many folds.
    """
    rows = np.flatnonzero(is_ordinary(group))
    if whole_number("folds", n_folds, least=2) > len(rows):
        raise ConfigError(f"folds={n_folds} must be at most {len(rows)}, the unlabelled and normal rows")
    dealt = np.random.default_rng(seed).permutation(rows)
    return [np.sort(dealt[k::n_folds]) for k in range(int(n_folds))]


def cross_fits(
    arguments: Arguments, rows: Dataset, group: Int[np.ndarray, " row"], n_folds: Any, seed: int
) -> Iterator[Fitted]:
    """A whole fit for each fold, the scaling included, without that fold, which calibrates it.

    Args:
        arguments: With a number for `latent_dim`.
        rows: The training data.
        group: Their groups.
        n_folds: >= 2, at most the number of unlabelled and normal rows.
        seed: Of the deal, the weights and the training.

    Raises:
        ConfigError: If there cannot be this many folds.
        DataError: If the rows without a fold cannot be used.
    """
    part = choose_modality(arguments["modality"], rows.modality)
    for k, held_out in enumerate(deal_out(group, n_folds, seed)):
        rng = np.random.default_rng([seed, k])
        seen = np.setdiff1d(np.arange(len(group)), held_out)
        with warnings.catch_warnings():
            for category in (QualityWarning, DataWarning):  # the fit of all rows has warned already
                warnings.simplefilter("ignore", category)
            own = int(rng.integers(2**31))
            model = new_model(arguments, part, part.make().fit(rows.take(seen.tolist()).X), own)
            fit = Fit.of(arguments, model, model.to_tensor(rows.X), group, held_out, rng, own)
            for _ in fit.train():
                pass
            named = replace(fit, names=list(rows.keys), parts=model.parts_to_fit(rows.X, rows.regions))
            yield replace(named.end(out_of_fold=True), curve_rows=None)


def p_values_of(fit: Fitted, folds: Sequence[Fitted], X: Any) -> Float[np.ndarray, " row"]:
    """Conformal p-values of new rows: by the folds where there are any, else by the rows that the fit held out.

    Args:
        fit: The fit of all rows.
        folds: What `cross_fits` gave, or nothing.
        X: Raw samples.

    Raises:
        DataError: If there are neither.
    """
    if not len(fit.held_out) and not folds:
        raise DataError(
            f"p-values need held-out rows; fit on at least {MIN_TO_HOLD_OUT} unlabelled rows, or call "
            "cross_fit with the rows of the fit"
        )

    def scores(one: Fitted) -> Float[np.ndarray, " row"]:
        return one.model.of_evidence(X, lambda evidence: (one.out_of_fold.decision_score(evidence),))[0]

    if folds:
        ordinary = [fold.calibration.ordinary for fold in folds]
        return cross_conformal_p_values(ordinary, np.stack([scores(fold) for fold in folds]))
    return conformal_p_values(fit.calibration.ordinary, scores(fit))
