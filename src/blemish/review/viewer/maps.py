"""The map of the score over a picture: computed when the picture is opened, one at a time, and kept for a while."""

import threading
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
from jaxtyping import Float
from PIL import Image as Pillow
from scipy.ndimage import binary_erosion

from blemish.core.errors import BlemishError
from blemish.modalities.features import FeatureCache, caching
from blemish.review.drawings import HEAT, encoded, fitting_size

SIDE = 1024
"""Pixels of the longer side of a map: it is smooth, and laid over the picture at any zoom."""
MAX_MAPS = 64
FAINT, CUT = 0.05, 0.001
"""Fractions of the area of normal pictures that lie above where colour begins, and where an outline does."""
EDGE = (150, 30, 0)
MAX_CACHED = 2**28  # bytes of a picture's parts, which the map and its regions share
REGION = ("x", "y", "width", "height", "score")
MAX_REGIONS = 50


@dataclass(frozen=True)
class ScoreMap:
    """What a model sees in one picture.

    Attributes:
        overlay: A transparent PNG to lay over the picture; None: there is no map.
        regions: The highest first: x, y, width and height as fractions of the picture's sides, and score.
        kind: 'defect', or 'other' where no defect is labelled.
        note: What a person should know: why there is no map, or no outline.
    """

    overlay: bytes | None
    regions: list[dict[str, float]]
    kind: str
    note: str = ""


def score_map(det: Any, X: Any) -> ScoreMap:
    """The map of one picture, as `det.heat` and `det.regions` have it."""
    kind = "defect" if det.fitted_.n_defects else "other"  # of all kinds together
    with caching(FeatureCache(MAX_CACHED)):
        try:
            heat = det.heat(X)[0]
        except BlemishError as error:
            return ScoreMap(None, [], kind, str(error))
        if heat is None:
            return ScoreMap(None, [], kind, "the picture cannot be decoded")
        levels, cut, regions, note = det.fitted_.area_levels, None, [], ""
        try:
            cut = levels.cut(CUT)
            found = nw.from_native(det.regions(X, false_alarm_area=CUT)).head(MAX_REGIONS)
            regions = [_as_fractions(one, *heat.shape) for one in found.iter_rows(named=True)]
        except BlemishError:
            note = "no outlines: too few normal pictures to say what is unusual for one in a thousand of their area"
    faint = float(np.quantile(heat, 0.9))
    with suppress(BlemishError):
        faint = levels.cut(FAINT)
    return ScoreMap(overlay(heat, faint, cut), regions, kind, note)


def _as_fractions(region: dict[str, Any], height: int, width: int) -> dict[str, float]:
    sides = {"x": width, "width": width, "y": height, "height": height, "score": 1}
    return {name: round(float(region[name]) / sides[name], 5) for name in REGION}


def overlay(heat: Float[np.ndarray, "height width"], faint: float, cut: float | None) -> bytes:
    """A map as a transparent PNG: orange above `faint`, the more the higher, and a line around what is above `cut`.

    Args:
        heat: Scores.
        faint: Where colour begins.
        cut: Where the line is; None: there is none.
    """
    height, width = heat.shape
    small = Pillow.fromarray(heat.astype(np.float32)).resize(
        fitting_size(width, height, SIDE), Pillow.Resampling.BILINEAR
    )
    scores = np.asarray(small)
    full = max(float(scores.max()), faint if cut is None else cut)
    alpha = np.clip((scores - faint) / max(full - faint, 1e-9), 0, 1)
    pixels = np.empty((*scores.shape, 4), dtype=np.uint8)
    pixels[..., :3], pixels[..., 3] = HEAT, np.round(150 * alpha)
    if cut is not None:
        above = scores > cut
        pixels[above & ~binary_erosion(above, iterations=2, border_value=1)] = (*EDGE, 255)
    return encoded(Pillow.fromarray(pixels), "PNG", compress_level=1)


@dataclass
class _Pending:
    det: Any
    made: "Future[ScoreMap]"
    waiting: int = 0


class Maps:
    """Maps of the pictures that are opened; one is computed at a time, and those no one waits for are left out."""

    def __init__(self) -> None:
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="map")
        self._pending: OrderedDict[str, _Pending] = OrderedDict()
        self._turn = threading.Lock()

    def ask(self, digest: str, det: Any, take: Any) -> "Future[ScoreMap]":
        """The map of a picture by a model, now or later; every call needs its `leave`.

        Args:
            digest: The picture's content hash.
            det: The model; a map by another one is out of date.
            take: Gives the picture as the model takes it.
        """
        with self._turn:
            one = self._pending.get(digest)
            if one is None or one.det is not det or one.made.cancelled():
                one = _Pending(det, self._worker.submit(lambda: score_map(det, take())))
                self._pending[digest] = one
            self._pending.move_to_end(digest)
            one.waiting += 1
            while len(self._pending) > MAX_MAPS:
                self._pending.popitem(last=False)
            return one.made

    def leave(self, digest: str, made: "Future[ScoreMap]") -> None:
        """Someone does not wait any more; a map that no one waits for is not begun, and a failed one is tried again."""
        with self._turn:
            one = self._pending.get(digest)
            if one is None or one.made is not made:
                made.cancel()
                return
            one.waiting -= 1
            failed = made.done() and not made.cancelled() and made.exception() is not None
            if failed or (one.waiting <= 0 and made.cancel()):
                del self._pending[digest]

    def stop(self) -> None:
        """Begin no more of them."""
        self._worker.shutdown(wait=False, cancel_futures=True)
