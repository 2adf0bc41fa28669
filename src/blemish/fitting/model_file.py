"""What a model file holds: a detector's arguments, what was fitted, and its provenance."""

import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from blemish.calibration.thresholds import Promise
from blemish.core import store
from blemish.core.errors import ArtifactError
from blemish.core.labels import CLASSES
from blemish.data.dataset import Note, Reading
from blemish.fitting.choices import EarlyStopping, choose_modality, choose_parts, plain
from blemish.fitting.fitted import from_stored
from blemish.fitting.model import device_for
from blemish.scoring.scorer import under
from blemish.training.loop import EpochRecord

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
    arrays, manifest = store.read(path)
    where = device_for(device)
    try:
        facts = manifest["detector"]
        det = make(**facts["arguments"])
        choices = choose_parts(det.get_params(deep=False), choose_modality(det.modality, ""))
        det.fitted_ = from_stored(choices, det.latent_dim, arrays, manifest, where)
        det.folds_ = [
            from_stored(choices, det.latent_dim, under(arrays, f"fold{k}."), fold, where)
            for k, fold in enumerate(manifest.get("folds", []))
        ]
        for name in STORED_AS_THEY_ARE:
            setattr(det, name, facts[name])
        # The manifest is sorted by key; `predict_proba` and all that is printed have the order of CLASSES.
        det.prior_ = {name: det.prior_[name] for name in CLASSES}
        det.promise_, det.classes_ = Promise(**facts["promise_"]), np.array(CLASSES)
        det.seed_ = int(facts["arguments"]["random_state"])
        det.history_ = [EpochRecord(**record) for record in facts["history_"]]
        det.reading_ = Reading([Note(**note) for note in facts.get("reading_", [])])  # files of 0.1.0 have none
        if facts["n_features_in_"] is not None:
            det.n_features_in_ = int(facts["n_features_in_"])
        if facts["feature_names_in_"]:
            det.feature_names_in_ = np.array(facts["feature_names_in_"], dtype=object)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        if isinstance(error, ArtifactError):
            raise
        raise ArtifactError(f"the manifest of {Path(path)} is incomplete or damaged ({error}); fit again") from None
    return det
