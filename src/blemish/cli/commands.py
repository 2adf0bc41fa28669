"""All commands, and what becomes of their errors. Commands import PyTorch when they need it; --help does not."""

import sys
from io import TextIOWrapper
from typing import Annotated

import typer

from blemish.cli import STATUS, fail, interrupted
from blemish.cli.fits import demo, fit
from blemish.cli.models import export, info, presets, threshold
from blemish.cli.pages import report, review
from blemish.cli.scores import evaluate, explain, score
from blemish.core.errors import BlemishError, ConfigError, StoppedError
from blemish.core.version import __version__

app = typer.Typer(
    help="Finds the defects you care about: ranks defect > other outlier > normal.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _show_version(wanted: bool) -> bool:
    if wanted:
        typer.echo(f"blemish {__version__}")
        raise typer.Exit
    return wanted


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    pass


for _command in (demo, fit, score, evaluate, threshold, explain, report, review, info, export, presets):
    app.command()(_command)


SAID_AT_FIT = ("--use", "--text")


def _refuse_what_is_said_at_fit(arguments: list[str]) -> None:
    """What a column is, a model has learnt: one line where it is said later."""
    said = next((one.partition("=")[0] for one in arguments[1:] if one.partition("=")[0] in SAID_AT_FIT), None)
    if said is not None and arguments[0] in ("score", "evaluate", "explain", "report", "review"):
        how = (
            f"fit with {said} COLUMN, then {arguments[0]} {'with --model' if arguments[0] == 'review' else 'with that'}"
        )
        fail(f"{said} is said at fit: a model keeps what its columns are; {how}", 2)


def _print_any_name() -> None:
    """A name that is not text must not end what prints it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def run(given: list[str]) -> None:
    """Run one command, see `main`."""
    _print_any_name()
    arguments = [argument for argument in given if argument != "--debug"]
    _refuse_what_is_said_at_fit(arguments)
    command = typer.main.get_command(app)
    if len(arguments) < len(given):
        command(args=arguments)
        return
    try:
        command(args=arguments)
    except StoppedError as stopped:
        typer.echo(str(stopped))
        raise SystemExit(STATUS) from None
    except ConfigError as error:
        fail(str(error), 2)
    except (BlemishError, MemoryError) as error:
        fail(str(error) or "out of memory", 1)
    except OSError as error:  # of the machine, not of the program: a name too long, no permission, a full disk
        about = "" if error.filename is None else f": {error.filename}"
        fail(f"{error.strerror or error}{about}", 1)
    except SystemExit as left:
        if left.code == STATUS:  # Typer catches the interrupt and prints nothing
            interrupted()
        raise
    except Exception as error:  # a traceback is for developers: --debug shows it
        fail(f"{type(error).__name__}: {error} (a bug: run again with --debug for the traceback)", 1)
