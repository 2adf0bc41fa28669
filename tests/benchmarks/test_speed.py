"""The benchmark of speed runs, and compares turn by turn. What it measures is nothing for a test."""

import json

import speed
from speeds.turns import compare


def test_rows_without_peers_run(tmp_path, capsys):
    found = tmp_path / "speed.json"
    speed.main(["--quick", "--rows", "step", "distances", "--json", str(found)])
    results = json.loads(found.read_text())
    assert [result["goal"] for result in results] == [*["<= 0.45", "<= 1.05"] * 2, "<= 1e-6", "<= 1e-6", "about 1"]
    assert all(0 < result["low"] <= result["value"] <= result["high"] for result in results)
    assert "load average" in capsys.readouterr().out


def test_ratios_are_of_the_same_turn_and_the_first_turn_warms_up():
    ours, theirs = iter([100.0, 1.0, 2.0, 30.0]), iter([100.0, 2.0, 4.0, 10.0])
    result = compare("x", "", {"ours": lambda: next(ours), "theirs": lambda: next(theirs)}, turns=3)
    assert (result.value, result.low, result.high) == (0.5, 0.5, 3.0)
    assert result.seconds == {"ours": 2.0, "theirs": 4.0}
