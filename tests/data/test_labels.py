"""Labels of files: from a table of names, or from folders."""

import pytest

from blemish.core.errors import ConfigError, DataError, DataWarning, LabelError
from blemish.data.dataset import Dataset, Reading
from blemish.data.labels import groups_for, labels_from_folders, labels_from_table


def labels(tmp_path, text):
    (tmp_path / "labels.csv").write_text(text)
    return tmp_path / "labels.csv"


def test_labels_by_path_name_stem_or_clip(tmp_path):
    keys = ["a/1.png", "b/2.png", "c/3.png", "clip7#16"]
    path = labels(tmp_path, "name,label\na/1.png,defect\n2.png,other\n3,normal\nclip7,defect\n")
    assert labels_from_table(keys, path, Reading()) == ["defect", "other", "normal", "defect"]


def test_labels_in_other_columns(tmp_path):
    assert labels_from_table(["1.png"], labels(tmp_path, "when,what\n1.png,defect\n"), Reading()) == ["defect"]


def test_bad_tables_of_labels(tmp_path):
    with pytest.raises(LabelError, match="none of the 1 names in .* is a sample; the first is 'z.png'"):
        labels_from_table(["1.png"], labels(tmp_path, "name,label\nz.png,defect\n"), Reading())
    with pytest.raises(LabelError, match="gives '1.png' two labels, 'defect' and 'other'"):
        labels_from_table(["1.png"], labels(tmp_path, "name,label\n1.png,defect\n1.png,other\n"), Reading())
    with pytest.raises(LabelError, match="has one column; a table of labels needs"):
        labels_from_table(["1.png"], labels(tmp_path, "name\n1.png\n"), Reading())
    with pytest.warns(DataWarning, match="1 name.* are not samples, for example 'z.png'"):
        labels_from_table(["1.png"], labels(tmp_path, "name,label\n1.png,defect\nz.png,other\n"), Reading())


def test_labels_from_folders():
    keys = ["MT_Crack/a.jpg", "MT_Free/b.jpg", "c.jpg"]
    assert labels_from_folders(["lot#3/crack/a.png", "lot#3/fine/b#2"], defect=["crack"]) == ["defect", None]
    assert labels_from_folders(keys, defect=["MT_Crack"], other=["*"]) == ["defect", "other", "other"]
    assert labels_from_folders(keys, defect=["MT_Crack"], normal=["MT_Free"]) == ["defect", "normal", None]
    with pytest.raises(LabelError, match="there is no sample in a folder 'MT_Crak'; folders are MT_Crack, MT_Free"):
        labels_from_folders(keys, defect=["MT_Crak"])


# One sample each -----------------------------------------------------------------------------------------------------


def test_a_name_that_fits_several_samples_lists_them(tmp_path):
    keys = ["lineA/000.png", "lineB/000.png", "lineB/003.png"]
    with pytest.raises(LabelError, match=r"'000.png' fits 'lineA/000.png', 'lineB/000.png'; write as much of the path"):
        labels_from_table(keys, labels(tmp_path, "name,label\n000.png,defect\n"), Reading())
    with pytest.raises(LabelError, match=r"1 name\(s\) in .* fit several samples: '000' fits"):
        labels_from_table(keys, labels(tmp_path, "name,label\n000,defect\n003,other\n"), Reading())
    found = labels_from_table(keys, labels(tmp_path, "name,label\nlineA/000.png,defect\n003,other\n"), Reading())
    assert found == ["defect", None, "other"]


@pytest.mark.parametrize(
    "name", ["top/a/1.png", "a/1.png", "a/1", "./top/a/1.png", "top\\a\\1.png", "data/top/a/1.png"]
)
def test_a_name_is_as_much_of_the_path_as_tells_it_apart(name, tmp_path):
    keys = ["top/a/1.png", "top/b/1.png", "1.png"]
    assert labels_from_table(keys, labels(tmp_path, f"name,label\n{name},defect\n"), Reading()) == [
        "defect",
        None,
        None,
    ]
    assert labels_from_table(keys, labels(tmp_path, "name,label\n1.png,defect\n"), Reading()) == [None, None, "defect"]


def test_numbers_are_names_as_they_are_written(tmp_path):
    path = labels(tmp_path, "name,label\n007,defect\n8,other\n")
    assert labels_from_table(["007.png", "7.png", "8.png"], path, Reading()) == ["defect", None, "other"]


@pytest.mark.parametrize("ones", [("1", "1.0"), ("1", "1"), ("1.0", "1")])
def test_1_and_1_0_are_one_label(ones, tmp_path):
    path = labels(tmp_path, f"name,label\na.png,{ones[0]}\na.png,{ones[1]}\nb.png,0\nc.png,\n")
    assert labels_from_table(["a.png", "b.png", "c.png"], path, Reading()) == [1, 0, None]


def test_duplicates_that_agree_are_fine_and_others_are_listed(tmp_path):
    same = "name,label\na/1.png,defect\na/1.png,defect\n1.png,defect\n1.png,\n"
    assert labels_from_table(["a/1.png"], labels(tmp_path, same), Reading()) == ["defect"]
    with pytest.raises(LabelError, match=r"gives 1 sample\(s\) two labels: 'a/1.png' 'defect', '1' 'other'; keep one"):
        labels_from_table(["a/1.png"], labels(tmp_path, "name,label\na/1.png,defect\n1,other\n"), Reading())
    two = "name,label\nx,defect\nx,other\ny,other\ny,normal\n"
    with pytest.raises(LabelError, match="'x' two labels, 'defect' and 'other'; 'y' two labels, 'other' and 'normal'"):
        labels_from_table(["x.png", "y.png"], labels(tmp_path, two), Reading())


def test_names_of_no_sample_are_counted_and_named(tmp_path):
    reading = Reading()
    with pytest.warns(DataWarning, match=r"2 name\(s\) in .* are not samples, for example 'y.png', 'z.png'"):
        labels_from_table(["1.png"], labels(tmp_path, "name,label\ny.png,other\n1.png,defect\nz.png,other\n"), reading)
    assert [note.how for note in reading.about("labels") if note.surprising] == [
        f"2 name(s) in {tmp_path / 'labels.csv'} are not samples, for example 'y.png', 'z.png'"
    ]


def test_a_folder_means_one_group():
    with pytest.raises(LabelError, match="folder 'a' is named for two groups"):
        labels_from_folders(["a/1.png"], defect=["a"], normal=["a"])
    with pytest.raises(LabelError, match=r"1 sample\(s\) lie in folders of two groups: 'good/crack/1.png'"):
        labels_from_folders(["good/crack/1.png", "good/2.png"], defect=["crack"], normal=["good"])


def test_groups_by_a_column_a_folder_or_a_name():
    films = Dataset(
        None, ["lot1/a#0", "lot1/a#8", "lot1/b", "lot2/b"], "video", files=True, groups=["a", "a", "b", "c"]
    )
    assert groups_for(films, None) == ["a", "a", "b", "c"]  # as they came
    assert groups_for(films, "folder") == ["lot1", "lot1", "lot1", "lot2"]
    assert groups_for(films, r"[ab]$") == ["a", "a", "b", "b"]  # without the frame
    assert groups_for(films, r"lot1/(.)") == ["a", "a", "b", None]
    table = Dataset(None, [0, 1, 2], "tabular", columns={"tile": [7, None, 7], "name": ["t1_x", "t1_y", "t2_x"]})
    assert groups_for(table, None) is None
    assert groups_for(table, "tile") == [7, None, 7]
    assert groups_for(table, "^t.", "name") == ["t1", "t1", "t2"]
    assert groups_for(table, "^(?:t(1)|t2)", "name") == ["1", "1", None]


def test_groups_that_are_not_there_are_refused():
    table = Dataset(None, [0, 1], "tabular", columns={"name": ["t1_x", "t2_x"]})
    with pytest.raises(DataError, match=r"no column 'tile' to group by; columns are X, name \(a regular expression is"):
        groups_for(table, "tile")
    with pytest.raises(DataError, match="--groups 'tile' matches none of the 2 names; the first is 't1_x'"):
        groups_for(table, "tile", "name")
    with pytest.raises(ConfigError, match=r"--groups 't\(' is neither a column, 'folder' nor a regular expression"):
        groups_for(table, "t(", "name")
