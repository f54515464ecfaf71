"""The image and docker-compose.yml, for real: an engine of its own, the base, the image, the cluster, and their end."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
PROJECT = "portrait-test"


def free_ports(names: list[str]) -> dict[str, str]:
    probes = [socket.socket() for _ in names]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = {name: str(probe.getsockname()[1]) for name, probe in zip(names, probes, strict=True)}
    for probe in probes:
        probe.close()
    return ports


def network_links() -> set[str]:
    return {path.name for path in Path("/sys/class/net").iterdir()}


@dataclass
class Engine:
    """A dockerd of this test: its folder, and the variables with which `docker` and Compose find it."""

    folder: Path
    environment: dict[str, str]
    compose_words: list[str]

    def run(self, *words: str, check: bool = True, seconds: int = 1200) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            words, cwd=CHECKOUT, env=self.environment, capture_output=True, text=True, timeout=seconds, check=False
        )
        assert done.returncode == 0 or not check, f"{words}\n{done.stdout}\n{done.stderr}"
        return done

    def docker(self, *words: str, check: bool = True) -> str:
        return self.run("docker", *words, check=check).stdout

    def compose(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.run(*self.compose_words, *words, check=check)


@dataclass
class Compose:
    """The cluster after `up` and the demonstration."""

    engine: Engine
    bank: Path
    secrets: Path
    ports: dict[str, str]
    seconds: dict[str, float] = field(default_factory=dict)

    def submit(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.engine.compose("run", "--rm", "-T", "submit", *words, check=False)

    def container(self, service: str) -> str:
        return self.engine.compose("ps", "-q", service).stdout.strip()

    def inspect(self) -> list[dict[str, Any]]:
        found = self.engine.compose("ps", "-q").stdout.split()
        inspected: list[dict[str, Any]] = json.loads(self.engine.docker("inspect", *found))
        return inspected


def wait_until_started(process: subprocess.Popen[str], environment: dict[str, str], log: Path) -> str | None:
    """None when the engine answers; else why it does not."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if subprocess.run(["docker", "info"], env=environment, capture_output=True, check=False).returncode == 0:
            return None
        if process.poll() is not None:
            break
        time.sleep(0.5)
    return log.read_text()[-500:] if log.exists() else "it wrote no log"


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """CLUSTER_TEST_ENGINE names a folder that keeps base and image for the next time; else all of it goes."""
    if os.geteuid() != 0:
        pytest.skip("a container engine of its own needs root")
    installed = subprocess.run(["sh", "scripts/engine.sh", "install"], cwd=CHECKOUT, capture_output=True, text=True)
    if installed.returncode != 0:
        pytest.skip(f"no container engine can be had: {installed.stderr.strip()[-300:]}")
    kept = os.environ.get("CLUSTER_TEST_ENGINE")
    # A short path: that of a socket has at most 107 characters.
    folder = Path(kept) if kept else tmp_path_factory.mktemp("engine")
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("PORTRAIT_", "COMPOSE_"))}
    environment = inherited | {
        "DOCKER_HOST": f"unix://{folder}/docker.sock",
        "DOCKER_BUILDKIT": "0",  # the builder that needs no plugin
        "COMPOSE_PROJECT_NAME": PROJECT,
        "CLUSTER_BASE": "portrait-base:bookworm",
        "CLUSTER_IMAGE": "portrait:test",
    }
    links = network_links()
    process = subprocess.Popen(["sh", "scripts/engine.sh", "run", str(folder)], cwd=CHECKOUT, text=True)
    try:
        if reason := wait_until_started(process, environment, folder / "dockerd.log"):
            pytest.skip(f"the container engine does not start here: {reason}")
        modern = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0
        yield Engine(folder, environment, ["docker", "compose"] if modern else ["docker-compose"])
    finally:
        process.terminate()
        process.wait(timeout=60)
        left = [line for line in Path("/proc/mounts").read_text().splitlines() if str(folder) in line]
        if not kept:
            shutil.rmtree(folder, ignore_errors=True)
    assert not left, left
    assert network_links() == links
    assert not (folder / "dockerd.pid").exists()


@pytest.fixture(scope="session")
def image(engine: Engine) -> str:
    engine.run("sh", "scripts/engine.sh", "base", str(engine.folder))
    started = time.monotonic()
    engine.run("sh", "scripts/image.sh")
    print(f"\nimage built in {time.monotonic() - started:.0f} s")
    return engine.environment["CLUSTER_IMAGE"]


@pytest.fixture(scope="session")
def cluster(engine: Engine, image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compose]:
    """`up`, the SQL server asked before anything is published, and the demonstration."""
    home = tmp_path_factory.mktemp("compose")
    names = ["MASTER", "WORKER_1", "WORKER_2", "HISTORY", "SQL"]
    ports = free_ports([f"CLUSTER_{name}_PORT" for name in names])
    engine.environment |= ports | {"PORTRAIT_DATA": str(home / "bank"), "CLUSTER_SECRETS": str(home / "secrets")}
    engine.run("sh", "scripts/secrets.sh")
    made = Compose(engine, home / "bank", home / "secrets", {key.split("_", 1)[1]: port for key, port in ports.items()})
    began = time.monotonic()
    try:
        if engine.compose_words == ["docker-compose"]:
            engine.compose("up", "-d", "--no-build")
            engine.run("sh", "scripts/wait-for-compose.sh")
        else:
            engine.compose("up", "-d", "--no-build", "--wait")
        made.seconds["healthy"] = time.monotonic() - began
        yield made
    finally:
        engine.compose("--profile", "submit", "down", "--volumes", "--timeout", "5", check=False)
    assert engine.docker("ps", "-aq") == ""
    assert PROJECT not in engine.docker("network", "ls")
    assert engine.docker("volume", "ls", "-q") == ""
