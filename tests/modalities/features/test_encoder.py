"""An encoder of one's own: what is accepted, what is refused, and patches as it gives them."""

import pickle
import shutil

import numpy as np
import pytest
import torch

import onnx
from blemish import DefectDetector, load
from blemish.core.errors import ArtifactError, ConfigError, DataError, ExportError, MissingExtraError
from blemish.core.manifest import checked
from blemish.modalities.features import encoder as own
from blemish.modalities.features.encoder import MEAN, STD, Encoder, EncoderFacts
from blemish.modalities.features.patch_grid import fit_patch_grid
from blemish.modalities.image import Image
from encoder_files import CLASSES, GRID, TOKENS, encoder
from onnx import TensorProto, helper

PARTS = {"name": "ensemble", "experts": {"parts": ["part_distance", "part_discriminant"]}}
rng = np.random.default_rng(0)


def means(picture, step):
    """The mean of the normalised pixels of each patch: the first number of an encoder of `encoder_files`."""
    normal = (picture - np.array(MEAN)[:, None, None]) / np.array(STD)[:, None, None]
    rows, columns = (side // step for side in picture.shape[-2:])
    return normal.reshape(3, rows, step, columns, step).sum(axis=0).mean(axis=(1, 3))


@pytest.mark.parametrize(
    ("step", "gives", "side", "extra"),
    [
        (8, GRID, None, 0),
        (14, TOKENS, None, 1),
        (16, TOKENS, (64, 96), 5),
        (7, GRID, (28, 28), 0),
        (32, TOKENS, None, 0),
    ],
)
def test_patches_are_those_of_the_file(tmp_path, step, gives, side, extra):
    found = Encoder.open(encoder(tmp_path / "e.onnx", step, gives=gives, side=side, extra=extra))
    assert (found.step, found.width, found.extra, found.side) == (step, 6, extra, side)
    for height, width in ((2, 1), (100, 300), (700, 500)):  # one crop, and many that overlap
        size = found.enlarged_size(height, width, 1.0)
        picture = rng.random((3, *size)).astype(np.float32)
        maps = found.maps(torch.from_numpy(picture)).numpy()
        assert maps.shape == (6, size[0] // step, size[1] // step)
        np.testing.assert_allclose(maps[0], means(picture, step), atol=1e-5)


def test_units_of_colours_may_be_given(tmp_path):
    path, picture = encoder(tmp_path / "e.onnx"), torch.full((3, 16, 16), 0.75)
    assert Encoder.open(path, (0.0,) * 3, (1.0,) * 3).maps(picture)[0, 0, 0] == pytest.approx(3 * 0.75)
    assert Encoder.open(path, (0.5,) * 3, (0.25,) * 3).maps(picture)[0, 0, 0] == pytest.approx(3.0)


def test_small_pictures_are_enlarged_until_there_are_patches(tmp_path):
    anything = Encoder.open(encoder(tmp_path / "a.onnx", 16))
    fixed = Encoder.open(encoder(tmp_path / "b.onnx", 16, side=(224, 224)))
    assert anything.growth_for(np.array([32.0]), np.array([20.0])) == 4
    assert anything.growth_for(np.array([640.0]), np.array([480.0])) == 1
    assert fixed.growth_for(np.array([640.0]), np.array([112.0])) == 2
    assert fixed.enlarged_size(10, 300, 1.0) == (224, 304)


def spoilt(path, change):
    model = onnx.load(encoder(path))
    change(model)
    onnx.save(model, path)
    return path


def with_loop(model):
    body = helper.make_graph([helper.make_node("Identity", ["go"], ["on"])], "b",
        [helper.make_tensor_value_info(name, kind, []) for name, kind in (("i", TensorProto.INT64), ("go", TensorProto.BOOL))],
        [helper.make_tensor_value_info("on", TensorProto.BOOL, [])])  # fmt: skip
    inner = helper.make_node("Loop", ["", "always"], [], body=body)
    branch = helper.make_graph([inner], "branch", [], [])  # hidden in a branch of a branch
    model.graph.node.append(helper.make_node("If", ["always"], [], then_branch=branch, else_branch=branch))


def with_noise(model):
    model.graph.node.append(helper.make_node("RandomNormalLike", ["pixels"], ["noise"]))


def outside(model):
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def two_inputs(model):
    model.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1]))


def of_doubles(model):
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT16


def many_at_once(model):
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 4


def huge(model):
    for axis in (2, 3):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = 4096


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (with_loop, "has a loop"),
        (with_noise, "draws random numbers"),
        (outside, "keeps its weights in another file"),
        (two_inputs, "expected one input, float32"),
        (of_doubles, "cannot be run|expected one input, float32"),
        (many_at_once, "expected one input, float32|cannot be run"),
        (huge, "at most 2048 pixels|cannot be run"),
    ],
)
def test_what_is_no_encoder_is_refused_in_one_line(tmp_path, change, says):
    with pytest.raises(ConfigError, match=says) as caught:
        Encoder.open(str(spoilt(tmp_path / "e.onnx", change)))
    assert "\n" not in str(caught.value)


def test_files_that_are_no_models_are_refused(tmp_path):
    content = (tmp_path / encoder(tmp_path / "e.onnx")).read_bytes()
    cases = {"empty": b"", "text": b"no model", "cut": content[: len(content) // 2], "noise": rng.bytes(1000)}
    for name, data in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ConfigError, match=f"encoder .*{name} (is not an ONNX model|cannot be run)"):
            Encoder.open(str(tmp_path / name))
    for absent in (tmp_path / "absent.onnx", tmp_path):
        with pytest.raises(ConfigError, match="cannot be read .* give the path of an ONNX file"):
            Encoder.open(str(absent))


@pytest.mark.parametrize("options", [{"gives": CLASSES}, {"step": 128}, {"step": 9}, {"gives": TOKENS, "extra": 40}])
def test_an_output_that_is_no_grid_is_refused(tmp_path, options):
    with pytest.raises(
        ConfigError, match=r"expected \(batch, channels, rows, columns\) or \(batch, tokens, channels\)"
    ):
        Encoder.open(encoder(tmp_path / "e.onnx", **options))


def test_without_onnx_runtime_the_extra_is_named(tmp_path, monkeypatch):
    path = encoder(tmp_path / "e.onnx", seed=7)
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"blemish\[onnx\]"):
        Encoder.open(path)


def test_units_without_an_encoder_are_refused():
    with pytest.raises(ConfigError, match="mean and std are for an encoder"):
        Image(mean=(0.0, 0.0, 0.0))
    for more in ({"std": [0, 1, 1]}, {"mean": [np.nan, 0, 0]}, {"std": [1, np.inf, 1]}, {"std": [1, 1]}):
        with pytest.raises(ConfigError, match="must be numbers, those of std above 0|option 'std"):
            DefectDetector(modality={"name": "image", "encoder": "x", **more}).fit(np.zeros((20, 8, 8)))


@pytest.mark.parametrize("change", [{"digest": "a"}, {"step": 0}, {"step": 65}, {"width": 0}, {"std": [1.0, 0.0, 1.0]},
    {"mean": [0.0]}, {"side": [0, 1]}, {"extra": -1}, {"more": 1}])  # fmt: skip
def test_what_a_file_says_of_an_encoder_is_checked(tmp_path, change):
    found = Encoder.open(encoder(tmp_path / "e.onnx", side=(64, 64)))
    assert Encoder.from_state(checked(EncoderFacts, found.state(), "it")) == found
    with pytest.raises(ArtifactError):
        checked(EncoderFacts, {**found.state(), **change}, "it")


def test_a_grid_of_an_encoder_has_its_steps(tmp_path):
    found = Encoder.open(encoder(tmp_path / "e.onnx", 16))
    pictures = [torch.rand(1, 64, 96) for _ in range(4)]
    grid = fit_patch_grid(((b"", one) for one in pictures), 4, 1.0, found)
    assert grid.with_details(True) is grid
    values = grid.described(pictures[0])
    assert values.shape == (4 * 6, grid.width)
    np.testing.assert_allclose(grid.described(pictures[0]), values)
    assert grid.spread(values[:, -1], 64, 96).shape == (64, 96)
    assert type(grid).from_state(grid.state()).described(pictures[0]).tolist() == values.tolist()


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A detector with an encoder of its own, its model file and its encoder."""
    folder, rng = tmp_path_factory.mktemp("encoder"), np.random.default_rng(0)
    X = rng.integers(0, 200, (114, 24, 32)).astype(np.uint8)  # of fewer than 100, folds would be fitted, too
    X[110:, 8:18, 8:18] = 255
    modality = {"name": "image", "encoder": encoder(folder / "e.onnx"), "mean": [0.5] * 3, "std": [0.25] * 3}
    det = DefectDetector(modality=modality, scorer=PARTS, epochs=1, random_state=0)
    det.fit(X, [None] * 110 + ["defect"] * 4)
    det.save(folder / "m.blemish")
    return det, X, folder


pytestmark = pytest.mark.filterwarnings("ignore:the cut for")


def test_a_model_finds_its_encoder_where_it_was_or_alongside(fitted, tmp_path):
    det, X, folder = fitted
    expected = det.heat(X[-1:])[0]
    assert expected[11:15, 11:15].min() > np.median(expected)
    np.testing.assert_array_equal(load(folder / "m.blemish").heat(X[-1:])[0], expected)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(det)).heat(X[-1:])[0], expected)
    shutil.copy(folder / "m.blemish", tmp_path / "m.blemish")
    (folder / "e.onnx").rename(tmp_path / "moved.onnx")
    own._session.cache_clear()
    try:
        moved = load(tmp_path / "m.blemish")  # opened when it is used
        with pytest.raises(DataError, match=r"needs its encoder: .* neither .*e\.onnx nor .*e\.onnx; put it there"):
            moved.defect_score(X[:2])
        shutil.copy(tmp_path / "moved.onnx", tmp_path / "e.onnx")
        np.testing.assert_array_equal(moved.heat(X[-1:])[0], expected)
        own._session.cache_clear()
        encoder(tmp_path / "e.onnx", seed=1)
        with pytest.raises(DataError, match=r"\(there is another one of that name\); put it there, its SHA-256 is"):
            moved.heat(X[-1:])
    finally:
        (tmp_path / "moved.onnx").rename(folder / "e.onnx")


def test_an_export_with_an_encoder_is_refused_in_one_line(fitted, tmp_path):
    with pytest.raises(ExportError, match="an encoder of one's own is not merged into an export"):
        fitted[0].export(tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []
