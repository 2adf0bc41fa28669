"""`blemish threshold`, `info` and `presets` as a user meets them."""

import json

import numpy as np
import pytest
import yaml
from pyarrow import csv

from blemish import load
from blemish.core.store import sealed
from blemish.presets import PRESETS

LABELS = ("--labels", "kind", "--defect", "leak", "--drop", "id")


def test_info_and_its_config_reproduce_the_model(folder, model, blemish):
    status, out, _ = blemish("info", model)
    assert status == 0
    assert "backbone" in out
    facts = json.loads(blemish("info", model, "--json")[1])
    assert facts["rows"]["defect"] == 12
    text = blemish("info", model, "--config")[1]
    assert yaml.safe_load(text)["backbone"] == "mlp"
    (folder / "run.yaml").write_text(text)
    status, _, err = blemish("fit", "--config", folder / "run.yaml", "-o", folder / "again.blemish")
    assert status == 0, err
    table = csv.read_csv(folder / "test.csv").drop_columns(["id", "kind"])
    np.testing.assert_array_equal(load(folder / "again.blemish").defect_score(table), load(model).defect_score(table))


def test_threshold_and_explain(folder, model, blemish):
    copy = folder / "t.blemish"
    copy.write_bytes(model.read_bytes())
    status, out, _ = blemish("threshold", copy, "--recall", 0.5)
    assert status == 0
    assert "threshold" in out
    promise = load(copy).promise_
    assert (promise.target, promise.value) == ("recall", 0.5)
    assert out.strip().endswith(promise.text)
    assert json.loads(blemish("info", copy, "--json")[1])["promise"] == promise.text
    assert "contamination=0.1: about" in blemish("threshold", copy, "--contamination", 0.1)[1]
    status, out, _ = blemish("explain", copy, folder / "test.csv", "--top", 2, "--elements", 1, "--key", "id", "--json")
    assert status == 0
    assert [set(row) >= {"key", "element", "seen", "expected"} for row in json.loads(out)] == [True, True]
    assert {"fall", "driver", "chances"} <= set(json.loads(out)[0])
    assert "nearest defect" in blemish("explain", copy, folder / "test.csv")[1]


def test_info_says_what_the_labels_are_worth_and_keeps_the_curve(folder, blemish):
    quick = "{name: ensemble, experts: {plain: [linear], error: [value]}}"
    path = folder / "l.blemish"
    fit = ("fit", folder / "train.csv", *LABELS, "--seed", "0", "--epochs", 1, "--scorer", quick, "-o", path)
    assert blemish(*fit)[0] == 0
    before = path.read_bytes()
    status, out, err = blemish("info", path, "--labels", "--budget", 3)
    assert status == 0, err
    assert "learning curve, at a budget of 3 of 32 rows" in out
    assert "12 labelled defects, 0 rows labelled 'other' or 'normal'" in out
    assert "Is more labelling worth it?: " in out
    kept = path.read_bytes()
    assert kept != before
    found = json.loads(blemish("info", path, "--labels", "--json")[1])
    assert [step["n_labels"] for step in found["curve"]] == [1, 2, 4, 9]
    assert path.read_bytes() == kept
    status, _, err = blemish("info", path, "--labels", "--budget", 99)
    assert status == 2
    assert "budget=99 must lie between 1 and 31" in err
    path.write_bytes(sealed(before.replace(b"train.csv", b"trian.csv")))  # the training data are gone
    assert "it needs the training rows" in blemish("info", path, "--labels")[1].replace("\n", " ")


def test_threshold_states_the_expected_fractions(folder, model, blemish):
    copy = folder / "prior.blemish"
    copy.write_bytes(model.read_bytes())
    cut = load(copy).threshold_
    status, out, err = blemish("threshold", copy, "--defect-share", 0.2, "--other-share", 0.1)
    assert status == 0, err
    assert out.strip() == "assumed fractions: normal 0.7, other 0.1, defect 0.2"
    assert load(copy).prior_ == pytest.approx({"normal": 0.7, "other": 0.1, "defect": 0.2})
    assert load(copy).threshold_ == cut
    assert "recall=0.5: about" in blemish("threshold", copy, "--defect-share", 0.1, "--recall", 0.5)[1]
    assert blemish("threshold", copy, "--defect-share", 2)[0] == 2
    assert "--other-share needs --defect-share" in blemish("threshold", copy, "--other-share", 0.1)[2]


def test_presets_are_listed(blemish):
    out = blemish("presets")[1]
    assert all(name in out for name in PRESETS)
