"""A model and the samples to apply it to: what is taken out of a table, and what is refused."""

import numpy as np
import pytest
from pyarrow import csv

from blemish import DefectDetector, load
from blemish.cli.opening import open_both, open_exported
from blemish.core.errors import DataError

NO_NAMES = {"glob": None, "names": None}


@pytest.fixture(scope="session")
def plain(folder):
    """A model of the table's numbers without labels: small enough for the export to agree with it."""
    table = csv.read_csv(folder / "train.csv").select(["speed"])
    det = DefectDetector(epochs=2, scorer="reconstruction", random_state=0).fit(table)
    det.notes_ = {"run": {}, "taken_out": ["id", "kind", "protocol"]}
    det.save(folder / "plain.blemish")
    return folder / "plain.blemish"


@pytest.fixture(scope="session")
def exported(plain, folder):
    load(plain).export(folder / "plain.onnx")
    return folder / "plain.onnx"


def test_the_key_and_the_truth_are_no_features(model, folder):
    det, samples = open_both(model, str(folder / "test.csv"), "cpu", **NO_NAMES, key="id", truth="kind")
    assert samples.columns["id"][0] == "=row0"
    assert set(samples.columns) >= {"id", "kind"}
    assert len(det.defect_score(samples.X)) == len(samples) == 174


def test_the_export_gets_the_same_samples_as_the_model(plain, exported, folder):
    det, samples = open_both(plain, str(folder / "test.csv"), "cpu", **NO_NAMES)
    runtime, same = open_exported(exported, str(folder / "test.csv"), **NO_NAMES, key=None)
    found = runtime.scores(same.X)["outlier_score"]
    np.testing.assert_allclose(found, det.outlier_score(samples.X), rtol=1e-4, atol=1e-4)


def test_an_unknown_key_is_refused(model, exported, folder):
    with pytest.raises(DataError, match="has no column 'nope'"):
        open_both(model, str(folder / "test.csv"), "cpu", **NO_NAMES, key="nope")
    with pytest.raises(DataError, match="has no column 'nope'"):
        open_exported(exported, str(folder / "test.csv"), **NO_NAMES, key="nope")


def test_another_kind_of_data_is_refused(exported, folder):
    with pytest.raises(DataError, match="the data are image, the model is for tabular"):
        open_exported(exported, str(folder / "images"), glob="tile*.png", names=None, key=None)


def test_a_missing_model_is_named(folder):
    with pytest.raises(Exception, match="there is no model file"):
        open_both(folder / "absent.blemish", str(folder / "test.csv"), "cpu", **NO_NAMES)
