"""The public contract is what it was: names, signatures, options; `python tests/golden/write.py public` writes anew."""

import difflib

import pytest
from golden_cases import FOLDER
from golden_public import PAGES, TYPER


def difference(name):
    """A unified diff from what is stored to what is."""
    stored = (FOLDER / name).read_text().splitlines()
    found = PAGES[name]().splitlines()
    return "\n".join(difflib.unified_diff(stored, found, f"{name} as stored", f"{name} now", n=1, lineterm=""))


def test_the_public_names_signatures_and_options_are_those_stored():
    found = difference("public.txt")
    assert not found, f"the public contract changed; if that is meant: write.py public\n{found}"


def test_help_prints_what_is_stored():
    if (FOLDER / "help.txt").read_text().splitlines()[0] != f"# typer {TYPER}":
        pytest.skip("another version of Typer lays out --help in another way")
    found = difference("help.txt")
    assert not found, f"--help changed; if that is meant: write.py public\n{found}"
