"""The command line in this process, for tests."""

import sys

from blemish.cli import main


def run(monkeypatch, capsys, *arguments):
    """Exit status, stdout and stderr of `blemish` with these arguments."""
    monkeypatch.setattr(sys, "argv", ["blemish", *map(str, arguments)])
    try:
        main()
        status = 0
    except SystemExit as error:
        status = error.code or 0
    return (status, *capsys.readouterr())
