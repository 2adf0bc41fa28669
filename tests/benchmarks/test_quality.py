"""The quality benchmark on a folder of one's own."""

import importlib.util
import re
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def run(monkeypatch, capsys, few_trees):
    """Runs a benchmark in this process: (exit status, stdout, stderr)."""

    def run(*arguments, script="quality"):
        monkeypatch.setattr(sys, "argv", [script, *map(str, arguments)])
        status = 0
        with warnings.catch_warnings(action="ignore"):
            try:
                importlib.import_module(script).main()
            except SystemExit as error:
                status = error.code or 0
        out, err = capsys.readouterr()
        return SimpleNamespace(returncode=status, stdout=out, stderr=f"{err}{status}")

    return run


def test_a_folder_of_tables_and_pictures_becomes_a_table(tmp_path, run):
    rng = np.random.default_rng(0)
    kind = np.repeat(["fine", "crack", "dent"], [160, 40, 30])
    middle = {"fine": [0, 0, 0], "crack": [5, 0, 0], "dent": [0, 5, 0]}
    rows = rng.normal(size=(len(kind), 3)) + [middle[one] for one in kind]
    pd.DataFrame(rows).assign(what=kind).rename(columns=str).to_csv(tmp_path / "parts.csv", index=False)
    for name, n in (("fine", 50), ("spot", 36)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(n):
            picture = rng.integers(90, 110, (12, 12), dtype=np.uint8)
            if name == "spot":
                picture[4:7, rng.integers(8)] = 250
            Image.fromarray(picture).save(tmp_path / "photos" / name / f"{i}.png")
    options = ("--labels", "what", "--normal", "fine", "--seeds", 0, "--ablation", "--without-labels")
    done = run(tmp_path, *options, "--out", tmp_path / "q.md")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "parts/crack, seed 0: AP" in done.stderr
    lines = (tmp_path / "q.md").read_text().splitlines()
    assert lines[2].startswith("| | parts | photos | **mean AP** |")
    found = {line.split(" | ")[0].strip("| "): line for line in lines[4:]}
    assert {"blemish", "outlier score", "extremely randomised trees", "without 0 value of error"} <= set(found)
    assert float(found["blemish"].split("**")[1]) > 0.8
    assert re.fullmatch(r"AP with labels below that of the outlier score: [012] of 2 fits\.", lines[-2])
    drop = re.search(r"without labels minus with: mean (\S+), at most (\S+) \(p\S+, seed 0\)\.", lines[-1])
    assert drop
    assert -1 < float(drop[1]) <= float(drop[2]) < 0.5


def test_what_is_missing_is_said(tmp_path, run):
    assert "there is no folder" in run(tmp_path / "no").stderr
    assert "holds no task: check --labels, --normal and --suite" in run(tmp_path).stderr


def test_a_task_that_is_not_there_is_said(tmp_path, run):
    rng = np.random.default_rng(0)
    kind = np.repeat(["normal", "crack"], [60, 40])
    pd.DataFrame(rng.normal(size=(100, 2))).assign(kind=kind).rename(columns=str).to_csv(tmp_path / "parts.csv")
    for arguments, message in (
        ((tmp_path / "none",), "there is no folder"),
        ((tmp_path, "--tasks", "dent"), "no task has 'dent' in its name; there are parts/crack"),
    ):
        done = run(*arguments, script="promises")
        assert done.returncode == 2
        assert message in done.stderr


def test_label_efficiency_counts_labels_and_negatives(tmp_path, run):
    rng = np.random.default_rng(0)
    kind = np.repeat(["fine", "crack", "dent"], [120, 40, 12])
    middle = {"fine": [0, 0, 0], "crack": [5, 0, 0], "dent": [0, 5, 0]}
    rows = rng.normal(size=(len(kind), 3)) + [middle[one] for one in kind]
    pd.DataFrame(rows).assign(kind=kind).rename(columns=str).to_csv(tmp_path / "parts.csv", index=False)
    done = run(
        *(tmp_path, "--normal", "fine", "--counts", 1, 4, "--negatives", 2, "--seeds", 0), script="label_efficiency"
    )
    assert done.returncode == 0, done.stderr[-2000:]
    lines = done.stdout.splitlines()
    assert lines[2] == "| labelled defects | 1 | 4 |"
    found = {line.split(" | ")[0].strip("| "): line.strip("| ").split(" | ")[1:] for line in lines[4:]}
    assert {"blemish", "blemish, 2 labelled negatives", "logistic regression"} <= set(found)
    assert found["blemish"] != found["blemish, 2 labelled negatives"]
    assert float(found["blemish"][1]) > 0.8


PROTOCOL = """
from types import SimpleNamespace
import numpy as np

def load(seed):
    rng = np.random.default_rng(seed)
    group = np.repeat(["normal", "other", "defect"], [40, 6, 6])
    X = rng.normal(size=(52, 4)) + 4 * np.eye(4)[np.repeat([2, 1, 0], [40, 6, 6])]
    y = np.where(np.arange(52) < 48, None, "defect")
    return SimpleNamespace(X_train=X, y_train=y, X_test=X, group_test=group)

TASKS = {"targeted/cwru/Ball_014_1": SimpleNamespace(load=load)}
"""


def test_exports_agree_on_unseen_samples(tmp_path, run):
    rng = np.random.default_rng(0)
    kind = np.repeat(["fine", "crack"], [120, 40])
    rows = rng.normal(size=(len(kind), 3)) + 5 * (kind == "crack")[:, None] * [1, 0, 0]
    pd.DataFrame(rows).assign(kind=kind).rename(columns=str).to_csv(tmp_path / "parts.csv", index=False)
    done = run(tmp_path, "--normal", "fine", script="parity")
    assert done.returncode == 0, done.stderr[-2000:]
    name, seed, n, evidence, scores, whole, beyond = done.stdout.splitlines()[-1].strip("| ").split(" | ")
    assert (name, seed) == ("parts/crack", "0")
    assert int(n) >= 60
    assert max(float(evidence), float(scores), float(whole)) <= 1e-5
    assert int(beyond) <= 1


def test_the_ablation_of_contrasts_takes_its_tasks_from_a_protocol(tmp_path, monkeypatch):
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "protocol.py").write_text(PROTOCOL)
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    monkeypatch.setitem(sys.modules, "protocol", sys)  # put back afterwards
    spec = importlib.util.spec_from_file_location("ablation", ROOT / "benchmarks/reproductions/contrastive_vae.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    cells = importlib.import_module("reproduce").Cells(None, 60.0)
    found = module.reproduce(tmp_path / "data", [0, 1], quick=True, cells=cells)
    assert [row["loss"] for row in found["rows"][::2]] == ["none", "margin", "triplet", "n_pair", "info_nce", "cosine"]
    assert all(0 < row["mean"] <= 1 and row["sd"] == 0 for row in found["rows"])
