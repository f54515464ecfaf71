"""References between feeds: rows that name a record which never came (orphans), and ids that belong to others.

A contract states once per column what it refers to (`references`). Judged are the rows that came since the last day
that passed its gates; so a refused day is judged again with what came meanwhile, and a late record of the feed that is
referred to heals it. A reference to a feed that the bank does not deliver is not judged; null refers to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import reduce
from pathlib import Path

from pydantic import Field
from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from portrait.contracts import Contract
from portrait.contracts.references import Reference
from portrait.lake import Lake
from portrait.lake.gate import days_refused
from portrait.quality.results import RuleResult
from portrait.settings import Strict, load_yaml

CONFLICTS, RESULTS = "ops.conflicts", "ops.quality_results"
REUSED = "transaction_id.other_account"
_REFERENCES = ".references_"
_PATTERNS = 3


class ReferencePolicy(Strict):
    """conf/references.yml."""

    max_orphan_share: float = Field(ge=0, le=1)
    """Share of new rows of a feed that may refer to an unknown record, per reference."""
    max_reused_share: float = Field(ge=0, le=1)
    """Share of new bookings whose id may belong to another account."""


def load_reference_policy(conf: Path) -> ReferencePolicy:
    """The policy of `conf`/references.yml; ConfigurationError when it is absent or wrong."""
    return load_yaml(conf / "references.yml", ReferencePolicy)


@dataclass(frozen=True)
class _Judged:
    """A rule, the rows it is about (`value`, `rows`: how many have it, `known`), and what a broken one means."""

    table: str
    rule: str
    allowed: float
    meaning: str
    values: DataFrame | None


def check_references(lake: Lake, as_of: date, *, policy: ReferencePolicy) -> list[RuleResult]:
    """One result per reference and for reused ids, on the rows that came since the last slice before `as_of` passed.

    All of them in one query. Severity is error above the share that the policy allows, else warning.
    """
    since = _last_passed(lake, as_of)
    judged = [
        _reference(lake, contract, column.name, reference, since=since, allowed=policy.max_orphan_share)
        for contract in lake.catalogue.layer("raw")
        if lake.has(f"bronze.{contract.name}")
        for column in contract.columns
        for reference in column.references
        if lake.has(f"bronze.{reference.feed}")
    ]
    if lake.has("bronze.transactions"):
        judged.append(_reused(lake, since=since, allowed=policy.max_reused_share))
    counted = [
        item.values.select(F.lit(place).alias("place"), "value", "rows", "known")
        for place, item in enumerate(judged)
        if item.values is not None
    ]
    found = {row["place"]: row for row in _count(reduce(DataFrame.unionByName, counted))} if counted else {}
    return [_result(item, found.get(place)) for place, item in enumerate(judged)]


def orphans_of(results: list[RuleResult]) -> list[str]:
    """For people: each reference (and reuse of ids) that is broken, with numbers and patterns of identifiers."""
    return [
        f"{item.unexpected_count:,} of {item.total:,} new rows of {item.table.removeprefix('bronze.')}: {item.details}"
        for item in results
        if item.unexpected_count and (_REFERENCES in item.rule or item.rule == REUSED)
    ]


def recorded_orphans(lake: Lake, as_of: date) -> list[str]:
    """`orphans_of` the slice of ops.quality_results of a day."""
    if as_of not in lake.slices(RESULTS):
        return []
    told = lake.slice(RESULTS, as_of).where(F.contains("rule", F.lit(_REFERENCES)) | (F.col("rule") == REUSED))
    names = ("table_name", "rule", "severity", "success", "unexpected_count", "total", "details")
    rows = told.where("unexpected_count > 0").select(*names).collect()
    return sorted(orphans_of([RuleResult(*row) for row in rows]))


def _last_passed(lake: Lake, as_of: date) -> int:
    """The run in which the feeds of an earlier day passed under these rules; 0 when they never did."""
    code, refused = lake.fingerprints.get("quality", ""), days_refused(lake.reader, layer="bronze")
    passed = [
        done.run
        for job, day in lake.records.completions
        if job == "quality" and day is not None and day < as_of and day not in refused
        if (done := lake.records.completions[job, day]).fingerprint == code
    ]
    return max(passed, default=0)


def _came_since(lake: Lake, table: str, since: int) -> DataFrame | None:
    """Rows of a bronze table that arrived after a run; None where the records say that there are none."""
    written = lake.records.written(table, None)
    if written is not None and written <= since:
        return None
    return lake.read(table).where(F.col("_run") > F.lit(since))


def _reference(
    lake: Lake, contract: Contract, column: str, reference: Reference, *, since: int, allowed: float
) -> _Judged:
    meaning = f"{column} refers to no {reference.feed}.{reference.column}"
    rows = _came_since(lake, f"bronze.{contract.name}", since)
    values = None
    if rows is not None:
        rows = rows.where(F.col(column).isNotNull()).where(reference.where or "true")
        values = rows.groupBy(F.col(column).alias("value")).agg(F.count("*").alias("rows"))
        records = lake.read(f"bronze.{reference.feed}")
        if "op" in records.columns:
            records = records.where("op <> 'D'")
        keys = records.select(F.col(reference.column).alias("value")).distinct().withColumn("known", F.lit(True))
        values = values.join(keys, on="value", how="left")
    return _Judged(f"bronze.{contract.name}", f"{column}{_REFERENCES}{reference.feed}", allowed, meaning, values)


def _reused(lake: Lake, *, since: int, allowed: float) -> _Judged:
    rows = _came_since(lake, "bronze.transactions", since)
    values = None
    if rows is not None:
        values = rows.agg(
            F.lit(None).cast("string").alias("value"), F.count("*").alias("rows"), F.lit(True).alias("known")
        )
        if lake.has(CONFLICTS):
            taken = lake.read(CONFLICTS).where("feed = 'transactions' and why = 'other_account'")
            ids = F.get_json_object("key", "$.transaction_id").alias("value")
            others = taken.where(F.col("run") > F.lit(since)).groupBy(ids).agg(F.count("*").alias("rows"))
            # They are among the rows that came: counted as known there, and taken off again here.
            values = values.unionByName(
                others.select("value", (-F.col("rows")).alias("rows"), F.lit(True).alias("known"))
            )
            values = values.unionByName(others.withColumn("known", F.lit(None).cast("boolean")))
    meaning = "transaction_id belongs to another account; the booking is not admitted (ops.conflicts)"
    return _Judged("bronze.transactions", REUSED, allowed, meaning, values)


def _count(values: DataFrame) -> list[Row]:
    """One row per place: `rows`, `orphans`, and the commonest patterns of their values with their rows."""
    pattern = F.when(F.col("known").isNull(), _pattern(F.col("value")))
    by_pattern = values.groupBy("place", pattern.alias("pattern")).agg(F.sum("rows").alias("rows"))
    orphaned = F.col("pattern").isNotNull()
    told = F.array_sort(F.collect_list(F.when(orphaned, F.struct((-F.col("rows")).alias("order"), "pattern", "rows"))))
    return (
        by_pattern.groupBy("place")
        .agg(
            F.sum("rows").alias("rows"),
            F.coalesce(F.sum(F.when(orphaned, F.col("rows"))), F.lit(0)).alias("orphans"),
            F.slice(told, 1, _PATTERNS).alias("patterns"),
        )
        .collect()
    )


def _pattern(value: Column) -> Column:
    """What an identifier looks like, not which one it is: digits as 9, letters as A."""
    digits = F.regexp_replace(F.substring(value, 1, 40), r"\p{N}", "9")
    return F.regexp_replace(digits, r"\p{L}", "A")


def _result(item: _Judged, found: Row | None) -> RuleResult:
    rows, orphans = (int(found["rows"] or 0), int(found["orphans"])) if found else (0, 0)
    share = orphans / rows if rows else 0.0
    details = None
    if found and orphans:
        patterns = ", ".join(f"{one['pattern']} ({one['rows']:,} rows)" for one in found["patterns"])
        details = f"{item.meaning}: {share:.2%}, allowed are {item.allowed:.2%}; identifiers like {patterns}"
    severity = "warning" if orphans and share <= item.allowed else "error"
    return RuleResult(item.table, item.rule, severity, orphans == 0, orphans, rows, details)
