"""How fast is it? Everything as ratios of wall times in one run; see docs/performance.md.

Run `python benchmarks/speed.py` (or `make bench`); `--quick` is a smoke test of a minute with meaningless figures.
"""

import argparse
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # both sides: a second thread does not help networks this small

import torch

from speeds import coin, scoring, streaming, training
from speeds.turns import Result

ROWS: dict[str, Callable[..., Iterator[Result]]] = {
    "step": training.step,
    "fit": training.fit,
    "contrast": training.contrast,
    "distances": training.distances,
    "bf16": training.bf16,
    "coin": coin.coin,
    "throughput": scoring.throughput,
    "growth": streaming.growth,
    "growth_large": partial(streaming.growth, large=True),
    "start_up": scoring.start_up,
}


def main(arguments: list[str] | None = None) -> list[Result]:
    """Measure the rows that were asked for and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    usual = [name for name in ROWS if name != "growth_large"]  # that takes 4 GB of disk
    parser.add_argument("--rows", nargs="+", choices=sorted(ROWS), default=usual)
    parser.add_argument("--turns", type=int, help="of which the median is taken; 5, with --quick 1")
    parser.add_argument("--quick", action="store_true", help="small data, one turn: does it run?")
    parser.add_argument("--json", type=Path, help="file to write")
    given = parser.parse_args(arguments)
    turns = given.turns or (1 if given.quick else 5)
    torch.set_num_threads(1)
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    print("| what | goal | median | least to greatest | seconds |\n|---|---|---|---|---|")
    results = []
    for name in given.rows:
        for result in ROWS[name](turns, quick=given.quick):
            print(line(result), flush=True)
            results.append(result)
    if given.json:
        found: list[dict[str, Any]] = [asdict(result) for result in results]
        given.json.write_text(json.dumps(found, indent=2) + "\n")
    print(f"\nload average {os.getloadavg()[0]:.1f} at the end")
    return results


def line(result: Result) -> str:
    """A line of the table."""
    seconds = ", ".join(f"{name} {value:.3g}" for name, value in result.seconds.items())
    spread = f"{result.low:.3g} to {result.high:.3g}"
    return f"| {result.what} | {result.goal} | {result.value:.3g} {result.unit} | {spread} | {seconds} |"


if __name__ == "__main__":
    main()
