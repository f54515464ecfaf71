"""All gold slices of a day through their checks, and the results as a table."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime

from pyspark.sql import DataFrame

from portrait.contracts import Contract
from portrait.errors import PortraitError
from portrait.lake import Lake
from portrait.lake.moves import version_to_serve
from portrait.quality.checks import check_slices
from portrait.quality.numbers import check_balances
from portrait.quality.results import RuleResult
from portrait.spark.frames import frame_of

RESULTS = "ops.quality_results"


def check_gold(lake: Lake, as_of: date) -> list[RuleResult]:
    """The results of every gold table that has a slice of `as_of`, in catalogue order; and of balances.

    A table without slices is judged whole.
    Judged is the version that publication would serve, also where a commit that was not completed came after it.
    """
    gold = lake.catalogue.layer("gold")
    present = [contract for contract in gold if version_to_serve(lake, contract, as_of) is not None]
    slices = [_recorded_rows(lake, contract, as_of) for contract in present]
    results = [result for found in check_slices(list(zip(slices, present, strict=True))) for result in found]
    return results + check_balances(lake)


def _recorded_rows(lake: Lake, contract: Contract, as_of: date) -> DataFrame:
    """The slice at the version that its job recorded; raises PortraitError where that can no longer be read.

    Of a table without slices, all rows.
    """
    table, version = contract.id, version_to_serve(lake, contract, as_of)
    if not contract.sliced:
        return lake.rows(table, version=version)
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
    now, run, gold = datetime.now(UTC), lake.run_number, {item.id: item for item in lake.catalogue.layer("gold")}
    judged = [(r, version_to_serve(lake, gold[r.table], as_of) if r.table in gold else None) for r in results]
    rows = [
        (as_of, r.table, r.rule, r.severity, r.success, r.unexpected_count, r.total, r.details, run, now, version)
        for r, version in judged
    ]
    return frame_of(lake.spark, rows, lake.catalogue.table(RESULTS).struct_type)
