"""Writes the expectations of the golden tests anew; only with a decision that says why the numbers may change.

`python tests/golden/write.py` writes all scores (`expected/`), `... tabular image` only those cases;
`... public` writes public.txt and help.txt. The old model files are never written anew, see `write_files.py`.
"""

import json
import os
import sys
import tempfile
import warnings
from pathlib import Path

if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
from golden_cases import CASES, FOLDER, fingerprint, observe
from golden_public import PAGES


def write_scores(cases):
    """One NPZ and one JSON file a case."""
    warnings.simplefilter("ignore")
    for case in cases:
        with tempfile.TemporaryDirectory() as folder:
            arrays, facts = observe(case, Path(folder))
        np.savez_compressed(FOLDER / "expected" / f"{case}.npz", **arrays)  # pyright: ignore[reportArgumentType]
        (FOLDER / "expected" / f"{case}.json").write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
    if set(cases) == set(CASES):
        (FOLDER / "expected" / "machine.json").write_text(json.dumps(fingerprint(), indent=1) + "\n")


def write_public():
    """public.txt and help.txt."""
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page())


def main(names):
    """Write what is named; without names the scores of all cases."""
    if names == ["public"]:
        write_public()
        return
    unknown = [name for name in names if name not in CASES]
    if unknown:
        raise SystemExit(f"no case {unknown[0]!r}; there are {', '.join(CASES)}, and 'public'")
    machine = FOLDER / "expected" / "machine.json"
    if names and json.loads(machine.read_text()) != fingerprint():
        raise SystemExit("this is another machine: its bits may differ; write all cases")
    write_scores(names or list(CASES))


if __name__ == "__main__":
    main(sys.argv[1:])
