"""Whole processes against damaged inputs: `python tests/fuzz/fuzz.py [-n N] [--targets …]`, see CONTRIBUTING.md.

Every input has to end in one clear line or in the work done. A finding is: death by a signal, no end within 30 s, a
traceback, a status other than 0, 1, 2 and 130, or other scores from a file with a digest that was not made anew. What is
imported is imported once, and a forked process takes inputs until one ends it; a finding is tried again in a process of
its own. Input number i of a target and a seed is always the same.
"""

import argparse
import contextlib
import csv
import gc
import io
import json
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random

sys.path.append(str(Path(__file__).resolve().parents[1]))  # what tests share

import pages
from targets import TARGETS, write_seeds

SECONDS = 30
PATIENCE = 600
"""Seconds for making a whole input."""
BATCH = 200
"""Inputs of one process, where none ends it."""
MAX_SAID = 2**20  # bytes of what a program says that are looked at
MEMORY = 6 * 2**30
"""Bytes of address space that a process may take on top of what the imports have: bombs end in a sentence too."""


@dataclass
class Tally:
    """What came of the inputs of one target.

    Attributes:
        next: Number of the next input.
        counts: How many ended how.
        findings: For each kind of finding the numbers of its inputs.
    """

    next: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    findings: dict[str, list[int]] = field(default_factory=dict)


def scores(path: Path) -> list[list[str]] | None:
    """The numbers of a table of scores; None: there is none."""
    if not path.exists():
        return None
    with path.open(newline="") as file:
        return [row[1:] for row in csv.reader(file)]


Answer = tuple[int | None, str, bool]
"""Status of the program (negative: the signal; None: no end), what it said, and whether the scores are the true ones."""


def each(work: Callable[[int], Answer], numbers: range, seconds: float | None = None) -> Iterator[tuple[int, Answer]]:
    """The answer to each number, in forked processes: a new one where the last was ended by its input, or after BATCH.

    A fork costs more than most inputs do: half a gigabyte of imports has to be mapped again.
    """
    at = numbers.start
    while at < numbers.stop:
        stop = min(at + BATCH, numbers.stop)
        for answer in _in_one_child(work, range(at, stop), seconds or SECONDS):
            yield at, answer
            at += 1


def _in_one_child(work: Callable[[int], Answer], numbers: range, seconds: float) -> Iterator[Answer]:
    """Answers until one is the end of the process."""
    ours, theirs = os.pipe()
    if not (child := os.fork()):
        os.close(ours)
        _answer(work, numbers, theirs)
    os.close(theirs)
    with os.fdopen(ours, "rb") as answers:
        for _ in numbers:
            waited = select.select([ours], [], [], seconds)[0]
            line = answers.readline() if waited else b""
            if not line.endswith(b"\n"):
                if not waited:
                    os.kill(child, signal.SIGKILL)
                status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
                yield status if waited else None, "", True
                return
            yield json.loads(line)
    os.waitpid(child, 0)


def _answer(work: Callable[[int], Answer], numbers: range, theirs: int) -> None:
    """Be the child: write an answer for each number, in a line of JSON."""
    status = 70
    try:
        for number in (1, 2):
            os.dup2(os.open(tempfile.gettempdir(), os.O_TMPFILE | os.O_RDWR | os.O_APPEND), number)
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
        warnings.simplefilter("ignore")
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        for number in numbers:
            os.write(theirs, json.dumps(work(number)).encode() + b"\n")
        status = 0
    finally:  # what the fuzzer itself raises is a status that no program may have
        os._exit(status)


def program(arguments: list[str]) -> tuple[int, str]:
    """Be the program, in a forked process: its status, and what it says."""
    for number in (1, 2):
        os.ftruncate(number, 0)
    try:
        status = _main(arguments)
    except BaseException:
        traceback.print_exc()
        status = 70
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    return status, os.pread(2, MAX_SAID, 0).decode("utf-8", "replace")


def in_a_child(arguments: list[str], seconds: float | None = None) -> tuple[int | None, str]:
    """The same in a forked process of its own."""
    ((_, (status, said, _)),) = each(lambda _: (*program(arguments), True), range(1), seconds)
    return status, said


def _main(arguments: list[str]) -> int:
    from blemish.cli import main as program

    sys.argv = ["blemish", *arguments]
    try:
        program()
    except SystemExit as left:
        return left.code if isinstance(left.code, int) else 0 if left.code is None else 1
    return 0


def verdict(status: int | None, said: str, same: bool) -> tuple[str, bool]:
    """How an input ended, and whether that is a finding."""
    lines = [line for line in said.splitlines() if line]
    if status is None:
        return "no end", True
    if status < 0:
        return f"signal {-status}", True
    if "Traceback" in said or "(a bug" in said:
        return f"traceback: {lines[-1][:150]}" if lines else "traceback", True
    if status not in (0, 1, 2, 130):
        return f"status {status}", True
    if status and sum(line.startswith(("error:", "Error:")) for line in lines) != 1 and "Usage:" not in said:
        return f"no clear line: {lines[-1][:100] if lines else ''}", True
    if status == 0 and not same:
        return "other scores in silence", True
    return "done" if status == 0 else "refused", False


def attempt(name: str, seed: int, seeds: Path, keep: Path | None, number: int) -> Answer:
    """Make one input, give it to the program in this process, and compare; what may be a finding is kept in a folder."""
    work = Path(tempfile.mkdtemp(prefix="fuzz"))
    os.chdir(work)
    try:
        arguments, exact = TARGETS[name].damage(seeds, Random(f"{name} {seed} {number}"))
        if keep is not None:  # before: the program may end this process
            folder = keep / f"{name}-{seed}-{number}"
            shutil.copytree(work, folder, symlinks=True, dirs_exist_ok=True)
            (folder / "arguments").write_text(json.dumps(arguments))
        status, said = program(arguments)
        return status, said, not exact or status != 0 or scores(work / "o.csv") == scores(seeds / f"{name}.true")
    finally:
        os.chdir("/")
        shutil.rmtree(work, ignore_errors=True)


def one(name: str, number: int, seed: int, seeds: Path, keep: Path | None) -> tuple[str, bool]:
    """How one input ends in a process of its own, and whether that is a finding."""
    ((_, answer),) = each(partial(attempt, name, seed, seeds, keep), range(number, number + 1))
    return verdict(*answer)


def make_seeds(folder: Path, names: list[str]) -> None:
    """The whole inputs of some targets, and their scores, where they are not there yet."""
    if not (folder / "t.csv").exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_seeds(folder)
    os.chdir(folder)
    for command in [command for name in names for command in TARGETS[name].seeds]:
        if not Path(command[-1]).exists():
            status, said = in_a_child(command, PATIENCE)
            assert status == 0, said
    for name in names:
        if TARGETS[name].whole and not Path(f"{name}.true").exists():
            status, said = in_a_child([*TARGETS[name].whole], PATIENCE)
            assert status == 0, said
            Path("o.csv").rename(f"{name}.true")
    os.chdir("/")


def warm_up(seeds: Path, names: list[str]) -> None:
    """Run the usual commands once in this process: PyTorch and others import more at their first use."""
    work = tempfile.mkdtemp(prefix="fuzz")
    os.chdir(work)
    data = {"table": "t.csv", "array": "n.npz", "text": "texts.txt", "pictures": "pictures"}
    commands = [["score", str(seeds / "table.onnx"), str(seeds / "t.csv"), "-o", "o.csv"]]
    for model, samples in data.items():
        arguments = [str(seeds / f"{model}.blemish"), str(seeds / samples)]
        commands += [["score", *arguments, "-o", "o.csv"], ["explain", *arguments]]
    commands += (
        [["report", str(seeds / "table.blemish"), str(seeds / "t.parquet"), "-o", "r.html"]] if "table" in names else []
    )
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        for command in commands:
            if Path(command[1]).exists():
                _main(command)
    os.chdir("/")
    shutil.rmtree(work, ignore_errors=True)
    gc.freeze()


def run(name: str, n: int, seed: int, seeds: Path, out: Path | None, tally: Tally) -> None:
    """Inputs of a target up to number `n`, from where the tally ends; a finding has to be one in a process of its own."""
    for number, answer in each(partial(attempt, name, seed, seeds, None), range(tally.next, n)):
        found, bad = verdict(*answer)
        if bad:
            alone, bad = one(name, number, seed, seeds, out and out / "findings")
            found = alone if bad else f"only after others: {found}"
        tally.counts[found if bad else found.partition(":")[0]] += 1
        if bad:
            tally.findings.setdefault(found, []).append(number)
        tally.next = number + 1
        if out is not None and (number % 50 == 49 or number + 1 == n):
            save(out / f"{name}-{seed}.json", tally)


def save(path: Path, tally: Tally) -> None:
    """Write a tally, so that a later run goes on from it."""
    path.write_text(json.dumps(vars(tally), indent=1))


def saved(path: Path) -> Tally:
    """The tally of an earlier run, or a new one."""
    if not path.exists():
        return Tally()
    values = json.loads(path.read_text())
    return Tally(values["next"], Counter(values["counts"]), values["findings"])


def main() -> int:
    """Run; the status is 1 where something was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "-n", type=int, default=300, help="inputs of each target and seed, those of earlier runs included"
    )
    parser.add_argument("--targets", nargs="*", default=[*TARGETS, "page"], choices=[*TARGETS, "page"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(".fuzz"), help="whole inputs, tallies and findings")
    parser.add_argument("--only", type=int, help="only this input, and what the program says")
    options = parser.parse_args()
    out = options.out.resolve()
    processes = [name for name in options.targets if name in TARGETS]
    import_all()
    make_seeds(out / "seeds", [*processes, *(["model"] if "page" in options.targets else [])])
    warm_up(out / "seeds", processes)
    if options.only is not None:
        print(one(processes[0], options.only, options.seed, out / "seeds", out / "only"))
        return 0
    bad, total = 0, 0
    for name in options.targets:
        start, tally = time.monotonic(), saved(out / f"{name}-{options.seed}.json")
        before = tally.next
        if name == "page":
            keep = partial(save, out / f"page-{options.seed}.json")
            pages.run(options.n, options.seed, out / "seeds", tally, keep)
            keep(tally)
        else:
            run(name, options.n, options.seed, out / "seeds", out, tally)
        seconds, total = time.monotonic() - start, total + tally.next
        print(
            f"{name}: {tally.next} inputs ({tally.next - before} now, {seconds:.0f} s)", dict(tally.counts), flush=True
        )
        for found, numbers in tally.findings.items():
            print(f"  FINDING {found}: {len(numbers)} inputs, e.g. --targets {name} --only {numbers[0]}", flush=True)
        bad += sum(map(len, tally.findings.values()))
    print(f"{bad} findings in {total} inputs")
    return int(bad > 0)


def import_all() -> None:
    """Everything that commands import, once, before the first fork."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    import onnxruntime  # noqa: F401
    import torch

    import blemish.cli.commands
    import blemish.detector
    import blemish.out_of_core
    import blemish.report.overview
    import blemish.report.results  # noqa: F401

    torch.set_num_threads(1)


if __name__ == "__main__":
    sys.exit(main())
