"""The demos: the main job on data made on the spot, coins that turn too fast and cracks in metal parts."""

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from blemish.core.errors import DataError
from blemish.core.metrics import auroc
from blemish.core.store import check_writable, write_atomically
from blemish.datasets import COIN_FRAMES, Split, machined_parts, rotating_coin
from blemish.detector import DefectDetector
from blemish.report import (
    Section,
    Table,
    check_extras,
    curves,
    film_pair,
    histograms,
    latent_map,
    principal_plane,
    render,
    write_page,
)
from blemish.report.found import find

KINDS = ("normal", "1.9", "1.0", "0", "3.0", "-2.0", "random")
SHOWN = ("normal", "defect", "1.9", "random")
ORIGINAL = "contrastive_spatio_temporal"  # the preset; metrics.json keeps the key 'prototype'

Say = Callable[[str], None]
"""Takes what is being done, in a few words."""


def run_coins(out: Path, *, n_normal: int = 400, epochs: int | None = None, seed: int = 0, say: Say) -> dict[str, Any]:
    """Render coins, fit our default and the original prototype on the same sequences, rank, and write the results.

    Args:
        out: Folder for metrics.json, coin.blemish and report.html; made if absent.
        n_normal: Unlabelled normal sequences to train on.
        epochs: Passes over them; None: the detector's default.
        seed: Of the coins and of the fits.
        say: Called with what is being done.

    Returns:
        What metrics.json holds.

    Raises:
        DataError: If `out` exists and is not a folder, or cannot be made.
        ArtifactError: If nothing can be written there.
        MissingExtraError: Without the extra 'report'.
    """
    start = time.perf_counter()
    _prepare(out, "metrics.json", "report.html", "coin.blemish")
    say("rendering coins")
    split = rotating_coin(n_normal=n_normal, random_state=seed)
    arguments: dict[str, Any] = {"random_state": seed, **({} if epochs is None else {"epochs": epochs})}
    ours = _fitted(DefectDetector(**arguments), split, "ours", say)
    prototype = _fitted(DefectDetector.from_preset(ORIGINAL, **arguments), split, "prototype", say)
    say("scoring, and writing the report")
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
    _write_metrics(out, metrics)
    return metrics


def _prepare(out: Path, *names: str) -> None:
    """Make the folder; refuse before the work what would fail after it."""
    check_extras()
    if out.exists() and not out.is_dir():
        raise DataError(f"{out} is a file; give --out a folder")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{out} cannot be made ({error.strerror}); give --out another folder") from None
    for name in names:
        check_writable(out / name)


def _write_metrics(out: Path, metrics: dict[str, Any]) -> None:
    write_atomically(out / "metrics.json", (json.dumps(metrics, indent=2) + "\n").encode())


def _fitted(det: DefectDetector, split: Split, name: str, say: Say) -> DefectDetector:
    say(f"fitting {name}: measuring")
    for record in det.iter_fit(split.X_train, split.y_train, regions=split.regions_train):
        say(f"fitting {name}: epoch {record.epoch} of the network; then its experts")
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


def run_pictures(
    out: Path, *, n_normal: int = 24, n_test: int = 12, epochs: int | None = None, seed: int = 0, say: Say
) -> dict[str, Any]:
    """Render metal parts, fit on them with one stroke along one crack, and outline the cracks of parts never seen.

    Args:
        out: Folder for metrics.json, parts.blemish, outlines.jpg and report.html; made if absent.
        n_normal: Unlabelled normal parts to train on; a third as many have a scratch, a stain or a chip.
        n_test: Test parts that are normal, as many with a crack, as many with something else.
        epochs: Passes over them; None: the detector's default.
        seed: Of the parts and of the fit.
        say: Called with what is being done.

    Returns:
        What metrics.json holds.

    Raises:
        DataError: If `out` exists and is not a folder, or cannot be made.
        ArtifactError: If nothing can be written there.
        MissingExtraError: Without the extra 'report'.
    """
    clock, work = [time.perf_counter()], time.process_time()
    _prepare(out, "metrics.json", "report.html", "parts.blemish", "outlines.jpg")
    say("rendering parts")
    split = machined_parts(n_normal, max(3, n_normal // 3), n_test, random_state=seed)
    clock.append(time.perf_counter())
    arguments: dict[str, Any] = {"random_state": seed, **({} if epochs is None else {"epochs": epochs})}
    det = _fitted(DefectDetector(**arguments), split, "with one stroke", say)
    clock.append(time.perf_counter())
    say("scoring parts that it has not seen, and drawing their maps")
    found = find(det, split)
    clock.append(time.perf_counter())
    say("writing the report")
    metrics = found.measures()
    metrics |= {"n_normal": n_normal, "n_labelled": 1, "seed": seed, "unsupported": list(det.unsupported_)}
    det.save(out / "parts.blemish")
    write_atomically(out / "outlines.jpg", found.poster())
    write_page(out / "report.html", found.page(metrics, seed, det.unsupported_))
    clock.append(time.perf_counter())
    steps = zip(("render", "fit", "score", "report"), np.diff(clock).tolist(), strict=True)
    metrics["seconds_of"] = {name: round(seconds, 1) for name, seconds in steps}
    metrics["seconds"] = round(clock[-1] - clock[0], 1)
    metrics["processor_seconds"] = round(time.process_time() - work, 1)
    metrics["peak_mb"] = round(_peak_mb())
    _write_metrics(out, metrics)
    return metrics
