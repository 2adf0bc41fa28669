"""What is in a folder: pictures, frames of recordings, videos or texts, and what is left out."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from blemish.core.errors import DataError
from blemish.core.files import printable
from blemish.data.dataset import LEFT_OUT, HowToRead, OnDemand, Reading
from blemish.data.dialect.encoding import text_encoding
from blemish.data.images import IMAGES, decode, name_in, thumbnail, why_left_out
from blemish.data.tables import table_suffix
from blemish.data.text import decoded
from blemish.data.video import VIDEOS, by_folder

MIN_FRAMES = 4  # fewer numbered pictures in a folder are not taken for a recording
NEAR = 0.25
"""Neighbouring frames differ by less than this fraction of the difference between frames of different folders."""
MIN_SPAN = 4.0
"""Grey levels by which folders count as different at least: recordings of one still scene differ by noise only."""


@dataclass(frozen=True)
class Folder:
    """The files in a folder, and as which modality they are read; frames are among the pictures."""

    modality: str
    documents: list[Path]
    videos: list[Path]
    pictures: list[Path]

    def on_demand(self, folder: Path, how: HowToRead, reading: Reading) -> OnDemand:
        """The texts, or else the images, each read when it is used; what is done to them is noted."""
        files = self.documents if self.modality == "text" else self.pictures
        names = [name_in(folder, file) for file in files]
        noted: set[int] = set()  # a picture may be read many times

        def read_one(at: int) -> Any:
            said = Reading() if at in noted else reading
            noted.add(at)
            if self.modality == "text":
                encoding = text_encoding(files[at], how.dialect, said)
                return decoded(files[at], encoding)
            return decode(files[at], said, names[at])

        return OnDemand(names, read_one)


def look_into(folder: Path, how: HowToRead, reading: Reading) -> Folder:
    """The files of a folder by kind; DataError if there are none."""
    modality, glob = how.modality, how.glob
    files = sorted(path for path in folder.rglob(glob) if path.is_file())
    documents = files if modality == "text" and glob != "*" else _ending(files, (".txt",))
    pictures = [path for path in _ending(files, IMAGES) if why_left_out(path) is None]
    there = Folder(modality, documents, _ending(files, VIDEOS), pictures)
    if modality == "text":
        if not documents:
            raise DataError(f"{folder} contains no .txt file; name others with --glob")
    elif not (there.videos or there.pictures or (modality == "auto" and documents)):
        raise _nothing_in(folder, glob, files)
    if modality == "auto" and how.single and not there.videos:
        reading.note("modality", folder, "image, because labels name pictures, or folders of them", surprising=False)
        there = replace(there, modality="image")
    elif modality == "auto":
        there = replace(there, modality=_kind_of_folder(folder, there, reading))
    _note_unused(folder, files, there, reading)
    return there


def _note_unused(folder: Path, files: Sequence[Path], there: Folder, reading: Reading) -> None:
    pictures = [*there.videos, *there.pictures] if there.modality == "video" else there.pictures
    used = set(there.documents if there.modality == "text" else pictures)
    for file in files:
        if file not in used:
            other = f"a file that ends in {file.suffix.lower()!r} is not read as {there.modality}"
            why = other if there.modality == "text" else why_left_out(file) or other
            reading.note(LEFT_OUT, name_in(folder, file), why)


def _ending(files: Sequence[Path], endings: Sequence[str]) -> list[Path]:
    return [path for path in files if path.suffix.lower() in endings]


def _nothing_in(folder: Path, glob: str, files: Sequence[Path]) -> DataError:
    tables = [path.name for path in files if table_suffix(path)]
    hint = (
        f"it contains tables: give one of them, such as {tables[0]}"
        if tables
        else "; ".join({f"{printable(path.name)}: {why_left_out(path)}" for path in files[:1]})
        or f"known are {', '.join((*IMAGES, *VIDEOS, '.txt'))}"
    )
    return DataError(f"{folder} contains no image, video or text named {glob!r} that can be read; {hint}")


def _kind_of_folder(folder: Path, there: Folder, reading: Reading) -> str:
    if there.videos:
        kind, why = "video", f"it contains {len(there.videos)} video file(s)"
    elif not there.pictures:
        kind, why = "text", "it contains text files and no pictures"
    elif looks_like_frames(there.pictures):
        kind, why = "video", "its pictures are numbered consecutively in each folder and neighbours are much alike"
    else:
        kind, why = "image", "its pictures are not numbered and alike as frames are"
    surprising = kind == "video" and not there.videos
    reading.note("modality", folder, f"{kind}, because {why}", surprising=surprising)
    return kind


def looks_like_frames(pictures: Sequence[Path]) -> bool:
    """Whether image files are frames: numbered consecutively in each folder, and neighbours much alike.

    Two folders of numbered pictures of one thing look the same from the outside, so neighbours have to differ by much
    less than pictures of different folders do.
    """
    gaps, firsts = [], []
    for files in by_folder(pictures).values():
        if not _are_numbered(files):
            return False
        first, second, last = (thumbnail(files[i]) for i in (0, 1, -1))
        if first is None or second is None or last is None:
            return False
        gaps.append(np.abs(first - second).mean())
        firsts.append(first)
    far = [np.abs(a - b).mean() for a, b in pairwise(firsts)]
    return bool(far) and float(np.mean(gaps)) < NEAR * max(float(np.mean(far)), MIN_SPAN)


def _are_numbered(files: Sequence[Path]) -> bool:
    numbers = sorted(int(match[1]) for match in (re.search(r"(\d+)$", file.stem) for file in files) if match)
    enough = MIN_FRAMES <= len(numbers) == len(files)
    return enough and numbers == list(range(numbers[0], numbers[-1] + 1))
