"""All gold slices of a day through their checks, and the results as a table."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime

from pyspark.sql import DataFrame

from portrait.contracts import Contract
from portrait.lake import Lake
from portrait.quality.checks import check_slice
from portrait.quality.numbers import check_balances, check_numbers
from portrait.quality.results import RuleResult
from portrait.rows import frame_of

RESULTS = "ops.quality_results"


def check_gold(lake: Lake, as_of: date) -> list[RuleResult]:
    """The results of every gold table that has a slice of `as_of`, in catalogue order; and of balances."""
    present = [contract for contract in lake.catalogue.layer("gold") if as_of in lake.slices(contract.id)]
    slices = [lake.slice(contract.id, as_of) for contract in present]
    # Two at a time: while the rules of one are judged on the driver, the rows of the other are read.
    with ThreadPoolExecutor(max_workers=2) as pool:
        results = [result for found in pool.map(_check, slices, present) for result in found]
    return results + check_balances(lake)


def _check(df: DataFrame, contract: Contract) -> list[RuleResult]:
    return [*check_slice(df, contract), *check_numbers(df, contract)]


def results_frame(lake: Lake, results: Iterable[RuleResult], *, as_of: date) -> DataFrame:
    """Results as rows of `ops.quality_results`."""
    now = datetime.now(UTC)
    rows = [
        (as_of, r.table, r.rule, r.severity, r.success, r.unexpected_count, r.total, r.details, lake.run_number, now)
        for r in results
    ]
    return frame_of(lake.spark, rows, lake.catalogue.table(RESULTS).struct_type)
