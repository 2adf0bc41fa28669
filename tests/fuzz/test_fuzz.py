"""A few inputs of each target, and that the fuzzer would see what it looks for."""

import json
import os
import sys
from collections import Counter
from pathlib import Path
from random import Random

import mutations
import numpy as np
import pytest
import targets
from pages import Page

import fuzz
from blemish.core.errors import ArtifactError, DataError
from blemish.core.store import read, write
from blemish.data.dataset import Reading
from blemish.data.tables import read_npz
from blemish.onnx.runtime import Runtime
from conftest import ten_trees


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz") / "seeds"
    before = os.getcwd()  # noqa: PTH109
    fuzz.import_all()
    with ten_trees():
        fuzz.make_seeds(folder, ["table"])
    fuzz.warm_up(folder, [])
    os.chdir(before)
    return folder


def test_a_few_damaged_tables_end_in_one_line(seeds, tmp_path, monkeypatch):
    """`make fuzz` takes all targets and many more inputs."""
    monkeypatch.chdir(tmp_path)  # and back
    found = Counter(fuzz.one("table", number, 0, seeds, None) for number in range(6))
    assert [one for one in found if one[1]] == []


def test_a_few_hundred_damaged_files_are_read_or_refused(seeds, tmp_path, monkeypatch):
    """In this process, which is fast; so none of these may crash it."""
    monkeypatch.chdir(tmp_path)
    ended = Counter()
    for number in range(200):
        arguments, _ = targets.TARGETS["npz"].damage(seeds, Random(number))
        try:
            read_npz(Path(arguments[2]), (), Reading())
            ended["read"] += 1
        except DataError:
            ended["refused"] += 1
    assert min(ended["read"], ended["refused"]) > 10


def test_a_few_hundred_requests_are_answered(seeds, tmp_path):
    page = Page(seeds, tmp_path)
    found = Counter(page.ask(Random(f"page 0 {number}")) for number in range(300))
    page.review.stop()
    assert [one for one in found if one[1]] == []
    assert found["200", False] > 20
    assert found["400", False] > 20


@pytest.mark.parametrize(
    ("status", "said", "same", "bad"),
    [
        (0, "", True, False), (0, "note: x\nskipped 2\n", True, False), (1, "note: x\nerror: no such thing\n", True, False),
        (2, "Usage: blemish\n\nError: no\n", True, False), (130, "error: interrupted\n", True, False), (0, "", False, True), (None, "", True, True),
        (-11, "", True, True), (1, "Traceback (most recent call last):\nKeyError: 1\n", True, True), (3, "error: x\n", True, True),
        (1, "error: KeyError: 1 (a bug: run again)\n", True, True), (1, "", True, True), (1, "error: a\nerror: b\n", True, True), (70, "x", True, True),
    ],
)  # fmt: skip
def test_what_is_a_finding(status, said, same, bad):
    assert fuzz.verdict(status, said, same)[1] is bad


@pytest.mark.parametrize(
    ("code", "expected"), [("crash", "signal 11"), ("loop", "no end"), ("bug", "traceback"), ("leave", "status 5")]
)
def test_a_process_that_fails_is_seen(code, expected, tmp_path, monkeypatch):
    failures = {
        "crash": lambda _: os.kill(os.getpid(), 11),
        "loop": lambda _: [None for _ in iter(int, 1)],
        "bug": lambda _: [][1],
        "leave": lambda _: 5,
    }
    monkeypatch.setattr(fuzz, "_main", failures[code])
    monkeypatch.setattr(fuzz, "SECONDS", 1)
    monkeypatch.chdir(tmp_path)
    assert fuzz.verdict(*fuzz.in_a_child(["x"]), True)[0].startswith(expected)


def test_the_same_number_is_the_same_input_and_others_differ(tmp_path):
    write(
        tmp_path / "m.blemish", {"a": np.arange(999.0), "b": np.arange(400)}, {"part": {"name": "x", "values": [1, 2]}}
    )
    data = (tmp_path / "m.blemish").read_bytes()
    made = [mutations.model_file(data, str(tmp_path / "m.blemish"), Random(number)) for number in (*range(40), 0, 1)]
    assert made[0] == made[-2]
    assert made[1] == made[-1]
    assert len({content for content, _ in made}) > 35
    assert {sealed for _, sealed in made} == {True, False}


def test_an_edited_file_is_sealed_again(tmp_path):
    """So that what is behind the digest is reached: the same file, written as the mutator writes, is read."""
    write(tmp_path / "m.blemish", {"a": np.arange(9.0)}, {"part": 1})
    content = mutations.sealed((tmp_path / "m.blemish").read_bytes())
    (tmp_path / "n.blemish").write_bytes(content)
    assert read(tmp_path / "n.blemish")[1] == read(tmp_path / "m.blemish")[1]


def test_a_process_takes_inputs_until_one_ends_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fuzz, "BATCH", 4)

    def work(number):
        if number == 2:
            os.kill(os.getpid(), 9)
        print("said", number, os.getpid(), file=sys.stderr)
        sys.stderr.flush()
        return 0, os.pread(2, 100, 0).decode(), True

    found = dict(fuzz.each(work, range(9)))
    assert [*found] == [*range(9)]
    assert found[2] == (-9, "", True)
    processes = [int(found[number][1].split()[-1]) for number in (0, 1, 3, 4, 6, 7, 8)]
    assert [len(set(some)) for some in (processes[:2], processes[2:5], processes[5:], processes)] == [1, 1, 1, 3]


def test_an_input_is_said_to_be_a_finding_only_where_it_is_one_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(fuzz, "each", lambda work, numbers: ((number, [-11, "", True]) for number in numbers))
    monkeypatch.setattr(fuzz, "one", lambda name, number, *_: ("signal 11", True) if number == 3 else ("done", False))
    tally = fuzz.Tally()
    fuzz.run("table", 5, 0, tmp_path, None, tally)
    assert tally.findings == {"signal 11": [3]}
    assert tally.counts == {"signal 11": 1, "only after others": 4}


def test_each_model_is_compared_with_its_own_scores():
    """And an export; the fuzzer computes these with the whole inputs."""
    for name, target in targets.TARGETS.items():
        if name.endswith("model") or name == "onnx":
            made = [command[-1] for command in target.seeds]
            assert [*target.whole[:3]] == targets.SCORE
            assert target.whole[3] == made[-1], name
        else:
            assert not target.whole, name


def test_metadata_and_graphs_of_exports_are_sealed_again(seeds, tmp_path, monkeypatch):
    """So that what is behind the digest is reached."""
    monkeypatch.chdir(tmp_path)
    fuzz.make_seeds(seeds, ["onnx"])
    os.chdir(tmp_path)
    said = Counter()
    for number in range(40):
        _, exact = targets.TARGETS["onnx"].damage(seeds, Random(number))
        try:
            Runtime("m.onnx")
            said["opened", exact] += 1
        except ArtifactError as error:
            said["digest" if "digest" in str(error) else "behind it", exact] += 1
    assert said["digest", True] > 3
    assert said["opened", True] == 0
    assert said["behind it", False] > 5
    assert said["digest", False] < 3


def test_a_run_goes_on_where_the_last_one_ended(tmp_path, monkeypatch):
    asked = []

    def each(work, numbers):
        for number in numbers:
            asked.append(number)
            yield number, [-6 if number == 3 else 0, "", True]

    monkeypatch.setattr(fuzz, "each", each)
    monkeypatch.setattr(fuzz, "one", lambda *_: ("signal 6", True))
    path = tmp_path / "table-0.json"
    fuzz.run("table", 5, 0, tmp_path, tmp_path, fuzz.saved(path))
    assert json.loads(path.read_text())["next"] == 5
    fuzz.run("table", 8, 0, tmp_path, tmp_path, fuzz.saved(path))
    assert asked == list(range(8))
    assert fuzz.saved(path).findings == {"signal 6": [3]}
