"""What feeds an exported model, and what it says where something is wrong."""

import json

import numpy as np
import pytest

import onnx
from blemish import DefectDetector
from blemish.core.errors import ArtifactError, DataError, DataWarning
from blemish.onnx.runtime import FEEDS, FORM_BY_FACT, KEY, SEAL, Runtime, sealed

pytestmark = pytest.mark.usefixtures("few_trees")


@pytest.fixture(scope="module")
def exported(table_detector, tmp_path_factory):
    """The content of an export."""
    path = tmp_path_factory.mktemp("export") / "m.onnx"
    table_detector.export(path)
    return path.read_bytes()


def fed(form, X, facts, rows=2):
    return list(FEEDS[form][0](X, facts, rows))


def test_columns_are_fed_by_name_or_as_one_array():
    facts = {"form": "pandas", "n_columns": 2, "columns": [{"name": "kind", "kind": "categorical"}]}
    facts["columns"].append({"name": "label", "kind": "numeric"})
    feeds = fed("columns", {"label": [1.0, 2.0, np.nan], "kind": ["a", None, "b"]}, facts)
    assert [list(one["kind"]) for one in feeds] == [["a", "(missing)"], ["b"]]
    np.testing.assert_array_equal(np.concatenate([one["label (column)"] for one in feeds]), [1.0, 2.0, np.nan])
    facts = {"form": "numpy", "n_columns": 3, "columns": [{"name": f"x{i}", "kind": "numeric"} for i in (0, 2)]}
    (only,) = fed("columns", np.arange(6.0).reshape(2, 3), facts)
    np.testing.assert_array_equal(only["X"], [[0, 0, 2], [3, 0, 5]])
    facts = {"form": "pandas", "n_columns": 1, "columns": [{"name": "X", "kind": "numeric"}]}
    assert [one["X"].tolist() for one in fed("columns", {"X": [1.0, 2.0]}, facts)] == [[1, 2]], "a column named X"


def test_texts_are_fed_as_weights():
    facts = {"terms": ["oil", "pump"], "idf": [1.0, 1.0], "stop_words": False}
    feeds = fed("weights", ["oil", "pump", "oil pump"], facts)
    assert [one["weights"].shape for one in feeds] == [(2, 2), (1, 2)]
    np.testing.assert_allclose(np.concatenate([one["weights"] for one in feeds])[2], [1, 1], rtol=1e-6)


def test_arrays_are_fed_as_they_are():
    X = np.random.default_rng(0).random((3, 2, 4))
    feeds = fed("array", X, {})
    assert [len(one["X"]) for one in feeds] == [2, 1]
    np.testing.assert_array_equal(np.concatenate([one["X"] for one in feeds]), X)


def test_a_file_of_an_older_version_does_not_name_its_form(table_detector, table_split, tmp_path):
    assert set(FORM_BY_FACT.values()) < set(FEEDS)
    table_detector.export(tmp_path / "m.onnx")
    runtime = Runtime((tmp_path / "m.onnx").read_bytes())
    expected = runtime.scores(table_split.X_test[:4])
    assert set(runtime.outputs) == set(expected)
    assert runtime.facts.pop("inputs") == "columns"
    np.testing.assert_array_equal(runtime.scores(table_split.X_test[:4])["outlier_score"], expected["outlier_score"])


def test_pictures_of_several_sizes_and_channels_are_fed_in_order():
    rng = np.random.default_rng(0)
    shapes = [(1, 8, 8), (1, 8, 8), (3, 8, 8), (1, 4, 6), (1, 8, 8)]
    pictures = [rng.integers(0, 256, shape).astype(np.uint8) for shape in shapes]
    fed = [feeds["X"] for feeds in FEEDS["pictures"][0](pictures, {"modality": "image", "channels": 1}, 32)]
    assert [x.shape for x in fed] == [(2, 1, 8, 8), (1, 1, 8, 8), (1, 1, 4, 6), (1, 1, 8, 8)]
    assert {x.dtype for x in fed} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(fed[3][0], pictures[4])
    np.testing.assert_allclose(fed[1][0, 0], np.einsum("c,chw->hw", [0.299, 0.587, 0.114], pictures[2]), rtol=1e-6)
    with pytest.raises(DataError, match="an image has 3 channels, but the model was fitted on 5"):
        list(FEEDS["pictures"][0](pictures[2:3], {"modality": "image", "channels": 5}, 32))
    with pytest.raises(DataError, match="clip 0 has 4 frames, but the model was fitted on 7; cut it"):
        list(FEEDS["clips"][0](np.zeros((1, 4, 1, 8, 8)), {"modality": "video", "channels": 1, "n_frames": 7}, 32))


def test_errors_of_a_runtime_say_what_to_do(table_detector, table_split, tmp_path):
    path = tmp_path / "m.onnx"
    table_detector.export(path)
    runtime = Runtime(path)
    with pytest.raises(DataError, match="X has 3 features, but DefectDetector is expecting 8 features as input"):
        runtime.scores(table_split.X_test[:, :3])
    with pytest.raises(DataError, match="row 1, column 'x2' is infinity"):
        runtime.scores(np.where(np.arange(16).reshape(2, 8) == 10, np.inf, table_split.X_test[:2]))
    with pytest.raises(ArtifactError, match=r"there is no model file .*absent\.onnx; write one with 'blemish export"):
        Runtime(tmp_path / "absent.onnx")
    model = onnx.load(path)
    facts = json.loads(next(one.value for one in model.metadata_props if one.key == KEY))
    onnx.helper.set_model_props(model, {KEY: json.dumps({**facts, "schema": 99})})
    with pytest.raises(ArtifactError, match="has schema 99, this Blemish reads up to 3; upgrade"):
        Runtime(model.SerializeToString())
    onnx.helper.set_model_props(model, {})
    with pytest.raises(ArtifactError, match="is an ONNX model, but not one that Blemish exported"):
        Runtime(model.SerializeToString())


def test_a_table_given_as_named_arrays_is_exported_with_an_input_per_column(tmp_path):
    rng = np.random.default_rng(0)
    X = {"speed": rng.normal(size=120), "load": rng.normal(size=120)}
    det = DefectDetector(epochs=2, scorer="latent", random_state=0).fit(X)
    det.export(tmp_path / "m.onnx", X)
    scores = Runtime(tmp_path / "m.onnx").scores(X)
    np.testing.assert_allclose(scores["outlier_score"], det.outlier_score(X), rtol=1e-5, atol=1e-5)


def test_a_flipped_bit_of_an_export_is_refused(exported, tmp_path):
    rng, content = np.random.default_rng(0), exported
    assert sealed(content) == content
    ends = range(len(content) - 64 - len(SEAL), len(content))
    for place in [*ends, *rng.integers(len(content), size=60).tolist()]:
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(rng.integers(8))
        with pytest.raises(ArtifactError):
            Runtime(bytes(damaged))
    for length in rng.integers(len(content), size=20).tolist():
        with pytest.raises(ArtifactError):
            Runtime(content[:length])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "its metadata: Invalid JSON"),
        ("null", "its metadata: Input should be"),
        ("[[[[", "its metadata: Invalid JSON"),
        ('{"schema":1}', "its metadata, "),
        ('{"schema":"1"}', "its digest is missing|its metadata"),
        ({"threshold": None}, "its metadata, 'threshold': Input should be a valid number"),
        ({"classes": ["a"]}, "its metadata, 'classes'"),
        ({"columns": []}, "its metadata, 'columns'"),
        ({"inputs": "rays"}, "unknown form of inputs 'rays'"),
        ({"n_columns": 10**9}, "its graph takes 8 columns"),
        ({"notes": {"run": 7}}, "its metadata, 'notes.run'"),
        ({"inputs": ["columns"]}, "its metadata, 'inputs'"),
        ({"inputs": "forms"}, "unknown form of inputs"),
    ],
)
def test_metadata_of_another_form_are_refused(text, message, exported):
    model = onnx.load_from_string(exported)
    facts = json.loads(next(one.value for one in model.metadata_props if one.key == KEY))
    text = text if isinstance(text, str) else json.dumps({**facts, **text})
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {KEY: text})
    with pytest.raises(ArtifactError, match=message) as error:
        Runtime(sealed(model.SerializeToString()))
    assert "\n" not in str(error.value)


def test_an_export_without_a_digest_is_of_an_older_version_or_damaged(exported, table_split):
    model = onnx.load_from_string(exported)
    entry = next(one for one in model.metadata_props if one.key == KEY)
    facts = json.loads(entry.value)
    del model.metadata_props[1:]
    with pytest.raises(ArtifactError, match="its digest is missing; export or copy it again"):
        Runtime(model.SerializeToString())
    onnx.helper.set_model_props(model, {KEY: json.dumps({**facts, "schema": 1})})
    with pytest.warns(DataWarning, match="without a checksum"):
        older = Runtime(model.SerializeToString())
    assert older.scores(table_split.X_test[:2])["outlier_score"].shape == (2,)


def test_a_foreign_graph_under_our_metadata_is_refused(exported):
    model = onnx.load_from_string(exported)
    del model.graph.output[0]
    with pytest.raises(ArtifactError, match="its graph has no output 'outlier_score' of scores"):
        Runtime(sealed(model.SerializeToString()))


def test_a_graph_that_fails_while_it_runs_is_one_error(exported, table_split, monkeypatch):
    runtime = Runtime(exported)

    class Failing:
        def __init__(self, result):
            self.result = result

        def __getattr__(self, name):
            return getattr(session, name)

        def run(self, *_):
            if isinstance(self.result, Exception):
                raise self.result
            return self.result

    session = runtime._session
    monkeypatch.setattr(runtime, "_session", Failing(RuntimeError("bad allocation\nmore")))
    with pytest.raises(ArtifactError, match=r"failed while it scored \(bad allocation\); are the data"):
        runtime.scores(table_split.X_test[:2])
    monkeypatch.setattr(runtime, "_session", Failing([np.zeros((5, 3))] * len(runtime.outputs)))
    with pytest.raises(ArtifactError, match="of another shape; export it again"):
        runtime.scores(table_split.X_test[:2])


@pytest.mark.parametrize("place", ["weights.bin", "./weights.bin", "../weights.bin", "/etc/passwd", "m.onnx"])
@pytest.mark.parametrize("in_node", [False, True])
def test_weights_in_another_file_are_not_read(place, in_node, exported, tmp_path, monkeypatch):
    """An export holds all of its weights; a foreign one could have files of the current folder read."""
    model = onnx.load_from_string(exported)
    weights = max((x for x in model.graph.initializer if x.raw_data), key=lambda x: len(x.raw_data))
    (tmp_path / "here").mkdir()
    for folder in (tmp_path, tmp_path / "here"):
        (folder / "weights.bin").write_bytes(weights.raw_data)
    whole = {"location": place, "offset": "0", "length": str(len(weights.raw_data))}
    weights.ClearField("raw_data")
    weights.data_location = onnx.TensorProto.EXTERNAL
    for key, value in whole.items():
        weights.external_data.add(key=key, value=value)
    if in_node:
        node = onnx.helper.make_node("Constant", [], [weights.name], value=weights)
        model.graph.initializer.remove(weights)
        model.graph.node.insert(0, node)
    content = sealed(model.SerializeToString())
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "here" / "m.onnx").write_bytes(content)
    for source in (content, "m.onnx"):
        with pytest.raises(ArtifactError, match="is not an ONNX model, or it is truncated .*xternal data"):
            Runtime(source)


def test_scores_that_are_no_numbers_are_refused(exported, table_split):
    model = onnx.load_from_string(exported)
    for weights in model.graph.initializer:
        if weights.raw_data and weights.data_type == onnx.TensorProto.FLOAT:
            weights.raw_data = np.full(len(weights.raw_data) // 4, np.nan, "f4").tobytes()
    with pytest.raises(ArtifactError, match=r"gave 'outlier_score' that is NaN or infinite; export it again"):
        Runtime(sealed(model.SerializeToString())).scores(table_split.X_test)
