"""`blemish fit` and `demo` as a user meets them."""

import json
from pathlib import Path

import pytest
from pyarrow import csv

from blemish import DefectDetector, load

LABELS = ("--labels", "kind", "--defect", "leak", "--drop", "id")


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
            "error: found 1 sample to learn from, unlabelled or normal; a minimum of 2 is required, and at "
            "least 20 are recommended"
        ],
    )
    assert not (tmp_path / "one.blemish").exists()
    assert blemish("fit", tmp_path / "one.csv", "-o", tmp_path / "one.blemish", "--out-of-core")[0] == 1
    status, _, err = blemish("fit", tmp_path / "few.csv", "--epochs", 1, "-o", tmp_path / "few.blemish")
    assert status == 0
    assert "note: only 3 unlabelled or normal sample(s): scores are unreliable" in err


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
        ("a: [\n", "is not valid YAML"),
        ("modality: !!python/object/apply:os.system [ls]\n", "is not valid YAML"),
    ],
)
def test_bad_run_files(text, message, folder, blemish):
    (folder / "bad.yaml").write_text(text)
    status, out, err = blemish("fit", folder / "train.csv", "--config", folder / "bad.yaml", "-o", folder / "x.blemish")
    assert (status, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_a_failed_fit_leaves_the_old_model(folder, blemish):
    path = folder / "old.blemish"
    assert blemish("fit", folder / "train.csv", *LABELS, "--epochs", 1, "-o", path)[0] == 0
    before = path.read_bytes()
    status = blemish("fit", folder / "train.csv", *LABELS, "--loss", "mse", "--lr", "9", "--epochs", "0", "-o", path)[0]
    assert status == 2
    (folder / "empty.csv").write_text("")
    assert blemish("fit", folder / "empty.csv", "-o", path)[0] == 1
    assert path.read_bytes() == before


def test_a_link_to_a_model_stays_a_link(folder, blemish):
    (folder / "target.blemish").write_bytes(b"")
    (folder / "link.blemish").symlink_to(folder / "target.blemish")
    assert blemish("fit", folder / "train.csv", *LABELS, "--epochs", 1, "-o", folder / "link.blemish")[0] == 0
    assert (folder / "link.blemish").is_symlink()
    assert load(folder / "target.blemish").fitted_.n_defects == 12


def test_an_interrupt_says_what_became_of_the_work(folder, model, blemish, monkeypatch):
    before = model.read_bytes()

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(DefectDetector, "end_fit", interrupt)
    status, _, err = blemish("fit", folder / "train.csv", "--epochs", 1, "-o", model)
    assert status == 130
    assert err.endswith("error: interrupted; no file was changed (resume an out-of-core fit with --resume)\n")
    assert model.read_bytes() == before


def test_explanations_name_the_nearest_rows_by_the_users_key(folder, tmp_path, blemish):
    fit = (
        "fit",
        folder / "train.csv",
        "--key",
        "id",
        "--labels",
        "kind",
        "--defect",
        "leak",
        "--epochs",
        1,
        "--seed",
        0,
    )
    assert blemish(*fit, "-o", tmp_path / "m.blemish")[0] == 0
    explain = ("explain", tmp_path / "m.blemish", folder / "test.csv", "--key", "id", "--top", 1, "--json")
    top = json.loads(blemish(*explain)[1])[0]
    assert [str(top[name])[:4] for name in ("key", "nearest_defect", "nearest_normal")] == ["=row"] * 3


CHEAP = ("--epochs", 1, "--seed", 0, "--scorer", "{name: ensemble, experts: {plain: [linear], error: [value]}}")


@pytest.fixture
def tiles_table(tmp_path):
    lines = [
        f"t{i // 2},tile{i // 2}_{i % 2}.png,{i % 7},{(i * i) % 11},{'crack' if i < 12 else ''}" for i in range(80)
    ]
    (tmp_path / "t.csv").write_text("\n".join(["tile,name,a,b,label", *lines]) + "\n")
    return tmp_path / "t.csv"


@pytest.mark.parametrize("where", ["--in-memory", "--out-of-core"])
@pytest.mark.parametrize("groups", ["tile", "^(tile.*)_"])
def test_groups_by_a_column_or_by_names(tiles_table, blemish, groups, where):
    model = tiles_table.with_name("m.blemish")
    labels = ("--labels", "label", "--defect", "crack", "--key", "name", "--drop", "tile")
    status, out, err = blemish("fit", tiles_table, *labels, "--groups", groups, where, *CHEAP, "-o", model)
    assert status == 0, err
    assert "80 samples in 40 groups, at most 2 in one" in out + err
    det = load(model)
    assert det.training_["groups"] == 40
    assert det.feature_names_in_.tolist() == ["a", "b"]
    assert len(det.fitted_.calibration.ordinary) == 34
    out = blemish("info", model)[1]
    assert "groups" in out
    assert "40 groups" in out
    assert blemish("score", model, tiles_table, "-o", model.with_name("s.csv"))[0] == 0
    status, out, err = blemish("info", model, "--labels")
    assert status == 0, err
    assert "6 groups of labelled defects" in " ".join(out.split())
    assert det.notes_["run"]["groups"] == groups


@pytest.mark.parametrize(
    ("groups", "status", "message"),
    [
        ("plate", 1, "there is no column 'plate' to group by; columns are"),
        ("same", 1, "all 80 samples are of one group, 1"),
    ],
)
def test_groups_that_cannot_be_are_one_line(tiles_table, blemish, groups, status, message):
    text = tiles_table.read_text().splitlines()
    tiles_table.write_text("\n".join([text[0] + ",same", *(line + ",1" for line in text[1:])]) + "\n")
    model = tiles_table.with_name("m.blemish")
    for where in ("--in-memory", "--out-of-core"):
        found, _, err = blemish("fit", tiles_table, "--groups", groups, where, *CHEAP, "-o", model)
        assert (found, len(err.splitlines())) == (status, 1), err
        assert message in err
    assert not model.exists()
