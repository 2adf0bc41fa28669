"""The demo: what it leaves in its folder, and what it refuses before any work."""

import json

import pytest

from blemish import load
from blemish.cli import app
from blemish.core.errors import DataError
from blemish.demo import KINDS, run_demo
from conftest import ten_trees


def test_the_demo_leaves_its_three_files(tmp_path):
    seen = []
    with ten_trees():
        metrics = run_demo(
            tmp_path / "d", n_normal=16, epochs=1, advance=lambda record, name: seen.append((name, record.epoch))
        )
    assert seen == [("ours", 1), ("prototype", 1)]
    assert json.loads((tmp_path / "d" / "metrics.json").read_text()) == metrics
    assert set(metrics["auroc_defect_above"]) == set(metrics["prototype"]) == set(KINDS)
    assert metrics["seconds"] > 0
    assert metrics["peak_mb"] > 100
    assert load(tmp_path / "d" / "coin.blemish").fitted_.n_defects == 8
    page = (tmp_path / "d" / "report.html").read_text()
    for words in ("Before: how unusual?", "After: is it my defect?", "The latent space", "data:image/png;base64"):
        assert words in page


def test_a_folder_that_cannot_be_made_is_refused_first(tmp_path):
    (tmp_path / "file").write_text("")
    for out, message in (
        ("file", "is a file; give --out a folder"),
        ("file/in it", "cannot be made \\(Not a directory\\)"),
    ):
        with pytest.raises(DataError, match=message):
            run_demo(tmp_path / out, n_normal=8, epochs=1, advance=lambda *_: pytest.fail("a fit began"))


def test_the_command_prints_both_columns(tmp_path, capsys, monkeypatch):
    both = dict.fromkeys(KINDS, 0.75)
    found = {"auroc_defect_above": both, "prototype": both, "seconds": 1.0, "peak_mb": 200}
    monkeypatch.setattr("blemish.demo.run_demo", lambda out, **_: found)
    app(args=["demo", "--out", str(tmp_path)], standalone_mode=False)
    printed = capsys.readouterr().out
    assert "AUROC of the defect above" in printed
    assert all(kind in printed for kind in KINDS)
    assert "1 s, 200 MB." in printed
