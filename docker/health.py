"""Whether a service of the cluster does its work: exit code 0 or 1, for the health checks of docker-compose.yml.

`master`: is alive. `worker NAME`: the master counts it among its own. `history`: answers. `sql`: takes connections.
"""

from __future__ import annotations

import json
import socket
import sys
from urllib.request import urlopen


def main(service: str, name: str = "") -> bool:
    """The one check of a service."""
    if service == "sql":
        with socket.create_connection(("localhost", 10000), timeout=4):
            return True
    if service == "history":
        with urlopen("http://localhost:18080/api/v1/version", timeout=4) as answer:
            return bool(answer.status == 200)
    host = "localhost" if service == "master" else "master"
    with urlopen(f"http://{host}:8080/json/", timeout=4) as answer:
        state = json.load(answer)
    if service == "master":
        return bool(state["status"] == "ALIVE")
    return any(worker["host"] == name and worker["state"] == "ALIVE" for worker in state["workers"])


if __name__ == "__main__":
    try:
        healthy = main(*sys.argv[1:])
    except OSError as error:
        print(error, file=sys.stderr)
        healthy = False
    sys.exit(0 if healthy else 1)
