"""One fit: begin, train, end."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import torch
from jaxtyping import Int

from blemish.calibration.areas import area_levels
from blemish.calibration.calibration import (
    Calibration,
    KnownSamples,
    Reference,
    apart_from_outliers,
    hold_out,
    still_held_out,
    warn_of_quality,
)
from blemish.calibration.kinds import UNKNOWN, KindsOutOfFold
from blemish.calibration.label_statistics import LabelStatistics, conflicts, sample_of
from blemish.calibration.out_of_fold import Fold, odds_correction, odds_within, out_of_fold
from blemish.core.groups import Clusters, n_groups, one_each, to_clusters, together
from blemish.core.labels import DEFECT, NORMAL, ONE_KIND, OTHER, counts, is_defect, is_ordinary
from blemish.core.version import __version__
from blemish.data.columns import frame_columns, is_frame
from blemish.data.dataset import Dataset, Reading, copies_note, groups_note
from blemish.fitting.choices import Arguments, batch_size_for, choose_modality, epochs_for, plain, scorer_of
from blemish.fitting.fitted import Fitted
from blemish.fitting.model import Model, new_model
from blemish.modalities.parts import Parts
from blemish.scoring.kinds import Kinds
from blemish.scoring.scorer import Evidence, part_scores
from blemish.training import AUGMENTATIONS, SYNTHETIC
from blemish.training.batches import Plan, TrainingData
from blemish.training.loop import EpochRecord, Objective, Training, stops_early
from blemish.training.rows import ShardedRows, TensorRows

MAX_NORMALS = 256  # normals whose codes are kept for explanations and samples
MAX_REFITTED = 200  # held-out rows that the scorer is refitted on: where there are more, it does not need them
MAX_REFERENCE = 500  # held-out rows kept to compare new data with
REFIT_FRACTION = 0.25  # of the epochs of a first fit: the weights are near their goal, the labels are what is new
VALIDATION_FRACTION = 0.1  # of the rows to learn from, with early stopping


@dataclass(frozen=True)
class Fit:
    """A fit that has begun: all that is known before the first step, and all that it takes to end it.

    Nothing of a detector changes before it has ended, so a fit that is left early leaves the former one in place.

    Attributes:
        model: The network, trained in place, with the modality that feeds it.
        objective: What a loop minimises; our own is `train`.
        patience: Epochs without gain before the training stops, or None.
        x: Samples that the scorer learns from and is calibrated on, shape (row, *sample).
        group: Their groups.
        names: A name for each.
        held_out: Those of them that calibrate, not trained on.
        rng: Source of all randomness.
        seed: Of `rng` and the weights.
        arguments: Of the detector, and with `rows` what it takes to fit again without some rows; None: it cannot be.
        rows: The samples as they were read, with the names of `names`.
        folds: Of the former fit, where this one is a refit.
        columns: A frame's names, or None.
        reading: What was read and how, and what was decided about it.
        cluster: Which of the rows are not independent, see `blemish.core.groups`.
        alike: The same by likeness, where no groups were given: to the scorer near-copies of a defect are one label.
        parts: Of the samples, where the scorer reads them; rows that are read from disk have none.
        kinds: Words of the kinds of defect.
        start: When it began, in seconds of `time.perf_counter`.
    """

    model: Model
    objective: Objective
    patience: int | None
    x: TensorRows | ShardedRows
    group: Int[np.ndarray, " row"]
    names: Sequence[Any]
    held_out: Int[np.ndarray, " held_out"]
    rng: np.random.Generator
    seed: int
    arguments: Arguments | None = None
    rows: Dataset | None = None
    folds: tuple[Fold, ...] | None = None
    columns: list[Any] | None = None
    reading: Reading = field(default_factory=Reading)
    cluster: Clusters = None
    alike: Clusters = None
    parts: Parts | None = None
    kinds: tuple[str, ...] = ONE_KIND
    start: float = field(default_factory=time.perf_counter)

    @classmethod
    def begin(
        cls,
        arguments: Arguments,
        rows: Dataset,
        group: Int[np.ndarray, " row"],
        seed: int,
        former: Fitted | None = None,
    ) -> "Fit":
        """Choose the parts, learn the scaling, build the network, and hold some rows out.

        Args:
            arguments: For the parts and the training.
            rows: The training data.
            group: Their groups.
            seed: Of the weights and of all that is drawn; PyTorch's global generator is as before afterwards.
            former: A fit whose parts, scaling and weights are kept, for a quarter of the epochs; None: a new model.

        Raises:
            ConfigError: If parts are unknown or do not fit.
            DataError: If the data cannot be used.
        """
        rng, cluster = np.random.default_rng(seed), to_clusters(rows.groups, len(rows))
        if former is None:
            part = choose_modality(arguments["modality"], rows.modality)
            model = new_model(arguments, part, part.make().fit(rows.X), seed)
        else:
            model = former.model.copy()
        x = model.to_tensor(rows.X)
        held_out = hold_out(group, rng, cluster) if former is None else still_held_out(former.held_out, group, cluster)
        fit = cls.of(arguments, model, x, group, held_out, rng, seed, cluster=cluster, warm_start=former is not None)
        columns = frame_columns(rows.X) if is_frame(rows.X) else None
        folds = None if former is None else former.folds
        names = [plain(name) for name in rows.keys]
        of_groups = [] if cluster is None else [groups_note(rows.groups or (), cluster)]
        defects = np.flatnonzero(is_defect(group))
        alike = None if cluster is not None else model.modality.near_copies(x, is_defect(group))
        of_groups += [] if alike is None else [copies_note(len(defects), n_groups(defects, alike))]
        reading = rows.reading.more([*of_groups, *model.modality.notes(), *model.modality.notes_of(rows.X)])
        model, parts = model.with_parts(rows.X, rows.regions)
        known = {"arguments": arguments, "rows": rows, "folds": folds, "parts": parts, "model": model, "alike": alike}
        known["kinds"] = tuple(arguments["defects"])
        return replace(fit, names=names, columns=columns, reading=reading, **known)

    @classmethod
    def of(
        cls,
        arguments: Arguments,
        model: Model,
        x: TensorRows | ShardedRows,
        group: Int[np.ndarray, " row"],
        held_out: Int[np.ndarray, " held_out"],
        rng: np.random.Generator,
        seed: int,
        *,
        cluster: Clusters = None,
        warm_start: bool = False,
    ) -> "Fit":
        """`begin` from where there are a model and tensors; the rows are named by their numbers.

        The arguments are the attributes of the class; `warm_start` trains for a quarter of the epochs only.
        """
        choices = model.choices
        modality = choices.modality.factory
        batch_size = batch_size_for(arguments["batch_size"], modality.batch_size)
        epochs, patience = epochs_for(arguments["epochs"], len(x), batch_size)
        trained = ~together(held_out, cluster, len(x))
        apart = held_out[:0]
        if patience is not None:
            learnt = apart_from_outliers(group, cluster)
            learnt = rng.permutation(one_each(learnt[trained[learnt]], cluster, rng))
            apart = learnt[: int(VALIDATION_FRACTION * len(learnt))]
            trained &= ~together(apart, cluster, len(x))
        rows = np.flatnonzero(trained)
        plan = Plan(
            epochs=max(1, round(epochs * REFIT_FRACTION)) if warm_start else epochs,
            batch_size=batch_size,
            schedule=choices.schedule.make(),
            corruption=None if choices.corruption is None else choices.corruption.make(),
            synthesise=SYNTHETIC[modality.synthetic],
            augmentation=AUGMENTATIONS[modality.augmentation],
        )
        data = TrainingData(
            x=_some(x, rows),
            # To the network a defect is a defect: one network, however many kinds.
            group=torch.from_numpy(np.minimum(group[rows], DEFECT)).to(x.device),
            blocks=model.modality.blocks,
            held_out=_some(x, np.sort(apart)) if len(apart) else None,
        )
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        objective = Objective(model.network, data, model.losses, plan, generator)
        return cls(model, objective, patience, x, group, range(len(x)), held_out, rng, seed, cluster=cluster)

    def judging(self, rows: Int[np.ndarray, " some"]) -> "Fit":
        """The same fit, whose scorer learns from some of the rows only and is calibrated on them."""
        return replace(
            self,
            x=self.x[torch.from_numpy(rows)],
            group=self.group[rows],
            names=[self.names[row] for row in rows.tolist()],
            held_out=np.flatnonzero(np.isin(rows, self.held_out)),
            cluster=None if self.cluster is None else self.cluster[rows],
            alike=None if self.alike is None else self.alike[rows],
            parts=None if self.parts is None else self.parts[rows],
        )

    def train(self, state: Training | None = None, history: Sequence[EpochRecord] = ()) -> Iterator[EpochRecord]:
        """Train in place with our own loop, until early stopping ends it where it was asked for.

        Args:
            state: A training of the objective to resume; None: a new one.
            history: The epochs that it has behind it.
        """
        seen = list(history)
        if self.patience is not None and stops_early(seen, self.patience):
            return
        for record in (state or Training(self.objective)).epochs():
            seen.append(record)
            yield record
            if self.patience is not None and stops_early(seen, self.patience):
                break

    def end(self, folds: tuple[Fold, ...] = (), *, keep_unseen: bool = False) -> Fitted:
        """Fit the scorer on the training rows and score the held-out ones; where these are few, refit it on all rows.

        Args:
            folds: Where no rows are held out, models that calibrate instead, see `cross_fit.folds_of`.
            keep_unseen: Keep the scorer that has not seen the held-out rows, however few they are.
        """
        # Rows on disk are judged by some of them, see `judging`: a scorer holds all that it learns from.
        assert not isinstance(self.x, ShardedRows)
        model, group, held_out, names = self.model, self.group, self.held_out, list(self.names)
        seed = self.seed if keep_unseen else int(self.rng.integers(2**31))
        evidence, cluster = model.evidence(self.x, self.parts), self.cluster
        evidence = replace(evidence, cluster=self.alike if cluster is None else cluster)
        seen = np.flatnonzero(~together(held_out, cluster, len(group)))
        scorer = scorer_of(model.choices, len(self.kinds))
        state = scorer.fit(evidence[seen], group[seen], seed)
        ordinary = held_out if len(held_out) else seen[is_ordinary(group[seen])]
        defects, negatives = np.flatnonzero(is_defect(group)), np.flatnonzero((group == OTHER) | (group == NORMAL))
        of_kinds = None
        if isinstance(scorer, Kinds) and len(defects):
            found = scorer.out_of_fold_of_kinds(state, evidence[seen], group[seen])
            alone = np.isnan(found[np.arange(len(defects)), group[defects] - DEFECT])
            order = np.argsort(alone, kind="stable")  # first those that the calibration has scores of
            defects = defects[order]
            of_kinds = KindsOutOfFold(group[defects] - DEFECT, np.nan_to_num(found[order], nan=UNKNOWN))
        labelled, odds = len(defects) > 0, None
        judged = own = scorer.scores(state, evidence[ordinary], labelled=labelled)
        by_kind = tuple(one.defect for one in own.kinds)
        of_parts = part_scores(scorer, state, evidence[ordinary].parts, labelled=labelled)
        if folds:
            judged = out_of_fold(scorer, state, folds, evidence.error, group, seed, labelled=labelled)
            odds, of_parts = odds_correction(odds_within(own), judged.odds), judged.of_parts
            by_kind = judged.kinds
        calibration, labels = Calibration(np.sort(judged.outlier), odds=odds), None
        if cluster is not None:
            calibration = replace(calibration, counted=_counted(defects, negatives, cluster, seed))
        if judged.defect is not None:
            calibration = replace(
                calibration,
                defect=np.sort(judged.defect),
                out_of_fold=scorer.out_of_fold_scores(state, evidence[seen], group[seen]),
                labelled_negatives=scorer.defect_score(state, evidence[negatives]),
            )
            labels = _statistics(evidence, group, defects, negatives, scorer.outlier_score(state, evidence[defects]))
        spread = float(evidence.z[ordinary].std(axis=0).max())
        of_defects = np.empty(0) if labels is None else labels.outlier
        warn_of_quality(calibration, own.outlier, of_defects, spread, n_groups(ordinary, cluster))
        normals = np.flatnonzero(is_ordinary(group))
        normals = normals[:: max(1, -(-len(normals) // MAX_NORMALS))]
        # Of few rows, a fifth held out is missed by the scorer: it is refitted on all of them, and the former state is
        # kept for p-values and drift, which compare new rows with held-out ones (decisions.md 57).
        refit = 0 < len(held_out) <= MAX_REFITTED and not keep_unseen
        fitted = Fitted(
            model=model,
            scorer_state=scorer.fit(evidence, group, seed) if refit else state,
            out_of_fold_state=state if refit else None,
            calibration=calibration,
            defects=KnownSamples(evidence.z[defects], [names[i] for i in defects]),
            normals=KnownSamples(evidence.z[normals], [names[i] for i in normals]),
            negative_names=[names[i] for i in negatives] if len(defects) else [],
            n_defects=len(defects),
            held_out=held_out,
            reference=_reference(model, self.x, evidence.z, held_out),
            labels=labels,
            # The curve fits the scorer many times: without parts, which would take minutes.
            curve_rows=sample_of(replace(evidence, parts=None), group, held_out, seed) if len(defects) > 1 else None,
            area_levels=None if of_parts is None else area_levels(of_parts),
            folds=folds,
            kinds=self.kinds,
            of_kinds=of_kinds,
        )
        if of_kinds is None:
            return fitted
        rejected = scorer.scores(state, evidence[negatives], labelled=True).kinds
        alone = {}
        for k, own in enumerate(by_kind):
            if own is None:
                continue
            alone[self.kinds[k]] = of_kinds.calibration(k, calibration, own, np.asarray(rejected[k].defect))
            if cluster is not None:
                mine, rest = defects[of_kinds.kind == k], np.append(negatives, defects[of_kinds.kind != k])
                alone[self.kinds[k]] = replace(alone[self.kinds[k]], counted=_counted(mine, rest, cluster, seed))
        return fitted.with_kinds(alone)

    def provenance(self, n_epochs: int) -> dict[str, Any]:
        """Where the fitted model comes from, after this many epochs, as JSON values."""
        return {
            "rows": counts(self.group, self.kinds),
            "held_out": len(self.held_out),
            **({} if self.cluster is None else {"groups": n_groups(np.arange(len(self.group)), self.cluster)}),
            "epochs": n_epochs,
            "seconds": round(time.perf_counter() - self.start, 3),
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "versions": {"blemish": __version__, "torch": torch.__version__, "numpy": np.__version__},
        }


def _counted(
    defects: np.ndarray, negatives: np.ndarray, cluster: Int[np.ndarray, " row"], seed: int
) -> Int[np.ndarray, " counted"]:
    """Positions of one labelled defect and one labelled negative of each group; see `Calibration.counted`."""
    rng = np.random.default_rng(seed)
    one = np.concatenate([one_each(rows, cluster, rng) for rows in (defects, negatives)])
    return np.flatnonzero(np.isin(np.concatenate([defects, negatives]), one))


def _some(x: TensorRows | ShardedRows, rows: Int[np.ndarray, " some"]) -> TensorRows | ShardedRows:
    return x.only(rows) if isinstance(x, ShardedRows) else x[torch.from_numpy(rows)]


def _statistics(
    evidence: Evidence, group: np.ndarray, defects: np.ndarray, negatives: np.ndarray, outlier: np.ndarray
) -> LabelStatistics:
    position = {int(row): at for at, row in enumerate([*defects, *negatives])}
    pairs = [sorted((position[i], position[j])) for i, j in conflicts(evidence, group).tolist()]
    return LabelStatistics(
        outlier=outlier,
        negative_is_normal=(group[negatives] == NORMAL).astype(np.float64),
        conflicts=np.array(pairs, dtype=np.int64).reshape(-1, 2),
    )


def _reference(model: Model, x: TensorRows, z: np.ndarray, held_out: np.ndarray) -> Reference:
    some = held_out[:: max(1, -(-len(held_out) // MAX_REFERENCE))]
    rows = x[torch.from_numpy(some)].to_dense().cpu().numpy() if model.modality.reference_rows else None
    return Reference(z[some].astype(np.float32), rows)
