"""Wrote the model files in `files/`, once, at commit 41ab0b3 (model file schema 1, Blemish 0.1.0).

Kept to say how they were made. Not to be run again: the files are old on purpose.
"""

import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"

import gzip
import json

import numpy as np
from golden_cases import FOLDER, clips_data, fingerprint, numbers_data, table_data, texts_data

from blemish import DefectDetector
from blemish.datasets import tiles

FEW = {
    "name": "ensemble",
    "experts": {
        "plain": [
            "linear",
            "kernel",
            {"name": "trees", "n_trees": 10},
            {"name": "forest", "n_trees": 10},
            "neighbours",
        ],
        "scaled": [{"name": "isolation", "n_trees": 10}],
        "error": ["value"],
    },
}
FEW_OF_PICTURES = {
    "name": "ensemble",
    "experts": {
        "pixels": ["linear"],
        "marks": [{"name": "trees", "n_trees": 10}],
        "blots": ["discriminant"],
        "error": ["value"],
    },
}
SMALL = {"name": "mlp", "widths": [16]}
NARROW = {"name": "conv", "widths": [8, 8]}


def small_pictures():
    """So small that the file is."""
    split = tiles(n_normal=100, n_test=4, side=12)
    return split.X_train, split.y_train, split.X_test


FILES = {
    "tabular_ensemble": (table_data, {"backbone": SMALL, "scorer": FEW}),
    "tabular_latent": (numbers_data, {"backbone": SMALL, "scorer": "latent"}),
    "tabular_reconstruction": (numbers_data, {"bottleneck": "rsr", "backbone": SMALL, "scorer": "reconstruction"}),
    "image": (small_pictures, {"backbone": NARROW, "latent_dim": 4, "scorer": FEW_OF_PICTURES}),
    "video": (clips_data, {"backbone": NARROW, "latent_dim": 8}),
    "text": (texts_data, {}),
}
RUN = ["--labels", "kind", "--defect", "leak", "--key", "id", "--backbone", "{name: mlp, widths: [16]}",
       "--bottleneck", "variational", "--loss", "reconstruction", "--loss", "{name: kl, weight: 0.1}",
       "--corruption", "{name: mask, share: 0.2}", "--scorer", "latent", "--latent-dim", "3", "--epochs", "2",
       "--batch-size", "32", "--lr", "{name: one_cycle, lr: 0.003}", "--seed", "7"]  # fmt: skip


def write_models(folder):
    """A model, gzipped, the rows that it scores and the scores."""
    for name, (data, arguments) in FILES.items():
        X, y, X_test = data()
        det = DefectDetector(epochs=2, random_state=0, **arguments).fit(X, y)
        det.save(folder / "model.blemish")
        content = (folder / "model.blemish").read_bytes()
        (FOLDER / "files" / f"{name}.blemish.gz").write_bytes(gzip.compress(content, 9, mtime=0))
        scores = {
            key: np.asarray(values, dtype=np.float64) for key, values in det.scores(X_test).items() if key != "label"
        }
        scores |= {"label": np.asarray(det.predict(X_test)).astype(str), "p_values": np.asarray(det.p_values(X_test))}
        scores |= {"encode": np.asarray(det.encode(X_test))}
        if hasattr(X_test, "columns"):
            X_test.to_parquet(FOLDER / "files" / f"{name}.parquet", compression="gzip")
            rows = {}
        else:
            rows = {"X": X_test.astype(str) if X_test.dtype == object else X_test}
        np.savez_compressed(FOLDER / "files" / f"{name}.npz", **rows, **scores)  # pyright: ignore[reportArgumentType]


def write_run_file(folder):
    """A table, and the run file that `blemish info --config` prints of its model."""
    rng = np.random.default_rng(0)
    kinds = ["fine"] * 112 + ["leak"] * 8
    lines = ["id,speed,load,site,kind"]
    for i, kind in enumerate(kinds):
        speed, load = rng.normal(10 + 7 * (kind == "leak"), 2), rng.exponential(3)
        lines.append(f"r{i},{speed:.3f},{load:.3f},{rng.choice(['north', 'south'])},{kind}")
    (FOLDER / "files" / "run.csv").write_text("\n".join(lines) + "\n")
    (folder / "run.csv").write_text((FOLDER / "files" / "run.csv").read_text())
    command = [sys.executable, "-m", "blemish.cli"]
    subprocess.run([*command, "fit", "run.csv", *RUN, "-o", "run.blemish"], cwd=folder, check=True)
    done = subprocess.run(
        [*command, "info", "run.blemish", "--config"], cwd=folder, check=True, capture_output=True, text=True
    )
    (FOLDER / "files" / "run.yaml").write_text(done.stdout)
    subprocess.run([*command, "score", "run.blemish", "run.csv", "-o", "scores.csv"], cwd=folder, check=True)
    (FOLDER / "files" / "run.scores.csv").write_text((folder / "scores.csv").read_text())


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as temporary:
        write_models(Path(temporary))
        write_run_file(Path(temporary))
    (FOLDER / "files" / "machine.json").write_text(json.dumps(fingerprint(), indent=1) + "\n")
