"""Do new data look like the training data?"""

import numpy as np
import pandas as pd
import pytest

from blemish import DefectDetector, load
from blemish.calibration.drift import LEVEL, compare
from blemish.core.errors import DataError


def table(n, seed, speed=100.0, red=0.5):
    rng = np.random.default_rng(seed)
    colours = np.where(rng.random(n) < red, "red", "blue")
    return pd.DataFrame({"speed": rng.normal(speed, 5, n), "heat": rng.normal(size=n), "colour": colours})


@pytest.fixture(scope="module")
def det():
    return DefectDetector(epochs=3, random_state=0).fit(table(600, 0))


def test_data_of_the_same_kind_are_rarely_called_drifted(det):
    called = [bool(det.drift(table(200, seed)).found) for seed in range(1, 61)]
    assert np.mean(called) <= LEVEL + 3 * np.sqrt(LEVEL / 60)


def test_a_moved_column_is_named_with_the_evidence(det):
    drift = det.drift(table(200, 1, speed=110))
    assert drift.found[0].name == "speed"
    assert drift.found[0].effect > 0.5
    assert float(drift.found[0].seen.removeprefix("median ")) == pytest.approx(110, abs=2)
    assert float(drift.found[0].expected.removeprefix("median ")) == pytest.approx(100, abs=2)
    assert drift.text.startswith("these data do not look like the training data (200 rows compared; speed: median 1")
    assert drift.text.endswith("scores may mislead: fit again")
    assert "outlier score" in {shift.name for shift in drift.shifts}


def test_a_column_that_is_mostly_zero_is_described_by_its_mean():
    rng = np.random.default_rng(0)
    before, now = ((rng.random(400) < share) * 2.0 for share in (0.1, 0.4))
    shift = compare({"a": before.tolist()}, {"a": now.tolist()}, 400, 400).found[0]
    assert shift.expected == f"mean {before.mean():.4g}"
    assert shift.seen == f"mean {now.mean():.4g}"


def test_a_category_that_was_never_there_is_named(det):
    new = table(200, 1)
    new.loc[new.index[::2], "colour"] = "green"
    shift = next(s for s in det.drift(new).found if s.name == "colour")
    assert shift.seen == "'(not seen in training)' in 50%"
    assert shift.expected == "'(not seen in training)' in 0%"
    assert det.explain(new.iloc[:1]).seen[0][2] == "(not seen in training)"


def test_a_small_change_in_many_rows_is_no_drift():
    rng = np.random.default_rng(0)
    values = {"a": rng.normal(size=20_000).tolist()}, {"a": (rng.normal(size=20_000) + 0.1).tolist()}
    drift = compare(*values, 20_000, 20_000)
    assert drift.shifts[0].p_value < 1e-6
    assert drift.found == ()
    assert drift.text == "these data look like the training data (20000 rows compared)"


def test_the_model_file_remembers_what_the_data_looked_like(det, tmp_path):
    det.save(tmp_path / "m.blemish")
    new = table(1500, 1, red=0.9)
    drift = load(tmp_path / "m.blemish").drift(new)
    assert drift == det.drift(new)
    assert drift.found[0].name == "colour"
    assert (drift.n, drift.n_reference) == (750, 120)


def test_images_are_compared_by_code_and_score():
    rng = np.random.default_rng(0)
    pictures = rng.random((120, 1, 16, 16)).astype(np.float32) * 0.2
    det = DefectDetector(epochs=1, random_state=0).fit(pictures)
    assert not det.drift(pictures[:60]).found
    assert det.drift(list(pictures[:60] + 0.7)).found


def test_too_few_rows_to_hold_some_out_are_refused():
    with pytest.raises(DataError, match="drift needs held-out rows; fit on at least 100 unlabelled rows"):
        DefectDetector(epochs=1, random_state=0).fit(table(30, 0)).drift(table(30, 1))
