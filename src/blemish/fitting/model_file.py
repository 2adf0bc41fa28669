"""What a model file holds: a detector's arguments, what was fitted, and its provenance."""

import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from blemish.core import store
from blemish.core.errors import ArtifactError, BlemishError
from blemish.core.files import reading_in
from blemish.core.state import Stored
from blemish.data.dataset import Reading
from blemish.fitting.choices import EarlyStopping, choose_modality, choose_parts, plain
from blemish.fitting.manifest import Manifest
from blemish.fitting.model import device_for
from blemish.fitting.stored import from_stored

STORED_AS_THEY_ARE = ("threshold_", "outlier_threshold_", "training_", "notes_", "prior_")


def write(path: str | os.PathLike[str], det: Any) -> None:
    """Write one safetensors file, whole or not at all.

    Args:
        path: Where to.
        det: A fitted `DefectDetector`.

    Raises:
        ArtifactError: If it cannot be written.
    """
    facts = {
        "arguments": {
            **det.fitted_.model.choices.spec(),
            "latent_dim": det.fitted_.model.network.latent_dim,
            "epochs": asdict(det.epochs) if isinstance(det.epochs, EarlyStopping) else plain(det.epochs),
            "batch_size": plain(det.batch_size),
            "device": det.device,
            "random_state": det.seed_,
            "verbose": int(det.verbose),
        },
        **{name: getattr(det, name) for name in STORED_AS_THEY_ARE},
        "promise_": asdict(det.promise_),
        **({"promises_": {kind: asdict(one) for kind, one in det.promises_.items()}} if det.promises_ else {}),
        "history_": [asdict(record) for record in det.history_],
        "reading_": [asdict(note) for note in det.reading_],
        "n_features_in_": getattr(det, "n_features_in_", None),
        "feature_names_in_": [str(name) for name in getattr(det, "feature_names_in_", [])],
    }
    arrays = det.fitted_.arrays()
    for k, fold in enumerate(det.folds_):
        arrays |= {f"fold{k}.{name}": array for name, array in fold.arrays().items()}
    manifest = {**det.fitted_.facts(), "folds": [fold.facts() for fold in det.folds_], "detector": facts}
    store.write(path, arrays, manifest)


def read(path: str | os.PathLike[str], make: Callable[..., Any], device: str) -> Any:
    """The inverse of `write`.

    Args:
        path: A model file.
        make: `DefectDetector`.
        device: Where to run it.

    Raises:
        ArtifactError: If the file is missing, truncated, foreign, damaged or of another schema.
    """
    arrays, manifest = store.read(path, Manifest)
    where = device_for(device)
    try:
        facts, stored = manifest.detector, Stored(arrays)
        det = make(**facts["arguments"])
        det.defects = tuple(manifest.kinds)
        choices = choose_parts(det.get_params(deep=False), choose_modality(det.modality, ""))
        with reading_in(Path(path).resolve().parent):
            folds = [
                from_stored(choices, det.latent_dim, stored.under(f"fold{k}"), fold, where)
                for k, fold in enumerate(manifest.folds)
            ]
            det.fitted_, det.folds_ = from_stored(choices, det.latent_dim, stored, manifest, where), folds
        stored.check_empty()
    except (BlemishError, LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise ArtifactError(f"{Path(path)} is damaged or incomplete: {reason}; fit again or copy it again") from None
    for name in STORED_AS_THEY_ARE:
        setattr(det, name, facts[name])
    # The manifest is sorted by key; `predict_proba` and all that is printed have the order of the classes.
    classes = ("normal", "other", *manifest.kinds)
    det.prior_ = {name: det.prior_[name] for name in classes}
    det.promise_, det.classes_, det.history_ = facts["promise_"], np.array(classes), facts["history_"]
    det.promises_ = facts.get("promises_", {})
    det.reading_ = Reading(facts.get("reading_", []))  # files of 0.1.0 have none
    det.seed_ = facts["arguments"]["random_state"]
    if facts["n_features_in_"] is not None:
        det.n_features_in_ = facts["n_features_in_"]
    if facts["feature_names_in_"]:
        det.feature_names_in_ = np.array(facts["feature_names_in_"], dtype=object)
    return det
