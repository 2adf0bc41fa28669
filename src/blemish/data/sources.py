"""Files and folders as samples: tables, images, videos, folders of frames, and texts."""

import os
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from csv import Error as CsvError
from csv import reader as csv_rows
from dataclasses import dataclass, field
from itertools import islice, pairwise
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pyarrow as pa
from PIL import Image as Pillow
from pyarrow import csv, feather, parquet

from blemish.core.errors import DataError, DataWarning
from blemish.data.dialects import dialect
from blemish.data.recordings import cut, frame_folders, read_video, same_size
from blemish.data.texts import decoded, holds_only_texts, texts_of

TABLES = (".csv", ".tsv", ".txt", ".data", ".parquet", ".arrow", ".feather", ".npz")
IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm")
LONGEST_SIDE = 1024
UNDECODABLE = (OSError, ValueError, SyntaxError, Pillow.DecompressionBombError)
"""What Pillow raises where a file is no picture that it can decode."""

PathLike = str | os.PathLike[str]
KINDS = ("tabular", "image", "video", "text")
"""What reading tells apart; data of any other kind that is asked for by name are for its modality to check."""


@dataclass(frozen=True)
class Samples:
    """What was read.

    Attributes:
        X: An Arrow table, an array, or a list of arrays; what `DefectDetector` takes.
        keys: A name for each sample: row number, value of the key column, or path (with '#' and the first frame).
        modality: 'tabular', 'image', 'video' or 'text'.
        skipped: Files that could not be decoded.
        columns: Columns that were taken out of X, by name.
        files: Whether the samples are files of a folder: keys are paths then.
    """

    X: Any
    keys: list[Any]
    modality: str
    skipped: list[str] = field(default_factory=list)
    columns: dict[str, list[Any]] = field(default_factory=dict)
    files: bool = False

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.keys)


def read(
    data: PathLike,
    *,
    modality: str = "auto",
    glob: str = "*",
    names: Sequence[str] | None = None,
    take_out: Sequence[str] = (),
    frames: int | None = None,
    column: str | None = None,
) -> Samples:
    """Read a data set.

    Args:
        data: A CSV (also compressed), Parquet, Arrow or NPZ file; a text file with one document a line; a folder of
            images, of videos, of frame folders or of text files.
        modality: 'auto', 'tabular', 'image', 'video' or 'text'. A folder of folders of numbered, alike pictures is
            taken for video, one of .txt files without pictures for text; so is a table with nothing but one column of
            texts, and a .txt file whose lines are no rows of one table.
        glob: Which file names in a folder count.
        names: Column names of a CSV file without a header.
        take_out: Columns that are not features (labels, keys); they are returned apart. Absent ones are ignored.
        frames: Frames of a clip; None: see `Video.frames`.
        column: The column of a table that holds the texts; None: see `Text.column`.

    Raises:
        DataError: If nothing is there, the file is empty or of an unknown kind, or nothing in it can be decoded.
    """
    path = Path(data)
    if not path.exists():
        raise DataError(f"there is no file or folder {str(path)!r}")
    if path.is_dir():
        return _read_folder(path, modality, glob, frames)
    kind = table_suffix(path)
    if kind is None:
        raise DataError(f"{path} is of an unknown kind; expected a folder or one of {', '.join(TABLES)}")
    if kind == ".npz":
        return _read_npz(path, take_out, modality)
    if has_lines(path, modality, names):
        return _read_lines(path)
    return from_table(read_table(path, names), take_out, modality, column)


def read_table(path: PathLike, names: Sequence[str] | None = None) -> pa.Table:
    """A CSV (also compressed), Parquet or Arrow file as a table.

    Raises:
        DataError: If it is empty, malformed, or of an unknown kind.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"there is no file {str(path)!r}")
    kind = table_suffix(path)
    try:
        if kind == ".parquet":
            table = parquet.read_table(path)
        elif kind in (".arrow", ".feather"):
            table = feather.read_table(path)
        else:
            table = csv.read_csv(path, **csv_options(path, names))
    except (pa.ArrowInvalid, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path} cannot be read as a table: {reason}") from None
    if table.num_rows == 0:
        raise DataError(f"{path} has no rows")
    return table.rename_columns(clean_names(path, table.column_names))


def clean_names(path: PathLike, names: Sequence[str]) -> list[str]:
    """Column names without what a spreadsheet leaves around them; DataError where two are the same."""
    clean = [name.lstrip("\ufeff").strip() for name in names]
    if len(set(clean)) < len(clean):
        twice = next(name for name in clean if clean.count(name) > 1)
        raise DataError(f"{path} has two columns named {twice!r}; rename one")
    return clean


def csv_options(
    path: Path, names: Sequence[str] | None, types: Mapping[str, pa.DataType] | None = None, block: int | None = None
) -> dict[str, Any]:
    """How a CSV file is read: by its `dialect`, empty cells missing.

    Args:
        path: The file.
        names: Column names where it has no header.
        types: Of columns whose type is known.
        block: Bytes read at a time; None: PyArrow's default.
    """
    found = dialect(path)
    return {
        "read_options": csv.ReadOptions(
            column_names=list(names) if names else None, block_size=block, encoding=found.encoding
        ),
        "parse_options": csv.ParseOptions(delimiter=found.delimiter, newlines_in_values=True),
        "convert_options": csv.ConvertOptions(
            strings_can_be_null=True, column_types=dict(types or {}), decimal_point=found.decimal_point
        ),
    }


def table_suffix(path: Path) -> str | None:
    """Which of `TABLES` a file is, compressed or not."""
    suffixes = [s.lower() for s in path.suffixes]
    if suffixes and suffixes[-1] in (".gz", ".bz2", ".zst", ".lz4"):
        suffixes.pop()
    return suffixes[-1] if suffixes and suffixes[-1] in TABLES else None


def from_table(
    table: pa.Table, take_out: Sequence[str], modality: str, column: str | None = None, start: int = 0
) -> Samples:
    """A table as samples, the first of which is number `start`; see `read`."""
    apart = {name: table[name].to_pylist() for name in take_out if name in table.column_names}
    features = table.drop_columns(list(apart))
    if not features.num_columns:
        raise DataError(f"no feature is left of the columns {', '.join(table.column_names)}")
    keys = list(range(start, start + table.num_rows))
    if modality == "text" or (modality == "auto" and holds_only_texts(features)):
        return Samples(texts_of(features, column), keys, "text", columns=apart)
    return Samples(features, keys, "tabular", columns=apart)


def _read_npz(path: Path, take_out: Sequence[str], modality: str) -> Samples:
    try:
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (ValueError, OSError, EOFError, BadZipFile) as error:
        raise DataError(f"{path} cannot be read without running code in it ({error}); save plain arrays") from None
    X = arrays.pop("X", None)
    if X is None or not X.ndim or not len(X):
        raise DataError(f"{path} has no array 'X' with samples; it has {', '.join(arrays) or 'nothing'}")
    for name in take_out:
        if name in arrays and arrays[name].shape != (len(X),):
            raise DataError(f"{path}: array {name!r} has shape {arrays[name].shape}, but there are {len(X)} samples")
    columns = {name: array.tolist() for name, array in arrays.items() if array.shape == (len(X),)}
    return Samples(X, list(range(len(X))), kind_of_array(X, modality), columns=columns)


def kind_of_array(X: np.ndarray, modality: str = "auto") -> str:
    """'tabular', 'image' or 'video', by the number of axes; or what was asked for, where that is none of `KINDS`.

    Raises:
        DataError: If there is no such kind.
    """
    if modality not in ("auto", *KINDS):
        return modality
    kinds = {2: "tabular", 3: "image", 4: "image", 5: "video"}
    if X.ndim not in kinds:
        raise DataError(
            f"an array of shape {X.shape} is no data set: expected (row, column), (batch, channel, height, width) or "
            "(batch, frame, channel, height, width). Reshape your data, a single sample with X[None]"
        )
    return kinds[X.ndim]


# Folders ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Folder:
    """What a folder holds, and as what it counts.

    Attributes:
        modality: 'image', 'video' or 'text'.
        documents: Text files.
        videos: Video files.
        pictures: Picture files, frames among them.
    """

    modality: str
    documents: list[Path]
    videos: list[Path]
    pictures: list[Path]


def look_into(folder: Path, modality: str, glob: str) -> Folder:
    """The files of a folder by kind; see `read`.

    Raises:
        DataError: If there are none.
    """
    files = sorted(p for p in folder.rglob(glob) if p.is_file())
    documents = [p for p in files if p.suffix.lower() == ".txt" or (modality == "text" and glob != "*")]
    videos = [p for p in files if p.suffix.lower() in VIDEOS]
    pictures = [p for p in files if p.suffix.lower() in IMAGES]
    if modality == "text" or (modality == "auto" and documents and not videos and not pictures):
        if not documents:
            raise DataError(f"{folder} holds no .txt file; name others with --glob")
        return Folder("text", documents, videos, pictures)
    if not videos and not pictures:
        tables = [p.name for p in files if table_suffix(p)]
        raise DataError(
            f"{folder} holds no image, video or text named {glob!r}; "
            + (
                f"it holds tables: give one of them, such as {tables[0]}"
                if tables
                else f"known are {', '.join((*IMAGES, *VIDEOS, '.txt'))}"
            )
        )
    as_video = modality == "video" or (modality == "auto" and (videos or looks_like_frames(pictures)))
    return Folder("video" if as_video else "image", documents, videos, pictures)


def _read_folder(folder: Path, modality: str, glob: str, frames: int | None) -> Samples:
    there = look_into(folder, modality, glob)
    if there.modality == "text":
        return _read_documents(folder, there.documents)
    if there.modality == "video":
        return _read_clips(folder, there.videos, there.pictures, frames)
    images, skipped = read_images(there.pictures)
    kept = [p for p in there.pictures if str(p) not in set(skipped)]
    keys = [p.relative_to(folder).as_posix() for p in kept]
    bad = [Path(s).relative_to(folder).as_posix() for s in skipped]
    return Samples(images, keys, "image", bad, files=True)


def read_images(paths: Iterable[PathLike]) -> tuple[list[np.ndarray], list[str]]:
    """Decode images.

    Args:
        paths: Files. Larger ones are halved while decoding until their longer side is below 2,048 pixels.

    Returns:
        One array (channel, height, width) for each file that decodes, and the names of the others.

    Raises:
        DataError: If no file decodes.
    """
    images, skipped = decode_images(paths)
    if not images:
        raise DataError(
            f"none of the {len(skipped)} images can be decoded, the first is {skipped[0] if skipped else ''}"
        )
    return images, skipped


def decode_images(paths: Iterable[PathLike]) -> tuple[list[np.ndarray], list[str]]:
    """`read_images` where it is no error that no file decodes."""
    images, skipped = [], []
    for path in paths:
        try:
            images.append(_decode(path))
        except UNDECODABLE as error:
            skipped.append(str(path))
            warnings.warn(f"skipped {path}: it cannot be decoded ({error})", DataWarning, stacklevel=3)
    return images, skipped


def read_frames(paths: Sequence[PathLike], name: str) -> np.ndarray:
    """Decode pictures that are the frames of one clip.

    Args:
        paths: Files, at least one.
        name: Of the clip, for a warning: frames of another size or kind than the first are brought to it.

    Returns:
        Shape (frame, channel, height, width).

    Raises:
        DataError: If one cannot be decoded.
    """
    images = []
    for path in paths:
        try:
            images.append(_decode(path))
        except UNDECODABLE as error:
            raise DataError(f"{path} cannot be decoded ({error})") from None
    return same_size(images, name)


def _decode(path: PathLike) -> np.ndarray:
    with Pillow.open(path) as image:
        image.load()
        return planes_of(image)


def planes_of(image: Pillow.Image) -> np.ndarray:
    """A picture of Pillow as (channel, height, width); see `read_images`."""
    if image.mode in ("1", "L", "LA"):
        image = image.convert("L")
    elif image.mode not in ("I", "F") and not image.mode.startswith("I;"):
        image = image.convert("RGB")
    factor = max(image.size) // LONGEST_SIDE
    array = np.asarray(image.reduce(factor) if factor > 1 else image)
    if array.dtype == np.int32:
        array = array.astype(np.uint16) if array.min() >= 0 and array.max() < 2**16 else array.astype(np.float32)
    return array[None] if array.ndim == 2 else np.moveaxis(array, -1, 0)


def looks_like_frames(pictures: Sequence[Path]) -> bool:
    """Whether image files are frames: in every folder consecutive numbers, and neighbours much alike.

    Two folders of numbered pictures of one thing look the same from the outside; so neighbouring pictures have to
    differ by less than a quarter of what pictures far apart differ.
    """
    folders: dict[Path, list[Path]] = {}
    for picture in pictures:
        folders.setdefault(picture.parent, []).append(picture)
    gaps, spans = [], []
    for files in folders.values():
        numbers = [re.search(r"(\d+)$", file.stem) for file in files]
        found = [int(match[1]) for match in numbers if match]
        if len(found) < 4 or len(found) < len(files) or sorted(found) != list(range(min(found), max(found) + 1)):
            return False
        first, second, last = (_thumbnail(files[i]) for i in (0, 1, -1))
        if first is None or second is None or last is None:
            return False
        gaps.append(np.abs(first - second).mean())
        spans.append(first)
    far = [np.abs(a - b).mean() for a, b in pairwise(spans)]
    return bool(far) and float(np.mean(gaps)) < 0.25 * max(float(np.mean(far)), 4.0)


def _thumbnail(path: Path) -> np.ndarray | None:
    try:
        with Pillow.open(path) as image:
            return np.asarray(image.convert("L").resize((32, 32)), dtype=np.float64)
    except (OSError, ValueError, SyntaxError):
        return None


def _read_clips(folder: Path, videos: Sequence[Path], pictures: Sequence[Path], frames: int | None) -> Samples:
    recordings: list[tuple[str, np.ndarray]] = []
    skipped: list[str] = []
    for video in videos:
        try:
            recordings.append((video.relative_to(folder).as_posix(), read_video(video)))
        except DataError as error:
            skipped.append(video.relative_to(folder).as_posix())
            warnings.warn(f"skipped {error}", DataWarning, stacklevel=2)
    for parent, files in frame_folders(pictures):
        name = parent.relative_to(folder).as_posix()
        try:
            images, bad = read_images(files)
        except DataError:
            images, bad = [], [str(file) for file in files]
        skipped += [Path(file).relative_to(folder).as_posix() for file in bad]
        if images:
            recordings.append((name, same_size(images, name)))
    if not recordings:
        raise DataError(f"no clip in {folder} can be decoded, {len(skipped)} file(s) were tried")
    found = cut([(name, len(recording)) for name, recording in recordings], frames)
    clips = [recordings[at][1][start : start + found.frames] for at, start in found.places]
    return Samples(clips, found.keys, "video", skipped + found.skipped, files=True)


def looks_like_a_table(path: Path) -> bool:
    """Whether the lines of a file look like rows of one table: equally many cells, at least two; or one number each."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            rows = [row for row in islice(csv_rows(file), 100) if row]
    except CsvError:
        return False  # a cell too long for a table
    if {len(row) for row in rows} == {1}:
        return all(re.fullmatch(r"\s*[-+.\deE]+\s*", row[0]) for row in rows[1:])
    return len({len(row) for row in rows}) <= 1


def has_lines(path: Path, modality: str, names: Sequence[str] | None) -> bool:
    """Whether each line of a file is a text; see `read`."""
    if path.suffix.lower() != ".txt" or names is not None:
        return False
    return modality == "text" or (modality == "auto" and not looks_like_a_table(path))


def _read_lines(path: Path) -> Samples:
    """One document a line; empty lines are documents without words, but for those at the end."""
    texts = re.split(r"\r\n|\n|\r", decoded(path).rstrip("\r\n"))  # splitlines would cut at form feeds, too
    if not any(text.strip() for text in texts):
        raise DataError(f"{path} holds no text; expected one document a line")
    return Samples(texts, list(range(len(texts))), "text")


def _read_documents(folder: Path, paths: Sequence[Path]) -> Samples:
    """One document a file."""
    texts, keys, skipped = [], [], []
    for path in paths:
        name = path.relative_to(folder).as_posix()
        try:
            texts.append(decoded(path))
            keys.append(name)
        except DataError as error:
            skipped.append(name)
            warnings.warn(f"skipped {error}", DataWarning, stacklevel=2)
    if not texts:
        raise DataError(f"none of the {len(paths)} text files in {folder} can be read")
    return Samples(texts, keys, "text", skipped, files=True)
