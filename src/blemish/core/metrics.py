"""How well a ranking answers "is it *my* defect?"."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float
from sklearn.metrics import average_precision_score, roc_auc_score

from blemish.core.errors import DataError


def auroc(above: Float[np.ndarray, " above"], below: Float[np.ndarray, " below"]) -> float:
    """Probability that a row of the first group outranks one of the second; ties count half.

    Example:
        >>> auroc(np.array([2.0, 3.0]), np.array([1.0, 2.0]))
        0.875

    Raises:
        DataError: If a group is empty.
    """
    if not len(above) or not len(below):
        raise DataError("the area under the ROC curve needs rows of both groups")
    labels = np.concatenate([np.ones(len(above)), np.zeros(len(below))])
    return float(roc_auc_score(labels, np.concatenate([above, below])))


def fraction_below(reference: Float[np.ndarray, " row"], scores: Float[np.ndarray, " some"]) -> float:
    """Fraction of reference scores that lie below a score, on average over the scores; in [0, 1].

    Example:
        >>> fraction_below(np.array([1.0, 2.0, 3.0, 4.0]), np.array([2.0, 9.0]))
        0.625
    """
    return float(np.mean(np.searchsorted(np.sort(reference), scores, side="left")) / len(reference))


def recall_at(
    scores: Float[np.ndarray, " row"], defect: Bool[np.ndarray, " row"], false_positive_rate: float = 0.01
) -> float:
    """Fraction of the defects above the threshold that this fraction of all other rows exceeds."""
    rest = np.sort(scores[~defect])[::-1]
    return float(np.mean(scores[defect] > rest[int(false_positive_rate * len(rest))]))


@dataclass(frozen=True)
class Evaluation:
    """The quality of one score on labelled rows.

    Attributes:
        n: Rows by group.
        average_precision: Defects against everything else.
        auroc_defect_above: Probability that a defect outranks a row of each kind.
        recall_at_1pct: Fraction of defects found when 1 % of all other rows are false alarms.
        precision_at: Fraction of defects among the top k, for k = 10, 20, 50, as far as there are rows.
    """

    n: dict[str, int]
    average_precision: float
    auroc_defect_above: dict[str, float]
    recall_at_1pct: float
    precision_at: dict[str, float] = field(default_factory=dict)


def evaluate(scores: Float[np.ndarray, " row"], defect: Bool[np.ndarray, " row"], kind: np.ndarray) -> Evaluation:
    """Measure a ranking.

    Args:
        scores: Higher = more like the defect, shape (row,).
        defect: Whether a row is the defect, shape (row,).
        kind: The name of each row's kind, shape (row,); the defects' own is not used.

    Raises:
        DataError: If there are no defects, nothing else, or a score is not finite.
    """
    if not np.isfinite(scores).all():
        raise DataError(f"{int((~np.isfinite(scores)).sum())} score(s) are NaN or infinite; leave those rows out")
    if not defect.any() or defect.all():
        raise DataError(
            f"{int(defect.sum())} of {len(defect)} rows are defects; an evaluation needs defects and something else"
        )
    names, counts = np.unique(kind[~defect].astype(str), return_counts=True)
    order = np.argsort(-scores, kind="stable")
    return Evaluation(
        n={"defect": int(defect.sum()), **dict(zip(names.tolist(), counts.tolist(), strict=True))},
        average_precision=float(average_precision_score(defect, scores)),
        auroc_defect_above={
            str(name): auroc(scores[defect], scores[~defect & (kind.astype(str) == name)]) for name in names
        },
        recall_at_1pct=recall_at(scores, defect),
        precision_at={str(k): float(defect[order[:k]].mean()) for k in (10, 20, 50) if k <= len(scores)},
    )
