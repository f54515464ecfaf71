"""F7: a run is paused, its lease expires, another takes over; when it goes on its commit is rejected."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from tests.tiny_bank import CHECKOUT, kill

from portrait.contracts import Catalogue, Column, Contract
from portrait.contracts.contract import contract_of
from portrait.contracts.document import load_document
from portrait.lake import Lake, Lease

pytestmark = [pytest.mark.fault, pytest.mark.delta]

AS_OF = date(2025, 1, 31)
SECONDS = 4
PAUSED = """
import sys
from pathlib import Path
from tests.conftest import TEST_SETTINGS
from tests.faults.test_paused_holder import AS_OF, SECONDS, catalogue, rows
from portrait.errors import LakeBusy
from portrait.lake import Lake, Lease
from portrait.spark.session import start_embedded

spark = start_embedded(Path("conf"), overrides=TEST_SETTINGS)
with Lease(Path(sys.argv[1]), seconds=SECONDS) as lease:
    lake = Lake(spark, sys.argv[1], catalogue(), lease=lease)
    lake.replace("gold.first", rows(spark, "before"), AS_OF)
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        lake.replace("gold.first", rows(spark, "paused"), AS_OF)
    except LakeBusy as error:
        print(f"{error.exit_code} {error.message}", flush=True)
"""


def catalogue() -> Catalogue:
    keys = (
        Column("as_of", "DATE", required=True, key_position=1, partition_position=1),
        Column("customer_id", "STRING", required=True, key_position=2),
    )
    ops = CHECKOUT / "schemas" / "ops"
    tables = [contract_of(load_document(ops / "table_versions.yml"))]
    tables.append(Contract("gold.first", "Test table.", "One row.", keys, (), {"job": "test"}))
    return Catalogue({table.id: table for table in tables})


def rows(spark: SparkSession, customer: str):
    return spark.sql(f"select date '{AS_OF}' as_of, '{customer}' customer_id")


def test_f7_a_paused_holder_writes_no_more(spark: SparkSession, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PAUSED, str(tmp_path)], cwd=CHECKOUT, env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline().strip() == "ready"
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(SECONDS + 1)  # its lease is over, its process is not
        with Lease(tmp_path, seconds=60) as lease:
            assert lease.token == 2
            lake = Lake(spark, tmp_path, catalogue(), lease=lease)
            lake.replace("gold.first", rows(spark, "after"), AS_OF)
            commits = sorted((tmp_path / "gold/first/_delta_log").glob("*.json"))
            os.kill(process.pid, signal.SIGCONT)
            out, errors = process.communicate("\n", timeout=300)
            assert out.startswith("5 run 1 lost its lease to run 2"), out + errors
            assert sorted((tmp_path / "gold/first/_delta_log").glob("*.json")) == commits
            assert [row.customer_id for row in lake.read("gold.first").collect()] == ["after"]
            lease.check()
        assert (tmp_path / "_lease/00000002.json").exists(), "it left the lease of the other one alone"
    finally:
        kill(process)
