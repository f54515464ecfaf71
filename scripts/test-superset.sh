#!/bin/sh
# The generated bundle in a real Superset: an environment and a metadata database of its own, no service is started.
set -eu
cd "$(dirname "$0")/.."
checkout=$PWD
sh scripts/tool-environment.sh superset

SUPERSET_HOME=$(mktemp -d "${TMPDIR:-/tmp}/portrait-superset-XXXXXX")
trap 'rm -rf "$SUPERSET_HOME"' EXIT
trap 'exit 130' INT TERM
export SUPERSET_HOME
export SUPERSET_CONFIG_PATH="$SUPERSET_HOME/superset_config.py"
cat >"$SUPERSET_CONFIG_PATH" <<END
SECRET_KEY = "not a secret: this Superset lives for a minute and listens to nobody"
SQLALCHEMY_DATABASE_URI = "sqlite:///$SUPERSET_HOME/metadata.db"
END

echo "test-superset: making a fresh metadata database"
superset=.venv-superset/bin/superset
{
    $superset db upgrade &&
    $superset fab create-admin --username admin --firstname A --lastname B --email admin@example.com --password admin &&
    $superset init
} >"$SUPERSET_HOME/setup.log" 2>&1 || { tail -40 "$SUPERSET_HOME/setup.log"; exit 1; }
.venv-superset/bin/python -m pytest -c tests/tool-environment.ini --rootdir "$checkout/tests/superset" --confcutdir tests/superset \
    tests/superset/test_import.py
