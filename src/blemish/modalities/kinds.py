"""What a column of a table is: decided once, when a model is fitted, and stored with it (decisions.md 85, 86)."""

import re
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np
from jaxtyping import Float

from blemish.data.columns import (
    CLOCK,
    ISO,
    PLAIN,
    UNITS,
    YES_NO,
    Style,
    is_missing,
    may_be_thousands,
    number_of,
    to_numbers,
    to_texts,
    to_times,
)

NEARLY_ALL = 0.9
"""Fraction of the cells with a value that must be numbers (times) for the column to be one of numbers (times)."""
MIN_ROWS = 20  # fewer prove no order: that 20 values only rise at random has a probability of 1 in 20!
MIN_IDS = 50  # values from 0 to 99 that are all different at random: 1 in 10^8
EVEN = 0.9  # fraction of the steps of a running number that are equal
DENSE = 2.0  # a running number with gaps uses at least half of the whole numbers between its first and last
MANY_CODES = 10  # different numbers, more than which are measurements though some cells are other words
NEAR_UNIQUE = 0.5  # different texts per row, from which on they are not categories

Is = Literal["numeric", "binary", "categorical", "order", "time", "text", "unclear", "empty"]


@dataclass(frozen=True)
class Kind:
    """What a column is.

    Attributes:
        kind: 'numeric', 'binary' or 'categorical'; or what is left out: 'order' (a running number or an identifier),
            'time', 'text' (nearly each row has another), 'unclear' (numbers that may be read in two ways), 'empty'.
        why: What a person is told about a column that is left out: 'a date', '17,843 different texts'.
        style: How its numbers are written.
        form: How its times are written, see `to_times`.
    """

    kind: Is
    why: str = ""
    style: Style = PLAIN
    form: str = ISO


def kind_of(name: str, column: np.ndarray, *, declared: bool = False, n_rows: int | None = None) -> Kind:
    """Decide what a column is.

    Args:
        name: Of the column; it decides only between a measurement and an identifier (or time) whose values allow both.
        column: As `blemish.data.columns.to_columns` gives it.
        declared: Whether the user's own type says that it holds categories.
        n_rows: Rows that the column is a random part of, in their order; None: it is whole.

    Raises:
        DataError: If a number is infinite.

    Example:
        >>> kind_of("t", np.array(["2024-03-01 06:00", "2024-03-01 06:05"], dtype=object)).why
        'a date'
    """
    if column.dtype.kind == "b":
        return Kind("binary")
    if column.dtype.kind == "M":
        return Kind("empty", "empty") if np.isnat(column).all() else Kind("time", "a date")
    if column.dtype.kind == "f":
        return _of_numbers(name, to_numbers(column, name), n_rows)
    texts = Counter(text for text in to_texts(column).tolist() if not is_missing(text))
    if not texts:
        return Kind("empty", "empty")
    if declared:
        return Kind("categorical")
    return _of_texts(name, column, texts, n_rows)


# Texts ---------------------------------------------------------------------------------------------------------------


def _of_texts(name: str, column: np.ndarray, texts: Counter[str], n_rows: int | None) -> Kind:
    n = texts.total()
    if {text.strip().lower() for text in texts} <= set(YES_NO):
        return Kind("binary" if n == len(column) else "categorical")
    style = style_of(texts)
    if style is None:
        example = next(text for text in texts if may_be_thousands(text.strip()))
        plain = example.strip().replace(",", "")
        return Kind("unclear", f"{example!r} may be {example.strip().replace(',', '.')} or {plain}")
    odd = {text: count for text, count in texts.items() if np.isnan(number_of(text, style))}
    numbers = {number_of(text, style) for text in texts if text not in odd}
    yes_no = sum(count for text, count in texts.items() if text.strip().lower() in YES_NO)
    are_numbers = sum(odd.values()) + yes_no <= (1 - NEARLY_ALL) * n
    are_numbers = are_numbers and (len(numbers) > MANY_CODES or all(map(_is_placeholder, odd)))
    # '1 Mar 2024' is a day, not a number with a unit
    form = _form(texts) if style.unit or not are_numbers else None
    if form:
        return Kind("time", "a time of day" if form == CLOCK else "a date", PLAIN, form)
    if are_numbers:
        found = _of_numbers(name, to_numbers(column, name, style), n_rows)
        return Kind(found.kind, found.why, style, found.form)
    if len(texts) >= NEAR_UNIQUE * n and n > MIN_ROWS:
        return Kind("text", f"{len(texts):,} different texts")
    return Kind("categorical")


PLACEHOLDER = re.compile(
    r"\W*|#.*|.*\b(?:bad|error|err|invalid|fail|failed|fault|missing|unknown|no|not|without|none|null|nil|n/?a|nd|void"
    r"|blank|empty|tbd|timeout|offline|i/o|overflow|overrange|out of range|kein|keine|fehler|ungültig)\b.*",
    re.IGNORECASE,
)
"""Words that stand for a value that is not there: '?', '-', '#DIV/0!', 'Bad Input'."""


def _is_placeholder(text: str) -> bool:
    return PLACEHOLDER.fullmatch(text.strip()) is not None


UNIT = re.compile(
    r"\s*(?P<before>[$€£¥₹]?)\s*(?P<number>[-+\u2212]?[\d.,][\d.,'’ \u00a0\u202f]*)"
    r"(?P<after>(?:[^\W\d_]|[%‰°$€£¥₹])[^:;,]{0,7})?"
)


def style_of(texts: Counter[str]) -> Style | None:
    """How the numbers among some texts are written; None: as '1,234', and nothing tells what the comma means.

    Example:
        >>> style_of(Counter(["5,12", "4,123"])).decimal, style_of(Counter(["1,020", "950"])).groups
        (',', ',')
    """
    units = Counter[str]()
    for text, count in texts.items():
        if np.isnan(number_of(text)) and (match := UNIT.fullmatch(text)):
            units[(match["before"] + (match["after"] or "")).strip()] += count
    unit, count = next(iter(units.most_common(1)), ("", 0))
    measured = unit in ("%", "$", "€", "£", "¥", "₹") or len(texts) > MANY_CODES
    unit = unit if measured and count > NEARLY_ALL * texts.total() / 2 else ""
    bodies = Counter[str]()
    for text, count in texts.items():
        bodies[text.strip().removeprefix(unit).removesuffix(unit).strip()] += count
    either = [body for body in bodies if may_be_thousands(body)]
    commas = [body for body in bodies if "," in body and body not in either and not np.isnan(number_of(body))]
    decimal = any(re.search(r",\d*$", body) and body.count(",") == 1 for body in commas)
    thousands = any(body.count(",") > 1 or re.search(r",.*\.", body) for body in commas)
    if decimal and not thousands:
        points = any(re.fullmatch(r"[-+]?[1-9]\d{0,2}\.\d{3}(,.*)?", body) for body in bodies)
        return Style(",", "." if points else "", unit)
    if not either or thousands:
        return Style(".", "," if thousands and not decimal else "", unit)
    n_either = sum(bodies[body] for body in either)
    numbers = [number_of(body) for body in bodies if body not in either]
    whole = [number for number in numbers if not np.isnan(number)]
    if n_either < NEARLY_ALL * bodies.total() and not whole:
        return Style(unit=unit)  # a few cells of a column of other words
    # '950' next to '1,020': numbers below a thousand lack the mark
    return Style(".", ",", unit) if whole else None


DAYS = ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d", "%d-%b-%Y", "%d %b %Y",
        "%b %d, %Y", "%d.%m.%y", "%d/%m/%y", "%m/%d/%y")  # fmt: skip
CLOCKS = ("", " %H:%M:%S", " %H:%M", " %H:%M:%S.%f", ", %H:%M:%S", ", %H:%M", " %I:%M:%S %p", " %I:%M %p")
FORMS = (ISO, CLOCK, *(day + clock for day in DAYS for clock in CLOCKS))
"""In which times are written, the likeliest first where two fit: the day of the month before the month."""


def _form(texts: Counter[str]) -> str | None:
    """The form of time in which nearly all texts are written; None: they are not times."""
    all_texts = np.array(list(texts), dtype=object)
    some = all_texts[:50]
    if not any(re.search(r"\d[-/.:, ]\s?(?:\d|[A-Za-z]{3})", text) for text in some):
        return None
    likely = [form for form in FORMS if (~np.isnat(to_times(some, form))).mean() > 0.5]
    counts, least = np.array(list(texts.values())), NEARLY_ALL * texts.total()
    fit = {form: int(counts[~np.isnat(to_times(all_texts, form))].sum()) for form in likely}
    best = max(fit, key=lambda form: fit[form], default=None)
    return best if best is not None and fit[best] >= least else None


# Numbers -------------------------------------------------------------------------------------------------------------

NAMES_A_ROW = re.compile(
    r"unnamed: \d+|.*[a-z](?-i:Id|ID|No|Nr)|.*(?:^|[_\W])(?:id|ids|uuid|guid|index|idx|key|nr|no|num|number|serial|row"
    r"|seq|sequence|order|counter)",
    re.IGNORECASE,
)
NAMES_A_TIME = re.compile(
    r".*(?:^|[_\W])(?:t|ts|time|timestamp|date|datetime|epoch|unix|elapsed|clock|seconds?|sec|ms|zeit|datum)(?:[_\W].*)?",
    re.IGNORECASE,
)


def _of_numbers(name: str, numbers: Float[np.ndarray, " row"], n_rows: int | None) -> Kind:
    present = numbers[~np.isnan(numbers)]
    if not len(present):
        return Kind("empty", "empty")
    if len(present) < MIN_ROWS or len(present) < NEARLY_ALL * len(numbers):
        return Kind("numeric")
    steps = np.diff(present)
    rises = bool((steps > 0).all() or (steps < 0).all())
    form = _counts_from_1970(name, present, steps)
    if form:
        return Kind("time", "a date", form=form)
    whole = bool((present == np.rint(present)).all())
    if not whole:
        even = np.isclose(steps, np.median(steps), rtol=0.01, atol=0).mean() >= EVEN
        is_clock = rises and even and NAMES_A_TIME.fullmatch(name)
        return Kind("order", "a time that only rises") if is_clock else Kind("numeric")
    if len(present) < MIN_IDS and not rises:
        return Kind("numeric")
    n = len(present) if n_rows is None else len(present) * n_rows / len(numbers)
    dense = float(np.ptp(present)) + 1 <= DENSE * n
    even = float((steps == np.median(steps)).mean()) >= EVEN
    if rises and (dense or even):
        return Kind("order", "a running number")
    if (dense or NAMES_A_ROW.fullmatch(name)) and (rises or len(np.unique(present)) == len(present)):
        return Kind("order", "a different number in every row")
    return Kind("numeric")


def _counts_from_1970(name: str, present: Float[np.ndarray, " row"], steps: Float[np.ndarray, " step"]) -> str:
    """The unit, if numbers count from 1970 and lie in this century; '' if they do not."""
    never_falls = bool((steps >= 0).all() or (steps <= 0).all()) and float(np.ptp(present)) > 0
    low, high = datetime(2000, 1, 1).timestamp(), datetime(2100, 1, 1).timestamp()
    if not (never_falls or NAMES_A_TIME.fullmatch(name)):
        return ""
    return next((unit for unit, n in UNITS.items() if low * n <= present.min() and present.max() <= high * n), "")
