"""Groups of samples that are not independent: exposures of one part, rows of one patient, clips of one recording.

Inside the library the groups of rows are numbers, `cluster` (`group` is what a row is labelled as); None: every row is
a group of its own. No fold, no held-out set and no promise splits one (docs/method.md, Groups).
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from blemish.core.errors import DataError
from blemish.core.labels import as_label

Clusters = Int[np.ndarray, " row"] | None


def to_clusters(groups: Any, n: int) -> Clusters:
    """Turn a user's groups into numbers.

    Args:
        groups: One hashable value per row; one that is missing (None, NaN, '') is a group of its own. None: no groups.
        n: The number of rows.

    Returns:
        Shape (n,), int64; None where every row is a group of its own.

    Raises:
        DataError: If there is not one hashable value per row, or one value for all rows.

    Example:
        >>> to_clusters(["a", "b", "a", None], 4).tolist()
        [0, 1, 0, 2]
    """
    if groups is None:
        return None
    if isinstance(groups, (str, bytes)) or not isinstance(groups, Iterable):
        raise DataError(f"groups are {groups!r}; give one value per sample, such as a column of the table")
    values = list(groups)
    if len(values) != n:
        raise DataError(f"there are {len(values)} groups and {n} samples; give one group per sample")
    number: dict[Any, int] = {}
    try:
        found = [number.setdefault(value if as_label(value) else object(), len(number)) for value in values]
    except (TypeError, ValueError):  # an array has no single truth value
        raise DataError("a group is a list, dictionary or array; give one word or number per sample") from None
    if len(number) == 1 and n > 1:
        raise DataError(
            f"all {n} samples are of one group, {next(iter(number))!r}, so none can be judged apart from the others; "
            "give groups that differ, or leave them out"
        )
    return np.array(found, dtype=np.int64) if len(number) < n else None


def together(rows: Int[np.ndarray, " some"], cluster: Clusters, n: int) -> Bool[np.ndarray, " row"]:
    """Which of n rows are some rows, or of the group of one."""
    if cluster is not None:
        return np.isin(cluster, cluster[rows])
    found = np.zeros(n, dtype=bool)
    found[rows] = True
    return found


def one_each(rows: Int[np.ndarray, " some"], cluster: Clusters, rng: np.random.Generator) -> Int[np.ndarray, " group"]:
    """One row of each group among some rows, drawn at random; all of them where there are no groups.

    Such rows are as independent as the groups, and a random row of a new group is exchangeable with them: exact laws
    for independent rows hold.

    Reference:
        Dunn, Wasserman and Ramdas, "Distribution-free prediction sets for two-layer hierarchical models", JASA 118,
        2023, section 3.3 (subsampling once).
    """
    if cluster is None:
        return rows
    drawn = rng.permutation(rows)
    return np.sort(drawn[np.unique(cluster[drawn], return_index=True)[1]])


def deal(
    kind: Bool[np.ndarray, " row"] | Int[np.ndarray, " row"],
    n_folds: int,
    rng: np.random.Generator,
    cluster: Clusters = None,
) -> Int[np.ndarray, " row"]:
    """A fold for each row: groups that hold a row of the highest kind, the next, … are dealt evenly, large ones first.

    A single group is dealt row by row: there is nothing else to learn from.

    Example:
        >>> deal(np.full(4, False), 2, np.random.default_rng(0), np.array([7, 7, 8, 8])).tolist()
        [0, 0, 1, 1]
    """
    of_row = np.arange(len(kind)) if cluster is None else np.unique(cluster, return_inverse=True)[1]
    if len(of_row) and not of_row.any():
        of_row = np.arange(len(kind))
    size = np.bincount(of_row)
    holds = np.zeros(len(size), dtype=np.int64)
    np.maximum.at(holds, of_row, kind)
    fold = np.empty(len(size), dtype=int)
    for k in range(holds.max(initial=0), -1, -1):
        dealt = rng.permutation(np.flatnonzero(holds == k))
        dealt = dealt[np.argsort(-size[dealt], kind="stable")]
        fold[dealt] = np.arange(len(dealt)) % n_folds
    return fold[of_row]


def n_groups(rows: Int[np.ndarray, " some"], cluster: Clusters) -> int:
    """How many groups some rows are of."""
    return len(rows) if cluster is None else len(np.unique(cluster[rows]))
