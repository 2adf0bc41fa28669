"""Labels are never lost: the label store on a real SQLite file and a real PostgreSQL server."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace

import pytest
from sqlalchemy import create_engine, text

from blemish.core.errors import BlemishError, LabelError
from blemish.review.ledger import Ledger, Unsaved
from blemish.review.marks import Mark
from blemish.review.viewer.strokes import to_stroke
from postgres import running

SAMPLE = "0123456789abcdef" * 2
NOW = "2026-11-24T12:00:00+00:00"


def mark(number, label: str | None = "defect", who="ann", sample=SAMPLE, undoes=None):
    return Mark(f"mark-{number:06d}", sample, "a.png", label, undoes, who, NOW, "fit 3", 7)


@pytest.fixture(scope="module")
def server():
    with running() as address:
        yield address


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request, tmp_path):
    if request.param == "sqlite":
        return str(tmp_path / "labels.db")
    server = request.getfixturevalue("server")
    engine = create_engine(server.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS blemish_marks, blemish_facts"))
    engine.dispose()
    return server


@pytest.fixture
def ledger(address):
    found = Ledger(address)
    yield found
    found.close()


def test_what_was_written_is_there_with_all_its_facts(ledger, address):
    assert ledger.write([mark(1), mark(2, "other")]) == 2
    again = Ledger(address)
    entries = list(again.everything())
    assert [entry.mark for entry in entries] == [mark(1), mark(2, "other")]
    assert entries[0].place < entries[1].place
    assert entries[0].saved >= "2026"
    again.close()


def test_sending_twice_stores_once(ledger):
    assert ledger.write([mark(1), mark(1), mark(2)]) == 2
    assert ledger.write([mark(2), mark(3)]) == 1
    assert len(list(ledger.everything())) == 3


def test_an_id_with_another_meaning_is_refused_and_nothing_of_its_batch_is_stored(ledger):
    ledger.write([mark(1)])
    with pytest.raises(LabelError, match="is already stored"):
        ledger.write([mark(2), mark(1, "normal")])
    assert len(list(ledger.everything())) == 1


def test_pages_of_the_history(ledger):
    ledger.write([mark(i) for i in range(25)])
    first = ledger.since(0, most=10)
    rest = ledger.since(first[-1].place)
    assert [e.mark.id for e in first + rest] == [f"mark-{i:06d}" for i in range(25)]
    assert [e.mark.id for e in ledger.of_sample(SAMPLE)] == [e.mark.id for e in first + rest]


def test_many_people_at_once_lose_nothing_and_nobody_overlooks_an_entry(ledger, address):
    seen, done = [], threading.Event()

    def person(who):
        own = Ledger(address)
        for i in range(0, 30, 3):
            own.write([mark(1000 * who + i + k, who=f"p{who}") for k in range(3)])
        own.close()

    def watcher():
        place = 0
        while not done.is_set() or ledger.since(place):
            for entry in ledger.since(place):
                seen.append(entry.mark.id)
                place = entry.place

    people = [threading.Thread(target=person, args=(who,)) for who in range(4)]
    watching = threading.Thread(target=watcher)
    for thread in (watching, *people):
        thread.start()
    for thread in people:
        thread.join()
    done.set()
    watching.join()
    assert len(seen) == len(set(seen)) == 120


CHILD = """
import sys
from blemish.review.ledger import Ledger
from blemish.review.marks import Mark
ledger = Ledger(sys.argv[1])
for i in range(100000):
    ledger.write([Mark(f"mark-{i:06d}", "0" * 32, "k", "defect", None, "ann", "2026-11-24T12:00:00Z")])
    print(f"mark-{i:06d}", flush=True)
"""


@pytest.mark.parametrize("after", [1, 23])
def test_sigkill_loses_nothing_that_was_confirmed(address, after):
    command = [sys.executable, "-c", CHILD, address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        confirmed = [child.stdout.readline().strip() for _ in range(after)]
        os.kill(child.pid, signal.SIGKILL)
        confirmed += [line.strip() for line in child.stdout if line.endswith("\n")]
    ledger = Ledger(address)
    stored = [entry.mark.id for entry in ledger.everything()]
    ledger.close()
    assert len(confirmed) >= after
    assert set(confirmed) <= set(stored)
    assert len(stored) <= len(confirmed) + 1


def test_a_full_disk_is_said_and_what_was_saved_stays(tmp_path):
    ledger = Ledger(tmp_path / "labels.db")
    ledger.write([mark(i) for i in range(100)])

    with ledger._engine.connect() as connection:  # SQLite's own limit gives SQLite's own error
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    with pytest.raises(Unsaved, match="disk of .* is full") as caught:
        ledger.write([mark(i) for i in range(100, 5000)])
    assert caught.value.full
    assert len(list(ledger.everything())) == 100
    with ledger._engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=1000000")
    assert ledger.write([mark(i) for i in range(5000)]) == 4900
    ledger.close()


def test_a_locked_database_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("blemish.review.ledger.WAIT", 0.1)
    ledger = Ledger(tmp_path / "labels.db")
    other = sqlite3.connect(tmp_path / "labels.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(Unsaved, match="locked by another program"):
        ledger.write([mark(1)])
    other.execute("COMMIT")
    other.close()
    assert ledger.write([mark(1)]) == 1
    ledger.close()


def foreign_sqlite(path):
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE customers (name TEXT)")


def same_names(path):
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE blemish_marks (name TEXT)")


def newer(path):
    Ledger(path).close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE blemish_facts SET value = '99'")


STROKE = to_stroke({"tool": "brush", "points": [[1, 2.5], [3, 4]], "thickness": 2.5, "picture": [20, 10]})


def test_a_database_without_strokes_opens_and_takes_them_and_loses_nothing(tmp_path):
    path = tmp_path / "labels.db"
    first = Ledger(path)
    first.write([mark(i) for i in range(3)])
    before = list(first.everything())
    first.close()
    with closing(sqlite3.connect(path)) as connection, connection:  # as version 1 was
        connection.execute("ALTER TABLE blemish_marks DROP COLUMN stroke")
        connection.execute("UPDATE blemish_facts SET value = '1' WHERE name = 'version'")
    ledger, other = Ledger(path), Ledger(path)
    assert list(ledger.everything()) == before
    assert ledger.write([replace(mark(9), stroke=STROKE)]) == 1
    assert other.write([replace(mark(9), stroke=STROKE)]) == 0
    assert [entry.mark.stroke for entry in Ledger(path).everything()] == [None, None, None, STROKE]
    with pytest.raises(LabelError, match="a different mark"):
        ledger.write([mark(9)])
    ledger.close()
    other.close()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_bytes(b"hello world, this is a text" * 50), "is not a Blemish label database"),
        (foreign_sqlite, "of another program .*'customers'"),
        (same_names, "tables with our names but a different layout"),
        (newer, "has version 99"),
        (lambda path: path.mkdir(), "must be a file in an existing folder"),
    ],
)
def test_foreign_databases_are_refused_and_stay_as_they_are(tmp_path, make, message):
    path = tmp_path / "x.db"
    make(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(BlemishError, match=message):
        Ledger(path)
    assert before == (path.read_bytes() if path.is_file() else None)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("mysql://me@there/db", "only be stored in SQLite or PostgreSQL"),
        ("/nowhere/labels.db", "an existing folder"),
        ("postgresql://me:secret@127.0.0.1:1/db", "cannot be reached"),
        ("://", "not a valid address"),
    ],
)
def test_bad_addresses_are_refused_without_the_password(address, message):
    with pytest.raises(LabelError, match=message) as caught:
        Ledger(address)
    assert "secret" not in str(caught.value)
