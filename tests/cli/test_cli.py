"""The command line as a user meets it."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import yaml
from PIL import Image
from pyarrow import csv, parquet

from blemish import DefectDetector, load
from blemish.cli import app, main
from blemish.core.version import __version__
from blemish.presets import PRESETS


@pytest.fixture
def blemish(monkeypatch, capsys):
    """Runs the command line in this process: (exit status, stdout, stderr)."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["blemish", *map(str, arguments)])
        try:
            main()
            status = 0
        except SystemExit as error:
            status = error.code or 0
        out, err = capsys.readouterr()
        return status, out, err

    return run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A mixed table with kinds of outliers, an image folder, and a model of the table."""
    root = tmp_path_factory.mktemp("cli")
    rng = np.random.default_rng(0)
    for name, seed in (("train", 0), ("test", 1)):
        rng = np.random.default_rng(seed)
        kind = np.array(["normal"] * 150 + ["leak"] * 12 + ["jam"] * 12)
        speed = rng.normal(10, 1, len(kind)) + 8 * (kind == "leak") - 8 * (kind == "jam")
        protocol = np.where(kind == "leak", "udp", rng.choice(["tcp", "icmp"], len(kind)))
        table = pa.table(
            {"id": [f"=row{i}" for i in range(len(kind))], "speed": speed, "protocol": protocol, "kind": kind}
        )
        csv.write_csv(table, root / f"{name}.csv")
        parquet.write_table(table, root / f"{name}.parquet")
    for i in range(30):
        group = "crack" if i < 6 else "fine"
        (root / "images" / group).mkdir(parents=True, exist_ok=True)
        image = rng.integers(90, 110, (20, 20 + i % 3)).astype(np.uint8)
        image[8:10] = 10 if group == "crack" else image[8:10]
        Image.fromarray(image).save(root / "images" / group / f"tile{i}x.png")
    (root / "images" / "fine" / "broken.png").write_bytes(b"?")
    return root


LABELS = ("--labels", "kind", "--defect", "leak", "--drop", "id")


@pytest.fixture(scope="module")
def model(folder):
    path = folder / "m.blemish"
    arguments = ["fit", str(folder / "train.csv"), *LABELS, "--seed", "0", "-o", str(path)]
    app(args=arguments, standalone_mode=False)
    return path


def test_fit_says_what_it_did(folder, blemish):
    status, out, err = blemish("fit", folder / "train.parquet", *LABELS, "--epochs", 2, "-o", folder / "p.blemish")
    assert status == 0, err
    assert "fitted on 174 tabular samples (162 unlabelled, 12 defect)" in out
    assert "wrote" in out


def test_fit_of_a_single_row_fails_and_of_a_few_says_so(tmp_path, blemish):
    (tmp_path / "one.csv").write_text("a,b\n1,2\n")
    (tmp_path / "few.csv").write_text("a,b\n1,2\n2,1\n3,2\n")
    status, _, err = blemish("fit", tmp_path / "one.csv", "-o", tmp_path / "one.blemish")
    assert (status, err.splitlines()) == (
        1,
        [
            "error: found 1 sample to learn from, unlabelled or normal; a minimum of 2 is required, and with fewer "
            "than 20 the scores say little"
        ],
    )
    assert not (tmp_path / "one.blemish").exists()
    assert blemish("fit", tmp_path / "one.csv", "-o", tmp_path / "one.blemish", "--out-of-core")[0] == 1
    status, _, err = blemish("fit", tmp_path / "few.csv", "--epochs", 1, "-o", tmp_path / "few.blemish")
    assert status == 0
    assert "note: only 3 unlabelled or normal sample(s) to learn from" in err


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


def test_info_and_its_config_reproduce_the_model(folder, model, blemish):
    status, out, _ = blemish("info", model)
    assert status == 0
    assert "backbone" in out
    facts = json.loads(blemish("info", model, "--json")[1])
    assert facts["rows"]["defect"] == 12
    text = blemish("info", model, "--config")[1]
    assert yaml.safe_load(text)["backbone"] == "mlp"
    (folder / "run.yaml").write_text(text)
    status, _, err = blemish("fit", "--config", folder / "run.yaml", "-o", folder / "again.blemish")
    assert status == 0, err
    table = csv.read_csv(folder / "test.csv").drop_columns(["id", "kind"])
    np.testing.assert_array_equal(load(folder / "again.blemish").defect_score(table), load(model).defect_score(table))


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


def test_threshold_and_explain(folder, model, blemish):
    copy = folder / "t.blemish"
    copy.write_bytes(model.read_bytes())
    status, out, _ = blemish("threshold", copy, "--recall", 0.5)
    assert status == 0
    assert "threshold" in out
    promise = load(copy).promise_
    assert (promise.target, promise.value) == ("recall", 0.5)
    assert out.strip().endswith(promise.text)
    assert json.loads(blemish("info", copy, "--json")[1])["promise"] == promise.text
    assert "contamination=0.1: about" in blemish("threshold", copy, "--contamination", 0.1)[1]
    status, out, _ = blemish("explain", copy, folder / "test.csv", "--top", 2, "--elements", 1, "--key", "id", "--json")
    assert status == 0
    assert [set(row) >= {"key", "element", "seen", "expected"} for row in json.loads(out)] == [True, True]
    assert {"fall", "driver", "chances"} <= set(json.loads(out)[0])
    assert "nearest defect" in blemish("explain", copy, folder / "test.csv")[1]


def test_info_says_what_the_labels_are_worth_and_keeps_the_curve(folder, blemish):
    quick = "{name: ensemble, experts: {plain: [linear], error: [value]}}"
    path = folder / "l.blemish"
    fit = ("fit", folder / "train.csv", *LABELS, "--seed", "0", "--epochs", 1, "--scorer", quick, "-o", path)
    assert blemish(*fit)[0] == 0
    before = path.read_bytes()
    status, out, err = blemish("info", path, "--labels", "--budget", 3)
    assert status == 0, err
    assert "learning curve, at a budget of 3 of 32 rows" in out
    assert "12 labelled defects, 0 rows labelled 'other' or 'normal'" in out
    assert "Is more labelling worth it?: " in out
    kept = path.read_bytes()
    assert kept != before
    found = json.loads(blemish("info", path, "--labels", "--json")[1])
    assert [step["n_labels"] for step in found["curve"]] == [1, 2, 4, 9]
    assert path.read_bytes() == kept
    status, _, err = blemish("info", path, "--labels", "--budget", 99)
    assert status == 2
    assert "budget=99 must lie between 1 and 31" in err
    path.write_bytes(before.replace(b"train.csv", b"trian.csv"))  # the training data are gone
    assert "that takes the training rows" in blemish("info", path, "--labels")[1].replace("\n", " ")


def test_threshold_states_the_expected_fractions(folder, model, blemish):
    copy = folder / "prior.blemish"
    copy.write_bytes(model.read_bytes())
    cut = load(copy).threshold_
    status, out, err = blemish("threshold", copy, "--defect-share", 0.2, "--other-share", 0.1)
    assert status == 0, err
    assert out.strip() == "assumed fractions: normal 0.7, other 0.1, defect 0.2"
    assert load(copy).prior_ == pytest.approx({"normal": 0.7, "other": 0.1, "defect": 0.2})
    assert load(copy).threshold_ == cut
    assert "recall=0.5: about" in blemish("threshold", copy, "--defect-share", 0.1, "--recall", 0.5)[1]
    assert blemish("threshold", copy, "--defect-share", 2)[0] == 2
    assert "--other-share needs --defect-share" in blemish("threshold", copy, "--other-share", 0.1)[2]


def test_report_and_evaluation_page(folder, model, blemish):
    truth = ("--defect", "leak", "--normal", "normal")
    status, out, err = blemish(
        "report",
        model,
        folder / "test.csv",
        "-o",
        folder / "r.html",
        "--labels",
        "kind",
        *truth,
        "--top",
        1,
        "--key",
        "id",
    )
    assert status == 0, err
    assert "one file that opens offline" in out
    page = (folder / "r.html").read_text(encoding="utf-8")
    assert "Groups below are labels that you gave" in page
    assert "To make it again" in page
    assert blemish("report", model, folder / "test.csv", "-o", folder / "r.txt")[0] == 2
    status, _, err = blemish("report", model, folder / "test.csv", "-o", folder / "r.html", "--key", "nope")
    assert status == 1
    assert "has no column 'nope' to name the rows" in err
    status, _, err = blemish(
        "evaluate", model, folder / "test.csv", "--truth", "kind", *truth, "--plot", folder / "e.html"
    )
    assert status == 0, err
    assert "AUROC above jam" in (folder / "e.html").read_text(encoding="utf-8")


def test_headings_of_a_csv_are_no_formulas(tmp_path):
    import pyarrow as pa

    from blemish.data.writing import write_table

    write_table(pa.table({"=1+1": ["@x", "y"]}), tmp_path / "t.csv")
    assert csv.read_csv(tmp_path / "t.csv").to_pydict() == {"'=1+1": ["'@x", "y"]}


def test_an_image_folder_with_labels_from_folders_or_a_table(folder, blemish):
    images = folder / "images"
    fit = ("fit", images, "--epochs", 8, "--seed", 0, "-o", folder / "i.blemish")
    status, out, err = blemish(*fit, "--defect-folder", "crack", "--limit-labels", 4)
    assert status == 0, err
    assert "fitted on 30 image samples (26 unlabelled, 4 defect)" in out
    assert "skipped 1 that cannot be used: fine/broken.png" in err
    top = json.loads(blemish("explain", folder / "i.blemish", images, "--top", 1, "--json")[1])[0]
    assert Path(top["nearest_defect"]).parts[0] == "crack"  # a file that one can open, not the number of a row
    assert (images / top["nearest_normal"]).exists()
    status, out, err = blemish("score", folder / "i.blemish", images, "-o", folder / "i.csv")
    assert status == 0, err
    assert "skipped 1" in err
    assert csv.read_csv(folder / "i.csv").column_names[0] == "path"
    status, out, _ = blemish("evaluate", folder / "i.blemish", images, "--defect-folder", "crack", "--json")
    assert json.loads(out)["defect_score"]["n"] == {"defect": 6, "fine": 24}
    (folder / "names.csv").write_text("name,label\ntile0x.png,defect\ntile7x,normal\n")
    status, out, err = blemish(*fit, "--labels", folder / "names.csv")
    assert status == 0, err
    assert "(28 unlabelled, 1 normal, 1 defect)" in out


def test_presets_are_listed(blemish):
    out = blemish("presets")[1]
    assert all(name in out for name in PRESETS)


def test_the_command_line_wins_over_the_file(folder, blemish):
    (folder / "c.yaml").write_text(f"data: {folder / 'train.csv'}\nlabels: kind\ndefect: [leak]\nepochs: 5\n")
    status, _, err = blemish("fit", "--config", folder / "c.yaml", "--epochs", 1, "-o", folder / "c.blemish")
    assert status == 0, err
    assert len(load(folder / "c.blemish").history_) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch: 5\n", "has an unknown key 'epoch'; did you mean 'epochs'?"),
        ("epochs: [1]\n", "key 'epochs'"),
        ("- a\n", "must hold 'key: value' lines, got list"),
        ("a: [\n", "is no valid YAML"),
        ("modality: !!python/object/apply:os.system [ls]\n", "is no valid YAML"),
    ],
)
def test_bad_run_files(text, message, folder, blemish):
    (folder / "bad.yaml").write_text(text)
    status, out, err = blemish("fit", folder / "train.csv", "--config", folder / "bad.yaml", "-o", folder / "x.blemish")
    assert (status, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_wrong_usage_is_status_2(folder, model, blemish):
    data = folder / "train.csv"
    for arguments in (
        ("fit",),
        ("fit", data),
        ("fit", data, "-o", folder / "x.blemish", "--epochs", "0"),
        ("fit", data, "-o", folder / "x.blemish", "--backbone", "mpl"),
        ("fit", data, "-o", folder / "x.blemish", "--backbone", "{name: mlp, widths: ["),
        ("fit", data, "-o", folder / "x.blemish", "--preset", "none"),
        ("fit", data, "-o", folder / "x.blemish", "--config", folder / "absent.yaml"),
        ("score", model, data, "-o", folder / "x.xlsx"),
        ("score", model),
        ("threshold", model),
        ("threshold", model, "--recall", "0.5", "--precision", "0.5"),
        ("threshold", model, "--budget", "some"),
        ("threshold", model, "--recall", "1.5"),
        ("threshold", model, "--defect-share", "1"),
        ("nonsense",),
        ("info", model, "--nonsense"),
    ):
        status, _, err = blemish(*arguments)
        assert status == 2, arguments
        assert "Traceback" not in err
    assert not (folder / "x.blemish").exists()


def test_failed_work_is_status_1_and_one_line(folder, model, blemish):
    data, out = folder / "train.csv", folder / "x.blemish"
    (folder / "empty.csv").write_text("")
    (folder / "one.csv").write_text("a\nx\n")
    (folder / "minus.csv").write_text("a,y\n1,-1\n2,1\n")
    (folder / "inf.csv").write_text("a,b\n1,inf\n2,3\n")
    (folder / "other.csv").write_text("a,b\n1,2\n")
    for arguments, message in (
        (("fit", folder / "absent.csv", "-o", out), "there is no file or folder"),
        (("fit", folder / "empty.csv", "-o", out), "cannot be read as a table"),
        (("fit", folder / "minus.csv", "--labels", "y", "-o", out), "labels hold -1, which means"),
        (("fit", folder / "inf.csv", "-o", out), "row 0, column 'b' is infinity"),
        (("fit", data, "--labels", "kid", "-o", out), "has no column 'kid'; it has"),
        (("fit", data, "--labels", "kind", "-o", out), "label 'normal' is not one of|label 'leak' is not one of"),
        (
            ("fit", data, "--labels", "kind", "--defect", "lea", "-o", out),
            "no row has the label 'lea'; the column holds",
        ),
        (("fit", data, "--defect-folder", "kind", "-o", out), "--defect-folder is for folders"),
        (("fit", data, "-o", folder / "no" / "x.blemish"), "its folder does not exist; make it first"),
        (("fit", data, "--names", "absent.txt", "-o", out), "there is no file 'absent.txt' of column names"),
        (("fit", folder / "images", "--glob", "*.gif", "-o", out), "holds no image, video or text named '*.gif'"),
        (("fit", folder, "--glob", "*.csv", "-o", out), "it holds tables: give one of them, such as "),
        (("fit", folder / "images", "--modality", "tabular", "-o", out), "the data are image, not tabular"),
        (("fit", folder / "images", "--labels", "absent.csv", "-o", out), "there is no table of labels 'absent.csv'"),
        (("score", folder / "absent.blemish", data, "-o", folder / "s.csv"), "there is no model file"),
        (("score", data, data, "-o", folder / "s.csv"), "is no model file, or is truncated"),
        (("score", model, folder / "other.csv", "-o", folder / "s.csv"), "lacks 'speed', 'protocol'"),
        (("score", model, folder / "images", "-o", folder / "s.csv"), "the model is for tabular"),
        (("score", model, data, "-o", folder / "s.csv", "--key", "kid"), "has no column 'kid'"),
        (("evaluate", model, data), "no ground truth: use --truth COLUMN"),
        (("evaluate", model, data, "--truth", "kid"), "there is no label column 'kid'"),
        (("threshold", model, "--recall", "0.99"), "needs at least 99 labelled defects, there are 12"),
        (("threshold", model, "--budget", "100000"), "budget=100000 must lie between 1 and"),
    ):
        status, printed, err = blemish(*arguments)
        errors = [line for line in err.splitlines() if line.startswith("error: ")]
        assert (status, len(errors)) == (1, 1), (arguments, err)
        assert any(part in errors[0] for part in message.split("|")), (arguments, err)
        assert "Traceback" not in err
        assert "wrote" not in printed
    assert not out.exists()
    assert not (folder / "s.csv").exists()


def test_a_failed_fit_leaves_the_old_model(folder, blemish):
    path = folder / "old.blemish"
    assert blemish("fit", folder / "train.csv", *LABELS, "--epochs", 1, "-o", path)[0] == 0
    before = path.read_bytes()
    status = blemish("fit", folder / "train.csv", *LABELS, "--loss", "mse", "--lr", "9", "--epochs", "0", "-o", path)[0]
    assert status == 2
    assert blemish("fit", folder / "empty.csv", "-o", path)[0] == 1
    assert path.read_bytes() == before


def test_nothing_that_is_read_is_overwritten_and_no_device_replaced(folder, model, blemish, monkeypatch):
    data, link, device = folder / "both.csv", folder / "to_data.blemish", folder / "device"
    data.write_bytes((folder / "train.csv").read_bytes())
    os.mkfifo(device)
    link.symlink_to(data)
    for arguments, message in (
        (("score", model, data, "-o", data), "it is what is read, and would be lost"),
        (("fit", data, "-o", data), "it is what is read, and would be lost"),
        (("fit", data, "-o", link), "it is what is read, and would be lost"),
        (("export", model, "--data", data, "-o", folder), "must end in .onnx"),
        (("fit", data, "-o", device), "it is a folder or a device"),
        (("fit", data, "-o", folder), "it is a folder or a device"),
        (("report", model, data, "-o", folder / "no" / "r.html"), "its folder does not exist"),
        (("evaluate", model, data, "--truth", "kind", "--plot", folder / "no" / "r.html"), "its folder does not exist"),
    ):
        status, out, err = blemish(*arguments)
        assert status > 0
        assert message in err
        assert "wrote" not in out
    assert data.read_bytes() == (folder / "train.csv").read_bytes()
    assert device.is_fifo()
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert "is read-only for you" in blemish("fit", data, "-o", folder / "x.blemish")[2]


def test_a_link_to_a_model_stays_a_link(folder, blemish):
    (folder / "target.blemish").write_bytes(b"")
    (folder / "link.blemish").symlink_to(folder / "target.blemish")
    assert blemish("fit", folder / "train.csv", *LABELS, "--epochs", 1, "-o", folder / "link.blemish")[0] == 0
    assert (folder / "link.blemish").is_symlink()
    assert load(folder / "target.blemish").fitted_.n_defects == 12


def test_a_column_cannot_name_the_rows_and_be_a_feature(folder, model, blemish):
    status, _, err = blemish("score", model, folder / "train.csv", "--key", "speed", "-o", folder / "s.csv")
    assert status == 1
    assert "column 'speed' names or labels the rows here, but the model was fitted on it" in err
    assert "fitted on it" in blemish("evaluate", model, folder / "train.csv", "--truth", "protocol")[2]


def test_an_interrupt_says_what_became_of_the_work(folder, model, blemish, monkeypatch):
    before = model.read_bytes()

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(DefectDetector, "end_fit", interrupt)
    status, _, err = blemish("fit", folder / "train.csv", "--epochs", 1, "-o", model)
    assert status == 1
    assert err.endswith("error: interrupted; no file was changed (resume an out-of-core fit with --resume)\n")
    assert model.read_bytes() == before


def test_debug_shows_the_traceback(blemish, folder):
    with pytest.raises(Exception, match="there is no model file"):
        blemish("info", folder / "absent.blemish", "--debug")


def test_demo_leaves_its_three_files(tmp_path, blemish):
    status, _out, err = blemish("demo", "--out", tmp_path / "d", "--n-normal", 16, "--epochs", 1)
    assert status == 0, err
    metrics = json.loads((tmp_path / "d" / "metrics.json").read_text())
    kinds = {"normal", "1.9", "1.0", "0", "3.0", "-2.0", "random"}
    assert set(metrics["auroc_defect_above"]) == set(metrics["prototype"]) == kinds
    assert metrics["seconds"] > 0
    assert metrics["peak_mb"] > 100
    assert load(tmp_path / "d" / "coin.blemish").fitted_.n_defects == 8
    page = (tmp_path / "d" / "report.html").read_text()
    for words in ("Before: how unusual?", "After: is it my defect?", "The latent space", "data:image/png;base64"):
        assert words in page
    (tmp_path / "file").write_text("")
    assert blemish("demo", "--out", tmp_path / "file")[0] == 1
    status, _, err = blemish("demo", "--out", tmp_path / "file" / "in it")
    assert status == 1
    assert "cannot be made (Not a directory); give --out another folder" in err


def test_the_version_is_told(blemish):
    assert blemish("--version") == (0, f"blemish {__version__}\n", "")


def test_every_command_has_help(blemish):
    for command in app.registered_commands:
        name = command.name or getattr(command.callback, "__name__")  # noqa: B009
        status, out, _ = blemish(name, "--help")
        assert status == 0
        assert "Usage: " in out
