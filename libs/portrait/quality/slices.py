"""All gold slices of a day through their checks, and the results as a table."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime

from pyspark.sql import DataFrame

from portrait.errors import PortraitError
from portrait.lake import Lake
from portrait.quality.checks import check_slices
from portrait.quality.numbers import check_balances
from portrait.quality.results import RuleResult
from portrait.spark.frames import frame_of

RESULTS = "ops.quality_results"


def check_gold(lake: Lake, as_of: date) -> list[RuleResult]:
    """The results of every gold table that has a slice of `as_of`, in catalogue order; and of balances.

    Judged is the version that publication would serve, also where a commit that was not completed came after it.
    """
    present = [contract for contract in lake.catalogue.layer("gold") if as_of in lake.slices(contract.id)]
    slices = [_recorded_slice(lake, contract.id, as_of) for contract in present]
    results = [result for found in check_slices(list(zip(slices, present, strict=True))) for result in found]
    return results + check_balances(lake)


def _recorded_slice(lake: Lake, table: str, as_of: date) -> DataFrame:
    """The slice at the version that its job recorded; raises PortraitError where that can no longer be read."""
    version = lake.records.versions[table, as_of]
    if version == lake.version(table):
        return lake.slice(table, as_of)
    recorded = lake.completed_slice(table, as_of)
    if recorded is None:
        raise PortraitError(
            f"version {version} of {table} can no longer be read, so its slice of {as_of} cannot be judged",
            where=str(lake.path(table)),
            remedy=f"compute the slice again: `portrait run --as-of {as_of} --select {table}`",
        )
    return recorded


def results_frame(lake: Lake, results: Iterable[RuleResult], *, as_of: date) -> DataFrame:
    """Results as rows of `ops.quality_results`, each with the version of the table that was judged."""
    now, run, versions = datetime.now(UTC), lake.run_number, lake.records.versions
    judged = [(r, versions.get((r.table, as_of))) for r in results]
    rows = [
        (as_of, r.table, r.rule, r.severity, r.success, r.unexpected_count, r.total, r.details, run, now, version)
        for r, version in judged
    ]
    return frame_of(lake.spark, rows, lake.catalogue.table(RESULTS).struct_type)
