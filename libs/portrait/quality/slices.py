"""All gold slices of a day through their checks, and the results as a table."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime

from pyspark.sql import DataFrame

from portrait.lake import Lake
from portrait.quality.checks import check_slice
from portrait.quality.results import RuleResult

RESULTS = "ops.quality_results"


def check_gold(lake: Lake, as_of: date) -> list[RuleResult]:
    """The results of every gold table that has a slice of `as_of`, in catalogue order."""
    present = [contract for contract in lake.catalogue.layer("gold") if as_of in lake.slices(contract.id)]
    return [result for contract in present for result in check_slice(lake.slice(contract.id, as_of), contract)]


def results_frame(lake: Lake, results: Iterable[RuleResult], *, as_of: date) -> DataFrame:
    """Results as rows of `ops.quality_results`."""
    now = datetime.now(UTC)
    rows = [
        (as_of, r.table, r.rule, r.severity, r.success, r.unexpected_count, r.total, r.details, lake.run_number, now)
        for r in results
    ]
    return lake.spark.createDataFrame(rows, lake.catalogue.table(RESULTS).struct_type)
