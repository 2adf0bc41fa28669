"""Warnings where scores cannot be reliable."""

from dataclasses import replace

import numpy as np
import pytest

from blemish import DefectDetector
from blemish.calibration.calibration import Calibration
from blemish.calibration.quality import warn_of_quality
from blemish.core.errors import QualityWarning


def test_labels_that_do_not_improve_the_ranking_are_noticed():
    ordinary = np.linspace(0, 1, 101)
    useless = Calibration(ordinary, ordinary, np.full(5, 0.5))
    with pytest.warns(QualityWarning, match=r"5 labelled defects, .* above 50% .* above 8.%: .*; label more defects"):
        warn_of_quality(useless, np.full(5, 0.9), 1.0)
    with pytest.warns(QualityWarning, match="all codes are equal"):
        warn_of_quality(Calibration(ordinary), np.empty(0), 0.0)
    warn_of_quality(replace(useless, out_of_fold=np.full(5, 0.9)), np.full(5, 0.9), 1.0)
    warn_of_quality(replace(useless, out_of_fold=np.full(3, 0.5)), np.full(3, 0.9), 1.0)


def test_random_labels_are_noticed_by_a_detector():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 3))
    far = np.arange(6)
    x[far] = 9 * np.repeat(np.eye(3), 2, axis=0) * np.tile([1, -1], 3)[:, None]  # alike in nothing but being unusual
    y = np.full(400, None, dtype=object)
    y[far] = "defect"
    scorer = {"name": "ensemble", "experts": {"plain": ["linear", "isolation"]}, "free_share": 1e-9}
    with pytest.warns(QualityWarning, match="the labels do not improve the ranking yet"):
        DefectDetector(epochs=1, random_state=0, scorer=scorer).fit(x, y)
