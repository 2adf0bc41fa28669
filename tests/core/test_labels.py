"""The words for the groups, the dialects that are understood and those that are refused."""

import re

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

from blemish.core.errors import LabelError
from blemish.core.labels import (
    CLASSES,
    DEFECT,
    NORMAL,
    ONE_KIND,
    OTHER,
    UNLABELLED,
    codes_of,
    is_defect,
    is_ordinary,
    is_other,
    to_groups,
    to_words,
    translate,
)


def codes(*labels):
    return to_groups(list(labels), len(labels)).tolist()


def test_words_are_groups():
    assert codes("normal", "other", "defect", "unlabelled") == [NORMAL, OTHER, DEFECT, UNLABELLED]
    assert codes(" defect ", np.str_("normal")) == [DEFECT, NORMAL]


def test_the_four_groups_have_four_codes():
    assert len({NORMAL, OTHER, DEFECT, UNLABELLED}) == 4
    assert set(CLASSES) | {"unlabelled", ""} == set(codes_of(ONE_KIND))


@pytest.mark.parametrize("made", [np.array, torch.tensor], ids=["array", "tensor"])
def test_every_row_is_ordinary_or_defect_or_other(made):
    groups = made([UNLABELLED, NORMAL, OTHER, DEFECT])
    assert [mask.tolist() for mask in (is_ordinary(groups), is_defect(groups), is_other(groups))] == [
        [True, True, False, False],
        [False, False, False, True],
        [False, False, True, False],
    ]


@pytest.mark.parametrize(
    "missing",
    [None, float("nan"), np.nan, np.float32("nan"), "", "  ", "unlabelled", pd.NA, pd.NaT, np.datetime64("NaT")],
)
def test_whatever_is_missing_is_unlabelled(missing):
    assert codes("defect", missing) == [DEFECT, UNLABELLED]


@pytest.mark.parametrize("one", [1, 1.0, True, np.int8(1), np.float32(1), np.True_, "1", "1.0"])
def test_one_is_the_defect(one):
    assert codes(one) == [DEFECT]


@pytest.mark.parametrize("zero", [0, 0.0, False, np.int64(0), np.False_, "0", "0.0"])
def test_zero_is_unlabelled(zero):
    assert codes(zero) == [UNLABELLED]


def test_no_labels_at_all_are_all_unlabelled():
    assert to_groups(None, 3).tolist() == [UNLABELLED] * 3
    assert to_groups([], 0).tolist() == []


@pytest.mark.parametrize(
    "y",
    [
        np.array([1, 0, 0]),
        np.array([True, False, False]),
        ["defect", None, None],
        ("defect", None, ""),
        np.array(["defect", "", "unlabelled"]),
        pd.Series(["defect", None, np.nan], index=[7, 8, 9]),
        pd.Series(["defect", None, pd.NA], dtype="string"),
        pd.Series([1, None, 0], dtype="Int64"),
        pd.Series(["defect", None, None], dtype="category"),
        pl.Series(["defect", None, ""]),
    ],
    ids=lambda y: f"{type(y).__module__}-{getattr(y, 'dtype', '')}",
)
def test_any_container_of_labels_will_do(y):
    groups = to_groups(y, 3)
    assert groups.dtype == np.int64
    assert groups.tolist() == [DEFECT, UNLABELLED, UNLABELLED]


@pytest.mark.parametrize("minus_one", [-1, -1.0, "-1", "-1.0", np.int64(-1)])
def test_minus_one_is_refused_and_the_colliding_dialects_are_named(minus_one):
    with pytest.raises(
        LabelError, match=r"labels hold -1, which means .* scikit-learn, .* Deep SAD .* SSDO; use the words"
    ):
        codes(0, minus_one)


@pytest.mark.parametrize("number", [2, 3, -2, 0.5, np.int64(7), float("inf")])
def test_other_numbers_are_refused(number):
    with pytest.raises(
        LabelError, match=f"label {re.escape(repr(number))}: integers may only be 1 .defect. and 0 .unlab"
    ):
        codes(number)


@pytest.mark.parametrize(("wrong", "meant"), [("Defect", "defect"), ("norml", "normal"), ("unlabeled", "unlabelled")])
def test_a_word_that_is_nearly_right_is_refused_with_a_suggestion(wrong, meant):
    with pytest.raises(LabelError, match=f"label '{wrong}' is not one of .* or missing; did you mean '{meant}'"):
        codes(wrong)


@pytest.mark.parametrize("wrong", ["satan", "2nd", "yes"])
def test_a_foreign_word_is_refused_with_what_to_do(wrong):
    with pytest.raises(
        LabelError, match=f"label '{wrong}' is not one of .*; say which values mean which group, for exam"
    ):
        codes(wrong)


@pytest.mark.parametrize(
    ("y", "shape"), [(["defect"], r"\(1,\)"), ([["defect", None]], r"\(1, 2\)"), ("defect", r"\(\)"), ([], r"\(0,\)")]
)
def test_a_wrong_length_is_refused(y, shape):
    with pytest.raises(LabelError, match=rf"labels have shape {shape}, the data have 2 rows; give one label per row"):
        to_groups(y, 2)


def test_words_come_back():
    groups = np.array([DEFECT, UNLABELLED, NORMAL, OTHER])
    assert to_words(groups).tolist() == ["defect", "unlabelled", "normal", "other"]
    assert to_groups(to_words(groups), 4).tolist() == groups.tolist()


def test_labels_are_not_mutated():
    y = np.array(["defect", None], dtype=object)
    to_groups(y, 2)
    assert y.tolist() == ["defect", None]


# Columns of foreign words


def test_named_values_become_words_and_the_rest_is_unlabelled():
    column = ["satan", "nmap", "normal", "satan"]
    assert translate(column, defect=("satan",), normal=("normal",)) == ["defect", None, "normal", "defect"]


def test_a_star_stands_for_every_value_named_nowhere_else():
    column = ["satan", "nmap", "normal", "smurf"]
    assert translate(column, defect=("satan",), normal=("normal",), other=("*",)) == [
        "defect",
        "other",
        "normal",
        "other",
    ]
    assert translate(column, defect=("*",)) == ["defect"] * 4


@pytest.mark.parametrize("missing", [None, float("nan"), "", " ", pd.NA])
def test_a_star_never_stands_for_what_is_missing(missing):
    assert translate(["satan", missing], defect=("satan",), other=("*",)) == ["defect", None]


def test_several_values_may_mean_one_group():
    assert translate(["a", "b", "c"], other=("a", "c", "a")) == ["other", None, "other"]


def test_values_are_compared_as_text():
    assert translate(np.array([3, 7, 3]), defect=("7",), normal=("3",)) == ["normal", "defect", "normal"]
    assert translate([True, False], defect=("True",)) == ["defect", None]


def test_without_named_values_the_column_is_left_as_it_is():
    assert translate(["defect", None, "other"]) == ["defect", None, "other"]


@pytest.mark.parametrize("value", ["a", "*"])
def test_a_value_named_for_two_groups_is_refused(value):
    with pytest.raises(LabelError, match=f"label value '{re.escape(value)}' is named for two groups; name it for one"):
        translate(["a", "b"], defect=(value,), other=(value,))


def test_a_named_value_that_does_not_occur_is_refused_with_those_that_do():
    with pytest.raises(LabelError, match="no row has the label 'stan'; the column holds 'nmap', 'satan'"):
        translate(["nmap", "nmap", "satan"], defect=("stan",))


def test_translated_columns_are_labels():
    column = translate(["x", "y", None], defect=("x",), other=("*",))
    assert to_groups(column, 3).tolist() == [DEFECT, OTHER, UNLABELLED]
