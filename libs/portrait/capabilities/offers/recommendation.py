"""The best products that a customer may have and does not hold, each with its reason and the facts behind it."""

from __future__ import annotations

from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from portrait.capabilities.offers.affinity import affinity, popularity
from portrait.capabilities.offers.policy import RecommendationPolicy

_DIGITS = 6


def recommendations(
    judged: DataFrame,
    customers: DataFrame,
    products: DataFrame,
    holders: DataFrame,
    *,
    policy: RecommendationPolicy,
    as_of: date,
    shopping: DataFrame | None = None,
    not_used: str | None = None,
) -> DataFrame:
    """gold.recommendations: at most `policy.top` rows a customer, rank 1 = best; ties by product_id.

    Only pairs without a failing rule are ranked. A customer without a group is scored as if the group were like all.
    `shopping`: rows of gold.shopping_recommendations about products; None where no model is used, and `not_used` says
    why. Without a part the weights of the others are divided by their sum.
    """
    without = "nothing that the model knows was bought or is held" if shopping is not None else not_used or "no model"
    overall = popularity(customers, products, holders)
    of_group = affinity(customers, overall, holders, by="group_id", name="group", smoothing=policy.smoothing)
    of_tier = affinity(customers, overall, holders, by="tier", name="tier", smoothing=policy.smoothing)
    scored = (
        judged.where(F.col("rule").isNull())
        .join(F.broadcast(overall), on="product_id", how="left")
        .join(F.broadcast(of_group), on=["group_id", "product_id"], how="left")
        .join(F.broadcast(of_tier), on=["tier", "product_id"], how="left")
    )
    scored = _with_shopping(scored, shopping, smoothing=policy.shopping.smoothing)
    scored = scored.withColumn("parts", _parts(policy=policy)).withColumn("score", _score())
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
            F.transform_values("parts", lambda _, value: F.round(value, _DIGITS)).alias("parts"),
            "because",
            _reason(policy=policy).alias("reason"),
            _facts(without=without).alias("facts"),
        )
    )


def _with_shopping(scored: DataFrame, shopping: DataFrame | None, *, smoothing: float) -> DataFrame:
    """Adds is_warm (what the customer buys is known to the model in use), shopping_tgi and because.

    The index compares the affinity with that of the average customer who does not hold the product, both smoothed; NULL
    for a product that the model does not know, which counts as 100.
    """
    if shopping is None:
        unknown = {"is_warm": F.lit(False), "shopping_tgi": F.lit(None).cast("double"), "because": _nothing()}
        return scored.withColumns(unknown)
    # Decimals: a mean that does not depend on the order of rows.
    liking = F.greatest(F.col("affinity"), F.lit(0.0)).cast("decimal(12,6)")
    known = shopping.select("customer_id", F.col("item").alias("product_id"), liking.alias("liking"), "because")
    average = known.groupBy("product_id").agg(F.avg("liking").cast("double").alias("average"))
    liked = F.map_from_entries(F.collect_list(F.struct("product_id", F.struct("liking", "because")))).alias("liked")
    of_customer = known.groupBy("customer_id").agg(liked)
    one = F.element_at("liked", F.col("product_id"))
    tgi = (one["liking"].cast("double") + smoothing) / (F.col("average") + smoothing) * 100
    return (
        scored.join(of_customer, on="customer_id", how="left")
        .join(F.broadcast(average), on="product_id", how="left")
        .withColumns(
            {
                "is_warm": F.col("liked").isNotNull(),
                "shopping_tgi": F.round(tgi, _DIGITS),
                "because": F.coalesce(one["because"], _nothing()),
            }
        )
    )


def _nothing() -> Column:
    return F.array().cast("array<string>")


def _parts(*, policy: RecommendationPolicy) -> Column:
    """What each part adds to the score; TGI / (TGI + 100) is 1/2 for who is like everyone and grows with preference."""
    weights = policy.weights
    others = weights.group + weights.tier + weights.popularity

    def parts(whole: float) -> list[Column]:
        return [
            F.lit("group"),
            _index("group_tgi") * (weights.group / whole),
            F.lit("tier"),
            _index("tier_tgi") * (weights.tier / whole),
            F.lit("popularity"),
            F.col("popularity") * (weights.popularity / whole),
        ]

    with_shopping = [*parts(1.0), F.lit("shopping"), _index("shopping_tgi") * weights.shopping]
    return F.when(F.col("is_warm"), F.create_map(*with_shopping)).otherwise(F.create_map(*parts(others)))


def _index(tgi: str) -> Column:
    known = F.coalesce(tgi, F.lit(100.0))
    return known / (known + 100)


def _score() -> Column:
    """0..1: the sum of the parts."""
    return F.round(F.aggregate(F.map_values("parts"), F.lit(0.0), lambda total, part: total + part), _DIGITS)


def _reason(*, policy: RecommendationPolicy) -> Column:
    """The strongest preference in words; popularity where there is none."""
    group, tier = F.coalesce("group_tgi", F.lit(100.0)), F.coalesce("tier_tgi", F.lit(100.0))
    against = F.concat(F.lit(" hold it, against "), _percent("holder_share"), F.lit(" of all customers."))
    by_group = F.concat(_percent("group_share"), F.lit(" of the group '"), F.col("group_name"), F.lit("'"), against)
    by_tier = F.concat(_percent("tier_share"), F.lit(" of the tier "), F.col("tier"), against)
    shopping = F.coalesce("shopping_tgi", F.lit(100.0))
    because = F.concat(F.lit("What the customer buys and holds speaks for it: "), _because(), F.lit("."))
    bought = F.when(F.size("because") > 0, because).otherwise("Customers who buy alike hold it.")
    return (
        F.when(F.col("is_warm") & (shopping >= policy.like) & (shopping > F.greatest(group, tier)), bought)
        .when((group >= policy.like) & (group >= tier), by_group)
        .when(tier >= policy.like, by_tier)
        .when(F.col("holder_share") > 0, F.concat(_percent("holder_share"), F.lit(" of all customers hold it.")))
        .otherwise(F.lit("Nobody holds it yet, and no rule speaks against it."))
    )


def _because() -> Column:
    return F.array_join("because", ", ")


def _facts(*, without: str) -> Column:
    """What was known and decided, as text; what is unknown is left out, what was not asked says so."""
    facts: dict[str, Column] = {
        "group_tgi": F.format_number("group_tgi", 1),
        "tier_tgi": F.format_number("tier_tgi", 1),
        "holder_share": _percent("holder_share"),
        "shopping_tgi": F.when(F.col("is_warm"), F.format_number("shopping_tgi", 1)),
        "shopping": F.when(~F.col("is_warm"), F.lit(f"not used: {without}")).when(F.size("because") > 0, _because()),
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
