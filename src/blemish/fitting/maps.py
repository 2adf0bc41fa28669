"""Where in a sample the defect is: a map in the sample's own size, and what it holds above a cut."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.ndimage import find_objects, label

from blemish.core.errors import DataError
from blemish.fitting.fitted import Fitted
from blemish.scoring.scorer import part_scores

REGION = ("x", "y", "width", "height", "area", "score")  # of one region, in pixels


def heats(fitted: Fitted, raw: Any) -> Iterator[Float[np.ndarray, "*place"]]:
    """The map of each raw sample, float32; in the unit of the defect score, without labels of the outlier score.

    Raises:
        DataError: If the data, the scorer or this fit of it has no parts.
    """
    modality = fitted.model.parted
    for sample in raw:
        parts = None if modality is None else modality.parts([sample])
        scores = part_scores(fitted.scorer, fitted.scorer_state, parts, labelled=fitted.n_defects > 0)
        if modality is None or scores is None:
            raise DataError(
                "this model scores whole samples only, so there is no map; maps are for pictures and the scorer "
                "'ensemble' with experts on 'parts'"
            )
        yield modality.heat(sample, scores).astype(np.float32)


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
