"""What a fit learnt: the model, where the groups lie, and the rows that calibrate thresholds."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

from blemish.calibration.conflicts import conflicts
from blemish.calibration.label_report import LabelReport, label_report
from blemish.calibration.learning_curve import Learnt, learning_curve, sample_of
from blemish.calibration.prior import reweighed
from blemish.calibration.probabilities import LEAST_KNOWN, chance_at, log_ratio
from blemish.calibration.promise import Promise, promise
from blemish.calibration.thresholds import (
    for_budget,
    for_contamination,
    for_false_positive_rate,
    for_precision,
    for_recall,
)
from blemish.core.errors import ArtifactError, DataError, QualityWarning
from blemish.core.labels import DEFECT, NORMAL, OTHER, is_ordinary
from blemish.core.metrics import fraction_below
from blemish.fitting.choices import Choices, whole_number
from blemish.fitting.model import Model, build
from blemish.scoring.evidence import Evidence, Scorer, Scores, all_scores
from blemish.scoring.mixture import PRIOR
from blemish.training.sparse import TensorRows

HELD_OUT, LEAST_HELD_OUT, MOST_HELD_OUT = 0.2, 20, 1000
LEAST_JUDGED, LEAST_GAP = 4, 0.05  # labelled defects, and share of ordinary rows, before labels are called useless
KNOWN_NORMALS = 256  # codes kept for explanations and samples
FEW_HELD_OUT = 200  # where no more are held out, the scorer in use learns from them, too
MOST_REFERENCE = 500  # held-out rows kept to compare new data with


@dataclass(frozen=True)
class Assessment:
    """All that a detector says of some rows, in the order in which they were given; NaN where one cannot be read.

    Attributes:
        outlier: How unusual, shape (row,).
        defect: How much like the labelled defects, shape (row,); None where none were labelled.
        probabilities: Of normal, other and defect, shape (row, 3).
        codes: Shape (row, latent).
        views: What the modality says of each row beside the network, by view, each (row, feature), if it was asked for.
    """

    outlier: Float[np.ndarray, " row"]
    defect: Float[np.ndarray, " row"] | None
    probabilities: Float[np.ndarray, "row 3"]
    codes: Float[np.ndarray, "row latent"]
    views: Mapping[str, Float[np.ndarray, "row feature"]] = field(default_factory=dict)


@dataclass(frozen=True)
class Fitted:
    """Everything that scores new rows.

    Attributes:
        model: The network with the modality that feeds it.
        scorer_state: What the scorer learnt.
        blind_state: What it learnt without the held-out rows, where it then learnt from them, too; else empty.
        calibration: Sorted scores of ordinary rows ('outlier'; 'defect' where defects were labelled), scores of
            labelled defects by scorers that have not seen them ('known') and of rows labelled otherwise ('rejected').
        known: Codes of labelled defects ('defect') and of some normals ('normal').
        known_names: Their names, and those of rows labelled otherwise ('rejected').
        n_defects: Labelled defects.
        held_out: Rows that did not train the model; empty: calibration scores are of training rows.
        reference: Some held-out rows, which new data are compared with: codes ('z') and, of tables, rows as the network
            sees them ('x').
        labels: What `blemish.calibration.label_report` reads: see there; empty where no defect is labelled.
        learnt: Training rows for the learning curve; None once it is drawn, and after loading.
    """

    model: Model
    scorer_state: dict[str, np.ndarray]
    blind_state: dict[str, np.ndarray]
    calibration: dict[str, np.ndarray]
    known: dict[str, np.ndarray]
    known_names: dict[str, list[Any]]
    n_defects: int
    held_out: Int[np.ndarray, " held_out"]
    reference: dict[str, np.ndarray]
    labels: dict[str, np.ndarray]
    learnt: Learnt | None = None

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Refuse a pickle of a version that kept less: half of what is asked would fail, and later."""
        missing = [one.name for one in fields(self) if one.name not in state]
        if missing:
            raise ArtifactError(
                f"this detector was pickled by another version of Blemish (it lacks {', '.join(missing)}); pickles "
                "serve within one version: fit again, and keep a model by save and load"
            )
        self.__dict__.update(state)

    @property
    def scorer(self) -> Scorer:
        """The chosen scorer."""
        return self.model.choices.scorer.make()

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
    def blind(self) -> "Fitted":
        """The same by a scorer that has not seen the held-out rows: on new rows it is as what calibrates."""
        return replace(self, scorer_state=self.blind_state) if self.blind_state else self

    @property
    def ordinary(self) -> Float[np.ndarray, " ordinary"]:
        """That score of the ordinary rows that calibrate."""
        return self.calibration["defect" if self.n_defects else "outlier"]

    def probabilities(self, evidence: Evidence, shares: Mapping[str, float] = PRIOR) -> Float[np.ndarray, "row 3"]:
        """Of normal, other and defect.

        That of the defect is calibrated on blind scores of labelled defects and on held-out rows, where there are two
        such defects or more; else it is what the scorer assumes.

        Args:
            evidence: The rows.
            shares: Expected shares of the groups among them.
        """
        return self.scores(evidence, shares).probabilities

    def scores(self, evidence: Evidence, shares: Mapping[str, float] = PRIOR) -> Scores:
        """All of these at once, at the price of the dearest."""
        found = all_scores(self.scorer, self.scorer_state, evidence, labelled=self.n_defects > 0)
        assumed = reweighed(found.probabilities, PRIOR, shares)
        if found.defect is None or self.log_ratio is None:
            return replace(found, probabilities=assumed)
        mine = chance_at(found.defect, self.log_ratio, shares["defect"])
        rest = assumed[:, 0] + assumed[:, 1]
        normal = np.where(rest > 0, assumed[:, 0] / np.where(rest > 0, rest, 1.0), 0.5)
        calibrated = np.stack([normal * (1 - mine), (1 - normal) * (1 - mine), mine])
        return replace(found, probabilities=calibrated.T)

    @cached_property
    def log_ratio(self) -> tuple[float, float] | None:
        """Slope and intercept of `probabilities.log_ratio`; None with fewer than two labelled defects."""
        known = self.calibration.get("known", np.empty(0))
        return log_ratio(known, self.calibration["defect"]) if len(known) >= LEAST_KNOWN else None

    def with_curve(self, seed: int) -> "Fitted":
        """The same with the learning curve drawn, where there is something to draw it from."""
        if self.learnt is None or self.n_defects < 2:
            return self
        curve = learning_curve(self.scorer, self.learnt, seed)
        return replace(self, labels={**self.labels, "curve": curve}, learnt=None)

    def given_again(self, x: TensorRows, group: Int[np.ndarray, " row"], seed: int) -> "Fitted":
        """The same with training rows for the learning curve.

        Args:
            x: The rows of the fit.
            group: Their groups.
            seed: Which of them are drawn.

        Raises:
            DataError: If they are not the rows of the fit.
        """
        defects = np.flatnonzero(group == DEFECT)
        if len(defects) != self.n_defects or (len(self.held_out) and self.held_out.max() >= len(group)):
            raise DataError(
                f"the learning curve needs the rows of the fit: these {len(group)} rows hold {len(defects)} labelled "
                f"defects, the model was fitted with {self.n_defects}; give the same data and labels"
            )
        return replace(self, learnt=sample_of(self.model.evidence(x), group, self.held_out, seed))

    def label_report(self, share: float, budget: int | None, threshold: float) -> LabelReport:
        """What the labels at hand say of themselves; see `blemish.calibration.label_report`.

        Args:
            share: Assumed share of defects.
            budget: Rows to look at in a batch; None: as many as lie above the threshold.
            threshold: On the defect score.

        Raises:
            ConfigError: If the budget is not below the rows of the batch.
            DataError: If the model is of a version that kept nothing to report on.
        """
        if "conflicts" not in self.labels:
            raise DataError("this model was fitted before there were label reports; fit again")
        ordinary = self.calibration["defect"]
        if budget is None:
            budget = min(max(1, int((ordinary > threshold).sum())), len(ordinary) - 1)
        return label_report(
            self.calibration, self.labels, self.known_names, self.n_defects, share, whole_number("budget", budget)
        )

    def promise(self, target: str, value: float | int) -> Promise:
        """The cut on the decision score that reaches a target, and what it promises; see `blemish.calibration.promise`.

        Args:
            target: 'recall', 'precision', 'false_positive_rate', 'budget' or 'contamination'.
            value: The target's value.

        Raises:
            ConfigError: If the value makes no sense.
            DataError: If the labels or rows at hand cannot support it.
        """
        ordinary = self.ordinary
        calibration = {**self.calibration, "ordinary": ordinary}
        if target == "recall":
            threshold = for_recall(calibration["known"], value)
        elif target == "precision":
            threshold = for_precision(calibration["known"], calibration["rejected"], value)
        elif target == "false_positive_rate":
            threshold = for_false_positive_rate(ordinary, value)
        elif target == "contamination":
            threshold = for_contamination(ordinary, value)
        else:
            threshold = for_budget(ordinary, whole_number("budget", value))
        return promise(target, float(value), threshold, calibration, held_out=len(self.held_out) > 0)

    def arrays(self) -> dict[str, np.ndarray]:
        """All numbers, by name, for a model file."""
        groups = {"scorer": self.scorer_state, "blind": self.blind_state, "calibration": self.calibration}
        groups |= {"known": self.known, "reference": self.reference, "labels": self.labels}
        return {
            **self.model.arrays(),
            "held_out": self.held_out,
            **{
                f"{group}.{name}": np.asarray(array) for group, named in groups.items() for name, array in named.items()
            },
        }

    def facts(self) -> dict[str, Any]:
        """All else, as JSON values."""
        return {
            "modality": self.model.modality.state(),
            "known_names": self.known_names,
            "n_defects": self.n_defects,
        }


def from_stored(
    choices: Choices, latent_dim: int, arrays: dict[str, np.ndarray], facts: dict[str, Any], device: torch.device
) -> Fitted:
    """The inverse of `Fitted.arrays` and `Fitted.facts`; the network is built without memory or random numbers.

    Raises:
        ArtifactError: If the weights do not fit the parts, or an earlier version's scorer would score otherwise now.
        KeyError: If something is missing.
    """
    if "scorer.bandwidth" in arrays:  # thresholds in the file are of scores that are no longer made
        raise ArtifactError(f"the scorer {choices.scorer.name!r} of that version scored otherwise; fit again")
    modality = choices.modality.factory.fitted.from_state(facts["modality"])
    with torch.device("meta"):
        empty = build(choices, modality, latent_dim, torch.device("meta"))
    model = Model(choices, modality, empty.network, empty.losses, device)
    model.load_weights(arrays)

    def under(group: str) -> dict[str, np.ndarray]:
        return {n.removeprefix(f"{group}."): array for n, array in arrays.items() if n.startswith(f"{group}.")}

    return Fitted(
        model=model,
        scorer_state=under("scorer"),
        blind_state=under("blind"),
        calibration=under("calibration"),
        known=under("known"),
        known_names=facts["known_names"],
        n_defects=int(facts["n_defects"]),
        held_out=arrays["held_out"],
        reference=under("reference"),
        labels=under("labels"),
    )


def hold_out(group: Int[np.ndarray, " row"], rng: np.random.Generator) -> Int[np.ndarray, " held_out"]:
    """Unlabelled and normal rows for calibration: a fifth of them, none where that would be fewer than 20."""
    rows = np.flatnonzero(is_ordinary(group))
    n = min(MOST_HELD_OUT, int(HELD_OUT * len(rows)))
    return np.sort(rng.permutation(rows)[:n]) if n >= LEAST_HELD_OUT else rows[:0]


def still_held_out(before: Int[np.ndarray, " held_out"], group: Int[np.ndarray, " row"]) -> Int[np.ndarray, " still"]:
    """Rows held out before that are still there and unlabelled or normal: no row that was trained on joins them."""
    there = before[before < len(group)]
    return there[is_ordinary(group[there])]


def learn_groups(
    model: Model,
    x: TensorRows,
    group: Int[np.ndarray, " row"],
    held_out: Int[np.ndarray, " held_out"],
    names: list[Any],
    seed: int = 0,
    *,
    blind: bool = False,
) -> Fitted:
    """Fit the scorer on the training rows and score the held-out ones; where these are few, fit it on all rows then.

    Args:
        model: A trained model.
        x: All samples, shape (row, *sample).
        group: Their groups.
        held_out: Rows that were not trained on.
        names: A name for each row.
        seed: For the scorer.
        blind: Leave it at the scorer that has not seen the held-out rows.
    """
    evidence = model.evidence(x)
    seen = np.setdiff1d(np.arange(len(x)), held_out)
    scorer: Scorer = model.choices.scorer.make()
    state = scorer.fit(evidence[seen], group[seen], seed)
    ordinary = held_out if len(held_out) else seen[is_ordinary(group[seen])]
    calibration = {"outlier": np.sort(scorer.outlier_score(state, evidence[ordinary]))}
    labels: dict[str, np.ndarray] = {}
    rejected: np.ndarray = np.zeros(0, dtype=np.int64)
    defects = np.flatnonzero(group == DEFECT)
    if len(defects):
        calibration["defect"] = np.sort(scorer.defect_score(state, evidence[ordinary]))
        calibration["known"] = scorer.known_scores(state, evidence[seen], group[seen])
        rejected = np.flatnonzero((group == OTHER) | (group == NORMAL))
        calibration["rejected"] = scorer.defect_score(state, evidence[rejected])
        labels = _labels(evidence, group, defects, rejected, scorer.outlier_score(state, evidence[defects]))
    notice(
        calibration,
        labels.get("outlier", np.empty(0)),
        float(evidence.z[ordinary].std(axis=0).max()),
    )
    normals = np.flatnonzero(is_ordinary(group))
    normals = normals[:: max(1, -(-len(normals) // KNOWN_NORMALS))]
    which = {"defect": defects, "normal": normals}
    again = 0 < len(held_out) <= FEW_HELD_OUT and not blind
    return Fitted(
        model=model,
        scorer_state=scorer.fit(evidence, group, seed) if again else state,
        blind_state=state if again else {},
        calibration=calibration,
        known={name: evidence.z[rows] for name, rows in which.items()},
        known_names={name: [names[i] for i in rows] for name, rows in {**which, "rejected": rejected}.items()},
        n_defects=len(defects),
        held_out=held_out,
        reference=_reference(model, x, evidence.z, held_out),
        labels=labels,
        learnt=sample_of(evidence, group, held_out, seed) if len(defects) > 1 else None,
    )


def _labels(
    evidence: Evidence, group: np.ndarray, defects: np.ndarray, rejected: np.ndarray, outlier: np.ndarray
) -> dict[str, np.ndarray]:
    """See `blemish.calibration.label_report.label_report`."""
    place = {int(row): at for at, row in enumerate([*defects, *rejected])}
    pairs = [sorted((place[i], place[j])) for i, j in conflicts(evidence, group).tolist()]
    return {
        "outlier": outlier,
        "rejected_normal": (group[rejected] == NORMAL).astype(np.float64),
        "conflicts": np.array(pairs, dtype=np.int64).reshape(-1, 2),
    }


def _reference(model: Model, x: TensorRows, z: np.ndarray, held_out: np.ndarray) -> dict[str, np.ndarray]:
    some = held_out[:: max(1, -(-len(held_out) // MOST_REFERENCE))]
    kept = {"z": z[some].astype(np.float32)}
    if model.modality.reference_rows:
        kept["x"] = x[torch.from_numpy(some)].to_dense().cpu().numpy()
    return kept


def notice(calibration: dict[str, np.ndarray], outlier_of_known: Float[np.ndarray, " defect"], spread: float) -> None:
    """Warn where the scores cannot be worth much, and say what to do.

    Args:
        calibration: See `Fitted`.
        outlier_of_known: Outlier score of each labelled defect.
        spread: Standard deviation of the normals' codes.
    """
    ordinary = calibration["outlier"]
    if len(ordinary) < LEAST_HELD_OUT:
        _warn(
            f"only {len(ordinary)} unlabelled or normal sample(s) to learn from: the scores say little; fit on at "
            f"least {LEAST_HELD_OUT}, and on {round(LEAST_HELD_OUT / HELD_OUT)} or more for promises about new ones"
        )
    if len(ordinary) > 1 and np.unique(ordinary).size == 1:
        _warn("all outlier scores are equal: all rows are, or the model collapsed; then raise latent_dim or lower lr")
    elif len(ordinary) > 1 and spread < 1e-6:
        _warn("all codes are equal: the latent space collapsed; lower lr, or the weight of losses that shrink the code")
    known = calibration.get("known", np.empty(0))
    if len(known) < LEAST_JUDGED:
        return
    blind = fraction_below(calibration["defect"], known)
    free = fraction_below(ordinary, outlier_of_known)
    if blind < free - LEAST_GAP:
        _warn(
            f"by cross-validation over {len(known)} labelled defects, defect_score puts them above {blind:.0%} of the "
            f"ordinary rows and outlier_score above {free:.0%}: the labels do not pay yet; label more, or check them"
        )


def _warn(message: str) -> None:
    warnings.warn(message, QualityWarning, stacklevel=6)
