"""The best products that a customer may have and does not hold, each with its reason and the facts behind it."""

from __future__ import annotations

from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from portrait.capabilities.offers.affinity import affinity, popularity
from portrait.capabilities.offers.policy import RecommendationPolicy


def recommendations(
    judged: DataFrame,
    customers: DataFrame,
    products: DataFrame,
    holders: DataFrame,
    *,
    policy: RecommendationPolicy,
    as_of: date,
) -> DataFrame:
    """gold.recommendations: at most `policy.top` rows a customer, rank 1 = best; ties by product_id.

    Only pairs without a failing rule are ranked. A customer without a group is scored as if the group were like all.
    """
    overall = popularity(customers, products, holders)
    of_group = affinity(customers, overall, holders, by="group_id", name="group", smoothing=policy.smoothing)
    of_tier = affinity(customers, overall, holders, by="tier", name="tier", smoothing=policy.smoothing)
    scored = (
        judged.where(F.col("rule").isNull())
        .join(F.broadcast(overall), on="product_id", how="left")
        .join(F.broadcast(of_group), on=["group_id", "product_id"], how="left")
        .join(F.broadcast(of_tier), on=["tier", "product_id"], how="left")
        .withColumn("score", _score(policy=policy))
    )
    best_first = Window.partitionBy("customer_id").orderBy(F.col("score").desc(), F.col("product_id"))
    return (
        scored.withColumn("rank", F.row_number().over(best_first))
        .where(F.col("rank") <= policy.top)
        .select(
            F.lit(as_of).alias("as_of"),
            "customer_id",
            "rank",
            "product_id",
            "product_name",
            "product_kind",
            "score",
            _reason(policy=policy).alias("reason"),
            _facts().alias("facts"),
        )
    )


def _score(*, policy: RecommendationPolicy) -> Column:
    """0..1; TGI / (TGI + 100) is 1/2 for who is like everyone and grows with every preference."""
    weights = policy.weights
    group = F.coalesce("group_tgi", F.lit(100.0))
    tier = F.coalesce("tier_tgi", F.lit(100.0))
    return F.round(
        group / (group + 100) * weights.group
        + tier / (tier + 100) * weights.tier
        + F.col("popularity") * weights.popularity,
        6,
    )


def _reason(*, policy: RecommendationPolicy) -> Column:
    """The strongest preference in words; popularity where there is none."""
    group, tier = F.coalesce("group_tgi", F.lit(100.0)), F.coalesce("tier_tgi", F.lit(100.0))
    against = F.concat(F.lit(" hold it, against "), _percent("holder_share"), F.lit(" of all customers."))
    by_group = F.concat(_percent("group_share"), F.lit(" of the group '"), F.col("group_name"), F.lit("'"), against)
    by_tier = F.concat(_percent("tier_share"), F.lit(" of the tier "), F.col("tier"), against)
    return (
        F.when((group >= policy.like) & (group >= tier), by_group)
        .when(tier >= policy.like, by_tier)
        .when(F.col("holder_share") > 0, F.concat(_percent("holder_share"), F.lit(" of all customers hold it.")))
        .otherwise(F.lit("Nobody holds it yet, and no rule speaks against it."))
    )


def _facts() -> Column:
    """What was known and decided, as text; what is unknown is left out, what was not asked says so."""
    facts: dict[str, Column] = {
        "group_tgi": F.format_number("group_tgi", 1),
        "tier_tgi": F.format_number("tier_tgi", 1),
        "holder_share": _percent("holder_share"),
        "age": F.col("age_years").cast("string"),
        "balance": F.col("balance_last").cast("string"),
        "minimum_amount": F.col("minimum_amount").cast("string"),
        "holding_days": F.col("holding_days").cast("string"),
        "consent": F.when(F.col("consent_marketing"), F.lit("given")).otherwise(
            F.lit("not applied: the bank records no consent")
        ),
        "suitability": _suitability(),
    }
    every = F.create_map(*[part for name, value in facts.items() for part in (F.lit(name), value)])
    return F.map_filter(every, lambda _, value: value.isNotNull())


def _suitability() -> Column:
    risk, level = F.col("product_risk"), F.coalesce("risk_level", F.lit("never assessed"))
    return (
        F.when(risk.isNull(), F.lit("not needed: the product carries no investment risk"))
        .when(~F.col("bank_assesses"), F.concat(F.lit("not applied: the bank has no risk levels; product "), risk))
        .otherwise(
            F.concat(
                F.lit("customer "),
                level,
                F.coalesce(F.concat(F.lit(" on "), F.col("risk_assessed_on").cast("string")), F.lit("")),
                F.lit(", product "),
                risk,
            )
        )
    )


def _percent(share: str) -> Column:
    return F.concat(F.format_number(F.col(share) * 100, 1), F.lit(" %"))
