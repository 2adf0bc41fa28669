"""Masks and COCO files into `blemish fit`, maps and regions out of `blemish score`, as a user meets them."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from blemish import load
from blemish.data.regions.coco import read_coco

CRACKS = ("--defect-folder", "crack", "--normal-folder", "good")


@pytest.fixture
def parts(cracks, tmp_path):
    """A copy to spoil."""
    shutil.copytree(cracks, tmp_path / "copy")
    return tmp_path / "copy"


def refused(blemish, root, *more):
    """The one line of the error of a fit that is refused."""
    output = root / "new.blemish"
    status, out, err = blemish("fit", root / "parts", *CRACKS, "--config", root / "run.yaml", "-o", output, *more)
    assert (status, out, output.exists()) == (1, "", False)
    *_, line = err.splitlines()
    assert line.startswith("error: ")
    assert "Traceback" not in err
    return line


def test_masks_and_a_coco_file_are_read_and_said(cracks, crack_model):
    det = load(crack_model)
    assert [str(one) for one in det.reading_ if one.what == "regions"] == [
        "regions crack/99_mask.png: it fits no picture, and is not used",
        f"regions *_mask.png and {cracks / 'r.json'}: 4 of 4 pictures labelled the defect are marked; the marks take "
        "4.42% of their area",
    ]
    assert det.training_["rows"] == {"unlabelled": 0, "normal": 12, "other": 0, "defect": 4}  # and no mask among them
    assert det.notes_["run"]["masks"] == "*_mask.png"
    for row in range(3):
        name = cracks / "parts" / "crack" / f"{row:02}.png"
        (heat,) = det.heat([np.asarray(Image.open(name))])
        mask = np.asarray(Image.open(name.with_stem(f"{name.stem}_mask"))) > 0
        assert heat[mask].mean() > np.quantile(heat, 0.8)


def test_masks_alongside_the_pictures_are_no_samples_in_any_command(blemish, crack_model, parts):
    status, out, err = blemish("score", crack_model, parts / "parts", "-o", parts / "s.csv")
    assert status == 0, err
    assert "scored 16 samples" in out
    assert "left out 4, for example crack/00_mask.png: it is a mask: the model was fitted with --masks" in err
    only = parts / "only"
    only.mkdir()
    for picture in (parts / "parts" / "crack").glob("*_mask.png"):
        picture.rename(only / picture.name)
    status, out, _ = blemish("score", crack_model, only, "-o", parts / "s.csv")
    assert "scored 4 samples" in out  # a folder of nothing but such names holds pictures


def test_what_score_writes_as_maps_and_regions_is_what_the_model_says(blemish, crack_model, parts):
    out = ("-o", parts / "s.csv", "--heat", parts / "heat", "--regions", parts / "f.json", "--false-alarm-area", "0.02")
    status, text, err = blemish("score", crack_model, parts / "parts", *out)
    assert status == 0, err
    assert f"wrote 16 maps to {parts / 'heat'} and " in text
    found = json.loads((parts / "f.json").read_text())
    assert len(found["images"]) == 16
    det, drawn = load(crack_model), read_coco(parts / "f.json")
    for image in found["images"]:
        name, size = image["file_name"], (image["height"], image["width"])
        (heat,) = det.heat([np.asarray(Image.open(parts / "parts" / name))])
        with Image.open((parts / "heat" / name).with_suffix(".tiff")) as written:
            assert (np.asarray(written) == heat).all()
        assert name in drawn or not name.startswith("crack")
        if name in drawn:  # what is read again covers what was found
            lowest = min(one["score"] for one in found["annotations"] if one["image_id"] == image["id"])
            assert (heat >= lowest)[drawn[name].mask(*size, name)].any()
    pictures = [np.asarray(Image.open(parts / "parts" / image["file_name"])) for image in found["images"]]
    frame = det.regions(pictures, false_alarm_area=0.02)
    assert [one["score"] for one in found["annotations"]] == frame["score"].tolist()
    assert [one["area"] for one in found["annotations"]] == frame["area"].tolist()
    before = (parts / "heat" / "crack" / "00.tiff").stat().st_ino
    assert blemish("score", crack_model, parts / "parts", *out)[0] == 0
    assert (parts / "heat" / "crack" / "00.tiff").stat().st_ino == before


def test_scores_are_the_same_with_and_without_maps(blemish, crack_model, parts):
    for name, more in (("a.csv", ()), ("b.csv", ("--heat", parts / "heat"))):
        assert blemish("score", crack_model, parts / "parts", "-o", parts / name, *more)[0] == 0
    assert (parts / "a.csv").read_bytes() == (parts / "b.csv").read_bytes()


@pytest.mark.parametrize(
    ("name", "made", "says"),
    [
        (
            "crack/00_mask.png",
            np.ones((40, 57)),
            "the mask crack/00_mask.png is 40 x 57 pixels, its picture is 40 x 56",
        ),
        ("crack/00_mask.png", np.zeros((40, 56)), "crack/00_mask.png, for crack/00.png, marks nothing"),
        ("good/05_mask.png", np.ones((40, 56)), "marks something in good/05.png, which is labelled normal"),
    ],
)
def test_a_mask_that_would_teach_something_wrong_is_refused(blemish, parts, name, made, says):
    Image.fromarray(made.astype(np.uint8)).save(parts / "parts" / name)
    assert says in refused(blemish, parts)


def test_regions_outside_or_damaged_are_refused(blemish, parts):
    region = {"image_id": 1, "bbox": [90, 90, 5, 5]}
    coco = {"images": [{"id": 1, "file_name": "crack/00.png"}], "annotations": [region]}
    (parts / "r.json").write_text(json.dumps(coco))
    line = refused(blemish, parts, "--regions", parts / "r.json")
    assert "a region of crack/00.png marks no pixel of its picture, 40 x 56" in line
    (parts / "r.json").write_text(json.dumps(coco)[:-9])
    assert "r.json is not a COCO file of regions" in refused(blemish, parts, "--regions", parts / "r.json")
    assert "cannot read" in refused(blemish, parts, "--regions", parts / "none.json")


def test_a_fit_from_disk_takes_no_masks(blemish, parts):
    given = ("--masks", "*_mask.png", "--out-of-core", "-o", parts / "new.blemish")
    status, _, err = blemish("fit", parts / "parts", *CRACKS, *given)
    assert status == 2
    assert "fit with --in-memory" in err


def test_tables_have_no_masks_and_no_maps(blemish, folder, model, tmp_path):
    labels = ("--labels", "kind", "--defect", "leak")
    status, _, err = blemish("fit", folder / "train.csv", *labels, "--masks", "*.png", "-o", tmp_path / "m.blemish")
    assert status == 1
    assert "--masks and --regions name pictures in a folder" in err
    for option in ("--heat", "--regions"):
        status, out, err = blemish(
            "score", model, folder / "test.csv", "-o", tmp_path / "s.csv", option, tmp_path / "x.json"
        )
        assert (status, out) == (2, "")
        assert err.splitlines()[-1].startswith("error: this model scores whole samples and cannot draw maps")
    assert list(tmp_path.iterdir()) == []


def test_no_picture_is_overwritten_by_a_map(blemish, crack_model, parts):
    status, _, err = blemish(
        "score", crack_model, parts / "parts", "-o", parts / "s.csv", "--heat", parts / "parts" / "x"
    )
    assert status == 2
    assert "would lie among the pictures" in err
    status, _, err = blemish("score", crack_model, parts / "parts", "-o", parts / "s.csv", "--false-alarm-area", "0.1")
    assert status == 2
    assert "--false-alarm-area is for --regions" in err
    more = ("--regions", parts / "r.json", "--false-alarm-area")
    assert blemish("score", crack_model, parts / "parts", "-o", parts / "s.csv", *more, "2")[0] == 2
    status, _, err = blemish("score", crack_model, parts / "parts", "-o", parts / "s.csv", *more, "1e-9")
    assert status == 1
    assert "cannot be promised with the normal samples at hand" in err
    assert not (parts / "s.csv").exists()


def test_the_report_and_explain_say_where_in_words(blemish, crack_model, parts, monkeypatch):
    monkeypatch.chdir(parts)
    status, _, err = blemish("report", crack_model, parts / "parts", "-o", "r.html", "--top", "2")
    assert status == 0, err
    html = (parts / "r.html").read_text()
    assert html.count('class="outlined"') > 4  # two of each hit, and the nearest labelled defects
    assert "is outlined" in html or "are outlined" in html
    assert "rows 0-" not in html
    status, out, _ = blemish("explain", crack_model, parts / "parts", "--top", "1", "--json")
    first = json.loads(out)[0]
    assert {"element", "x", "y", "width", "height"} <= set(first)
    assert "rows" not in first["element"]
