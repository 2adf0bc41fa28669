"""Rows of evidence are taken like rows of an array."""

import numpy as np

from blemish.core.labels import DEFECT
from scoring_examples import example


def test_evidence_can_be_indexed_by_masks_and_numbers():
    evidence, group = example()
    assert len(evidence) == 214
    assert len(evidence[group == DEFECT]) == 8
    assert np.array_equal(evidence[np.array([3, 1])].error, evidence.error[[3, 1]])
