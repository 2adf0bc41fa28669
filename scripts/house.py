"""How large the house is: `python scripts/house.py` prints lines, chains, and the files that one fit runs through.

Every figure is read from the source, or from a run of it; DESIGN section 4 has the budgets.
"""

import ast
import io
import re
import sys
import threading
import tokenize
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "blemish"
CORE = ("autoencoder", "losses", "training", "scoring", "calibration", "fitting", "detector")
MAX_CORE, MAX_PACKAGE, MAX_FIT, MAX_SCORE = 8_000, 18_000, 25, 15


class Lines(NamedTuple):
    """What the lines of a file are; the rest is blank."""

    total: int
    code: int
    docstring: int
    comment: int


def lines_of(path: Path) -> Lines:
    """Count the lines of a Python file; a comment counts where it has a line of its own."""
    text = path.read_text()
    documented = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(
            node
        ):
            documented |= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    comments = {t.start[0] for t in tokens if t.type == tokenize.COMMENT and t.line.lstrip().startswith("#")}
    code = sum(bool(line.strip()) for at, line in enumerate(text.splitlines(), 1) if at not in documented | comments)
    return Lines(len(text.splitlines()), code, len(documented), len(comments))


def folder_of(path: Path) -> str:
    """The folder or the single file of the package that a module belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def name_of(path: Path) -> str:
    """The module's name: blemish.core.store."""
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def _imports(tree: ast.AST, known: set[str]) -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue  # for the type checker alone: never imported
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module in known:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in known else node.module
        yield from _imports(node, known)


def longest_chain(modules: dict[str, Path]) -> list[str]:
    """The longest way of modules that import one another, imports inside functions included."""
    known = set(modules)
    graph = {name: {*_imports(ast.parse(path.read_text()), known)} - {name} for name, path in modules.items()}
    under_way: set[str] = set()

    @cache
    def chain(name: str) -> tuple[str, ...]:
        under_way.add(name)
        found = max((chain(other) for other in sorted(graph[name] - under_way)), key=len, default=())
        under_way.discard(name)
        return (name, *found)

    return list(max(map(chain, sorted(graph)), key=len))


def files_run(work: Callable[[], object]) -> list[str]:
    """The package's files with a function that is called while the work runs, in any thread."""
    seen: set[str] = set()

    def note(frame: object, event: str, _: object) -> None:
        if event == "call":
            seen.add(frame.f_code.co_filename)  # pyright: ignore[reportAttributeAccessIssue]

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # pyright: ignore[reportArgumentType]
    return sorted(str(Path(name).relative_to(PACKAGE)) for name in seen if name.startswith(f"{PACKAGE}/"))


def run_through() -> tuple[list[str], list[str]]:
    """Files that one fit and one defect score of a small table run through; what is imported was imported before."""
    from blemish import DefectDetector
    from blemish.datasets import ring

    split = ring(n_normal=120, n_test=8)

    def fitted() -> DefectDetector:
        return DefectDetector(epochs=2, random_state=0).fit(split.X_train, split.y_train)

    detector = fitted()
    detector.defect_score(split.X_test)
    return files_run(fitted), files_run(lambda: detector.defect_score(split.X_test))


def toys(tests: Path) -> dict[str, list[str]]:
    """The toy parts of the tests, and the dicts that each has to be put into: all that a new part touches."""
    return {
        path.stem.removeprefix("test_").replace("_", " "): sorted(set(re.findall(r"setitem\((\w+)", path.read_text())))
        for path in sorted(tests.rglob("test_toy_*.py"))
    }


def main() -> None:
    """Print the figures."""
    paths = sorted(PACKAGE.rglob("*.py"))
    counted = {path: lines_of(path) for path in paths}
    print(f"{'folder':20}{'files':>7}{'lines':>8}{'code':>8}{'docs':>8}{'comments':>9}")
    for name in sorted({folder_of(path) for path in paths}):
        mine = [lines for path, lines in counted.items() if folder_of(path) == name]
        print(f"{name:20}{len(mine):7}" + "".join(f"{sum(column):8}" for column in zip(*mine, strict=True)))
    totals = [sum(column) for column in zip(*counted.values(), strict=True)]
    print(f"{'all':20}{len(paths):7}" + "".join(f"{total:8}" for total in totals))
    core = sum(lines.total for path, lines in counted.items() if folder_of(path) in CORE)
    print(f"\ncore {core:,} of {MAX_CORE:,} lines, package {totals[0]:,} of {MAX_PACKAGE:,}")
    longest = max(paths, key=lambda path: counted[path].total)
    print(f"longest file: {longest.relative_to(PACKAGE)}, {counted[longest].total} lines")
    chain = longest_chain({name_of(path): path for path in paths})
    print(f"longest import chain, {len(chain)} modules: {' → '.join(chain)}")
    for verb, most, files in zip(("fit", "defect_score"), (MAX_FIT, MAX_SCORE), run_through(), strict=True):
        print(f"one {verb} of a table runs through {len(files)} files (goal {most}): {', '.join(files)}")
    for toy, entries in toys(ROOT / "tests").items():
        print(f"{toy}: 1 file, and 1 line in {', '.join(entries)}")


if __name__ == "__main__":
    main()
