"""What the commands print: tables and results on stdout; notes, progress bars and errors on stderr."""

import json
import time
import warnings
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import typer

from blemish.core.errors import CutWarning, ReadingWarning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from blemish.data.dataset import Reading

EVERY = 10.0  # seconds between two lines about what is being done, without a terminal


@contextmanager
def warnings_as_notes() -> "Iterator[None]":
    """Print warnings on stderr, one line each; after the fifth only their number.

    Samples that were skipped are left to `say_reading`, cuts to `with_cut`: they belong to the result.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield
        finally:
            ours = [w for w in caught if issubclass(w.category, UserWarning)]
            ours = [str(w.message) for w in ours if not issubclass(w.category, (ReadingWarning, CutWarning))]
            for line in ours[:5]:
                typer.echo(f"note: {line}", err=True)
            if len(ours) > 5:
                typer.echo(f"note: {len(ours) - 5} more of these", err=True)


def with_cut(sentence: str, unsupported: "Sequence[str]") -> str:
    """A result, and in the same line why its cuts cannot be relied on, if so."""
    return "; ".join([sentence, *unsupported])


def say_reading(reading: "Reading", said: "Reading | None" = None) -> None:
    """Print on stderr what could surprise a person whose data were read, without what was `said` before."""
    before = set(said.lines()) if said is not None else set()
    for line in reading.lines():
        if line not in before:
            typer.echo(" ".join(line.split()), err=True)


def short(value: Any, width: int = 24) -> str:
    """A value for a cell: numbers with four digits, text cut to `width` characters."""
    text = "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
    return text if len(text) <= width else text[: width - 1] + "…"


def print_json(values: Any) -> None:
    """Print JSON; what it does not know as text."""
    typer.echo(json.dumps(values, indent=2, default=str))


def print_table(title: str, columns: list[str], rows: list[tuple[str, ...]]) -> None:
    """Print a table as wide as the terminal, or 120 characters without one."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title), title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console = Console()
    console.print(table) if console.is_terminal else Console(width=120).print(table)


@contextmanager
def _bar(*columns: Any) -> "Iterator[Any]":
    """A bar on stderr; without a terminal none is drawn."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield progress


@contextmanager
def progress_bar(title: str) -> "Iterator[Any]":
    """A progress bar on stderr; yields `advance(record)`, which takes epoch records."""
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn

    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[state]}"), TimeElapsedColumn()
    with _bar(*columns) as progress:
        task = progress.add_task(title, total=None, state="reading")

        def advance(record: Any) -> None:
            progress.update(task, state=f"epoch {record.epoch}, loss {record.total:.4g}")

        yield advance


@contextmanager
def told(title: str) -> "Iterator[Callable[[str], None]]":
    """What is being done, on stderr, without a terminal a line every `EVERY` seconds; yields what takes it."""
    from rich.console import Console
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

    if Console(stderr=True).is_terminal:
        with _bar(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()) as progress:
            task = progress.add_task(title, total=None)
            yield lambda text: progress.update(task, description=text)
        return
    doing, over, start = [title], Event(), time.monotonic()

    def tell() -> None:
        while not over.wait(EVERY):
            typer.echo(f"{time.monotonic() - start:.0f} s: {doing[0]}", err=True)

    teller = Thread(target=tell, daemon=True)  # not from the work itself: a step of it may take a minute
    teller.start()
    try:
        yield lambda text: doing.__setitem__(0, text)
    finally:
        over.set()
        teller.join()


@contextmanager
def row_bar(n: int) -> "Iterator[Callable[[int], None]]":
    """A progress bar on stderr; yields a function that takes the number of rows just done."""
    with _bar() as progress:
        task = progress.add_task("rows", total=n)
        yield lambda more: progress.update(task, advance=more)
