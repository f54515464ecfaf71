"""Who may have which product: every customer beside every product, with the first rule that speaks against it."""

from __future__ import annotations

from datetime import date
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from portrait.capabilities.offers.policy import RecommendationPolicy
from portrait.capabilities.tiers.policy import TIERS
from portrait.entities.recorded import Recorded
from portrait.entities.versions import as_of as versions_at
from portrait.features.population import OWNER
from portrait.settings import UTC

RULES = (
    "records_contradict",
    "consent_refused",
    "consent_missing",
    "not_on_sale",
    "already_held",
    "no_own_account",
    "minimum_tier",
    "age",
    "suitability",
    "assessment_expired",
    "minimum_amount",
    "holding_period",
)
"""In the order in which they are asked; conf/offers.yml says what each means."""

_FACTS = (
    "age_years",
    "risk_level",
    "risk_assessed_on",
    "consent_marketing",
    "balance_last",
    "balance_avg_90d",
    "debit_amount_90d",
)


def products_at(products: DataFrame, *, as_of: date, zone: str = UTC) -> DataFrame:
    """One row per product: the version in force at the end of `as_of`; what a customer has too is prefixed."""
    return versions_at(products, as_of, zone=zone).select(
        "product_id",
        F.col("name").alias("product_name"),
        F.col("kind").alias("product_kind"),
        F.col("risk_level").alias("product_risk"),
        "minimum_amount",
        "holding_days",
        "available_from",
        "available_to",
        "minimum_tier",
        "age_from",
        "age_to",
    )


def holders_at(holdings: DataFrame, *, as_of: date, zone: str = UTC) -> DataFrame:
    """Distinct customer_id, product_id of what is held on `as_of`; the day of closing is no longer held."""
    known = versions_at(holdings, as_of, zone=zone)
    opened = F.col("opened_on").isNull() | (F.col("opened_on") <= F.lit(as_of))
    closed = F.coalesce(F.col("closed_on") <= F.lit(as_of), F.lit(False))
    return known.where(opened & ~closed).select("customer_id", "product_id").distinct()


def customer_facts(features: DataFrame, tiers: DataFrame, groups: DataFrame, *, recorded: Recorded) -> DataFrame:
    """One row per customer of `features`: what eligibility and ranking ask about them.

    bank_assesses and bank_asks_consent say whether the bank records risk levels and consent, by conf/marketing.yml.
    """
    known = [name for name in ("relationship",) if name in features.columns]
    return (
        features.select("customer_id", *_FACTS, *known)
        .join(tiers.select("customer_id", "tier", "tier_rank"), on="customer_id", how="left")
        .join(groups.select("customer_id", "group_id", "group_name"), on="customer_id", how="left")
        .withColumn("bank_assesses", F.lit(recorded.columns.risk_level))
        .withColumn("bank_asks_consent", F.lit(recorded.columns.consent_marketing))
    )


def judged_candidates(
    customers: DataFrame,
    products: DataFrame,
    holders: DataFrame,
    *,
    policy: RecommendationPolicy,
    as_of: date,
    contradicted: bool = False,
) -> DataFrame:
    """One row per customer and product with `rule`, the first rule that fails; NULL: the product may be offered.

    `contradicted`: the data of the day are not what conf/marketing.yml says; nothing may be offered then.
    """
    held = holders.withColumn("held", F.lit(True))
    pairs = customers.join(F.broadcast(products), how="cross").join(held, on=["customer_id", "product_id"], how="left")
    owns = F.coalesce(F.col("relationship") == OWNER, F.lit(True)) if "relationship" in pairs.columns else F.lit(True)
    fails = _fails(owns, policy=policy, as_of=as_of) | {"records_contradict": F.lit(contradicted)}
    rule = reduce(
        lambda rest, name: F.when(fails[name], F.lit(name)).otherwise(rest), reversed(RULES), F.lit(None).cast("string")
    )
    return pairs.withColumn("rule", rule)


def _fails(owns: Column, *, policy: RecommendationPolicy, as_of: date) -> dict[str, Column]:
    """Rule -> condition that is TRUE when it fails; NULL counts as passed, so each says what unknown means."""
    day = F.lit(as_of)
    level = _number(F.coalesce("risk_level", F.lit(policy.unassessed_level)))
    risk = _number(F.col("product_risk"))
    outdated = F.col("risk_assessed_on") < F.add_months(day, -policy.assessment_months)
    funded = F.col("product_kind").isin(policy.funded_kinds)
    minimum = F.coalesce("minimum_amount", F.lit(0).cast("decimal(18,2)"))
    outflow = F.col("debit_amount_90d") / F.lit(3)  # unknown where it does not fit its type: then the rule fails
    left = F.col("balance_avg_90d") - minimum
    age_limited = F.col("age_from").isNotNull() | F.col("age_to").isNotNull()
    return {
        "consent_refused": ~F.col("consent_marketing"),
        "consent_missing": F.col("bank_asks_consent") & F.col("consent_marketing").isNull(),
        "not_on_sale": F.coalesce(F.col("available_from") > day, F.lit(False))
        | F.coalesce(F.col("available_to") < day, F.lit(False)),
        "already_held": F.coalesce("held", F.lit(False)),
        "no_own_account": ~owns & F.col("product_kind").isin(policy.own_account_kinds),
        "minimum_tier": F.col("minimum_tier").isNotNull()
        & (F.coalesce("tier_rank", F.lit(len(TIERS))) > _rank(F.col("minimum_tier"))),
        "age": (age_limited & F.col("age_years").isNull())
        | F.coalesce(F.col("age_years") < F.col("age_from"), F.lit(False))
        | F.coalesce(F.col("age_years") > F.col("age_to"), F.lit(False)),
        "suitability": F.col("bank_assesses") & (risk > level),
        "assessment_expired": F.col("bank_assesses") & (risk > 1) & F.coalesce(outdated, F.lit(True)),
        "minimum_amount": funded & (minimum > 0) & F.coalesce(F.col("balance_last") < minimum, F.lit(True)),
        "holding_period": funded
        & (F.col("holding_days") >= policy.liquidity.from_holding_days)
        & F.coalesce(left < outflow * F.lit(policy.liquidity.reserve_months), F.lit(True)),
    }


def _number(level: Column) -> Column:
    """The number in C1..C5 and R1..R5; NULL for NULL."""
    return F.substring(level, 2, 1).cast("int")


def _rank(tier: Column) -> Column:
    return F.array_position(F.array(*[F.lit(name) for name in TIERS]), tier)


def rejections(judged: DataFrame, *, as_of: date) -> DataFrame:
    """gold.recommendation_rejections: customers by rule and product.

    With the eligible pairs the counts add up to customers x products.
    """
    return (
        judged.where(F.col("rule").isNotNull())
        .groupBy("rule", "product_id")
        .agg(F.count(F.lit(1)).alias("customers"))
        .select(F.lit(as_of).alias("as_of"), "rule", "product_id", "customers")
    )
