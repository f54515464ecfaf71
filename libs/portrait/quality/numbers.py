"""Numbers that are unknown because their type cannot hold them: counted, and no reason to refuse publication."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from portrait.contracts import Contract
from portrait.lake import Lake
from portrait.quality.results import RuleResult

FIT = "numbers.fit"
_BALANCES, _RATES, _RESULTS = "silver.balances", "silver.exchange_rates", "ops.quality_results"
_RATE = ".rate"


def number_counts(df: DataFrame, contract: Contract) -> DataFrame | None:
    """One row: of every column that may be unknown, how often it is (`unknown_0`) and how often it may be (`of_0`).

    Which columns, and where NULL says so, tells `unknownWhen` of the contract; None for a table without such columns.
    """
    conditions = _conditions(contract)
    if not conditions:
        return None
    # By number: Spark takes dots and long lists of names worse.
    counts = [F.count_if(_unknown(name, c)).alias(f"unknown_{n}") for n, (name, c) in enumerate(conditions.items())]
    counts += [F.count_if(F.expr(c)).alias(f"of_{n}") for n, c in enumerate(conditions.values())]
    return df.agg(*counts)


def number_results(df: DataFrame, contract: Contract, counts: Mapping[str, int]) -> list[RuleResult]:
    """`numbers.fit`: rows of a slice with an unknown number; and `<column>.fits` for every column that has some.

    `counts`: `rows`, and what `number_counts` found. A declared or conditional column that is NULL wherever it may be
    is of a source or model that is not there. No results for a table without columns that may be unknown.
    """
    conditions = _conditions(contract)
    if not conditions:
        return []
    found = {}
    for place, (name, condition) in enumerate(conditions.items()):
        count, applicable = counts[f"unknown_{place}"], counts[f"of_{place}"]
        absent = (name in contract.declared or condition != "true") and count == applicable
        if count and not absent:
            found[name] = count
    rows, total = 0, counts["rows"]
    if found:
        anywhere = F.lit(False)
        for name in found:
            anywhere = anywhere | F.coalesce(_unknown(name, conditions[name]), F.lit(False))
        rows = df.where(anywhere).count()
    summary = RuleResult(contract.id, FIT, "warning", rows == 0, rows, total)
    return [
        summary,
        *[RuleResult(contract.id, f"{name}.fits", "warning", False, n, total) for name, n in found.items()],
    ]


def _conditions(contract: Contract) -> dict[str, str]:
    return {column.name: column.unknown_when for column in contract.columns if column.unknown_when}


def _unknown(name: str, condition: str) -> Column:
    return F.col(name).isNull() & F.expr(condition)


def check_balances(lake: Lake) -> list[RuleResult]:
    """`numbers.fit` of silver.balances: runs of days whose closing balance is unknown."""
    if _BALANCES not in lake.catalogue.tables or not lake.has(_BALANCES):
        return []
    balances = lake.read(_BALANCES)
    row = balances.agg(F.count_if(F.col("balance").isNull()).alias("unknown"), F.count("*").alias("total")).collect()[0]
    unknown, total = int(row["unknown"]), int(row["total"])
    return [RuleResult(_BALANCES, FIT, "warning", unknown == 0, unknown, total)]


def missing_rates(
    *, currency: str, bookings: int, unknown: int, first_day: date | None, last_day: date | None
) -> RuleResult:
    """`<currency>.rate`: bookings in a currency, and those of them on whose day no rate of it was known yet."""
    days = None if first_day is None else f"no rate was known from {first_day} to {last_day}"
    return RuleResult(_RATES, f"{currency}{_RATE}", "warning", unknown == 0, unknown, bookings, days)


def unknown_numbers(lake: Lake, as_of: date) -> list[str]:
    """What the gates of a day found unknown, a sentence each: tables with numbers that do not fit, missing rates."""
    if as_of not in lake.slices(_RESULTS):
        return []
    told = (F.col("rule") == FIT) | F.col("rule").endswith(_RATE)
    found = lake.slice(_RESULTS, as_of).where(told & ~F.col("success")).orderBy("table_name", "rule").collect()
    return [
        f"{row.rule.removesuffix(_RATE)}: {row.details}, {row.unexpected_count:,} of {row.total:,} bookings"
        if row.rule.endswith(_RATE)
        else f"{row.table_name}: {row.unexpected_count:,} of {row.total:,} rows have a number that its type cannot hold"
        for row in found
    ]
