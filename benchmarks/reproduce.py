"""Published results again, by our parts: one module in `reproductions/` a system.

    python benchmarks/reproduce.py rsrae --data ../shared/data
    python benchmarks/reproduce.py rsrae --data ../shared/data --seeds 0 1 2 3 4 --out reproduced
    python benchmarks/reproduce.py rsrae --data ../shared/data --seeds 0 --out reproduced --minutes 30
    python benchmarks/reproduce.py rsrae --data ../shared/data --quick

A module holds `reproduce(data, seeds, quick, cells)`, which gives a dictionary of JSON values: 'published' (what the
source reports), 'rows' (one measured figure a row: what it is of, 'mean' and 'sd' over the seeds, 'published' where
there is a number to compare with) and, where it draws any, 'histograms' (title → group → values). It measures through
`cells`, see `Cells`. This prints the rows and, with `--out`, writes NAME.json and NAME.html, a page with the figures,
and NAME.cells.json: an interrupted command resumes there when it is run again. `--quick` is a smoke test of
seconds: its figures mean nothing.
"""

import argparse
import importlib.util
import json
import math
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch

from blemish import __version__
from blemish.core.store import write_atomically
from blemish.report.charts import STYLES, histograms
from blemish.report.figure import fragment, plain
from blemish.report.page import Section, Table, render, write_page

FOLDER = Path(__file__).parent / "reproductions"
FIGURES = ("mean", "sd", "published", "seconds")
"""Fields of a row that are measured; all others say what they are of."""

Row = dict[str, Any]


class Cells:
    """Measured pieces of a reproduction, each written down as soon as it is there, so that nothing is measured twice.

    Attributes:
        found: Key → 'value' (JSON), 'seconds' of wall time, 'cpu' seconds and 'date'.
        used: The keys that were asked for.
    """

    def __init__(self, path: Path | None, minutes: float = math.inf) -> None:
        """Begin.

        Args:
            path: A file to resume from, which need not exist yet; None: keep nothing.
            minutes: How long new pieces are begun, by reproductions that can report a part.
        """
        self.path, self.used, self.end = path, [], time.monotonic() + 60 * minutes
        self.found: dict[str, Any] = json.loads(path.read_text()) if path and path.exists() else {}

    def __call__(self, key: str, measure: Callable[[], Any]) -> Any:
        """The value under a key, measured only if it is not there."""
        self.used.append(key)
        if key not in self.found:
            wall, cpu = time.perf_counter(), time.process_time()
            value = measure()
            spent = {"seconds": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
            self.found[key] = {"value": value, **spent, "date": date.today().isoformat()}
            if self.path:
                write_atomically(self.path, json.dumps(self.found, indent=1).encode())
        return self.found[key]["value"]

    def affords(self, key: str) -> bool:
        """Whether a piece is there, or there is time left to measure it."""
        return key in self.found or time.monotonic() < self.end

    def spent(self, kind: str) -> float:
        """Seconds of wall time ('seconds') or of computing ('cpu') that the pieces in use took."""
        return sum(self.found[key][kind] for key in dict.fromkeys(self.used))


def names() -> list[str]:
    """The systems that can be reproduced."""
    return sorted(path.stem for path in FOLDER.glob("*.py"))


def reproduction(name: str) -> Callable[[Path, Sequence[int], bool, Cells], dict[str, Any]]:
    """The function of one system."""
    spec = importlib.util.spec_from_file_location(f"reproductions.{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.reproduce


def run(name: str, data: Path, seeds: Sequence[int], command: str, cells: Cells, *, quick: bool) -> dict[str, Any]:
    """One reproduction and how it came about, as JSON values."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = reproduction(name)(data, seeds, quick, cells)
    versions = {"blemish": __version__, "torch": torch.__version__, "numpy": np.__version__}
    spent = {"seconds": cells.spent("seconds"), "cpu": cells.spent("cpu")}
    made = {"command": command, "date": date.today().isoformat(), "versions": versions, **spent}
    return {"name": name, "quick": quick, "seeds": list(seeds), **made, **result}


def label(row: Row) -> str:
    """What a figure is of, in words.

    Example:
        >>> label({"data": "reuters", "c": 0.5, "measure": "AUC", "mean": 0.8, "sd": 0.1})
        'reuters, c 0.5, AUC'
    """
    parts = {key: value for key, value in row.items() if key not in FIGURES}
    return ", ".join(str(value) if isinstance(value, str) else f"{key} {value}" for key, value in parts.items())


def markdown(rows: Sequence[Row]) -> str:
    """The rows as a table for docs/reproductions."""
    heads = [key for key in dict.fromkeys(key for row in rows for key in row) if key not in FIGURES]
    lines = [f"| {' | '.join([*heads, 'published', 'ours'])} |", "|" + "---|" * (len(heads) + 2)]
    for row in rows:
        published = "–" if row.get("published") is None else f"{row['published']}"
        ours = f"{row['mean']:.3f} ± {row['sd']:.3f}"
        lines.append("| " + " | ".join([*(str(row.get(head, "–")) for head in heads), published, ours]) + " |")
    return "\n".join(lines)


def page(result: dict[str, Any]) -> str:
    """Ours, mean ± sd over the seeds, next to the published figures; one chart per kind of measure."""
    by_measure: dict[str, list[Row]] = {}
    for row in result["rows"]:
        by_measure.setdefault(str(row.get("measure", "")), []).append(row)
    charts = "".join(_dots(measure or result["name"], rows) for measure, rows in by_measure.items())
    facts = {"command": result["command"], "seeds": str(result["seeds"]), "seconds": f"{result['seconds']:.0f}"}
    drawn = "".join(
        histograms({group: np.array(values) for group, values in groups.items()}, title, "error")
        for title, groups in result.get("histograms", {}).items()
    )
    more = [Section("Histograms", "", drawn)] if drawn else []
    published = result["published"]
    published = published if isinstance(published, str) else json.dumps(published, ensure_ascii=False, indent=1)
    columns = ("of", "published", "ours", "sd")
    cells = [[label(r), r.get("published"), float(r["mean"]), float(r["sd"])] for r in result["rows"]]
    table = Table("Figures", columns, [[c if not isinstance(c, (list, dict)) else str(c) for c in r] for r in cells])
    lead = "A smoke test: these figures mean nothing." if result["quick"] else f"Published: {published}"
    return render(
        f"Reproduction: {result['name']}", lead, facts, [table], [Section("Ours and theirs", "", charts), *more]
    )


def _dots(title: str, rows: list[Row]) -> str:
    texts = [plain(label(row)) for row in rows]
    theirs = [(t, r["published"]) for t, r in zip(texts, rows, strict=True) if isinstance(r.get("published"), float)]
    ours = {
        "type": "scatter", "mode": "markers", "name": "ours, ± sd", "x": [row["mean"] for row in rows], "y": texts,
        "error_x": {"type": "data", "array": [row["sd"] for row in rows]},
        "marker": {"color": STYLES["normal"].color, "symbol": STYLES["normal"].symbol, "size": 9},
    }  # fmt: skip
    published = {
        "type": "scatter", "mode": "markers", "name": "published", "x": [x for _, x in theirs],
        "y": [text for text, _ in theirs],
        "marker": {"color": STYLES["defect"].color, "symbol": "diamond-open", "size": 11},
    }  # fmt: skip
    layout = {"height": 90 + 26 * len(rows), "yaxis": {"autorange": "reversed"}, "hovermode": "closest"}
    return fragment(title, [ours, *([published] if theirs else [])], layout)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("name", choices=names())
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin nothing new after this long")
    parser.add_argument("--quick", action="store_true", help="a smoke test of seconds")
    parser.add_argument("--out", type=Path, help="folder for NAME.json, NAME.html and NAME.cells.json")
    given = parser.parse_args(arguments)
    if not given.data.is_dir():
        parser.error(f"there is no folder {given.data}")
    command = " ".join(["python", "benchmarks/reproduce.py", *(sys.argv[1:] if arguments is None else arguments)])
    if given.out:
        given.out.mkdir(parents=True, exist_ok=True)
    kept = given.out / f"{given.name}.cells.json" if given.out and not given.quick else None
    cells = Cells(kept, given.minutes)
    result = run(given.name, given.data, given.seeds, command, cells, quick=given.quick)
    spent = f"{result['seconds']:.0f} s ({result['cpu']:.0f} s of computing)"
    sys.stdout.write(f"`{command}`, {result['date']}, {spent}\n\n{markdown(result['rows'])}\n")
    if given.out:
        (given.out / f"{given.name}.json").write_text(json.dumps(result, indent=1), encoding="utf-8")
        write_page(given.out / f"{given.name}.html", page(result))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
