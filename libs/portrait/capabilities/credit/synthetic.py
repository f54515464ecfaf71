"""Applications for credit in the synthetic bank: old ones whose outcome is known, and new ones, with planted risk."""

from __future__ import annotations

from functools import reduce
from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from portrait.sources.synthetic.bank import Bank
from portrait.sources.synthetic.draws import Draws
from portrait.sources.synthetic.feed import SyntheticFeed
from portrait.sources.synthetic.records import money
from portrait.sources.synthetic.truth import Truth

OLD_SHARE: Final = 0.6  # customers with an application from one to three years before the first day
NEW_SHARE: Final = 0.5  # customers with one on some day of the bank's bookings
OLDEST, YOUNGEST, KNOWN_AFTER = 1095, 400, 365  # days before the first day; days until the outcome is known
PURPOSES: Final = {"consumption": 4, "car": 3, "home": 2, "education": 1, "refinancing": 1, "other": 1}
TERMS: Final = (12, 24, 36, 48, 60, 72)
# The planted risk, in logarithms of odds: by the instalment's share of the income, the years, the purpose.
BASE: Final = -2.6
OF_BURDEN: Final = 5.0
OF_AGE: Final = -0.03
OF_PURPOSE: Final = {"refinancing": 0.9, "education": -0.4}
OF_SILENCE: Final = 0.8  # who does not state an income


def applications(people: DataFrame, bank: Bank) -> DataFrame:
    """A change record when an application is received, another when its outcome is known (old ones only)."""
    every = drawn(people, bank)
    received = every.withColumns({"op": F.lit("I"), "on": F.col("received_on"), "told": F.lit(None).cast("string")})
    known = F.date_add("received_on", KNOWN_AFTER)
    outcome = F.when(F.col("turns_bad"), "bad").otherwise("good")
    ended = every.where(known <= F.lit(bank.last_day)).withColumns({"op": F.lit("U"), "on": known, "told": outcome})
    rows = received.unionByName(ended)
    return rows.select(
        "application_id",
        "op",
        F.to_timestamp("on").alias("changed_at"),
        "customer_id",
        "received_on",
        F.lit("consumer_loan").alias("product_id"),
        money(F.col("amount_minor")).alias("amount"),
        "months",
        "purpose",
        F.when(F.col("states_income"), money(F.col("income_minor"))).alias("declared_income"),
        "documents",
        F.col("told").alias("outcome"),
        F.when(F.col("told").isNotNull(), F.col("on")).alias("outcome_on"),
        bank.day_of("on").alias("day"),
        "k",
    )


def drawn(people: DataFrame, bank: Bank) -> DataFrame:
    """One row per application with everything that was drawn: `probability` of turning bad, `turns_bad`."""
    draws, start, last = bank.draws, F.lit(bank.start), F.lit(bank.last_day)
    early, late = F.date_sub(start, OLDEST), F.date_sub(start, YOUNGEST)
    old = (F.col("joined_on") < late) & draws.happens(OLD_SHARE, "applied", "k")
    came, stays = F.greatest(F.col("joined_on"), start), F.coalesce("left_on", last)
    new = draws.happens(NEW_SHARE, "applies", "k")
    parts = [
        people.where(old).withColumns(
            {"place": F.lit(0), "received_on": draws.day(F.greatest("joined_on", early), late, "applied_on", "k")}
        ),
        people.where(new).withColumns({"place": F.lit(1), "received_on": draws.day(came, stays, "applies_on", "k")}),
    ]
    return _terms(reduce(DataFrame.unionByName, parts), draws)


def _terms(rows: DataFrame, draws: Draws) -> DataFrame:
    key = ("k", "place")
    incomes = F.lit(5.0) * draws.lognormal(0.6, "application amount", *key)
    amount = F.greatest(F.round(F.col("income_minor") * incomes / 10_000) * 10_000, F.lit(50_000)).cast("bigint")
    months = F.element_at(F.array(*map(F.lit, TERMS)), 1 + draws.whole(len(TERMS), "application term", *key))
    named = rows.withColumns(
        {
            "application_id": F.format_string("Q%09d-%d", "k", "place"),
            "amount_minor": amount,
            "months": months,
            "purpose": draws.choice(PURPOSES, "application purpose", *key),
            "states_income": draws.happens(0.93, "states income", *key),
            "documents": F.when(draws.happens(0.9, "documents", *key), "identity|income").otherwise("identity"),
        }
    )
    weight = F.lit(0.0)
    for purpose, part in OF_PURPOSE.items():
        weight = F.when(F.col("purpose") == purpose, part).otherwise(weight)
    burden = F.col("amount_minor") * F.lit(1.1) / F.col("months") / F.col("income_minor")
    odds = (
        F.lit(BASE)
        + F.lit(OF_BURDEN) * (F.least(burden, F.lit(1.0)) - F.lit(0.15))
        + F.lit(OF_AGE) * (F.col("age") - 40)
        + weight
        + F.when(F.col("states_income"), 0.0).otherwise(OF_SILENCE)
    )
    chance: Column = F.lit(1.0) / (F.lit(1.0) + F.exp(-odds))
    return named.withColumn("probability", chance).withColumn(
        "turns_bad", draws.happens(F.col("probability"), "turns bad", *key)
    )


def planted(people: DataFrame, bank: Bank) -> Truth:
    """One row per application: the probability of turning bad, and whether it does (or would, if it were granted)."""
    rows = drawn(people, bank).select("application_id", "customer_id", "received_on", "probability", "turns_bad")
    return Truth(rows, ("application_id",))


FEEDS = (SyntheticFeed("applications", applications, truths={"applications": planted}),)
