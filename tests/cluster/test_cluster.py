"""The jobs on a real standalone cluster: the same tables as an embedded run, whatever happens to a worker."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from tests.cluster.cluster import SECRET, Cluster
from tests.cluster.conftest import words
from tests.tiny_bank import CHECKOUT, FULL, Bank, digests_of, kill

from portrait.contracts import job_graph
from portrait.run.suite import load_suite

pytestmark = pytest.mark.cluster


def said(done: subprocess.CompletedProcess[str]) -> str:
    """All that a submit printed: spark-submit hands the driver's standard error on as its own standard output."""
    return done.stdout + done.stderr


def test_the_whole_graph_as_one_application(
    spark: SparkSession, submitted: Bank, clean_digests: dict[str, str]
) -> None:
    assert digests_of(spark, submitted) == clean_digests


def test_a_job_submitted_singly_makes_the_same_slice(
    spark: SparkSession, cluster: Cluster, submitted: Bank, workplace: Path, clean_digests: dict[str, str]
) -> None:
    for job in ("customer_value", "customer_tier"):
        done = cluster.submitted(job, *words(submitted), cwd=workplace)
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("\n") <= 2, done.stderr  # quiet when all is well
    assert digests_of(spark, submitted) == clean_digests


@FULL
def test_every_job_submitted_singly(
    spark: SparkSession, cluster: Cluster, clean: Bank, workplace: Path, clean_digests: dict[str, str], tmp_path: Path
) -> None:
    bank = clean.fresh(tmp_path / "singly")
    jobs = [job.name for job in job_graph(load_suite(CHECKOUT / "conf", CHECKOUT / "schemas"))]
    for job in [*jobs, "report"]:
        started = time.monotonic()
        done = cluster.submitted(job, *words(bank), cwd=workplace)
        assert done.returncode == 0, f"{job}: {done.stderr}"
        print(f"{job}: {time.monotonic() - started:.0f} s")
    found = digests_of(spark, bank)
    for table, value in sorted(found.items()):
        print(f"{table:<32} {value} {'equal' if clean_digests.get(table) == value else 'DIFFERS'}")
    assert found == clean_digests
    assert list((bank.lake / "reports").glob("*.html"))


def test_f15_a_worker_is_killed_in_mid_stage(
    spark: SparkSession, cluster: Cluster, clean: Bank, workplace: Path, clean_digests: dict[str, str], tmp_path: Path
) -> None:
    bank = clean.fresh(tmp_path / "killed")
    process = cluster.submit("suite", *words(bank), cwd=workplace)
    try:
        features = bank.lake / "gold" / "customer_features"
        deadline = time.monotonic() + 600
        while not list(features.glob("**/*.parquet")) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        assert process.poll() is None, process.communicate()
        # Files of a stage are being written: the job that writes them is not committed yet.
        assert not (features / "_delta_log" / "00000000000000000001.json").exists()
        kill(cluster.processes["worker-2"])
        _, errors = process.communicate(timeout=900)
        assert process.returncode == 0, errors
    finally:
        kill(process)
        cluster.start_worker(2)
    assert digests_of(spark, bank) == clean_digests


def published(bank: Bank) -> bool:
    return (bank.lake / "ops" / "publication").exists()


@FULL
def test_a_master_that_is_not_there(cluster: Cluster, clean: Bank, workplace: Path, tmp_path: Path) -> None:
    bank = clean.fresh(tmp_path / "bank")
    done = cluster.submitted("suite", *words(bank), cwd=workplace, master="spark://127.0.0.1:1")
    assert done.returncode == 1
    assert "error: Spark did not start" in said(done)
    assert "remedy: check that the master runs" in said(done)
    assert not published(bank)


def test_a_package_that_is_not_there(cluster: Cluster, clean: Bank, workplace: Path, tmp_path: Path) -> None:
    bank = clean.fresh(tmp_path / "bank")
    done = cluster.submitted("suite", *words(bank), cwd=workplace, zip="dist/portrait-9.9.9.zip")
    assert done.returncode == 2, said(done)
    assert "portrait-9.9.9.zip" in said(done)
    assert "make dist" in said(done)
    assert not published(bank)


def test_another_python_on_the_workers(cluster: Cluster, clean: Bank, workplace: Path, tmp_path: Path) -> None:
    other = shutil.which("python3", path="/usr/bin:/usr/local/bin")
    if other is None or Path(other).resolve() == Path(sys.executable).resolve():
        pytest.skip("this machine has no second Python in /usr/bin")
    bank = clean.fresh(tmp_path / "bank")
    conf = {"spark.pyspark.python": other, "spark.pyspark.driver.python": sys.executable}
    done = cluster.submitted("suite", *words(bank), cwd=workplace, conf=conf)
    assert done.returncode == 1, said(done)
    assert "error: a worker" in said(done), said(done)
    assert "remedy:" in said(done)
    assert not published(bank)


@pytest.mark.skipif(os.geteuid() != 0, reason="a worker that does not see the lake needs a mount namespace: root only")
def test_a_lake_that_a_worker_does_not_see(cluster: Cluster, clean: Bank, workplace: Path, tmp_path: Path) -> None:
    bank = clean.fresh(tmp_path / "bank")
    bank.lake.mkdir()
    cluster.start_worker(3, hiding=bank.folder)
    try:
        done = cluster.submitted("suite", *words(bank), cwd=workplace)
    finally:
        kill(cluster.processes.pop("worker-3"))
    assert done.returncode == 1, said(done)
    assert "a worker does not see the lake" in said(done)
    assert str(bank.lake) in said(done)
    assert not published(bank)


def test_f25_the_secret_stands_in_no_file(cluster: Cluster, submitted: Bank) -> None:
    files = [file for file in cluster.folder.rglob("*") if file.is_file() and file.suffix != ".jar"]
    assert any("events" in str(file) for file in files)
    assert any(file.name == "stderr" for file in files)
    for file in files:
        assert SECRET.encode() not in file.read_bytes(), file
