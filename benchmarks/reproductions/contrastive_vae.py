"""Which contrast should a variational autoencoder have? An ablation of the losses and of the miners (seed 001).

The seed names margin, triplet, N-pair and cosine losses and harder negatives, without data or figures; InfoNCE is the
loss that most of the field uses now. Each is trained on tasks of the benchmark (`bench/` next to the data: 8 labelled
defects, other outliers and hidden defects unlabelled) and ranked by `latent`, the scorer that a contrast chooses.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from blemish import DefectDetector
from blemish.losses.contrast.miners import MINERS
from blemish.presets import PRESETS
from quality import figures, tasks_in

PUBLISHED = "no figure: the original prototype (document 001) has neither data nor results"
TASKS = {
    "cwru": ("cwru/Ball_014_1", "cwru/IR_007_1", "cwru/OR_021_6_1"),
    "nsl_kdd": ("nsl_kdd/satan",),
    "fashion_mnist": ("fashion_mnist/5",),
}
MINED = "cwru/Ball_014_1"
PRESET = {
    "none": "beta_vae",
    "margin": "contrastive_vae",
    "triplet": "contrastive_vae_triplet",
    "n_pair": "contrastive_vae_n_pair",
    "info_nce": "contrastive_vae_info_nce",
    "cosine": "contrastive_vae_cosine",
}
MEASURES = ("AP", "AUROC above other")
SHORT: dict[str, dict[str, Any]] = {
    "cwru": {"epochs": 100},
    "nsl_kdd": {"epochs": 6},
    "fashion_mnist": {"epochs": 3, "batch_size": 64, "backbone": "mlp"},
}
"""100 to 200 steps, so that the whole takes minutes; the defaults are about 200, 600 and, with convolutions, 1,300."""


def reproduce(data: Path, seeds: Sequence[int], quick: bool, cells: Any) -> dict[str, Any]:
    """Train every preset on every set, and every loss with every miner on one task.

    Args:
        data: Folder of the data sets; the protocol is in `bench` next to it.
        seeds: Of the split and of the detector.
        quick: One seed, one task, two epochs, no miners.
        cells: Keeps what was measured.

    Returns:
        'published', 'rows' (mean over tasks, then mean and standard deviation over seeds).
    """
    tasks = {task.name: task for task in tasks_in(data.resolve().parent / "bench", "", "", "targeted")}
    load = cache(lambda name, seed: tasks[f"targeted/{name}"].load(seed))
    rows = []
    for what, names, arguments in _runs(quick):
        key = ", ".join(what.values())
        found = [
            [
                cells(f"{key}, {name}, seed {seed}", partial(_measure, partial(load, name, seed), arguments, seed))
                for name in names
            ]
            for seed in (seeds[:1] if quick else seeds)
        ]
        for measure in MEASURES:
            by_seed = [np.mean([one[measure] for one in of_seed]) for of_seed in found]
            rows.append({**what, "measure": measure, "mean": float(np.mean(by_seed)), "sd": float(np.std(by_seed))})
    return {"published": PUBLISHED, "rows": rows}


def _runs(quick: bool) -> Iterator[tuple[dict[str, str], tuple[str, ...], dict[str, Any]]]:
    """What a row is of, its tasks, and the detector's arguments."""
    for name, items in TASKS.items():
        for loss, preset in PRESET.items():
            arguments = {**PRESETS[preset].arguments, **SHORT[name], **({"epochs": 2} if quick else {})}
            yield {"data": name, "loss": loss, "miner": "preset"}, items[: 1 if quick else None], arguments
        if quick:
            return
    for loss, miner in product(list(PRESET)[1:], MINERS):
        losses = ["reconstruction", "kl", {"name": loss, "miner": miner}]
        arguments = {"bottleneck": "variational", "losses": losses, **SHORT["cwru"]}
        yield {"data": MINED, "loss": loss, "miner": miner}, (MINED,), arguments


def _measure(load: Callable[[], Any], arguments: dict[str, Any], seed: int) -> dict[str, float]:
    split = load()
    detector = DefectDetector(**{**arguments, "scorer": "latent"}, random_state=seed)
    detector.fit(split.X_train, split.y_train)
    return figures(split.group_test, np.asarray(detector.defect_score(split.X_test)))
