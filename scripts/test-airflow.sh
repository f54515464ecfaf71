#!/bin/sh
# The generated DAG in a real Airflow: an environment of its own, a home in a temporary folder, no service is started.
set -eu
cd "$(dirname "$0")/.."
checkout=$PWD
sh scripts/tool-environment.sh airflow

AIRFLOW_HOME=$(mktemp -d "${TMPDIR:-/tmp}/portrait-airflow-XXXXXX")
trap 'rm -rf "$AIRFLOW_HOME"' EXIT
trap 'exit 130' INT TERM
export AIRFLOW_HOME
export AIRFLOW__CORE__LOAD_EXAMPLES=False AIRFLOW__USAGE_DATA_COLLECTION__ENABLED=False

# A lake whose name needs quoting, that is not there: the plan of a scheduler does not depend on it.
lake="$AIRFLOW_HOME/the bank's \$lake"
mkdir "$AIRFLOW_HOME/dags"
for format in airflow submit json; do
    .venv/bin/portrait plan --as-of 2025-03-31 --landing landing --lake "$lake" --format "$format" \
        >"$AIRFLOW_HOME/plan.$format"
done
mv "$AIRFLOW_HOME/plan.airflow" "$AIRFLOW_HOME/dags/portrait.py"

echo "test-airflow: $(.venv-airflow/bin/airflow version 2>/dev/null | tail -1)"
.venv-airflow/bin/airflow db migrate >"$AIRFLOW_HOME/migrate.log" 2>&1 || { cat "$AIRFLOW_HOME/migrate.log"; exit 1; }
.venv-airflow/bin/python -m pytest -c tests/tool-environment.ini --rootdir "$checkout/tests/airflow" --confcutdir tests/airflow \
    tests/airflow/test_dag.py
