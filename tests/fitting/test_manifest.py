"""The manifest of a model file; what damage does to it is in test_damaged_files.py."""

import pytest

from blemish.core.errors import ArtifactError
from blemish.core.manifest import checked
from blemish.core.store import read
from blemish.fitting.manifest import Manifest


@pytest.fixture
def facts(table_detector, tmp_path):
    table_detector.save(tmp_path / "m.blemish")
    return read(tmp_path / "m.blemish")[1]


def of(facts, **detector):
    import json

    return checked(Manifest, json.dumps({**facts, "detector": {**facts["detector"], **detector}}), "it")


def test_a_manifest_is_what_was_saved(facts, table_detector):
    found = of(facts)
    assert found.detector["promise_"] == table_detector.promise_
    assert found.detector["history_"] == table_detector.history_
    assert found.n_defects == 8


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"prior_": {"normal": 0.5, "other": 0.1, "defect": 0.1}}, "the fractions of prior_ do not sum to 1"),
        ({"prior_": {"normal": 2.0, "other": 0.0, "defect": -1.0}}, "'detector.prior_.normal': Input should be less"),
        ({"notes_": {"run": {"labels": 7}}}, "labels"),
        ({"notes_": {"taken_out": "x"}}, "taken_out"),
        ({"threshold_": None}, "'detector.threshold_': Input should be a valid number"),
    ],
)
def test_what_would_fail_later_is_refused(changed, message, facts):
    with pytest.raises(ArtifactError, match=message):
        of(facts, **changed)


def test_a_user_may_keep_notes_of_any_kind(facts):
    assert of(facts, notes_={"mine": [1, {"a": None}]}).detector["notes_"] == {"mine": [1, {"a": None}]}
