"""What a column is: decided once, when a model is fitted."""

import datetime as dt
from collections import Counter

import numpy as np
import pytest

from blemish.core.errors import DataError
from blemish.data.columns import CLOCK, ISO, Style
from blemish.modalities.kinds import kind_of, style_of

RNG = np.random.default_rng(0)
FLOW = RNG.normal(12, 0.8, 300).round(3)


def texts(values):
    return np.array(list(values), dtype=object)


def comma(numbers, form="{}"):
    return texts(form.format(number).replace(".", ",") for number in numbers)


@pytest.mark.parametrize("odd", ["?", "-", "Bad Input", "#DIV/0!", "n.c.", "ERR", "sensor fault", "***"])
def test_a_measurement_with_some_other_cells_is_one_of_numbers(odd):
    column = texts(map(str, FLOW))
    column[[3, 8, 40]] = odd
    assert kind_of("flow", column).kind == "numeric"
    few = texts(map(str, RNG.integers(0, 5, 300)))
    few[[3, 8]] = odd
    # '5' next to 'n.c.' may be a code; next to '?' it is a count with a gap
    assert kind_of("count", few).kind == ("categorical" if odd == "n.c." else "numeric")


@pytest.mark.parametrize(
    ("column", "style"),
    [
        (comma(FLOW), Style(decimal=",")),
        (texts(f"{100 * x:,.1f}" for x in FLOW), Style(groups=",")),
        (texts(f"{x:.1f}%" for x in FLOW), Style(unit="%")),
        (texts(f"{x:.1f} mm" for x in FLOW), Style(unit="mm")),
        (texts(f"${1000 * x:,.2f}" for x in FLOW), Style(groups=",", unit="$")),
        (texts(f"{int(x):,}" for x in RNG.normal(1000, 100, 300)), Style(groups=",")),
        (texts(f"{x // 1000:.0f} {x % 1000:03.0f}" for x in 1000 * FLOW), Style()),
    ],
)
def test_numbers_as_spreadsheets_write_them(column, style):
    found = kind_of("flow", column)
    assert (found.kind, found.style) == ("numeric", style)


def test_a_mark_that_may_mean_two_things_is_said():
    found = kind_of("flow", texts(f"{int(x):,}" for x in 1000 * FLOW))
    assert (found.kind, found.why) == (
        "unclear",
        f"'{int(1000 * FLOW[0]):,}' may be {FLOW[0]} or {int(1000 * FLOW[0])}",
    )
    assert style_of(Counter(["1,234", "5,678"])) is None
    assert style_of(Counter(["1,234", "950"])) == Style(groups=",")
    assert style_of(Counter(["1.234,5", "950,0"])) == Style(",", ".")


@pytest.mark.parametrize(
    "values",
    [
        RNG.choice(["007", "012", "A12"], 300, p=[0.5, 0.3, 0.2]),
        RNG.choice(["1", "2", "3", "A"], 300, p=[0.4, 0.3, 0.25, 0.05]),
        RNG.choice(["A1", "A2", "B7"], 300),
        RNG.choice(["2.1", "2.10", "3.0-rc1"], 300, p=[0.5, 0.3, 0.2]),
    ],
)
def test_codes_are_categories(values):
    assert kind_of("recipe", values.astype(object)).kind == "categorical"


def test_yes_and_no_in_any_spelling():
    assert kind_of("hot", texts(["true", "False", "TRUE"] * 10)).kind == "binary"
    assert kind_of("hot", texts(["true", "False", None] * 10)).kind == "categorical"
    assert kind_of("hot", texts(["true", "False"] * 15 + ["unknown"])).kind == "categorical"
    assert kind_of("hot", np.array([True, False])).kind == "binary"


def test_what_is_declared_a_category_is_one():
    assert kind_of("size", texts(map(str, range(30))), declared=True).kind == "categorical"


START = dt.datetime(2024, 3, 1, 6)


@pytest.mark.parametrize(
    "form",
    ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d", "%d.%m.%Y %H:%M", "%m/%d/%Y %I:%M %p", "%d-%b-%Y", "%Y/%m/%d",
     "%b %d, %Y", "%d/%m/%Y, %H:%M:%S", "%H:%M", "%H:%M:%S"],
)  # fmt: skip
def test_times_are_told_from_numbers_and_categories(form):
    times = [START + dt.timedelta(hours=7 * i) for i in range(300)]
    found = kind_of("when", texts(time.strftime(form) for time in times))
    assert found.kind == "time"
    assert found.why == ("a time of day" if form.startswith("%H") else "a date")
    assert (found.form == CLOCK) == form.startswith("%H")
    assert (found.form == ISO) == form.startswith("%Y-")


def test_columns_of_the_type_of_times_and_seconds_since_1970():
    times = np.array([START + dt.timedelta(minutes=5 * i) for i in range(300)], dtype="datetime64[us]")
    assert kind_of("t", times).kind == "time"
    seconds = times.astype(np.int64) / 1e6
    for unit, factor in (("s", 1), ("ms", 1e3), ("us", 1e6), ("ns", 1e9)):
        assert kind_of("x", seconds * factor).form == unit
    shuffled = RNG.permutation(seconds)
    assert kind_of("timestamp", shuffled).kind == "time"
    assert kind_of("x", shuffled).kind == "numeric"


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("Unnamed: 0", np.arange(300.0), "order"),
        ("counter", 100_000 + np.arange(300.0), "order"),
        ("down", 300 - np.arange(300.0), "order"),
        ("cycle", 60.0 * np.arange(300), "order"),  # even steps
        ("row", np.flatnonzero(RNG.random(500) < 0.7).astype(float), "order"),  # of a filtered table
        ("x", RNG.permutation(300).astype(float), "order"),  # of a shuffled one
        ("order_id", RNG.choice(10**8, 300, replace=False).astype(float), "order"),
        ("t", 0.1 * np.arange(300), "order"),
        # measurements, though they rise, or are all different
        ("wear", np.cumsum(RNG.random(300)), "numeric"),
        ("wear", np.cumsum(RNG.integers(1, 9, 300)).astype(float), "numeric"),
        ("temperature", np.sort(RNG.normal(60, 2, 300)), "numeric"),
        ("ramp", np.linspace(20, 80, 300), "numeric"),
        ("amount", RNG.choice(10**8, 300, replace=False).astype(float), "numeric"),
        ("count", RNG.integers(0, 50, 300).astype(float), "numeric"),
        ("constant", np.ones(300), "numeric"),
        ("few", np.arange(19.0), "numeric"),
    ],
)
def test_orders_and_identifiers_are_told_from_measurements(name, values, kind):
    assert kind_of(name, values).kind == kind


def test_a_random_part_of_a_running_number_is_one_too():
    index = np.flatnonzero(RNG.random(10_000) < 0.05).astype(float)
    assert kind_of("x", index).kind == "numeric"
    assert kind_of("x", index, n_rows=10_000).kind == "order"


def test_near_unique_texts_are_no_categories():
    found = kind_of("memo", texts(f"paid by {i % 250}" for i in range(300)))
    assert (found.kind, found.why) == ("text", "250 different texts")
    assert kind_of("kind", texts(f"kind {i % 100}" for i in range(300))).kind == "categorical"


def test_nothing_and_infinity():
    assert kind_of("x", np.full(30, np.nan)).kind == kind_of("x", texts([None, "", "NA"])).kind == "empty"
    with pytest.raises(DataError, match="row 1, column 'x' is infinity"):
        kind_of("x", np.array([1.0, np.inf]))
