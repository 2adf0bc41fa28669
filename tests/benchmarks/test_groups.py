"""The benchmark of promises where every sample has copies."""

import sys
import warnings

import numpy as np
import pytest

import groups


def test_it_prints_a_line_for_each_promise(monkeypatch, capsys):
    monkeypatch.setattr(groups, "SIZES", {"held out": (110, 10)})
    monkeypatch.setattr(sys, "argv", ["groups", "--draws", "2", "--sizes", "held out"])
    groups.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("| judged | groups | promise | level | true |")
    assert {line.split(" | ")[1] for line in lines[2:]} == {"yes", "no"}
    assert all(line.count("|") == lines[0].count("|") for line in lines)


def means(n_draws, *, grouped):
    """For each promise and level the mean truth, and its standard error."""
    with warnings.catch_warnings(action="ignore"):
        found = [groups.truths(seed, 150, 20, 5, grouped=grouped) for seed in range(n_draws)]
    true = {asked: np.array([one[asked][0] for one in found]) for asked in found[0]}
    return {asked: (told.mean(), told.std(ddof=1) / np.sqrt(n_draws)) for asked, told in true.items()}


def beyond(promise, level, mean, error):
    """By how many standard errors a promise is broken."""
    return (level - mean if promise == "recall" else mean - level) / error


def test_copies_break_promises_without_groups_and_not_with_them():
    """The cheap twin of the simulation below: what is far off without groups."""
    without, with_groups = (means(8, grouped=grouped)["recall", 0.9][0] for grouped in (False, True))
    assert without < 0.65
    assert with_groups > 0.83


@pytest.mark.slow
def test_promises_hold_at_every_level_with_groups():
    kept, broken = (means(150, grouped=grouped) for grouped in (True, False))
    assert all(beyond(*asked, *told) < 3 for asked, told in kept.items()), kept
    assert all(beyond(*asked, *told) > 3 for asked, told in broken.items() if asked[1] != 0.5 or asked[0] == "recall")
