"""Records that reach a lake without files, and jobs run on it: what a test of jobs needs, and no more."""

from __future__ import annotations

import importlib.util
from datetime import datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

from portrait.lake import Lake

JOBS = Path(__file__).resolve().parents[1] / "jobs"
Delivery = dict[str, list[dict[str, Any]]]


def arrive(lake: Lake, delivery: Delivery) -> None:
    """What ingest would append for these records, by feed, one file each; columns that are not given are null."""
    for feed, records in delivery.items():
        table = f"bronze.{feed}"
        schema = lake.catalogue.table(table).struct_type
        full = [
            {**dict.fromkeys(schema.names), "_file": f"{feed}/{lake.run_number}.csv", "_line": line, **record}
            | {"_run": lake.run_number}
            for line, record in enumerate(records, 2)
        ]
        lake.append(table, lake.spark.createDataFrame(full, schema))
    lake.complete("ingest", as_of=None, inputs={}, seconds=0.0)


def book(lake: Lake, *bookings: dict[str, Any]) -> None:
    """Merge bookings into silver.transactions, without bronze: transaction_id, booked_on, signed_minor and what else.

    In a run of its own, so that several may follow each other.
    """
    contract = lake.catalogue.table("silver.transactions")
    rows = []
    for given in bookings:
        signed = given["signed_minor"]
        booking = {
            "account_id": "a", "booked_at": datetime.combine(given["booked_on"], time()), "type": "salary",
            "direction": "credit" if signed >= 0 else "debit", "amount_minor": abs(signed), "kind_code": 0,
            "amount": Decimal(abs(signed)) / 100, "signed_amount": Decimal(signed) / 100, **given,
        }  # fmt: skip
        rows.append({**dict.fromkeys(contract.column_names), **booking})
    lake.merge(contract.id, lake.spark.createDataFrame(rows, contract.struct_type))
    end_run(lake, "transactions")


def end_run(lake: Lake, job: str) -> None:
    """Record that a job succeeded; what follows is another run."""
    lake.complete(job, as_of=None, inputs={}, seconds=0.0)
    lake.resume(None)


def run_job(name: str, *arguments: str) -> None:
    """Run a script of `jobs/` with these arguments."""
    spec = importlib.util.spec_from_file_location(f"job_{name}", next(JOBS.rglob(f"{name}.py")))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.main([*arguments])
