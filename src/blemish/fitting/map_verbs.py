"""What a fitted detector says about places in its samples: maps, regions; and what it is told about them."""

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Int

from blemish.core.errors import DataError
from blemish.data.columns import frame_of
from blemish.data.dataset import Dataset
from blemish.data.regions.outlines import REGION
from blemish.fitting.choices import choose_modality
from blemish.fitting.fitted import Fitted
from blemish.fitting.maps import heats, named_regions
from blemish.modalities.parts import HasParts


class MapVerbs(ABC):
    """The verbs of a fitted detector that are about places; see `Verbs`."""

    fitted_: Fitted

    @abstractmethod
    def _rows(self, X: Any) -> Dataset:
        """Samples of the kind that was fitted."""

    def heat(self, X: Any, kind: str | None = None) -> list[Any]:
        """Where is it? A map of each picture in the picture's own size.

        Args:
            X: Pictures.
            kind: Of one kind of defect; None: the highest over the kinds.

        Returns:
            One array (height, width) per picture, float32, in the unit of `defect_score` (without labelled defects of
            `outlier_score`), higher = more like the defect; None for a path that cannot be decoded.

        Raises:
            DataError: If the model has no maps: they are for images, by the scorer 'ensemble'.
        """
        rows = self._rows(X)
        found = heats(self.fitted_.alone(kind), rows.X)
        return [next(found) if kept else None for kept in rows.kept]

    def regions(self, X: Any, *, false_alarm_area: float = 0.001) -> Any:
        """What to look at: connected regions of each picture whose `heat` is above a cut, a row each.

        Args:
            X: Pictures.
            false_alarm_area: Fraction of the area of normal pictures that may lie above the cut, in (0, 0.5], by the
                pictures that were held out of the fit; of few pictures, none were, and this is not promised.

        Returns:
            A pandas frame; an Arrow table without pandas. Columns: sample (its key), kind ('defect', or of several the
            one whose heat is highest in the region; without labelled defects 'other'), x, y, width, height (the box,
            in pixels), area (pixels), score (the highest heat in it).

        Raises:
            DataError: If the model has no maps, or too few normal pictures were fitted for the cut.
        """
        rows = self._rows(X)
        levels = self.fitted_.area_levels
        if levels is None:
            raise DataError("this model has no maps; they are for pictures and the scorer 'ensemble'")
        cut = levels.cut(false_alarm_area)
        found = zip(rows.keys, named_regions(self.fitted_, rows.X, cut), strict=True)
        return frame_of(
            [{"sample": key, "kind": kind, **one.facts()} for key, regions in found for kind, one in regions],
            names=["sample", "kind", *REGION],
        )

    def _with_regions(self, rows: Dataset, regions: Any, group: Int[np.ndarray, " row"]) -> Dataset:
        """The same samples with a mask, or None, for each that was read; `regions` has an entry for each given one."""
        if regions is None:
            return rows
        modality = choose_modality(rows.modality, "").factory.fitted
        if not issubclass(modality, HasParts):
            raise DataError(f"regions say where in a picture the defect is; {rows.modality} data have no such places")
        return replace(rows, regions=modality.masks(rows.X, regions, rows.kept, group))
