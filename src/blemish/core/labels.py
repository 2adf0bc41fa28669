"""The words for the three groups, the dialects that are understood and those that are refused."""

import difflib
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any, TypeVar

import numpy as np

from blemish.core.errors import ConfigError, DataError, LabelError

UNLABELLED, NORMAL, OTHER, DEFECT = 0, 1, 2, 3
"""Codes of the groups inside the library. Further kinds of defect have the codes from DEFECT + 1 on."""

RIVAL = -1
"""A labelled defect of another kind, where one kind stands against the rest; see `of_kind`."""

ONE_KIND = ("defect",)
"""The kinds of defect by default: one, of this name."""

CLASSES = ("normal", "other", "defect")
"""The groups in the order of `predict_proba`'s columns."""

MIN_ORDINARY = 2
"""Unlabelled and normal rows of a fit: a single one does not tell how they vary (decisions.md 53)."""

Groups = TypeVar("Groups")
"""Group codes: an array, or a tensor; PyTorch is not imported here, so that commands without a network start fast."""

CODES = {"unlabelled": UNLABELLED, "": UNLABELLED, "normal": NORMAL, "other": OTHER}
RESERVED = {*CODES, "conflict", "-1"}
"""Words that no kind of defect may have; 'conflict' is what the page calls labels that people disagree on."""
MAX_WORD, MAX_KINDS = 64, 100  # characters of a kind; kinds, whose codes fit into a byte

_MINUS_ONE = (
    "labels hold -1, which means an outlier or an unlabelled row in scikit-learn, an anomaly in Deep SAD and a normal "
    "in SSDO; use the words 'normal', 'defect', 'other' and None, or the integers 1 (defect) and 0 (unlabelled)"
)


def check_kinds(defects: Any) -> tuple[str, ...]:
    """The kinds of defect as a tuple of words.

    Args:
        defects: A list or tuple of different words; labels are compared with them as they are written.

    Raises:
        ConfigError: If it is not, or a word is taken: 'normal', 'other', 'unlabelled'.

    Example:
        >>> check_kinds(["crack", "pinhole"])
        ('crack', 'pinhole')
    """
    if isinstance(defects, str) or not isinstance(defects, Iterable) or not (kinds := tuple(defects)):
        raise ConfigError(f"defects={defects!r} must be a list of words, one per kind of defect: ('crack', 'pinhole')")
    if len(kinds) > MAX_KINDS:
        raise ConfigError(
            f"defects name {len(kinds)} kinds; at most {MAX_KINDS}: put kinds that lead to the same together"
        )
    for kind in kinds:
        known = isinstance(kind, str) and kind == as_label(kind) and kind.isprintable() and len(kind) <= MAX_WORD
        if not known or kind.casefold() in RESERVED:
            raise ConfigError(
                f"defects name a kind {kind!r:.80}; a kind is a word of at most {MAX_WORD} characters, without spaces "
                "around it, and not 'normal', 'other', 'unlabelled' or 'conflict', which mean something else"
            )
    twice = [kind for kind, n in Counter(kind.casefold() for kind in kinds).items() if n > 1]
    if twice:
        raise ConfigError(f"defects name the kind {twice[0]!r} twice, upper and lower case being one; name it once")
    return kinds


def to_groups(y: Any, n: int, kinds: tuple[str, ...] = ONE_KIND) -> np.ndarray:
    """Turn a user's labels into group codes.

    Args:
        y: One label per row: 'normal', 'other', one of the kinds, or missing (None, NaN, '', 'unlabelled'); with one
            kind also integers {0, 1} with 1 = defect. None: nothing is labelled.
        n: The number of rows.
        kinds: Words of the kinds of defect.

    Returns:
        Shape (n,), int64: `UNLABELLED`, `NORMAL`, `OTHER`, or `DEFECT` plus the number of the kind.

    Raises:
        LabelError: On -1 (its meaning differs between libraries), other numbers, unknown words or a wrong length.

    Example:
        >>> to_groups(["defect", None, "other"], 3).tolist()
        [3, 0, 2]
        >>> to_groups([1, 0], 2).tolist()
        [3, 0]
        >>> to_groups(["pinhole", "crack"], 2, ("crack", "pinhole")).tolist()
        [4, 3]
    """
    if y is None:
        return np.full(n, UNLABELLED, dtype=np.int64)
    values = np.asarray(y, dtype=object)
    if values.shape != (n,):
        raise LabelError(f"labels have shape {values.shape}, the data have {n} rows; give one label per row")
    codes = codes_of(kinds)
    return np.array([_code(value, codes) for value in values], dtype=np.int64).reshape(n)


def codes_of(kinds: tuple[str, ...]) -> dict[str, int]:
    """The code of each word.

    Example:
        >>> codes_of(("crack", "pinhole"))
        {'unlabelled': 0, '': 0, 'normal': 1, 'other': 2, 'crack': 3, 'pinhole': 4}
    """
    return CODES | {kind: DEFECT + k for k, kind in enumerate(kinds)}


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


def _code(value: Any, codes: dict[str, int]) -> int:
    if _is_missing(value):
        return UNLABELLED
    word = as_label(value)
    if word in codes:
        return codes[word]
    if word == "-1":
        raise LabelError(_MINUS_ONE)
    defects = [kind for kind, code in codes.items() if code >= DEFECT]
    if isinstance(value, (bool, int, float, np.number, np.bool_)) or word in ("0", "1"):
        if word in ("0", "1", "True", "False") and len(defects) == 1:
            return DEFECT if word in ("1", "True") else UNLABELLED
        only = "" if len(defects) == 1 else ", with one kind of defect"
        raise LabelError(
            f"label {value!r}: integers may only be 1 (defect) and 0 (unlabelled){only}; "
            f"for more groups use the words {', '.join(map(repr, ('normal', *defects)))} and 'other'"
        )
    known = {w.casefold(): w for w in codes if w}
    near = difflib.get_close_matches(word.casefold(), known, n=1)
    hint = f"did you mean {known[near[0]]!r}?" if near else "say which values mean which group, for example --defect"
    words = ", ".join(map(repr, ("normal", *defects, "other")))
    raise LabelError(f"label {word!r} is not one of {words} or missing; {hint}")


def translate(
    values: Any,
    *,
    defect: tuple[str, ...] = (),
    other: tuple[str, ...] = (),
    normal: tuple[str, ...] = (),
    kinds: tuple[str, ...] = (),
) -> list[Any]:
    """Turn a column of any words into Blemish's, by saying which value means which group.

    Args:
        values: Shape (n,), any values; compared as text.
        defect: Values that mean 'defect'. `'*'` in one of the three stands for every value named nowhere else.
        other: Values that mean 'other'.
        normal: Values that mean 'normal'.
        kinds: Values that are kinds of defect, and mean themselves.

    Returns:
        One of 'defect', 'other', 'normal', the kinds, or None (not mentioned) for each value. With no value named
        except kinds, the values themselves: they have to be Blemish's words.

    Raises:
        LabelError: If a named value does not occur, or is named for two groups.

    Example:
        >>> translate(["satan", "nmap", "normal"], defect=("satan",), normal=("normal",))
        ['defect', None, 'normal']
    """
    column = np.asarray(values, dtype=object)
    groups = {"defect": defect, "other": other, "normal": normal}
    named = {word: tuple(map(as_label, values)) for word, values in groups.items()}
    if not any(named.values()) and not kinds:
        return list(column)
    only_kinds = not any(named.values())
    named |= {kind: (kind,) for kind in kinds}
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
    if only_kinds:
        return list(column)
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
    """Rows labelled as a defect that the user is after, of any kind, shape (row,); arrays or tensors."""
    return groups >= DEFECT  # pyright: ignore[reportReturnType, reportOperatorIssue]


def is_other(groups: Groups) -> Groups:
    """Rows known to be outliers of another kind, shape (row,); arrays or tensors."""
    return (groups == OTHER) | (groups == RIVAL)  # pyright: ignore[reportReturnType]


def of_kind(groups: np.ndarray, kind: int) -> np.ndarray:
    """One kind against the rest: its own rows are `DEFECT`, those of other kinds `RIVAL`.

    Example:
        >>> of_kind(np.array([UNLABELLED, DEFECT, DEFECT + 1]), 1).tolist()
        [0, -1, 3]
    """
    return np.where(groups == DEFECT + kind, DEFECT, np.where(is_defect(groups), RIVAL, groups))


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


def counts(groups: np.ndarray, kinds: tuple[str, ...] = ONE_KIND) -> dict[str, int]:
    """Rows of each group, by its word.

    Example:
        >>> counts(np.array([DEFECT, UNLABELLED, DEFECT]))
        {'unlabelled': 1, 'normal': 0, 'other': 0, 'defect': 2}
    """
    return {word: int((groups == code).sum()) for word, code in codes_of(kinds).items() if word}


def to_words(groups: np.ndarray, kinds: tuple[str, ...] = ONE_KIND) -> np.ndarray:
    """Group codes as words, 'unlabelled' included.

    Example:
        >>> to_words(np.array([3, 0])).tolist()
        ['defect', 'unlabelled']
    """
    words = {code: word for word, code in codes_of(kinds).items() if word}
    return np.array([words[int(code)] for code in groups], dtype=object)
