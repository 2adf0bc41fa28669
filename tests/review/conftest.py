"""A table, its model, and the loop on them, for the tests of the review page."""

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import csv
from starlette.testclient import TestClient

from blemish import DefectDetector, load
from blemish.datasets import ring
from blemish.review.catalogue import open_catalogue
from blemish.review.ledger import Ledger
from blemish.review.session import Review
from served import OWN, TOKEN, guarded, wait_ready


@pytest.fixture(scope="session")
def table(tmp_path_factory):
    split = ring(n_normal=150, n_test=20)
    path = tmp_path_factory.mktemp("table") / "ring.csv"
    columns = {f"x{i}": column for i, column in enumerate(split.X_test.T)}
    csv.write_csv(pa.table({"name": [f"part {i}" for i in range(len(split.X_test))], **columns}), path)
    return path


@pytest.fixture(scope="session")
def model(table, tmp_path_factory):
    det = DefectDetector(epochs=2, random_state=0).fit(csv.read_csv(table).drop_columns(["name"]))
    det.notes_ = {"run": {}, "taken_out": ["name"]}
    path = tmp_path_factory.mktemp("model") / "m.blemish"
    det.save(path)
    return path


@pytest.fixture
def review(table, model, tmp_path):
    found = Review(open_catalogue(table, key="name"), Ledger(tmp_path / "labels.db"), load(model))
    wait_ready(found)
    yield found
    found.stop()


@pytest.fixture
def guest(review, tmp_path):
    client = TestClient(guarded(review, tmp_path / "cache"), base_url=OWN)
    client.get(f"/?token={TOKEN}")
    client.headers["origin"] = OWN
    return client


@pytest.fixture
def always_mapped(monkeypatch, tmp_path):
    monkeypatch.setattr("blemish.data.on_disk.MIN_BYTES", 0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "blemish"


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    (folder / "deep").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(6):
        place = folder / "deep" / f"{i}.png" if i % 2 else folder / f"{i}.jpg"
        Image.fromarray(rng.integers(0, 255, (40, 60), dtype=np.uint8)).save(place)
    (folder / "broken.png").write_bytes(b"nothing")
    return folder
