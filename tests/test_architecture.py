"""Arrows point down: who may import whom, held as data."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from blemish.catalogue import DICTS, names

ROOT = Path(__file__).resolve().parents[1] / "src" / "blemish"

ROWS = [
    ["errors", "version"],
    [
        "labels",
        "output",
        "functional",
        "nn",
        "parts",
        "threads",
        "presets",
        "shards",
        "sparse",
        "store",
        "texts",
        "graph",
        "columns",
        "planes",
        "words",
        "memory",
        "recordings",
        "dialects",
    ],
    ["catalogue", "runtime"],
    ["experts", "backbones", "bottlenecks", "losses", "corruptions", "synthetic", "views", "schedules"],
    ["autoencoder", "adam"],
    ["chain", "task"],
    ["training", "scoring", "occlusion", "metrics", "modalities", "datasets", "sources"],
    ["choices", "rows", "file_labels", "label_report", "report", "streams"],
    ["model"],
    ["fitted", "fitting", "fitted_card"],
    ["export", "cross_fits", "explain", "drift"],
    ["model_file"],
    ["detector"],
    ["config", "lightning"],
    ["results", "demo", "inputs", "trust"],
    ["overview", "scoring_file", "fitting_file"],
    ["app"],
    ["cli"],
]
ROW_OF = {name: row for row, names in enumerate(ROWS) for name in names}
SIDEWAYS = {  # a row below the first holds some that build on each other; no cycle
    ("functional", "labels"), ("functional", "output"), ("nn", "output"), ("model", "choices"),
}  # fmt: skip
EXTRAS = (
    "av", "lightning", "onnx", "onnxruntime", "onnxscript", "plotly", "jinja2", "pandas", "polars",
    "fastapi", "uvicorn", "sqlalchemy", "psycopg",
)  # fmt: skip


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


def test_the_app_imports_public_names_only():
    for path in (ROOT / "app").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("blemish"):
                assert not [
                    alias.name for alias in node.names if alias.name.startswith("_") and alias.name != "__version__"
                ], path.name


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


HEAVY = ("torch", "sklearn", "pyarrow", "pandas", "numpy")
QUIET = "import sys\nfrom blemish.cli import main\nsys.argv = ['blemish', *{arguments!r}]\n"
QUIET += "try: main()\nexcept SystemExit as error: print('STATUS', error.code or 0)\n"
QUIET += "print('LOADED', *[m for m in {heavy!r} if m in sys.modules])"


def test_import_loads_nothing_that_is_slow():
    loaded = run("import blemish, sys; blemish.PRESETS, dir(blemish); print(' '.join(sys.modules))").split()
    assert not {*HEAVY, "rich", "importlib.metadata", *EXTRAS} & set(loaded)


def test_public_names_are_there_though_they_are_not_loaded():
    import blemish

    assert sorted(blemish.__all__) == sorted({*blemish._HOME})
    assert dir(blemish) == sorted(blemish.__all__)
    assert all(getattr(blemish, name) is not None for name in blemish.__all__)
    with pytest.raises(AttributeError, match="module 'blemish' has no attribute 'nonsense'"):
        _ = blemish.nonsense


def test_data_are_read_without_torch(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    loaded = run(
        f"import blemish, sys; blemish.read({str(tmp_path / 't.csv')!r}); print(' '.join(sys.modules))"
    ).split()
    assert "pyarrow" in loaded
    assert not {"torch", "sklearn"} & set(loaded)


@pytest.mark.parametrize(
    ("status", "arguments"),
    [
        (0, "--help"),
        (0, "score --help"),
        (0, "presets"),
        (2, "scor"),
        (2, "fit"),
        (2, "fit data.csv"),
        (2, "fit data.csv -o m.blemish --epochs 0"),
        (2, "fit data.csv -o m.blemish --backbone mpl"),
        (2, "fit data.csv -o m.blemish --loss mse --loss margn"),
        (2, "fit data.csv -o m.blemish --preset none"),
        (2, "fit data.csv -o m.blemish --config absent.yaml"),
        (2, "score m.blemish data.csv -o scores.xlsx"),
        (2, "report m.blemish data.csv -o report.txt"),
        (2, "threshold m.blemish"),
        (2, "threshold m.blemish --recall 0.5 --budget 3"),
        (2, "info m.blemish --nonsense"),
    ],
)
def test_help_and_errors_of_usage_need_nothing_that_is_slow(status, arguments):
    printed = run(QUIET.format(arguments=arguments.split(), heavy=HEAVY)).strip().splitlines()
    assert printed[-2:] == [f"STATUS {status}", "LOADED"] or (status == 0 and printed[-1] == "LOADED")


@pytest.mark.parametrize(
    ("status", "arguments"), [(0, "--help"), (2, "nonsense"), (2, "fit"), (2, "score"), (2, "score a b --nonsense")]
)
def test_where_no_value_is_given_none_is_converted(status, arguments):
    printed = run(QUIET.format(arguments=arguments.split(), heavy=("pydantic", "rich"))).strip().splitlines()
    assert printed[-2:] == [f"STATUS {status}", "LOADED"]


@pytest.mark.parametrize("arguments", ["fit absent.csv -o m.blemish", "score m.blemish data.csv -o s.csv", "info m"])
def test_a_missing_file_is_found_before_torch_is_imported(arguments):
    printed = run(QUIET.format(arguments=arguments.split(), heavy=("torch", "sklearn"))).strip().splitlines()
    assert printed[-2:] == ["STATUS 1", "LOADED"]


@pytest.mark.parametrize("kind", DICTS)
def test_names_of_parts_are_those_of_their_dict(kind):
    from importlib import import_module

    file, name = DICTS[kind]
    module = import_module("blemish." + file.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
    assert list(names(kind)) == list(getattr(module, name))


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
    assert len(path.read_text().splitlines()) <= 450 or path.name == "detector.py"
