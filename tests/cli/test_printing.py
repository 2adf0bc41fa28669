"""What the commands print: short cells, whole tables, notes, and bars that a file does not get."""

import time
import warnings
from types import SimpleNamespace

import pytest

from blemish.cli.printing import print_table, progress_bar, row_bar, say_reading, short, told, warnings_as_notes
from blemish.data.dataset import Reading


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (0.123456, "0.1235"), (12, "12"), ("abcdefgh", "abcdefgh"), ("abcdefghi", "abcdefg…")],
)
def test_a_cell_is_short(value, text):
    assert short(value, 8) == text


def test_warnings_become_notes_and_the_sixth_a_number(capsys):
    with warnings_as_notes():
        for number in range(7):
            warnings.warn(f"warning {number}", UserWarning, stacklevel=1)
        warnings.warn("not ours", DeprecationWarning, stacklevel=1)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [*(f"note: warning {number}" for number in range(5)), "note: 2 more of these"]


def fail_after_a_warning():
    with warnings_as_notes():
        warnings.warn("first", UserWarning, stacklevel=1)
        raise ValueError("broken")


def test_notes_are_printed_before_an_error(capsys):
    with pytest.raises(ValueError, match="broken"):
        fail_after_a_warning()
    assert capsys.readouterr().err == "note: first\n"


def test_five_skipped_names_are_printed(capsys):
    reading = Reading()
    say_reading(reading)
    for name in "abcdef":
        reading.note("skipped", name, "it is empty")
    say_reading(reading)
    assert capsys.readouterr().err == "skipped 6 that cannot be used: a, b, c, d, e … (the first: it is empty)\n"


def test_a_table_without_a_terminal_is_not_cut_and_takes_brackets_as_text(capsys):
    print_table("[red]title", ["name", "value"], [("[bold]x", "y" * 60)])
    printed = capsys.readouterr().out
    assert "[red]title" in printed
    assert "[bold]x" in printed
    assert "y" * 60 in printed


def test_bars_are_silent_without_a_terminal(capsys):
    with progress_bar("m") as advance:
        advance(SimpleNamespace(epoch=1, total=0.5))
        advance(SimpleNamespace(epoch=2, total=0.25))
    with row_bar(10) as advance:
        advance(10)
    assert capsys.readouterr() == ("", "")


def test_what_is_being_done_is_told_by_lines_though_the_work_says_nothing(capsys, monkeypatch):
    monkeypatch.setattr("blemish.cli.printing.EVERY", 0.02)
    with told("starting") as say:
        time.sleep(0.15)
        say("fitting")
        time.sleep(0.15)
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert lines[0] == "0 s: starting"
    assert lines[-1] == "0 s: fitting"
    time.sleep(0.1)
    assert capsys.readouterr().err == ""  # nothing after the end


def test_what_takes_no_time_is_not_told(capsys):
    with told("starting") as say:
        say("fitting")
    assert capsys.readouterr() == ("", "")
