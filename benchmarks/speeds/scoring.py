"""Rows on scoring a million rows, and on starting."""

import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch

from blemish import DefectDetector
from speeds.turns import Result, Variant, compare, peer

WIDTH = 30
FLOPS_A_ROW = 2 * 2 * (30 * 64 + 64 * 32 + 32 * 16)  # of the autoencoder 30-64-32-16-32-64-30


def throughput(turns: int, *, quick: bool) -> Iterator[Result]:
    """All three scores of a million rows, in the floor by sgemm's rate and in PyOD's decision_function."""
    for scorer, n in {"reconstruction": 1_000_000, "ensemble": 100_000}.items():
        n = n // 20 if quick else n
        x, det = np.random.default_rng(1).standard_normal((n, WIDTH)).astype(np.float32), fitted(scorer)
        what = f"{n:,} x {WIDTH} rows, scorer {scorer}"
        three = {"outlier_score, defect_score, predict_proba": _three(det, x), "scores, all at once": _at_once(det, x)}
        with peer(n) as pyod:
            for name, ours in three.items():
                against = {"ours": ours, "floor": lambda n=n: floor(n), "PyOD": lambda: pyod("score")}
                result = compare(f"{what}: {name} / sgemm floor", "<= 3", against, turns)
                yield result
                ratio = result.seconds["PyOD"] / result.seconds["ours"]
                low, high = (ratio * result.value / bound for bound in (result.high, result.low))
                against_pyod = f"{what}: PyOD's decision_function / {name}"
                yield replace(result, what=against_pyod, goal=">= 10", value=ratio, low=low, high=high)
        threads = {"two": _on_two_threads(det, x), "one": _at_once(det, x)}
        yield compare(f"{what}: scores, all at once, on two threads / on one", "about 0.5", threads, turns)


def fitted(scorer: str) -> DefectDetector:
    """A detector with the autoencoder of the floor and eight labelled defects."""
    x = np.random.default_rng(0).standard_normal((20_000, WIDTH)).astype(np.float32)
    y = np.array([None] * len(x), dtype=object)
    x[:8, :3] += 4.0
    y[:8] = "defect"
    det = DefectDetector(
        backbone={"name": "mlp", "widths": [64, 32]}, latent_dim=16, losses="mse", epochs=1, scorer=scorer,
        random_state=0,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return det.fit(x, y)


def _three(det: DefectDetector, x: np.ndarray) -> Variant:
    def once() -> float:
        start = time.perf_counter()
        for ask in (det.outlier_score, det.defect_score, det.predict_proba):
            ask(x)
        return time.perf_counter() - start

    return once


def _at_once(det: DefectDetector, x: np.ndarray) -> Variant:
    def once() -> float:
        start = time.perf_counter()
        det.scores(x)
        return time.perf_counter() - start

    return once


def _on_two_threads(det: DefectDetector, x: np.ndarray) -> Variant:
    once = _at_once(det, x)

    def on_two() -> float:
        torch.set_num_threads(2)
        try:
            return once()
        finally:
            torch.set_num_threads(1)

    return on_two


def floor(n: int) -> float:
    """Seconds that the network's products alone take at the rate of a large float32 product, measured now."""
    a = torch.randn(1024, 1024)
    start = time.perf_counter()
    for _ in range(10):
        torch.mm(a, a)
    rate = 10 * 2 * 1024**3 / (time.perf_counter() - start)
    return n * FLOPS_A_ROW / rate


def start_up(turns: int, *, quick: bool) -> Iterator[Result]:  # noqa: ARG001 (as quick as it is)
    """`blemish --help`, and errors of usage, in `python -c "import typer"`."""
    for words in ("--help", "nonsense", "fit", "score"):
        code = f"import sys; sys.argv = ['blemish', {words!r}]; from blemish.cli import main; main()"
        variants = {"blemish": lambda code=code: _process(code), "typer": lambda: _process("import typer")}
        yield compare(f'blemish {words} / python -c "import typer"', "<= 2", variants, turns)


def _process(code: str) -> float:
    command, quiet = [sys.executable, "-c", code], subprocess.DEVNULL
    start = time.perf_counter()
    status = subprocess.run(command, check=False, stdout=quiet, stderr=quiet).returncode
    if status not in (0, 2):  # 2: wrong usage, as it should be
        raise RuntimeError(f"{code} failed with status {status}")
    return time.perf_counter() - start
