"""Where in a sample the defect is: a map in the sample's own size, and what it holds above a cut."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.ndimage import find_objects, label

from blemish.core.errors import ConfigError, DataError
from blemish.fitting.fitted import Fitted
from blemish.modalities.parts import HasParts, Parts
from blemish.scoring.scorer import PartScorer, Scorer, State

REGION = ("x", "y", "width", "height", "area", "score")  # of one region, in pixels
AREAS = np.geomspace(0.5, 1e-6, 200)
"""Fractions of the area of normal samples for which the score that they exceed is kept."""


def area_levels(
    scorer: Scorer, state: State, parts: Parts | None, *, labelled: bool
) -> Float[np.ndarray, " area"] | None:
    """For each of `AREAS` the score that this fraction of the parts of ordinary rows exceeds; None without parts.

    Where rows have more parts than are kept for a fit, the kept ones are the most unusual: the cut is then too high
    rather than too low.
    """
    if parts is None or not isinstance(scorer, PartScorer) or "parts" not in state:
        return None
    found = np.sort(scorer.part_scores(state, parts, labelled=labelled))[::-1]
    # The k-th highest of n is exceeded by the fraction k / (n + 1) of new parts, in the mean.
    places = np.floor(AREAS * (len(found) + 1)).astype(int)
    return np.where(places > 0, found[np.maximum(places - 1, 0)], np.inf)


def heats(fitted: Fitted, raw: Any) -> Iterator[Float[np.ndarray, "*place"]]:
    """The map of each raw sample, float32; in the unit of the defect score, without labels of the outlier score.

    Raises:
        DataError: If the data, the scorer or this fit of it has no parts.
    """
    modality, scorer = fitted.model.parted, fitted.scorer
    if not isinstance(modality, HasParts) or not isinstance(scorer, PartScorer):
        raise DataError(
            "this model scores whole samples only, so there is no map; maps are for pictures and the scorer 'ensemble' "
            "with experts on 'parts'"
        )
    for sample in raw:
        parts = modality.parts([sample])
        scores = scorer.part_scores(fitted.scorer_state, parts, labelled=fitted.n_defects > 0)
        yield modality.heat(sample, scores).astype(np.float32)


def cut_for(levels: Float[np.ndarray, " area"] | None, area: float) -> float:
    """The score that at most this fraction of the area of normal samples exceeds.

    Raises:
        ConfigError: If the fraction is not between 0 and a half.
        DataError: If the model has no levels, or too few normal samples were fitted for so small a fraction.
    """
    if not 0 < area <= AREAS[0]:
        raise ConfigError(f"false_alarm_area={area!r} must be above 0 and at most {AREAS[0]:g}, a fraction of the area")
    if levels is None:
        raise DataError("this model has no cut for maps; fit again")
    at = int(np.flatnonzero(area * (1 + 1e-9) >= AREAS)[0]) if area >= AREAS[-1] else len(AREAS) - 1
    if not np.isfinite(levels[at]):
        least = AREAS[np.flatnonzero(np.isfinite(levels))[-1]] if np.isfinite(levels).any() else AREAS[0]
        raise DataError(
            f"false_alarm_area={area:g} cannot be promised with the normal samples at hand; give at least {least:.1g}"
        )
    return float(levels[at])


def regions_above(heat: Float[np.ndarray, "height width"], cut: float) -> list[dict[str, Any]]:
    """Connected regions of a map above a cut, the highest first: box, area and highest score.

    Example:
        >>> regions_above(np.array([[0.0, 3.0, 3.0], [0.0, 0.0, 0.0]]), 1.0)
        [{'x': 1, 'y': 0, 'width': 2, 'height': 1, 'area': 2, 'score': 3.0}]
    """
    place = np.zeros(heat.shape, dtype=np.int32)
    label(heat > cut, structure=np.ones((3, 3)), output=place)
    found = []
    for number, (rows, columns) in enumerate(find_objects(place), start=1):
        inside = place[rows, columns] == number
        box = columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start
        measured = int(inside.sum()), float(heat[rows, columns][inside].max())
        found.append(dict(zip(REGION, (*box, *measured), strict=True)))
    return sorted(found, key=lambda region: -region["score"])
