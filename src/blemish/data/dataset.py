"""The one container of samples: what was read, what it is called, and a record of what was guessed or skipped."""

import codecs
import os
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import narwhals.stable.v1 as nw
import numpy as np
from jaxtyping import Bool, Int

from blemish.core.errors import ConfigError, DataError, ReadingWarning
from blemish.core.labels import as_label
from blemish.data.columns import eager, is_frame

PathLike = str | os.PathLike[str]

SKIPPED, LEFT_OUT, TAKEN_OUT, READ, COLUMN = "skipped", "left out", "taken out", "read", "column"
BLANK: dict[str, Any] = {"f": np.nan, "U": "", "b": False}
"""What stands in results for a sample that could not be read, by the kind of NumPy type."""


@dataclass(frozen=True)
class Dialect:
    """What was said about how text files are written; None: it is guessed. See docs/reading.md.

    Attributes:
        skip_lines: Lines before the heading, or before the first row where names of columns are given.
        delimiter: Between cells; ' ' is any number of blanks.
        decimal: The decimal mark.
        encoding: As Python calls it.
        na: Cells that are missing, in addition to empty ones and words such as NA.
        assumed: It was said when a model was fitted: another file may have another delimiter or encoding.
    """

    skip_lines: int | None = None
    delimiter: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    na: tuple[str, ...] = ()
    assumed: bool = False

    @property
    def of_a_table(self) -> bool:
        """Whether something was said that only a table has."""
        return (self.skip_lines, self.delimiter, self.decimal) != (None, None, None) or bool(self.na)

    @classmethod
    def check(
        cls,
        skip_lines: int | None = None,
        delimiter: str | None = None,
        decimal: str | None = None,
        encoding: str | None = None,
        na: Sequence[str] | None = None,
    ) -> "Dialect":
        """What was said, after a look at it.

        Raises:
            ConfigError: If there can be no such mark, number of lines or encoding.
        """
        by_name = {"\\t": "\t", "tab": "\t", "space": " ", "blank": " "}
        delimiter = delimiter if delimiter is None else by_name.get(delimiter, delimiter)
        if delimiter is not None and (len(delimiter) != 1 or delimiter in '\r\n"' or not delimiter.isascii()):
            raise ConfigError(f"delimiter {delimiter!r} is not one character; give ',', ';', '|', 'tab' or 'space'")
        if decimal not in (None, ".", ","):
            raise ConfigError(f"decimal mark {decimal!r} is neither '.' nor ','")
        if decimal is not None and decimal == delimiter:
            raise ConfigError(f"{decimal!r} cannot be both the delimiter and the decimal mark")
        if skip_lines is not None and skip_lines < 0:
            raise ConfigError(f"skip_lines is {skip_lines}; give the number of lines before the heading")
        try:
            encoding = encoding if encoding is None else codecs.lookup(encoding).name
        except LookupError:
            raise ConfigError(f"unknown encoding {encoding!r}; try utf-8, utf-16, cp1252 or latin-1") from None
        words = [na] if isinstance(na, str) else na or ()
        return cls(skip_lines, delimiter, decimal, encoding, tuple(map(str, words)))


@dataclass(frozen=True)
class HowToRead:
    """The options of `blemish.read`, which says what they mean.

    Attributes:
        dialect: How text files are written.
        single: Labels name pictures of a folder one by one, so that they are not frames.
        as_text: Columns of a CSV file whose cells stay as they are written, though they may all be numbers.
        masks: Which pictures of a folder say where the defect is in others, see `blemish.data.folders.masks_in`.
        masks_given: It was said now, not when a model was fitted.
    """

    modality: str = "auto"
    glob: str = "*"
    names: Sequence[str] | None = None
    take_out: Sequence[str] = ()
    frames: int | None = None
    column: str | None = None
    dialect: Dialect = Dialect()
    single: bool = False
    as_text: Sequence[str] = ()
    masks: str | None = None
    masks_given: bool = False


# The record ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Note:
    """One thing about the reading of data that could surprise the person whose data they are.

    Attributes:
        what: 'skipped', 'left out', 'taken out', 'read' (the kinds of columns), 'column' (how its cells are read),
            'resized', or what was guessed: 'delimiter', 'decimal mark', 'encoding', 'header', 'modality', 'frames',
            'labels', 'groups', …
        where: The file, folder or column that it is about.
        how: What was done, and why.
        surprising: Whether commands print it; if not, it stands in the whole record only.
    """

    what: str
    where: str
    how: str
    surprising: bool = True

    def __str__(self) -> str:
        """One line."""
        return f"{self.what} {self.where}: {self.how}"

    @property
    def alike(self) -> tuple[str, str]:
        """What it has in common with notes that can be told in one line with it."""
        how = self.how.replace(self.where, "") if "." in self.where else self.how
        return self.what, re.sub(r"'[^']*'|\S*[/\\]\S*|\d+", "", how)


def groups_note(groups: Iterable[Any], cluster: Int[np.ndarray, " row"]) -> Note:
    """How many samples are in how many groups, from the groups and their numbers.

    Example:
        >>> print(groups_note(["a", "b", "a", None], np.array([0, 1, 0, 2])))
        groups of samples: 4 samples in 3 groups, at most 2 in one (1 missing, each a group of its own)
    """
    sizes, missing = np.bincount(cluster), sum(not as_label(value) for value in groups)
    how = f"{len(cluster)} samples in {len(sizes)} groups, at most {sizes.max()} in one"
    return Note("groups", "of samples", f"{how} ({missing} missing, each a group of its own)" if missing else how)


@dataclass
class Reading:
    """What was read and what was not: every guess, every file skipped, every column taken out.

    Example:
        >>> reading = Reading()
        >>> reading.note("delimiter", "parts.csv", "semicolon")
        >>> print(*reading)
        delimiter parts.csv: semicolon
    """

    notes: list[Note] = field(default_factory=list)

    def note(self, what: str, where: object, how: str, *, surprising: bool = True) -> None:
        """Add a line."""
        self.notes.append(Note(what, str(where), how, surprising))

    def skip(self, where: str, why: object) -> None:
        """Add a file or sample that was left out, and warn."""
        self.note(SKIPPED, where, str(why))
        warnings.warn(f"skipped {where}: {why}", ReadingWarning, stacklevel=3)

    def take_out(self, columns: Iterable[str]) -> None:
        """Add columns that are returned apart from the features."""
        for name in columns:
            self.note(TAKEN_OUT, name, "this column is not a feature", surprising=False)

    def __iter__(self) -> Iterator[Note]:
        """The notes in the order of reading."""
        return iter(self.notes)

    def more(self, notes: Iterable[Note]) -> "Reading":
        """With more notes, each once."""
        return Reading(list(dict.fromkeys([*self.notes, *notes])))

    def about(self, what: str) -> list[Note]:
        """The notes of one kind."""
        return [note for note in self.notes if note.what == what]

    @property
    def skipped(self) -> list[str]:
        """Names of the samples that could not be read."""
        return [note.where for note in self.about(SKIPPED)]

    def lines(self) -> list[str]:
        """What is surprising, one line for all notes of one kind and reason: how many, and examples.

        Example:
            >>> reading = Reading([Note("left out", f"{name}.heic", "it needs a plug-in") for name in "abc"])
            >>> reading.lines()
            ['left out 3, for example a.heic: it needs a plug-in']
        """
        alike: dict[tuple[str, str], dict[str, Note]] = {}
        for note in self.notes:
            if note.surprising:
                alike.setdefault(note.alike, {}).setdefault(note.where, note)
        return [_in_one_line(list(notes.values())) for notes in alike.values()]


def _in_one_line(notes: Sequence[Note]) -> str:
    first, many = notes[0], len(notes) > 1
    if first.what == SKIPPED:
        names = ", ".join(note.where for note in notes[:5]) + (" …" if len(notes) > 5 else "")
        return f"skipped {len(notes)} that cannot be used: {names} ({'the first: ' if many else ''}{first.how})"
    return f"{first.what} {len(notes)}, for example {first.where}: {first.how}" if many else str(first)


# The samples ---------------------------------------------------------------------------------------------------------


class OnDemand(Sequence[Any]):
    """Samples that are read from disk each time they are used.

    Args:
        keys: One name per sample.
        read: Returns the sample at a position; DataError where it cannot be read.
        nbytes: Approximate size of all of them; 0: unknown.
    """

    def __init__(self, keys: Sequence[Any], read: Callable[[int], Any], nbytes: int = 0) -> None:
        self.keys, self._read, self.nbytes = keys, read, nbytes

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.keys)

    def __getitem__(self, at: Any) -> Any:
        """The sample at that position."""
        return self._read(range(len(self))[at])

    def take(self, rows: Sequence[int], reading: Reading) -> tuple[list[Any], list[int]]:
        """The samples of some rows that can be read, and the positions in `rows` of those that cannot."""
        found, left_out = [], []
        for at, row in enumerate(rows):
            try:
                found.append(self[row])
            except DataError as error:
                left_out.append(at)
                reading.skip(str(self.keys[row]), error)
        return found, left_out


@dataclass(frozen=True)
class Dataset:
    """Samples, what belongs to each of them, and how they were read.

    Attributes:
        X: A table of any library, a mapping of columns, an array, a list of arrays or texts, or `OnDemand`.
        keys: One name per sample: row number, index, value of the key column, or path (with '#' and the first frame).
        modality: 'tabular', 'image', 'video', 'text', or the name of another modality.
        columns: Columns that were taken out of X, by name.
        files: Whether the samples are files of a folder; the keys are then paths.
        left_out: Positions, among the samples that were given, of those that could not be read and are not in X.
        index: The pandas index of the samples that were given, or None.
        groups: None, or one value per sample; samples with the same value are not independent of each other.
        regions: None, or one value per sample: where in it the defect is, or None.
        reading: What was guessed, skipped and taken out.
    """

    X: Any
    keys: Sequence[Any]
    modality: str
    columns: dict[str, list[Any]] = field(default_factory=dict)
    files: bool = False
    left_out: Sequence[int] = ()
    index: Any = None
    groups: Sequence[Any] | None = None
    regions: Sequence[Any] | None = None
    reading: Reading = field(default_factory=Reading)

    def __len__(self) -> int:
        """Number of samples in X."""
        return len(self.keys)

    @property
    def n_given(self) -> int:
        """Number of samples that were given, including those that could not be read."""
        return len(self.keys) + len(self.left_out)

    @property
    def kept(self) -> Bool[np.ndarray, " given"]:
        """Which of the samples that were given are in X."""
        kept = np.ones(self.n_given, dtype=bool)
        kept[list(self.left_out)] = False
        return kept

    @property
    def skipped(self) -> list[str]:
        """Names of the files that could not be read."""
        return self.reading.skipped

    @property
    def column_names(self) -> list[str]:
        """Names of the columns in X ('X' where it is not a table) and of those taken out."""
        return [*(self.X.column_names if hasattr(self.X, "column_names") else ["X"]), *self.columns]

    def take(self, rows: Sequence[int]) -> "Dataset":
        """Some of the samples, in any order, with everything that belongs to them.

        Of the result `left_out` are those of `rows` that could not be read (only of `OnDemand`).
        """
        reading, rows, left_out = Reading(list(self.reading)), list(rows), []
        index = None if self.index is None else self.index[self.kept][rows]
        if isinstance(self.X, OnDemand):
            X, left_out = self.X.take(rows, reading)
            rows = without(rows, left_out)
        else:
            X = take(self.X, rows)
        return replace(
            self,
            X=X,
            keys=[self.keys[row] for row in rows],
            columns={name: take(values, rows) for name, values in self.columns.items()},
            left_out=left_out,
            index=index,
            groups=None if self.groups is None else take(self.groups, rows),
            regions=None if self.regions is None else take(self.regions, rows),
            reading=reading,
        )

    def spread(self, values: np.ndarray, name: str | list[str]) -> Any:
        """Results in the shape of what was given: NaN, '' or False for samples not read; pandas for pandas.

        Values have shape (sample,) or (sample, column); `name` is that of the series, or those of the columns.
        """
        if self.left_out:
            full = np.full((self.n_given, *values.shape[1:]), BLANK.get(values.dtype.kind, False), dtype=values.dtype)
            full[self.kept] = values
            values = full
        if self.index is None:
            return values
        import pandas as pd

        if isinstance(name, list):
            return pd.DataFrame(values, index=self.index, columns=name)
        return pd.Series(values, index=self.index, name=name)

    def label(self, made: Any) -> Any:
        """Samples made by a model, with the index of those that were given if they are a pandas frame."""
        if self.index is None or not nw.dependencies.is_pandas_dataframe(made):
            return made
        return made.set_axis(self.index, axis=0)


def without(items: Sequence[Any], left_out: Iterable[int]) -> list[Any]:
    """The items except those at some positions."""
    gone = set(left_out)
    return [item for at, item in enumerate(items) if at not in gone]


def take(X: Any, rows: list[int]) -> Any:
    """Some samples of whatever a `Dataset` holds as X, in the same form.

    Example:
        >>> take(["a", "b", "c"], [2, 0])
        ['c', 'a']
    """
    if nw.dependencies.is_pyarrow_table(X) and rows:
        # A table may be a large mapped file: only what lies between the first and the last row is looked at.
        low = min(rows)
        return X.slice(low, max(rows) - low + 1).take([row - low for row in rows])
    if is_frame(X):
        return eager(X)[rows].to_native()
    if isinstance(X, Mapping):
        return {name: np.asarray(column)[rows] for name, column in X.items()}
    return X[rows] if isinstance(X, np.ndarray) else [X[i] for i in rows]
