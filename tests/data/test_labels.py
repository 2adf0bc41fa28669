"""Labels of files: from a table of names, or from folders."""

import pytest

from blemish.core.errors import DataWarning, LabelError
from blemish.data.dataset import Reading
from blemish.data.labels import labels_from_folders, labels_from_table


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
