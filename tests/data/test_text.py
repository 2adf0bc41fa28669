"""Texts: where they come from, how they stay sparse, what is said of them."""

import gzip
import json
import sys
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from pyarrow import csv, feather, parquet
from scipy.sparse import csr_matrix

from blemish import DefectDetector, load, read
from blemish.cli import main
from blemish.core.errors import ConfigError, DataError, DataWarning
from blemish.data.read import to_dataset
from blemish.data.writing import write_table
from blemish.modalities.text import FittedText, Text
from blemish.out_of_core import score_table
from blemish.report.results import top_explanations
from blemish.training.rows import SparseRows

pytestmark = pytest.mark.usefixtures("few_trees")

TEXTS = ["the pump leaks oil", "the pump runs well today", "", "valve three leaks a lot of oil"]


@pytest.fixture(scope="module")
def detector(text_split):
    return DefectDetector(epochs=3, random_state=0).fit(list(text_split.X_train), text_split.y_train)


def table_of(texts, **more):
    return pa.table({"body": texts, **more})


# Where texts come from -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".arrow"])
def test_a_column_of_a_table(suffix, tmp_path):
    table = table_of(TEXTS, n=[1, 2, 3, 4], kind=["a", "b", "a", "b"], id=["p", "q", "r", "s"])
    path = tmp_path / f"t{suffix}"
    {".csv": csv.write_csv, ".parquet": parquet.write_table, ".arrow": feather.write_feather}[suffix](table, path)
    samples = read(path, modality="text", take_out=["kind", "id"])
    assert (samples.modality, samples.X, samples.keys) == ("text", TEXTS, [0, 1, 2, 3])
    assert samples.columns["id"] == ["p", "q", "r", "s"]
    assert read(path, modality="text", column="body").X == TEXTS
    assert read(path, take_out=["kind", "id"]).modality == "tabular", "a number beside it"
    assert read(path, take_out=["kind", "id", "n"]).modality == "text", "nothing but texts"


def test_a_column_that_is_none(tmp_path):
    csv.write_csv(table_of(TEXTS, n=[1, 2, 3, 4], kind=list("abab")), tmp_path / "t.csv")
    for column, message in (
        (None, "2 of the columns 'body', 'kind' hold text; name the one that counts"),
        ("n", "column 'n' holds Int64, not text"),
        ("boddy", "there is no column 'boddy'; there are 'body', 'n', 'kind'"),
    ):
        with pytest.raises(DataError, match=message):
            read(tmp_path / "t.csv", modality="text", column=column)
    with pytest.raises(DataError, match="0 of the columns 'n' hold text"):
        read(tmp_path / "t.csv", modality="text", take_out=["body", "kind"])
    (tmp_path / "latin.csv").write_bytes("body\ncaf\xe9 au lait\n".encode("latin-1"))
    latin = read(tmp_path / "latin.csv", modality="text")
    assert latin.X == ["caf\xe9 au lait"]
    assert latin.reading.about("encoding")[0].how.startswith("Windows-1252, because byte 8 is not UTF-8")


def test_a_document_a_line(tmp_path):
    (tmp_path / "t.txt").write_bytes("\ufeffthe pump, leaks\r\n\r\nit runs, and runs, and runs\n\n".encode())
    samples = read(tmp_path / "t.txt")
    assert (samples.modality, samples.keys) == ("text", [0, 1, 2])
    assert samples.X == ["the pump, leaks", "", "it runs, and runs, and runs"]
    (tmp_path / "plain.txt").write_text("no comma at all\nin any line\n")
    assert read(tmp_path / "plain.txt").modality == "text"
    (tmp_path / "rows.txt").write_text("speed,kind\n1,tcp\n2,udp\n")
    assert read(tmp_path / "rows.txt").modality == "tabular"
    assert read(tmp_path / "rows.txt", modality="text").X[0] == "speed,kind"
    (tmp_path / "numbers.txt").write_text("speed\n1.5\n-2e3\n")
    assert read(tmp_path / "numbers.txt").modality == "tabular"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"good\nna\0\xefve\n", r"byte 8 \(0xef\) is not UTF-8; convert the file"),
        (b"\n \n", "contains no text"),
        (b"", "no text"),
    ],
)
def test_lines_that_cannot_be_read(content, message, tmp_path):
    (tmp_path / "t.txt").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read(tmp_path / "t.txt", modality="text")


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-16-le"])
def test_a_text_file_of_another_encoding_is_read_as_a_table_is(tmp_path, encoding):
    lines = ["ein Gerät läuft", "die Mühle steht und steht"]
    (tmp_path / "t.txt").write_bytes("".join(f"{line}\n" for line in lines).encode(encoding))
    samples = read(tmp_path / "t.txt", modality="text")
    assert list(samples.X) == lines
    assert list(read(tmp_path, modality="text").X) == ["".join(f"{line}\n" for line in lines)]
    said = {"cp1252": "Windows-1252, because byte 7 is not UTF-8", "utf-16-le": "because every other byte is 0"}
    assert said.get(encoding, "") in " ".join(map(str, samples.reading))


def test_a_folder_of_text_files(tmp_path):
    for name, text in {"leak/b.txt": "oil\neverywhere", "fine/a.txt": "runs well", "fine/c.md": "notes"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    samples = read(tmp_path)
    assert (samples.modality, samples.keys, samples.files) == ("text", ["fine/a.txt", "leak/b.txt"], True)
    assert samples.X == ["runs well", "oil\neverywhere"]
    assert read(tmp_path, modality="text", glob="*.md").X == ["notes"]
    (tmp_path / "fine/a.txt").write_bytes(b"\xff\xfe")
    with pytest.warns(DataWarning, match=r"skipped .*a\.txt: byte 0 \(0xff\) is not UTF-8"):
        assert read(tmp_path).skipped == ["fine/a.txt"]
    (tmp_path / "leak/b.txt").write_bytes(b"\xff\0")
    with pytest.warns(DataWarning), pytest.raises(DataError, match="none of the 2 text files in .* can be read"):
        read(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"contains no \.txt file; name others with --glob"):
        read(tmp_path / "empty", modality="text")


def test_every_container_gives_the_same_scores(detector, text_split):
    texts = list(text_split.X_test[:5])
    expected = detector.outlier_score(texts)
    frame = pd.DataFrame({"body": texts, "n": range(5)}, index=list("abcde"))
    for other in (
        np.array(texts, dtype=object), tuple(texts), frame, frame["body"], pl.Series(texts), pl.DataFrame({"b": texts}),
        pa.table({"b": texts}), pa.array(texts), pa.chunked_array([texts]),
    ):  # fmt: skip
        np.testing.assert_array_equal(detector.outlier_score(other), expected)
    assert list(detector.outlier_score(frame).index) == list("abcde")
    assert [to_dataset(other).modality for other in (frame["body"], frame[["body"]], pl.Series(texts))] == ["text"] * 3
    assert to_dataset(frame).modality == "tabular"
    assert to_dataset(frame["n"].astype(float)).modality != "text"


def test_missing_texts_of_a_column_are_empty(detector):
    empty = detector.outlier_score(["x", ""])
    for missing in (pd.Series(["x", None]), pd.Series(["x", np.nan], dtype=object), pa.array(["x", None])):
        np.testing.assert_array_equal(detector.outlier_score(missing), empty)
    np.testing.assert_allclose(detector.outlier_score([""]), empty[1:], rtol=1e-12)
    with pytest.raises(DataError, match="text 1 is NoneType 'None', not a string; give '' for no text"):
        detector.outlier_score(["x", None])


def test_a_named_column_is_kept(text_split, tmp_path):
    frame = pd.DataFrame({"body": text_split.X_train, "kind": "k"})
    det = DefectDetector(modality={"name": "text", "column": "body"}, epochs=1, random_state=0).fit(frame)
    det.save(tmp_path / "m.blemish")
    np.testing.assert_array_equal(load(tmp_path / "m.blemish").outlier_score(frame), det.outlier_score(frame["body"]))


def test_texts_without_any_word():
    with pytest.raises(DataError, match="no word occurs in at least 1 of the 2 texts; give more text"):
        DefectDetector(modality="text").fit(["", "  "])


def test_words_may_all_weigh_alike():
    texts = ["the pump of the house", "the oil of the pump"]
    plain = Text(idf=False, stop_words=False, topics=1).fit(texts)
    assert {"the", "of"} <= set(plain.terms)
    assert (plain.idf == 1).all()
    again: Any = FittedText.of_file(plain.state())
    np.testing.assert_array_equal(again.to_tensor(texts).toarray(), plain.to_tensor(texts).toarray())
    assert not {"the", "of"} & set(Text(stop_words=True, topics=1).fit(texts).terms)
    full, half = (Text(idf=power, topics=1).fit(texts) for power in (True, 0.5))
    np.testing.assert_allclose(half.idf, full.idf**0.5)
    with pytest.raises(ConfigError, match=r"idf=-1.0 is a power of the inverse document frequency; give 0 or more"):
        Text(idf=-1.0).fit(texts)


# Sparse until the batch ------------------------------------------------------------------------------------------


def test_rows_stay_sparse_until_they_are_split():
    dense = np.array([[0, 1, 0], [2, 0, 0], [0, 0, 3], [0, 0, 0], [4, 5, 0]], dtype=np.float32)
    rows = SparseRows(csr_matrix(dense), torch.device("cpu"))
    order = torch.tensor([4, 0, 0, 2])
    assert isinstance(rows[order], SparseRows)
    np.testing.assert_array_equal(rows[order].to_dense(), dense[order])
    for sizes, lengths in ((2, [2, 2, 1]), ([3, 0, 2], [3, 0, 2])):
        chunks = list(rows.split(sizes))
        assert [len(chunk) for chunk in chunks] == lengths
        assert all(chunk.dtype == torch.float32 for chunk in chunks)
        np.testing.assert_array_equal(torch.cat(chunks), dense)


def test_sparse_rows_train_and_score_as_dense_ones(text_split, monkeypatch):
    def scores():
        det = DefectDetector(epochs={"at_most": 3, "patience": 2}, random_state=0)
        return det.fit(list(text_split.X_train), text_split.y_train).defect_score(list(text_split.X_test))

    sparse, transform = scores(), FittedText.to_tensor
    monkeypatch.setattr(FittedText, "to_tensor", lambda self, raw: transform(self, raw).toarray())
    np.testing.assert_allclose(scores(), sparse, rtol=1e-5)


def test_a_long_vocabulary_takes_little_memory():
    rng = np.random.default_rng(0)
    texts = [" ".join(f"w{i}" for i in rng.integers(5000, size=20)) for _ in range(2000)]
    x = Text(topics=2).fit(texts).to_tensor(texts)
    assert x.dtype == np.float32
    assert x.data.nbytes + x.indices.nbytes + x.indptr.nbytes < x.toarray().nbytes / 50


# What is said of them --------------------------------------------------------------------------------------------


def test_an_explanation_names_words_of_the_text_or_missing_ones_that_weigh(detector):
    texts = ["profit shares tanker tanker", ""]
    explanation = detector.explain(texts)
    frame = explanation.to_frame(top=50)
    first = frame[frame["row"] == 0]
    assert {"profit", "shares", "tanker"} <= set(first["element"])
    absent = first[~first["element"].isin(texts[0].split())]
    assert (absent["share"] >= 0.01).all()
    assert (absent["seen"] == 0).all()
    assert len(explanation.elements) <= len(detector.fitted_.model.modality.terms)
    assert first["share"].sum() <= 1 + 1e-9
    np.testing.assert_allclose(explanation.total, explanation.error_map.sum(axis=1), rtol=1e-6)
    assert detector.explain(["profit"]).to_frame(top=1)["element"].tolist() == ["profit"]


def test_only_the_top_texts_are_explained(detector, text_split, monkeypatch):
    asked = []
    explain = DefectDetector.explain
    monkeypatch.setattr(DefectDetector, "explain", lambda self, X: asked.append(len(X)) or explain(self, X))
    texts = list(text_split.X_test)
    rows = top_explanations(detector, texts, [f"d{i}" for i in range(len(texts))], top=2, elements=3)
    assert asked == [2]
    scores = detector.defect_score(texts)
    assert [row["key"] for row in rows[::3]] == [f"d{i}" for i in np.argsort(-scores, kind="stable")[:2]]
    assert all(row["element"] in texts[int(row["key"][1:])] or row["seen"] == 0 for row in rows)


def test_markup_in_texts_and_keys_stays_text(detector, tmp_path):
    from blemish.report import Section, Table, render

    evil = "<script>alert(1)</script> profit <img src=x onerror=alert(1)>"
    lines = top_explanations(detector, [evil], [evil], top=1, elements=9)
    table = Table("why", ["key", "word"], [[line["key"], line["element"]] for line in lines])
    page = render(evil, evil, {"text": evil}, [table], [Section(evil, evil, "")])
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "&lt;script&gt;alert(1)" in page
    write_table(score_table(detector, [evil], ["=cmd()"], "key"), tmp_path / "s.csv")
    assert csv.read_csv(tmp_path / "s.csv")["key"].to_pylist() == ["'=cmd()"]


# On the command line ---------------------------------------------------------------------------------------------


def blemish(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["blemish", *map(str, arguments)])
    try:
        main()
    except SystemExit as error:
        return (error.code or 0, *capsys.readouterr())
    return (0, *capsys.readouterr())


@pytest.mark.parametrize("form", ["column", "lines", "folder"])
def test_fit_score_and_explain(form, text_split, tmp_path, monkeypatch, capsys):
    texts, n = list(text_split.X_train), len(text_split.X_train)
    defects = [label == "defect" for label in text_split.y_train]
    data, options = tmp_path / "t.csv", []
    if form == "column":
        keys, key = [f"doc {i}" for i in range(n)], ("--key", "id")
        kinds = ["oil" if defect else None for defect in defects]
        csv.write_csv(pa.table({"id": keys, "note": ["x"] * n, "body": texts, "kind": kinds}), data)
        options = ["--modality", "{name: text, column: body}", "--labels", "kind", "--defect", "oil", "--key", "id"]
    elif form == "lines":
        data, keys, key = tmp_path / "t.txt", list(range(n)), ()
        data.write_text("\n".join(texts))
    else:
        data, key = tmp_path / "texts", ()
        keys = [f"{'oil' if defect else 'rest'}/{i:03d}.txt" for i, defect in enumerate(defects)]
        for name, text in zip(keys, texts, strict=True):
            (data / name).parent.mkdir(parents=True, exist_ok=True)
            (data / name).write_text(text)
        options, keys = ["--defect-folder", "oil"], sorted(keys)
    model, out = tmp_path / "m.blemish", tmp_path / "s.parquet"
    status, said, err = blemish(monkeypatch, capsys, "fit", data, *options, "--epochs", 2, "--seed", 0, "-o", model)
    assert status == 0, err
    assert f"fitted on {n} text samples" in said
    assert ("8 defect" in said) == (form != "lines")
    status, _, err = blemish(monkeypatch, capsys, "score", model, data, *key, "-o", out)
    assert status == 0, err
    scores = parquet.read_table(out)
    assert scores.column_names[0] == {"column": "id", "lines": "row", "folder": "path"}[form]
    assert scores.column(0).to_pylist() == keys
    status, said, err = blemish(monkeypatch, capsys, "explain", model, data, *key, "--top", 1, "--json")
    assert status == 0, err
    assert {line["element"] for line in json.loads(said)} <= set(" ".join(texts).split())


def test_bad_text_files_are_one_line_on_stderr(tmp_path, monkeypatch, capsys):
    (tmp_path / "t.txt").write_bytes(b"\xff\0\n")
    (tmp_path / "n.csv").write_text("a,b\n1,2\n")
    (tmp_path / "none").mkdir()
    for name, message in (
        ("t.txt", "is not UTF-8"),
        ("n.csv", "0 of the columns 'a', 'b' hold text"),
        ("none", "contains no .txt"),
    ):
        status, _, err = blemish(
            monkeypatch, capsys, "fit", tmp_path / name, "--modality", "text", "-o", tmp_path / "m.blemish"
        )
        assert status == 1
        assert message in err
        assert err.count("\n") == 1
    status, _, err = blemish(
        monkeypatch, capsys, "fit", tmp_path / "n.csv", "--defect-folder", "x", "-o", tmp_path / "m.blemish"
    )
    assert (status, "for a table use --labels" in err) == (1, True)


def test_a_line_ends_where_a_line_ends(tmp_path):
    (tmp_path / "a.txt").write_text(
        "oil\u2028leak here\nno\x0cleak today\r\nfine it is\n", encoding="utf-8", newline=""
    )
    assert read(tmp_path / "a.txt", modality="text").X == ["oil\u2028leak here", "no\x0cleak today", "fine it is"]


def test_a_long_line_is_text_and_a_compressed_table_is_none(tmp_path):
    (tmp_path / "long.txt").write_text("oil leak " * 20_000 + "\n" + "fine today\n" * 3)
    assert read(tmp_path / "long.txt").modality == "text"
    with gzip.open(tmp_path / "table.txt.gz", "wt") as file:
        file.write("a,b\n" + "1,2\n" * 20)
    assert read(tmp_path / "table.txt.gz").modality == "tabular"
