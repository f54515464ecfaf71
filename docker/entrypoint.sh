#!/bin/sh
# Starts what the container is told to, with the cluster's secret where Spark looks for it. The secret comes from a
# mounted file and lives in the environment of these processes only: in no setting, no command line and no image.
set -eu
file=/run/secrets/cluster_secret
if [ -s "$file" ] && [ -f "$file" ]; then
    _SPARK_AUTH_SECRET=$(cat "$file")
    export _SPARK_AUTH_SECRET
elif [ -n "${CLUSTER_SECRET_REQUIRED:-}" ]; then
    echo "error: the cluster has no secret" >&2
    echo "  where: $file, from secrets/cluster_secret of the host" >&2
    echo "  remedy: run scripts/secrets.sh, remove the containers (docker compose down), start again" >&2
    exit 2
fi
exec "$@"
