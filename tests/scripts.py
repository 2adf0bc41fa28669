"""Runs scripts one after another, each in a namespace and a folder of its own, so that PyTorch is imported once.

`python tests/scripts.py a.py b.py`, called in an empty folder, prints a JSON object: path → what it printed, and the
traceback if it failed. The forests are small (see conftest.py): how well the scripts rank is not what is tested.
"""

import io
import json
import os
import runpy
import subprocess
import sys
import traceback
from contextlib import redirect_stdout
from pathlib import Path


def outcomes(paths, folder):
    """Run scripts in a fresh process, in a folder; path → (what it printed, its traceback or '')."""
    environment = {"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", "HOME": str(folder)}
    done = subprocess.run(
        [sys.executable, __file__, *map(str, paths)],
        capture_output=True, text=True, cwd=folder, timeout=600, env=environment, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return {Path(path): tuple(found) for path, found in json.loads(done.stdout.splitlines()[-1]).items()}


def main():
    from conftest import ten_trees

    home, found = Path.cwd(), {}
    for number, path in enumerate(sys.argv[1:]):
        printed, error = io.StringIO(), ""
        (home / str(number)).mkdir()
        os.chdir(home / str(number))
        try:
            with ten_trees(), redirect_stdout(printed):
                runpy.run_path(path, run_name="__main__")
        except BaseException:  # the next script is run all the same
            error = traceback.format_exc()
        found[path] = printed.getvalue(), error
    print(json.dumps(found))


if __name__ == "__main__":
    main()
