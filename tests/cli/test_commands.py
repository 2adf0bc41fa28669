"""What becomes of the errors of commands, and of Ctrl-C at any moment."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import blemish.cli
from blemish.cli import INTERRUPTED, app, main
from command_line import run

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "blemish"


def _default():
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def listening():
    """A worker of pytest-xdist ignores interrupts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_the_commands_are_typers():
    assert {str(getattr(command.callback, "__name__", "")) for command in app.registered_commands} >= {
        "fit",
        "score",
        "review",
    }
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = blemish.cli.nonsense


@pytest.mark.parametrize("seconds", [0.06, 0.1, 0.2, 0.4, 0.8])
def test_ctrl_c_at_any_moment_is_one_line(seconds, tmp_path):
    """The program is started as its users start it; before Python has set up anything it can only be killed."""
    (tmp_path / "t.csv").write_text("a,b\n" + "1,2\n" * 200)
    command = [sys.executable, str(SCRIPT), "fit", "t.csv", "--epochs", "2000", "-o", "m.blemish"]
    with subprocess.Popen(command, stdout=-1, stderr=-1, text=True, cwd=tmp_path, preexec_fn=_default) as process:
        while "blemish" not in Path(f"/proc/{process.pid}/cmdline").read_text():
            time.sleep(0.001)
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert out == ""
    assert (process.returncode, [line for line in err.splitlines() if not line.startswith("note:")]) == (
        130, [f"error: {INTERRUPTED}"],
    )  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


def test_what_breaks_because_of_an_interrupt_is_the_interrupt(monkeypatch, capsys):
    """Compiled modules turn a KeyboardInterrupt in the middle of their import into an ImportError."""

    def broken(_):
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise ImportError("numpy.core.multiarray failed to import") from None

    monkeypatch.setattr("blemish.core.store.check_exists", broken)
    status, out, err = run(monkeypatch, capsys, "score", "m.blemish", "t.csv", "-o", "o.csv")
    assert (status, out, err) == (130, "", f"error: {INTERRUPTED}\n")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_in_a_destructor_is_not_lost(monkeypatch, capsys):
    class Destroyed:
        def __del__(self):
            signal.raise_signal(signal.SIGINT)

    def work(_):
        Destroyed()
        time.sleep(5)

    monkeypatch.setattr("blemish.core.store.check_exists", work)
    status, _, err = run(monkeypatch, capsys, "score", "m.blemish", "t.csv", "-o", "o.csv")
    assert (status, err) == (130, f"error: {INTERRUPTED}\n")


def test_an_interrupt_that_is_ignored_stays_so(monkeypatch, capsys):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        run(monkeypatch, capsys, "--version")
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_name_that_is_not_text_ends_nothing(tmp_path):
    name = "gr\udcfcn.csv"
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "fit", name, "-o", "m.blemish"], capture_output=True, cwd=tmp_path
    )
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr == b"error: there is no file or folder 'gr\\udcfcn.csv'\n"
    assert callable(main)


@pytest.mark.parametrize("command", ["score", "evaluate", "explain", "report", "review"])
@pytest.mark.parametrize("said", [["--use", "memo"], ["--text=memo"]])
def test_what_a_column_is_is_said_at_fit(monkeypatch, capsys, command, said):
    status, _, err = run(monkeypatch, capsys, command, "m.blemish", "a.csv", *said)
    assert (status, err.count("\n")) == (2, 1)
    assert f"is said at fit: a model keeps what its columns are; fit with {said[0].partition('=')[0]} COLUMN" in err
