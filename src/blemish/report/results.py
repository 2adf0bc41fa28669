"""A model and its scores as plain values, for the command line and the report."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from blemish.calibration.kinds import Named
from blemish.core.errors import LabelError
from blemish.core.labels import DEFECT, NORMAL, ONE_KIND, UNLABELLED, is_defect, is_other, to_groups, to_words
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
    groups = _true_groups(det, words)
    labelled = groups != UNLABELLED
    if not labelled.any():
        raise LabelError("no row has a true label; the truth must contain 'defect' and 'normal' or 'other', or 1 and 0")
    if not (is_other(groups) | (groups == NORMAL)).any():  # the dialect {0, 1}: in a truth, 0 means everything else
        labelled[:] = True
        kinds = ["defect" if group >= DEFECT else "rest" for group in groups]
    defect = is_defect(groups)[labelled]
    kind = np.asarray(kinds, dtype=object)[labelled]
    scores = {"outlier_score": np.asarray(det.outlier_score(X))[labelled]}
    if det.fitted_.n_defects:
        scores = {"defect_score": np.asarray(det.defect_score(X))[labelled], **scores}
    return {name: asdict(evaluate(values, defect, kind)) for name, values in scores.items()}


def _true_groups(det: "DefectDetector", words: list[Any]) -> np.ndarray:
    kinds = det.fitted_.kinds
    return to_groups([kinds[0] if word == "defect" and len(kinds) == 1 else word for word in words], len(words), kinds)


def kinds_evaluation(det: "DefectDetector", X: Any, words: list[Any], kinds: list[str]) -> dict[str, dict[str, Any]]:
    """The quality of the score of each of several kinds of defect against everything else, and how it is named.

    The arguments are those of `evaluation`.

    Returns:
        By kind `Evaluation` as JSON values, and: 'named', how many are predicted to be what; 'right', the fraction
        named right of those that are predicted to be a defect, with 'low' and 'high', its exact 90 % interval; 'says'.
        Kinds without labels in the fit or in the truth are left out; nothing with one kind.
    """
    groups, found = _true_groups(det, words), {}
    labelled = groups != UNLABELLED
    labelled |= not (is_other(groups) | (groups == NORMAL)).any()
    named = np.asarray(det.predict(X)) if det.fitted_.each else groups
    for code, kind in enumerate(det.fitted_.kinds, start=DEFECT):
        mine = groups == code
        if kind not in det.fitted_.each or not mine.any():
            continue
        scores = np.asarray(det.defect_score(X, kind))[labelled]
        of = np.where(mine | (groups >= DEFECT), to_words(groups, det.fitted_.kinds), np.asarray(kinds, dtype=object))
        one = Named.of(kind, named[mine].tolist(), det.fitted_.kinds)
        counted = {name: value for name, value in asdict(one).items() if name != "n"}
        found[kind] = {**asdict(evaluate(scores, mine[labelled], of[labelled])), **counted, "says": one.text}
    return found


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
        **({"kinds": list(det.fitted_.kinds)} if det.fitted_.kinds != ONE_KIND else {}),
        **{f"promise of {kind}": one.text for kind, one in det.promises_.items()},
        "fitted": det.training_["date"],
        "versions": det.training_["versions"],
        "reading": [asdict(note) for note in det.reading_],
    }


def run_config(det: "DefectDetector") -> RunConfig:
    """A run file that fits this model again, with the same seed."""
    arguments = {**det.get_params(deep=False), **det.fitted_.model.choices.spec(), "random_state": det.seed_}
    arguments.pop("verbose")
    arguments.pop("defects")
    kept = {name: value for name, value in arguments.items() if value is not None}
    data = dict(getattr(det, "notes_", {}).get("run", {}))
    data.pop("preset", None)  # the arguments say what it stood for
    if det.fitted_.kinds != ONE_KIND:
        data["kind"] = list(det.fitted_.kinds)
    return RunConfig.check({**data, **kept}, "the model")
