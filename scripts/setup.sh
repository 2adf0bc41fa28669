#!/bin/sh
# Makes .venv from the pinned constraints, torch first; does nothing when it is up to date. Argument: the extras.
set -eu
extras=$1
python=${PYTHON:-python3}
wanted="$extras $(cat constraints.txt pyproject.toml | cksum)"
if [ "$(cat .venv/.setup 2>/dev/null)" = "$wanted" ] && [ -x .venv/bin/blemish ]; then exit 0; fi
[ -x .venv/bin/python ] || "$python" -m venv .venv
.venv/bin/python -m pip install --quiet "$(grep '^torch==' constraints.txt)"
.venv/bin/python -m pip install --quiet --constraint constraints.txt --editable ".[$extras]"
printf '%s' "$wanted" > .venv/.setup
