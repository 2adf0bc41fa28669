#!/bin/sh
# Whole processes, then single readers in one process, guided by coverage. Arguments: inputs of each target, seed.
set -eu
export OMP_NUM_THREADS=1
n=${1:-1000} seed=${2:-0}
sh scripts/setup.sh report,video,app,postgres,test
python=.venv/bin/python found=0
$python -W ignore tests/fuzz/fuzz.py -n "$n" --seed "$seed" || found=1
# atheris has ready-made packages for Linux only, and building it takes Clang's libFuzzer
if $python -c "import atheris" 2>/dev/null || $python -m pip install --quiet --only-binary :all: atheris==3.0.0; then
  $python -W ignore tests/fuzz/guided.py -n $((10 * n)) --seed "$seed" || found=1
else
  echo "guided.py was left out: there is no package of atheris for this Python and system"
fi
exit $found
