"""Where in a sample the defect is: a map in the sample's own size."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Float

from blemish.core.errors import DataError
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
