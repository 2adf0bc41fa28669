"""RSRAE and RSRAE+ (Lai, Zou and Lerman, ICLR 2020, arXiv:1904.00152) on Fashion-MNIST and Reuters-21578.

One class in turn is the inliers, c times as many outliers come from the other classes, drawn evenly at random; fitted
and scored on the same rows, nothing labelled. Fashion-MNIST: the test split, 1,000 inliers. Reuters: documents of one
topic, the five largest topics, at most 360 inliers. A figure is the mean over the classes; the seeds draw rows and
weights.
"""

import html
import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from blemish import DefectDetector
from blemish.presets import PRESETS

PUBLISHED = {"reuters": 0.849, "fashion_mnist": 0.83}  # AUC at c = 0.5; no other c and no AP could be recovered
SETS = [
    *((name, "rsrae", 0.5) for name in PUBLISHED),
    *((name, "rsrae", c) for c in (0.1, 0.9, 0.3, 0.7) for name in PUBLISHED),
    *((name, "rsrae_plus", 0.5) for name in PUBLISHED),
]
"""Data, preset and c; first what has a published figure."""
TOPICS = ("earn", "acq", "crude", "trade", "money-fx")
SETTINGS: dict[str, dict[str, Any]] = {
    "fashion_mnist": {"modality": {"name": "image", "size": [14, 14]}},
    "reuters": {},
}
VARIANT = {"fashion_mnist": "rsrae_image", "reuters": "rsrae_text"}
"""The preset 'rsrae' for the data."""

Pool = tuple[Any, np.ndarray]


def reproduce(data: Path, seeds: Sequence[int], quick: bool, cells: Any) -> dict[str, Any]:
    """AUC and AP at every c, mean over the classes and sd over the seeds.

    Every fit is a cell, so this may be ended and given again; a row counts the runs of which all classes are there.

    Args:
        data: Folder with 'fashion_mnist/fashion_mnist.npz' and 'reuters21578/sgm-data'.
        seeds: One run each.
        quick: Two classes, few rows, one epoch.
        cells: Keeps what was measured.
    """
    pools = {name: load(data) for name, (load, _) in LOADERS.items()}
    rows: list[dict[str, Any]] = []
    for name, preset, c in SETS[:2] if quick else SETS:
        classes = np.unique(pools[name][1])[: 2 if quick else None].tolist()
        more = {"epochs": 1} if quick else {}
        n_inliers = 40 if quick else LOADERS[name][1]
        found = []
        for seed in seeds[: 1 if quick else None]:
            keys = {one: f"{name}, {preset}, c {c}, {one}, seed {seed}" for one in classes}
            of_seed = [
                cells(key, partial(_fit, name, pools[name], one, c, n_inliers, seed, preset, more))
                for one, key in keys.items()
                if cells.affords(key)
            ]
            if len(of_seed) == len(classes):
                found.append([np.mean([one[measure] for one in of_seed]) for measure in ("AUC", "AP")])
        for measure, values in zip(("AUC", "AP"), np.array(found).T, strict=False):
            known = PUBLISHED[name] if (preset, c, measure) == ("rsrae", 0.5, "AUC") else None
            of = {"data": name, "preset": preset, "c": c, "runs": len(values), "measure": measure}
            rows.append({**of, "mean": float(values.mean()), "sd": float(values.std()), "published": known})
    published = "AUC at c = 0.5: Fashion-MNIST 0.83, Reuters-21578 0.849 (means over classes and 5 runs)"
    return {"published": published, "rows": rows}


def _fit(
    name: str, pool: Pool, one: str, c: float, n_inliers: int, seed: int, preset: str, more: dict[str, Any]
) -> dict[str, float]:
    X, outlier = split(pool, one, c, n_inliers, seed)
    arguments = {**PRESETS[VARIANT[name]].arguments, **SETTINGS[name], **more}
    if preset == "rsrae_plus":
        arguments["losses"] = [arguments["losses"][0], "rsr"]  # all in one sum
    auc, ap = quality(DefectDetector(**arguments, random_state=seed), X, outlier)
    return {"AUC": auc, "AP": ap}


def quality(det: DefectDetector, X: Any, outlier: np.ndarray) -> tuple[float, float]:
    """AUC and AP of the outliers among the very rows that were fitted."""
    scores = det.fit(X).outlier_score(X)
    return float(roc_auc_score(outlier, scores)), float(average_precision_score(outlier, scores))


def split(pool: Pool, one: str, c: float, n_inliers: int, seed: int) -> tuple[Any, np.ndarray]:
    """Rows of one class and c times as many of the others, in random order, and which are the others."""
    X, kind = pool
    rng = np.random.default_rng(seed)
    inliers = rng.permutation(np.flatnonzero(kind == one))[:n_inliers]
    outliers = rng.permutation(np.flatnonzero(kind != one))[: int(c * len(inliers))]
    rows = rng.permutation(np.concatenate([inliers, outliers]))
    return X[rows], kind[rows] != one


def fashion_mnist(data: Path) -> Pool:
    """The test split, (row, 1, 28, 28)."""
    with np.load(data / "fashion_mnist" / "fashion_mnist.npz") as file:
        return file["x_test"][:, None], file["y_test"].astype(str)


def reuters(data: Path) -> Pool:
    """Title and body of the documents that have exactly one topic, one of the five; repeated texts once."""
    found: dict[str, str] = {}
    for file in sorted((data / "reuters21578" / "sgm-data").glob("*.sgm")):
        for document in file.read_text(encoding="latin-1").split("</REUTERS>"):
            topics = re.search(r"<TOPICS>(.*?)</TOPICS>", document)
            body = re.search(r"<BODY>(.*?)(?:&#3;)?</BODY>", document, re.DOTALL)
            names = re.findall(r"<D>(.*?)</D>", topics[1]) if topics else []
            if body and len(names) == 1 and names[0] in TOPICS:
                title = re.search(r"<TITLE>(.*?)</TITLE>", document, re.DOTALL)
                found.setdefault(html.unescape(f"{title[1] if title else ''}\n{body[1]}").strip(), names[0])
    return np.array(list(found), dtype=object), np.array(list(found.values()))


LOADERS: dict[str, tuple[Callable[[Path], Pool], int]] = {
    "fashion_mnist": (fashion_mnist, 1000),
    "reuters": (reuters, 360),
}
"""By name: the pool, and how many inliers are taken."""
