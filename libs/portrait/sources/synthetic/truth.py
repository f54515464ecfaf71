"""The planted truth: what a model has to find out, as it was drawn. No job reads it.

It is of the whole period, whatever part of the bank is landed: what comes is what a forecast is judged by.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Final

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from portrait.sources.synthetic import patterns, plan
from portrait.sources.synthetic.bank import Bank
from portrait.sources.synthetic.campaigns import uplift
from portrait.sources.synthetic.lending import bad_loans
from portrait.sources.synthetic.records import money
from portrait.sources.synthetic.relations import belonging
from portrait.sources.synthetic.texts import looked_up

HORIZON_MONTHS: Final = 3
FIRST_PATTERN: Final = 1_000_000_000  # rings of five are numbered by their block, below it


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
        "bad_loans": Truth(bad_loans(held), ("loan_id",)),
        "belonging": Truth(belonging(people, bank), ("one_id", "other_id", "kind")),
    }


def groups(people: DataFrame) -> DataFrame:
    """One row per customer: the behaviour group, and whether they have been silent since before the first day."""
    return people.select("customer_id", F.col("group_name").alias("group"), "dormant")


def life_events(people: DataFrame, held: DataFrame, bank: Bank) -> DataFrame:
    """One row per event: marriage, child, retirement, house (a mortgage is granted), and its day `happened_on`."""
    named = (("marriage", "married_on"), ("child", "child_on"), ("retirement", "retired_on"))
    events = F.array(*(F.struct(F.lit(kind).alias("kind"), F.col(on).alias("happened_on")) for kind, on in named))
    lived = people.select("customer_id", F.inline(events)).where(F.col("happened_on").isNotNull())
    bought = held.where((F.col("product_id") == "mortgage") & (F.col("opened_on") >= F.lit(bank.start)))
    houses = bought.select("customer_id", F.lit("house").alias("kind"), F.col("opened_on").alias("happened_on"))
    return lived.unionByName(houses)


def churn(people: DataFrame) -> DataFrame:
    """One row per customer who goes: kind (left: closed everything; silent; dormant: silent before the first day), day,
    and the first day of its month.
    """
    kind = F.when(F.col("left_on").isNotNull(), "left").when(F.col("dormant"), "dormant").otherwise("silent")
    went = people.withColumn("went_on", F.coalesce("left_on", "silent_from")).where(F.col("went_on").isNotNull())
    return went.select("customer_id", kind.alias("kind"), "went_on", F.trunc("went_on", "month").alias("month"))


def propensity(people: DataFrame, bank: Bank) -> DataFrame:
    """One row per customer without any card so far and month end: the probability of the first card in three months.

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
    """One row per member of a ring: its typology, seat, and the first of the ring's three months.

    Of a `cycle` seats 0 to 4, who pays the next; of the other typologies 0 to 6, who pay by `patterns.TYPOLOGIES`.
    """
    begins = F.array(*(F.lit(bank.start + timedelta(days=bank.first_of(month))) for month in range(bank.months)))
    month = bank.draws.whole(max(bank.months - 2, 1), "ring month", "ring")
    seat = ((F.col("k") - 1) % plan.RING_BLOCK).cast("int")
    of_five = people.where(F.col("ring").isNotNull()).select(
        *("ring", seat.alias("seat"), "customer_id", "account_id"),
        F.element_at(begins, month + 1).alias("first_month"),
        F.lit("cycle").alias("typology"),
    )
    ring = F.col("pattern") + F.lit(FIRST_PATTERN)
    of_seven = people.where(F.col("pattern").isNotNull()).select(
        *(ring.alias("ring"), F.col("pattern_seat").alias("seat"), "customer_id", "account_id"),
        F.element_at(begins, patterns.first_month(bank.draws, bank.months) + 1).alias("first_month"),
        looked_up(patterns.NAMES, F.col("pattern_kind")).alias("typology"),
    )
    return of_five.unionByName(of_seven)


def tiers(people: DataFrame, held: DataFrame, moved: DataFrame, bank: Bank) -> DataFrame:
    """One row per customer and month of their stay: average assets, and the tier by `plan.TIER_LEVELS`.

    Assets are the month's average of the closing balances of all accounts, 0 on the days before joining and after
    leaving, and the funds and term deposits held on its last day; EUR. `moved` is `bookings.movements`.
    """
    offsets = [bank.first_of(month) for month in range(bank.months + 1)]
    bounds = [
        F.struct(F.lit(month).alias("month"), F.lit(first).alias("first"), F.lit(end).alias("end"))
        for month, (first, end) in enumerate(pairwise(offsets))
    ]
    left = F.coalesce(bank.day_of("left_on"), F.lit(bank.days))
    stays = people.select("k", "customer_id", bank.day_of("joined_on").alias("came"), left.alias("left")).select(
        "*", F.inline(F.array(*bounds))
    )
    here = stays.where((F.col("came") < F.col("end")) & (F.col("left") >= F.col("first")))
    # the money of before the first day is in every month's opening balance
    by_month = moved.withColumn("month", looked_up([-1, *_month_of_days(bank)], F.col("day") + 1))
    sums = by_month.groupBy("k", "month").agg(
        F.sum("signed").alias("moved"), F.sum(F.col("signed") * F.col("day")).alias("dated")
    )
    before = Window.partitionBy("k").orderBy("month").rowsBetween(Window.unboundedPreceding, -1)
    grid = here.select("k", "month").unionByName(people.select("k", F.lit(-1).alias("month")))
    filled = grid.join(sums, on=["k", "month"], how="left").fillna(0, ["moved", "dated"])
    opened = filled.withColumn("opening", F.coalesce(F.sum("moved").over(before), F.lit(0)))
    days = F.least("end", "left") - F.col("first")
    # a movement of day d counts on the days d to the end: end - d of them
    deposits = F.col("opening") * days + F.col("moved") * F.least("end", "left") - F.col("dated")
    average = F.round(deposits / (F.col("end") - F.col("first"))).cast("bigint")
    rows = here.join(opened, on=["k", "month"], how="inner").withColumn("average_minor", average)
    return _with_tier(rows.join(_invested(held, bank), on=["k", "month"], how="left"), bank)


def _month_of_days(bank: Bank) -> list[int]:
    return [month for month in range(bank.months) for _ in range(bank.first_of(month), bank.first_of(month + 1))]


def _invested(held: DataFrame, bank: Bank) -> DataFrame:
    """Cents in funds and term deposits by customer and month, on its last day."""
    lasts = [F.lit(bank.first_of(month + 1) - 1) for month in range(bank.months)]
    each = held.where("kind in ('investment', 'term_deposit')").select(
        "k", "amount_minor", "opened_on", "closed_on", F.posexplode(F.array(*lasts)).alias("month", "last")
    )
    closed = bank.day_of("closed_on")
    still = (bank.day_of("opened_on") <= F.col("last")) & (closed.isNull() | (closed > F.col("last")))
    return each.where(still).groupBy("k", "month").agg(F.sum("amount_minor").alias("invested_minor"))


def _with_tier(rows: DataFrame, bank: Bank) -> DataFrame:
    firsts = [bank.start + timedelta(days=bank.first_of(month)) for month in range(bank.months)]
    minor = F.col("average_minor") + F.coalesce("invested_minor", F.lit(0))
    tier = F.lit(None).cast("string")
    for name, level in reversed(plan.TIER_LEVELS.items()):
        tier = F.when(minor >= level * 100, name).otherwise(tier)
    return rows.select(
        "customer_id",
        looked_up(firsts, F.col("month")).alias("month"),
        money(minor).alias("average_assets"),
        F.coalesce(tier, F.lit("ordinary")).alias("tier"),
    )
