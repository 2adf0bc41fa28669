"""The command line run in this process, and data and a model for it."""

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
