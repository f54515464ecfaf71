#!/bin/sh
# The Python side of set-up: a virtual environment with exactly what requirements.lock says, and this checkout in it.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3.11}
command -v "$python" >/dev/null 2>&1 || python=python3
if ! "$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null; then
    echo "error: Portrait needs Python 3.11 or 3.12: install it (Debian: apt-get install python3.11 python3.11-venv), or name it: make PYTHON=/path/to/python3.11 setup" >&2
    exit 1
fi
if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "setup: Python lacks its venv module; installing it from the system's packages"
        apt-get update -qq && apt-get install -qq -y python3-venv >/dev/null
    else
        echo "error: Python lacks its venv module: install it (Debian: apt-get install python3-venv)" >&2
        exit 1
    fi
fi
echo "setup: installing the locked packages into .venv"
[ -x .venv/bin/python ] || "$python" -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
