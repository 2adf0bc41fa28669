#!/bin/sh
# Lint, types (Python and the page's scripts), tests. One thread per process: the other core runs the other half of the
# tests.
set -eu
export OMP_NUM_THREADS=1 GOMP_SPINCOUNT=0
sh scripts/browser.sh
sh scripts/postgres.sh
sh scripts/js.sh
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/pyright
.venv/bin/python -m pytest -n 2 --dist worksteal
