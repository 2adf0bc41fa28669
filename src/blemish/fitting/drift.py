"""Compare new data with the rows that a fit held out: a detector on a moving line fails silently."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from blemish.calibration.calibration import MIN_ORDINARY
from blemish.calibration.drift import Drift, code_columns, compare
from blemish.core.errors import DataError
from blemish.fitting.fitted import Fitted
from blemish.training.sparse import TensorRows

MAX_COMPARED = 1000  # new rows


def drift_of(fitted: Fitted, x: TensorRows) -> Drift:
    """Compare new rows with the held-out ones: outlier score, code and, of tables, every column.

    Args:
        fitted: A fit.
        x: New rows, shape (row, *sample); an even sample of them is compared.

    Raises:
        DataError: If too few rows were fitted to hold some out.
    """
    if not len(fitted.held_out):
        raise DataError(f"drift needs held-out rows; fit on at least {MIN_ORDINARY} unlabelled rows")
    x = x[torch.arange(0, len(x), max(1, -(-len(x) // MAX_COMPARED)))]
    evidence, reference = fitted.model.evidence(x), fitted.reference
    seen = {"outlier score": fitted.out_of_fold.outlier_score(evidence).tolist(), **code_columns(evidence.z)}
    expected = {"outlier score": fitted.calibration.outlier.tolist(), **code_columns(reference.z)}
    if reference.x is not None:
        seen |= _columns_of(fitted, x.to_dense().cpu().numpy())
        expected |= _columns_of(fitted, reference.x)
    return compare(expected, seen, len(reference.z), len(x))


def _columns_of(fitted: Fitted, x: Float[np.ndarray, "row feature"]) -> dict[str, list[Any]]:
    modality: Any = fitted.model.modality
    return dict(zip(modality.elements, map(list, zip(*modality.describe(x), strict=True)), strict=True))
