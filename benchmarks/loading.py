"""How long a model file takes to load, in ms of processor time: `python benchmarks/loading.py [--before CHECKOUT]`.

A table's, pictures' and a table's of 10 MB, each alternately by an earlier checkout (which also fits them) and by this
one (which adds the digest); medians. Issue 28: at most 1.3 times as long for 10 MB, at most 5 ms more for a small one.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parents[1] / "src"
FIT = """
import sys, warnings; warnings.simplefilter("ignore")
from pathlib import Path
from blemish import DefectDetector
from blemish.datasets import ring, tiles
table, pictures = ring(n_normal=300), tiles(n_normal=60, side=24)
for name, data, options in (
    ("table", table, {}),
    ("pictures", pictures, {}),
    ("large", table, {"backbone": {"name": "mlp", "widths": [1024, 1024]}}),
):
    det = DefectDetector(epochs=1, random_state=0, **options).fit(data.X_train, data.y_train)
    det.save(Path(sys.argv[1]) / f"{name}.blemish")
"""
SEAL = """
import sys, warnings; warnings.simplefilter("ignore")
from pathlib import Path
from blemish import load
for path in Path(sys.argv[1]).glob("*.blemish"):
    load(path).save(Path(sys.argv[2]) / path.name)
"""
LOAD = """
import json, sys, time, torch, warnings; warnings.simplefilter("ignore")
from pathlib import Path
from blemish import load
torch.set_num_threads(1)
found = {}
for path in sorted(Path(sys.argv[1]).glob("*.blemish")):
    first = time.process_time(); load(path); first = time.process_time() - first
    times = []
    for _ in range(int(sys.argv[2])):
        start = time.process_time(); load(path); times.append(time.process_time() - start)
    found[path.stem] = [1000 * first, *(1000 * one for one in times)]
print(json.dumps(found))
"""


def _python(source: Path, code: str, *arguments: object) -> str:
    where = {**os.environ, "PYTHONPATH": str(source), "OMP_NUM_THREADS": "1"}
    words = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(words, env=where, check=True, capture_output=True, text=True).stdout


def measure(before: Path, rounds: int, loads: int) -> list[dict[str, object]]:
    """For each model its size in MB, and the medians of first and later loads in ms, earlier and now."""
    with tempfile.TemporaryDirectory() as folder:
        places = {"before": Path(folder, "before"), "now": Path(folder, "now")}
        for place in places.values():
            place.mkdir()
        _python(before, FIT, places["before"])
        _python(HERE, SEAL, places["before"], places["now"])
        times: dict[str, dict[str, list[list[float]]]] = {}
        for _ in range(rounds):
            for which, source in (("before", before), ("now", HERE)):
                for name, found in json.loads(_python(source, LOAD, places[which], loads)).items():
                    times.setdefault(name, {}).setdefault(which, []).append(found)
        rows = []
        for name, of in times.items():
            row: dict[str, object] = {
                "model": name,
                "MB": round((places["now"] / f"{name}.blemish").stat().st_size / 1e6, 2),
            }
            for which, found in of.items():
                row[f"first {which}"] = round(statistics.median(one[0] for one in found), 2)
                row[which] = round(statistics.median(x for one in found for x in one[1:]), 2)
            rows.append(row)
        return rows


def main() -> None:
    """Print a row per model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, default=HERE, help="folder 'src' of an earlier checkout; itself without")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--loads", type=int, default=20)
    options = parser.parse_args()
    for row in measure(options.before.resolve(), options.rounds, options.loads):
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
