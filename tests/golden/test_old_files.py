"""Model files and a run file of an earlier version go on to work, or are refused in a line that names the version.

The files were written by `write_files.py` at commit 41ab0b3 (model file schema 1, Blemish 0.1.0).
"""

import gzip
import re
import shutil
import sys

import numpy as np
import pandas as pd
import pytest
from golden_cases import FOLDER, order_agrees, same_machine

from blemish import BlemishError, load
from blemish.cli import main
from blemish.core.errors import DataWarning

FILES = FOLDER / "files"
REFUSED = ()
"""Names of files that this version may refuse; with a decision that says why."""


def rows_and_expected(name):
    """What was scored, and the scores."""
    with np.load(FILES / f"{name}.npz") as file:
        wanted = {key: file[key] for key in file.files}
    table = FILES / f"{name}.parquet"
    X = pd.read_parquet(table) if table.exists() else wanted.pop("X")
    return X.astype(object) if isinstance(X, np.ndarray) and X.dtype.kind == "U" else X, wanted


def unpacked(name, folder):
    """The model file."""
    path = folder / f"{name}.blemish"
    path.write_bytes(gzip.decompress((FILES / f"{name}.blemish.gz").read_bytes()))
    return path


def old(path):
    """A model from a file that has no digest."""
    with pytest.warns(DataWarning, match="written by an older version without a checksum: checked, but damage"):
        return load(path)


@pytest.mark.parametrize("name", sorted(path.name.split(".")[0] for path in FILES.glob("*.blemish.gz")))
def test_an_old_model_file_gives_its_scores(name, tmp_path):
    path = unpacked(name, tmp_path)
    if name in REFUSED:
        with pytest.raises(BlemishError) as error:
            load(path)
        assert type(error.value).__name__ == "ArtifactError"
        assert "\n" not in str(error.value)
        assert re.search(r"(schema|version|Blemish) \d", str(error.value))
        return
    X, wanted = rows_and_expected(name)
    det = old(path)
    found = {key: np.asarray(values) for key, values in det.scores(X).items()}
    found |= {"p_values": np.asarray(det.p_values(X)), "encode": np.asarray(det.encode(X))}
    assert sorted(found) == sorted(wanted)
    for key, values in wanted.items():
        assert found[key].shape == values.shape, key
        if same_machine("files"):
            if key == "label":
                assert found[key].tolist() == values.tolist()
            else:
                np.testing.assert_allclose(found[key], values, rtol=0, atol=1e-12, err_msg=key)
        elif key in ("outlier_score", "defect_score"):
            assert order_agrees(found[key], values), key
        elif key == "label":
            assert np.mean(found[key] == values) >= 0.9


def test_an_old_model_file_is_written_again_as_it_is(tmp_path):
    X, _ = rows_and_expected("tabular_latent")
    det = old(unpacked("tabular_latent", tmp_path))
    det.save(tmp_path / "again.blemish")
    again = load(tmp_path / "again.blemish")
    np.testing.assert_array_equal(det.defect_score(X), again.defect_score(X))
    assert again.threshold_ == det.threshold_


def run(monkeypatch, *arguments):
    """The command line in this process; an error ends the test."""
    monkeypatch.setattr(sys, "argv", ["blemish", *arguments])
    try:
        main()
        status = 0
    except SystemExit as left:
        status = left.code or 0
    assert status == 0, arguments


def test_an_old_run_file_is_accepted_and_fits_the_same(tmp_path, monkeypatch, capsys):
    for name in ("run.csv", "run.yaml"):
        shutil.copy(FILES / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    run(monkeypatch, "fit", "--config", "run.yaml")
    run(monkeypatch, "score", "run.blemish", "run.csv", "-o", "scores.csv")
    capsys.readouterr()
    run(monkeypatch, "info", "run.blemish", "--config")
    assert capsys.readouterr().out == (FILES / "run.yaml").read_text()
    found, wanted = pd.read_csv(tmp_path / "scores.csv"), pd.read_csv(FILES / "run.scores.csv")
    assert list(found.columns) == list(wanted.columns)
    for name in ("outlier_score", "defect_score"):
        if same_machine("files"):
            assert found[name].tolist() == wanted[name].tolist()
        assert order_agrees(found[name], wanted[name])
