"""The container of samples: some of them, results for all that were given, and the record of reading."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from blemish.core.errors import DataError, DataWarning
from blemish.data.dataset import Dataset, Note, OnDemand, Reading, take


def on_demand(*texts):
    def read(at):
        if texts[at] is None:
            raise DataError("it is gone")
        return texts[at]

    return OnDemand([f"{at}.txt" for at in range(len(texts))], read, 10)


def test_take_carries_everything_that_belongs_to_a_sample():
    masks = [None, np.ones((2, 2), dtype=bool), None]
    data = Dataset(
        pa.table({"a": [1.5, 2.5, 3.5]}),
        ["p", "q", "r"],
        "tabular",
        {"label": ["defect", None, "normal"]},
        index=pd.Index([7, 8, 9]),
        groups=["lot 1", "lot 1", "lot 2"],
        regions=masks,
        reading=Reading([Note("taken out", "label", "this column is not a feature")]),
    )
    some = data.take([2, 1])
    assert some.X.to_pydict() == {"a": [3.5, 2.5]}
    assert (some.keys, some.groups, some.columns) == (["r", "q"], ["lot 2", "lot 1"], {"label": ["normal", None]})
    assert some.regions is not None
    assert [region is masks[row] for region, row in zip(some.regions, [2, 1], strict=True)] == [True, True]
    assert some.index.tolist() == [9, 8]
    assert (some.modality, some.files, len(some)) == ("tabular", False, 2)
    assert [*some.reading] == [*data.reading]
    none = data.take([])
    assert (len(none), none.X.num_rows, none.columns) == (0, 0, {"label": []})
    assert Dataset(["x"], [0], "text").take([0]).groups is None


def test_take_leaves_out_what_cannot_be_read_and_records_it():
    data = Dataset(on_demand("a", None, "c"), ["0.txt", "1.txt", "2.txt"], "text", groups=[1, 2, 3], files=True)
    with pytest.warns(DataWarning, match=r"skipped 1\.txt: it is gone"):
        some = data.take([2, 1, 0])
    assert (some.X, some.keys, some.groups) == (["c", "a"], ["2.txt", "0.txt"], [3, 1])
    assert some.kept.tolist() == [True, False, True]
    assert some.skipped == ["1.txt"]
    assert data.skipped == []
    with pytest.raises(DataError, match="it is gone"):
        take(data.X, [1])


def test_results_are_spread_over_what_was_given():
    index = pd.Index(["u", "v", "w"])
    data = Dataset(["a", "c"], ["u", "w"], "text", left_out=[1], index=index)
    assert (len(data), data.n_given, data.kept.tolist()) == (2, 3, [True, False, True])
    scores = data.spread(np.array([0.5, 2.0]), "score")
    pd.testing.assert_series_equal(scores, pd.Series([0.5, np.nan, 2.0], index=index, name="score"))
    assert data.spread(np.array(["normal", "defect"]), "label").tolist() == ["normal", "", "defect"]
    assert data.spread(np.array([True, True]), "selected").tolist() == [True, False, True]
    assert data.spread(np.ones((2, 2)), ["p", "q"]).columns.tolist() == ["p", "q"]
    plain = Dataset(np.zeros((2, 1)), range(2), "tabular")
    assert plain.spread(np.array([1.0, 2.0]), "score").tolist() == [1.0, 2.0]


def test_made_samples_get_the_index_of_the_given_ones():
    data = Dataset(pd.DataFrame({"a": [1, 2]}), ["x", "y"], "tabular", index=pd.Index(["x", "y"]))
    assert data.label(pd.DataFrame({"a": [3, 4]})).index.tolist() == ["x", "y"]
    array = np.zeros((2, 1))
    assert data.label(array) is array


def test_a_note_is_one_line():
    reading = Reading()
    reading.note("delimiter", "t.csv", "semicolon")
    assert str(reading.about("delimiter")[0]) == "delimiter t.csv: semicolon"
    assert reading.about("encoding") == []
