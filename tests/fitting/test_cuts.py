"""Cuts of a fitted detector; those of several kinds are in `modalities/test_toy_kinds.py`."""

import numpy as np
import pytest

from blemish import DefectDetector
from blemish.core.errors import ConfigError, NoDefectsError

PLAIN = {"name": "ensemble", "experts": {"plain": ["linear", "neighbours"]}}


@pytest.fixture(scope="module")
def det():
    x = np.random.default_rng(0).normal(size=(150, 3))
    x[:20] += 4
    y = ["crack"] * 8 + [None] * 142
    return DefectDetector(scorer=PLAIN, epochs=1, random_state=0, defects=("crack",)).fit(x, y)


def test_a_single_kind_of_another_name_is_cut_as_the_default_one(det):
    det.set_threshold(recall=0.8, kind="crack")
    assert det.promises_ == {}
    assert det.thresholds_ == {"crack": det.threshold_}
    assert det.promise_.target == "recall"


def test_a_kind_that_there_is_not_is_refused(det):
    with pytest.raises(ConfigError, match="kind='crak' is not one of crack; did you mean 'crack'"):
        det.set_threshold(recall=0.8, kind="crak")
    with pytest.raises(ConfigError, match="give one for each of crack"):
        det.set_prior(defect={"dent": 0.1})


def test_without_labels_no_kind_has_a_cut(det):
    x = np.random.default_rng(0).normal(size=(60, 3))
    fresh = DefectDetector(scorer=PLAIN, epochs=1, random_state=0).fit(x)
    with pytest.raises(NoDefectsError, match="label some as 'defect'"):
        fresh.set_threshold(budget=2, kind="defect")
