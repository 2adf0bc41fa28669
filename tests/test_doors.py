"""Files × doors: the same rows have the same scores in whatever file they come, by whatever door (decisions.md 85)."""

import csv
import gzip
from functools import cache
from types import SimpleNamespace

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from PIL import Image as Pillow
from pyarrow import csv as arrow_csv
from pyarrow import feather, parquet

from blemish import DefectDetector, load, read
from blemish.cli import opening
from blemish.data.inputs import samples_to_score, stream_to_score
from blemish.modalities.tabular import Tabular
from blemish.onnx.runtime import Runtime
from blemish.out_of_core import score_file
from blemish.review.catalogue import open_catalogue
from command_line import run
from conftest import ten_trees

pytestmark = pytest.mark.filterwarnings("ignore:left out", "ignore:.*alike")
N = 160


def log():
    """A machine's log as its texts stand in a file: codes, counts with gaps, cells that are no numbers, a clock."""
    rng = np.random.default_rng(0)
    flow, pressure = rng.normal(12, 1, N).round(2), rng.normal(5, 0.3, N).round(2)
    flow[:6] += 6
    times = np.datetime64("2024-03-01T06:00:00") + np.arange(N) * np.timedelta64(300, "s")
    frame = pd.DataFrame(
        {
            "": np.arange(N),
            "time": [str(time).replace("T", " ") for time in times],
            "flow": [str(number) for number in flow],
            "pressure": ["?" if i % 40 == 5 else str(number) for i, number in enumerate(pressure)],
            "count": ["" if i % 30 == 7 else str(n) for i, n in enumerate(rng.integers(0, 90, N))],
            "share": [f"{share:.1f}%" for share in rng.normal(5, 1, N)],
            "hot": rng.choice(["true", "false"], N),
            "relay": rng.choice(["True", "False", "unknown"], N, p=[0.6, 0.3, 0.1]),
            "recipe": rng.choice(["007", "012", "A12"], N, p=[0.5, 0.3, 0.2]),
            "grade": rng.choice(["1", "2", "NA"], N),
            "kind": ["defect" if i < 6 else "" for i in range(N)],
        }
    )
    return frame.rename(columns={"": "Unnamed: 0"}).astype(str)


LOG = log()
PLAIN = np.flatnonzero((LOG["relay"] != "unknown") & (LOG["recipe"] != "A12") & (LOG["pressure"] != "?"))[:9]
"""Rows of which a file of their own looks as if codes were numbers, and words yes or no."""


def comma(number):
    return number.replace(".", ",")


def write_csv(path, frame, delimiter=",", encoding="utf-8", decimal=None):
    opened = gzip.open if path.suffix == ".gz" else open
    frame = frame if decimal is None else frame.assign(**{name: frame[name].map(comma) for name in decimal})
    with opened(path, "wt", newline="", encoding=encoding) as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(frame.columns)
        writer.writerows(frame.itertuples(index=False))
    return path


def typed(frame):
    """As whoever keeps types would: missing cells, numbers, times, booleans."""
    frame = frame.replace({"": None, "NA": None})
    return frame.assign(
        time=pd.to_datetime(frame["time"]),
        flow=frame["flow"].astype(float),
        count=frame["count"].astype(float),
        hot=frame["hot"] == "true",
        **{"Unnamed: 0": frame["Unnamed: 0"].astype(int)},
    )


FILES = {
    "a.csv": write_csv,
    "semicolons.csv": lambda path, frame: write_csv(path, frame, ";"),
    "decimal_commas.csv": lambda path, frame: write_csv(path, frame, ";", decimal=("flow", "pressure", "share")),
    "some_commas.csv": lambda path, frame: write_csv(path, frame, decimal=("flow", "share")),
    "tabs.tsv": lambda path, frame: write_csv(path, frame, "\t", "utf-16"),
    "small.csv.gz": write_csv,
    "texts.parquet": lambda path, frame: parquet.write_table(pa.Table.from_pandas(frame), path),
    "typed.parquet": lambda path, frame: parquet.write_table(pa.Table.from_pandas(typed(frame)), path),
    "typed.arrow": lambda path, frame: feather.write_feather(pa.Table.from_pandas(typed(frame)), path),
    "turned.csv": lambda path, frame: write_csv(path, frame[frame.columns[::-1]].assign(more="x")),
}
"""Name → how a frame of texts is written to it."""

PAIR = ["outlier_score", "defect_score"]


def table_scores(path):
    found = pd.read_parquet(path)
    return found[PAIR].to_numpy()


def by_command(tmp_path, model, file, monkeypatch, capsys):
    assert run(monkeypatch, capsys, "score", model, file, "-o", tmp_path / "s.parquet")[0] == 0
    return table_scores(tmp_path / "s.parquet")


def of_page(det, file, modality):
    catalogue = open_catalogue(file, apart=["kind"], modality=modality)
    return of_detector(det, catalogue.take(range(len(catalogue)))[0])


def of_export(folder, file):
    exported, samples = opening.open_exported(folder / "m.onnx", str(file), glob=None, names=None, key=None)
    return np.column_stack([exported.scores(samples.X)[name] for name in PAIR])


@pytest.fixture(scope="module", autouse=True)
def one_session():
    """An exported model is opened once: that takes a fifth of a second."""
    patch = pytest.MonkeyPatch()
    patch.setattr(opening, "Runtime", cache(Runtime))
    yield
    patch.undo()


def check_doors(model, file, rows, modality, command_line=None):
    """All doors give the scores of these rows of the training data."""
    found = {
        "read": of_detector(model.det, read(file, take_out=["kind"], modality=modality)),
        "as in training": of_detector(model.loaded, samples_to_score(model.loaded, str(file))),
        "page": of_page(model.det, file, modality),
    }
    score_file(model.loaded, file, model.folder / "chunks.parquet")
    found["out of core"] = table_scores(model.folder / "chunks.parquet")
    if command_line is not None:
        found["command line"] = by_command(model.folder, model.folder / "m.blemish", file, *command_line)
    for door, scores in found.items():
        np.testing.assert_allclose(
            scores, model.expected[rows], rtol=1e-12, atol=1e-12, err_msg=f"{door}, {len(rows)} rows"
        )
    exported = of_export(model.folder, file)
    np.testing.assert_allclose(exported, model.of_export[rows], rtol=1e-12, atol=1e-12)


def saved(folder, det, samples, train):
    """What `check_doors` needs, from a fitted detector and its training data."""
    det.save(folder / "m.blemish")
    det.export(folder / "m.onnx", samples.X)
    expected = of_detector(det, samples)
    loaded, scores = load(folder / "m.blemish"), of_export(folder, train)
    np.testing.assert_allclose(scores, expected, rtol=1e-4)
    return SimpleNamespace(folder=folder, det=det, loaded=loaded, expected=expected, of_export=scores)


def of_detector(det, X):
    found = det.scores(X)
    return np.stack([found[name] for name in PAIR], axis=1)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("doors")
    write_csv(folder / "train.csv", LOG)
    with ten_trees():
        samples = read(folder / "train.csv", take_out=["kind"])
        det = DefectDetector(epochs=2, random_state=0).fit(samples, samples.columns["kind"])
    det.notes_ = {"taken_out": ["kind"]}
    return saved(folder, det, samples, folder / "train.csv")


@pytest.mark.parametrize("name", FILES)
def test_the_same_rows_have_the_same_scores_in_whatever_file(model, tmp_path, monkeypatch, capsys, name):
    for part in (np.arange(N), PLAIN, PLAIN[:1]):
        file = tmp_path / name
        FILES[name](file, LOG.iloc[part].reset_index(drop=True))
        check_doors(model, file, part, "tabular", (monkeypatch, capsys) if len(part) == len(PLAIN) else None)


FRAMES = {
    "pandas": pd.read_csv,
    "pandas, all text": lambda path: pd.read_csv(path, dtype=str, keep_default_na=False),
    "pandas, Arrow types": lambda path: pd.read_csv(path, dtype_backend="pyarrow"),
    "pandas, categories": lambda path: pd.read_csv(path, dtype={"recipe": "category", "relay": "category"}),
    "polars": pl.read_csv,
    "polars, all text": lambda path: pl.read_csv(path, infer_schema=False),
    "polars, times": lambda path: pl.read_csv(path, try_parse_dates=True),
    "arrow": lambda path: arrow_csv.read_csv(path),
    "dict": lambda path: pd.read_csv(path).to_dict("list"),
    "dict of arrays": lambda path: {name: column.to_numpy() for name, column in pd.read_csv(path).items()},
}
"""Library → how it reads a CSV file, by default or otherwise."""


@pytest.mark.parametrize("library", FRAMES)
def test_what_libraries_read_scores_as_the_file_does(model, tmp_path, library):
    det, expected = model.det, model.expected
    for part in (np.arange(N), PLAIN, PLAIN[:1]):
        write_csv(tmp_path / "a.csv", LOG.iloc[part])
        X = FRAMES[library](tmp_path / "a.csv")
        np.testing.assert_allclose(
            of_detector(det, X), expected[part], rtol=1e-12, atol=1e-12, err_msg=f"{len(part)} rows"
        )


def kinds_of(X):
    fitted = Tabular().fit(X)
    return [{name: one.get(name) for name in ("name", "kind", "left_out", "categories")} for one in fitted.kinds()]


def test_a_fit_decides_alike_from_whatever_file_and_library(tmp_path):
    write_csv(tmp_path / "train.csv", LOG)
    expected = kinds_of(read(tmp_path / "train.csv").X)
    assert [(one["name"], one["kind"]) for one in expected] == [
        ("flow", "numeric"), ("pressure", "numeric"), ("count", "numeric"), ("share", "numeric"), ("hot", "binary"),
        ("relay", "categorical"), ("recipe", "categorical"), ("grade", "numeric"), ("kind", "categorical"),
        ("Unnamed: 0", "order"), ("time", "time"),
    ]  # fmt: skip
    for name, write in FILES.items():
        write(tmp_path / name, LOG)
        if name != "turned.csv":
            assert kinds_of(read(tmp_path / name).X) == expected, name
    for library, of_file in FRAMES.items():
        assert kinds_of(of_file(tmp_path / "train.csv")) == expected, library


def test_a_fit_of_frames_scores_files(model, tmp_path):
    with ten_trees():
        frame = pd.read_csv(model.folder / "train.csv")
        det = DefectDetector(epochs=1, random_state=0).fit(frame.drop(columns="kind"), frame["kind"])
    expected = of_detector(det, frame)
    for name, write in FILES.items():
        write(tmp_path / name, LOG.iloc[PLAIN])
        np.testing.assert_allclose(of_detector(det, str(tmp_path / name)), expected[PLAIN], rtol=1e-12, err_msg=name)


def test_numbers_of_an_archive_score_as_those_of_a_file(tmp_path):
    X = np.random.default_rng(0).normal(size=(120, 3))
    X[3, 1] = np.nan
    det = DefectDetector(epochs=1, random_state=0).fit(X)
    frame = pd.DataFrame(X, columns=["x0", "x1", "x2"])
    np.savez(tmp_path / "a.npz", X=X)
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_parquet(tmp_path / "a.parquet")
    for name in ("a.npz", "a.csv", "a.parquet"):
        np.testing.assert_allclose(det.outlier_score(str(tmp_path / name)), det.outlier_score(X), rtol=1e-12)
        scored = [det.outlier_score(chunk.X) for chunk in stream_to_score(det, str(tmp_path / name)).chunks()]
        np.testing.assert_allclose(np.concatenate(scored), det.outlier_score(X), rtol=1e-12)


# Pictures and texts --------------------------------------------------------------------------------------------------

N_PICTURES = 24


def pictures():
    """Grey parts with a bar, the first ones with a spot, and no pixel of pure white."""
    rng = np.random.default_rng(0)
    x = rng.integers(20, 60, (N_PICTURES, 18, 16))
    x[:, 4:8] += 120
    x[:4, 12:15, 5:9] += 150
    return x.astype(np.uint8)


PICTURES = pictures()


def save_pictures(folder, rows, ending, change=lambda picture: picture, **options):
    folder.mkdir()
    for place, row in enumerate(rows):
        change(Pillow.fromarray(PICTURES[row])).save(folder / f"{place:02}.{ending}", **options)


def turned(folder, rows):
    exif = Pillow.Exif()
    exif[0x0112] = 6
    save_pictures(folder, rows, "png", lambda picture: picture.transpose(Pillow.Transpose.ROTATE_90), exif=exif)


def in_folders(folder, rows):
    for place, row in enumerate(rows):
        path = folder / f"{place // 5}" / f"{place:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Pillow.fromarray(PICTURES[row]).save(path)


PICTURE_FILES = {
    "png": lambda path, rows: save_pictures(path, rows, "png"),
    "bmp": lambda path, rows: save_pictures(path, rows, "bmp"),
    "tiff": lambda path, rows: save_pictures(path, rows, "tif"),
    "colour": lambda path, rows: save_pictures(path, rows, "png", lambda picture: picture.convert("RGB")),
    "opaque": lambda path, rows: save_pictures(path, rows, "png", lambda picture: picture.convert("LA")),
    "palette": lambda path, rows: save_pictures(path, rows, "png", lambda picture: picture.convert("P")),
    "turned": turned,
    "folders": in_folders,
    "a.npz": lambda path, rows: np.savez(path, X=PICTURES[rows][:, None]),
}
"""Name → how some pictures are written."""

WORDS = ["pump", "leaks", "runs", "Gerät", "läuft", "valve", "café", "oil", "steht", "again", "over", "night", "shift"]
TEXTS = [" ".join(np.random.default_rng(i).choice(WORDS[i % 3 :], 9)) for i in range(30)]


def save_lines(path, rows, encoding="utf-8"):
    path.write_text("".join(f"{TEXTS[row]}\n" for row in rows), encoding=encoding)


def save_documents(folder, rows):
    folder.mkdir()
    for place, row in enumerate(rows):
        (folder / f"{place:02}.txt").write_text(TEXTS[row], encoding="cp1252" if place % 2 else "utf-8")


def text_table(rows):
    return pd.DataFrame({"n": range(len(rows)), "body": [TEXTS[row] for row in rows]})


TEXT_FILES = {
    "a.txt": save_lines,
    "windows.txt": lambda path, rows: save_lines(path, rows, "cp1252"),
    "wide.txt": lambda path, rows: save_lines(path, rows, "utf-16"),
    "documents": save_documents,
    "a.csv": lambda path, rows: text_table(rows).to_csv(path, index=False),
    "semicolons.csv": lambda path, rows: text_table(rows).to_csv(path, index=False, sep=";", encoding="cp1252"),
    "a.parquet": lambda path, rows: text_table(rows).to_parquet(path),
}
"""Name → how some texts are written."""


def fitted(folder, write, modality, n, **arguments):
    folder.mkdir()
    write(folder / "train", np.arange(n))
    samples = read(folder / "train", modality=modality)
    y = np.array(["defect"] * 4 + [None] * (n - 4), dtype=object)
    with ten_trees():
        det = DefectDetector(modality=modality, epochs=1, random_state=0, **arguments).fit(samples, y)
    return saved(folder, det, samples, folder / "train")


@pytest.fixture(scope="module")
def model_of_pictures(tmp_path_factory):
    # The scorer without the pretrained network, of which an export takes a minute: pictures are read alike.
    folder = tmp_path_factory.mktemp("doors") / "pictures"
    return fitted(folder, PICTURE_FILES["png"], "image", N_PICTURES, scorer="latent")


@pytest.fixture(scope="module")
def model_of_texts(tmp_path_factory):
    return fitted(tmp_path_factory.mktemp("doors") / "texts", save_documents, "text", len(TEXTS))


@pytest.mark.parametrize("name", PICTURE_FILES)
def test_the_same_pictures_have_the_same_scores_in_whatever_file(
    model_of_pictures, tmp_path, monkeypatch, capsys, name
):
    rows = np.array([3, 0, 20, 9, 11, 5])
    PICTURE_FILES[name](tmp_path / name, rows)
    check_doors(model_of_pictures, tmp_path / name, rows, "image", (monkeypatch, capsys))


@pytest.mark.parametrize("name", TEXT_FILES)
def test_the_same_texts_have_the_same_scores_in_whatever_file(model_of_texts, tmp_path, monkeypatch, capsys, name):
    rows = np.array([3, 0, 20, 9, 11, 5])
    TEXT_FILES[name](tmp_path / name, rows)
    check_doors(model_of_texts, tmp_path / name, rows, "text", (monkeypatch, capsys))
