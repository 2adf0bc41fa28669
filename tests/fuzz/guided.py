"""Coverage-guided, in one process: `python tests/fuzz/guided.py [-n N] [--targets …]`, see CONTRIBUTING.md.

atheris measures which lines of ours, of Pillow, PyYAML and NumPy an input reaches, and keeps those that reach more. It
pays where the parsing is Python. A finding is anything but our own error, or a single input that takes 30 s: libFuzzer
writes the input and ends. PyArrow and ONNX Runtime are compiled without its counters; `fuzz.py` is for them.
"""

import argparse
import contextlib
import io
import json
import mmap
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from random import Random

import atheris  # pyright: ignore[reportMissingImports]

with atheris.instrument_imports(include=["blemish", "PIL", "yaml", "numpy.lib", "zipfile"]):  # pyright: ignore
    from blemish import load
    from blemish.core.errors import ArtifactError, BlemishError
    from blemish.core.run_config import read_config
    from blemish.core.store import sealed
    from blemish.data.dataset import Reading
    from blemish.data.images import decode
    from blemish.data.labels import labels_from_table
    from blemish.data.tables import read_npz, read_table
    from blemish.onnx.runtime import TableFacts, checked
    from blemish.review.marks import to_mark

sys.path.append(str(Path(__file__).resolve().parents[1]))  # what tests share

import mutations

from fuzz import make_seeds

FOLDER = Path(tempfile.mkdtemp(prefix="guided"))


def _file(name: str, read: Callable[[Path], object]) -> Callable[[bytes], object]:
    def one(content: bytes) -> object:
        path = FOLDER / name
        path.write_bytes(content)
        return read(path)

    return one


def _mark(content: bytes) -> object:
    with contextlib.suppress(ValueError, RecursionError):
        values = json.loads(content)
        json.dumps(values, allow_nan=False, ensure_ascii=False).encode()
        return to_mark(values)
    return None


def _model(content: bytes) -> object:
    """A model file whose digest is right, whatever else was done to it."""
    with contextlib.suppress(ArtifactError):
        content = sealed(content)
    return _file("x.blemish", load)(content)


MARK = {"id": "mark-000000000001", "sample": "0" * 32, "key": "r1", "label": "normal", "who": "ann",
        "made": "2026-11-24T12:00:00Z", "model": "m", "rank": 1}  # fmt: skip
FACTS = {
    "schema": 2, "version": "0.1.0", "modality": "tabular", "inputs": "columns", "threshold": 0.5, "form": "frame",
    "outlier_threshold": 0.5, "n_defects": 3, "n_columns": 1, "classes": ["normal", "other", "defect"],
    "notes": {"run": {"glob": "*", "skip_lines": 1}}, "columns": [{"name": "a", "kind": "numeric", "style": [".", "", "%"]}],
}  # fmt: skip
KEYS = ["good/0.png", "crack/1.jpg"]
READERS: dict[str, tuple[Callable[[bytes], object], str]] = {
    "mark": (_mark, ""),
    "facts": (lambda content: checked(TableFacts, content, "the metadata"), ""),
    "run_file": (_file("run.yaml", read_config), "run.yaml"),
    "npz": (_file("x.npz", lambda path: read_npz(path, (), Reading())), "n.npz"),
    "picture": (_file("x.png", decode), "pictures/crack/0.png"),
    "csv": (_file("x.csv", lambda path: read_table(path, None, Reading())), "t.csv"),
    "labels": (_file("x.csv", lambda path: labels_from_table(KEYS, path, Reading())), "labels.csv"),
    "model": (_model, "text.blemish"),
}
"""What reads, and a whole input, of those of `fuzz.py`."""
WHOLE = {"mark": json.dumps(MARK).encode(), "facts": json.dumps(FACTS).encode()}


def mutator(name: str, whole: Path) -> Callable[[bytes, int, int], bytes] | None:
    """What makes an input from one that was kept: JSON and model files by their values, others byte by byte."""

    def values(content: bytes, most: int, seed: int) -> bytes:
        rng = Random(seed)
        with contextlib.suppress(ValueError, RecursionError):
            if rng.random() < 0.8:
                return mutations.as_json(mutations.edited(json.loads(content), rng)).encode()[:most]
        return mutations.damaged(content, rng)[:most]

    def model(content: bytes, most: int, seed: int) -> bytes:
        return mutations.model_file(whole.read_bytes(), str(whole), Random(seed))[0][:most]

    return {"mark": values, "facts": values, "model": model}.get(name)


def run(name: str, n: int, seed: int, out: Path) -> tuple[int, bool]:
    """How many inputs one target has read, in a process of its own, and whether something was found."""
    read, seen = READERS[name][0], mmap.mmap(-1, 8)
    corpus, whole = out / "corpus" / name, out / "seeds" / READERS[name][1]
    corpus.mkdir(parents=True, exist_ok=True)
    (corpus / "whole").write_bytes(WHOLE.get(name) or whole.read_bytes())

    def one(content: bytes) -> None:
        seen[:] = (int.from_bytes(seen[:], "little") + 1).to_bytes(8, "little")
        with contextlib.suppress(BlemishError), contextlib.redirect_stderr(io.StringIO()):
            read(content)

    if not (child := os.fork()):
        warnings.simplefilter("ignore")
        options = [
            f"-runs={n}",
            f"-seed={seed + 1}",
            "-max_len=65536",
            "-timeout=30",
            "-rss_limit_mb=6000",
            "-verbosity=0",
        ]
        arguments = ["guided", *options, f"-artifact_prefix={out}/{name}-", str(corpus)]
        made = mutator(name, whole)
        atheris.Setup(arguments, one, **({} if made is None else {"custom_mutator": made}))
        atheris.Fuzz()
        os._exit(0)  # libFuzzer does not return
    bad = bool(os.waitpid(child, 0)[1])
    return int.from_bytes(seen[:], "little"), bad


def main() -> int:
    """Run; the status is 1 where something was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=1000, help="inputs of each target")
    parser.add_argument("--targets", nargs="*", default=[*READERS], choices=[*READERS])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(".fuzz"), help="whole inputs, corpora and findings")
    options = parser.parse_args()
    out, found = options.out.resolve(), 0
    make_seeds(out / "seeds", ["text_model"])
    for name in options.targets:
        start = time.monotonic()
        n, bad = run(name, options.n, options.seed, out)
        found += bad
        print(
            f"{name}: {n} inputs, {time.monotonic() - start:.0f} s",
            f"FINDING: {out}/{name}-*" if bad else "",
            flush=True,
        )
    print(f"{found} findings")
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main())
