"""What small models say does not change, to the bit on the machine that wrote the expectations.

On another machine, or with other versions, rounding differs: there scores must rank alike (Spearman's correlation of
0.95), nine of ten labels be the same, and shapes, columns, names and counts be equal. `write.py` writes anew.
"""

import numpy as np
import pytest
from golden_cases import CASES, expected, observe, order_agrees, same_machine

RANKED = (
    "outlier_score", "defect_score", "decision_function", "onnx.outlier_score", "onnx.defect_score",
    "refit.outlier_score", "refit.defect_score",
)  # fmt: skip
LABELS = ("predict", "onnx.label")
FORMS = ("forms", "classes", "rows", "refit_rows", "outputs", "loaded_equal")


def to_the_bit(found, wanted):
    """What differs, in words; empty where nothing does."""
    said = []
    for name in wanted:
        one, other = found[name], wanted[name]
        if one.shape != other.shape or one.dtype != other.dtype:
            said.append(f"{name}: {one.dtype}{one.shape}, not {other.dtype}{other.shape}")
        elif not np.array_equal(one, other, equal_nan=one.dtype.kind == "f"):
            by = f" by up to {np.nanmax(np.abs(one - other)):.3g}" if one.dtype.kind == "f" else ""
            said.append(f"{name}: {np.count_nonzero(one != other)} of {one.size} differ{by}")
    return said


def loosely(found, wanted):
    """What differs by more than another machine's rounding, in words."""
    said = [f"{name}: {found[name].shape}" for name in wanted if found[name].shape != wanted[name].shape]
    if said:
        return said
    said += [name for name in RANKED if name in wanted and not order_agrees(found[name], wanted[name])]
    said += [name for name in LABELS if name in wanted and np.mean(found[name] == wanted[name]) < 0.9]
    return said


@pytest.mark.parametrize("case", CASES)
def test_a_model_says_what_it_said(case, tmp_path):
    arrays, facts = observe(case, tmp_path)
    wanted, wanted_facts = expected(case)
    assert sorted(arrays) == sorted(wanted)
    assert {name: facts.get(name) for name in FORMS} == {name: wanted_facts.get(name) for name in FORMS}
    assert all(facts["loaded_equal"].values())
    assert list(facts["explain"]) == list(wanted_facts["explain"])
    exact = same_machine("expected")
    said = (to_the_bit if exact else loosely)(arrays, wanted)
    assert not said, f"{case}: {'; '.join(said)}"
    if exact:
        assert facts == wanted_facts
