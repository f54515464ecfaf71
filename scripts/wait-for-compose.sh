#!/bin/sh
# What `docker compose up --wait` does, for docker-compose 1.29: waits until every service is healthy, at most
# three minutes or as many seconds as the first argument says. COMPOSE and DOCKER name the commands.
set -eu
compose=${COMPOSE:-docker-compose} docker=${DOCKER:-docker}
deadline=$(($(date +%s) + ${1:-180}))
while :; do
    states=$($compose ps -q | xargs $docker inspect --format '{{.Name}} {{.State.Status}} {{.State.Health.Status}}')
    waiting=$(echo "$states" | grep -v ' running healthy$' || true)
    [ -n "$waiting" ] || exit 0
    if echo "$waiting" | grep -Eq ' exited | unhealthy$' || [ "$(date +%s)" -ge "$deadline" ]; then
        echo "error: not every service is healthy" >&2
        echo "$waiting" | sed 's/^/  where:  /' >&2
        echo "  remedy: see what it says: $compose logs" >&2
        exit 1
    fi
    sleep 1
done
