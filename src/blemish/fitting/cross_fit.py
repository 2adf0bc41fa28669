"""Fits that each leave out one fold of the ordinary rows, so that every one of them has an out-of-fold score."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import blake2b
from itertools import islice
from math import ceil
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from blemish.calibration.calibration import MIN_TO_HOLD_OUT
from blemish.calibration.conformal import conformal_p_values, cross_conformal_p_values
from blemish.calibration.out_of_fold import FOLDS, MIN_TO_CROSS_FIT, Fold, split
from blemish.core.errors import ConfigError, DataError, DataWarning, QualityWarning
from blemish.core.groups import Clusters, deal, n_groups, one_each, to_clusters, together
from blemish.core.labels import is_defect, is_ordinary
from blemish.data.dataset import Dataset
from blemish.fitting.choices import Arguments, choose_modality, whole_number
from blemish.fitting.fit import Fit
from blemish.fitting.fitted import Fitted
from blemish.fitting.model import new_model
from blemish.modalities.features.feature_cache import FeatureCache, caching
from blemish.modalities.modality import FittedModality
from blemish.scoring.scorer import OF_THE_NETWORK
from blemish.training.rows import ShardedRows


def deal_out(
    group: Int[np.ndarray, " row"], n_folds: Any, seed: int, cluster: Clusters = None
) -> list[Int[np.ndarray, " _"]]:
    """The unlabelled and normal ones of some rows, dealt evenly to folds at random; of groups, one row each.

    Raises:
        ConfigError: If there cannot be this many folds.
    """
    rng = np.random.default_rng(seed)
    rows = one_each(_judging(group, cluster), cluster, rng)
    if whole_number("folds", n_folds, least=2) > len(rows):
        what = "unlabelled and normal rows" if cluster is None else "groups with unlabelled or normal rows"
        raise ConfigError(f"folds={n_folds} must be at most {len(rows)}, the {what}")
    # Apart, so that no fold leaves out all labelled defects.
    defective = together(np.flatnonzero(is_defect(group)), cluster, len(group))
    fold = deal(defective[rows], int(n_folds), rng)
    return [rows[fold == k] for k in range(int(n_folds))]


def _judging(group: Int[np.ndarray, " row"], cluster: Clusters) -> Int[np.ndarray, " some"]:
    """Unlabelled and normal rows, except those of a group that holds all labelled defects: it always trains."""
    defects, left_out = np.flatnonzero(is_defect(group)), np.zeros(len(group), dtype=bool)
    if len(defects) and n_groups(defects, cluster) == 1:
        left_out = together(defects, cluster, len(group))
    return np.flatnonzero(is_ordinary(group) & ~left_out)


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
    for fit in _fits(arguments, rows, group, n_folds, seed):
        with warnings.catch_warnings():
            for category in (QualityWarning, DataWarning):  # the fit of all rows has warned already
                warnings.simplefilter("ignore", category)
            for _ in fit.train():
                pass
            ending = replace(fit, names=list(rows.keys), kinds=tuple(arguments["defects"]))
            left_out = together(fit.held_out, fit.cluster, len(group)) & ~is_ordinary(group)
            if left_out.any():  # labelled rows of the groups of the fold
                ending = ending.judging(np.flatnonzero(~left_out))
            yield replace(ending.end(keep_unseen=True), curve_rows=None)


def folds_of(fit: Fit, n_epochs: int) -> tuple[Fold, ...]:
    """What calibrates a fit that holds no rows out: models of the folds of its ordinary rows, scaling included.

    What kind a column is, all rows decide: names that a fold lacks some rows of may look like free text to it.
    A network is most of the time of a fit on pictures. Where the scorer does not read it, the first fold alone trains
    one: that is enough to correct the probability of 'other'. A refit of the same rows takes the folds of the former
    fit: labels and marks are new, and these only matter to the scorer.

    Args:
        fit: Trained.
        n_epochs: That it was trained for.

    Returns:
        Nothing where rows are held out, or there are too few.
    """
    n_ordinary, model = n_groups(_judging(fit.group, fit.cluster), fit.cluster), fit.model
    if len(fit.held_out) or n_ordinary < MIN_TO_CROSS_FIT or fit.rows is None or fit.arguments is None:
        return ()
    assert not isinstance(fit.x, ShardedRows)  # rows on disk are judged by some of them, see `Fit.judging`
    # Regions given for the first time add details to the parts; those given later only mark other parts.
    n_details = 0 if fit.parts is None else fit.parts.n_details
    seen = fit.x.to_dense().cpu().numpy().tobytes() + bytes([n_details > 0])
    seen += b"" if fit.cluster is None else fit.cluster.tobytes()
    digest = blake2b(seen, digest_size=16).digest()
    if fit.folds and all(fold.digest == digest and _still_judges(fold, fit) for fold in fit.folds):
        return tuple(_marked_as(fold, fit) for fold in fit.folds)
    # As many as the fit of all rows, which the clock may have ended; a refit has trained for more than these.
    n = n_epochs if fit.folds is None and fit.patience is None else None
    n_folds = min(FOLDS, n_ordinary // 2)
    batch = _batch_of_fold(fit.objective.plan.batch_size, fit.group, n_folds)
    spec = {**model.choices.spec(), "latent_dim": model.network.latent_dim, "batch_size": batch}
    arguments = {**fit.arguments, **spec}
    reads = OF_THE_NETWORK & {name for names in fit.model.choices.scorer.make().sources for name in names.split("+")}
    found: list[Fold] = []
    with warnings.catch_warnings(), caching(FeatureCache(0)):  # the cache is for the model of all rows
        for category in (QualityWarning, DataWarning):
            warnings.simplefilter("ignore", category)
        try:
            for one in _fits(arguments, fit.rows, fit.group, n_folds, fit.seed, model.modality):
                own = bool(reads or not found or one.model.modality.sample_shape != model.modality.sample_shape)
                for _ in islice(one.train(), n) if own else ():
                    pass
                judge = one.model if own else replace(one.model, network=model.network)
                assert not isinstance(one.x, ShardedRows)
                evidence = replace(judge.evidence(one.x, one.parts), cluster=fit.cluster)
                found.append(Fold(evidence, one.held_out, own, digest))
        except DataError:  # such as texts that have no word in common without those of a fold
            return ()
    return tuple(found)


def _batch_of_fold(batch_size: int, group: Int[np.ndarray, " row"], n_folds: int) -> int:
    """The batch size that gives a fold as many steps per epoch as all rows have: 40 rows in batches of 32 are 2 steps.

    Half the steps are half the training, and tell nothing of the model that is cut (decisions.md 117).

    Example:
        >>> [_batch_of_fold(32, np.zeros(n, int), 4) for n in (20, 40, 60)]
        [32, 15, 32]
    """
    steps, n_seen = ceil(len(group) / batch_size), len(group) - ceil(is_ordinary(group).sum() / n_folds)
    return batch_size if ceil(n_seen / batch_size) == steps else ceil(n_seen / steps)


def _still_judges(fold: Fold, fit: Fit) -> bool:
    """Whether a former fold has rows that judge with the labels of the fit, and its parts are those of the fit."""
    if not len(split(fold.held_out, fit.group, fit.cluster)[0]):
        return False
    one, other = fold.evidence.parts, fit.parts
    return one is other or (one is not None and other is not None and np.array_equal(one.counts, other.counts))


def _marked_as(fold: Fold, fit: Fit) -> Fold:
    """A former fold with the marks of this fit."""
    if fold.evidence.parts is None or fit.parts is None:
        return fold
    parts = replace(fold.evidence.parts, marked=fit.parts.marked)
    return replace(fold, evidence=replace(fold.evidence, parts=parts))


def _fits(
    arguments: Arguments,
    rows: Dataset,
    group: Int[np.ndarray, " row"],
    n_folds: Any,
    seed: int,
    whole: FittedModality | None = None,
) -> Iterator[Fit]:
    """For each fold a fit that has begun without it; `whole`: what a column is has been decided by all rows."""
    part, cluster = choose_modality(arguments["modality"], rows.modality), to_clusters(rows.groups, len(rows))
    for k, held_out in enumerate(deal_out(group, n_folds, seed, cluster)):
        rng = np.random.default_rng([seed, k])
        seen = np.flatnonzero(~together(held_out, cluster, len(group)))
        own = int(rng.integers(2**31))
        raw, modality = rows.take(seen.tolist()).X, part.make()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataWarning)  # the fit of all rows has warned already
            fitted = modality.fit(raw) if whole is None else modality.fit_part(raw, whole)
        model = new_model(arguments, part, fitted, own)
        fit = Fit.of(arguments, model, model.to_tensor(rows.X), group, held_out, rng, own, cluster=cluster)
        model, parts = model.with_parts(rows.X, rows.regions)
        yield replace(fit, model=model, parts=parts)


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
