"""The bank's customers with their planted habits: one row a customer, from which every feed is derived."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from portrait.errors import ConfigurationError
from portrait.sources.synthetic import plan
from portrait.sources.synthetic.catalogue import REGIONS, URBAN_REGIONS
from portrait.sources.synthetic.draws import Draws, bounds_of
from portrait.sources.synthetic.plan import GROUPS, group_table

DEFAULT_START: Final = date(2025, 1, 1)
FIRST_NAMES: Final = ("Ada", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gina", "Hugo", "Ida", "Jan", "Kira", "Leo")
LAST_NAMES: Final = (
    "Archer",
    "Baker",
    "Cooper",
    "Dyer",
    "Fisher",
    "Glover",
    "Hunter",
    "Mason",
    "Porter",
    "Weaver",
)


def last_day(months: int, start: date = DEFAULT_START) -> date:
    """The last day of the bank's bookings: the natural `as_of` of a run over all of them."""
    years, month = divmod(start.month - 1 + months - 1, 12)
    return date(start.year + years, month + 1, monthrange(start.year + years, month + 1)[1])


@dataclass(frozen=True)
class Bank:
    """Size, seed and calendar of a synthetic bank. Customers are numbered from 1 (`k`)."""

    customers: int
    months: int
    seed: int
    start: date = DEFAULT_START

    def __post_init__(self) -> None:
        if self.customers < 1 or self.months < 1:
            raise ConfigurationError("a bank has at least one customer and one month", remedy="give larger numbers")
        if self.start.day != 1:
            raise ConfigurationError(
                "a bank starts on the first of a month", where=f"start {self.start}", remedy="day 1"
            )

    @property
    def last_day(self) -> date:
        """The last day of the bookings."""
        return last_day(self.months, self.start)

    @property
    def days(self) -> int:
        """Days from the first to the last booking day, both included."""
        return (self.last_day - self.start).days + 1

    @property
    def draws(self) -> Draws:
        """The bank's randomness."""
        return Draws(self.seed)


def people(spark: SparkSession, bank: Bank) -> DataFrame:
    """One row a customer: who they are, how they behave, and when they come, fall silent and leave.

    `income_minor` in cents a month; `blend` is the weight of another group's habits mixed into the customer's own.
    Null: `silent_from` never silent, `left_on` never left, `household_minor` and `utilities_minor` no such order,
    `savings_id` no savings account.
    """
    who = spark.range(1, bank.customers + 1).select(F.col("id").alias("k"))
    shares = {str(index): group.share for index, group in enumerate(GROUPS)}
    drawn = who.select(
        "k",
        F.format_string("C%09d", "k").alias("customer_id"),
        bank.draws.choice(shares, "group", "k").cast("int").alias("group_index"),
        (1 + bank.draws.whole(len(GROUPS) - 1, "other", "k")).alias("shift"),
    )
    groups = group_table(spark)
    others = groups.select(
        F.col("group_index").alias("other_index"),
        *(
            F.col(name).alias(f"other_{name}")
            for name in ("spends_like", "pays_like", "banks_like", "kinds_like", "events_mean")
        ),
    )
    placed = drawn.withColumn("other_index", (F.col("group_index") + F.col("shift")) % len(GROUPS))
    joined = placed.join(F.broadcast(groups), on="group_index", how="inner").join(
        F.broadcast(others), on="other_index", how="inner"
    )
    return _means(_calendar(_habits(_person(joined, bank), bank), bank), bank).drop(
        "shift", "other_index", *(name for name in others.columns), *LIKES
    )


LIKES: Final = ("spends_like", "pays_like", "banks_like", "kinds_like")


def _person(joined: DataFrame, bank: Bank) -> DataFrame:
    draws = bank.draws
    birth = F.date_sub(F.lit(bank.start), (F.col("age") * 365.25).cast("int") + draws.whole(365, "birth", "k"))
    region = F.when(
        F.col("residence") == "rural",
        URBAN_REGIONS + 1 + draws.whole(len(REGIONS) - URBAN_REGIONS, "region", "k"),
    ).otherwise(1 + draws.whole(URBAN_REGIONS, "region", "k"))
    income = F.col("income_mean") * draws.lognormal(plan.INCOME_SPREAD, "income", "k")
    ages = F.col("age_high") - F.col("age_low") + 1
    return (
        joined.withColumn("age", F.col("age_low") + draws.whole(ages, "age", "k"))
        .withColumn("birth_date", birth)
        .withColumn("residence", F.when(draws.happens(F.col("rural_share"), "rural", "k"), "rural").otherwise("urban"))
        .withColumn("region_id", F.format_string("R%02d", region))
        .withColumn("income_minor", F.round(income).cast("bigint"))
    )


def _habits(who: DataFrame, bank: Bank) -> DataFrame:
    """Personal bounds for drawing categories, channels and kinds of events, and the mean number of events a month.

    The group's weights, blended with another group's, with personal noise on each.
    """
    draws = bank.draws
    blend = F.pow(draws.uniform("blend", "k"), F.lit(plan.BLEND_POWER)) * plan.BLEND_MOST

    def weights(name: str, spread: float, tickets: Sequence[float] | None = None) -> Column:
        def personal(own: Column, place: Column) -> Column:
            other = F.element_at(f"other_{name}", place + 1)
            mixed = own * (F.lit(1.0) - F.col("blend")) + other * F.col("blend")
            # a dear category is drawn less often, so that spending, not counting, follows the shares
            size = F.lit(1.0) if tickets is None else F.element_at(F.array(*map(F.lit, tickets)), place + 1)
            return mixed * draws.lognormal(spread, name, "k", place) / size

        return F.transform(name, personal)

    events = F.col("events_mean") * (F.lit(1.0) - F.col("blend")) + F.col("other_events_mean") * F.col("blend")
    drawn = who.withColumn("blend", blend).withColumns(
        {
            "spends": weights("spends_like", plan.SHARE_SPREAD, plan.TICKET),
            "pays": weights("pays_like", plan.CHANNEL_SPREAD),
            "banks": weights("banks_like", plan.CHANNEL_SPREAD),
            "kinds": weights("kinds_like", plan.CHANNEL_SPREAD),
            "events": events * draws.lognormal(plan.ACTIVITY_SPREAD, "events", "k"),
        }
    )
    return drawn.withColumns({name: bounds_of(F.col(name)) for name in ("spends", "pays", "banks", "kinds")})


def _calendar(who: DataFrame, bank: Bank) -> DataFrame:
    draws, start, last = bank.draws, F.lit(bank.start), F.lit(bank.last_day)
    silent_below = plan.DORMANT_SHARE + plan.SILENT_SHARE
    leaving_below = silent_below + plan.LEAVING_SHARE
    new_below = leaving_below + plan.NEW_SHARE
    years = F.least(F.col("age") - 16, F.lit(18)) * draws.uniform("joined", "k")
    joined_before = F.date_sub(start, 40 + F.floor(years * 365).cast("int"))
    fate, on = F.col("fate"), F.col("fate_on")
    # at most one of: dormant from before the first day, falls silent, leaves, is new
    fated = who.withColumns({"fate": draws.uniform("fate", "k"), "fate_on": draws.day(start, last, "fate_day", "k")})
    leaves = (fate >= silent_below) & (fate < leaving_below)
    return fated.withColumns(
        {
            "dormant": fate < plan.DORMANT_SHARE,
            "silent_from": F.when(fate < plan.DORMANT_SHARE, F.date_sub(start, 200)).when(fate < silent_below, on),
            "left_on": F.when(leaves, F.greatest(on, F.date_add(start, 14))),
            "joined_on": F.when((fate >= leaving_below) & (fate < new_below), on).otherwise(joined_before),
        }
    ).drop("fate", "fate_on")


def _means(who: DataFrame, bank: Bank) -> DataFrame:
    """Accounts, the money they enter with, employer and monthly orders."""
    draws, income = bank.draws, F.col("income_minor")

    def cents(amount: Column) -> Column:
        return F.greatest(F.round(amount), F.lit(100)).cast("bigint")

    def order(share: str, of_income: float, spread: float) -> Column:
        size = cents(income * of_income * draws.lognormal(spread, f"{share}/size", "k"))
        return F.when(draws.happens(F.col(share), share, "k"), size)

    def opening(name: str, share: float) -> Column:
        size = F.col("savings_months") * share * draws.lognormal(plan.ASSETS_SPREAD, f"opening/{name}", "k")
        return cents(income * (size + 0.5))

    return who.withColumns(
        {
            "account_id": F.format_string("A%09d01", "k"),
            "savings_id": F.when(draws.happens(F.col("saving_share"), "saving", "k"), F.format_string("A%09d02", "k")),
            "opening_minor": opening("current", 0.35),
            "savings_minor": opening("savings", 0.65),
            "household_minor": order("household_share", 0.17, 0.3),
            "utilities_minor": order("utilities_share", 0.045, 0.3),
            "salaried": draws.happens(F.col("salaried_share"), "salaried", "k"),
            "employer_id": F.format_string("E%04d", draws.whole(300, "employer", "k")),
        }
    )
