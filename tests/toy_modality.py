"""A kind of data that Blemish does not have, in one file: recordings of equal length, (row, channel, time)."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import pytest
from annotated_types import Len
from typing_extensions import TypedDict

from blemish.core.errors import DataError
from blemish.core.manifest import Positive, Size, declared
from blemish.core.state import need
from blemish.modalities import MODALITIES
from blemish.modalities.modality import ExportableModality, Modality, OnPage


@dataclass(frozen=True)
class Signal(Modality):
    """Signals, scaled by channel."""

    on_page: ClassVar[OnPage] = OnPage("curve")

    def fit(self, raw: Any) -> "FittedSignal":
        """Learn the mean and spread of each channel."""
        x = checked(raw)
        return FittedSignal(x.mean(axis=(0, 2)), x.std(axis=(0, 2)) + 1e-9, x.shape[2])


@declared
class SignalFacts(TypedDict):
    """What a model file keeps of signals."""

    centre: Annotated[list[float], Len(1)]
    scale: list[Positive]
    length: Size


class FittedSignal(ExportableModality):
    """Signals as tensors, each channel with mean 0 and spread 1."""

    inputs, stored = "array", SignalFacts

    def __init__(self, centre: np.ndarray, scale: np.ndarray, length: int) -> None:
        """Keep what was learnt."""
        self.centre, self.scale, self.sample_shape = centre, scale, (len(centre), length)

    def to_tensor(self, raw: Any) -> np.ndarray:
        """Scaled signals; DataError where they have another shape."""
        x = checked(raw)
        if x.shape[1:] != self.sample_shape:
            raise DataError(f"the signals have shape {x.shape[1:]}, the model was fitted on {self.sample_shape}")
        return ((x - self.centre[:, None]) / self.scale[:, None]).astype(np.float32)

    def to_raw(self, x: np.ndarray) -> np.ndarray:
        """Signals in the user's unit."""
        return x * self.scale[:, None] + self.centre[:, None]

    def graph(self, graph):
        """`to_tensor` in ONNX."""
        x = graph.input("X", np.float64, ["row", *self.sample_shape])
        return ((x - self.centre[:, None]) / self.scale[:, None]).to(np.float32)

    def state(self) -> dict[str, Any]:
        """What was learnt."""
        return {"centre": self.centre.tolist(), "scale": self.scale.tolist(), "length": self.sample_shape[1]}

    @classmethod
    def from_state(cls, state: SignalFacts) -> "FittedSignal":
        """The inverse of `state`."""
        need(len(state["centre"]) == len(state["scale"]), "a channel has no scale")
        return cls(np.array(state["centre"]), np.array(state["scale"]), state["length"])


def checked(raw: Any) -> np.ndarray:
    """Signals as floats; DataError where they are none."""
    x = np.asarray(raw, dtype=np.float64)
    if x.ndim != 3 or not np.isfinite(x).all():
        raise DataError(f"expected finite signals (row, channel, time), got shape {x.shape}")
    return x


Signal.fitted = FittedSignal


@pytest.fixture
def signal(monkeypatch):
    """The kind of data 'signal' in the dict; the 'one line'."""
    monkeypatch.setitem(MODALITIES, "signal", Signal)


def waves(n, rng, spike=False):
    """Two channels of 24 steps: noisy sine and cosine; a defect has a spike in the second channel at step 9."""
    time, phase = np.linspace(0, 4 * np.pi, 24), rng.uniform(0, 6, (n, 1))
    x = np.stack([np.sin(time + phase), np.cos(time + phase)], axis=1) + rng.normal(0, 0.1, (n, 2, 24))
    x[:, 1, 9] += 4.0 * spike
    return x
