"""Where in a sample the defect is: a map in the sample's own size."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from blemish.core.errors import DataError
from blemish.data.regions.outlines import Region, regions_above
from blemish.fitting.fitted import Fitted
from blemish.scoring.scorer import part_scores


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
                "this model scores whole samples and cannot draw maps; they need pictures and the scorer 'ensemble' "
                "with experts on 'parts'"
            )
        yield modality.heat(sample, scores).astype(np.float32)


def named_regions(fitted: Fitted, raw: Any, cut: float) -> Iterator[list[tuple[str, Region]]]:
    """What lies above a cut in each raw sample, with the word of what it is: of several kinds the highest there."""
    for sample in raw:
        found = regions_above(next(heats(fitted, [sample])), cut)
        kinds = {kind: next(heats(one, [sample])) for kind, one in fitted.each.items()} if found else {}
        yield [(word_of(fitted, one, kinds), one) for one in found]


def word_of(fitted: Fitted, region: Region, kinds: Mapping[str, Float[np.ndarray, "height width"]]) -> str:
    """The kind whose map is highest in a region; without labelled defects 'other'."""
    inside = np.s_[region.y : region.y + region.height, region.x : region.x + region.width]
    highest = {kind: float(heat[inside][region.mask].max()) for kind, heat in kinds.items()}
    words = fitted.kinds if fitted.n_defects else ("other",)
    return max(highest, key=lambda kind: highest[kind]) if highest else words[0]
