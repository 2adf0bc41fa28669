"""`blemish score`, `evaluate` and `explain` as a user meets them."""

import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import csv, parquet

from blemish import DefectDetector, load
from conftest import ten_trees


def test_score_writes_the_contracts_columns(folder, model, blemish):
    for name in ("scores.csv", "scores.parquet"):
        status, out, err = blemish("score", model, folder / "test.csv", "-o", folder / name, "--key", "id")
        assert status == 0, err
        assert "scored 174 samples" in out
    table = parquet.read_table(folder / "scores.parquet")
    assert table.column_names == [
        "id", "outlier_score", "defect_score", "p_normal", "p_other", "p_defect", "label",
    ]  # fmt: skip
    assert table["id"][0].as_py() == "=row0"
    assert csv.read_csv(folder / "scores.csv")["id"][0].as_py() == "'=row0"  # no formula in a spreadsheet
    rows = np.argsort(-table["defect_score"].to_numpy())[:12]
    assert sum(150 <= row < 162 for row in rows) >= 10


def test_the_command_line_and_python_agree(folder, model, blemish):
    blemish("score", model, folder / "test.csv", "-o", folder / "s.parquet")
    table = csv.read_csv(folder / "test.csv").drop_columns(["id", "kind"])
    np.testing.assert_array_equal(
        parquet.read_table(folder / "s.parquet")["defect_score"].to_numpy(), load(model).defect_score(table)
    )


def test_evaluate_prints_a_table_and_json(folder, model, blemish):
    truth = ("--truth", "kind", "--defect", "leak", "--normal", "normal")
    status, out, _ = blemish("evaluate", model, folder / "test.csv", *truth)
    assert status == 0
    assert "AUROC above jam (12)" in out
    status, out, _ = blemish("evaluate", model, folder / "test.csv", *truth, "--json")
    results = json.loads(out)
    assert results["defect_score"]["average_precision"] > 0.8
    assert set(results["defect_score"]["auroc_defect_above"]) == {"jam", "normal"}
    assert results["defect_score"]["n"] == {"defect": 12, "jam": 12, "normal": 150}


def test_data_that_moved_are_scored_with_a_note(folder, model, blemish):
    assert "do not look like" not in blemish("score", model, folder / "test.csv", "-o", folder / "same.csv")[2]
    table = csv.read_csv(folder / "test.csv")
    moved = table.set_column(table.column_names.index("speed"), "speed", pa.array(table["speed"].to_numpy() + 9))
    csv.write_csv(moved, folder / "moved.csv")
    status, out, err = blemish("score", model, folder / "moved.csv", "-o", folder / "drifted.csv")
    assert status == 0
    assert "scored 174 samples" in out
    assert "note: these data do not look like the training data (174 rows compared; " in err
    assert "speed: median 1" in err
    csv.write_csv(moved.slice(0, 10), folder / "few.csv")
    assert "do not look like" not in blemish("score", model, folder / "few.csv", "-o", folder / "few.parquet")[2]


def test_a_column_cannot_name_the_rows_and_be_a_feature(folder, model, blemish):
    status, _, err = blemish("score", model, folder / "train.csv", "--key", "speed", "-o", folder / "s.csv")
    assert status == 1
    assert "column 'speed' names or labels the rows here, but the model was fitted on it" in err
    assert "fitted on it" in blemish("evaluate", model, folder / "train.csv", "--truth", "protocol")[2]


def test_a_name_that_is_not_utf8_costs_no_work(blemish, tmp_path):
    """Of one file among others: it is fitted, scored, explained and labelled under its escaped name."""
    folder = tmp_path / "letters"
    folder.mkdir()
    for i in range(24):
        name = os.fsencode(folder) + (b"/gr\xfcn.txt" if i == 7 else b"/%d.txt" % i)
        Path(os.fsdecode(name)).write_text(f"letter {i} says that {'nothing' if i == 7 else 'all'} is well")
    status, _, err = blemish("fit", folder, "--epochs", 1, "--seed", 0, "-o", tmp_path / "m.blemish")
    assert status == 0, err
    for name, read in (("s.csv", csv.read_csv), ("s.parquet", parquet.read_table)):
        status, out, err = blemish("score", tmp_path / "m.blemish", folder, "-o", tmp_path / name)
        assert (status, "scored 24 samples" in out) == (0, True), err
        assert "gr\\xfcn.txt" in read(tmp_path / name)["path"].to_pylist()
    (tmp_path / "l.csv").write_text("path,label\ngr\\xfcn.txt,defect\n0.txt,normal\n")
    status, out, err = blemish("evaluate", tmp_path / "m.blemish", folder, "--truth", tmp_path / "l.csv", "--json")
    assert status == 0, err
    status, out, err = blemish("explain", tmp_path / "m.blemish", folder)
    assert status == 0, err
    assert "Traceback" not in err


@pytest.mark.parametrize("exported", [False, True])
@pytest.mark.parametrize(("brighter", "said"), [(0, False), (60, True)])
def test_most_samples_reported_is_said_where_nothing_is_held_out(blemish, pictures, exported, brighter, said):
    """One exposure was fitted, another is scored: all are `other`, and nothing else would say why."""
    folder, model = pictures
    for i, picture in enumerate(made_pictures(12, seed=1)):
        (folder / f"new{brighter}").mkdir(exist_ok=True)
        Image.fromarray(np.clip(picture + brighter, 0, 255).astype(np.uint8)).save(folder / f"new{brighter}/{i}.png")
    with_suffix = model.with_suffix(".onnx") if exported else model
    status, out, err = blemish("score", with_suffix, folder / f"new{brighter}", "-o", folder / "s.csv")
    assert status == 0, err
    assert out.startswith("scored 12 samples: ")
    assert ("12 of 12 samples are reported, of normal ones 1 in 25 would be: were they taken" in err) == said


def made_pictures(n, seed):
    return np.random.default_rng(seed).integers(90, 110, (n, 24, 24))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder with a model of 24 plain pictures, also exported."""
    pytest.importorskip("onnxruntime")
    folder = tmp_path_factory.mktemp("exposures")
    with ten_trees():
        det = DefectDetector(modality="image", epochs=1, random_state=0)
        det.fit(made_pictures(24, seed=0)[:, None].astype(np.uint8))
    det.save(folder / "m.blemish")
    det.export(folder / "m.onnx", made_pictures(4, seed=2)[:, None].astype(np.uint8))
    return folder, folder / "m.blemish"
