"""What a user meant: each guess and its record."""

import re

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from PIL import Image as Pillow

from blemish import read
from blemish.core.errors import DataError, DataWarning
from blemish.data.folders import looks_like_frames
from blemish.data.read import to_dataset
from sample_files import frames, picture


def test_nothing_there(tmp_path):
    with pytest.raises(DataError, match="there is no file or folder"):
        read(tmp_path / "absent.csv")
    with pytest.raises(DataError, match="contains no image, video or text named"):
        read(tmp_path)


def test_a_table_whose_name_is_not_text_is_refused_in_words_that_can_be_printed(tmp_path):
    path = tmp_path / "gr\udcfcn.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="the name is not UTF-8; rename the file") as refused:
        read(path)
    str(refused.value).encode()


def test_numbered_but_unlike_pictures_are_no_frames(tmp_path):
    for folder in ("a", "b"):
        for i in range(6):
            picture(tmp_path / folder / f"{i}.png", (32, 32))
    assert not looks_like_frames(sorted(tmp_path.rglob("*.png")))
    assert read(tmp_path).modality == "image"


def test_rows_of_a_dictionary_are_those_of_its_columns():
    assert to_dataset({"a": np.arange(5), "b": list("xyxyx")}).n_given == 5
    for X, message in (
        ({"a": [1, 2], "b": [1]}, "must be equally long, got"),
        ({}, "must be equally long, got none"),
        ({"a": 1}, "must be equally long"),
        (pl.LazyFrame({"a": [1]}), "give X.collect()"),
        (None, "X is a NoneType, which is not supported"),
        ((row for row in [[1.0]]), "X is a generator"),
    ):
        with pytest.raises(DataError, match=re.escape(message)):
            to_dataset(X)


def test_no_row_is_nothing_to_score(table_detector, table_split):
    for X in (np.empty((0, 4)), [], table_split.X_test[:0]):
        with pytest.raises(DataError, match="no sample, at least one"):
            table_detector.outlier_score(X)


def test_pictures_in_whatever_holds_them(image_split):
    X = [np.asarray(picture) for picture in image_split.X_test[:3]]
    expected = to_dataset(X).X
    odd = np.empty(3, dtype=object)
    odd[:] = X
    as_pillow = [Pillow.fromarray(picture[0]) for picture in X]
    for one in (odd, as_pillow, torch.from_numpy(np.stack(X))):
        found = to_dataset(one, "image")
        assert found.modality == "image"
        assert all(np.array_equal(a, b) for a, b in zip(found.X, expected, strict=True))


# The record of guesses -----------------------------------------------------------------------------------------------


def notes(data):
    return {note.what: note.how for note in data.reading}


def test_what_a_spreadsheet_wrote_is_recorded(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes("a;b;label\n1,5;x;defect\n2,5;y;\n".encode("utf-16"))
    data = read(path, take_out=["label", "absent"])
    assert data.X.to_pydict() == {"a": [1.5, 2.5], "b": ["x", "y"]}
    assert notes(data) == {
        "encoding": "UTF-16, by its byte order mark",
        "delimiter": "semicolon",
        "decimal mark": "comma, because a number has one and none has a point",
        "header": "the first line is read as column names, because no names were given",
        "taken out": "this column is not a feature",
    }
    assert {note.where for note in data.reading} == {str(path), "label"}
    path.write_text("1,2\n3,4\n")
    assert notes(read(path, names=["a", "b"])) == {}


def test_what_lines_of_a_text_file_are_is_recorded(tmp_path):
    (tmp_path / "t.txt").write_text("the pump leaks\nit runs, and runs\n")
    assert notes(read(tmp_path / "t.txt")) == {
        "modality": "text, one per line, because its lines are not rows of a table"
    }
    assert notes(read(tmp_path / "t.txt", modality="text")) == {}
    (tmp_path / "rows.txt").write_text("speed,kind\n1,tcp\n2,udp\n")
    assert notes(read(tmp_path / "rows.txt"))["modality"] == "tabular, because its lines have equally many cells"
    (tmp_path / "t.csv").write_text("words\nthe pump leaks\nit runs again today\n")
    assert notes(read(tmp_path / "t.csv"))["modality"] == "text, because the only column holds texts of several words"


def test_what_a_folder_was_taken_for_is_recorded(tmp_path):
    frames(tmp_path / "film" / "clip1", 9)
    frames(tmp_path / "film" / "clip2", 9)
    found = notes(read(tmp_path / "film"))
    assert found["modality"].startswith("video, because its pictures are numbered consecutively")
    assert found["frames"] == "9, because all 2 recordings have as many"
    picture(tmp_path / "images" / "a.png")
    assert notes(read(tmp_path / "images"))["modality"].startswith("image, because its pictures are not numbered")
    assert notes(read(tmp_path / "images", modality="image")) == {}
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("the pump leaks")
    assert notes(read(tmp_path / "texts"))["modality"] == "text, because it contains text files and no pictures"


def test_what_is_not_used_is_recorded(tmp_path):
    picture(tmp_path / "images" / "a.png")
    (tmp_path / "images" / "notes.md").write_text("notes")
    (tmp_path / "images" / "b.txt").write_text("more notes")
    left_out = {note.where: note.how for note in read(tmp_path / "images").reading.about("left out")}
    assert left_out == {
        "b.txt": "a .txt file is not read as a picture",
        "notes.md": "a .md file is not read as a picture",
    }
    np.savez(tmp_path / "a.npz", X=np.zeros((3, 4)), y=np.zeros(3), scale=np.zeros(4))
    found = [(note.what, note.where) for note in read(tmp_path / "a.npz").reading]
    assert found == [("taken out", "y"), ("left out", "scale"), ("modality", str(tmp_path / "a.npz"))]


def test_skipped_files_are_recorded_with_the_reason(tmp_path):
    picture(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"not a picture")
    with pytest.warns(DataWarning, match=r"skipped bad\.png"):
        data = read(tmp_path)
    (note,) = data.reading.about("skipped")
    assert note.where == "bad.png"
    assert "cannot be decoded (cannot identify image file" in note.how
    with pytest.warns(DataWarning):
        data = to_dataset([tmp_path / "bad.png", tmp_path / "good.png"])
    assert (data.keys, data.left_out, data.kept.tolist()) == ([str(tmp_path / "good.png")], [0], [False, True])
    assert data.skipped == [str(tmp_path / "bad.png")]


def test_what_was_read_can_be_fitted_and_keeps_its_record(tmp_path):
    (tmp_path / "t.csv").write_text("a;b\n1;2\n3;4\n")
    data = read(tmp_path / "t.csv")
    assert to_dataset(data) is data
    assert [*to_dataset(tmp_path / "t.csv").reading] == [*data.reading]
    with pytest.raises(DataError, match="the data are tabular, the model is for image"):
        to_dataset(data, "image")


# Modalities that are not built in ------------------------------------------------------------------------------------


def test_data_of_another_modality_are_taken_as_they_are(tmp_path):
    X = np.zeros((5, 2, 30))
    found = to_dataset(X, "signal")
    assert (found.modality, found.X is X, len(found)) == ("signal", True, 5)
    assert to_dataset(X).modality == "image"
    with pytest.raises(DataError, match="the data are image, the model is for tabular"):
        to_dataset(X, "tabular")
    for other in (list(X), torch.zeros(5, 2, 30), np.zeros(5), pd.DataFrame({"a": range(5)}), {"a": np.arange(5)}):
        assert (to_dataset(other, "signal").modality, len(to_dataset(other, "signal"))) == ("signal", 5)
    np.savez(tmp_path / "s.npz", X=X, y=np.zeros(5))
    assert (read(tmp_path / "s.npz", modality="signal").modality, read(tmp_path / "s.npz").modality) == (
        "signal",
        "image",
    )
    assert to_dataset(tmp_path / "s.npz", "signal").X.shape == X.shape
    (tmp_path / "t.csv").write_text("a,b\n1,2\n3,4\n")
    assert read(tmp_path / "t.csv", modality="signal").modality == "signal"
