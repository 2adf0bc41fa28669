"""What an exported model costs: size, time to export, and rows per second compared with the original.

python benchmarks/export.py
"""

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

from blemish import DefectDetector
from blemish.datasets import ring, tiles
from blemish.onnx.runtime import Runtime

TURNS = 5


def seconds(run) -> float:  # noqa: ANN001
    """Wall time of one call."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def measure(name: str, split, X: np.ndarray, folder: Path, epochs: int) -> str:  # noqa: ANN001
    """One row of the table: the two are timed in turn, the median counts.

    Args:
        name: What the data are.
        split: What to fit on.
        X: What to score.
        folder: Where files go.
        epochs: Of the fit.
    """
    det = DefectDetector(epochs=epochs, random_state=0).fit(split.X_train, split.y_train)
    det.save(folder / "m.blemish")
    exporting = seconds(lambda: det.export(folder / "m.onnx"))
    runtime = Runtime(folder / "m.onnx")
    for score in (det.defect_score, runtime.scores):
        score(X[:8])
    own, theirs = [], []
    for _ in range(TURNS):
        own.append(seconds(lambda: det.defect_score(X)))
        theirs.append(seconds(lambda: runtime.scores(X)))
    drift = np.abs(runtime.scores(X)["defect_score"] - det.defect_score(X))
    sizes = [(folder / file).stat().st_size / 1e6 for file in ("m.blemish", "m.onnx")]
    rates = [len(X) / median(times) for times in (own, theirs)]
    return (
        f"| {name} | {sizes[0]:.2f} | {sizes[1]:.2f} | {exporting:.1f} | {rates[0]:,.0f} | {rates[1]:,.0f} "
        f"| {rates[1] / rates[0]:.1f} | {drift.max():.1e} |"
    )


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000, help="Rows of the table.")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=2)
    options = parser.parse_args()
    print(
        "| data | model, MB | ONNX, MB | export, s | rows per second, model | by ONNX Runtime | ratio | largest drift |"
    )
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        table = ring(n_normal=1000, n_test=options.rows // 3)
        print(measure("table, 8 columns", table, table.X_test, Path(folder), options.epochs), flush=True)
        images = tiles(n_normal=100, n_test=options.images // 4, side=64)
        print(measure("images, 64 × 64", images, images.X_test, Path(folder), options.epochs), flush=True)


if __name__ == "__main__":
    main()
