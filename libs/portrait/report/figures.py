"""The figures of the report: small aggregates of a slice and of the run, gathered in one Spark query.

Only counts, sums and averages by tier, group, label, product, rule, feed and job come to the driver; never a customer's
row, never an id of one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import reduce
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.lake import Lake, Publication, Write, publications

Row = dict[str, Any]
Build = Callable[[DataFrame], DataFrame]

MOST = 2_000
"""Rows of a kind at most, where the bank's data decides how many there are: products, rules that files broke."""
SLICES = 24
"""Slices of the history charts of labels."""


@dataclass(frozen=True)
class Figures:
    """What the report prints. A name that is not in `rows` belongs to a table that is absent."""

    lake: str
    as_of: date
    previous: date | None
    run: int
    written_at: datetime | None
    published: Publication | None
    is_published: bool
    rows: dict[str, list[Row]] = field(default_factory=dict)
    slice_rows: dict[str, int | None] = field(default_factory=dict)
    held: dict[str, date | None] = field(default_factory=dict)
    """Data products that readers do not see as they are in this slice, and of which day they see them (None: never)."""

    is_partly_published: bool = False
    """Whether readers see some data products as they are in this slice, and others not."""

    def __getitem__(self, name: str) -> list[Row]:
        """The rows of that name; none for an absent table."""
        return self.rows.get(name, [])

    def has(self, name: str) -> bool:
        """Whether the table behind the name exists, with or without rows."""
        return name in self.rows

    def total(self, name: str, column: str) -> int:
        """The sum of a column of counts."""
        return sum(int(row[column] or 0) for row in self[name])


def gather(lake: Lake, *, as_of: date, run: int | None = None) -> Figures:
    """The figures of the slice of `as_of`, as written by `run` (default: the newest run that wrote any of it)."""
    records = lake.records
    number = run if run is not None else newest_run(lake, as_of)
    served = next(iter(publications(lake)), None)
    names = [contract.id for contract in lake.catalogue.layer("gold")]
    gold = {table: records.versions[table, as_of] for table in names if (table, as_of) in records.versions}
    days = served.days_of(lake.catalogue) if served else {}
    held = {
        product: days.get(product)
        for table, version in gold.items()
        for product in [lake.catalogue.table(table).product]
        if served is None or not served.serves(table, version=version, as_of=as_of)
    }
    rows = _collect(_frames(lake, as_of, number))
    moments = [datetime.fromisoformat(row["recorded_at"]) for row in rows.get("jobs", []) if row["recorded_at"]]
    return Figures(
        lake=lake.root.name,
        as_of=as_of,
        previous=lake.previous_as_of("gold.customer_tier", as_of),
        run=number,
        written_at=max(moments, default=None),
        published=served,
        is_published=served is not None and bool(gold) and not held,
        rows=rows,
        slice_rows={table: lake.rows_written(Write(table, as_of, version)) for table, version in gold.items()},
        held=held,
        is_partly_published=bool(held) and bool({lake.catalogue.table(table).product for table in gold} - held.keys()),
    )


def newest_run(lake: Lake, as_of: date) -> int:
    """The newest run that wrote a slice of `as_of`; of the whole lake when none did."""
    runs = [run for (_, day), run in lake.records.last_write.items() if day == as_of]
    return max(runs, default=lake.records.last_run)


def _frames(lake: Lake, as_of: date, run: int) -> dict[str, DataFrame]:
    """One small frame a kind of figure, for the tables that exist."""
    sliced: dict[str, tuple[str, Build]] = {
        "tiers": ("gold.customer_tier", _by_tier),
        "outlook": ("gold.customer_tier", _outlook),
        "rfm": ("gold.customer_value", _by_segment),
        "levels": ("gold.tier_levels", _whole),
        "migration": ("gold.tier_migration", _whole),
        "worth": ("gold.tier_value", _whole),
        "groups": ("gold.group_summary", _whole),
        "profile": ("gold.group_profile", _whole),
        "grouping": ("gold.customer_group", _grouping),
        "group_tiers": ("gold.segments", _group_tiers),
        "relationships": ("gold.segments", _relationships),
        "labels": ("gold.label_statistics", _whole),
        "products": ("gold.recommendations", _products),
        "rejections": ("gold.recommendation_rejections", _whole),
        "gates": ("ops.quality_results", _gates),
        "failures": ("ops.quality_results", _failures),
        "references": ("ops.quality_results", _references),
    }
    frames = {
        name: build(lake.slice(table, as_of))
        for name, (table, build) in sliced.items()
        if table in lake.catalogue.contracts and as_of in lake.slices(table)
    }
    if "labels" in frames:
        statistics = "gold.label_statistics"
        days = [day for day in lake.slices(statistics) if day <= as_of][-SLICES:]
        frames["label_series"] = _label_series(lake.read(statistics).where(F.col("as_of").isin(days)))
    if "tiers" in frames and (previous := lake.previous_as_of("gold.customer_tier", as_of)) is not None:
        frames["tiers_before"] = _by_tier(lake.slice("gold.customer_tier", previous))
    unsliced: dict[str, tuple[str, Build]] = {
        "product_names": ("silver.products", _product_names),
        "files": ("ops.files", _files),
        "refused": ("ops.files", _refused),
        "quarantine": ("ops.quarantine", _quarantine),
        "quarantine_rows": ("ops.quarantine", _quarantine_rows),
        "jobs": ("ops.table_versions", lambda frame: _jobs(frame, run)),
        "runs": ("ops.runs", lambda frame: _runs(frame, run)),
        "reconciliation": ("ops.reconciliation", lambda frame: _reconciliation(frame, as_of)),
        "conflicts": ("ops.conflicts", _conflicts),
    }
    for name, (table, build) in unsliced.items():
        if table in lake.catalogue.contracts and lake.has(table):
            frames[name] = build(lake.read(table))
    return frames


def _collect(frames: dict[str, DataFrame]) -> dict[str, list[Row]]:
    """All frames in one query: each row travels as JSON beside the name of its frame."""
    if not frames:
        return {}
    options = {"ignoreNullFields": "false"}
    packed = [
        frame.select(F.lit(name).alias("name"), F.to_json(F.struct("*"), options).alias("row"))
        for name, frame in frames.items()
    ]
    found: dict[str, list[Row]] = {name: [] for name in frames}
    for row in reduce(DataFrame.unionByName, packed).collect():
        found[row["name"]].append(json.loads(row["row"], parse_float=Decimal))
    return found


def _customers() -> Any:
    return F.count(F.lit(1)).alias("customers")


def _by_tier(tiers: DataFrame) -> DataFrame:
    """One row a tier and reason: customers, their assets, the sum of their scores."""
    return tiers.groupBy("tier", "tier_rank", "reason_code").agg(
        _customers(), F.sum("assets").alias("assets"), F.sum("score").alias("score")
    )


def _outlook(tiers: DataFrame) -> DataFrame:
    """One row a tier and watch state: customers, and those whom the shadow policy has elsewhere (NULL: no shadow)."""
    elsewhere = F.sum((F.col("shadow_tier") != F.col("earned_tier")).cast("int")).alias("elsewhere")
    known = tiers.where(F.col("watch_state").isNotNull())  # slices of an earlier build have none
    return known.groupBy("tier", "tier_rank", "watch_state").agg(_customers(), elsewhere)


def _by_segment(value: DataFrame) -> DataFrame:
    """One row an RFM segment: customers, their assets, their mean probability of being alive."""
    known = value.where(F.col("rfm_segment").isNotNull())
    return known.groupBy("rfm_segment").agg(
        _customers(), F.sum("assets").alias("assets"), F.round(F.avg("p_alive"), 6).alias("alive")
    )


def _whole(small: DataFrame) -> DataFrame:
    """The slice of a table that is an aggregate already."""
    return small.drop("as_of")


def _label_series(statistics: DataFrame) -> DataFrame:
    """One row a label: by slice, oldest first, the shares of customers that are known and yes (NULL: no yes-or-no)."""
    told, customers = F.col("distribution"), F.col("customers")
    is_yes_or_no = F.size(F.array_except(F.map_keys(told), F.array(F.lit("true"), F.lit("false")))) == 0
    yes = F.when(is_yes_or_no & (F.size(told) > 0), F.coalesce(F.try_element_at(told, F.lit("true")), F.lit(0)))
    point = F.struct(
        "as_of",
        F.round(F.try_divide("known", customers), 4).alias("known"),
        F.round(F.try_divide(yes, customers), 4).alias("yes"),
    )
    return statistics.groupBy("label").agg(F.sort_array(F.collect_list(point)).alias("slices"))


def _grouping(members: DataFrame) -> DataFrame:
    """One row a group, and one a reason for having none: customers, how clear their group is on average."""
    return members.groupBy("group_id", "not_grouped_reason").agg(_customers(), F.avg("margin").alias("margin"))


def _group_tiers(segments: DataFrame) -> DataFrame:
    return segments.groupBy("group_id", "tier").agg(_customers(), F.sum("assets").alias("assets"))


def _relationships(segments: DataFrame) -> DataFrame:
    """One row per relationship to the bank: customers, their assets; an earlier build had owners only."""
    return segments.groupBy(F.coalesce("relationship", F.lit("owner")).alias("relationship")).agg(
        _customers(), F.sum("assets").alias("assets")
    )


def _products(recommendations: DataFrame) -> DataFrame:
    """One row a product: customers to whom it is recommended, first of all and at any rank; the average score."""
    found = recommendations.groupBy("product_id", "product_name", "product_kind").agg(
        _customers(),
        F.sum(F.when(F.col("rank") == 1, 1).otherwise(0)).alias("first"),
        F.avg("score").alias("score"),
    )
    return found.orderBy(F.col("customers").desc(), "product_id").limit(MOST)


def _product_names(products: DataFrame) -> DataFrame:
    current = products.where("is_current").select("product_id", F.col("name").alias("product_name"))
    return current.orderBy("product_id").limit(MOST)


def _newest_verdicts(files: DataFrame) -> DataFrame:
    """One row a file: a file that was judged again counts with its newest verdict."""
    facts = ("status", "reason", "rows_in", "rows_good", "rows_bad", "columns_ignored")
    verdict = F.max(F.struct("run", "seen_at", *facts)).alias("verdict")
    return files.groupBy("feed", "file", "file_hash").agg(verdict).select("feed", "file", "verdict.*")


def _files(files: DataFrame) -> DataFrame:
    """One row a feed and status of its files."""
    return (
        _newest_verdicts(files)
        .groupBy("feed", "status")
        .agg(
            F.count(F.lit(1)).alias("files"),
            F.sum("rows_in").alias("rows_in"),
            F.sum("rows_good").alias("rows_good"),
            F.sum("rows_bad").alias("rows_bad"),
            F.array_sort(F.array_distinct(F.flatten(F.collect_set("columns_ignored")))).alias("columns_ignored"),
        )
    )


def _refused(files: DataFrame) -> DataFrame:
    """The newest files that were not taken in, with the reason."""
    refused = _newest_verdicts(files).where(F.col("status").isin("quarantined", "refused"))
    return refused.orderBy(F.col("run").desc(), "feed", "file").limit(20).select("feed", "file", "status", "reason")


def _quarantine(rejected: DataFrame) -> DataFrame:
    """One row a feed and rule: rejected rows that wait. A row that breaks two rules counts under both."""
    waiting = rejected.where(F.col("status") == "open").select("feed", F.explode("reasons").alias("rule"))
    found = waiting.groupBy("feed", "rule").agg(F.count(F.lit(1)).alias("rows"))
    return found.orderBy(F.col("rows").desc(), "feed", "rule").limit(MOST)


def _quarantine_rows(rejected: DataFrame) -> DataFrame:
    """One row a feed and status: each rejected row once."""
    return rejected.groupBy("feed", "status").agg(F.count(F.lit(1)).alias("rows"))


def _gates(results: DataFrame) -> DataFrame:
    """One row a table, severity and outcome: how many rules."""
    return results.groupBy("table_name", "severity", "success").agg(F.count(F.lit(1)).alias("rules"))


def _failures(results: DataFrame) -> DataFrame:
    """The rules that do not hold, without their details."""
    failed = results.where(~F.col("success")).orderBy("severity", F.col("unexpected_count").desc()).limit(40)
    return failed.select("table_name", "rule", "severity", "unexpected_count", "total")


def _references(results: DataFrame) -> DataFrame:
    """One row per reference between feeds that was judged; its details are patterns of identifiers, never values."""
    judged = results.where(
        F.contains("rule", F.lit(".references_")) | (F.col("rule") == "transaction_id.other_account")
    )
    return judged.select("table_name", "rule", "severity", "success", "unexpected_count", "total", "details")


def _conflicts(conflicts: DataFrame) -> DataFrame:
    """One row per feed and why: records that conflict with another one of their key."""
    return conflicts.groupBy("feed", "why").agg(F.count(F.lit(1)).alias("records"))


def _reconciliation(differences: DataFrame, as_of: date) -> DataFrame:
    """One row: account-days up to `as_of` that do not close, accounts concerned, the differences added up."""
    return differences.where(F.col("day") <= F.lit(as_of)).agg(
        F.count(F.lit(1)).alias("days"),
        F.countDistinct("account_id").alias("accounts"),
        F.sum("difference").alias("difference"),
        F.sum(F.abs("difference")).alias("absolute"),
        F.max(F.abs("difference")).alias("largest"),
    )


def _jobs(versions: DataFrame, run: int) -> DataFrame:
    """One row a job of the run: seconds, tables written."""
    return (
        versions.where(F.col("run") == run)
        .groupBy("job")
        .agg(
            F.max("seconds").alias("seconds"),
            F.array_sort(F.collect_set("table_name")).alias("tables"),
            F.max("recorded_at").cast("string").alias("recorded_at"),
        )
    )


def _runs(events: DataFrame, run: int) -> DataFrame:
    recorded_at = F.col("recorded_at").cast("string").alias("recorded_at")
    return events.where(F.col("run") == run).select("as_of", "status", "facts", "seconds", recorded_at)
