"""Fair timing on a noisy machine: variants take turns in one run, and only ratios of the same turn are compared."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

Variant = Callable[[], float]
"""Does the work once and returns its seconds; what is not the work is not timed."""

BUILD = Path("build")
PEERS = ("pyod==3.6.7",)


@dataclass(frozen=True)
class Result:
    """One line of the table.

    Attributes:
        what: Was measured.
        goal: As a person reads it, for example '<= 1.05'.
        value: A ratio of wall times, or what `unit` says.
        low: Least of the turns.
        high: Greatest of the turns.
        unit: '×' for ratios.
        seconds: Median of each variant.
    """

    what: str
    goal: str
    value: float
    low: float
    high: float
    unit: str = "×"
    seconds: dict[str, float] = field(default_factory=dict)


def alternate(variants: Mapping[str, Variant], turns: int) -> dict[str, list[float]]:
    """Seconds of each variant in each turn; a first turn, not counted, warms all of them up."""
    taken: dict[str, list[float]] = {name: [] for name in variants}
    for turn in range(turns + 1):
        for name, variant in variants.items():
            seconds = variant()
            if turn:
                taken[name].append(seconds)
    return taken


def compare(what: str, goal: str, variants: Mapping[str, Variant], turns: int) -> Result:
    """The first variant's time in those of the second: the median over the turns of the ratio within a turn."""
    taken = alternate(variants, turns)
    first, second, *_ = taken.values()
    ratios = [a / b for a, b in zip(first, second, strict=True)]
    seconds = {name: median(values) for name, values in taken.items()}
    return Result(what, goal, median(ratios), min(ratios), max(ratios), seconds=seconds)


class Peer:
    """A process of another environment that does one piece of work for each line it is sent."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        """Keep the process."""
        self._process = process

    def __call__(self, work: str) -> float:
        """Seconds of one piece of work, by name.

        Raises:
            RuntimeError: If the peer died.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{work}\n")
        self._process.stdin.flush()
        for line in self._process.stdout:  # the peer may print things of its own
            if line.startswith("seconds "):
                return float(line.split()[1])
        raise RuntimeError(f"the peer died while it did {work!r}")


@contextmanager
def peer(rows: int) -> Iterator[Peer]:
    """PyOD in an environment of its own, made on first use in build/peers; it sees our PyTorch, so both use the same.

    Args:
        rows: To score; see `peer.py`.
    """
    python = BUILD / "peers" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(BUILD / "peers")], check=True)
        ours = next(path for path in sys.path if path.endswith("site-packages"))
        site = next((BUILD / "peers" / "lib").glob("python*/site-packages"))
        (site / "ours.pth").write_text(f"{ours}\n")
        pip = [str(python), "-m", "pip", "install", "--quiet", "--constraint", "constraints.txt", *PEERS]
        subprocess.run(pip, check=True, stderr=subprocess.DEVNULL)
    script = Path(__file__).with_name("peer.py")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    process: subprocess.Popen[str] = subprocess.Popen([str(python), str(script), str(rows)], **pipes)
    try:
        yield Peer(process)
    finally:
        process.kill()
        process.wait()
