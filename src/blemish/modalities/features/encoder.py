"""Patches of a picture as an encoder of the user's own sees them: a local ONNX file, run by ONNX Runtime.

See docs/encoder.md. The file is not part of a model file, which keeps where it was and its SHA-256.
"""

import hashlib
import os
from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from pathlib import Path
from typing import Annotated, Any, NotRequired

import numpy as np
import torch
from annotated_types import Ge, Le, Len
from jaxtyping import Float
from torch import Tensor
from typing_extensions import TypedDict

from blemish.core.errors import ConfigError, DataError, missing_extra, reason_of
from blemish.core.files import folder_being_read, open_regular
from blemish.core.graph import onnx_package
from blemish.core.manifest import Count, Positive, Size, declared

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and standard deviation of the colours, in [0, 1], of ImageNet; most encoders were trained in these units."""
CROP = 448
"""Pixels per side that are looked at together, where the file takes any size: what a transformer needs grows with the
fourth power of the side. Many steps divide it (7, 8, 14, 16, 28, 32, 56, 64)."""
OVERLAP = 8  # a crop overlaps its neighbour by one of this many parts of its side, or more
MIN_PATCHES = 8  # along the longer side of the median picture, which is enlarged for it
MAX_STEP, MAX_SIDE, MAX_WIDTH, MAX_EXTRA = 64, 2048, 8192, 16
ENDLESS = ("Loop", "Scan", "SequenceMap")
RANDOM = ("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli")
NO_OTHER_FILES = ("session.model_external_initializers_file_folder_path", os.devnull)

Colours = Annotated[list[float], Len(3, 3)]


@declared
class EncoderFacts(TypedDict):
    """What a model file keeps of an encoder; see `Encoder`."""

    path: str
    digest: Annotated[str, Len(64, 64)]
    mean: Colours
    std: Annotated[list[Positive], Len(3, 3)]
    step: Annotated[int, Ge(1), Le(MAX_STEP)]
    width: Annotated[int, Ge(1), Le(MAX_WIDTH)]
    extra: Annotated[Count, Le(MAX_EXTRA)]
    side: NotRequired[Annotated[list[Size], Len(2, 2)]]


@dataclass(frozen=True)
class Encoder:
    """A file, and what was found out about it; it is opened when it is first used.

    Attributes:
        path: Where the file was when the model was fitted.
        digest: Its SHA-256.
        mean: Subtracted from colours in [0, 1].
        std: What they are then divided by.
        step: Pixels between two patches.
        width: Numbers per patch.
        extra: Tokens before those of the patches, such as a class token; they are left out.
        side: Height and width in pixels, where the file takes no other; pictures are cut into crops of that size.
        folder: Of the model file: where the file is looked for if it is not at its path.
    """

    path: str
    digest: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    step: int
    width: int
    extra: int
    side: tuple[int, int] | None = None
    folder: Path | None = None

    @classmethod
    def open(cls, path: str, mean: tuple[float, ...] | None = None, std: tuple[float, ...] | None = None) -> "Encoder":
        """Look at a file, and try it.

        Raises:
            ConfigError: If there is no such file, or it is not an encoder; see docs/encoder.md.
            MissingExtraError: If ONNX Runtime is not installed.
        """
        content = _content(Path(path))
        digest = hashlib.sha256(content).hexdigest()
        session = _session(path, digest)
        side = _side(session, path)
        height, width = side or (CROP, CROP)
        first = _run(session, np.zeros((1, 3, height, width), np.float32), path)
        step, channels, extra = _geometry(first, (height, width), path)
        if side is None:
            longer = _run(session, np.zeros((1, 3, height, 2 * width), np.float32), path)
            if _geometry(longer, (height, 2 * width), path) != (step, channels, extra):
                raise ConfigError(f"encoder {path} gives another grid for a wide picture; export it for one fixed size")
        where = str(Path(path).resolve())
        return cls(where, digest, mean or MEAN, std or STD, step, channels, extra, side)

    def enlarged_size(self, height: int, width: int, growth: float) -> tuple[int, int]:
        """Pixels of a picture once it is enlarged: whole steps, and at least what the file takes."""
        least = self.side or (self.step, self.step)
        rows, columns = (
            max(low, round(side * growth / self.step) * self.step)
            for side, low in zip((height, width), least, strict=True)
        )
        return rows, columns

    def growth_for(self, longer: Float[np.ndarray, " picture"], shorter: Float[np.ndarray, " picture"]) -> float:
        """By how much pictures with these sides are enlarged at least: some patches, and one crop is full."""
        fill = 0.0 if self.side is None else max(self.side) / float(np.median(shorter))
        return max(1.0, MIN_PATCHES * self.step / float(np.median(longer)), fill)

    def maps(self, picture: Float[Tensor, "3 height width"]) -> Float[Tensor, "feature rows columns"]:
        """What it gives for a picture in [0, 1] of a size that `enlarged_size` gave: the mean of overlapping crops.

        Raises:
            DataError: If the file is absent or another one, or fails, or gives numbers that are not finite.
            MissingExtraError: If ONNX Runtime is not installed.
        """
        session, where = self._session()
        mean, std = (torch.tensor(units, dtype=torch.float32)[:, None, None] for units in (self.mean, self.std))
        inner = ((picture.cpu() - mean) / std).numpy()
        rows, columns = (side // self.step for side in inner.shape[-2:])
        total, times = np.zeros((self.width, rows, columns), np.float32), np.zeros((rows, columns), np.float32)
        sides = self.side or (CROP // self.step * self.step,) * 2
        tops, lefts = (self._starts(side, crop) for side, crop in zip(inner.shape[-2:], sides, strict=True))
        for top in tops:
            for left in lefts:
                crop = inner[None, :, top : top + sides[0], left : left + sides[1]]
                height, width = (side // self.step for side in crop.shape[-2:])
                grid = self._grid(_run(session, np.ascontiguousarray(crop), where), height, width)
                row, column = top // self.step, left // self.step
                place = slice(row, row + height), slice(column, column + width)
                total[:, *place] += grid
                times[place] += 1
        return torch.from_numpy(total / times)

    def _starts(self, side: int, crop: int) -> list[int]:
        if side <= crop:
            return [0]
        overlap = max(self.step, crop // OVERLAP) if crop > self.step else 0
        n = ceil((side - overlap) / (crop - overlap))
        return [round(start / self.step) * self.step for start in np.linspace(0, side - crop, n)]

    def _grid(self, found: np.ndarray, rows: int, columns: int) -> Float[np.ndarray, "feature rows columns"]:
        expected = (self.width, rows, columns) if found.ndim == 4 else (self.extra + rows * columns, self.width)
        if found.shape[1:] != expected:
            raise DataError(
                f"encoder {self.path} gave {found.shape[1:]} instead of {expected}: export it for one fixed size"
            )
        if not np.isfinite(found).all():
            raise DataError(f"encoder {self.path} gave NaN or infinity; export it in float32, or check mean and std")
        return found[0] if found.ndim == 4 else found[0, self.extra :].T.reshape(self.width, rows, columns)

    def _session(self) -> tuple[Any, str]:
        """Opened, from where it was, or alongside the model file."""
        path, other = Path(self.path), False
        places = list(dict.fromkeys([path, *([] if self.folder is None else [self.folder / path.name])]))
        for place in places:
            try:
                return _session(str(place), self.digest), str(place)
            except FileNotFoundError:
                continue
            except _AnotherFileError:
                other = True
        where = " nor ".join(map(str, places))
        what = f"the file that it was fitted with is {'neither' if len(places) > 1 else 'not'}"
        changed = " (there is another one of that name)" if other else ""
        raise DataError(
            f"this model needs its encoder: {what} {where}{changed}; put it there, its SHA-256 is {self.digest}"
        )

    def state(self) -> EncoderFacts:
        """All of it as JSON values."""
        facts: EncoderFacts = {
            "path": self.path, "digest": self.digest, "mean": list(self.mean), "std": list(self.std),
            "step": self.step, "width": self.width, "extra": self.extra,
        }  # fmt: skip
        return facts if self.side is None else {**facts, "side": list(self.side)}

    @classmethod
    def from_state(cls, state: EncoderFacts) -> "Encoder":
        """The inverse of `state`."""
        height, width = state.get("side", (0, 0))
        return cls(
            state["path"],
            state["digest"],
            tuple(state["mean"]),
            tuple(state["std"]),
            state["step"],
            state["width"],
            state["extra"],
            (height, width) if height else None,
            folder_being_read(),
        )


class _AnotherFileError(Exception):
    """There is a file, but not the one that is meant."""


def _content(path: Path) -> bytes:
    try:
        with open_regular(path) as file:
            return file.read()
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"encoder {path} cannot be read ({reason_of(error)}); give the path of an ONNX file"
        ) from None


@lru_cache(maxsize=4)
def _session(path: str, digest: str) -> Any:
    """A file, opened once.

    Raises:
        FileNotFoundError: If there is none.
        _AnotherFileError: If it has another digest.
        ConfigError: If it is not a model that can be run, or may never end.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(path)
    content = _content(Path(path))
    if hashlib.sha256(content).hexdigest() != digest:
        raise _AnotherFileError(path)
    try:
        import onnxruntime
    except ImportError:
        raise missing_extra("onnxruntime", "onnx") from None
    _check_nodes(content, path)
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry(*NO_OTHER_FILES)
    options.intra_op_num_threads, options.log_severity_level = torch.get_num_threads(), 4
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own errors have no common base
        raise ConfigError(f"encoder {path} cannot be run ({reason_of(error)[:200]}); export it again") from None


def _check_nodes(content: bytes, path: str) -> None:
    """Refuse what is not a graph, lies in several files, may never end, or is not the same twice."""
    onnx = onnx_package()
    try:
        model = onnx.load_model_from_string(content)
    except Exception as error:
        reason = reason_of(error)[:200]
        raise ConfigError(f"encoder {path} is not an ONNX model, or it is truncated ({reason})") from None
    if not model.graph.node:
        raise ConfigError(f"encoder {path} is not an ONNX model, or it is empty; give the path of an ONNX file")
    graphs: list[Any] = [model.graph, *model.functions]
    while graphs:
        graph = graphs.pop()
        tensors = list(getattr(graph, "initializer", ()))
        for node in graph.node:
            if node.op_type in ENDLESS:
                raise ConfigError(f"encoder {path} has a loop ({node.op_type}), which may never end; export it without")
            if node.op_type in RANDOM:
                raise ConfigError(f"encoder {path} draws random numbers ({node.op_type}); export it for inference")
            for attribute in node.attribute:
                graphs += [attribute.g] if attribute.HasField("g") else []
                graphs += attribute.graphs
                tensors += [attribute.t] if attribute.HasField("t") else []
        if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in tensors):
            raise ConfigError(f"encoder {path} keeps its weights in another file; save it as one file")


def _side(session: Any, path: str) -> tuple[int, int] | None:
    """The one size that it takes, None for any."""
    given = session.get_inputs()
    shape = given[0].shape if len(given) == 1 and given[0].type == "tensor(float)" else []
    fixed = [(at, n) for at, n in enumerate(shape[:2]) if isinstance(n, int) and n != (1, 3)[at]]
    if len(shape) != 4 or fixed:
        got = ", ".join(f"{one.name} {one.type} {one.shape}" for one in given)[:200]
        raise ConfigError(f"encoder {path} takes {got}; expected one input, float32, (batch, 3, height, width)")
    sides = [side if isinstance(side, int) and side > 0 else None for side in shape[2:]]
    if sides == [None, None]:
        return None
    height, width = (side or sides[0] or sides[1] or 0 for side in sides)
    if max(height, width) > MAX_SIDE:
        raise ConfigError(f"encoder {path} takes pictures of {height} x {width}; at most {MAX_SIDE} pixels per side")
    return height, width


def _run(session: Any, x: Float[np.ndarray, "1 3 height width"], path: str) -> np.ndarray:
    """The first output with four axes, or else with three."""
    try:
        found = session.run(None, {session.get_inputs()[0].name: x})
    except Exception as error:
        size = " x ".join(map(str, x.shape[2:]))
        raise ConfigError(f"encoder {path} fails on a picture of {size} ({reason_of(error)[:200]})") from None
    for n_axes in (4, 3):
        for one in found:
            if isinstance(one, np.ndarray) and one.dtype.kind == "f" and one.ndim == n_axes and len(one) == 1:
                return one.astype(np.float32)
    shapes = ", ".join(str(np.shape(one)) for one in found)[:200]
    raise ConfigError(f"encoder {path} gives {shapes}: no grid of patches; {EXPECTED}")


EXPECTED = "expected (batch, channels, rows, columns) or (batch, tokens, channels)"


def _geometry(found: np.ndarray, size: tuple[int, int], path: str) -> tuple[int, int, int]:
    """Step in pixels, numbers per patch, and tokens that are not of patches, of an output for a picture of this size.

    Tokens: those of the finest grid that there are enough for; the others, a class token and registers, come first.
    """
    height, width = size
    steps = [step for step in range(1, MAX_STEP + 1) if not (height % step or width % step)]
    if found.ndim == 4:
        fitting = [(step, found.shape[1], 0) for step in steps if found.shape[2:] == (height // step, width // step)]
    else:
        extras = [(step, found.shape[1] - height // step * (width // step)) for step in steps]
        fitting = [(step, found.shape[2], extra) for step, extra in extras if 0 <= extra <= MAX_EXTRA][:1]
    if not fitting or not 1 <= fitting[0][1] <= MAX_WIDTH:
        raise ConfigError(
            f"encoder {path} gives {found.shape} for a picture of {height} x {width}: no grid of whole steps of up to "
            f"{MAX_STEP} pixels; {EXPECTED}"
        )
    return fitting[0]
