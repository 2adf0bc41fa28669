"""What is attacked: for each kind of input whole ones as seeds, how they are damaged, and the command that reads them."""

import csv
import gzip
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any
from zipfile import ZipFile

import mutations
import numpy as np
import pyarrow as pa
import yaml
from PIL import Image
from pyarrow import csv as arrow_csv
from pyarrow import feather, parquet

import onnx
from blemish.onnx.runtime import SEAL, sealed

ROWS = 24
TABLES = ("csv", "csv.gz", "tsv", "txt", "parquet", "arrow", "feather")
PICTURES = {"PNG": "png", "JPEG": "jpg", "TIFF": "tif", "BMP": "bmp", "WEBP": "webp"}


@dataclass(frozen=True)
class Target:
    """One kind of input.

    Attributes:
        seeds: Command lines that make the whole inputs, in a folder; 'T' prepares what they read.
        damage: Writes a damaged input into the current folder, from the folder of whole ones; returns the command line
            that reads it, and whether other scores than those of the whole one are a finding.
        whole: The command line that scores the whole one into o.csv, in the folder of whole ones; empty: nothing is
            compared.
    """

    seeds: list[list[str]]
    damage: Callable[[Path, Random], tuple[list[str], bool]]
    whole: Sequence[str] = ()


# Whole inputs --------------------------------------------------------------------------------------------------------


def table(rows: int = ROWS) -> pa.Table:
    """A table with a key, numbers, categories and labels."""
    rng = np.random.default_rng(0)
    words = np.array(["red", "green", "blue"])[rng.integers(0, 3, rows)]
    kinds = ["defect"] * 4 + ["other"] * 2 + [None] * (rows - 6)
    names = [f"r{i}" for i in range(rows)]
    numbers = {name: rng.normal(size=rows).round(4) for name in ("a", "b")}
    return pa.table({"id": names, **numbers, "colour": words, "kind": kinds})


def write_seeds(folder: Path) -> None:
    """All whole inputs that need no command."""
    whole = table()
    for kind in TABLES:
        path = folder / f"t.{kind}"
        if kind == "parquet":
            parquet.write_table(whole, path)
        elif kind in ("arrow", "feather"):
            coded = whole.set_column(3, "colour", whole["colour"].dictionary_encode()) if kind == "feather" else whole
            feather.write_feather(coded, path, compression="uncompressed" if kind == "arrow" else "lz4")
        else:
            sink = pa.BufferOutputStream()
            options = arrow_csv.WriteOptions(delimiter="\t" if kind in ("tsv", "txt") else ",")
            arrow_csv.write_csv(whole, sink, options)
            content = sink.getvalue().to_pybytes()
            path.write_bytes(gzip.compress(content) if kind == "csv.gz" else content)
    rng = np.random.default_rng(1)
    numbers = rng.normal(size=(ROWS, 3))
    np.savez(folder / "n.npz", X=numbers, kind=np.array(["defect"] * 4 + [""] * (ROWS - 4)), when=np.arange(ROWS))
    np.savez_compressed(folder / "z.npz", X=numbers.astype("f4"))
    (folder / "texts.txt").write_text(
        "".join(f"part {i} is {'fine' if i > 3 else 'broken here'}\n" for i in range(ROWS))
    )
    pictures = folder / "pictures"
    for at in range(12):
        kind, suffix = list(PICTURES.items())[at % len(PICTURES)]
        place = pictures / ("crack" if at < 3 else "good")
        place.mkdir(parents=True, exist_ok=True)
        content = rng.integers(0, 255, (24, 24) if at % 2 else (24, 24, 3), dtype=np.uint8)
        Image.fromarray(content).save(place / f"{at}.{suffix}", kind)
    with (folder / "labels.csv").open("w", newline="") as file:
        rows = [(path.name, path.parent.name) for path in sorted(pictures.rglob("*.*"))]
        csv.writer(file).writerows([("path", "label"), *rows])
    run = {"data": "t.csv", "labels": "kind", "key": "id", "epochs": 1, "output": "r.blemish", "random_state": 0,
           "losses": ["reconstruction", {"name": "kl", "weight": 0.1}], "bottleneck": "variational"}  # fmt: skip
    (folder / "run.yaml").write_text(yaml.safe_dump(run))


FIT = ["--epochs", "1", "--seed", "0"]
FIT_TABLE = ["fit", "t.csv", "--labels", "kind", "--key", "id", *FIT, "-o", "table.blemish"]
FIT_ARRAY = ["fit", "n.npz", "--labels", "kind", *FIT, "-o", "array.blemish"]
FIT_TEXT = ["fit", "texts.txt", *FIT, "-o", "text.blemish"]
FIT_PICTURES = ["fit", "pictures", "--defect-folder", "crack", *FIT, "-o", "pictures.blemish"]
SCORE = ["score", "-o", "o.csv"]
EXPORT = ["export", "table.blemish", "-o", "table.onnx"]


# Damaged inputs ------------------------------------------------------------------------------------------------------


def _model(name: str, data: str, options: list[str]) -> Callable[[Path, Random], tuple[list[str], bool]]:
    def damage(seeds: Path, rng: Random) -> tuple[list[str], bool]:
        path = seeds / f"{name}.blemish"
        content, is_sealed = mutations.model_file(path.read_bytes(), str(path), rng)
        Path("m.blemish").write_bytes(content)
        verb = rng.choice((["score", "m.blemish", str(seeds / data), "-o", "o.csv", *options],) * 6
                          + (["info", "m.blemish", "--json"], ["explain", "m.blemish", str(seeds / data), *options],
                             ["threshold", "m.blemish", "--recall", "0.5"]))  # fmt: skip
        return verb, not is_sealed and verb[0] == "score" and b"SHA-256" in path.read_bytes()[:200]

    return damage


def _onnx(seeds: Path, rng: Random) -> tuple[list[str], bool]:
    content = (seeds / "table.onnx").read_bytes()
    command = ["score", "m.onnx", str(seeds / "t.csv"), "--key", "id", "-o", "o.csv"]
    if (kind := rng.randrange(4)) == 0:
        Path("m.onnx").write_bytes(mutations.damaged(content, rng))
        return command, True
    if kind == 1:
        Path("m.onnx").write_bytes(sealed(mutations.damaged(content[: -len(SEAL) - 64], rng)))
        return command, False
    model = onnx.load_from_string(content)
    entries = {entry.key: entry.value for entry in model.metadata_props}
    del model.metadata_props[:], entries["blemish.SHA-256"]  # which is not the last one of the file otherwise
    for key, value in entries.items():
        try:
            value = mutations.as_json(mutations.edited(json.loads(value), rng))
        except ValueError:
            value = mutations.damaged(value.encode(), rng).decode("utf-8", "replace")
        model.metadata_props.add(key=key, value=value)
    if kind == 3:
        _edit_graph(model.graph, rng)
    Path("m.onnx").write_bytes(sealed(model.SerializeToString()))
    return command, False


def _edit_graph(graph: Any, rng: Random) -> None:
    """Weights in another file, of another shape or type; nodes that are others, missing, or wired otherwise."""
    weights, node = rng.choice(graph.initializer), rng.choice(graph.node)
    match rng.randrange(7):
        case 0:
            weights.ClearField("raw_data")
            weights.data_location = onnx.TensorProto.EXTERNAL
            words = ("/etc/passwd", "../t.csv", "m.onnx", "stderr", "/dev/zero", "\0", "")
            for key, value in (("location", rng.choice(words)), ("offset", rng.choice(("0", "-1", "9" * 20))),
                               ("length", rng.choice(("8", "0", "9" * 15)))):  # fmt: skip
                weights.external_data.add(key=key, value=value)
        case 1:
            weights.dims[:] = [rng.choice((0, 1, -1, 2**31, 2**40)) for _ in range(rng.randrange(4))]
        case 2:
            weights.data_type = rng.randrange(24)
        case 3:
            weights.raw_data = mutations.damaged(weights.raw_data, rng)
        case 4:
            node.op_type = rng.choice(("Loop", "If", "Scan", "Identity", "X", "", "Tile", "Reshape"))
        case 5:
            graph.node.remove(node)
        case _:
            node.input[:] = rng.sample(list(node.input), len(node.input))


def _strange_table(rng: Random) -> pa.Table:
    """A table whose columns have other types than those that the model knows, or other names."""
    whole, n = table(), ROWS
    kinds = [pa.large_string(), pa.string_view(), pa.binary(), pa.float16(), pa.int8(), pa.decimal128(12, 3),
             pa.timestamp("ns", "UTC"), pa.date32(), pa.duration("us"), pa.list_(pa.int32()), pa.bool_(), pa.null(),
             pa.struct([("x", pa.int8())]), pa.map_(pa.string(), pa.int8()), pa.dictionary(pa.int8(), pa.string()),
             pa.time64("ns"), pa.binary(3), pa.uint64(), pa.month_day_nano_interval()]  # fmt: skip
    for _ in range(rng.choice((1, 1, 2))):
        at, kind = rng.randrange(whole.num_columns), rng.choice(kinds)
        name = rng.choice((whole.column_names[at],) * 4 + ("", "=x", "x\ny", "id", "\ufeffa", "outlier_score"))
        column = whole.column(at)
        try:
            made = column.cast(kind)
        except pa.ArrowException:
            made = pa.nulls(n, kind)
        whole = whole.set_column(at, name, made)
    return whole


def _table(seeds: Path, rng: Random) -> tuple[list[str], bool]:
    kind = rng.choice(TABLES)
    path = Path(f"x.{kind}")
    if kind in ("parquet", "arrow") and rng.random() < 0.3:
        write = parquet.write_table if kind == "parquet" else feather.write_feather
        try:
            write(_strange_table(rng), path)
        except (pa.ArrowException, ValueError):
            shutil.copy(seeds / f"t.{kind}", path)
    else:
        content = (seeds / f"t.{kind}").read_bytes()
        if kind == "csv.gz" and rng.random() < 0.5:
            path.write_bytes(gzip.compress(mutations.damaged(gzip.decompress(content), rng)))
        else:
            path.write_bytes(mutations.damaged(content, rng))
    model, options = (
        str(seeds / "table.blemish"),
        rng.choice((*[["--key", "id"]] * 6, [], ["--key", "a"])),
    )
    output = rng.choice(("o.csv", "o.parquet"))
    return rng.choice((["score", model, str(path), *options, "-o", output],) * 6 + (
        ["explain", model, str(path)], ["evaluate", model, str(path), "--truth", "kind"],
        ["report", model, str(path), "-o", "r.html"])), False  # fmt: skip


def _repacked(content: bytes, rng: Random) -> bytes:
    made = BytesIO()
    with ZipFile(BytesIO(content)) as before, ZipFile(made, "w") as after:
        for name in before.namelist():
            part = before.read(name)
            if rng.random() < 0.3:
                words = (ROWS, 3, 0, 1, -1, 2**31, 2**62, 10**30)
                shape = str(tuple(rng.choice(words) for _ in range(rng.randrange(4))))
                part = part.replace(b"(24, 3)", shape.encode())
                # the header says how long it is
                part = (
                    part[:8] + (int.from_bytes(part[8:10], "little") + len(shape) - 7).to_bytes(2, "little") + part[10:]
                )
            # most of the damage to the header, where the shape and the type are
            cut = rng.choice((128, len(part)))
            part = mutations.damaged(part[:cut], rng) + part[cut:] if rng.random() < 0.7 else part
            name = rng.choice((name,) * 9 + ("x.npy", "X", "X.npy"))
            if name not in after.namelist():
                after.writestr(name, part)
    return made.getvalue()


def _npz(seeds: Path, rng: Random) -> tuple[list[str], bool]:
    content = (seeds / rng.choice(("n.npz", "z.npz"))).read_bytes()
    if rng.random() < 0.2:
        kinds = ("O", "S5", "U3", "c16", "M8[s]", "m8[ns]", "f2", "i1", "?", "V4")
        array = np.zeros(
            rng.choice(((ROWS, 3), (ROWS, 0), (0, 3), (ROWS,), (2, 2, 2), (1,) * 6, ())), rng.choice(kinds)
        )
        np.savez("x.npz", X=array, kind=np.zeros(ROWS, rng.choice(kinds)))
        content = Path("x.npz").read_bytes()
    if rng.random() < 0.5:  # behind the archive's own checksums
        Path("x.npz").write_bytes(_repacked(content, rng))
    else:
        Path("x.npz").write_bytes(mutations.damaged(content, rng))
    options = rng.choice(([], ["--key", "kind"], ["--key", "when"]))
    return ["score", str(seeds / "array.blemish"), "x.npz", *options, "-o", "o.csv"], False


NAMES = (
    "a.png",
    "é.jpg",
    "gr\udcfcn.png",
    "=1.tif",
    "a\nb.png",
    "\x1b[31m.png",
    "‮.webp",
    "n" * 250 + ".png",
    "\\xff.png",
)


def _pictures(seeds: Path, rng: Random) -> tuple[list[str], bool]:
    folder = Path("in")
    folder.mkdir()
    for at, path in enumerate(rng.sample(sorted((seeds / "pictures").rglob("*.*")), 3)):
        content = mutations.damaged(path.read_bytes(), rng) if at else path.read_bytes()
        name = path.name if rng.random() < 0.7 else rng.choice(NAMES)
        (folder / name).write_bytes(content)
    if rng.random() < 0.2:
        (folder / "link.png").symlink_to(rng.choice(("/dev/zero", "link.png", "/etc/passwd", "/proc/self/mem", "..")))
    return ["score", str(seeds / "pictures.blemish"), "in", "-o", rng.choice(("o.csv", "o.parquet"))], False


def _labels(seeds: Path, rng: Random) -> tuple[list[str], bool]:
    Path("labels.csv").write_bytes(mutations.damaged((seeds / "labels.csv").read_bytes(), rng))
    return ["evaluate", str(seeds / "pictures.blemish"), str(seeds / "pictures"), "--truth", "labels.csv",
            "--defect", "crack", "--normal", "good"], False  # fmt: skip


def _run_file(seeds: Path, rng: Random) -> tuple[list[str], bool]:
    text = (seeds / "run.yaml").read_text()
    if rng.random() < 0.5:
        made = yaml.safe_dump(mutations.edited(yaml.safe_load(text), rng), allow_unicode=True).encode(
            "utf-8", "replace"
        )
    else:
        made = mutations.damaged(text.encode(), rng)
    Path("run.yaml").write_bytes(made)
    shutil.copy(seeds / "t.csv", "t.csv")
    return ["fit", "--config", "run.yaml", "--epochs", "1", "-o", "r.blemish"], False


TARGETS = {
    "model": Target(
        [FIT_TABLE], _model("table", "t.csv", ["--key", "id"]), [*SCORE, "table.blemish", "t.csv", "--key", "id"]
    ),
    "text_model": Target([FIT_TEXT], _model("text", "texts.txt", []), [*SCORE, "text.blemish", "texts.txt"]),
    "picture_model": Target(
        [FIT_PICTURES], _model("pictures", "pictures", []), [*SCORE, "pictures.blemish", "pictures"]
    ),
    "onnx": Target([FIT_TABLE, EXPORT], _onnx, [*SCORE, "table.onnx", "t.csv", "--key", "id"]),
    "table": Target([FIT_TABLE], _table),
    "npz": Target([FIT_ARRAY], _npz),
    "pictures": Target([FIT_PICTURES], _pictures),
    "labels": Target([FIT_PICTURES], _labels),
    "run_file": Target([], _run_file),
}
