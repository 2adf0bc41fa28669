"""The command line run in this process, and data and a model for it."""

import json
import sys

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import csv, parquet

from blemish.cli import app, main
from conftest import ten_trees

LABELS = ("--labels", "kind", "--defect", "leak", "--drop", "id")


@pytest.fixture
def blemish(monkeypatch, capsys, few_trees):
    """Runs the command line in this process: (exit status, stdout, stderr)."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["blemish", *map(str, arguments)])
        try:
            main()
            status = 0
        except SystemExit as error:
            status = error.code or 0
        out, err = capsys.readouterr()
        return status, out, err

    return run


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A mixed table with kinds of outliers, an image folder, and a model of the table."""
    root = tmp_path_factory.mktemp("cli")
    rng = np.random.default_rng(0)
    for name, seed in (("train", 0), ("test", 1)):
        rng = np.random.default_rng(seed)
        kind = np.array(["normal"] * 150 + ["leak"] * 12 + ["jam"] * 12)
        speed = rng.normal(10, 1, len(kind)) + 8 * (kind == "leak") - 8 * (kind == "jam")
        protocol = np.where(kind == "leak", "udp", rng.choice(["tcp", "icmp"], len(kind)))
        table = pa.table(
            {"id": [f"=row{i}" for i in range(len(kind))], "speed": speed, "protocol": protocol, "kind": kind}
        )
        csv.write_csv(table, root / f"{name}.csv")
        parquet.write_table(table, root / f"{name}.parquet")
    for i in range(30):
        group = "crack" if i < 6 else "fine"
        (root / "images" / group).mkdir(parents=True, exist_ok=True)
        image = rng.integers(90, 110, (20, 20 + i % 3)).astype(np.uint8)
        image[8:10] = 10 if group == "crack" else image[8:10]
        Image.fromarray(image).save(root / "images" / group / f"tile{i}x.png")
    (root / "images" / "fine" / "broken.png").write_bytes(b"?")
    return root


@pytest.fixture(scope="session")
def model(folder):
    path = folder / "m.blemish"
    arguments = ["fit", str(folder / "train.csv"), *LABELS, "--seed", "0", "-o", str(path)]
    with ten_trees():
        app(args=arguments, standalone_mode=False)
    return path


@pytest.fixture(scope="session")
def cracks(tmp_path_factory):
    """Good pictures, some with a dark line; masks alongside three of them, a COCO file of the fourth, and a run file."""
    root, rng = tmp_path_factory.mktemp("cracks"), np.random.default_rng(0)
    mask, box = np.zeros((40, 56), dtype=np.uint8), []
    for row in range(16):
        picture, kind = rng.normal(120, 6, (40, 56)), "crack" if row < 4 else "good"
        mask, steps = np.zeros((40, 56), dtype=np.uint8), np.arange(18)
        if kind == "crack":
            y, x = rng.integers(4, 20, 2)
            picture[y + steps, x + steps] = picture[y + steps + 1, x + steps] = 60
            mask[y + steps, x + steps] = 255
            box = [int(x), int(y), 18, 19]
        (root / "parts" / kind).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(root / "parts" / kind / f"{row:02}.png")
        if row < 3:
            Image.fromarray(mask).save(root / "parts" / kind / f"{row:02}_mask.png")
    Image.fromarray(np.full_like(mask, 255)).save(
        root / "parts" / "crack" / "99_mask.png"
    )  # of a picture that is not there
    images = [{"id": 1, "file_name": "03.png", "width": 56, "height": 40}]
    (root / "r.json").write_text(json.dumps({"images": images, "annotations": [{"image_id": 1, "bbox": box}]}))
    experts = "{parts: [part_distance, part_discriminant, part_linear]}"
    run = f"masks: '*_mask.png'\nscorer: {{name: ensemble, experts: {experts}}}\nepochs: 1\nrandom_state: 0\n"
    (root / "run.yaml").write_text(run)
    return root


@pytest.fixture(scope="session")
def crack_model(cracks):
    path, folders = cracks / "m.blemish", ("--defect-folder", "crack", "--normal-folder", "good")
    arguments = ["fit", str(cracks / "parts"), *folders, "--config", str(cracks / "run.yaml")]
    app(args=[*arguments, "--regions", str(cracks / "r.json"), "-o", str(path)], standalone_mode=False)
    return path
