#!/bin/sh
# The image of docker-compose.yml out of what the set-up of this checkout has: the wheels of requirements-runtime.lock,
# brought into build/wheels, and the jars in .jars. With a base that has Python and Java nothing is fetched while it is
# built. CLUSTER_BASE, CLUSTER_UID, CLUSTER_IMAGE are those of docker-compose.yml; DOCKER names the command.
set -eu
cd "$(dirname "$0")/.."
# As Compose reads it: what the environment says goes before what .env says.
environment=$(export -p)
[ ! -f .env ] || . ./.env
eval "$environment"
mkdir -p build/wheels
.venv/bin/python -m pip download --quiet --disable-pip-version-check --require-hashes --no-deps --no-build-isolation \
    -r requirements-runtime.lock -d build/wheels
${DOCKER:-docker} build --tag "${CLUSTER_IMAGE:-portrait:0.1.0}" ${CLUSTER_BASE:+--build-arg "BASE=$CLUSTER_BASE"} \
    ${CLUSTER_UID:+--build-arg "UID=$CLUSTER_UID"} .
