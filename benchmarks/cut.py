"""Does the default cut keep its word? The rate of fresh normal samples that is reported, next to the stated one.

    python benchmarks/cut.py
    nice -n 15 python benchmarks/cut.py --kinds table --rows 20 60 --draws 5 --labelled no --output grid.md

Each draw makes new training samples and `--fresh` new normal ones of the same kind: the rows of a machine's log,
pictures of striped tiles, short texts. Without labels the cut of the outlier score is judged (label 'other'), with
eight labelled defects also that of the defect score (label 'defect'). `stated` is what the fit says itself: its rate,
or where there are too few samples for it, the rate that it names instead. A cut at one of n scores is exceeded by a
fraction of new samples that is Beta distributed, so even a perfect cut misses its rate in a single draw; the interval
is that of the mean over the draws, 95 %, by simulation from these Beta distributions and a binomial number of fresh
samples. A mean below it is a cautious cut, one above it is a broken word. `within` is the
fraction of the fits whose own rate, to one sample, lies in the 90 % interval that the fit states, which out of fold
begins at 0; `most` is the highest rate of a fit. Each cell is appended to `--output` as soon as it is done. The cut of
pictures and texts reads no network, so theirs is trained for a few epochs only; that of clips does, and 30 are enough.
The last columns: the mean probability of another outlier and of the defect, how often one of them is the most
probable, and seconds of the processor per fit.
"""

import argparse
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from blemish import DefectDetector
from blemish.calibration.thresholds import DEFAULT_CONTAMINATION, Promise
from blemish.datasets import tiles

N_DEFECTS = 8
EPOCHS = {"pictures": 2, "texts": 4, "clips": 30}
"""Those of the detector for a kind that is not here."""
SIMULATED = 20_000
COLUMNS = ("kind", "labelled", "samples", "draws", "label", "stated", "reported", "low", "high", "verdict", "most",
           "within", "p_other", "p_defect", "not normal by p", "seconds")  # fmt: skip
Made = tuple[Any, Any, Any]
"""Training samples, defects and fresh normals."""


def table(n: int, n_fresh: int, seed: int) -> Made:
    """A machine's log: numbers that depend on each other, one with a long tail, and a category."""
    rng = np.random.default_rng(seed)

    def rows(many: int, leak: float = 0.0) -> pd.DataFrame:
        pressure = rng.normal(5, 0.3, many)
        return pd.DataFrame(
            {
                "pressure": pressure - leak,
                "flow": 2 * pressure + rng.normal(0, 0.5, many) + 2 * leak,
                "temperature": rng.normal(60, 2, many).round(1),
                "vibration": rng.exponential(1, many),
                "station": rng.choice(["A", "B", "C"], many),
            }
        )

    return rows(n), rows(N_DEFECTS, leak=1.0), rows(n_fresh)


def pictures(n: int, n_fresh: int, seed: int) -> Made:
    """Striped tiles; the defect is a crack."""
    split = tiles(n_normal=max(n, 20), n_defects=N_DEFECTS, n_test=n_fresh, random_state=seed)
    return split.X_train[:n], split.X_train[-N_DEFECTS:], split.X_test[:n_fresh]


def texts(n: int, n_fresh: int, seed: int) -> Made:
    """Words of a topic, some frequent and some rare; the defect has another topic."""
    rng = np.random.default_rng(seed)

    def some(many: int, topic: str) -> np.ndarray:
        lengths, words = rng.integers(12, 30, many), np.minimum(rng.zipf(1.4, (many, 30)), 300)
        made = [" ".join(f"{topic}word{word}" for word in row[:k]) for row, k in zip(words, lengths, strict=True)]
        return np.array(made, dtype=object)

    return some(n, "usual"), some(N_DEFECTS, "crude"), some(n_fresh, "usual")


def clips(n: int, n_fresh: int, seed: int) -> Made:
    """Six frames of a bright square that moves evenly; in the defect it jumps back."""
    rng = np.random.default_rng(seed)

    def some(many: int, steps: list[int]) -> np.ndarray:
        made = rng.normal(0.3, 0.05, (many, len(steps), 1, 32, 32))
        for clip, (row, column) in zip(made, rng.integers(2, 12, (many, 2)), strict=True):
            for frame, step in zip(clip, steps, strict=True):
                frame[0, row : row + 6, column + 2 * step : column + 2 * step + 6] += 0.5
        return made.clip(0, 1).astype(np.float32)

    usual = [0, 1, 2, 3, 4, 5]
    return some(n, usual), some(N_DEFECTS, [0, 1, 2, 0, 1, 2]), some(n_fresh, usual)


KINDS: dict[str, Callable[[int, int, int], Made]] = {
    "table": table,
    "pictures": pictures,
    "texts": texts,
    "clips": clips,
}


def joined(normal: Any, defects: Any) -> Any:
    """Samples of one kind, one after the other."""
    return pd.concat([normal, defects]) if isinstance(normal, pd.DataFrame) else np.concatenate([normal, defects])


def interval(promises: list[Promise], n_fresh: int) -> tuple[float, float]:
    """Where the mean rate over the draws lies with 95 % if every cut is exceeded as its order statistic is."""
    rng = np.random.default_rng(0)
    means = np.zeros(SIMULATED)
    for one in promises:
        above = round(one.estimate * (one.n + 1))
        means += rng.binomial(n_fresh, rng.beta(above, one.n + 1 - above, SIMULATED)) / n_fresh / len(promises)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def figures(
    kind: str, n: int, draws: int, n_fresh: int, labelled: bool, arguments: dict[str, Any]
) -> list[dict[str, Any]]:
    """A line per cut: stated and reported rates over the draws, and the probabilities."""
    rates: dict[str, list[float]] = {"other": [], "defect": []}
    promises: dict[str, list[Promise]] = {"other": [], "defect": []}
    p, wrong, seconds = [], [], []
    for draw in range(draws):
        normal, defects, fresh = KINDS[kind](n, n_fresh, draw)
        X, y = normal, None
        if labelled:
            X = joined(normal, defects)
            y = np.array([None] * n + ["defect"] * N_DEFECTS, dtype=object)
        start = time.process_time()
        det = DefectDetector(random_state=draw, **arguments).fit(X, y)
        seconds.append(time.process_time() - start)
        found = det.scores(fresh)
        rates["other"].append(float((found["outlier_score"] > det.outlier_threshold_).mean()))
        promises["other"].append(det.fitted_.outlier_promise(DEFAULT_CONTAMINATION))
        if labelled:
            rates["defect"].append(float((found["defect_score"] > det.threshold_).mean()))
            promises["defect"].append(det.promise_)
        each = np.stack([found["p_normal"], found["p_other"], found["p_defect"]])
        p.append(each.mean(axis=1))
        wrong.append(float((each.argmax(axis=0) > 0).mean()))
    lines = []
    for label in ("other", "defect") if labelled else ("other",):
        low, high = interval(promises[label], n_fresh)
        rate, stated = float(np.mean(rates[label])), float(np.mean([one.estimate for one in promises[label]]))
        within = np.mean(
            [
                one.low - 1 / n_fresh < found < one.high + 1 / n_fresh
                for one, found in zip(promises[label], rates[label], strict=True)
            ]
        )
        verdict = "BROKEN" if rate > high else "cautious" if rate < low else "kept"
        values = (kind, "yes" if labelled else "no", n, draws, label, stated, rate, low, high, verdict,
                  max(rates[label]), float(within), *np.mean(p, axis=0)[1:], float(np.mean(wrong)),
                  float(np.mean(seconds)))  # fmt: skip
        lines.append(dict(zip(COLUMNS, values, strict=True)))
    return lines


def main() -> None:
    """Print a line per kind of data, number of samples and cut."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=["table", "pictures"])
    parser.add_argument("--rows", nargs="+", type=int, default=[20, 40, 60, 100, 300, 2000])
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--fresh", type=int, default=300, help="normal samples that are scored per draw")
    parser.add_argument("--labelled", nargs="+", choices=["no", "yes"], default=["no", "yes"])
    parser.add_argument("--epochs", type=int, help=f"default: {EPOCHS}, else the detector's")
    parser.add_argument("--output", type=Path, help="file that the lines are appended to")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    say("| " + " | ".join(COLUMNS) + " |\n|" + "---|" * len(COLUMNS), given.output)
    for kind in given.kinds:
        epochs = given.epochs or EPOCHS.get(kind)
        arguments = {} if epochs is None else {"epochs": epochs}
        for labelled in given.labelled:
            for n in given.rows:
                for line in figures(kind, n, given.draws, given.fresh, labelled == "yes", arguments):
                    cells = [f"{value:.3f}" if isinstance(value, float) else str(value) for value in line.values()]
                    say("| " + " | ".join(cells) + " |", given.output)


def say(line: str, output: Path | None) -> None:
    """Print a line, and append it to a file: a grid that is stopped has lost nothing."""
    print(line, flush=True)
    if output is not None:
        with output.open("a") as file:
            file.write(f"{line}\n")


if __name__ == "__main__":
    main()
