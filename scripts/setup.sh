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
# Where there is no Java, the system's packages bring it while Python's are being installed.
sh scripts/java.sh early &
[ -x .venv/bin/python ] || "$python" -m venv .venv
pip() { .venv/bin/python -m pip --quiet --disable-pip-version-check "$@"; }

# uv installs in parallel, in a third of pip's time. It is told what pip is configured with (a company's mirror), and
# where it cannot serve (a proxy that only pip knows, a platform without it) pip does the same from the same lock.
of_pip() { pip config get "global.$1" 2>/dev/null || true; }
uv() {
    UV_DEFAULT_INDEX=${UV_DEFAULT_INDEX:-${PIP_INDEX_URL:-$(of_pip index-url)}}
    UV_INDEX=${UV_INDEX:-${PIP_EXTRA_INDEX_URL:-$(of_pip extra-index-url)}}
    [ -n "$UV_DEFAULT_INDEX" ] && export UV_DEFAULT_INDEX || unset UV_DEFAULT_INDEX
    [ -n "$UV_INDEX" ] && export UV_INDEX || unset UV_INDEX
    .venv/bin/uv --quiet --no-config pip install --python .venv/bin/python "$@"
}
count=$(grep -c '==' requirements.lock)
echo "setup: installing the $count locked packages into .venv"
if pip install --require-hashes -r scripts/uv.lock 2>/dev/null && uv --require-hashes -r requirements.lock; then
    uv --no-deps --no-build-isolation -e .
else
    echo "setup: uv could not install them; pip takes about two minutes"
    pip install --require-hashes -r requirements.lock
    pip install --no-deps --no-build-isolation -e .
fi
wait
