"""The data that a command was pointed at: read as the run file or the model says."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv

from blemish.core.errors import DataError
from blemish.core.run_config import RunConfig
from blemish.data import inputs
from blemish.data.inputs import (
    column_names,
    is_large,
    keys_of,
    name_known,
    read_like,
    reading_of_exported,
    reading_options,
    samples_to_fit,
    samples_to_score,
    stream_to_fit,
    stream_to_score,
    training_rows,
)


@pytest.fixture
def path(tmp_path):
    table = {"id": ["a", "b", "c"], "speed": [1.0, 2.0, 3.0], "load": [0, 1, 0], "kind": ["leak", None, None]}
    csv.write_csv(pa.table(table), tmp_path / "t.csv")
    return tmp_path / "t.csv"


def detector(run: RunConfig | None = None, modality: Any = "auto", names=("speed", "load"), **more) -> Any:
    """What `data.inputs` looks at of a fitted detector."""
    modality_ = SimpleNamespace(names=names, kinds=list, **more)
    choices = SimpleNamespace(modality=SimpleNamespace(name="tabular"))
    notes = {} if run is None else {"run": run.model_dump(exclude_unset=True), "taken_out": ["id", "kind"]}
    fitted = SimpleNamespace(model=SimpleNamespace(modality=modality_, choices=choices))
    return SimpleNamespace(fitted_=fitted, notes_=notes, modality=modality)


@pytest.fixture
def run(path):
    return RunConfig(data=str(path), labels="kind", key="id", defect=["leak"])


def test_labels_key_and_dropped_columns_are_taken_out(run, path):
    samples = samples_to_fit(run)
    assert (samples.modality, samples.X.column_names, len(samples)) == ("tabular", ["speed", "load"], 3)
    assert keys_of(samples, "id") == (["a", "b", "c"], "id")
    assert keys_of(samples, None) == ([0, 1, 2], "row")
    assert samples_to_fit(RunConfig(data=str(path), drop=["load", "id", "kind"])).X.column_names == ["speed"]
    with pytest.raises(DataError, match=r"t\.csv has no column 'price'; it has speed, load, kind, id"):
        samples_to_fit(RunConfig(data=str(path), labels="kind", key="id", drop=["price"]))


def test_a_stream_has_the_same_columns_or_says_what_is_absent(run, path, tmp_path):
    (chunk,) = stream_to_fit(run).chunks()
    assert chunk.X.equals(samples_to_fit(run).X)
    with pytest.raises(DataError, match="has no column 'price'; it has id, speed, load, kind"):
        stream_to_fit(RunConfig(data=str(path), drop=["price"]))
    np.savez(tmp_path / "x.npz", X=np.zeros((3, 2)))
    with pytest.raises(DataError, match=r"x\.npz cannot be read a chunk at a time; tables \(CSV, Parquet, Arrow\)"):
        stream_to_fit(RunConfig(data=str(tmp_path / "x.npz")))


def test_only_large_data_that_can_be_streamed_are_large(run, tmp_path, monkeypatch):
    assert not is_large(run)
    monkeypatch.setattr(inputs, "MAX_IN_MEMORY", 10)
    assert is_large(run)
    np.savez(tmp_path / "x.npz", X=np.zeros((3, 2)))
    assert not is_large(RunConfig(data=str(tmp_path / "x.npz")))


def test_data_are_read_as_the_training_data_were(run, path):
    det = detector(run)
    samples = samples_to_score(det, str(path))
    assert (samples.X.column_names, sorted(samples.columns)) == (["speed", "load"], ["id", "kind"])
    (chunk,) = stream_to_score(det, str(path), key="id").chunks()
    assert chunk.X.equals(samples.X)
    exported = reading_of_exported({"modality": "tabular", "notes": det.notes_})
    assert exported == reading_options(det)
    assert read_like(exported, str(path), None, None, ()).X.equals(samples.X)
    with pytest.raises(DataError, match="has no column 'name'; it has id, speed, load, kind"):
        stream_to_score(det, str(path), key="name")
    with pytest.raises(DataError, match="column 'speed' names or labels the rows here, but the model was fitted on it"):
        samples_to_score(det, str(path), apart=("speed",))


def test_options_of_the_model_count_where_the_command_line_has_none(tmp_path):
    run = RunConfig(glob="*.png", names=["p", "q"])
    det = detector(run, {"name": "text", "column": "body"}, n_frames=4)
    found = reading_options(det)
    assert (found["glob"], found["names"], found["frames"], found["column"]) == ("*.png", ["p", "q"], 4, "body")
    (tmp_path / "n.csv").write_text("1,2\n3,4\n")
    samples = samples_to_score(detector(RunConfig(names=["p", "q"]), names=()), str(tmp_path / "n.csv"))
    assert samples.X.column_names == ["p", "q"]


def test_names_of_columns_come_from_a_file(tmp_path):
    (tmp_path / "names.txt").write_text("speed\nload\n")
    assert column_names(str(tmp_path / "names.txt")) == ["speed", "load"]
    assert column_names(["a"]) == ["a"]
    assert column_names(None) is None
    with pytest.raises(DataError, match="there is no file 'absent' of column names"):
        column_names("absent")


def test_training_rows_are_found_again_if_nothing_is_unknown(run, path):
    X, y = training_rows(detector(run)) or (None, [])
    assert X is not None
    assert (X.X.column_names, X.groups, y) == (["speed", "load"], None, ["defect", None, None])
    assert training_rows(detector()) is None
    drawn = run.model_copy(update={"limit_labels": 1})
    assert training_rows(detector(drawn)) is None, "which labels were drawn is not known"
    drawn = drawn.model_copy(update={"random_state": 0})
    assert (training_rows(detector(drawn)) or (None, []))[1] == ["defect", None, None]
    path.unlink()
    assert training_rows(detector(run)) is None


def test_rows_get_the_names_of_the_samples():
    det = SimpleNamespace(fitted_=SimpleNamespace(with_names=lambda name: [name(1), name("kept")]))
    name_known(det, ["a", "b"])
    assert det.fitted_ == ["b", "kept"]
