"""The spatio-temporal autoencoder on real video: regularity of the frames of UCSD Ped2."""

import csv
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from blemish import DefectDetector
from blemish.core.metrics import auroc

MODELS = {
    "spatio_temporal": {"arguments": {"epochs": 60}, "video": {"frames": 10, "size": [24, 36]}},
    "conv": {"arguments": {"epochs": 150, "batch_size": 32}, "video": {"frames": 10, "size": [24, 36]}},
}
PUBLISHED = 0.874


def reproduce(data: Path, seeds: Sequence[int], quick: bool, cells: Any) -> dict[str, Any]:
    """Fit on the training recordings, and rank the frames of the test recordings by their regularity.

    Args:
        data: Holds the folder ucsd_ped2.
        seeds: Of the weights and batches.
        quick: A smoke test.
        cells: Keeps what was measured.
    """
    folder = data / "ucsd_ped2"
    rows = []
    for name, settings in MODELS.items():
        keys = {f"{name}, seed {seed}": seed for seed in seeds}
        runs = [
            cells(key, partial(_one_fit, folder, name, settings, seed, quick=quick))
            for key, seed in keys.items()
            if cells.affords(key)
        ]
        for of in runs[0] if runs else ():
            values = [run[of] for run in runs]
            of_row = {"model": name, "recording": of, "measure": "seconds" if of == "fit" else "AUROC of frames"}
            published = PUBLISHED if of == "all" else None
            rows.append({**of_row, "mean": np.mean(values), "sd": np.std(values), "published": published})
    text = "Chong & Tay 2017: AUROC of frames 87.4 on all 12 test recordings, trained on all 16; here 3, trained on 4"
    rows = [{**row, "mean": float(row["mean"]), "sd": float(row["sd"])} for row in rows]
    return {"published": text, "rows": rows}


def _one_fit(folder: Path, name: str, settings: dict[str, Any], seed: int, *, quick: bool) -> dict[str, float]:
    video = {"name": "video", **settings["video"], **({"size": [6, 9]} if quick else {})}
    arguments = {**settings["arguments"], **({"epochs": 1} if quick else {}), "modality": video}
    backbone = {"backbone": "conv"} if name == "conv" else {}
    det = DefectDetector.from_preset("spatio_temporal", **backbone, **arguments, random_state=seed)
    det.fit(folder / "training" / "frames")
    frames = det.explain(folder / "testing" / "frames", by="error").by_frame()
    unusual = _unusual_frames(folder / "clip_types_visual_dev.csv")
    score, truth = 1 - frames["regularity"].to_numpy(), np.zeros(len(frames), dtype=bool)
    found = {}
    for recording in unusual:
        mine = (frames["recording"] == recording).to_numpy()
        truth[mine] = np.isin(frames["frame"][mine], list(unusual[recording]))
        found[recording] = auroc(score[mine & truth], score[mine & ~truth])
    return {**found, "all": auroc(score[truth], score[~truth]), "fit": float(det.training_["seconds"])}


def _unusual_frames(path: Path) -> dict[str, range]:
    """Frames that hold a bike or a skateboard, counted from 0, of every test recording."""
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    ends = {row["clip"]: row["anomalous_frames_1based"].split("-") for row in rows}
    return {clip: range(int(first) - 1, int(last)) for clip, (first, last) in ends.items()}
