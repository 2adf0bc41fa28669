"""How well an exported detector agrees with the original on data that neither has seen.

    python benchmarks/parity.py ../shared/bench
    python benchmarks/parity.py FOLDER --tasks cwru nsl_kdd

Of each task a detector is fitted with default arguments and exported, with the task's test samples to compare on. The
folder and the tasks are those of quality.py.
"""

import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np

from blemish import DefectDetector
from blemish.core.errors import ExportError
from quality import parser_of, take, tasks_of

MOST = 1000  # test samples to compare on, evenly from all


def main() -> int:
    """Print a line a fit."""
    parser = parser_of(__doc__)
    given = parser.parse_args()
    print("| task | seed | rows | evidence | scores | whole | rows beyond |\n|---|---|---|---|---|---|---|")
    for task in tasks_of(parser, given):
        for seed in given.seeds:
            split = task.load(seed)
            with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
                warnings.simplefilter("ignore")
                detector = DefectDetector(random_state=seed).fit(split.X_train, split.y_train)
                n = len(split.group_test)
                samples = take(split.X_test, np.arange(0, n, max(1, n // MOST)))
                try:
                    it = detector.export(Path(folder) / "model.onnx", samples)
                    cells = [it.rows, f"{it.evidence:.0e}", f"{it.scores:.0e}", f"{it.drift:.0e}", it.beyond]
                except ExportError as error:
                    cells = [f"refused: {error}"]
            print(f"| {' | '.join(map(str, [task.name, seed, *cells]))} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
