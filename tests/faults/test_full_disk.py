"""F14: the disk of the lake, or Spark's own, is full while a run works: nothing is published, and it goes on later."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.disks import enlarge, small_disk
from tests.faults.conftest import NEXT, Digests
from tests.tiny_bank import CHECKOUT, Bank

pytestmark = pytest.mark.fault


def test_f14_a_run_on_a_full_disk_publishes_nothing_and_is_finished_later(
    clean: Bank, digests: Digests, next_digests: dict[str, str], tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", size="1g") as disk:
        bank = Bank(disk / "bank")
        shutil.copytree(clean.folder, bank.folder)
        shown = bank.commits("ops.publication")
        # Space for some jobs of the run, not for all.
        used = shutil.disk_usage(disk).used
        enlarge(disk, size=f"{used // 1024 + 2048}k")
        full = bank.run(as_of=NEXT)
        assert full.returncode == 1, full.stderr
        assert "No space left on device" in full.stderr
        assert str(bank.lake) in full.stderr
        assert not any(word in full.stderr.lower() for word in ("java", "exception", "traceback"))
        assert bank.commits("ops.publication") == shown
        enlarge(disk, size="1g")
        again = bank.run(as_of=NEXT)
        assert again.returncode == 0, again.stderr
        assert len(bank.commits("ops.publication")) == len(shown) + 1
        assert digests(bank) == next_digests


SPILLING = """
import sys
from pathlib import Path
from tests.conftest import TEST_SETTINGS
from tests.disks import fill
from tests.faults.test_paused_holder import AS_OF, catalogue
from portrait.errors import PortraitError
from portrait.lake import Lake, Lease
from portrait.session import start_embedded

disk, root = Path(sys.argv[1]), Path(sys.argv[2])
spark = start_embedded(Path("conf"), overrides={**TEST_SETTINGS, "spark.local.dir": str(disk)})
with Lease(root) as lease:
    lake = Lake(spark, root, catalogue(), lease=lease)
    rows = spark.range(100_000).selectExpr(f"date '{AS_OF}' as_of", "concat(uuid(), id) as customer_id")
    lake.replace("gold.first", rows.limit(5), AS_OF)
    lake.resume(9)
    filler = fill(disk)
    try:
        lake.replace("gold.first", rows.repartition("customer_id"), AS_OF)
    except PortraitError as error:
        print(error, flush=True)
    print(lake.read("gold.first").count(), flush=True)
    filler.unlink()
    lake.replace("gold.first", rows.repartition("customer_id"), AS_OF)
    print(lake.read("gold.first").count(), flush=True)
"""


def test_f14_what_spark_keeps_on_a_full_disk_is_named(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", size="200m") as disk:
        environment = {key: value for key, value in os.environ.items() if key != "SPARK_LOCAL_DIRS"}
        done = subprocess.run(
            [sys.executable, "-c", SPILLING, str(disk), str(tmp_path / "lake")], cwd=CHECKOUT,
            env={**environment, "PYTHONPATH": str(CHECKOUT)}, text=True, capture_output=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        said = done.stdout.splitlines()
        assert said[0] == "a file or the network failed: No space left on device"
        assert f"0 MB in {disk}" in said[1]
        assert "make space" in said[2]
        assert said[3:] == ["5", "100000"]
