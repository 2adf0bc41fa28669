"""Coverage-guided, in one process: `python tests/fuzz/guided.py TARGET [-runs=N] [libFuzzer's options] CORPUS`.

atheris measures which lines of ours, of Pillow, PyYAML and NumPy an input reaches, and keeps those that reach more. It
pays where the parsing is Python: run files, marks, NPZ headers, pictures' headers. A finding is anything but our own
error: libFuzzer writes the input and ends. PyArrow and ONNX Runtime are compiled without its counters; `fuzz.py` is for
them.
"""

import contextlib
import io
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import atheris  # pyright: ignore[reportMissingImports]

with atheris.instrument_imports(include=["blemish", "PIL", "yaml", "numpy.lib", "zipfile"]):  # pyright: ignore
    from blemish.core.errors import BlemishError
    from blemish.core.run_config import read_config
    from blemish.core.store import read as read_model
    from blemish.data.dataset import Reading
    from blemish.data.images import decode
    from blemish.data.labels import labels_from_table
    from blemish.data.tables import read_npz, read_table
    from blemish.review.marks import to_mark

FOLDER = Path(tempfile.mkdtemp(prefix="guided"))


def _file(name: str, read: Callable[[Path], object]) -> Callable[[bytes], object]:
    def one(content: bytes) -> object:
        path = FOLDER / name
        path.write_bytes(content)
        return read(path)

    return one


def _mark(content: bytes) -> object:
    import json

    with contextlib.suppress(ValueError, RecursionError):
        values = json.loads(content)
        json.dumps(values, allow_nan=False, ensure_ascii=False).encode()
        return to_mark(values)
    return None


KEYS = ["good/0.png", "crack/1.jpg"]
READERS: dict[str, Callable[[bytes], object]] = {
    "run_file": _file("run.yaml", read_config),
    "mark": _mark,
    "npz": _file("x.npz", lambda path: read_npz(path, (), Reading())),
    "picture": _file("x.png", decode),
    "csv": _file("x.csv", lambda path: read_table(path, None, Reading())),
    "labels": _file("x.csv", lambda path: labels_from_table(KEYS, path, Reading())),
    "model": _file("x.blemish", read_model),
}


def main() -> None:
    """Run one target until libFuzzer ends."""
    read = READERS[sys.argv.pop(1)]

    def one(content: bytes) -> None:
        with contextlib.suppress(BlemishError), contextlib.redirect_stderr(io.StringIO()):
            read(content)

    warnings.simplefilter("ignore")
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
