"""A model as one ONNX file, and its scores without PyTorch."""

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

import onnx
from blemish import DefectDetector, load
from blemish.core.errors import ExportError
from blemish.datasets import ring
from blemish.losses.loss import ReconstructionLoss, losses_of_kind
from blemish.modalities import MODALITIES
from blemish.modalities.features.pretrained import _network
from blemish.onnx.parity import MAX_BEYOND, TOLERANCE
from blemish.onnx.runtime import Runtime
from blemish.presets import PRESETS
from blemish.scoring.ensemble import Ensemble
from conftest import modality_of

pytestmark = pytest.mark.usefixtures("few_trees")


def agrees(det, path, X):
    """The file's scores are the detector's, in all rows but those where float32's last digit decides."""
    parity = det.export(path)
    assert max(parity.evidence, parity.scores, parity.drift) <= TOLERANCE
    assert parity.beyond <= max(1, MAX_BEYOND * parity.rows)
    assert parity.rows >= 20
    found = Runtime(path).scores(X)
    expected = {"outlier_score": det.outlier_score(X), "probabilities": det.predict_proba(X)}
    if det.fitted_.n_defects:
        expected["defect_score"] = det.defect_score(X)
    assert set(found) == {*expected, "label"}
    assert parity.maps <= TOLERANCE
    apart = np.zeros(len(X), dtype=bool)
    for name, scores in expected.items():
        scores = np.asarray(scores)
        close = np.isclose(found[name], scores, rtol=TOLERANCE, atol=TOLERANCE * max(1.0, scores.std()))
        apart |= ~close.reshape(len(X), -1).all(axis=1)
    apart |= found["label"] != np.asarray(det.predict(X))
    assert apart.mean() <= 0.02
    return found


@pytest.fixture(scope="module")
def small_table():
    return ring(n_normal=150, n_test=40)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_exported(name, splits, small_table, tmp_path):
    modality = modality_of(name)
    split = small_table if modality == "tabular" else splits[modality]
    epochs = 10 if modality == "video" else 1  # an LSTM's first steps are not yet stable in the last digits
    arguments = dict(PRESETS[name].arguments)
    if modality == "image":  # the ensemble's features of pictures are traced for long, and below
        arguments.setdefault("scorer", "latent")
    det = DefectDetector(**{**arguments, "epochs": epochs, "random_state": 0}).fit(split.X_train, split.y_train)
    agrees(det, tmp_path / "m.onnx", split.X_test)


@pytest.mark.parametrize("name", MODALITIES)
def test_every_kind_of_data_is_exported(name, splits, tmp_path):
    split = splits[name]
    epochs = 10 if name == "video" else 1  # see above
    det = DefectDetector(modality=name, epochs=epochs, random_state=0).fit(split.X_train, split.y_train)
    det.save(tmp_path / "m.blemish")
    _network.cache_clear()  # as in `blemish export`: nothing has read the pretrained network before
    found = agrees(load(tmp_path / "m.blemish"), tmp_path / "m.onnx", split.X_test)
    alone = Runtime(tmp_path / "m.onnx").scores(split.X_test[:1])
    np.testing.assert_allclose(alone["defect_score"], found["defect_score"][:1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "loss", [loss for loss in losses_of_kind(ReconstructionLoss) if loss not in ("mse", "typed", "l2p")]
)  # see presets
def test_every_reconstruction_error_is_exported(loss, mixed_frame, tmp_path):
    det = DefectDetector(losses=[loss], backbone="linear", scorer="latent", epochs=1, random_state=0).fit(mixed_frame)
    agrees(det, tmp_path / "m.onnx", mixed_frame)


def test_a_mixed_table_without_labels(mixed_frame, tmp_path):
    det = DefectDetector(epochs=1, random_state=0).fit(mixed_frame)
    new = mixed_frame.copy()
    new.iloc[0, 0], new.iloc[1, 2], new.iloc[2, 1] = 1e9, "never seen", np.nan
    new["more"] = 1.0
    found = agrees(det, tmp_path / "m.onnx", new)
    assert "defect_score" not in found
    np.testing.assert_allclose(found["probabilities"][:, 2], 0)


def test_the_file_is_complete_and_says_what_it_is(table_detector, table_split, tmp_path):
    parity = table_detector.export(tmp_path / "m.onnx", table_split.X_test)
    assert (parity.rows, parity.source) == (len(table_split.X_test), "given")
    assert [file.name for file in tmp_path.iterdir()] == ["m.onnx"]
    model = onnx.load(tmp_path / "m.onnx", load_external_data=False)
    assert not any(tensor.external_data for tensor in model.graph.initializer)
    (given,) = model.graph.input
    assert (given.name, given.type.tensor_type.shape.dim[0].dim_param) == ("X", "row")
    facts = Runtime(tmp_path / "m.onnx").facts
    assert facts["threshold"] == table_detector.threshold_
    assert facts["classes"] == list(table_detector.classes_)
    assert facts["parity"]["rows"] == parity.rows


def test_a_column_may_be_called_like_an_output(tmp_path):
    rng = np.random.default_rng(0)
    table = pa.table({"label": rng.normal(size=80), "X": rng.choice(["a", "b"], 80)})
    det = DefectDetector(epochs=1, random_state=0).fit(table)
    agrees(det, tmp_path / "m.onnx", table)


def test_an_export_that_drifts_is_refused(table_detector, tmp_path, monkeypatch):
    honest = Ensemble.graph

    def drifting(self, state, evidence, *, labelled):
        made = honest(self, state, evidence, labelled=labelled)
        return type(made)(made.outlier * 1.0001, made.defect, made.probabilities)

    monkeypatch.setattr(Ensemble, "graph", drifting)
    with pytest.raises(
        ExportError, match=r"would differ from the original on \d+ rows \(kept in the model\): .* \(limit 1e-05\)"
    ):
        table_detector.export(tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


WITHOUT_TORCH = """
import sys
class Refusal:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "onnx", "onnxscript"):
            raise ImportError(f"{name} is not there")
sys.meta_path.insert(0, Refusal())
from blemish.cli import main
sys.argv = ["blemish", *sys.argv[1:]]
try:
    main()
finally:
    print("LOADED", *[m for m in ("torch", "onnx", "onnxscript", "onnxruntime") if m in sys.modules])
"""


def test_the_command_line_scores_without_torch(tmp_path):
    rng = np.random.default_rng(0)
    kind = np.array(["normal"] * 150 + ["leak"] * 12)
    table = {
        "id": np.arange(len(kind)),
        "speed": rng.normal(10, 1, len(kind)) + 8 * (kind == "leak"),
        "protocol": np.where(kind == "leak", "udp", rng.choice(["tcp", "icmp"], len(kind))),
        "kind": kind,
    }
    csv.write_csv(pa.table(table), tmp_path / "d.csv")
    det = DefectDetector(epochs=1, random_state=0).fit(
        pa.table(table).select(["speed", "protocol"]), ["defect" if one == "leak" else None for one in kind]
    )
    det.notes_ = {"run": {"key": "id"}, "taken_out": ["id", "kind"]}
    det.save(tmp_path / "m.blemish")

    def blemish(*arguments):
        command = [sys.executable, "-c", WITHOUT_TORCH, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=300)

    assert "torch is not there" in blemish("score", "m.blemish", "d.csv", "-o", "s.parquet").stderr
    load(tmp_path / "m.blemish").export(tmp_path / "m.onnx")
    done = blemish("score", "m.onnx", "d.csv", "-o", "s.parquet", "--key", "id")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "LOADED onnxruntime"
    found = parquet.read_table(tmp_path / "s.parquet")
    assert found.column_names == ["id", "outlier_score", "defect_score", "p_normal", "p_other", "p_defect", "label"]
    X = pa.table(table)
    np.testing.assert_allclose(found["defect_score"].to_numpy(), det.defect_score(X), rtol=1e-5, atol=1e-6)
    assert found["label"].to_pylist() == det.predict(X).tolist()
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    for arguments, message in (
        (("score", "bad.onnx", "d.csv", "-o", "x.csv"), "bad.onnx is not an ONNX model, or it is truncated"),
        (("score", "absent.onnx", "d.csv", "-o", "x.csv"), "there is no model file absent.onnx"),
        (("score", "m.onnx", "d.csv", "-o", "x.csv", "--key", "kid"), "has no column 'kid'"),
    ):
        done = blemish(*arguments)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert message in done.stderr
