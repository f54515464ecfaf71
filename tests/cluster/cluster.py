"""A standalone Spark cluster as processes on loopback: a master and two workers of one core each."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pyspark
from tests.tiny_bank import CHECKOUT, kill

SPARK_HOME = Path(pyspark.__file__).parent
SECRET = "canary-of-the-cluster-secret"  # F25 looks for it in everything that Spark writes


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(path: Path, text: str, *, process: subprocess.Popen[str], seconds: int = 120) -> None:
    """Wait until a log holds a text."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if path.exists() and text in path.read_text():
            return
        assert process.poll() is None, path.read_text()
        time.sleep(0.1)
    raise AssertionError(f"'{text}' never came: {path.read_text()}")


@dataclass
class Cluster:
    """The processes of one cluster, and the folder with their logs; use as a context manager."""

    folder: Path
    master: str = ""
    processes: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    def __enter__(self) -> Cluster:
        (self.folder / "events").mkdir(parents=True)
        try:
            self._start_all()
        except BaseException:  # also an interrupt: nothing that was started stays behind
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self.processes.values()):
            kill(process)

    def _start_all(self) -> None:
        port = free_port()
        self.master = f"spark://127.0.0.1:{port}"
        words = ["--host", "127.0.0.1", "--port", str(port), "--webui-port", str(free_port())]
        self._start("master", "org.apache.spark.deploy.master.Master", *words)
        wait_for(self.log("master"), "I have been elected leader", process=self.processes["master"])
        for number in (1, 2):
            self.start_worker(number)

    def start_worker(self, number: int, *, hiding: Path | None = None) -> None:
        """One worker of one core, ready for executors; it sees an empty folder in place of `hiding`."""
        name = f"worker-{number}"
        words = ["--host", "127.0.0.1", "--webui-port", str(free_port()), "--cores", "1", "--memory", "2g"]
        words += ["--work-dir", str(self.folder / name), self.master]
        self._start(name, "org.apache.spark.deploy.worker.Worker", *words, hiding=hiding)
        wait_for(self.log(name), "Successfully registered with master", process=self.processes[name])

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def environment(self) -> dict[str, str]:
        """What a process of this cluster finds around it."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("PORTRAIT_", "PYSPARK"))}
        spark = {
            "SPARK_HOME": str(SPARK_HOME),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_MASTER_OPTS": "-Dspark.master.rest.enabled=false",
            "SPARK_DAEMON_JAVA_OPTS": "-Dspark.authenticate=true -Dspark.network.crypto.enabled=true",
            "_SPARK_AUTH_SECRET": SECRET,
            "PYSPARK_PYTHON": sys.executable,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        return {**inherited, **spark}

    def submit(
        self, job: str, *words: str, cwd: Path, conf: dict[str, str] | None = None, **options: str | None
    ) -> subprocess.Popen[str]:
        """Start `spark-submit` of a job script, as the README does it; `zip` and `master` replace the usual ones."""
        package = options.get("zip") or str(next((CHECKOUT / "dist").glob("portrait-*.zip")))
        settings = {
            "spark.eventLog.dir": f"file://{self.folder / 'events'}",
            "spark.ui.enabled": "false",
            "spark.driver.host": "127.0.0.1",
            **(conf or {}),
        }
        command = [str(SPARK_HOME / "bin" / "spark-submit"), "--properties-file", "conf/spark/cluster.conf"]
        command += ["--master", options.get("master") or self.master, "--jars", f"{CHECKOUT}/dist/jars/*.jar"]
        command += [item for key, value in settings.items() for item in ("--conf", f"{key}={value}")]
        command += ["--py-files", package, str(next((CHECKOUT / "jobs").rglob(f"{job}.py"))), *words]
        return subprocess.Popen(
            command, cwd=cwd, env=self.environment(), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip

    def submitted(self, job: str, *words: str, cwd: Path, **options: object) -> subprocess.CompletedProcess[str]:
        """`submit`, to its end."""
        process = self.submit(job, *words, cwd=cwd, **options)  # type: ignore[arg-type]
        try:
            out, err = process.communicate(timeout=900)
        finally:
            kill(process)
        return subprocess.CompletedProcess(shlex.join(map(str, process.args)), process.returncode, out, err)

    def _start(self, name: str, main: str, *words: str, hiding: Path | None = None) -> None:
        command = [str(SPARK_HOME / "bin" / "spark-class"), main, *words]
        if hiding is not None:
            script = f"mount -t tmpfs none {shlex.quote(str(hiding))} && exec {shlex.join(command)}"
            command = ["unshare", "--mount", "sh", "-c", script]
        with self.log(name).open("w") as log:
            self.processes[name] = subprocess.Popen(
                command, cwd=self.folder, env=self.environment(), text=True,
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
