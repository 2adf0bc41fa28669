"""Where in a sample the defect is: a map in the sample's own size."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Float

from blemish.core.errors import DataError
from blemish.data.regions.outlines import Region, highest_in, regions_above
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


def heats_of_kinds(fitted: Fitted, raw: Any) -> Iterator[dict[str, Float[np.ndarray, "*place"]]]:
    """The map of each kind of defect by its word; nothing where there is one kind, or none is labelled."""
    return ({kind: next(heats(one, [sample])) for kind, one in fitted.each.items()} for sample in raw)


def named_regions(fitted: Fitted, raw: Any, cut: float) -> Iterator[list[tuple[str, Region]]]:
    """What lies above a cut in each raw sample, with the word of what it is: of several kinds the highest there."""
    for sample in raw:
        found = regions_above(next(heats(fitted, [sample])), cut)
        kinds = next(heats_of_kinds(fitted, [sample])) if found else {}
        yield [(highest_in(one, kinds) if kinds else fitted.word, one) for one in found]
