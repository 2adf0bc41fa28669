"""Data larger than memory: chunks on disk give what the whole gives, and a killed fit resumes to the same bits."""

import gzip
import re
import signal
import subprocess
import sys
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import csv, feather, parquet
from typer.testing import CliRunner

from blemish import DefectDetector, fit_file, load, score_file
from blemish.cli import app
from blemish.core.errors import ArtifactError, ConfigError, DataError, LabelError
from blemish.data import streams
from blemish.fitting import preparation
from blemish.training import rows

pytestmark = [
    pytest.mark.filterwarnings("ignore::blemish.core.errors.DataWarning", "ignore::blemish.core.errors.QualityWarning"),
    pytest.mark.usefixtures("few_trees"),
]
KINDS = ("t.parquet", "t.arrow", "t.csv", "t.csv.gz")


def table(n=1200):
    rng = np.random.default_rng(0)
    columns: dict[str, Any] = {f"c{i}": rng.standard_normal(n) for i in range(4)}
    columns["c0"][:6] += 6
    columns["kind"] = rng.choice(["a", "b"], n)
    columns["late"] = np.where(np.arange(n) < n - 5, np.nan, 2.5)
    columns["label"] = np.array(["defect"] * 6 + [None] * (n - 6), dtype=object)
    columns["id"] = [f"row {i}" for i in range(n)]
    return pa.table({name: pa.array(x, from_pandas=True) for name, x in columns.items()})


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder, rows = tmp_path_factory.mktemp("tables"), table()
    parquet.write_table(rows, folder / "t.parquet")
    feather.write_feather(rows, folder / "t.arrow")
    csv.write_csv(rows, folder / "t.csv")
    (folder / "t.csv.gz").write_bytes(gzip.compress((folder / "t.csv").read_bytes()))
    return folder


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(streams, "CHUNK_ROWS", 250)
    monkeypatch.setattr(streams, "CHUNK_IMAGES", 7)
    monkeypatch.setattr(streams, "CSV_BLOCK", 20_000)
    monkeypatch.setattr(rows, "SHARD_BYTES", 4_000)
    monkeypatch.setattr(rows, "BUFFER_SHARDS", 3)


@pytest.fixture(scope="module")
def model(files, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "m.blemish"
    det = DefectDetector(epochs=2, random_state=0)
    rows = table()
    det.fit(rows.drop_columns(["label", "id"]), rows["label"].to_pylist())
    det.notes_ = {"run": {}, "taken_out": ["label", "id"]}
    det.save(path)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_those_of_the_whole(files, model, kind, tmp_path):
    det, rows = load(model), table().drop_columns(["label", "id"])
    done = score_file(det, files / kind, tmp_path / "out.parquet", key="id")
    out, whole = parquet.read_table(tmp_path / "out.parquet"), det.scores(rows)
    assert out["id"].to_pylist() == table()["id"].to_pylist()
    assert done.n == 1200
    assert dict(done.labels) == dict(zip(*np.unique(whole["label"], return_counts=True), strict=True))
    for name in ("outlier_score", "defect_score", "p_normal", "p_other", "p_defect"):
        np.testing.assert_allclose(out[name].to_numpy(), whole[name], rtol=1e-5, atol=1e-5)
    assert done.drift is not None
    assert done.drift.n == det.drift(rows).n


def test_an_output_that_fails_half_way_leaves_the_old_one(files, model, tmp_path):
    bad, out = tmp_path / "bad.csv", tmp_path / "out.csv"
    text = (files / "t.csv").read_text().splitlines()
    text[-1] = text[-1].replace(text[-1].split(",")[0], "inf", 1)
    bad.write_text("\n".join(text))
    out.write_text("the old one")
    with pytest.raises(
        DataError, match="in the chunk that starts at row 1[0-9]{3}: row [0-9]+, column 'c0' is infinity"
    ):
        score_file(model, bad, out)
    assert out.read_text() == "the old one"
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []


def test_all_scores_at_once_are_the_scores(model):
    det, rows = load(model), table().drop_columns(["label", "id"])
    found = det.scores(rows)
    np.testing.assert_array_equal(found["outlier_score"], det.outlier_score(rows))
    np.testing.assert_array_equal(found["defect_score"], det.defect_score(rows))
    proba = np.column_stack([found[f"p_{word}"] for word in det.classes_])
    np.testing.assert_array_equal(proba, det.predict_proba(rows))
    assert found["label"].tolist() == det.predict(rows).tolist()


@pytest.mark.parametrize("name", ["lines.txt", "x.npz"])
def test_what_cannot_be_read_in_chunks_is_not_fitted_in_chunks(tmp_path, name):
    (tmp_path / "lines.txt").write_text("one text\nanother, with a comma\n")
    np.savez(tmp_path / "x.npz", X=np.zeros((3, 2)))
    with pytest.raises(DataError, match="cannot be read a chunk at a time; tables"):
        fit_file(DefectDetector(), tmp_path / name, tmp_path / "m.blemish")


# Fits ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["t.parquet", "t.csv.gz"])
def test_a_fit_on_disk_ranks_like_one_in_memory(files, kind, tmp_path):
    rows = table()
    features, y = rows.drop_columns(["label", "id"]), rows["label"].to_pylist()
    on_disk = DefectDetector(epochs=4, random_state=0)
    fit_file(on_disk, files / kind, tmp_path / "m.blemish", labels="label", key="id")
    in_memory = DefectDetector(epochs=4, random_state=0).fit(features, y)
    assert on_disk.training_["rows"] == in_memory.training_["rows"]
    assert on_disk.training_["held_out"] == in_memory.training_["held_out"]
    theirs, ours = in_memory.outlier_score(features), load(tmp_path / "m.blemish").outlier_score(features)
    assert np.corrcoef(ours, theirs)[0, 1] > 0.9
    scores = on_disk.defect_score(features)
    assert scores[:6].min() > np.quantile(scores[6:], 0.99)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.blemish"], "the state goes"


KILLED = """
import os, signal, sys
from pathlib import Path
from blemish import DefectDetector
from blemish.data import streams
from blemish.training import rows
from blemish.core.run_config import RunConfig
from blemish.out_of_core import iter_fit_stream
from blemish.data.inputs import stream_to_fit
streams.CHUNK_ROWS, rows.SHARD_BYTES, rows.BUFFER_SHARDS = 250, 4_000, 3
run = RunConfig(data=sys.argv[1], labels="label", drop=["id"])
det = DefectDetector(epochs=4, random_state=3, **{options})
out = Path(sys.argv[2])
for record in iter_fit_stream(det, stream_to_fit(run), run, Path(f"{{out}}.fit"), out, every=0):
    if record.epoch == 2:
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("options", [{}, {"losses": ["reconstruction", "kl", "margin"], "bottleneck": "variational"}])
def test_a_killed_fit_resumes_to_the_same_bits(files, tmp_path, options):
    data = files / "t.parquet"
    code = KILLED.format(options=options)
    dead = subprocess.run([sys.executable, "-c", code, data, tmp_path / "a"], capture_output=True, text=True)
    assert dead.returncode == -signal.SIGKILL, dead.stderr
    assert not (tmp_path / "a").exists()

    def finish(name, resume):
        det = DefectDetector(epochs=4, random_state=3, **options)
        return fit_file(det, data, tmp_path / name, labels="label", drop=["id"], resume=resume)

    resumed, whole = finish("a", True), finish("b", False)
    assert [r.total for r in resumed.history_] == [r.total for r in whole.history_]
    ours, theirs = resumed.fitted_.arrays(), whole.fitted_.arrays()
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not np.array_equal(ours[name], theirs[name])] == []
    assert not (tmp_path / "a.fit").exists()


def test_what_cannot_be_resumed_is_refused(files, tmp_path):
    def fit(resume=True, **arguments):
        det = DefectDetector(epochs=1, random_state=3, **arguments)
        return fit_file(det, files / "t.parquet", tmp_path / "m", labels="label", resume=resume)

    with pytest.raises(ConfigError, match="there is no unfinished fit in .*m.fit to resume"):
        fit()
    code = KILLED.format(options={})
    subprocess.run([sys.executable, "-c", code, files / "t.parquet", tmp_path / "m"], capture_output=True)
    with pytest.raises(ConfigError, match="is of other data or arguments"):
        fit(latent_dim=3)


def test_a_fit_that_is_refused_leaves_nothing_behind(tmp_path):
    (tmp_path / "one.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="found 1 sample to learn from"):
        fit_file(DefectDetector(), tmp_path / "one.csv", tmp_path / "m.blemish")
    assert [path.name for path in tmp_path.iterdir()] == ["one.csv"]


def test_bad_data_are_refused_before_any_training(files, tmp_path, monkeypatch):
    def fit(**options):
        return fit_file(DefectDetector(epochs=1, random_state=0), tmp_path / "x.parquet", tmp_path / "m", **options)

    rows = table(400)
    with pytest.raises(DataError, match="there is no file or folder"):
        fit()
    parquet.write_table(rows, tmp_path / "x.parquet")
    with pytest.raises(DataError, match=re.escape("has no column 'nothing'; it has c0, c1")):
        fit(labels="nothing")
    with pytest.raises(LabelError, match="no row has the label 'crack'; the column holds"):
        fit(labels="label", defect=["crack"])
    with pytest.raises(ConfigError, match="fit_file has an unknown key 'colour'"):
        fit(colour=1)
    infinite = rows["c1"].to_numpy().copy()
    infinite[300] = np.inf
    parquet.write_table(rows.set_column(1, "c1", pa.array(infinite)), tmp_path / "x.parquet")
    monkeypatch.setattr(preparation, "SAMPLED_ROWS", 20)
    with pytest.raises(DataError, match="in the chunk that starts at row 250: row 50, column 'c1' is infinity"):
        fit(labels="label")
    with pytest.raises(ArtifactError, match="its folder does not exist"):
        fit_file(DefectDetector(), files / "t.parquet", tmp_path / "none" / "m")
    (tmp_path / "m.fit").write_text("")
    with pytest.raises(ArtifactError, match="cannot make the folder"):
        fit_file(DefectDetector(), files / "t.parquet", tmp_path / "m")


def test_a_fit_that_is_refused_spares_what_lay_there(files, tmp_path):
    state = tmp_path / "m.fit"
    state.mkdir()
    (state / preparation.CHECKPOINT).write_text("of an interrupted fit")
    with pytest.raises(LabelError, match="no row has the label 'crack'"):
        fit_file(DefectDetector(), files / "t.parquet", tmp_path / "m", labels="label", defect=["crack"])
    assert (state / preparation.CHECKPOINT).read_text() == "of an interrupted fit"
    (state / "diary.txt").write_text("mine")
    with pytest.raises(ArtifactError, match="holds 'diary.txt', which no fit has put there; name another output"):
        fit_file(DefectDetector(epochs=1), files / "t.parquet", tmp_path / "m")
    assert (state / "diary.txt").read_text() == "mine"


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_a_file_that_is_damaged_inside_is_said_to_be_and_an_old_output_stays(files, model, tmp_path, kind):
    damaged, output = tmp_path / f"damaged.{kind}", tmp_path / "scores.csv"
    content = bytearray((files / f"t.{kind}").read_bytes())
    start = 4 if kind == "parquet" else content.index(b"ARROW1") + 8 + 600
    content[start : start + 400] = np.random.default_rng(0).bytes(400)
    damaged.write_bytes(content)
    output.write_text("old")
    with pytest.raises(DataError, match="damaged.* is damaged, a part of it cannot be read|cannot be read as a table"):
        score_file(model, damaged, output)
    assert output.read_text() == "old"


def test_a_folder_of_images_is_fitted_and_scored_in_chunks(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(40):
        picture = rng.integers(90, 110, (16, 16), dtype=np.uint8)
        if i < 4:
            picture[4:9, 4:9] = 250
        Image.fromarray(picture).save(tmp_path / f"{i:02}.png")
    (tmp_path / "99.png").write_bytes(b"no picture")
    names = tmp_path / "labels.csv"
    names.write_text("name,label\n" + "".join(f"{i:02}.png,defect\n" for i in range(4)))
    run = CliRunner()
    model, out = tmp_path / "m.blemish", tmp_path / "out.csv"
    fit = ["fit", tmp_path, "-o", model, "--labels", names, "--modality", "image", "--epochs", 2, "--out-of-core"]
    done = run.invoke(app, [str(word) for word in [*fit, "--seed", 0]])
    assert done.exit_code == 0, done.output
    assert "fitted on 40 image samples (36 unlabelled, 4 defect)" in done.output
    assert "skipped 1 that cannot be used: 99.png" in done.output
    assert load(model).fitted_.defects.names == ["00.png", "01.png", "02.png", "03.png"]
    done = run.invoke(app, ["score", str(model), str(tmp_path), "-o", str(out)])
    assert done.exit_code == 0, done.output
    assert "scored 40 samples" in done.output
    scores = csv.read_csv(out)
    assert scores["path"].to_pylist() == [f"{i:02}.png" for i in range(40)]
    assert min(scores["defect_score"].to_pylist()[:4]) > max(scores["defect_score"].to_pylist()[4:])
