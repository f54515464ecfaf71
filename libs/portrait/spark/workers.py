"""What must be equal on the driver and on every worker of a cluster, checked before a job touches the lake.

A job that finds another Python, another package or no lake on one worker fails late, in a task, with a stack trace of
that worker. `check_workers` asks each of them first, which costs one short stage; in a local session it costs nothing.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

import pyarrow as pa
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from portrait.errors import PortraitError

# What a Python worker needs for Arrow data, and what our own functions on workers compute with.
PACKAGES = ("pyspark", "pyarrow", "pandas", "numpy", "scipy")


def use_own_python(spark: SparkSession) -> None:
    """Let Python workers of a local session run the Python of this process.

    pyspark starts whatever is called python3 on the PATH unless PYSPARK_PYTHON says otherwise, and that one may have no
    numpy. On a cluster the environment of the workers decides.
    """
    if "PYSPARK_PYTHON" in os.environ or not str(spark.conf.get("spark.master", "")).startswith("local"):
        return
    spark.sparkContext.pythonExec = sys.executable


def check_workers(spark: SparkSession, lake: Path) -> None:
    """Compare every worker with this driver; raises PortraitError for the first that differs.

    Compared are the versions of Python and of the packages that run on workers, and whether the worker sees the lake:
    the newest file of the lease, which this process has just written, must be there.
    """
    if str(spark.conf.get("spark.master", "local")).startswith("local"):
        return
    leases = sorted((lake / "_lease").glob("[0-9]*.json"))
    seen = str(leases[-1].resolve() if leases else lake.resolve())
    try:
        answers = _ask(spark, seen)
    except (PySparkException, Py4JError) as error:
        raise _failed(error) from error
    here = _versions()
    for host, versions, sees in sorted(answers):
        for name, mine in here.items():
            if versions.get(name) != mine:
                raise PortraitError(
                    f"{name} is {versions.get(name) or 'absent'} on a worker and {mine} on the driver",
                    where=f"worker {host}",
                    remedy="give driver and workers one environment: the same image, or the same requirements.lock",
                )
        if not sees:
            raise PortraitError(
                "a worker does not see the lake",
                where=f"worker {host}, {lake.resolve()}",
                remedy="mount the lake at the same path on the driver and on every worker",
            )


def _versions() -> dict[str, str]:
    found = {"Python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _ask(spark: SparkSession, path: str) -> list[tuple[str, dict[str, str], bool]]:
    packages = PACKAGES

    # A nested function travels whole to the worker, which may not have this package.
    def answer(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pathlib
        import platform
        import socket
        from importlib import metadata

        for _ in batches:
            pass
        installed = {dist.metadata["Name"].lower(): dist.version for dist in metadata.distributions()}
        names = ["Python", *(name for name in packages if name in installed)]
        versions = [platform.python_version(), *(installed[name] for name in packages if name in installed)]
        yield pa.RecordBatch.from_pydict(
            {
                "host": [socket.gethostname()],
                "names": [names],
                "versions": [versions],
                "sees": [pathlib.Path(path).exists()],
            }
        )

    # As many partitions as the cluster has slots, all of them started at once: so no worker is left out.
    asked = spark.range(1_000_000).mapInArrow(
        answer, "host string, names array<string>, versions array<string>, sees boolean", barrier=True
    )
    return [(row.host, dict(zip(row.names, row.versions, strict=True)), row.sees) for row in asked.collect()]


def _failed(error: Exception) -> PortraitError:
    text = str(error)
    if "PYTHON_VERSION_MISMATCH" in text or "different minor version" in text:
        line = next((part for part in text.splitlines() if "PYTHON_VERSION_MISMATCH" in part), "")
        return PortraitError(
            "a worker runs another Python than the driver" + (f": {line.split('] ')[-1].strip()}" if line else ""),
            where="workers",
            remedy="set spark.pyspark.python to the same Python 3.11 on driver and workers",
        )
    missing = next((part.strip() for part in text.splitlines() if "ModuleNotFoundError" in part), None)
    return PortraitError(
        "a worker could not answer" + (f": {missing}" if missing else ""),
        where="workers",
        remedy="install requirements.lock for the Python of spark.pyspark.python on every worker; its log says more",
    )
