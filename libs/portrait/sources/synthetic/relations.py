"""Relations: spouses, parents and children among the customers, guarantors, employers, and who owns which company."""

from __future__ import annotations

from datetime import timedelta
from functools import reduce
from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from portrait.sources.synthetic.bank import EMPLOYERS, Bank
from portrait.sources.synthetic.lists import parent_of

# Relatives are neighbours by number: spouse, child, guarantor of k.
SPOUSE_STEP, CHILD_STEP, GUARANTOR_STEP = 1, 3, 5
SPOUSES_APART: Final = 15  # years at most
CHILD_YEARS: Final = (20, 40)  # years between parent and child
GUARANTEED_SHARE: Final = 0.05  # of the holders of a loan
DIVORCED_SHARE: Final = 0.06  # of the couples: on some day of the bank's bookings
OWNERS: Final = (0.45, 0.25)  # what the first and the second person own of a company
OWNED_SHARE: Final = 0.5  # companies with each of these owners among the customers


# Planted holdings between companies: the places of owner and company among ten, and the share. In even tens the first
# has a majority of the second, and with its help of the third. In odd ones nobody has one, and two hold each other.
PYRAMID: Final = ((1, 2, 0.60), (1, 3, 0.30), (2, 3, 0.25))
MINORITIES: Final = ((1, 2, 0.40), (3, 2, 0.20), (4, 5, 0.10), (5, 4, 0.10))
MAJORITY: Final = (7, 0.55)  # the first person of the companies at this place has so much of it
"""So company groups are three of even tens, a person and a company at place 7, a parent and its subsidiary."""


def relations(people: DataFrame, held: DataFrame, bank: Bank) -> DataFrame:
    """One record a relation, and one more when an employment ends with retirement (`valid_to`).

    Known from the day on which both sides are: relations between customers since the later one joined.
    """
    parts = [
        _spouses(people, bank),
        _children(people, bank),
        _guarantors(people, held, bank),
        _employments(people),
        _owners(people, bank),
        _subsidiaries(people, bank),
    ]
    rows = reduce(DataFrame.unionByName, parts)
    return rows.select(
        *(bank.day_of("on").alias("day"), "k", "from_id", "to_id", "kind", "valid_from", "op"),
        F.col("on").cast("timestamp").alias("changed_at"),
        *("valid_to", "share"),
    )


def _relation(
    rows: DataFrame, source: str, target: str, kind: str, since: Column, on: Column, share: Column | None = None
) -> DataFrame:
    return rows.select(
        "k",
        F.col(source).alias("from_id"),
        F.col(target).alias("to_id"),
        F.lit(kind).alias("kind"),
        since.alias("valid_from"),
        F.lit("I").alias("op"),
        on.alias("on"),
        F.lit(None).cast("date").alias("valid_to"),
        (F.lit(None) if share is None else share).cast("decimal(9,6)").alias("share"),
    )


def _pairs(people: DataFrame, step: int, *, some: Column | None = None) -> DataFrame:
    """Customers, or some, with the one `step` further on: `other_*`, and `on`, from when the bank knows both."""
    other = people.select(
        (F.col("k") - step).alias("k"),
        F.col("customer_id").alias("other_id"),
        F.col("age").alias("other_age"),
        F.col("family").alias("other_family"),
        F.col("birth_date").alias("other_birth"),
        F.col("joined_on").alias("other_joined"),
        F.col("left_on").alias("other_left"),
    )
    first = people if some is None else people.where(some)
    both = first.join(other, on="k", how="inner").withColumn("on", F.greatest("joined_on", "other_joined"))
    left = F.least("left_on", "other_left")  # `least` skips null
    return both.where(left.isNull() | (F.col("on") < left))


def _spouses(people: DataFrame, bank: Bank) -> DataFrame:
    """The married with an odd number and their neighbour, where that one is married and not too much older."""
    apart = F.abs(F.col("age") - F.col("other_age"))
    couples = _pairs(people, SPOUSE_STEP, some=(F.col("k") % 2 == 1) & F.col("family")).where(
        F.col("other_family") & (apart <= SPOUSES_APART)
    )
    years = F.greatest(F.least("age", "other_age") - 20, F.lit(1))
    wed = F.date_sub(F.lit(bank.start), 30 + bank.draws.whole(years * 300, "wedding", "k"))
    married = couples.withColumns({"wed": wed, "parted": _parted(bank)})
    made = _relation(married, "customer_id", "other_id", "spouse", F.col("wed"), F.col("on"))
    ended = married.where("parted is not null")
    over = _relation(ended, "customer_id", "other_id", "spouse", F.col("wed"), F.col("parted"))
    return made.unionByName(over.withColumns({"op": F.lit("U"), "valid_to": F.col("on")}))


def _parted(bank: Bank) -> Column:
    """The day on which a couple divorces, of those that do, while both are customers."""
    last = F.lit(bank.last_day)
    on = bank.draws.day(F.greatest(F.date_add("on", 1), F.lit(bank.start)), last, "parted_on", "k")
    here = F.coalesce(F.least("left_on", "other_left"), F.date_add(last, 1))
    return F.when(bank.draws.happens(DIVORCED_SHARE, "parted", "k") & (on < here), on)


def _children(people: DataFrame, bank: Bank) -> DataFrame:
    apart = F.col("age") - F.col("other_age")
    parents = _pairs(people, CHILD_STEP, some=bank.draws.happens(0.4, "parent", "k"))
    fitting = parents.where(apart.between(*CHILD_YEARS))
    return _relation(fitting, "customer_id", "other_id", "parent", F.col("other_birth"), F.col("on"))


def _guarantors(people: DataFrame, held: DataFrame, bank: Bank) -> DataFrame:
    """The neighbour answers for the consumer loans of some."""
    owing = held.where("product_id = 'consumer_loan'").select("k", F.col("opened_on").alias("owes_from"))
    some = owing.where(bank.draws.happens(GUARANTEED_SHARE, "guaranteed", "k"))
    pairs = _pairs(people, GUARANTOR_STEP).join(some, on="k", how="inner")
    known = pairs.withColumn("since", F.greatest("on", "owes_from"))
    left = F.least("left_on", "other_left")
    still = known.where(left.isNull() | (F.col("since") < left))
    return _relation(still, "other_id", "customer_id", "guarantor", F.col("since"), F.col("since"))


def _employments(people: DataFrame) -> DataFrame:
    """Who is paid a salary works for their employer, until they retire."""
    employed = people.where(F.col("salaried") & (F.col("group_name") != "retired"))
    joined = F.col("joined_on")
    made = _relation(employed, "employer_id", "customer_id", "employer", joined, joined)
    retired = employed.where(F.col("retired_on").isNotNull())
    ended = _relation(retired, "employer_id", "customer_id", "employer", joined, F.col("retired_on"))
    return made.unionByName(ended.withColumns({"op": F.lit("U"), "valid_to": F.col("on")}))


def _subsidiaries(people: DataFrame, bank: Bank) -> DataFrame:
    """Companies that another company owns wholly, and other holdings between companies; known before the first day."""
    whole = [(parent_of(number), f"E{number:04d}", 1.0) for number in range(EMPLOYERS) if parent_of(number)]
    parts = [(f"E{owner:04d}", f"E{owned:04d}", share) for owner, owned, share in company_holdings()]
    since = F.lit(bank.start - timedelta(days=31))
    made = []
    for kind, rows in (("subsidiary", whole), ("shareholder", parts)):
        listed = people.sparkSession.createDataFrame(rows, "parent_id string, company_id string, part double")
        companies = listed.withColumn("k", F.lit(1).cast("bigint"))
        made.append(_relation(companies, "parent_id", "company_id", kind, since, since, F.col("part")))
    return reduce(DataFrame.unionByName, made)


def company_holdings() -> list[tuple[int, int, float]]:
    """Owner, company and share of the planted holdings between companies, by number."""
    return [
        (ten + owner, ten + owned, share)
        for ten in range(0, EMPLOYERS, 10)
        for owner, owned, share in (MINORITIES if ten % 20 else PYRAMID)
    ]


def _owners(people: DataFrame, bank: Bank) -> DataFrame:
    """Half of the companies that belong to no other one have a first owner among the customers, half a second one."""
    taken = {owned for _, owned, _ in company_holdings()} | {n for n in range(EMPLOYERS) if parent_of(n)}
    companies = people.sparkSession.range(EMPLOYERS).select(F.col("id").alias("number"))
    free = companies.where(~F.col("number").isin(*taken))
    parts = []
    for place, share in enumerate(OWNERS):
        owned = free.where(bank.draws.happens(OWNED_SHARE, f"owned {place}", "number"))
        # the two owners come from the two halves of the customers: nobody owns a company twice
        half = max(bank.customers // len(OWNERS), 1)
        who = 1 + place * half + bank.draws.whole(half, f"owner {place}", "number")
        has = F.when((F.col("number") % 10 == MAJORITY[0]) & F.lit(place == 0), F.lit(MAJORITY[1])).otherwise(share)
        keyed = owned.select(
            who.cast("bigint").alias("k"), F.format_string("E%04d", "number").alias("company_id"), has.alias("part")
        )
        owners = people.join(F.broadcast(keyed), on="k", how="inner")
        since = F.col("joined_on")
        parts.append(_relation(owners, "customer_id", "company_id", "shareholder", since, since, F.col("part")))
    return reduce(DataFrame.unionByName, parts)


def belonging(people: DataFrame, bank: Bank) -> DataFrame:
    """The truth: one row per pair that makes a group: kind (family, company), one_id, other_id, and the days known_on
    and ended_on (null: it lasts). Of companies as they were planted, not as owners are computed.
    """
    couples, children = _spouses(people, bank), _children(people, bank)
    ended = couples.where("op = 'U'").select("from_id", "to_id", F.col("valid_to").alias("ended_on"))
    pairs = couples.where("op = 'I'").unionByName(children).join(ended, on=["from_id", "to_id"], how="left")
    family = pairs.select(F.lit("family").alias("kind"), "from_id", "to_id", F.col("on").alias("known_on"), "ended_on")
    majority = _owners(people, bank).where(F.col("share") > F.lit(0.5))
    wholly = _subsidiaries(people, bank).where("kind = 'subsidiary'")
    threes = [(f"E{ten + 1:04d}", f"E{ten + other:04d}") for ten in range(0, EMPLOYERS, 20) for other in (2, 3)]
    planted = people.sparkSession.createDataFrame(threes, "from_id string, to_id string").withColumn(
        "on", F.lit(bank.start - timedelta(days=31))
    )
    ties = [rows.select("from_id", "to_id", "on") for rows in (majority, wholly, planted)]
    company = reduce(DataFrame.unionByName, ties).select(
        F.lit("company").alias("kind"),
        *("from_id", "to_id", F.col("on").alias("known_on"), F.lit(None).cast("date").alias("ended_on")),
    )
    return family.unionByName(company).withColumnsRenamed({"from_id": "one_id", "to_id": "other_id"})
