"""What loans earned within a year, and what is expected to be lost on them."""

from __future__ import annotations

from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from portrait.capabilities.contribution.policy import ContributionPolicy
from portrait.capabilities.contribution.prices import MICRO, YEAR_DAYS, ratio
from portrait.entities.money import MOST, UNKNOWN, settled
from portrait.entities.versions import as_of as versions_at
from portrait.settings import UTC
from portrait.spark.days import day_of


def loan_results(
    loans: DataFrame,
    prices: DataFrame | None,
    *,
    policy: ContributionPolicy,
    first: date,
    as_of: date,
    exact: bool = False,
    zone: str = UTC,
) -> DataFrame:
    """One row per account that loans are paid from: account_id, loan_margin, expected_loss, in minor units.

    Margin of the days from `first` to `as_of`, on the principal of the schedule; NULL where rate or price is unknown.
    The price is that of the day of granting (a fixed rate is funded once), or the first one known after it. The loss is
    that of a year ahead, on the principal at the end of `as_of`. UNKNOWN where DECIMAL(18,2) cannot hold it.
    """
    months = _months(_granted(loans, prices, as_of=as_of, zone=zone), first=first, as_of=as_of)
    owed = F.col("principal_minor").cast("decimal(19,0)") if exact else F.col("principal_minor")
    lent = months.groupBy("loan_id", "account_id", "status", "rate_micro", "price_micro").agg(
        F.sum(owed * (F.date_diff("end", "start") + 1)).alias("balance_days"),
        F.sum(F.when(F.col("end") == F.lit(as_of), owed).otherwise(0)).alias("exposure"),
        F.bool_or(F.col("principal_minor").isNull()).alias("unknown"),
    )
    spread = (F.col("rate_micro") - F.col("price_micro")).cast("decimal(10,0)")
    earned = F.col("balance_days").cast("decimal(28,0)") * spread
    unknown, wide = F.lit(UNKNOWN), "decimal(38,0)"
    margin = ratio(earned, YEAR_DAYS * MICRO)
    return (
        # A margin is NULL where rate or price is unknown: not counted; UNKNOWN where the principal is.
        lent.withColumn("margin", F.when(F.col("unknown") & margin.isNotNull(), unknown).otherwise(margin))
        .withColumn("loss", F.when(F.col("unknown"), unknown).otherwise(_loss(policy)))
        .groupBy("account_id")
        .agg(
            settled(F.sum(F.col("margin").cast(wide))).alias("loan_margin"),
            settled(F.sum(F.col("loss").cast(wide))).alias("expected_loss"),
        )
    )


def outstanding(loans: DataFrame, *, as_of: date, zone: str = UTC) -> DataFrame:
    """One row per loan that runs at the end of `as_of`: loan_id, account_id, status, principal_minor by its schedule.

    The principal is NULL where DECIMAL(18,2) cannot hold it, the status where none was known by then.
    """
    months = _months(_granted(loans, None, as_of=as_of, zone=zone), first=as_of, as_of=as_of)
    return months.select("loan_id", "account_id", "status", "principal_minor")


def _loss(policy: ContributionPolicy) -> Column:
    """Probability of default x loss given default x exposure, in minor units."""
    chances = policy.default_probability
    chance = F.lit(round(chances["unknown"] * MICRO))
    for status in ("C", "D"):
        chance = F.when(F.col("status") == status, F.lit(round(chances[status] * MICRO))).otherwise(chance)
    lost = chance.cast("decimal(8,0)") * F.lit(round(policy.loss_given_default * MICRO)).cast("decimal(8,0)")
    return ratio(F.col("exposure").cast("decimal(22,0)") * lost, MICRO * MICRO)


def _granted(loans: DataFrame, prices: DataFrame | None, *, as_of: date, zone: str) -> DataFrame:
    """Loans granted by `as_of`, what was known of their status by then, and the price of their money."""
    granted = versions_at(loans, as_of, zone=zone).where(F.col("granted_on") <= F.lit(as_of))
    status = F.when(F.col("status_on") <= F.lit(as_of), F.col("status"))
    loan_facts = granted.select(
        *("loan_id", "account_id", "granted_on", "months"),
        *[F.col(name).cast("double").alias(name) for name in ("amount", "instalment")],
        (F.col("rate") * MICRO).cast("bigint").alias("rate_micro"),
        status.alias("status"),
        F.when(status.isin("A", "B"), F.date_sub("status_on", 1)).alias("finished_on"),
    )
    if prices is None:
        return loan_facts.withColumn("price_micro", F.lit(None).cast("bigint"))
    price = F.struct(
        day_of("valid_from", zone).alias("from_day"),
        day_of("valid_to", zone).alias("until_day"),
        F.col("term_months").alias("term"),
        (F.col("rate") * MICRO).cast("bigint").alias("micro"),
    )
    listed = prices.where("kind = 'loan'").agg(F.collect_list(price).alias("prices"))
    return loan_facts.join(F.broadcast(listed), how="cross").withColumn("price_micro", _price()).drop("prices")


def _price() -> Column:
    """Of the prices in force when the loan was granted, that of the shortest term which covers it, else the longest."""
    day, months = F.col("granted_on"), F.col("months")
    earliest = F.array_min(F.transform("prices", lambda price: price["from_day"]))
    asked = F.greatest(day, earliest)
    in_force = F.filter(
        "prices",
        lambda price: (price["from_day"] <= asked) & (price["until_day"].isNull() | (price["until_day"] > asked)),
    )
    ranked = F.transform(
        in_force,
        lambda price: F.struct(
            (price["term"] < months).alias("too_short"),
            F.when(price["term"] < months, -price["term"]).otherwise(price["term"]).alias("term"),
            price["micro"].alias("micro"),
        ),
    )
    return F.array_min(ranked)["micro"]


def _months(granted: DataFrame, *, first: date, as_of: date) -> DataFrame:
    """One row per loan and month of it that touches the year: start, end (days, both included), principal_minor."""

    def passed(day: date) -> Column:
        return F.floor(F.months_between(F.lit(day), "granted_on")).cast("int")

    # One more on either side: the ends of months have no whole distance.
    least = F.greatest(passed(first) - 1, F.lit(0))
    most = F.least(passed(as_of) + 1, F.col("months") - 1)
    months = granted.where(most >= least).withColumn("paid", F.explode(F.sequence(least, most)))
    begins, ends = (F.add_months("granted_on", F.col("paid") + place) for place in (0, 1))
    return (
        months.withColumn("start", F.greatest(begins, F.lit(first)))
        .withColumn("end", F.least(F.date_sub(ends, 1), F.lit(as_of), "finished_on"))  # least() skips NULL
        .where(F.col("end") >= F.col("start"))
        .withColumn("principal_minor", _principal())
    )


def _principal() -> Column:
    """Minor units owed after `paid` instalments: of the schedule, or in a straight line where the rate is unknown.

    NULL where DECIMAL(18,2) cannot hold it, or the schedule has no end.
    """
    amount, paid, months = F.col("amount"), F.col("paid"), F.col("months")
    monthly = F.col("rate_micro") / F.lit(12.0 * MICRO)
    grown = F.pow(monthly + 1, paid)
    annuity = amount * monthly / (F.lit(1.0) - F.pow(monthly + 1, -months))
    owed = (
        F.when(monthly.isNull(), amount * (F.lit(1.0) - paid / months))
        .when(monthly == 0, amount - paid * F.coalesce("instalment", amount / months))
        .otherwise(amount * grown - F.coalesce("instalment", annuity) * (grown - 1) / monthly)
    )
    minor = F.round(F.greatest(owed, F.lit(0.0)) * 100)
    return F.when(minor < F.lit(float(MOST)), minor.cast("bigint"))  # NaN is greater than any number
