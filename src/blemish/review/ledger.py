"""The label database: an append-only history in SQLite or PostgreSQL."""

import os
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, fields
from datetime import UTC, datetime
from pathlib import Path
from sqlite3 import Error as SqliteError
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from blemish.core.errors import LabelError, missing_extra
from blemish.review.marks import Mark, Saved
from blemish.review.viewer.strokes import stroke_from_text

VERSION = 2
"""1 had no strokes; a database of it is given the column when it is opened."""
WAIT = 5.0
"""Seconds to wait for a database locked by another program."""
PAGE = 10_000
_LOCK = 4_202_611_247  # an arbitrary number: the advisory lock of all Blemish programs in PostgreSQL
_IDS_PER_QUERY = 500  # old versions of SQLite accept at most 999 parameters

METADATA = sa.MetaData()
MARKS = sa.Table(
    "blemish_marks",
    METADATA,
    sa.Column("place", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(64), nullable=False, unique=True),
    sa.Column("sample", sa.String(32), nullable=False, index=True),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("label", sa.String(64)),
    sa.Column("undoes", sa.String(64)),
    sa.Column("who", sa.String(100), nullable=False),
    sa.Column("made", sa.String(40), nullable=False),
    sa.Column("model", sa.String(100)),
    sa.Column("rank", sa.Integer),
    sa.Column("saved", sa.String(40), nullable=False),
    sa.Column("stroke", sa.Text),
    sqlite_autoincrement=True,
)
FACTS = sa.Table(
    "blemish_facts", METADATA, sa.Column("name", sa.String(40), primary_key=True), sa.Column("value", sa.Text)
)


class Unsaved(LabelError):
    """Marks could not be written; the sender should keep them and try again.

    Attributes:
        full: Whether the disk is full.
    """

    def __init__(self, message: str, *, full: bool = False) -> None:
        super().__init__(message)
        self.full = full


class Ledger:
    """Marks in a database. Nothing is ever changed or deleted; an undo is an entry of its own.

    Writers take turns, so entries become visible in the order of their places: a reader who has seen all entries up to
    a place only needs later ones.

    Args:
        address: A file for SQLite, created if missing, or a URL such as 'postgresql://user@host/database'.

    Raises:
        LabelError: If the database cannot be opened, is locked, or belongs to another program.
        MissingExtraError: Without a driver for PostgreSQL.
    """

    def __init__(self, address: str | os.PathLike[str]) -> None:
        self.address = str(address)
        self._engine = _open(self.address)
        try:
            with self._turn() as connection:
                self._prepare(connection)
            self._let_readers_in()
        except Exception:
            self.close()
            raise

    @property
    def name(self) -> str:
        """The address without a password."""
        return self._engine.url.render_as_string(hide_password=True) if "://" in self.address else self.address

    def write(self, marks: Sequence[Mark]) -> int:
        """Store marks, all or none; returns when they are durable.

        Args:
            marks: Marks whose ids are stored already are skipped: sending twice is harmless.

        Returns:
            How many were new.

        Raises:
            Unsaved: If the database is locked or not reachable, or the disk is full.
            LabelError: If an id belongs to a different mark.
        """
        if not marks:
            return 0
        with self._turn() as connection:
            known = self._known(connection, [mark.id for mark in marks])
            now, new = datetime.now(UTC).isoformat(timespec="milliseconds"), {}
            for mark in marks:
                before = known.get(mark.id) or new.get(mark.id)
                if before not in (None, mark):
                    raise LabelError(f"a different mark {mark.id!r} is already stored; use a new id")
                if before is None:
                    new[mark.id] = mark
            if new:
                connection.execute(MARKS.insert(), [{**as_cells(mark), "saved": now} for mark in new.values()])
        return len(new)

    def since(self, place: int, most: int = PAGE) -> list[Saved]:
        """Entries after a place, oldest first.

        Raises:
            Unsaved: If the database is locked or not reachable.
        """
        return self._entries(MARKS.c.place > place, most)

    def everything(self) -> Iterator[Saved]:
        """The whole history, oldest first, read one page at a time."""
        place = 0
        while entries := self.since(place):
            yield from entries
            place = entries[-1].place

    def of_sample(self, sample: str) -> list[Saved]:
        """The history of one sample, oldest first."""
        return self._entries(MARKS.c.sample == sample)

    def close(self) -> None:
        """Close the database."""
        self._engine.dispose()

    def _entries(self, which: sa.ColumnElement[bool], most: int | None = None) -> list[Saved]:
        with self._told(), self._engine.connect() as connection:
            rows = connection.execute(sa.select(MARKS).where(which).order_by(MARKS.c.place).limit(most))
            return [Saved(row["place"], _mark(row), row["saved"]) for row in rows.mappings()]

    def _known(self, connection: sa.Connection, ids: list[str]) -> dict[str, Mark]:
        known = {}
        for start in range(0, len(ids), _IDS_PER_QUERY):
            asked = sa.select(MARKS).where(MARKS.c.id.in_(ids[start : start + _IDS_PER_QUERY]))
            known |= {row["id"]: _mark(row) for row in connection.execute(asked).mappings()}
        return known

    @contextmanager
    def _turn(self) -> Iterator[sa.Connection]:
        """A transaction that no other writer overlaps; committed at its end."""
        with self._told(), self._engine.execution_options(writes=True).begin() as connection:
            if self._engine.dialect.name == "postgresql":
                connection.execute(sa.text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
            yield connection

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn errors of the database into our own."""
        try:
            yield
        except (DBAPIError, SqliteError) as error:
            raise _in_words(self.name, str(getattr(error, "orig", error)).strip()) from None

    def _let_readers_in(self) -> None:
        """Turn on SQLite's WAL, so that people can read while one writes; it persists, so only our own files get it."""
        if self._engine.dialect.name == "sqlite":
            with self._told(), closing(self._engine.raw_connection()) as connection:
                connection.cursor().execute("PRAGMA journal_mode=WAL")

    def _prepare(self, connection: sa.Connection) -> None:
        there = set(sa.inspect(connection).get_table_names())
        ours = {MARKS.name, FACTS.name}
        if not there & ours:
            if there and self._engine.dialect.name == "sqlite":
                raise LabelError(
                    f"{self.name} is the database of another program (it has a table {sorted(there)[0]!r}); choose "
                    "another file with --labels"
                )
            METADATA.create_all(connection)
            connection.execute(FACTS.insert(), [{"name": "version", "value": str(VERSION)}])
            return
        columns = {c["name"] for c in sa.inspect(connection).get_columns(MARKS.name)} if ours <= there else set()
        facts = {row.name: row.value for row in connection.execute(FACTS.select())} if ours <= there else {}
        if facts.get("version") == "1" and columns == {c.name for c in MARKS.columns} - {"stroke"}:
            connection.execute(sa.text(f"ALTER TABLE {MARKS.name} ADD COLUMN stroke TEXT"))
            connection.execute(FACTS.update().where(FACTS.c.name == "version").values(value=str(VERSION)))
            return
        if columns != {c.name for c in MARKS.columns}:
            raise LabelError(f"{self.name} has tables with our names but a different layout; use another database")
        if facts.get("version") != str(VERSION):
            raise LabelError(
                f"{self.name} has version {facts.get('version')}, but this Blemish writes version {VERSION}; "
                "use a newer Blemish"
            )


def as_cells(mark: Mark) -> dict[str, Any]:
    """A mark as a row of a table, its stroke as JSON."""
    return {**asdict(mark), "stroke": None if mark.stroke is None else mark.stroke.text()}


def _mark(row: Any) -> Mark:
    stroke = None if row["stroke"] is None else stroke_from_text(row["stroke"])
    return Mark(**{**{field.name: row[field.name] for field in fields(Mark)}, "stroke": stroke})


def _open(address: str) -> sa.Engine:
    if "://" in address:
        try:
            url = make_url(address)
        except ArgumentError:
            raise LabelError(
                f"--labels {address!r} is not a valid address; give a file, or postgresql://user@host/database"
            ) from None
        if url.drivername in ("postgresql", "postgres"):
            url = url.set(drivername="postgresql+psycopg")
        if not url.drivername.startswith(("postgresql", "sqlite")):
            raise LabelError(f"--labels {url.drivername}://…: labels can only be stored in SQLite or PostgreSQL")
    else:
        path = Path(address)
        if path.is_dir() or not path.resolve().parent.is_dir():
            raise LabelError(f"labels cannot be stored in {address}: it must be a file in an existing folder")
        url = URL.create("sqlite", database=str(path))
    try:
        options: dict[str, Any] = {"timeout": WAIT} if url.drivername.startswith("sqlite") else {"connect_timeout": 5}
        engine = sa.create_engine(url, connect_args=options, pool_pre_ping=not url.drivername.startswith("sqlite"))
    except (ImportError, NoSuchModuleError):
        raise missing_extra("psycopg", "postgres") from None
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    """FULL: a commit is durable even if power fails."""
    connection.isolation_level = None  # we send BEGIN: the driver would begin too late to lock out other writers
    connection.execute("PRAGMA synchronous=FULL")


def _begin_sqlite(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("writes") else "BEGIN")


def _in_words(name: str, reason: str) -> LabelError:
    low = reason.lower()
    if "disk is full" in low or "no space left" in low or "disk i/o" in low:
        return Unsaved(f"the disk of {name} is full ({reason}); free some space, nothing saved is lost", full=True)
    if "locked" in low:
        return Unsaved(f"{name} has been locked by another program for more than {WAIT:.0f} s; close it there")
    if "not a database" in low or "malformed" in low:
        return LabelError(f"{name} is not a Blemish label database ({reason}); choose another file with --labels")
    if "readonly" in low or "unable to open" in low or "permission" in low:
        return Unsaved(f"{name} cannot be written ({reason}); check its folder's permissions")
    return Unsaved(f"the database {name} cannot be reached ({reason.partition(chr(10))[0]})")
