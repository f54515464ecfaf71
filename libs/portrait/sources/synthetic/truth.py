"""The planted truth: what a model has to find out, as it was drawn. No job reads it.

It is of the whole period, whatever part of the bank is landed: what comes is what a forecast is judged by.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from portrait.sources.synthetic import plan
from portrait.sources.synthetic.bank import Bank
from portrait.sources.synthetic.campaigns import uplift

HORIZON_MONTHS: Final = 3


@dataclass(frozen=True)
class Truth:
    """A table of the truth and what its file is sorted by."""

    frame: DataFrame
    order: tuple[str, ...]


def truths(people: DataFrame, held: DataFrame, bank: Bank) -> dict[str, Truth]:
    """The tables of the truth by name; bad rows apart, which know their files."""
    return {
        "groups": Truth(groups(people), ("customer_id",)),
        "life_events": Truth(life_events(people, held, bank), ("customer_id", "kind")),
        "churn": Truth(churn(people), ("customer_id",)),
        "propensity": Truth(propensity(people, bank), ("customer_id", "as_of")),
        "uplift": Truth(uplift(people, bank), ("campaign_id", "customer_id")),
        "fraud_rings": Truth(fraud_rings(people, bank), ("ring", "seat")),
    }


def groups(people: DataFrame) -> DataFrame:
    """One row a customer: the behaviour group, and whether they have been silent since before the first day."""
    return people.select("customer_id", F.col("group_name").alias("group"), "dormant")


def life_events(people: DataFrame, held: DataFrame, bank: Bank) -> DataFrame:
    """One row an event: marriage, child, retirement, house (a mortgage is granted), and its day `happened_on`."""
    named = (("marriage", "married_on"), ("child", "child_on"), ("retirement", "retired_on"))
    events = F.array(*(F.struct(F.lit(kind).alias("kind"), F.col(on).alias("happened_on")) for kind, on in named))
    lived = people.select("customer_id", F.inline(events)).where(F.col("happened_on").isNotNull())
    bought = held.where((F.col("product_id") == "mortgage") & (F.col("opened_on") >= F.lit(bank.start)))
    houses = bought.select("customer_id", F.lit("house").alias("kind"), F.col("opened_on").alias("happened_on"))
    return lived.unionByName(houses)


def churn(people: DataFrame) -> DataFrame:
    """One row a customer who goes: kind (left: closed everything; silent; dormant: silent before the first day), day,
    and the first day of its month.
    """
    kind = F.when(F.col("left_on").isNotNull(), "left").when(F.col("dormant"), "dormant").otherwise("silent")
    went = people.withColumn("went_on", F.coalesce("left_on", "silent_from")).where(F.col("went_on").isNotNull())
    return went.select("customer_id", kind.alias("kind"), "went_on", F.trunc("went_on", "month").alias("month"))


def propensity(people: DataFrame, bank: Bank) -> DataFrame:
    """One row a customer without any card so far and month end: the probability of the first card in three months.

    `takes` says whether they do; null where the bank's bookings end before. Who is silent takes none.
    """
    ends = [bank.start + timedelta(days=bank.first_of(month) - 1) for month in range(bank.months)]
    as_of = F.explode(F.array(*map(F.lit, ends)))
    rows = people.where("cardless").select(
        *("customer_id", "joined_on", "left_on", "silent_from", "first_card_on", "card_rate"), as_of.alias("as_of")
    )
    day, first = F.col("as_of"), F.col("first_card_on")
    until = F.add_months(day, HORIZON_MONTHS)
    gone = F.least("left_on", "silent_from")  # `least` skips null
    here = (F.col("joined_on") <= day) & (first.isNull() | (first > day)) & (gone.isNull() | (gone > day))
    chance = F.lit(1.0) - F.exp(-F.col("card_rate") * F.datediff(until, day))
    takes = F.when(until <= F.lit(bank.last_day), F.coalesce(first <= until, F.lit(False)))
    return rows.where(here).select("customer_id", "as_of", chance.alias("probability"), takes.alias("takes"))


def fraud_rings(people: DataFrame, bank: Bank) -> DataFrame:
    """One row a member of a ring of five: seat 0 to 4, who gives to the next; first of the three months of the ring."""
    begins = [bank.start + timedelta(days=bank.first_of(month)) for month in range(bank.months)]
    month = bank.draws.whole(max(bank.months - 2, 1), "ring month", "ring")
    first: Column = F.element_at(F.array(*map(F.lit, begins)), month + 1)
    members = people.where(F.col("ring").isNotNull())
    seat = ((F.col("k") - 1) % plan.RING_BLOCK).cast("int")
    return members.select("ring", seat.alias("seat"), "customer_id", "account_id", first.alias("first_month"))
