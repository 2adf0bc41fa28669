"""Command-line interface: one command per task.

Nothing is imported here: Ctrl-C is answered in one line from the first moment on, so also while imports run.
"""

import sys

INTERRUPTED = "interrupted; no file was changed (resume an out-of-core fit with --resume)"
MAX_LINE = 1000  # characters: a name in it may have any length
STATUS = 130  # of a program that SIGINT ended: 128 + 2

_seen: list[int] = []


def main() -> None:
    """Run the command line: 0 done, 1 failed, 2 wrong usage, 130 interrupted; errors are one line on stderr."""
    undo = None
    try:
        undo = _watch()
        from blemish.cli.commands import run

        run(sys.argv[1:])
    except KeyboardInterrupt:
        interrupted()
    finally:
        if undo is not None:
            undo()


def fail(message: str, status: int) -> None:
    """Print one line and end; what breaks because of an interrupt, such as an import, is the interrupt."""
    if _seen:
        interrupted()
    line = " ".join(message.split())
    print("error:", line if len(line) <= MAX_LINE else f"{line[:MAX_LINE]} …", file=sys.stderr)  # noqa: T201
    raise SystemExit(status)


def interrupted() -> None:
    """Say so and end."""
    print("error:", INTERRUPTED, file=sys.stderr)  # noqa: T201
    raise SystemExit(STATUS) from None


def _watch():  # noqa: ANN202 (its type would need an import)
    """Remember an interrupt, and let none get lost in a destructor; returns what restores what was before."""
    import atexit
    import signal
    import threading

    hook, before = sys.unraisablehook, signal.getsignal(signal.SIGINT)
    _seen.clear()
    if before is not signal.default_int_handler:  # it is ignored in the background, or someone else's
        return None

    def take(number, _) -> None:  # noqa: ANN001
        _seen.append(number)
        raise KeyboardInterrupt

    def ignored(error) -> None:  # noqa: ANN001
        if isinstance(error.exc_value, KeyboardInterrupt):
            threading.Timer(0.01, signal.raise_signal, [signal.SIGINT]).start()  # once more, outside of it
        elif not _seen:
            hook(error)

    def undo() -> None:
        atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)  # the work is done: no traceback of the exit
        sys.unraisablehook = hook
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, take)
    sys.unraisablehook = ignored
    return undo


def __getattr__(name: str):  # noqa: ANN202
    """`app`, Typer's description of all commands."""
    if name != "app":
        raise AttributeError(f"module 'blemish.cli' has no attribute {name!r}")
    from blemish.cli.commands import app

    return app
