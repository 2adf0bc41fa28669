"""Command-line interface: one command per task. Commands import PyTorch when they need it; --help does not."""

import signal
import sys
from typing import Annotated

import typer

from blemish.cli.fits import demo, fit
from blemish.cli.models import export, info, presets, threshold
from blemish.cli.pages import report, review
from blemish.cli.scores import evaluate, explain, score
from blemish.core.errors import BlemishError, ConfigError
from blemish.core.version import __version__

INTERRUPTED = "interrupted; no file was changed (resume an out-of-core fit with --resume)"

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


def main() -> None:
    """Run the command line: 0 done, 1 failed, 2 wrong usage; errors are one line on stderr."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    command = typer.main.get_command(app)
    if len(arguments) < len(sys.argv) - 1:
        command(args=arguments)
        return
    try:
        command(args=arguments)
    except ConfigError as error:
        _fail(str(error), 2)
    except (BlemishError, MemoryError) as error:
        _fail(str(error) or "out of memory", 1)
    except KeyboardInterrupt:
        _fail(INTERRUPTED, 1)
    except SystemExit as left:
        if left.code == 128 + signal.SIGINT:  # Typer catches the interrupt and prints nothing
            _fail(INTERRUPTED, 1)
        raise
    except Exception as error:  # a traceback is for developers: --debug shows it
        _fail(f"{type(error).__name__}: {error} (a bug: run again with --debug for the traceback)", 1)


def _fail(message: str, status: int) -> None:
    typer.echo(f"error: {' '.join(message.split())}", err=True)
    raise SystemExit(status)
