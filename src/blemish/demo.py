"""The demo: the main job on data made on the spot, our default alongside the original prototype."""

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from blemish.core.errors import DataError
from blemish.core.metrics import auroc
from blemish.core.store import check_writable, write_atomically
from blemish.datasets import COIN_FRAMES, Split, rotating_coin
from blemish.detector import DefectDetector
from blemish.report import (
    Section,
    Table,
    curves,
    film_pair,
    histograms,
    latent_map,
    principal_plane,
    render,
    write_page,
)

KINDS = ("normal", "1.9", "1.0", "0", "3.0", "-2.0", "random")
SHOWN = ("normal", "defect", "1.9", "random")
ORIGINAL = "contrastive_spatio_temporal"  # the preset; metrics.json keeps the key 'prototype'

if TYPE_CHECKING:
    from blemish.training.loop import EpochRecord

Advance = Callable[["EpochRecord", str | None], None]


def run_demo(out: Path, *, n_normal: int, epochs: int | None, advance: Advance) -> dict[str, Any]:
    """Render coins, fit our default and the original prototype on the same sequences, rank, and write the results.

    Args:
        out: Folder for metrics.json, coin.blemish and report.html; made if absent.
        n_normal: Unlabelled normal sequences to train on.
        epochs: Passes over them; None: the detector's default.
        advance: Called with every epoch's record and the model's name.

    Returns:
        What metrics.json holds.

    Raises:
        DataError: If `out` exists and is not a folder, or cannot be made.
        ArtifactError: If nothing can be written there.
    """
    start = time.perf_counter()
    if out.exists() and not out.is_dir():
        raise DataError(f"{out} is a file; give --out a folder")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{out} cannot be made ({error.strerror}); give --out another folder") from None
    check_writable(out / "metrics.json")
    split = rotating_coin(n_normal=n_normal)
    arguments: dict[str, Any] = {"random_state": 0, **({} if epochs is None else {"epochs": epochs})}
    ours = _fitted(DefectDetector(**arguments), split, "ours", advance)
    prototype = _fitted(DefectDetector.from_preset(ORIGINAL, **arguments), split, "prototype", advance)
    scores = {"ours": ours.defect_score(split.X_test), "prototype": prototype.outlier_score(split.X_test)}
    metrics = {
        "auroc_defect_above": _above_each_kind(scores["ours"], split),
        "prototype": _above_each_kind(scores["prototype"], split),
        "n_labelled": int((split.y_train == "defect").sum()),
        "n_normal": n_normal,
    }
    ours.save(out / "coin.blemish")
    page = _page(ours, prototype, split, scores, metrics)
    write_page(out / "report.html", page)
    metrics["seconds"] = round(time.perf_counter() - start, 1)
    metrics["peak_mb"] = round(_peak_mb())
    write_atomically(out / "metrics.json", (json.dumps(metrics, indent=2) + "\n").encode())
    return metrics


def _fitted(det: DefectDetector, split: Split, name: str, advance: Advance) -> DefectDetector:
    for record in det.iter_fit(split.X_train, split.y_train):
        advance(record, name)
    return det


def _above_each_kind(scores: Float[np.ndarray, " row"], split: Split) -> dict[str, float]:
    defects = scores[split.kind_test == "defect"]
    return {kind: round(auroc(defects, scores[split.kind_test == kind]), 4) for kind in KINDS}


def _by_kind(values: Float[np.ndarray, " row"], split: Split) -> dict[str, Float[np.ndarray, " some"]]:
    return {kind: values[split.kind_test == kind] for kind in ("defect", *KINDS)}


def _page(
    ours: DefectDetector,
    prototype: DefectDetector,
    split: Split,
    scores: dict[str, np.ndarray],
    metrics: dict[str, Any],
) -> str:
    before = np.log10(ours.outlier_score(split.X_test))
    rows = [(kind, f"{metrics['auroc_defect_above'][kind]:.4f}", f"{metrics['prototype'][kind]:.4f}") for kind in KINDS]
    plane = principal_plane(ours.encode(split.X_test))
    hover = [f"{kind}, defect score {score:.1f}" for kind, score in zip(split.kind_test, scores["ours"], strict=True)]
    sections = [
        Section(
            "Before: how unusual?",
            "Reconstruction error of the same model, the usual score: it cannot tell the defect from other outliers.",
            histograms(_by_kind(before, split), "Reconstruction error", "log10 of the error"),
        ),
        Section(
            "After: is it my defect?",
            "The defect score: the log-odds that a sequence lies where the labelled defects lie in latent space.",
            histograms(_by_kind(scores["ours"], split), "Defect score", "log-odds"),
        ),
        Section(
            "The original prototype",
            "The original recipe on the same sequences: unsquared mean distances, reconstruction error as the score.",
            histograms(_by_kind(np.log10(scores["prototype"]), split), "Original prototype", "log10 of the error"),
        ),
        Section(
            "The latent space",
            "Codes of the test sequences on their two principal components.",
            latent_map(plane, [str(kind) for kind in split.kind_test], hover, "Latent map"),
        ),
        Section("Sequences and reconstructions", "One of each; every third frame.", _films(ours, split)),
        Section("Training", "Terms of the loss by epoch.", curves(_terms(ours), "Loss terms", "epoch", "loss")),
    ]
    facts = {
        "normal sequences": str(metrics["n_normal"]),
        "labelled defects": str(metrics["n_labelled"]),
        "frames": str(COIN_FRAMES),
        "seconds to fit ours": f"{ours.training_['seconds']:.0f}",
        "seconds to fit the original prototype": f"{prototype.training_['seconds']:.0f}",
        "parts": ", ".join(
            str(part) for part in (ours.fitted_.model.choices.spec()["backbone"], "plain", "mse + margin", "latent")
        ),
    }
    return render(
        "Rotating coins",
        "Coins turn by 2.0 degrees per frame. The defect turns by 2.1; eight examples of it are labelled. No other "
        "outlier was in training. The table shows the probability that a defect outranks a sequence of each kind.",
        facts,
        [Table("AUROC of the defect above each kind", ("kind", "blemish", "original prototype"), rows)],
        sections,
    )


def _films(det: DefectDetector, split: Split) -> str:
    pairs = []
    for kind in SHOWN:
        clip = split.X_test[split.kind_test == kind][:1]
        shown = det.fitted_.model.modality.to_tensor(clip)[0, :, 0]
        rebuilt = det.reconstruct(clip)[0, :, 0] / 255
        pairs.append(film_pair(shown.astype(np.float64), rebuilt.astype(np.float64), f"{kind}", every=3))
    return "".join(pairs)


def _terms(det: DefectDetector) -> dict[str, list[float]]:
    return {name: [record.terms[name] for record in det.history_] for name in det.history_[0].terms}


def _peak_mb() -> float:
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
