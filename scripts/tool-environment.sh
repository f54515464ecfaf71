#!/bin/sh
# tool-environment.sh TOOL: .venv-TOOL with exactly what tests/TOOL/requirements.txt says; quick when nothing changed.
set -eu
cd "$(dirname "$0")/.."
tool=$1
wanted=tests/$tool/requirements.txt
ready=.venv-$tool/.ready
if ! cmp -s "$wanted" "$ready"; then
    echo "test-$tool: installing the pinned packages into .venv-$tool"
    rm -rf ".venv-$tool"
    "${PYTHON:-python3.11}" -m venv ".venv-$tool"
    ".venv-$tool/bin/python" -m pip install --quiet --disable-pip-version-check -r "$wanted"
    cp "$wanted" "$ready"
fi
