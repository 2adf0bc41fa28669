"""What a person is told about the columns of a table."""

import numpy as np
import pandas as pd
import pytest

from blemish.core.errors import DataWarning
from blemish.modalities.fitted_tabular import NEVER_MISSING
from blemish.modalities.tabular import Tabular


def frame(n=200):
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "flow": rng.normal(12, 1, n),
            "share": [f"{x:.1f}%" for x in rng.normal(5, 1, n)],
            "hot": rng.random(n) < 0.5,
            "kind": rng.choice(["a", "b"], n).astype(object),
            "booked_at": pd.date_range("2024-03-01", periods=n, freq="h").astype(str),
            "memo": [f"memo {i} of {n}" for i in range(n)],
            "void": None,
        }
    )


@pytest.fixture(scope="module")
def fitted():
    with pytest.warns(DataWarning, match="left out column\\(s\\) 'booked_at', 'memo', 'void': a date; 200 different"):
        return Tabular().fit(frame())


def test_one_line_of_kinds_and_one_for_numbers_that_are_not_written_plainly(fitted):
    assert list(map(str, fitted.notes())) == [
        "read 7 columns: 2 numbers, 1 yes/no, 1 category; left out: booked_at (a date), memo (200 different texts), "
        "void (empty)",
        "column 'share': numbers with the unit '%'",
    ]


def test_each_column_with_its_kind(fitted):
    found = {one["name"]: one for one in fitted.kinds()}
    assert found["share"]["kind"] == "numeric"
    assert found["share"]["style"]["unit"] == "%"
    assert found["kind"]["categories"] == 2
    assert found["booked_at"] == {"name": "booked_at", "kind": "time", "left_out": "a date"}


def test_cells_that_are_not_read_as_they_stand(fitted):
    new = frame().assign(flow="fast", kind=["z", None] * 100, hot=[None, *frame()["hot"][1:]])
    assert list(map(str, fitted.notes_of(new))) == [
        "column 'flow': 200 cells ('fast') are not numbers: read as missing",
        "column 'flow': missing in 100% (200 of 200 rows), never in training",
        "column 'hot': missing in 0% (1 of 200 rows), never in training",
        "column 'kind': 100 cells ('z') are of no known category",
        "column 'kind': missing in 50% (100 of 200 rows), never in training",
    ]
    assert fitted.notes_of(frame()) == []


def test_an_explanation_shows_what_never_was_missing(fitted):
    x = fitted.to_tensor(frame()[:1].assign(flow=np.nan, hot=None))
    assert dict(zip(fitted.elements, fitted.shown(x)[0], strict=True))["flow"] == NEVER_MISSING
    assert dict(zip(fitted.elements, fitted.shown(x)[0], strict=True))["hot"] == NEVER_MISSING
    assert np.isnan(fitted.describe(x)[0][0])


def test_columns_in_use_and_text():
    with pytest.warns(DataWarning, match="'void'"):
        fitted = Tabular(use=("booked_at",), text=("memo",)).fit(frame())
    assert "1 time of day and week, 1 text" in str(fitted.notes()[0])
    said = map(str, fitted.notes_of(frame().assign(memo=None, booked_at=None)))
    assert "column 'memo': missing in 100% (200 of 200 rows), never in training" in said
    found = {one["name"]: one for one in fitted.kinds()}
    assert found["booked_at"]["read_as"] == ["hour of day", "day of week"]


def test_tallies_of_parts_add_up_to_that_of_the_whole(fitted):
    new = frame().assign(flow="fast", kind=["z", None] * 100, hot=[None, *frame()["hot"][1:]])
    whole = fitted.tally(new[:3]) + fitted.tally(new[3:150]) + fitted.tally(new[150:])
    assert list(map(str, fitted.notes_from(whole))) == list(map(str, fitted.notes_of(new)))


def test_a_tally_keeps_a_few_texts_and_counts_all(fitted):
    new = frame().assign(kind=[f"k{i}" for i in range(200)])
    tally = fitted.tally(new) + fitted.tally(new)
    assert len(tally) < 40
    assert "400 cells" in str(fitted.notes_from(tally)[0])
