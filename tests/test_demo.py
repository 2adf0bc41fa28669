"""The demos: what they leave in their folders, and what they refuse before any work."""

import io
import json
import sys
from dataclasses import replace

import pytest
from PIL import Image

from blemish import load
from blemish.cli import app
from blemish.core.errors import ArtifactError, DataError, MissingExtraError
from blemish.datasets import machined_parts
from blemish.demo import KINDS, run_coins, run_pictures
from conftest import ten_trees


def test_the_coins_leave_their_three_files(tmp_path):
    said = []
    with ten_trees():
        metrics = run_coins(tmp_path / "d", n_normal=16, epochs=1, say=said.append)
    fits = [text.partition(" of the network")[0] for text in said if "epoch" in text]
    assert fits == ["fitting ours: epoch 1", "fitting prototype: epoch 1"]
    assert json.loads((tmp_path / "d" / "metrics.json").read_text()) == metrics
    assert set(metrics["auroc_defect_above"]) == set(metrics["prototype"]) == set(KINDS)
    assert metrics["seconds"] > 0
    assert metrics["peak_mb"] > 100
    assert load(tmp_path / "d" / "coin.blemish").fitted_.n_defects == 8
    page = (tmp_path / "d" / "report.html").read_text()
    for words in ("Before: how unusual?", "After: is it my defect?", "The latent space", "data:image/png;base64"):
        assert words in page


def a_quarter(*args, **kwargs):
    """Every fourth pixel of the parts: the demo's own take minutes."""
    split = machined_parts(*args, **kwargs)
    assert split.masks_test is not None
    assert split.regions_train is not None
    n, height, width = split.masks_test.shape
    masks = split.masks_test.reshape(n, height // 4, 4, width // 4, 4).any(axis=(2, 4))
    strokes = [None if stroke is None else stroke / 4 for stroke in split.regions_train]
    smaller = {"X_train": split.X_train[..., ::4, ::4], "X_test": split.X_test[..., ::4, ::4]}
    return replace(split, **smaller, masks_test=masks, regions_train=strokes)


def test_the_pictures_leave_their_four_files(tmp_path, monkeypatch):
    said, out = [], tmp_path / "d"
    monkeypatch.setattr("blemish.demo.machined_parts", a_quarter)
    with ten_trees():
        metrics = run_pictures(out, n_normal=4, n_test=2, epochs=1, seed=1, say=said.append)
    assert [text.partition(":")[0] for text in said[:2]] == ["rendering parts", "fitting with one stroke"]
    assert json.loads((out / "metrics.json").read_text()) == metrics
    assert (metrics["cracks"], metrics["n_labelled"], metrics["seed"]) == (2, 1, 1)
    assert set(metrics["auroc_crack_above"]) == {"normal", "scratch", "stain"}
    assert set(metrics["seconds_of"]) == {"render", "fit", "score", "report"}
    assert metrics["pixel_average_precision"] > 0.05  # a crack is 1 % of a picture
    det = load(out / "parts.blemish")
    assert det.fitted_.n_defects == 1
    assert Image.open(io.BytesIO((out / "outlines.jpg").read_bytes())).width == 1600
    page = (out / "report.html").read_text()
    assert f"Found {metrics['found']} of 2 cracks, outlined {metrics['outlined']}; {metrics['false']} false." in page
    assert page.count(". crack, score") >= 2


@pytest.mark.parametrize("run", [run_coins, run_pictures])
def test_what_would_fail_at_the_end_is_refused_first(tmp_path, monkeypatch, run):
    def fails(_):
        pytest.fail("the work began")

    (tmp_path / "file").write_text("")
    (tmp_path / "d" / "report.html").mkdir(parents=True)
    for out, message in (
        ("file", "is a file; give --out a folder"),
        ("file/in it", "cannot be made \\(Not a directory\\)"),
        ("d", "report.html: it is a folder"),
    ):
        with pytest.raises((DataError, ArtifactError), match=message):
            run(tmp_path / out, n_normal=8, epochs=1, say=fails)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingExtraError, match="blemish\\[report\\]"):
        run(tmp_path / "new", n_normal=8, epochs=1, say=fails)
    assert not (tmp_path / "new").exists()


def test_the_command_prints_both_columns(tmp_path, capsys, monkeypatch):
    both = dict.fromkeys(KINDS, 0.75)
    found = {"auroc_defect_above": both, "prototype": both, "seconds": 1.0, "peak_mb": 200}
    monkeypatch.setattr("blemish.demo.run_coins", lambda out, **_: found)
    app(args=["demo", "--out", str(tmp_path)], standalone_mode=False)
    printed = capsys.readouterr().out
    assert "AUROC of the defect above" in printed
    assert all(kind in printed for kind in KINDS)
    assert "1 s, 200 MB." in printed


def test_the_command_says_what_was_found_in_pictures(capsys, monkeypatch):
    given = []
    found = {"cracks": 12, "found": 11, "outlined": 12, "false": 1, "unsupported": [], "seconds": 80.0, "peak_mb": 900}
    monkeypatch.setattr("blemish.demo.run_pictures", lambda out, **more: given.append((out, more)) or found)
    app(args=["demo", "--pictures", "--seed", "3"], standalone_mode=False)
    printed = capsys.readouterr().out
    assert "Found 11 of 12 cracks, outlined 12; 1 false\n80 s, 900 MB. Open demo/pictures/report.html" in printed
    assert given[0][0].parts == ("demo", "pictures")
    assert (given[0][1]["seed"], "n_normal" in given[0][1]) == (3, False)
