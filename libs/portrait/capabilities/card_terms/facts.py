"""What is known of customers whose card is priced or reviewed; what is unknown stays NULL, and means no."""

from __future__ import annotations

from datetime import date
from functools import reduce

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from portrait.capabilities.card_terms.policy import UNSCORED, CardTermsPolicy
from portrait.entities.versions import as_of as versions_at
from portrait.settings import UTC

_MONTHS = 3.0  # of the features of 90 days
_LEFT = ("exposure", "limit_use")


def card_facts(
    features: DataFrame, scores: DataFrame | None, warnings: DataFrame | None, headroom: DataFrame | None,
    prices: DataFrame | None, *, policy: CardTermsPolicy, as_of: date, zone: str = UTC,
) -> DataFrame:  # fmt: skip
    """One row per customer of `features`: what `with_best_line` asks, card_count, card_limit, warned.

    `scores`, `warnings`: slices of gold.credit_scores and gold.customer_warnings; None: there are none. Of several
    applications the newest one with a probability counts, of several of a day the worst. income: salary and pension of
    90 days, a month; debt: instalments of running loans, NULL where one is unknown.
    """
    income = (F.coalesce("salary_amount_90d", F.lit(0)) + F.coalesce("pension_amount_90d", F.lit(0))) / F.lit(_MONTHS)
    debt = F.when(F.coalesce("loan_count", F.lit(0)) > 0, F.col("loan_instalment")).otherwise(F.lit(0))
    rows = features.select(
        *("customer_id", "card_count", "card_limit"),
        income.cast("double").alias("income"),
        debt.cast("double").alias("debt"),
        F.coalesce("merchant_amount_365d", F.lit(0)).cast("double").alias("spending"),
    )
    if scores is None:
        scored = rows.withColumns({"band": F.lit(None).cast("string"), "probability": F.lit(None).cast("double")})
    else:
        newest = Window.partitionBy("customer_id").orderBy(F.col("received_on").desc(), F.col("probability").desc())
        known = scores.where(F.col("probability").isNotNull()).select(
            *("customer_id", "received_on", "probability", F.col("grade").alias("band"))
        )
        last = known.withColumn("place", F.row_number().over(newest)).where("place = 1").drop("place", "received_on")
        scored = rows.join(last, on="customer_id", how="left")
    if warnings is None:
        told = scored.withColumn("warned", F.lit(None).cast("boolean"))
    else:
        warned = warnings.select("customer_id", F.col("early_warning").alias("warned"))
        told = scored.join(warned, on="customer_id", how="left")
    if headroom is None:
        limited = told.withColumns(
            {"headroom": F.lit(None).cast("double"), "exposure_unknown": F.lit(False)}
        )  # fmt: skip
    else:
        limited = told.join(headroom, on="customer_id", how="left")
    assumed = policy.band(UNSCORED).probability
    pd = F.greatest(F.coalesce("probability", F.lit(assumed)), F.lit(policy.least_probability))
    return limited.crossJoin(F.broadcast(_price(limited, prices, policy=policy, as_of=as_of, zone=zone))).withColumns(
        {
            "band": F.coalesce("band", F.lit(UNSCORED)),
            "pd": pd,
            # What is lent by the customer's own cards is part of the exposure: it does not stand in its own way.
            "headroom": F.col("headroom") + F.coalesce("card_limit", F.lit(0)).cast("double"),
            "exposure_unknown": F.coalesce("exposure_unknown", F.lit(False)),
        }
    )


def _price(rows: DataFrame, prices: DataFrame | None, *, policy: CardTermsPolicy, as_of: date, zone: str) -> DataFrame:
    """One row: ftp, of the feed for cards and the shortest term, else of the policy."""
    stated = F.lit(policy.cost.transfer_price)
    if prices is None:
        return rows.sparkSession.range(1).select(stated.alias("ftp"))
    now = versions_at(prices, as_of, zone=zone).where(F.col("kind") == "card")
    return now.agg(F.coalesce(F.min_by("rate", "term_months").cast("double"), stated).alias("ftp"))


def group_headroom(exposure: DataFrame, groups: DataFrame) -> DataFrame:
    """One row per customer whom a limit concerns: customer_id, headroom, exposure_unknown.

    `exposure`, `groups`: slices of gold.group_exposure and gold.relation_groups. What a customer's own limit, and those
    of the groups, leave: the smallest counts. NULL where no limit applies (the bank's capital is not configured).
    """
    own = exposure.where(F.col("kind") == "customer").select(F.col("group_id").alias("customer_id"), *_LEFT)
    members = groups.select(F.col("member_id").alias("customer_id"), "kind", "group_id")
    shared = exposure.where(F.col("kind") != "customer").join(members, on=["kind", "group_id"], how="inner")
    both = reduce(DataFrame.unionByName, [own, shared.select("customer_id", *_LEFT)])
    lent = F.col("exposure").cast("double")
    left = F.greatest(lent / F.col("limit_use") - lent, F.lit(0.0))
    return both.groupBy("customer_id").agg(
        F.min(F.when(F.col("limit_use") > 0, left)).alias("headroom"),
        F.bool_or(F.col("exposure").isNull()).alias("exposure_unknown"),
    )
