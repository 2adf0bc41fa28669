"""What is read is said, and read alike at every door: Python, command line, out of core, ONNX Runtime."""

import json

import numpy as np
import pytest
from PIL import Image
from pyarrow import csv, parquet

from blemish import DefectDetector, load, read, score_file
from blemish.onnx.runtime import Runtime

FIT = ("--epochs", 1, "--seed", 0, "-o")


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """One table, as a logger in Germany writes it, and plain."""
    folder, rng = tmp_path_factory.mktemp("logs"), np.random.default_rng(0)
    rows = [
        (f"{5 + a:.3f}", f"{60 + 2 * b:.2f}", c)
        for a, b, c in zip(*rng.normal(size=(2, 60)), ["A", "B"] * 30, strict=True)
    ]
    plain = ["p,t,ort", *(",".join(row) for row in rows)]
    german = ["Gerät;DL-7", "", "p;t;ort", "bar;°C;", *(";".join(row).replace(".", ",") for row in rows)]
    (folder / "plain.csv").write_text("\n".join(plain) + "\n")
    (folder / "german.csv").write_bytes(("\r\n".join(german) + "\r\n").encode("cp1252"))
    parquet.write_table(csv.read_csv(folder / "plain.csv"), folder / "plain.parquet")
    return folder


def test_one_table_gives_one_set_of_scores_at_every_door(logs, blemish, tmp_path):
    model, scores = tmp_path / "m.blemish", []
    status, out, err = blemish("fit", logs / "german.csv", *FIT, model)
    assert status == 0, err
    assert [line.partition(" ")[0] for line in err.splitlines() if "german.csv" in line] == [
        "encoding", "delimiter", "decimal", "heading", "units",
    ]  # fmt: skip
    assert "60 tabular" in out
    for name in ("german.csv", "plain.csv", "plain.parquet"):
        status, _, err = blemish("score", model, logs / name, "-o", tmp_path / "s.parquet")
        assert status == 0, err
        assert ("encoding" in err) == name.startswith("german")
        scores.append(parquet.read_table(tmp_path / "s.parquet")["outlier_score"].to_numpy())
        scores.append(np.asarray(load(model).outlier_score(read(logs / name))))
    assert blemish("export", model, "-o", tmp_path / "m.onnx")[0] == 0
    assert blemish("score", tmp_path / "m.onnx", logs / "german.csv", "-o", tmp_path / "s.parquet")[0] == 0
    assert np.allclose(parquet.read_table(tmp_path / "s.parquet")["outlier_score"].to_numpy(), scores[0], rtol=1e-4)
    for found in scores[1:]:
        assert np.abs(found - scores[0]).max() < 1e-12


def test_out_of_core_says_the_same(logs, blemish, tmp_path):
    said = []
    for how in ("--in-memory", "--out-of-core"):
        status, _, err = blemish("fit", logs / "german.csv", *FIT, tmp_path / f"m{how}.blemish", how)
        assert status == 0, err
        said.append([line for line in err.splitlines() if "german.csv" in line])
        det = load(tmp_path / f"m{how}.blemish")
        assert [note.what for note in det.reading_ if note.surprising][:5] == [
            "encoding", "delimiter", "decimal mark", "heading", "units",
        ]  # fmt: skip
    assert said[0] == said[1] != []
    found = score_file(tmp_path / "m--out-of-core.blemish", logs / "german.csv", tmp_path / "s.csv")
    assert [line for line in found.reading.lines() if "german.csv" in line] == said[0]


def test_options_are_kept_and_can_be_said_anew(logs, blemish, tmp_path):
    (tmp_path / "odd.csv").write_bytes("Ofen|7\nt|ort\n1,5|Süd\n9999|Nord\n2,5|Süd\n".encode("cp1250") * 1)
    model, said = tmp_path / "m.blemish", ("--skip-lines", 1, "--delimiter", "|", "--decimal", ",", "--na", 9999)
    status, _, err = blemish("fit", tmp_path / "odd.csv", *said, "--encoding", "cp1250", *FIT, model)
    assert status == 0, err
    status, out, _ = blemish("info", model, "--config")
    assert "delimiter: '|'" in out
    assert "encoding: cp1250" in out
    assert blemish("score", model, tmp_path / "odd.csv", "-o", tmp_path / "a.csv")[0] == 0
    (tmp_path / "new.csv").write_text("t;ort\n1.5;Süd\n;Nord\n2.5;Süd\n")
    status, _, err = blemish(
        "score", model, tmp_path / "new.csv", "--skip-lines", 0, "--decimal", ".", "-o", tmp_path / "b.csv"
    )
    assert status == 0, err
    assert (tmp_path / "a.csv").read_text() == (tmp_path / "b.csv").read_text()
    for wrong, message in (
        (("--delimiter", ";;"), "is not one character"),
        (("--encoding", "latin-77"), "unknown encoding"),
    ):
        status, _, err = blemish("score", model, tmp_path / "new.csv", *wrong, "-o", tmp_path / "c.csv")
        assert (status, len(err.splitlines())) == (2, 1)
        assert message in err


def test_the_record_is_in_the_model_and_shown(logs, blemish, tmp_path):
    model = tmp_path / "m.blemish"
    assert blemish("fit", logs / "german.csv", *FIT, model)[0] == 0
    status, out, _ = blemish("info", model, "--json")
    assert status == 0
    notes = json.loads(out)["reading"]
    assert {"what": "delimiter", "where": str(logs / "german.csv"), "how": "semicolon", "surprising": True} in notes
    status, out, _ = blemish("info", model)
    assert "what was read, and how" in out
    assert "Windows-1252" in out
    fitted = DefectDetector(epochs=1, random_state=0).fit(logs / "german.csv")
    assert [*fitted.reading_] == [*load(model).reading_]


def test_pictures_that_are_not_what_they_seem_are_said_first(blemish, tmp_path):
    rng = np.random.default_rng(0)
    for i in range(8):
        pixels = rng.integers(90, 110, (16, 16)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"a{i * 3}.png")
        Image.fromarray(pixels.astype(np.uint16) * 257).save(tmp_path / f"b{i * 5}.png")
        (tmp_path / f"c{i}.heic").write_bytes(b"\0\0\0\x18ftypheic")
    status, out, err = blemish(
        # how pictures are read does not depend on what scores them
        "fit",
        tmp_path,
        "--glob",
        "*.[ph]*",
        "--scorer",
        "latent",
        "--epochs",
        1,
        "--seed",
        0,
        "-o",
        tmp_path / "m.blemish",
    )
    assert status == 0, err
    assert err.splitlines()[0].startswith("left out 8, for example c0.heic: HEIF (.heic) is not decoded here")
    assert err.splitlines()[1] == "depth 8, for example b0.png: 16 bits, white is 65535"
    assert "8 of 16 have 8 bits, white of the model is 65535: each is scaled by the range of its own depth" in err
    assert "16 image samples" in out
    det = load(tmp_path / "m.blemish")
    shallow, deep = (np.asarray(det.outlier_score(read(tmp_path, glob=f"{letter}*.png"))) for letter in "ab")
    assert np.allclose(np.sort(shallow), np.sort(deep), rtol=1e-5)
    det.export(tmp_path / "m.onnx")
    exported = Runtime(tmp_path / "m.onnx").scores(read(tmp_path, glob="a*.png").X)["outlier_score"]
    assert np.allclose(exported, shallow, rtol=1e-3)
