"""Thresholds reach their targets, and p-values are valid."""

from copy import copy

import pytest

from blemish import DefectDetector
from blemish.core.errors import ConfigError, DataError
from blemish.datasets import ring


def test_p_values_are_valid(table_split):
    many = ring(n_normal=1500, n_test=1000)
    normals, fresh = many.X_train[:1500], many.X_test[many.group_test == "normal"]
    det = DefectDetector(epochs=5, random_state=0).fit(normals)
    p = det.p_values(fresh)
    assert ((p > 0) & (p <= 1)).all()
    for level in (0.05, 0.1, 0.2, 0.5):
        assert (p <= level).mean() <= level + 3 * (level * (1 - level) * (1 / 300 + 1 / 1000)) ** 0.5
    chosen = det.select(table_split.X_test, fdr=0.1)
    assert chosen[table_split.group_test == "other"].mean() > 0.9
    assert (chosen & (table_split.group_test == "normal")).sum() <= 0.2 * chosen.sum()
    with pytest.raises(ConfigError, match="fdr=1.5 must lie strictly between 0 and 1"):
        det.select(fresh, fdr=1.5)
    with pytest.raises(DataError, match="p-values need held-out rows; fit on at least 100"):
        DefectDetector(epochs=1, random_state=0).fit(normals[:30]).p_values(fresh)


def test_thresholds_reach_their_target(table_split, trained_detector):
    det = copy(trained_detector)
    normal = table_split.X_test[table_split.group_test == "normal"]
    det.set_threshold(false_positive_rate=0.05)
    assert (det.predict(normal) == "defect").mean() < 0.2
    cut = det.threshold_
    assert det.set_threshold(budget=10).threshold_ < cut
    assert det.promise_.estimate == pytest.approx(10, abs=1.5)
    found = det.set_threshold(recall=0.5).promise_
    assert (found.target, found.value, found.threshold, found.n) == ("recall", 0.5, det.threshold_, 8)
    assert found.low < 0.5 < found.estimate < found.high
    assert det.set_threshold(contamination=0.1).promise_.estimate == pytest.approx(0.1, abs=0.02)
    with pytest.raises(
        DataError, match="recall=0.9 needs at least 9 labelled defects, there are 8; 8 support at most recall=0.88"
    ):
        det.set_threshold(recall=0.9)
    with pytest.raises(DataError, match="precision needs rows labelled 'other' or 'normal'"):
        det.set_threshold(precision=0.9)
    with pytest.raises(ConfigError, match="give exactly one of recall, precision"):
        det.set_threshold()
    with pytest.raises(ConfigError, match="got recall, budget"):
        det.set_threshold(recall=0.5, budget=3)
