"""What a fit learnt: the model, where the groups lie, and the scores that calibrate thresholds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy.special import logit

from blemish.calibration.areas import AreaLevels
from blemish.calibration.calibration import MIN_TO_HOLD_OUT, Calibration, KnownCodes, KnownSamples, Reference
from blemish.calibration.drift import Drift, code_columns, compare
from blemish.calibration.kinds import KindsOutOfFold, confusion
from blemish.calibration.label_report import LabelReport, label_report
from blemish.calibration.label_statistics import CurveRows, LabelStatistics, copies, learning_curve, sample_of
from blemish.calibration.out_of_fold import TINY, Fold, with_corrected_odds
from blemish.calibration.probabilities import (
    EPSILON,
    MIN_OUT_OF_FOLD,
    log_ratio,
    probability_at,
    reweighted,
    shared,
)
from blemish.calibration.thresholds import (
    GROUPS_OF,
    JudgedOn,
    Promise,
    for_budget,
    for_contamination,
    for_false_positive_rate,
    for_precision,
    for_recall,
    promise,
)
from blemish.core.errors import ArtifactError, ConfigError, DataError, NoDefectsError
from blemish.core.groups import Clusters, n_groups
from blemish.core.labels import ONE_KIND, is_defect
from blemish.core.state import State
from blemish.fitting.choices import scorer_of, whole_number
from blemish.fitting.model import Model
from blemish.scoring.kinds import KindsState
from blemish.scoring.mixture import PRIOR
from blemish.scoring.scorer import Evidence, Scorer, Scores
from blemish.training.rows import TensorRows

MAX_COMPARED = 1000  # new rows that are compared with held-out ones


@dataclass(frozen=True)
class Fitted:
    """Everything that scores new rows.

    Attributes:
        model: The network with the modality that feeds it.
        scorer_state: What the scorer learnt.
        out_of_fold_state: What it learnt without the held-out rows, where it was then refitted on all rows; else None.
        calibration: Scores that thresholds, p-values and probabilities are read from.
        defects: The labelled defects.
        normals: Some unlabelled or normal rows.
        negative_names: Names of the rows labelled 'other' or 'normal'.
        n_defects: Labelled defects.
        held_out: Rows that did not train the model; empty: calibration scores are of training rows.
        reference: Some held-out rows, which new data are compared with.
        labels: What the label report reads; None where no defect is labelled.
        curve_rows: Training rows for the learning curve; None once it is computed, and after loading.
        folds: What calibrated the fit where no rows were held out, for a refit; empty after loading.
        area_levels: What a cut on a map rests on; None where there are no maps.
        kinds: Words of the kinds of defect.
        of_kinds: Out-of-fold scores of the labelled defects for each kind; None for one kind.
        each: The same for each labelled kind alone, by its word; empty for one kind.
    """

    model: Model
    scorer_state: State
    out_of_fold_state: State | None
    calibration: Calibration
    defects: KnownSamples
    normals: KnownSamples
    negative_names: list[Any]
    n_defects: int
    held_out: Int[np.ndarray, " held_out"]
    reference: Reference
    labels: LabelStatistics | None
    curve_rows: CurveRows | None = None
    folds: tuple[Fold, ...] = ()
    area_levels: AreaLevels | None = None
    kinds: tuple[str, ...] = ONE_KIND
    of_kinds: KindsOutOfFold | None = None
    each: Mapping[str, "Fitted"] = field(default_factory=dict)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Refuse a pickle of a version that kept less: some methods would fail, and later (decisions.md 60)."""
        missing = [one.name for one in fields(self) if one.name not in state]
        if missing:
            raise ArtifactError(
                f"this detector was pickled by another version of Blemish (it lacks {', '.join(missing)}); pickles "
                "serve within one version: fit again, and keep a model by save and load"
            )
        self.__dict__.update(state)

    @property
    def word(self) -> str:
        """What the decision score is of: the kind of defect, 'defect' where there are several, 'other' without any."""
        return "other" if not self.n_defects else self.kinds[0] if len(self.kinds) == 1 else "defect"

    @property
    def scorer(self) -> Scorer:
        """The chosen scorer."""
        return scorer_of(self.model.choices, len(self.kinds))

    def with_kinds(self, calibrations: Mapping[str, Calibration]) -> "Fitted":
        """The same, and each labelled kind alone.

        Args:
            calibrations: By its word.
        """
        whole: Any = self.scorer_state
        return replace(
            self, each={word: self._alone(self.kinds.index(word), whole, one) for word, one in calibrations.items()}
        )

    def _alone(self, k: int, whole: KindsState, calibration: Calibration) -> "Fitted":
        assert self.of_kinds is not None
        assert self.labels is not None
        own, unseen = np.flatnonzero(self.of_kinds.kind == k), self.out_of_fold_state
        defects = KnownSamples(self.defects.codes[own], [self.defects.names[i] for i in own.tolist()])
        return replace(
            self,
            scorer_state=whole.of_kinds[k],
            out_of_fold_state=unseen.of_kinds[k] if isinstance(unseen, KindsState) else None,
            calibration=calibration,
            defects=defects,
            n_defects=len(own),
            labels=replace(self.labels, outlier=self.labels.outlier[own], conflicts=np.zeros((0, 2), int), curve=None),
            curve_rows=None,
            folds=(),
            kinds=self.kinds[k : k + 1],
            of_kinds=None,
            each={},
        )

    def alone(self, kind: str | None) -> "Fitted":
        """The same for one kind alone; for None all of them.

        Raises:
            ConfigError: If there is no such kind.
            NoDefectsError: If no defect of the kind is labelled.
        """
        if kind is None or (kind,) == self.kinds:
            return self
        if kind not in self.kinds:
            near = get_close_matches(str(kind), self.kinds, n=1) or self.kinds[:1]
            raise ConfigError(f"kind={kind!r} is not one of {', '.join(self.kinds)}; did you mean {near[0]!r}?")
        if kind not in self.each:
            raise NoDefectsError(
                f"no row was labelled {kind!r} in the fit, so nothing is known of this kind; label some"
            )
        return self.each[kind]

    def outlier_score(self, evidence: Evidence) -> Float[np.ndarray, " row"]:
        """How unusual, higher = more."""
        return self.scorer.outlier_score(self.scorer_state, evidence)

    def defect_score(self, evidence: Evidence) -> Float[np.ndarray, " row"]:
        """How much like the labelled defects, higher = more."""
        return self.scorer.defect_score(self.scorer_state, evidence)

    def decision_score(self, evidence: Evidence) -> Float[np.ndarray, " row"]:
        """The score that is cut: the defect score where defects are labelled, else the outlier score."""
        return self.defect_score(evidence) if self.n_defects else self.outlier_score(evidence)

    @property
    def out_of_fold(self) -> "Fitted":
        """The same with a scorer that has not seen the held-out rows: new rows are then exchangeable with these."""
        return replace(self, scorer_state=self.out_of_fold_state) if self.out_of_fold_state is not None else self

    def scores(self, evidence: Evidence, prior: Mapping[str, float] = PRIOR) -> Scores:
        """Outlier score, defect score and probabilities in one pass.

        The probability of the defect is calibrated on out-of-fold scores of labelled defects and on held-out rows,
        where there are two such defects or more; else it is what the scorer assumes. Where no rows were held out, that
        of another outlier is corrected by out-of-fold ones.

        Args:
            evidence: The rows.
            prior: Expected fractions of the groups among them.
        """
        found = self.scorer.scores(self.scorer_state, evidence, labelled=self.n_defects > 0)
        usual = self._usual(found)
        share = {kind: prior[kind] if kind in prior else prior["defect"] / len(self.kinds) for kind in self.kinds}
        of_three = {"normal": prior["normal"], "other": prior["other"], "defect": sum(share.values())}
        assumed = reweighted(usual, PRIOR, of_three)
        if len(self.kinds) == 1 and (found.defect is None or self.log_ratio is None):
            return replace(found, probabilities=assumed)
        rest = assumed[:, 0] + assumed[:, 1]
        normal = np.where(rest > 0, assumed[:, 0] / np.where(rest > 0, rest, 1.0), 0.5)
        if len(self.kinds) == 1:
            assert found.defect is not None
            assert self.log_ratio is not None
            defects = probability_at(found.defect, self.log_ratio, of_three["defect"])[None]
        else:
            defects = shared([self._log_odds(k, found, share) for k in range(len(self.kinds))], share)
        ordinary = 1 - defects.sum(axis=0)
        return replace(found, probabilities=np.stack([normal * ordinary, (1 - normal) * ordinary, *defects]).T)

    def _usual(self, found: Scores) -> Float[np.ndarray, "row 3"]:
        odds = self.calibration.odds
        return found.probabilities if odds is None else with_corrected_odds(found, odds, len(self.calibration.outlier))

    def _log_odds(self, k: int, found: Scores, share: Mapping[str, float]) -> Float[np.ndarray, " row"]:
        """Log-odds of one of several kinds against all rows that are not a defect; -inf for one without labels."""
        kind = self.kinds[k]
        if kind not in self.each:
            return np.full(len(found.outlier), -np.inf)
        own, scores, prior = self.each[kind], found.kinds[k], share[kind]
        if own.log_ratio is not None:
            return logit(prior) + own.log_ratio[0] * np.asarray(scores.defect) + own.log_ratio[1]
        rest = (1 - prior) / (PRIOR["normal"] + PRIOR["other"])
        of_three = {"normal": rest * PRIOR["normal"], "other": rest * PRIOR["other"], "defect": prior}
        return logit(np.clip(reweighted(scores.probabilities, PRIOR, of_three)[:, 2], TINY, 1 - EPSILON))

    @cached_property
    def log_ratio(self) -> tuple[float, float] | None:
        """Slope and intercept of `probabilities.log_ratio`; None with fewer than two labelled defects."""
        scores = self.calibration.out_of_fold
        return log_ratio(scores, self.calibration.ordinary) if len(scores) >= MIN_OUT_OF_FOLD else None

    def with_names(self, name: Callable[[Any], Any]) -> "Fitted":
        """The same with new names, made of the present ones, for the samples that explanations point to."""
        defects, normals = (replace(one, names=list(map(name, one.names))) for one in (self.defects, self.normals))
        each = {kind: one.with_names(name) for kind, one in self.each.items()}
        negatives = list(map(name, self.negative_names))
        return replace(self, defects=defects, normals=normals, negative_names=negatives, each=each)

    @property
    def has_learning_curve(self) -> bool:
        """Whether the learning curve was computed."""
        return self.labels is not None and self.labels.curve is not None

    def with_learning_curve(self, seed: int) -> "Fitted":
        """The same with the learning curve, where there are training rows to compute it from."""
        rows = self.curve_rows
        if rows is None or self.labels is None:
            return self
        if n_groups(np.flatnonzero(is_defect(rows.group)), rows.evidence.cluster) < 2:
            return self
        curve = learning_curve(self.scorer, rows, seed)
        labels = replace(self.labels, curve=curve, copies=copies(self.scorer, rows, curve, seed))
        return replace(self, labels=labels, curve_rows=None)

    def with_training_rows(
        self, x: TensorRows, group: Int[np.ndarray, " row"], seed: int, cluster: Clusters = None
    ) -> "Fitted":
        """The same with some rows of the fit, drawn by the seed, for the learning curve.

        Raises:
            DataError: If they are not the rows of the fit.
        """
        n_defects = int(is_defect(group).sum())
        if n_defects != self.n_defects or (len(self.held_out) and self.held_out.max() >= len(group)):
            raise DataError(
                f"the learning curve needs the rows of the fit: these {len(group)} rows have {n_defects} labelled "
                f"defects, the model was fitted with {self.n_defects}; give the same data and labels"
            )
        evidence = replace(self.model.evidence(x), cluster=cluster)
        return replace(self, curve_rows=sample_of(evidence, group, self.held_out, seed))

    def label_report(
        self, prior: Mapping[str, float], budget: int | None, threshold: float, cuts: Mapping[str, float]
    ) -> LabelReport:
        """What the labels are worth; see `blemish.calibration.label_report`.

        Args:
            prior: Assumed fractions of the groups.
            budget: Rows to look at in a batch; None: as many as lie above the threshold.
            threshold: On the defect score.
            cuts: On the score of each kind.

        Raises:
            ConfigError: If the budget is not below the rows of the batch.
            DataError: If the model is of a version that kept nothing to report on.
        """
        if self.labels is None:
            raise DataError("this model was fitted before there were label reports; fit again")
        ordinary = self.calibration.ordinary
        if budget is None:
            budget = min(max(1, int((ordinary > threshold).sum())), len(ordinary) - 1)
        names = [*self.defects.names[: self.n_defects], *self.negative_names]
        share, budget = sum(prior[kind] for kind in self.kinds), whole_number("budget", budget)
        own = [0] * self.n_defects if self.of_kinds is None else self.of_kinds.kind.tolist()
        words = [self.kinds[k] for k in own]
        found = label_report(self.calibration, self.labels, names, share, budget, words)
        if self.of_kinds is None:
            return found
        each = {kind: one.label_report(prior, None, cuts[kind], cuts) for kind, one in self.each.items()}
        return replace(found, kinds=each, confusion=confusion(self.of_kinds, self.kinds, cuts))

    def drift(self, raw: Any) -> Drift:
        """Compare new rows with the held-out ones: outlier score, code and, of tables, every column.

        A detector on a moving line fails silently: nothing else would show it.

        Args:
            raw: New samples.

        Raises:
            DataError: If too few rows were fitted to hold some out.
        """
        if not len(self.held_out):
            raise DataError(f"drift needs held-out rows; fit on at least {MIN_TO_HOLD_OUT} unlabelled rows")
        outlier, z = self.model.of_evidence(raw, lambda some: (self.out_of_fold.outlier_score(some), some.z))
        reference = self.reference
        seen = {"outlier score": outlier.tolist(), **code_columns(z)}
        expected = {"outlier score": self.calibration.outlier.tolist(), **code_columns(reference.z)}
        if reference.x is not None:
            seen |= self.model.columns(self.model.to_tensor(raw).to_dense().cpu().numpy())
            expected |= self.model.columns(reference.x)
        return compare(expected, seen, len(reference.z), len(z))

    def promise(self, target: str, value: float | int) -> Promise:
        """The cut on the decision score that reaches a target, and what it promises; see `calibration.thresholds`.

        Args:
            target: 'recall', 'precision', 'false_positive_rate', 'budget' or 'contamination'.
            value: The target's value.

        Raises:
            ConfigError: If the value makes no sense.
            DataError: If the labels or rows cannot support it.
        """
        calibration = self.calibration.independent(self.n_defects)
        of = "" if calibration.counted is None else GROUPS_OF
        if target == "recall":
            threshold = for_recall(calibration.out_of_fold, value, of)
        elif target == "precision":
            threshold = for_precision(calibration.out_of_fold, calibration.labelled_negatives, value)
        elif target == "budget":
            threshold = for_budget(calibration.ordinary, whole_number("budget", value))
        elif target == "false_positive_rate":
            threshold = for_false_positive_rate(calibration.ordinary, value, of)
        else:
            threshold = for_contamination(calibration.ordinary, value)
        return promise(target, float(value), threshold, calibration, self.judged_on)

    def outlier_promise(self, fraction: float) -> Promise:
        """The cut on the outlier score that a fraction of the ordinary rows exceeds."""
        calibration = replace(self.calibration, defect=None)
        threshold = for_contamination(calibration.ordinary, fraction)
        return promise("contamination", fraction, threshold, calibration, self.judged_on)

    def reported(self, threshold: float, outlier_threshold: float) -> float:
        """Fraction of normal samples above one of two cuts, on the decision score and the outlier score, in (0, 1]."""
        cuts = [(self.calibration.outlier, outlier_threshold)]
        cuts += [(self.calibration.ordinary, threshold)] if self.n_defects else []
        return min(1.0, sum((1 + int((scores > cut).sum())) / (1 + len(scores)) for scores, cut in cuts))

    @property
    def judged_on(self) -> JudgedOn:
        """What the scores of ordinary rows in the calibration are of."""
        return "held out" if len(self.held_out) else "training" if self.calibration.odds is None else "out of fold"

    def arrays(self) -> dict[str, np.ndarray]:
        """All numbers, by the names that model files use."""
        groups = {  # older names stay, so that old files load (decisions.md 64)
            "scorer": self.scorer_state,
            "blind": self.out_of_fold_state,
            "calibration": self.calibration,
            "known": KnownCodes(self.defects.codes, self.normals.codes),
            "reference": self.reference,
            "labels": self.labels,
            "maps": self.area_levels,
            "kinds": self.of_kinds,
            **{f"kinds.{self.kinds.index(kind)}": one.calibration for kind, one in self.each.items()},
        }
        named = {f"{at}.{name}": x for at, group in groups.items() if group for name, x in group.arrays().items()}
        return {**self.model.arrays(), "held_out": self.held_out, **named}

    def facts(self) -> dict[str, Any]:
        """Everything else, as JSON values."""
        return {
            "modality": self.model.modality.state(),
            "known_names": {
                "defect": self.defects.names,
                "normal": self.normals.names,
                "rejected": self.negative_names,
            },
            "n_defects": self.n_defects,
            **({} if self.kinds == ONE_KIND else {"kinds": list(self.kinds)}),
        }
