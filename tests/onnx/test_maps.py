"""The map of an exported model is that of the original, for pictures of every size."""

import json
from functools import partial

import numpy as np
import pytest
from PIL import Image

import onnx
from blemish import DefectDetector
from blemish.calibration.areas import AREAS
from blemish.core.errors import ArtifactError, ConfigError, DataError, DataWarning
from blemish.core.graph import Graph
from blemish.modalities.features import patch_grid
from blemish.onnx.export import _add_map
from blemish.onnx.parity import TOLERANCE
from blemish.onnx.runtime import AREA_LEVELS, HEAT, KEY, Runtime, sealed
from command_line import run

PARTS = {"name": "ensemble", "experts": {"parts": ["part_distance", "part_discriminant", "part_linear"]}}
SIZES = [(28, 28), (40, 56), (150, 17), (9, 200), (1, 1), (240, 300)]
pytestmark = pytest.mark.filterwarnings("ignore:the cut for")


def picture(rng, height, width, *, crack=False):
    """Rolled metal: smooth stripes of many widths and some noise, so that patches differ; a crack is dark."""
    x = 120 + rng.normal(0, 25, width).cumsum()[None] / 8 % 40 + rng.normal(0, 2 + 8 * rng.random(), (height, width))
    mask = np.zeros((height, width), dtype=bool)
    if crack:
        y, x0 = rng.integers(2, height - 18), rng.integers(2, width - 18)
        mask[y + np.arange(16), x0 + np.arange(16)] = True
        x = np.where(mask | np.roll(mask, 1, axis=1), x - 70, x)
    return x.clip(0, 255).astype(np.uint8)[None], mask


def fitted(labelled, marked, scorer=PARTS):
    rng = np.random.default_rng(0)
    normal = [picture(rng, 28, 40)[0] for _ in range(110)]  # of fewer, folds would be fitted, too
    cracked = [picture(rng, 28, 40, crack=True) for _ in range(5 if labelled else 0)]
    regions = [None] * 110 + [mask for _, mask in cracked] if marked else None
    y = [None] * 110 + ["defect"] * 5 if labelled else None
    det = DefectDetector(epochs=1, random_state=0, scorer=scorer)
    return det.fit([*normal, *(one for one, _ in cracked)], y, regions=regions)


@pytest.fixture
def blemish(monkeypatch, capsys):
    return partial(run, monkeypatch, capsys)


@pytest.fixture(scope="module")
def marked():
    return fitted(True, True)


@pytest.fixture(scope="module")
def exported(marked, tmp_path_factory):
    path = tmp_path_factory.mktemp("maps") / "m.onnx"
    marked.export(path)
    return path


def pictures():
    rng = np.random.default_rng(1)
    return [picture(rng, *size, crack=min(size) > 20)[0] for size in SIZES for _ in range(2)]


def agrees(runtime, det, X):
    """All pixels but those where the last digits of float32 decide on which side of a step of the scores they are.

    `Parity.maps` says that all are the same for the same parts; of tiles that are no noise 1 % at most differ.
    """
    beyond = []
    for found, expected, one in zip(runtime.heat(X), det.heat(X), X, strict=True):
        assert found.shape == expected.shape == one.shape[-2:]
        assert found.dtype == np.float32
        apart = np.abs(found - expected) / np.maximum(1, np.abs(expected))
        assert apart.mean() < 1e-4
        beyond += (apart > TOLERANCE).ravel().tolist()
    assert np.mean(beyond) <= 0.05


@pytest.mark.parametrize(("labelled", "with_masks"), [(False, False), (True, False), (True, True)])
def test_the_map_is_that_of_the_model(labelled, with_masks, marked, exported, tmp_path):
    det = marked if with_masks else fitted(labelled, False)
    if not with_masks:
        det.export(tmp_path / "m.onnx")
    runtime, X = Runtime(exported if with_masks else tmp_path / "m.onnx"), pictures()
    assert runtime.facts["parity"]["maps"] <= TOLERANCE
    assert runtime.kind == ("defect" if labelled else "other")
    agrees(runtime, det, X)
    np.testing.assert_allclose(runtime.scores(X)["outlier_score"], det.outlier_score(X), rtol=1e-4, atol=1e-4)


def test_a_picture_of_many_crops_has_the_map_of_the_model(marked, exported, monkeypatch):
    monkeypatch.setattr(patch_grid, "CROP", 128)
    X = [picture(np.random.default_rng(2), 300, 240, crack=True)[0]]
    assert patch_grid.enlarged_size(300, 240, marked.fitted_.model.modality.grid.growth)[0] > 3 * patch_grid.CROP
    agrees(Runtime(exported), marked, X)


def test_scores_and_maps_of_one_pass_are_those_of_two(exported):
    runtime, X = Runtime(exported), pictures()
    together = list(runtime.with_maps(X))
    assert len(together) == len(SIZES)
    np.testing.assert_array_equal([one for some in together for one in some["label"]], runtime.scores(X)["label"])
    for a, b in zip((heat for some in together for heat in some[HEAT]), runtime.heat(X), strict=True):
        np.testing.assert_array_equal(a, b)
    assert HEAT not in runtime.scores(X)


def test_regions_have_the_promised_area(exported, marked):
    runtime, X = Runtime(exported), pictures()
    assert runtime.area_levels.cut(0.02) == marked.fitted_.area_levels.cut(0.02)
    frame, expected = runtime.regions(X, false_alarm_area=0.02), marked.regions(X, false_alarm_area=0.02)
    assert frame[["sample", "kind"]].equals(expected[["sample", "kind"]])
    box = ["x", "y", "width", "height"]
    np.testing.assert_allclose(frame[box], expected[box], atol=1)
    np.testing.assert_allclose(frame["score"], expected["score"], rtol=1e-4)
    with pytest.raises(DataError, match="cannot be promised"):
        runtime.regions(X, false_alarm_area=1e-9)
    with pytest.raises(ConfigError, match="must be above 0"):
        runtime.regions(X, false_alarm_area=2.0)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An exported model that scores whole pictures."""
    path = tmp_path_factory.mktemp("whole") / "m.onnx"
    fitted(False, False, "reconstruction").export(path)
    return path


def test_scores_alone_are_exported_where_the_map_has_no_graph(marked):
    with pytest.warns(DataWarning, match="the maps of 'ensemble' have no ONNX graph: the file gives scores alone"):
        assert _add_map(Graph(), None, marked.fitted_) == {}


def test_models_without_maps_say_so(whole):
    runtime = Runtime(whole)
    assert not runtime.has_map
    for asked in (runtime.heat, runtime.regions, runtime.with_maps):
        with pytest.raises(DataError, match=r"m\.onnx has no map: it scores whole samples"):
            asked(pictures())


def test_what_the_file_says_of_maps_is_checked(exported):
    model = onnx.load(exported)
    facts = json.loads(next(one.value for one in model.metadata_props if one.key == KEY))
    levels = facts[AREA_LEVELS]
    assert 1 <= len(levels) <= len(AREAS)
    for bad in (levels[::-1], [], [None], "all", [1.0] * (len(AREAS) + 1)):
        onnx.helper.set_model_props(model, {KEY: json.dumps({**facts, AREA_LEVELS: bad})})
        with pytest.raises(ArtifactError):
            Runtime(sealed(model.SerializeToString()))
    onnx.helper.set_model_props(model, {KEY: json.dumps(facts)})
    del model.graph.output[-1]
    with pytest.raises(ArtifactError, match="its graph has no output 'heat' of scores"):
        Runtime(sealed(model.SerializeToString()))


def test_the_command_line_writes_maps_of_an_exported_model(blemish, exported, marked, tmp_path):
    (tmp_path / "new").mkdir()
    for at, one in enumerate(pictures()):
        Image.fromarray(one[0]).save(tmp_path / "new" / f"{at:02}.png")
    out = ("-o", tmp_path / "s.csv", "--heat", tmp_path / "heat", "--regions", tmp_path / "r.json")
    status, text, err = blemish("score", exported, tmp_path / "new", *out, "--false-alarm-area", "0.02")
    assert status == 0, err
    assert "wrote 12 maps to" in text
    found = json.loads((tmp_path / "r.json").read_text())
    assert [one["file_name"] for one in found["images"]] == [f"{at:02}.png" for at in range(12)]
    assert len(found["annotations"]) == len(marked.regions(pictures(), false_alarm_area=0.02))
    with Image.open(tmp_path / "heat" / "00.tiff") as written:
        np.testing.assert_array_equal(np.asarray(written), Runtime(exported).heat(pictures()[:2])[0])
    status, text, err = blemish(
        "score", exported, tmp_path / "new", "-o", tmp_path / "s.csv", "--heat", tmp_path / "new"
    )
    assert (status, err.count("\n")) == (2, 1)
    assert "would lie among the pictures" in err


def test_the_command_line_says_that_an_exported_model_has_no_map(blemish, whole, tmp_path):
    (tmp_path / "new").mkdir()
    Image.fromarray(pictures()[2][0]).save(tmp_path / "new" / "a.png")
    for more in (("--heat", tmp_path / "heat"), ("--regions", tmp_path / "r.json")):
        status, text, err = blemish("score", whole, tmp_path / "new", "-o", tmp_path / "s.csv", *more)
        assert (status, text) == (2, "")
        assert "m.onnx has no map" in err
    assert not (tmp_path / "s.csv").exists()
