"""The arrays of a part: declared once, checked when a file is read."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from jaxtyping import Float64, Int32

from blemish.core.errors import ArtifactError
from blemish.core.state import Learns, State, Stored, need


@dataclass(frozen=True)
class Scale(State):
    scale: Float64[np.ndarray, " feature"]

    def check(self):
        need(self.scale > 0, "a scale is not above 0")


@dataclass(frozen=True)
class Whole(State):
    may_be_empty = ("other",)
    stored_as = {"near": "close"}  # noqa: RUF012

    points: Float64[np.ndarray, "point feature"]
    pairs: Int32[np.ndarray, "other 2"]
    near: Float64[np.ndarray, ""]
    scaling: Scale | None = None


WHOLE = Whole(np.ones((3, 2)), np.zeros((0, 2), np.int32), np.array(1.0), Scale(np.ones(2)))


def read(given=None, sizes=None, **changed):
    arrays = {name: x for name, x in {**WHOLE.arrays(), **changed}.items() if x is not None}
    return Whole.read(Stored(arrays), given, **(sizes or {}))


def test_a_state_is_its_arrays_by_the_names_of_the_file():
    assert list(WHOLE.arrays()) == ["points", "pairs", "close", "scale"]
    assert {name: x.tolist() for name, x in read().arrays().items()} == {
        n: x.tolist() for n, x in WHOLE.arrays().items()
    }


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"points": None}, "array 'points' is missing"),
        ({"points": np.ones((3, 2), np.float32)}, "array 'points' holds float32, expected float64"),
        ({"points": np.ones(3)}, "array 'points' has shape .3,., expected .point = 3, feature."),
        ({"points": np.ones((0, 2))}, "array 'points' has shape .0, 2., expected .point = 0, feature = 2."),
        ({"points": np.array([[1.0, np.inf]])}, "array 'points' holds NaN or infinity"),
        ({"pairs": np.zeros((1, 3), np.int32)}, "array 'pairs' has shape .1, 3., expected .other = 1, 2."),
        ({"close": np.ones(1)}, "array 'close' has shape .1,., expected .."),
        ({"scale": np.ones(3)}, "array 'scale' has shape .3,., expected .feature = 2."),
        ({"scale": np.array([1.0, 0.0])}, "arrays '…': a scale is not above 0"),
    ],
)
def test_what_is_not_as_declared_is_refused(changed, message):
    with pytest.raises(ArtifactError, match=f"^{message}"):
        read(**changed)


def test_what_is_optional_may_be_there_must_or_must_not():
    assert read(scale=None).scaling is None
    with pytest.raises(ArtifactError, match="array 'scale' is missing"):
        read({"scaling": True}, scale=None)
    stored = Stored(WHOLE.arrays())
    assert Whole.read(stored, {"scaling": False}).scaling is None
    with pytest.raises(ArtifactError, match="array 'scale' belongs to no part of the model"):
        stored.check_empty()


def test_lengths_that_are_known_bind_and_every_array_is_handed_out_once():
    assert read(sizes={"feature": 2}).points.shape == (3, 2)
    with pytest.raises(ArtifactError, match="expected .point = 3, feature = 4."):
        read(sizes={"feature": 4})
    stored = Stored({"a.b": np.ones(2)}).under("a")
    assert stored
    assert "b" in stored
    stored.take("b", ("float64",), (2,), {})
    assert not stored
    with pytest.raises(ArtifactError, match=r"array 'a\.b' is missing"):
        stored.take("b", ("float64",), (2,), {})


def test_a_field_that_could_not_be_checked_cannot_be_stored():
    @dataclass(frozen=True)
    class Bare(State):
        x: np.ndarray

    with pytest.raises(TypeError, match="Bare.x is neither a jaxtyping array nor a state; a file cannot keep it"):
        Bare(np.ones(1)).arrays()


def test_what_learns_declares_its_state():
    with pytest.raises(TypeError, match="^Part needs a class attribute 'state'"):
        type("Part", (Learns,), {"fit": lambda self: None})
    part: Any = type("Part", (Learns,), {"fit": lambda self: None, "state": Scale})
    assert part.state is Scale
