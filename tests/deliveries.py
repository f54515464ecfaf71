"""Records that reach a lake without files, and jobs run on it: what a test of jobs needs, and no more."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from portrait.lake import Lake

JOBS = Path(__file__).resolve().parents[1] / "jobs"
Delivery = dict[str, list[dict[str, Any]]]


def arrive(lake: Lake, delivery: Delivery) -> None:
    """What ingest would append for these records, by feed; columns that are not given are null."""
    for feed, records in delivery.items():
        table = f"bronze.{feed}"
        schema = lake.catalogue.table(table).struct_type
        full = [{**dict.fromkeys(schema.names), **record, "_run": lake.run_number} for record in records]
        lake.append(table, lake.spark.createDataFrame(full, schema))
    lake.complete("ingest", as_of=None, inputs={}, seconds=0.0)


def run_job(name: str, *arguments: str) -> None:
    """Run a script of `jobs/` with these arguments."""
    spec = importlib.util.spec_from_file_location(f"job_{name}", JOBS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.main([*arguments])
