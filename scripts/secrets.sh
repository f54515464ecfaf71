#!/bin/sh
# What docker-compose.yml finds on the host: the secrets, and the folders of the bank, owned by the user of the
# containers (or the engine would make them, as root). What is there already stays as it is.
#   secrets/cluster_secret  what driver, master and workers prove to know; random
#   secrets/sql_users       who may log in to the SQL server; `portrait sql-user NAME >> secrets/sql_users` adds one
#   secrets/bi_password     the password of its first user, bi; random; no container mounts it
set -eu
cd "$(dirname "$0")/.."
# As Compose reads it: what the environment says goes before what .env says.
environment=$(export -p)
[ ! -f .env ] || . ./.env
eval "$environment"
secrets=${CLUSTER_SECRETS:-secrets} bank=${PORTRAIT_DATA:-bank}
random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }

# Containers run with the number of whoever makes the folders; root's containers still are not root.
uid=${CLUSTER_UID:-$(id -u)}
[ "$uid" != 0 ] || uid=1000
if [ "$uid" != 1000 ] && ! grep -qs '^CLUSTER_UID=' .env; then
    echo "CLUSTER_UID=$uid" >> .env
    echo "secrets: .env says that the containers run as user $uid; build the image with it: docker compose build"
fi

mkdir -p "$bank/landing" "$bank/lake/gold" "$bank/lake/ops/publication"
umask 077
mkdir -p "$secrets"
[ -s "$secrets/cluster_secret" ] || random > "$secrets/cluster_secret"
[ -s "$secrets/bi_password" ] || random > "$secrets/bi_password"
if [ ! -s "$secrets/sql_users" ]; then
    # Only the standard library: there may be no Python environment on this machine.
    PYTHONPATH=libs PYTHONDONTWRITEBYTECODE=1 python3 -c '
import runpy, sys
print(runpy.run_path("libs/portrait/serving/users.py")["user_line"]("bi", sys.stdin.read()))
' < "$secrets/bi_password" > "$secrets/sql_users"
fi
if [ "$(id -u)" = 0 ]; then
    chown "$uid" "$bank" "$bank/landing" "$bank/lake" "$bank/lake/gold" "$bank/lake/ops" "$bank/lake/ops/publication" \
        "$secrets/cluster_secret" "$secrets/sql_users"
fi
echo "secrets: $secrets/ holds the cluster's secret and the SQL server's user bi, whose password is in $secrets/bi_password"
