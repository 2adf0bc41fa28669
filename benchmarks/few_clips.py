"""How few labelled clips are enough? AUROC of the defect above every kind, by number of labels.

    python benchmarks/few_clips.py ../shared/bench --counts 1 2 8 --seeds 0

FOLDER holds a `protocol.py` with a suite of video tasks. All labels but the first few are taken away, rows and all.
`--damaged` adds outliers of another nature to the protocol's: its normal clips dimmed, blurred, scratched (the
scratch turns with the coin), and another coin at the normal pace. None of them is in training.
"""

import argparse
import sys
import warnings
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from time import perf_counter

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter
from sklearn.metrics import roc_auc_score

from blemish import DefectDetector
from blemish.datasets import NORMAL_STEP, coin_sequences, coin_table
from quality import load_protocol

Clips = Float[np.ndarray, "row frame channel height width"]


def damaged(clips: Clips, seed: int) -> dict[str, Clips]:
    """Outliers of another nature than a wrong pace, as many of each as there are clips.

    Args:
        clips: Coins that turn as normal ones do, in [0, 1].
        seed: Of scratches and of the other coin.
    """
    rng = np.random.default_rng(seed)
    scratched = clips.copy()
    for clip, start in zip(scratched, rng.uniform(0, 360, len(clips)), strict=True):
        for number, frame in enumerate(clip):
            frame[:] = np.maximum(frame, scratch(frame.shape[-1], start + NORMAL_STEP * number))
    another = coin_sequences(coin_table(), NORMAL_STEP, len(clips), rng)
    return {
        "dimmed": clips * np.float32(0.6),
        "blurred": gaussian_filter(clips, (0, 0, 0, 2, 2)),
        "scratched": scratched,
        "another coin": another.astype(np.float32) / 255,
    }


def scratch(side: int, degrees: float) -> Float[np.ndarray, "height width"]:
    """A bright line from near the middle outwards, turned about the middle."""
    picture = Image.new("L", (side, side), 0)
    ImageDraw.Draw(picture).line((0.55 * side, 0.45 * side, 0.75 * side, 0.3 * side), fill=255, width=2)
    return np.asarray(picture.rotate(degrees, Image.Resampling.BILINEAR), dtype=np.float32) / 255


def above_kinds(one: object, count: int, seed: int, more: Mapping[str, Clips]) -> dict[str, float]:
    """AUROC above every kind of row that is not a defect.

    Args:
        one: A split of the protocol.
        count: Labelled defects that stay.
        seed: Of the detector.
        more: Kinds that the split does not have.
    """
    X, y = one.X_train, one.y_train  # pyright: ignore[reportAttributeAccessIssue]
    kind, group = one.kind_test, one.group_test  # pyright: ignore[reportAttributeAccessIssue]
    rows = np.setdiff1d(np.arange(len(y)), np.flatnonzero(y == "defect")[count:])
    det = DefectDetector(random_state=seed).fit(X[rows], y[rows])
    score = np.asarray(det.defect_score(one.X_test))  # pyright: ignore[reportAttributeAccessIssue]
    defect = group == "defect"
    found = {}
    for name in sorted(set(kind[~defect])):
        either = defect | (kind == name)
        found[str(name)] = float(roc_auc_score(defect[either], score[either]))
    for name, clips in more.items():
        other = np.asarray(det.defect_score(clips))
        truth = np.repeat([True, False], [defect.sum(), len(other)])
        found[name] = float(roc_auc_score(truth, np.concatenate([score[defect], other])))
    return found


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--suite", default="coin")
    parser.add_argument("--counts", nargs="+", type=int, default=[1, 2, 4, 8], help="numbers of labelled defects")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--damaged", action="store_true", help="outliers of another nature, too")
    given = parser.parse_args()
    if not (given.folder / "protocol.py").exists():
        parser.error(f"{given.folder} holds no protocol.py")
    tasks = {k: t for k, t in load_protocol(given.folder).TASKS.items() if k.startswith(f"{given.suite}/")}
    if not tasks:
        parser.error(f"the protocol has no suite {given.suite!r}")
    warnings.filterwarnings("ignore")
    sys.stdout.write(f"`python {' '.join(sys.argv)}`, {date.today()}\n\n")
    for name, task in tasks.items():
        for seed in given.seeds:
            one = task.load(seed)
            more = damaged(one.X_test[one.group_test == "normal"], seed) if given.damaged else {}
            for count in given.counts:
                start = perf_counter()
                found = above_kinds(one, count, seed, more)
                kinds = ", ".join(f"{kind} {auroc:.4f}" for kind, auroc in found.items())
                seconds = perf_counter() - start
                sys.stdout.write(f"{name}, seed {seed}, {count} label(s), {seconds:.0f} s: {kinds}\n")
                sys.stdout.flush()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
