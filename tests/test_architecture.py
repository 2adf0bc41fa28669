"""Arrows point down: who may import whom, held as data."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from blemish.modalities import MODALITIES

ROOT = Path(__file__).resolve().parents[1] / "src" / "blemish"

# DESIGN section 4: the folders are the way of the data. A row may import the rows above it in this list, never sideways.
ROWS = [
    ["core"],
    ["data", "presets", "datasets"],
    ["modalities"],
    ["autoencoder", "losses"],
    ["training"],
    ["scoring"],
    ["calibration"],
    ["fitting"],
    ["explain", "onnx"],
    ["detector", "runtime"],
    ["report", "out_of_core", "lightning"],
    ["cli", "review", "demo"],
]
ROW_OF = {name: row for row, names in enumerate(ROWS) for name in names}
DOORS = {("cli", "review"), ("cli", "demo")}  # a command opens the page, or runs the demo
DOOR_PARTS = ("cli", "review", "demo")
ENGINE = ("modalities", "autoencoder", "losses", "training", "scoring", "calibration", "fitting")
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


def test_arrows_point_down():
    wrong = []
    for path in modules():
        part = part_of(path)
        if part == "__init__":
            continue
        assert part in ROW_OF, f"{part} has no row: put it into ROWS"
        wrong += [
            f"{path.relative_to(ROOT)} imports {other}"
            for other in imports_of(path)
            if other != part and ROW_OF[other] >= ROW_OF[part] and (part, other) not in DOORS
        ]
    assert wrong == []


def test_every_row_entry_exists():
    assert set(ROW_OF) <= {part_of(path) for path in modules()}


def test_the_house_is_small():
    assert len(list(ROOT.glob("*.py"))) <= 10
    folders = [path for path in ROOT.iterdir() if path.is_dir() and any(path.glob("*.py"))]
    assert len(folders) <= 15
    crowded = {path.parent for path in modules() if len(list(path.parent.glob("*.py"))) > 15}
    assert crowded == set()


def test_no_file_is_long():
    long = {str(p.relative_to(ROOT)) for p in modules() if len(p.read_text().splitlines()) > 400}
    assert long <= {"data/sources.py", "fitting/fitted.py", "review/session.py"}


def runtime_imports(tree):
    """Imports of a module, those for types only left out."""
    types = {id(inner) for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
             for inner in ast.walk(node)}  # fmt: skip
    return [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and id(node) not in types]


def test_the_doors_know_the_engine_by_what_its_packages_export():
    """Commands and page use the detector, data, explanations and reports, but no module inside the engine."""
    wrong = []
    for path in modules():
        if part_of(path) not in DOOR_PARTS:
            continue
        for node in runtime_imports(ast.parse(path.read_text())):
            parts = (node.module or "").split(".")
            private = [a.name for a in node.names if a.name.startswith("_") and a.name != "__version__"]
            inside = len(parts) > 1 and parts[1] in ENGINE and not (ROOT / Path(*parts[1:])).is_dir()
            if parts[0] == "blemish" and (private or inside):
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno} imports {', '.join(private)} from {node.module}")
    assert wrong == []


# Presets are named choices of parts; plotly's word for a caption is "text".
KIND = "|".join(MODALITIES)
IMPORTS_A_KIND = re.compile(rf"blemish\.modalities\.({KIND})")
NAMES_A_KIND = re.compile(rf"""^({KIND})$|['"]({KIND})['"]""")
MAY_NAME_KINDS = {"modalities", "data", "presets"}
PLOTLY = {"report/charts.py", "report/figure.py", "report/intervals.py"}


def docstrings_of(tree):
    """Strings that stand for themselves: docstrings of modules, classes, functions and of what they precede."""
    return {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}


def test_no_file_outside_modalities_and_data_spells_out_a_kind_of_data():
    wrong = []
    for path in modules():
        if part_of(path) in MAY_NAME_KINDS:
            continue
        name, tree = str(path.relative_to(ROOT)), ast.parse(path.read_text())
        prose = docstrings_of(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
                if NAMES_A_KIND.search(node.value) and not (name in PLOTLY and node.value == "text"):
                    wrong.append(f"{name}:{node.lineno} {node.value!r}")
            elif (
                isinstance(node, ast.ImportFrom)
                and name != "__init__.py"
                and IMPORTS_A_KIND.fullmatch(node.module or "")
            ):
                wrong.append(f"{name}:{node.lineno} imports {node.module}")
    assert wrong == []


def test_the_page_does_not_compare_kinds_of_data():
    shown = [*(ROOT / "review" / "static").glob("*.js"), *ROOT.glob("*/templates/*")]
    assert len(shown) > 5
    compares = re.compile(rf"""modality\W|[=!]==?\s*['"]({KIND})['"]""")
    assert [path.name for path in shown if compares.search(path.read_text())] == []


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


@pytest.mark.parametrize("arguments", ["fit absent.csv -o m.blemish", "score m.blemish data.csv -o s.csv", "info m"])
def test_a_missing_file_is_found_before_torch_is_imported(arguments):
    printed = run(QUIET.format(arguments=arguments.split(), heavy=("torch", "sklearn"))).strip().splitlines()
    assert printed[-2:] == ["STATUS 1", "LOADED"]


def test_names_of_parts_need_no_part():
    loaded = run(
        "import sys; from blemish.cli.part_names import PARTS; from blemish.scoring.experts import EXPERTS\n"
        "print([name for parts in (*PARTS.values(), EXPERTS) for name in parts]); print(*sys.modules)"
    )
    assert "'margin'" in loaded
    assert not {*HEAVY, "pydantic"} & set(loaded.splitlines()[-1].split())


def test_the_detector_loads_no_extra():
    loaded = run("import blemish.detector, blemish.report, sys; print(' '.join(sys.modules))").split()
    assert not (set(EXTRAS) - {"pandas"}) & set(loaded)  # scikit-learn itself loads pandas where it is


def test_every_constructor_argument_is_stored_untouched():
    import inspect

    from blemish import DefectDetector

    marks = {name: object() for name in inspect.signature(DefectDetector).parameters}
    marks |= {"device": "a device", "verbose": 12345}
    assert DefectDetector(**marks).get_params(deep=False) == marks


# Modules without a test of their own, and why.
NEEDS_NO_TEST = {
    "core/errors.py": "classes of errors; each message is tested where it is raised",
    "core/output.py": "fields and interfaces; the contract tests of losses and backbones run them",
    "core/version.py": "one line; the command line's test prints it",
    "cli/options.py": "declarations of options; tests/golden/help.txt holds them",
    "cli/part_names.py": "a table of names; this file's tests and docs/parts.md read it",
    "runtime.py": "another name for onnx/runtime.py",
}


def has_a_test(module):
    """Its own file at the same place, or the contract test of the parts that it is among."""
    tests = ROOT.parents[1] / "tests"
    if (tests / module.parent / f"test_{module.name}").exists():
        return True
    entry = '"' + ".".join([ROOT.name, *module.with_suffix("").parts]) + ":"
    is_a_part = any(entry in (ROOT / folder / "__init__.py").read_text() for folder in module.parents)
    places = [
        place
        for folder in module.parents
        for place in (folder / "test_contract.py", f"{folder}/../test_{folder.name}.py")
    ]
    return is_a_part and any((tests / place).resolve().exists() for place in places)


def test_every_module_has_its_test_at_the_same_place():
    named = {path.relative_to(ROOT) for path in modules() if not path.name.startswith("__")}
    assert set(NEEDS_NO_TEST) <= {module.as_posix() for module in named}
    without = {module.as_posix() for module in named if not has_a_test(module)}
    assert sorted(without - set(NEEDS_NO_TEST)) == []
    assert sorted(set(NEEDS_NO_TEST) - without) == [], "these have a test now"
