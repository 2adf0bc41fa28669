"""Which kinds are taken for which, by out-of-fold scores."""

from typing import Any

import numpy as np
import pytest

from blemish.calibration.calibration import Calibration
from blemish.calibration.kinds import UNKNOWN, KindsOutOfFold, Named, confusion
from blemish.calibration.thresholds import clopper_pearson
from blemish.core.errors import ArtifactError

FOUND = KindsOutOfFold(
    np.array([0, 0, 0, 1, 1, 2]),
    np.array([[3, 1, UNKNOWN], [2, 4, UNKNOWN], [0.5, 0, UNKNOWN], [1, 5, UNKNOWN], [0, 2, UNKNOWN], [9, 0, UNKNOWN]]),
)


def test_the_confusion_counts_who_is_named_what_with_exact_intervals():
    crack, pinhole, dent = confusion(FOUND, ["crack", "pinhole", "dent"], {"crack": 1.0, "pinhole": 1.0, "dent": 1.0})
    assert (crack.n, crack.named) == (3, {"crack": 1, "pinhole": 1, "dent": 0, "": 1})
    assert (crack.right, crack.low, crack.high) == (0.5, *clopper_pearson(1, 2))
    assert pinhole.right == 1
    assert "named right 100%" in pinhole.text
    assert (dent.n, dent.right) == (0, None)
    assert "unknown with a single label" in dent.text


def test_the_kind_above_its_own_cut_by_most_is_named():
    crack, *_ = confusion(FOUND, ["crack", "pinhole", "dent"], {"crack": 1.0, "pinhole": 4.5, "dent": 1.0})
    assert crack.named == {"crack": 2, "pinhole": 0, "dent": 0, "": 1}


def test_labelled_defects_of_other_kinds_are_negatives_of_a_kind():
    whole = Calibration(np.arange(2.0), np.arange(2.0), counted=np.array([0]))
    own: Any = FOUND.calibration(1, whole, np.array([2.0, 1.0]), np.array([7.0]))
    assert own.defect.tolist() == [1, 2]
    assert own.out_of_fold.tolist() == [5, 2]
    assert own.labelled_negatives.tolist() == [7, 1, 4, 0, 0]
    assert own.counted is None


def test_no_defect_is_of_a_kind_that_there_is_not():
    with pytest.raises(ArtifactError, match="a kind that there is not"):
        KindsOutOfFold(np.array([3]), np.zeros((1, 2))).check()


def test_what_is_no_kind_is_not_reported():
    found = Named.of("crack", ["crack", "normal", "other"], ("crack", "dent"))
    assert found.named == {"crack": 1, "dent": 0, "": 2}
