"""The words for the three groups, the dialects that are understood and those that are refused."""

import difflib
import re
from collections import Counter
from typing import Any, TypeVar

import numpy as np

from blemish.core.errors import DataError, LabelError

UNLABELLED, NORMAL, OTHER, DEFECT = 0, 1, 2, 3
"""Codes of the groups inside the library; the order is arbitrary, they are only compared for equality."""

CLASSES = ("normal", "other", "defect")
"""The groups in the order of `predict_proba`'s columns."""

MIN_ORDINARY = 2
"""Unlabelled and normal rows of a fit: a single one does not tell how they vary (decisions.md 53)."""

Groups = TypeVar("Groups")
"""Group codes: an array, or a tensor; PyTorch is not imported here, so that commands without a network start fast."""

CODES = {"unlabelled": UNLABELLED, "": UNLABELLED, "normal": NORMAL, "other": OTHER, "defect": DEFECT}

_MINUS_ONE = (
    "labels hold -1, which means an outlier or an unlabelled row in scikit-learn, an anomaly in Deep SAD and a normal "
    "in SSDO; use the words 'normal', 'defect', 'other' and None, or the integers 1 (defect) and 0 (unlabelled)"
)


def to_groups(y: Any, n: int) -> np.ndarray:
    """Turn a user's labels into group codes.

    Args:
        y: One label per row: 'normal', 'defect', 'other', or missing (None, NaN, '', 'unlabelled'); or integers
            {0, 1} with 1 = defect and 0 = unlabelled. None: nothing is labelled.
        n: The number of rows.

    Returns:
        Shape (n,), int64: `UNLABELLED`, `NORMAL`, `OTHER` or `DEFECT`.

    Raises:
        LabelError: On -1 (its meaning differs between libraries), other numbers, unknown words or a wrong length.

    Example:
        >>> to_groups(["defect", None, "other"], 3).tolist()
        [3, 0, 2]
        >>> to_groups([1, 0], 2).tolist()
        [3, 0]
    """
    if y is None:
        return np.full(n, UNLABELLED, dtype=np.int64)
    values = np.asarray(y, dtype=object)
    if values.shape != (n,):
        raise LabelError(f"labels have shape {values.shape}, the data have {n} rows; give one label per row")
    return np.array([_code(value) for value in values], dtype=np.int64).reshape(n)


def _is_missing(value: Any) -> bool:
    return value is None or type(value).__name__ in ("NAType", "NaTType") or bool(value != value)


def as_label(value: Any) -> str:
    """A label or a key as text, '' where missing; 1, 1.0 and "1" are one.

    Example:
        >>> [as_label(value) for value in (1, 1.0, "1", "1.0", " 01 ", 1.5, True, None)]
        ['1', '1', '1', '1', '01', '1.5', 'True', '']
    """
    text = "" if _is_missing(value) else str(value).strip()
    whole = re.fullmatch(r"([-+]?\d+)\.0*", text)
    return whole[1] if whole else text


def _code(value: Any) -> int:
    if _is_missing(value):
        return UNLABELLED
    word = as_label(value)
    if isinstance(value, (bool, int, float, np.number, np.bool_)) or word in ("0", "1"):
        if word == "-1":
            raise LabelError(_MINUS_ONE)
        if word in ("0", "1", "True", "False"):
            return DEFECT if word in ("1", "True") else UNLABELLED
        raise LabelError(
            f"label {value!r}: integers may only be 1 (defect) and 0 (unlabelled); "
            "for more groups use the words 'normal', 'defect' and 'other'"
        )
    if word in CODES:
        return CODES[word]
    if word == "-1":
        raise LabelError(_MINUS_ONE)
    near = difflib.get_close_matches(word.lower(), [w for w in CODES if w], n=1)
    hint = f"did you mean {near[0]!r}?" if near else "say which values mean which group, for example --defect"
    raise LabelError(f"label {word!r} is not one of 'normal', 'defect', 'other' or missing; {hint}")


def translate(
    values: Any, *, defect: tuple[str, ...] = (), other: tuple[str, ...] = (), normal: tuple[str, ...] = ()
) -> list[Any]:
    """Turn a column of any words into Blemish's, by saying which value means which group.

    Args:
        values: Shape (n,), any values; compared as text.
        defect: Values that mean 'defect'. `'*'` in one of the three stands for every value named nowhere else.
        other: Values that mean 'other'.
        normal: Values that mean 'normal'.

    Returns:
        One of 'defect', 'other', 'normal' or None (not mentioned) for each value. With no value named at all,
        the values themselves: they have to be Blemish's words.

    Raises:
        LabelError: If a named value does not occur, or is named for two groups.

    Example:
        >>> translate(["satan", "nmap", "normal"], defect=("satan",), normal=("normal",))
        ['defect', None, 'normal']
    """
    column = np.asarray(values, dtype=object)
    groups = {"defect": defect, "other": other, "normal": normal}
    named = {word: tuple(map(as_label, values)) for word, values in groups.items()}
    if not any(named.values()):
        return list(column)
    twice = [value for value, count in Counter([v for vs in named.values() for v in set(vs)]).items() if count > 1]
    if twice:
        raise LabelError(f"label value {twice[0]!r} is named for two groups; name it for one")
    word_of = {value: word for word, values in named.items() for value in values}
    rest = word_of.pop("*", None)
    texts = list(map(as_label, column))
    absent = sorted(set(word_of) - set(texts))
    if absent:
        some = ", ".join(repr(text) for text, _ in Counter(texts).most_common(6))
        raise LabelError(f"no row has the label {absent[0]!r}; the column holds {some}")
    return [word_of.get(text, rest if text else None) for text in texts]


def is_ordinary(groups: Groups) -> Groups:
    """Rows that are not known to be outliers: unlabelled and normal ones, shape (row,).

    The one definition, for scorers (arrays) and losses (tensors): the network reconstructs these rows.

    Example:
        >>> is_ordinary(np.array([UNLABELLED, NORMAL, OTHER, DEFECT])).tolist()
        [True, True, False, False]
    """
    return (groups == UNLABELLED) | (groups == NORMAL)  # pyright: ignore[reportReturnType]


def is_defect(groups: Groups) -> Groups:
    """Rows labelled as the defect that the user is after, shape (row,); arrays or tensors."""
    return groups == DEFECT  # pyright: ignore[reportReturnType]


def is_other(groups: Groups) -> Groups:
    """Rows known to be outliers of another kind, shape (row,); arrays or tensors."""
    return groups == OTHER  # pyright: ignore[reportReturnType]


def check_trainable(groups: np.ndarray) -> None:
    """Refuse labels that leave too few rows to train on.

    Raises:
        LabelError: If every row is labelled 'defect' or 'other'.
        DataError: If only one is not.
    """
    n = int(is_ordinary(groups).sum())
    if n == 0:
        raise LabelError(
            "every row is labelled 'defect' or 'other'; there is no unlabelled or normal row to learn from"
        )
    if n < MIN_ORDINARY:
        raise DataError(
            f"found {n} sample to learn from, unlabelled or normal; a minimum of {MIN_ORDINARY} is required, and at "
            "least 20 are recommended"
        )


def counts(groups: np.ndarray) -> dict[str, int]:
    """Rows of each group, by its word.

    Example:
        >>> counts(np.array([DEFECT, UNLABELLED, DEFECT]))
        {'unlabelled': 1, 'normal': 0, 'other': 0, 'defect': 2}
    """
    return {word: int((groups == code).sum()) for word, code in CODES.items() if word}


def to_words(groups: np.ndarray) -> np.ndarray:
    """Group codes as words, 'unlabelled' included.

    Example:
        >>> to_words(np.array([3, 0])).tolist()
        ['defect', 'unlabelled']
    """
    words = {code: word for word, code in CODES.items() if word}
    return np.array([words[int(code)] for code in groups], dtype=object)
