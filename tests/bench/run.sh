#!/usr/bin/env bash
# Sets up the peer's environment and runs the benchmarks; arguments go to bench.py, or the script that $BENCH names.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
venv=$root/build/venv-bench
if [ ! -f "$venv/.ready" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install -q --disable-pip-version-check -r "$root/tests/bench/requirements.txt"
    touch "$venv/.ready"
fi
GANTRY_BUILD_DIR=$root/build/release exec "$venv/bin/python" "$root/tests/bench/${BENCH:-bench.py}" "$@"
