"""Recency, frequency, monetary and assets of a customer, and their quintile scores.

Only what the customer initiated counts: salaries, interest and fees arrive without the customer doing anything. Which
transaction types these are stands in the feature declarations; here only the compiled features are read.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from portrait.capabilities.score.policy import RFM, ScorePolicy, Segment
from portrait.features.facts import is_owner
from portrait.spark.quantiles import on_grid, quantiles

_MONEY = "decimal(18,2)"
_CUTS = [0.2, 0.4, 0.6, 0.8]


def customer_measures(features: DataFrame, kept: DataFrame, *, policy: ScorePolicy) -> DataFrame:
    """One row per customer: recency_days, frequency, monetary, deposits, investments, assets thrice, contribution.

    `kept` as `contribution.by_customer` makes it. recency_days (days, 0 = on the as_of day) is NULL when the customer
    initiated nothing within the window; frequency and monetary are then 0. deposits is the average balance of
    `assets.average`, NULL when no balance is known; investments is NULL when the bank delivers no holdings. assets is
    NULL only when both are; assets_month and assets_quarter alike, with the averages of month and quarter. Who owns no
    account has deposits of 0. relationship as in `features`; absent where an earlier build wrote them.
    What DECIMAL(18,2) cannot hold is unknown as well, NULL, and so is what it is a part of.
    """
    since = F.col("days_since_customer_txn")
    frequency = F.coalesce(F.col(f"customer_txn_count_{policy.window_days}d").cast("bigint"), F.lit(0).cast("bigint"))
    averages = {"30_days": "balance_avg_30d", "month": "deposits_month", "quarter": "deposits_quarter"}
    owns = is_owner(features.columns)
    unknown = _unknown_parts(features, kept)

    def averaged(name: str) -> Column:
        average = F.col(averages[name]).cast(_MONEY)
        return F.coalesce(average, F.when(~owns, F.lit(0).cast(_MONEY)))

    deposits = averaged(policy.assets.average)
    investments = _known_sum(*[F.col(f"{kind}_amount") for kind in policy.assets.holdings])
    lost = F.lit(False)
    for kind in policy.assets.holdings:
        lost = lost | (unknown["holdings"] & F.col(f"{kind}_amount").isNull())
    investments = F.when(~lost, investments)

    def assets(average: str) -> Column:
        return F.when(~lost & ~unknown[average], _known_sum(averaged(average), investments))

    booked = F.col(f"customer_txn_count_{policy.window_days}d").isNotNull()
    monetary = F.col(f"customer_txn_amount_{policy.window_days}d").cast(_MONEY)
    nothing = F.lit(0).cast(_MONEY)
    kept = kept.withColumn("is_kept", F.lit(True))
    return features.join(kept, on="customer_id", how="left").select(
        "customer_id",
        F.when((frequency > 0) & (since < policy.window_days), since.cast("int")).alias("recency_days"),
        frequency.alias("frequency"),
        F.when(booked, monetary).otherwise(nothing).alias("monetary"),
        deposits.alias("deposits"),
        investments.alias("investments"),
        assets(policy.assets.average).alias("assets"),
        *[assets(name).alias(f"assets_{name}") for name in ("month", "quarter")],
        F.when(F.col("is_kept"), F.col("contribution").cast(_MONEY)).otherwise(nothing).alias("contribution"),
        *[name for name in ("relationship",) if name in features.columns],
    )


def _unknown_parts(features: DataFrame, kept: DataFrame) -> dict[str, Column]:
    """Whether NULL is a number that could not be held, and not one that the bank does not deliver or nobody has."""
    columns = {*features.columns, *kept.columns}

    def told_by(condition: Column, *needed: str) -> Column:
        return F.coalesce(condition, F.lit(False)) if columns.issuperset(needed) else F.lit(False)

    return {
        # Balances are always there.
        "30_days": told_by(F.col("balance_avg_30d").isNull() & F.col("is_kept")),
        "month": told_by(F.col("deposits_month_unknown"), "deposits_month_unknown"),
        "quarter": told_by(F.col("deposits_quarter_unknown"), "deposits_quarter_unknown"),
        # Where the bank delivers holdings, everybody has a number of them.
        "holdings": told_by(F.col("holding_count").isNotNull(), "holding_count"),
    }


def _known_sum(*amounts: Column) -> Column:
    """The sum of what is known; NULL when nothing is."""
    or_zero = [F.coalesce(amount, F.lit(0)).cast(_MONEY) for amount in amounts]
    total = sum(or_zero[1:], or_zero[0]) if or_zero else F.lit(None)
    return F.when(F.coalesce(*amounts).isNotNull(), total).try_cast(_MONEY) if or_zero else total.cast(_MONEY)


def cut_columns(*, digits: int) -> list[Column]:
    """Aggregates: for each of R, F, M the array [lowest, four quintile cuts, highest] among those with a purchase."""
    shares = [0.0, *_CUTS, 1.0]
    purchased = F.col("recency_days").isNotNull()
    return [
        quantiles(F.col("recency_days"), shares, digits=digits).alias("recency_cuts"),
        quantiles(F.when(purchased, F.col("frequency")), shares, digits=digits).alias("frequency_cuts"),
        quantiles(F.when(purchased, F.col("monetary")), shares, digits=digits).alias("monetary_cuts"),
    ]


def rfm_scores(measures: DataFrame, cuts: DataFrame, *, digits: int) -> DataFrame:
    """The measures with recency_score, frequency_score, monetary_score 1..5 (5 = best).

    NULL when the customer initiated nothing within the window. Customers with the same value get the same score, so the
    fifths may differ in size. Where all customers have the same value, all get the middle score 3.
    """
    purchased = F.col("recency_days").isNotNull()
    scored = measures.join(F.broadcast(cuts), how="cross")
    return scored.select(
        *measures.columns,
        F.when(purchased, F.lit(6) - _quintile("recency_days", "recency_cuts", digits=digits)).alias("recency_score"),
        F.when(purchased, _quintile("frequency", "frequency_cuts", digits=digits)).alias("frequency_score"),
        F.when(purchased, _quintile("monetary", "monetary_cuts", digits=digits)).alias("monetary_score"),
    )


def _quintile(measure: str, cuts: str, *, digits: int) -> Column:
    """1 + the number of inner cuts below the value: a function of the value alone, so ties stay together."""
    number = on_grid(F.col(measure), digits=digits)
    inner = [(number > F.col(cuts).getItem(index)).cast("int") for index in range(1, 5)]
    score = F.lit(1) + inner[0] + inner[1] + inner[2] + inner[3]
    alike = F.col(cuts).getItem(0) == F.col(cuts).getItem(5)
    return F.when(number.isNotNull(), F.when(alike, F.lit(3)).otherwise(score))


def rfm_segment(segments: Sequence[Segment]) -> Column:
    """The first segment whose fifths fit; NULL when the customer initiated nothing within the window."""
    result = F.lit(None).cast("string")
    for segment in reversed(segments):
        fits = [F.col(f"{name}_score").between(*segment.fifths(name)) for name in RFM]
        result = F.when(fits[0] & fits[1] & fits[2], F.lit(segment.id)).otherwise(result)
    return F.when(F.col("recency_score").isNotNull(), result)
