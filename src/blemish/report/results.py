"""A model and its scores as plain values, for the command line and the report."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from blemish.core.errors import LabelError
from blemish.core.metrics import evaluate
from blemish.core.run_config import RunConfig
from blemish.data.dataset import take
from blemish.explain.explanation import of_element

if TYPE_CHECKING:
    from blemish.detector import DefectDetector

FACTS = ("rows", "groups", "held_out", "epochs", "seconds")


def evaluation(det: "DefectDetector", X: Any, words: list[Any], kinds: list[str]) -> dict[str, Any]:
    """The quality of both scores on labelled samples; unlabelled ones are left out.

    Args:
        det: A fitted detector.
        X: Samples.
        words: The group of each, or None.
        kinds: The kind of each, within its group.

    Returns:
        `Evaluation` as JSON values under 'defect_score' (where defects were labelled) and 'outlier_score'.

    Raises:
        LabelError: If no sample is labelled.
    """
    from blemish.core.labels import DEFECT, UNLABELLED, to_groups, to_words

    groups = to_groups(words, len(words))
    labelled = groups != UNLABELLED
    if not labelled.any():
        raise LabelError("no row has a true label; the truth must contain 'defect' and 'normal' or 'other', or 1 and 0")
    if set(groups.tolist()) == {UNLABELLED, DEFECT}:  # the dialect {0, 1}: in a truth, 0 means everything else
        labelled[:] = True
        kinds = ["defect" if group == DEFECT else "rest" for group in groups]
    defect = (to_words(groups) == "defect")[labelled]
    kind = np.asarray(kinds, dtype=object)[labelled]
    scores = {"outlier_score": np.asarray(det.outlier_score(X))[labelled]}
    if det.fitted_.n_defects:
        scores = {"defect_score": np.asarray(det.defect_score(X))[labelled], **scores}
    return {name: asdict(evaluate(values, defect, kind)) for name, values in scores.items()}


def measures(found: dict[str, Any]) -> dict[str, float]:
    """The measures of one score from `evaluation`, by the name that a person reads."""
    return {
        "average precision": found["average_precision"],
        "recall at 1 % false alarms": found["recall_at_1pct"],
        **{f"precision among the top {k}": value for k, value in found["precision_at"].items()},
        **{f"AUROC above {kind} ({found['n'][kind]})": value for kind, value in found["auroc_defect_above"].items()},
    }


def top_explanations(det: "DefectDetector", X: Any, keys: list[Any], top: int, elements: int) -> list[dict[str, Any]]:
    """The elements that explain the highest scores, as JSON values."""
    scores = np.asarray(det.defect_score(X) if det.fitted_.n_defects else det.outlier_score(X))
    order = np.argsort(-scores, kind="stable")[:top].tolist()
    explanation = det.explain(take(X, order))
    return [
        {"key": keys[place], "score": float(scores[place]), **of_element(explanation, row, element)}
        for row, place in enumerate(order)
        for element in explanation.worst(row, elements)
    ]


def description(det: "DefectDetector") -> dict[str, Any]:
    """The parts and facts of a model, as JSON values."""
    model = det.fitted_.model
    spec = model.choices.spec()
    return {
        **{name: spec[name] for name in ("modality", "backbone", "bottleneck", "losses", "corruption", "scorer", "lr")},
        "sample_shape": list(model.modality.sample_shape),
        **({"columns": model.modality.kinds()} if model.modality.kinds() else {}),
        "latent_dim": model.network.latent_dim,
        "parameters": sum(p.numel() for p in model.network.parameters()),
        **{name: det.training_[name] for name in FACTS if name in det.training_},
        "random_state": det.seed_,
        "threshold": det.threshold_,
        "promise": det.promise_.text,
        "fitted": det.training_["date"],
        "versions": det.training_["versions"],
        "reading": [asdict(note) for note in det.reading_],
    }


def run_config(det: "DefectDetector") -> RunConfig:
    """A run file that fits this model again, with the same seed."""
    arguments = {**det.get_params(deep=False), **det.fitted_.model.choices.spec(), "random_state": det.seed_}
    arguments.pop("verbose")
    kept = {name: value for name, value in arguments.items() if value is not None}
    data = dict(getattr(det, "notes_", {}).get("run", {}))
    data.pop("preset", None)  # the arguments say what it stood for
    return RunConfig.check({**data, **kept}, "the model")
