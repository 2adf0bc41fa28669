"""A real PostgreSQL server for tests, with a cluster of its own in a temporary folder."""

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest


def programs():
    """The folder of PostgreSQL's programs, or None."""
    on_path = shutil.which("initdb")
    places = [Path(on_path).parent] if on_path else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "initdb").exists() and (place / "pg_ctl").exists()), None)


@contextmanager
def running():
    """Start a server that listens on a socket in its folder only; its address for SQLAlchemy."""
    found = programs()
    if found is None:
        pytest.skip("PostgreSQL is not installed and may not be: run sh scripts/postgres.sh as root")
    folder = Path(tempfile.mkdtemp(prefix="blemish-postgres-", dir="/tmp"))  # a socket's path may have 107 characters

    def call(*command):
        # PostgreSQL refuses to run as root
        prefix = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        done = subprocess.run([*prefix, *map(str, command)], capture_output=True, text=True, cwd="/", timeout=60)
        assert done.returncode == 0, f"{command}: {done.stdout} {done.stderr}"

    if os.getuid() == 0:
        shutil.chown(folder, "postgres")
    data = folder / "data"
    call(found / "initdb", "-D", data, "-A", "trust", "-U", "blemish", "--no-sync")
    options = f"-k {folder} -c listen_addresses= -c fsync=off"
    call(found / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start")
    try:
        yield f"postgresql://blemish@/postgres?host={folder}"
    finally:
        call(found / "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
        shutil.rmtree(folder)
