"""Masks from the user: where to fill in."""

from typing import Any

import numpy as np
from jaxtyping import Bool

from blemish.core.errors import DataError


def to_booleans(mask: Any) -> Bool[np.ndarray, "..."]:
    """A mask as booleans; whole numbers other than 0 count as True.

    Raises:
        DataError: If it holds any other values.

    Example:
        >>> to_booleans([[0, 255]])
        array([[False,  True]])
    """
    try:
        array = np.asarray(mask)
    except ValueError:
        raise DataError("the mask is ragged; give one value per cell or pixel") from None
    if array.dtype.kind in "bui":
        return array.astype(bool)
    if array.dtype.kind == "O" and all(isinstance(value, (bool, np.bool_)) for value in array.flat):
        return array.astype(bool)
    if array.dtype.kind == "f" and np.isin(array, (0.0, 1.0)).all():
        return array.astype(bool)
    raise DataError(f"the mask holds {array.dtype} values; give booleans, True where to fill in")
