"""Rows on growth: seconds per row and peak memory of `blemish fit` and `blemish score` on Parquet files."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from speeds.turns import BUILD, Result

WIDTH, GROUP = 30, 100_000
FIT = ["--out-of-core", "--labels", "label", "--epochs", "1", "--seed", "0"]


def growth(turns: int, *, quick: bool, large: bool = False) -> Iterator[Result]:  # noqa: ARG001 (a size is one turn)
    """From one size to the next by factors of ten; with `large` up to the issue's ten million rows.

    A row's price is that of the rows that a file has more than the next smaller one: starting costs the same for all.
    """
    sizes = [3_000, 10_000, 30_000] if quick else [10_000, 100_000, 1_000_000]
    sizes = [*sizes[1:], 10_000_000] if large else sizes
    scorers = ["reconstruction"] if large else ["reconstruction", "ensemble"]
    for scorer in scorers:
        taken = {n: _one_size(n, scorer) for n in sizes}
        for verb in ("fit", "score"):
            for n in sizes:
                seconds, megabytes = taken[n][verb]
                what = f"peak memory of `{verb}`, scorer {scorer}, {n:,} x {WIDTH} rows"
                yield Result(what, "< 1500", megabytes, megabytes, megabytes, "MB", {"seconds": seconds})
            least, small, big = sizes
            seconds = {n: taken[n][verb][0] for n in sizes}
            ratio = (
                (seconds[big] - seconds[small]) / (big - small) / ((seconds[small] - seconds[least]) / (small - least))
            )
            what = f"`{verb}`, scorer {scorer}: a row more beyond {small:,} / a row more beyond {least:,}"
            yield Result(what, "about 1", ratio, ratio, ratio)


def _one_size(n: int, scorer: str) -> dict[str, tuple[float, float]]:
    folder = BUILD / "growth"
    folder.mkdir(parents=True, exist_ok=True)
    data, model = folder / f"{n}.parquet", folder / f"{n}.blemish"
    if not data.exists():
        _write(data, n)
    return {
        "fit": _run("fit", data, "-o", model, "--scorer", scorer, *FIT),
        "score": _run("score", model, data, "-o", folder / "scores.parquet"),
    }


def _write(path: Path, n: int) -> None:
    rng = np.random.default_rng(0)
    schema = pa.schema([(f"c{i}", pa.float32()) for i in range(WIDTH)] + [("label", pa.string())])
    with parquet.ParquetWriter(path, schema, compression="none", use_dictionary=False) as file:
        for start in range(0, n, GROUP):
            rows = min(GROUP, n - start)
            columns = list(rng.standard_normal((WIDTH, rows), dtype=np.float32))
            label = ["defect" if row < 8 else None for row in range(start, start + rows)]
            file.write_table(pa.table([*map(pa.array, columns), pa.array(label, pa.string())], schema=schema))


def _run(*words: object) -> tuple[float, float]:
    """Seconds and peak memory in MB of a command of the command line, in a process of its own."""
    command = [sys.executable, "-m", "blemish.cli", *map(str, words)]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"{' '.join(command)} failed")
    return time.perf_counter() - start, usage.ru_maxrss / 1024
