#!/bin/sh
# A container engine of its own for `make test-docker`: apart from any that runs on this machine, with its own folder,
# socket and pid file, and no network until Compose makes one. Only for root.
#   engine.sh install        Debian's packages, where a command is missing
#   engine.sh run FOLDER     runs dockerd until it is told to end, and leaves no rule, process or mount behind
#   engine.sh base FOLDER    a base image out of Debian's packages, where no registry can be reached
set -eu
export DOCKER_HOST="unix://${2:-}/docker.sock"

install() {
    missing=
    for pair in dockerd:docker.io docker:docker.io docker-compose:docker-compose debootstrap:debootstrap iptables:iptables; do
        command -v "${pair%:*}" >/dev/null 2>&1 || missing="$missing ${pair#*:}"
    done
    [ -n "$missing" ] || return 0
    echo "engine: installing$missing from the system's packages"
    apt-get update -qq || true
    # A package that starts the engine as a service would start a second one.
    DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -qq -y --no-install-recommends $missing >/dev/null
}

run() {
    folder=$1
    mkdir -p "$folder"
    iptables-save > "$folder/iptables.before"
    forwarding=$(cat /proc/sys/net/ipv4/ip_forward)
    driver=overlay2
    start() {
        dockerd --data-root "$folder/data" --exec-root "$folder/exec" --pidfile "$folder/dockerd.pid" \
            --host "$DOCKER_HOST" --bridge none --storage-driver "$driver" > "$folder/dockerd.log" 2>&1 &
        engine=$!
    }
    end() {
        trap - EXIT
        kill "$engine" 2>/dev/null || true
        wait "$engine" || true
        # A table that was not there before is not in the file, and would stay.
        iptables -P FORWARD ACCEPT
        for table in filter nat; do iptables -t $table -F && iptables -t $table -X; done
        iptables-restore < "$folder/iptables.before"
        echo "$forwarding" > /proc/sys/net/ipv4/ip_forward
    }
    trap end EXIT
    trap 'exit 0' INT TERM
    start
    sleep 2
    if ! kill -0 "$engine" 2>/dev/null; then
        # overlay2 does not work on every file system; vfs does, and takes more room.
        driver=vfs
        start
    fi
    wait "$engine"
}

base() {
    folder=$1
    docker image inspect portrait-base:bookworm >/dev/null 2>&1 && return 0
    rm -rf "$folder/base"
    debootstrap --variant=minbase --include=python3.11,python3.11-venv,python3-distutils,openjdk-17-jre-headless,ca-certificates \
        bookworm "$folder/base" > "$folder/debootstrap.log"
    tar -C "$folder/base" --exclude=./var/cache/apt --exclude=./var/lib/apt/lists -c . |
        docker import - portrait-base:bookworm > /dev/null
    rm -rf "$folder/base"
}

"$@"
