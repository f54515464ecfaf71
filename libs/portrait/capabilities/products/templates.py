"""Templates as rows, one per template, with what it costs and brings by tier and by term."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from portrait.capabilities.products.policy import CARD, Template, categories_of
from portrait.capabilities.tiers.policy import TIERS
from portrait.entities.versions import as_of as versions_at
from portrait.settings import UTC
from portrait.spark.frames import frame_of

_RATE, _MONEY = "decimal(9,6)", "decimal(18,2)"
_MONTH = 30  # days of a month of the feed transfer_prices


def product_rows(spark: SparkSession, templates: Sequence[Template]) -> DataFrame:
    """One row per template, as portrait.capabilities.offers.eligibility asks about products."""
    layout = (
        "product_id string, product_name string, product_kind string, product_risk string, "
        "minimum_amount decimal(18,2), holding_days int, available_from date, available_to date, "
        "minimum_tier string, age_from int, age_to int"
    )
    rows = [
        (
            *(item.id, item.title, item.kind, item.risk_level, item.start.minimum if item.start else None),
            *(item.options[0] if item.options else None, item.on_sale_from, item.on_sale_to, item.minimum_tier),
            *(item.age_from, item.age_to),
        )
        for item in templates
    ]
    return frame_of(spark, rows, layout)


def card_holders(features: DataFrame, templates: Sequence[Template]) -> DataFrame:
    """One row per customer who holds a card and card design: customer_id, product_id. Without cards: nobody."""
    designs = [F.lit(item.id) for item in templates if item.kind == CARD]
    holds = F.col("card_count") > 0 if "card_count" in features.columns and designs else F.lit(False)
    listed = F.array(*designs) if designs else F.array().cast("array<string>")
    return features.where(holds).select("customer_id", F.explode(listed).alias("product_id"))


def template_rows(spark: SparkSession, templates: Sequence[Template]) -> DataFrame:
    """One row per template: what terms are made of. Arrays by tier begin with the best one."""
    categories = categories_of(tuple(templates))
    layout = (
        "product_id string, version string, elderly_from int, elderly_refused boolean, notice int, "
        f"margins array<{_RATE}>, margin_floor {_RATE}, least_rate {_RATE}, fees array<{_MONEY}>, "
        "benefits_by_tier array<array<string>>, benefit_titles array<array<string>>, fixed_cost array<double>, "
        "habits array<string>"
    )
    layout += "".join(f", share_{name} array<double>" for name in categories)
    ranks = range(1, len(TIERS) + 1)
    rows: list[tuple[object, ...]] = []
    for item in templates:
        by_rank = [item.benefits_at(rank) for rank in ranks]
        elderly = item.elderly_never_assessed
        rows.append(
            (
                *(item.id, item.version, elderly.from_age, elderly.rule == "refuse", item.notice_days),
                list(item.margin.values()) if item.margin else None,
                *(item.margin_floor, item.least_rate),
                list(item.yearly_fee.values()) if item.yearly_fee else None,
                [[benefit.id for benefit in found] for found in by_rank],
                [[benefit.title for benefit in found] for found in by_rank],
                [float(sum(benefit.yearly_cost for benefit in found)) for found in by_rank],
                item.habits,
                *([sum(b.share for b in found if b.category == name) for found in by_rank] for name in categories),
            )
        )
    return frame_of(spark, rows, layout)


def term_options(
    spark: SparkSession, templates: Sequence[Template], prices: DataFrame | None, *, as_of: date, zone: str = UTC
) -> DataFrame:
    """One row per template with terms: product_id, `options`, an array of structs (days, ftp, source), longest first.

    The price of a deposit is that of silver.transfer_prices in force for the kind and the longest term that is no
    longer, a month being 30 days; where there is none, that of the template. Investments have no price.
    """
    listed = [
        (item.id, item.kind, days, days // _MONTH, item.transfer_prices.get(days) if item.is_deposit else None)
        for item in templates
        for days in item.options
    ]
    terms = frame_of(spark, listed, f"product_id string, kind string, days int, months int, stated {_RATE}")
    if prices is None:
        priced = terms.withColumn("quoted", F.lit(None).cast(_RATE))
    else:
        now = versions_at(prices, as_of, zone=zone).select("kind", "term_months", "rate")
        meets = (F.col("t.kind") == F.col("p.kind")) & (F.col("p.term_months") <= F.col("t.months"))
        joined = terms.alias("t").join(F.broadcast(now.alias("p")), on=meets, how="left")
        key = [F.col(f"t.{name}").alias(name) for name in ("product_id", "days", "stated")]
        priced = joined.groupBy(*key).agg(F.max_by("p.rate", "p.term_months").alias("quoted"))
    is_quoted = F.col("quoted").isNotNull() & F.col("stated").isNotNull()
    option = F.struct(
        "days",
        F.when(is_quoted, F.col("quoted")).otherwise(F.col("stated")).cast(_RATE).alias("ftp"),
        F.when(is_quoted, "the feed transfer_prices").otherwise("the template").alias("source"),
    )
    return priced.groupBy("product_id").agg(F.sort_array(F.collect_list(option), asc=False).alias("options"))
