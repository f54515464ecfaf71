"""A suite of three jobs: `two` reads what `one` writes, `three` reads nothing. A variable makes a job misbehave."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from pyspark.sql import SparkSession

from portrait.contracts import Catalogue, Column, Contract
from portrait.contracts.contract import contract_of
from portrait.contracts.document import load_document
from portrait.lake import Lake
from portrait.run.runner import RunSummary, run
from portrait.settings import Settings

CHECKOUT = Path(__file__).resolve().parents[2]
DAY = date(2025, 3, 31)
JOB = '''"""gold.{name}: one row."""

from __future__ import annotations

import os

from portrait.run.job import job_arguments, open_lake, submit


def main(argv: list[str] | None = None) -> None:
    args = job_arguments(__doc__).parse_args(argv)
    with open_lake(args) as lake:
        lake.replace("gold.{name}", lake.spark.sql(f"SELECT DATE '{{args.as_of}}' AS as_of, 1 AS n"), args.as_of)
        exec(os.environ.get("MISBEHAVIOUR_{name}", ""))


if __name__ == "__main__":
    submit(main)
'''


def _table(name: str, *reads: str) -> Contract:
    key = Column("as_of", "DATE", required=True, key_position=1, partition_position=1)
    return Contract(
        f"gold.{name}", "Test.", "One row.", (key, Column("n", "INT")), (), {"job": name, "reads": list(reads)}
    )


@dataclass
class MiniSuite:
    """The suite, its folder, and what its runs leave."""

    spark: SparkSession
    folder: Path

    @property
    def settings(self) -> Settings:
        return Settings(
            landing=self.folder / "landing", lake=self.folder / "lake", conf=CHECKOUT / "conf",
            schemas=CHECKOUT / "schemas", jobs=self.folder / "jobs", log=str(self.folder / "events.jsonl"),
            metrics=self.folder / "portrait.prom",
        )  # fmt: skip

    @property
    def catalogue(self) -> Catalogue:
        names = ("runs", "table_versions", "publication")
        ops = [contract_of(load_document(CHECKOUT / "schemas" / "ops" / f"{name}.yml")) for name in names]
        ops = [Contract(c.id, "Test.", "One row.", c.columns, (), {"job": "runner"}) for c in ops]
        gold = [_table("one"), _table("two", "gold.one"), _table("three")]
        return Catalogue({contract.id: contract for contract in (*ops, *gold)})

    def run(self) -> RunSummary:
        return run(self.spark, self.settings, catalogue=self.catalogue, as_of=DAY)

    def ran(self) -> set[str]:
        """Run, and say which jobs did."""
        return {step.job for step in self.run().steps if step.action == "run"}

    def change(self, name: str) -> None:
        script = self.folder / "jobs" / f"{name}.py"
        script.write_text(script.read_text() + "\n# another version\n")

    def records(self) -> list[tuple[int, str, str | None]]:
        """Run, status and message of every row of ops.runs, oldest first."""
        rows = Lake(self.spark, self.folder / "lake", self.catalogue).read("ops.runs").orderBy("recorded_at").collect()
        return [(row.run, row.status, row.message) for row in rows]

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "events.jsonl").read_text().splitlines()]

    def metric(self, name: str) -> float:
        families = text_string_to_metric_families((self.folder / "portrait.prom").read_text())
        return {sample.name: sample.value for family in families for sample in family.samples}[f"portrait_{name}"]


def mini_suite(spark: SparkSession, folder: Path) -> MiniSuite:
    """A new one below a folder, without a lake."""
    for name in ("landing", "jobs"):
        (folder / name).mkdir(parents=True)
    for name in ("one", "two", "three"):
        (folder / "jobs" / f"{name}.py").write_text(JOB.format(name=name))
    return MiniSuite(spark, folder)
