"""Do promises hold where every sample is there five times? With and without groups, against fresh samples.

    python benchmarks/groups.py --draws 200
    python benchmarks/groups.py --draws 20 --copies 1

Each draw makes parts, normal ones and defects, and `--copies` exposures of each part: the same numbers with a little
noise. One fit is told which exposures are of one part (`groups`), the other is not. Then each promise is asked for at
several levels, and fresh parts, one exposure each, tell the truth. `true` is the mean over the draws with its standard
error; a rate or p-value above its level, or a recall below it, by more than three of these is a broken word.
`inside` is the fraction of the draws in which the truth lies in the 90 % interval that the promise states (its exact
law makes it 90 % on average over draws; p-values state none); `groups=no` counts copies as independent rows.
`out of fold`: so few parts that none are held out.
"""

import argparse
import time
import warnings
from collections import defaultdict

import numpy as np

from blemish import DefectDetector
from blemish.core.errors import DataError

LEVELS = {
    "false_positive_rate": (0.05, 0.1, 0.2),
    "contamination": (0.05, 0.1),
    "recall": (0.5, 0.75, 0.9),
    "p_value": (0.05, 0.1, 0.2, 0.5),
}
WIDTH, SHIFT, NOISE = 8, 2.0, 0.1
CHEAP = {"name": "ensemble", "experts": {"plain": ["kernel", "neighbours", "linear"], "error": ["value"]}}
SIZES = {"held out": (150, 20), "out of fold": (40, 20)}
"""Parts without and with the defect."""
N_FRESH = 1000


def parts(n: int, copies: int, shift: float, rng: np.random.Generator) -> np.ndarray:
    """Exposures of n parts, those of one part one after the other, shape (n * copies, width)."""
    place = rng.normal(size=(n, WIDTH)) + shift * (np.arange(WIDTH) < 2)
    return np.repeat(place, copies, axis=0) + NOISE * rng.normal(size=(n * copies, WIDTH))


def truths(seed: int, n_normal: int, n_defects: int, copies: int, *, grouped: bool) -> dict[tuple[str, float], tuple]:
    """For each promise and level the rate of fresh parts, and whether the stated interval holds it (None: none is)."""
    rng = np.random.default_rng(seed)
    X = np.concatenate([parts(n_normal, copies, 0.0, rng), parts(n_defects, copies, SHIFT, rng)])
    y = np.repeat(np.array([None, "defect"], dtype=object), [n_normal * copies, n_defects * copies])
    groups = np.repeat(np.arange(n_normal + n_defects), copies) if grouped else None
    normal, defect = parts(N_FRESH, 1, 0.0, rng), parts(N_FRESH, 1, SHIFT, rng)
    det = DefectDetector(epochs=1, random_state=seed, scorer=CHEAP).fit(X, y, groups=groups)
    found = {}
    usual, unusual = (np.asarray(det.defect_score(rows)) for rows in (normal, defect))
    for target, levels in LEVELS.items():
        if target == "p_value":
            if len(det.fitted_.held_out):
                p = np.asarray(det.p_values(normal))
                found |= {(target, level): (float((p <= level).mean()), None) for level in levels}
            continue
        for level in levels:
            try:
                promise = det.set_threshold(**{target: level}).promise_
            except DataError:
                continue
            if promise.supported:
                true = float(((unusual if target == "recall" else usual) > det.threshold_).mean())
                found[target, level] = true, promise.low <= true <= promise.high
    return found


def main() -> None:
    """Print a table with a line for each size, way, promise and level."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--copies", type=int, default=5)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    given = parser.parse_args()
    print("| judged | groups | promise | level | true | ± | inside | verdict | seconds |\n|---|---|---|" + "---:|" * 6)
    for size in given.sizes:
        for grouped in (False, True):
            seen, start = defaultdict(list), time.process_time()
            for seed in range(given.draws):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    for asked, told in truths(seed, *SIZES[size], given.copies, grouped=grouped).items():
                        seen[asked].append(told)
            seconds = (time.process_time() - start) / given.draws
            for (target, level), told in seen.items():
                print(_line(size, grouped, target, level, told, seconds), flush=True)


def _line(size: str, grouped: bool, target: str, level: float, told: list[tuple], seconds: float) -> str:
    true = np.array([one[0] for one in told])
    error = float(true.std(ddof=1) / np.sqrt(len(true))) if len(true) > 1 else np.inf
    beyond = (level - true.mean()) if target == "recall" else (true.mean() - level)
    inside = "" if told[0][1] is None else f"{np.mean([one[1] for one in told]):.0%}"
    verdict = "broken" if beyond > 3 * error else "kept"
    cells = [
        size,
        "yes" if grouped else "no",
        target,
        f"{level:g}",
        f"{true.mean():.3f}",
        f"{error:.3f}",
        inside,
        verdict,
    ]
    return f"| {' | '.join(cells)} | {seconds:.2f} |"


if __name__ == "__main__":
    main()
