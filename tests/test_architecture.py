"""Arrows point down: who may import whom, held as data."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1] / "src" / "blemish"

ROWS = [
    ["errors", "version"],
    ["labels", "output", "functional", "nn", "parts", "threads", "presets", "shards", "sparse", "store", "texts"],
    ["experts", "backbones", "bottlenecks", "losses", "corruptions", "synthetic", "views", "schedules"],
    ["autoencoder", "adam"],
    ["training", "scoring", "explain", "occlusion", "drift", "metrics", "modalities", "datasets", "sources"],
    ["choices", "rows", "file_labels", "streams"],
    ["model"],
    ["fitted", "fitting"],
    ["detector"],
    ["config", "report", "lightning"],
    ["results", "demo", "inputs"],
    ["overview", "scoring_file", "fitting_file"],
    ["cli"],
]
ROW_OF = {name: row for row, names in enumerate(ROWS) for name in names}
SIDEWAYS = {  # a row below the first holds some that build on each other; no cycle
    ("functional", "labels"), ("functional", "output"), ("nn", "output"), ("model", "choices"),
}  # fmt: skip
EXTRAS = ("av", "lightning", "plotly", "jinja2", "pandas", "polars")


def modules():
    return sorted(ROOT.rglob("*.py"))


def part_of(path):
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "blemish":
            parts = node.module.split(".")[1:]
            yield from [parts[0]] if parts else [alias.name for alias in node.names]


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_arrows_point_down(path):
    part = part_of(path)
    if part in ("__init__", "__main__"):
        return
    assert part in ROW_OF, f"{part} has no row: put it into ROWS"
    for other in imports_of(path):
        if other == part:
            continue
        below = ROW_OF[other] < ROW_OF[part] or (part, other) in SIDEWAYS
        assert below, f"{part} (row {ROW_OF[part]}) imports {other} (row {ROW_OF[other]})"


def test_every_row_entry_exists():
    parts = {part_of(path) for path in modules()}
    assert set(ROW_OF) <= parts


def source():
    return {path: path.read_text() for path in modules()}


def test_there_is_one_backward():
    assert sum(text.count(".backward(") for text in source().values()) == 1


def test_only_the_detector_knows_scikit_learns_base():
    assert [p.name for p, text in source().items() if "sklearn.base" in text] == ["detector.py"]


@pytest.mark.parametrize(
    "banned", ["import pickle", "torch.load(", "yaml.load(", "eval(", "allow_pickle=True", "joblib"]
)
def test_nothing_runs_code_from_files(banned):
    offenders = [p.name for p, t in source().items() if banned in t.replace(".eval()", "").replace("network.eval(", "")]
    assert offenders == []


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120).stdout


def test_import_loads_no_torch_and_no_extra():
    loaded = run("import blemish, sys; print(' '.join(sys.modules))").split()
    assert not {"torch", "sklearn", *EXTRAS} & set(loaded)


def test_help_needs_no_torch():
    code = (
        "import sys; sys.argv = ['blemish', '--help']\n"
        "from blemish.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print('LOADED', *[m for m in ('torch', 'sklearn', 'pyarrow', 'pandas') if m in sys.modules])"
    )
    assert run(code).strip().splitlines()[-1] == "LOADED"


def test_the_detector_loads_no_extra():
    loaded = run("import blemish.detector, blemish.report, sys; print(' '.join(sys.modules))").split()
    assert not (set(EXTRAS) - {"pandas"}) & set(loaded)  # scikit-learn itself loads pandas where it is


def test_every_constructor_argument_is_stored_untouched():
    import inspect

    from blemish import DefectDetector

    marks = {name: object() for name in inspect.signature(DefectDetector).parameters}
    marks |= {"device": "a device", "verbose": 12345}
    assert DefectDetector(**marks).get_params(deep=False) == marks


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_no_file_hides_several_concepts(path):
    assert len(path.read_text().splitlines()) <= 450 or path.name in ("detector.py", "cli.py")
