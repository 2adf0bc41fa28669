"""The runner of reproductions on a module of its own; every reproduction has its page."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TINY = '''
def reproduce(data, seeds, quick, cells):
    """Two figures."""
    of = {"data": "toy <b>", "c": 0.5}
    found = [cells(f"seed {seed}", lambda: (data / "calls").open("a").write("x")) for seed in seeds]
    rows = [{**of, "measure": "AUC", "mean": 0.9, "sd": 0.01 * sum(found), "published": 0.8}]
    rows += [{**of, "measure": "AP", "mean": 0.7, "sd": 0.0}]
    return {"published": "AUC 0.8", "rows": rows, "histograms": {"before": {"normal": [1.0, 2.0], "defect": [3.0]}}}
'''


@pytest.fixture
def runner():
    spec = importlib.util.spec_from_file_location("reproduce", ROOT / "benchmarks" / "reproduce.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    for name in [name for name in sys.modules if name.startswith("reproductions.")]:
        del sys.modules[name]


def test_a_reproduction_is_printed_and_written(runner, tmp_path, monkeypatch, capsys):
    (tmp_path / "tiny.py").write_text(TINY)
    monkeypatch.setattr(runner, "FOLDER", tmp_path)
    arguments = ["tiny", "--data", str(tmp_path), "--seeds", "0", "1", "--quick", "--out", str(tmp_path / "out")]
    assert runner.main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == "| data | c | measure | published | ours |"
    assert lines[4] == "| toy <b> | 0.5 | AUC | 0.8 | 0.900 ± 0.020 |"
    assert lines[5] == "| toy <b> | 0.5 | AP | – | 0.700 ± 0.000 |"
    written = json.loads((tmp_path / "out" / "tiny.json").read_text())
    assert written["command"] == "python benchmarks/reproduce.py " + " ".join(arguments)
    assert written["seeds"] == [0, 1]
    assert written["rows"][0]["mean"] == 0.9
    page = (tmp_path / "out" / "tiny.html").read_text()
    assert "smoke test" in page
    assert "toy &lt;b&gt;" in page
    assert "toy <b>" not in page.split("</script>")[-1]
    assert page.count('class="chart"') == 3, "one chart a measure, and a histogram"
    assert not (tmp_path / "out" / "tiny.cells.json").exists(), "a smoke test is not kept"


def test_what_was_measured_is_not_measured_again(runner, tmp_path, monkeypatch, capsys):
    (tmp_path / "tiny.py").write_text(TINY)
    monkeypatch.setattr(runner, "FOLDER", tmp_path)
    arguments = ["tiny", "--data", str(tmp_path), "--out", str(tmp_path / "out"), "--seeds"]
    for seeds, calls in ((["0", "1"], 2), (["0", "1", "2"], 3), (["1"], 3)):
        runner.main([*arguments, *seeds])
        assert (tmp_path / "calls").read_text() == "x" * calls
    kept = json.loads((tmp_path / "out" / "tiny.cells.json").read_text())
    assert {key: cell["value"] for key, cell in kept.items()} == {"seed 0": 1, "seed 1": 1, "seed 2": 1}
    written = json.loads((tmp_path / "out" / "tiny.json").read_text())
    assert written["seconds"] == kept["seed 1"]["seconds"], "only what the last command asked for"
    assert "s of computing)" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "data", "message"), [("tiny", "no", "no folder"), ("tine", ".", "invalid choice")])
def test_what_is_missing_is_said(runner, tmp_path, monkeypatch, capsys, name, data, message):
    (tmp_path / "tiny.py").write_text(TINY)
    monkeypatch.setattr(runner, "FOLDER", tmp_path)
    with pytest.raises(SystemExit):
        runner.main([name, "--data", str(tmp_path / data)])
    assert message in capsys.readouterr().err


def test_every_reproduction_has_a_page_and_a_line_in_the_index(runner):
    index = (ROOT / "docs" / "reproductions.md").read_text()
    for name in runner.names():
        assert f"(reproductions/{name}.md)" in index, name
        page = (ROOT / "docs" / "reproductions" / f"{name}.md").read_text()
        assert f"python benchmarks/reproduce.py {name} --data" in page, name
