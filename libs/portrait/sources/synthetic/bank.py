"""The bank's customers with their planted habits: one row per customer, from which every feed is derived."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import reduce
from typing import Final

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from portrait.errors import ConfigurationError
from portrait.sources.synthetic import patterns, plan
from portrait.sources.synthetic.catalogue import REGIONS, URBAN_REGIONS
from portrait.sources.synthetic.draws import Draws, cumulated
from portrait.sources.synthetic.plan import GROUPS, BehaviourGroup, by_group

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
    def calendar(self) -> list[date]:
        """The days from the one before the start, which is day -1, to the last."""
        return [self.start + timedelta(days=day) for day in range(-1, self.days)]

    def first_of(self, month: int) -> int:
        """The first day of a month 0.. of the bookings, counted from the start."""
        years, index = divmod(self.start.month - 1 + month, 12)
        return (date(self.start.year + years, index + 1, 1) - self.start).days

    def day_of(self, on: str | Column) -> Column:
        """A date counted in days from the start."""
        return F.datediff(on, F.lit(self.start))

    def weekday(self, day: Column) -> Column:
        """0 Monday to 6 Sunday of a day counted from the start, from a week before it on."""
        return (day + (7 + self.start.weekday())) % 7

    @property
    def draws(self) -> Draws:
        """The bank's randomness."""
        return Draws(self.seed)


EMPLOYERS: Final = 300


def people(spark: SparkSession, bank: Bank, *, block: int | None = None) -> DataFrame:
    """One row per customer: who they are, how they behave, and when they come, fall silent and leave.

    `income_minor` in cents a month; `blend` is the weight of another group's habits mixed into the customer's own;
    `spends`, `pays`, `banks` and `kinds` are cumulated weights, as `draws.place` wants them; `card_rate` is the rate
    a day at which somebody without a card takes the first. With `block`, a partition holds so many customers, and
    keeps its range of `k` through everything that is no shuffle.
    Null: `silent_from` never silent, `left_on` never left, `household_minor` and `utilities_minor` no such order,
    `savings_id` no savings account, `married_on`, `child_on`, `retired_on` no such event, `first_card_on` no first card
    during the bank's bookings, `ring` and `pattern` in no ring of five or seven.
    """
    if block is None:
        who = spark.range(1, bank.customers + 1)
    else:
        blocks = -(-bank.customers // block)
        who = spark.range(1, blocks * block + 1, 1, blocks).where(F.col("id") <= bank.customers)
    shares = {str(index): group.share for index, group in enumerate(GROUPS)}
    placed = who.select(
        F.col("id").alias("k"),
        bank.draws.choice(shares, "group", "id").cast("int").alias("group_index"),
        (1 + bank.draws.whole(len(GROUPS) - 1, "other", "id")).alias("shift"),
    ).withColumn("other_index", (F.col("group_index") + F.col("shift")) % len(GROUPS))
    person = _means(_calendar(_habits(_person(placed, bank), bank), bank), bank)
    return _first_card(_events_of_life(person, bank), bank).drop("shift", "other_index")


def _person(placed: DataFrame, bank: Bank) -> DataFrame:
    draws = bank.draws
    birth = F.date_sub(F.lit(bank.start), (F.col("age") * 365.25).cast("int") + draws.whole(365, "birth", "k"))
    region = F.when(
        F.col("residence") == "rural",
        URBAN_REGIONS + 1 + draws.whole(len(REGIONS) - URBAN_REGIONS, "region", "k"),
    ).otherwise(1 + draws.whole(URBAN_REGIONS, "region", "k"))
    income = by_group(lambda group: group.income * 100) * draws.lognormal(plan.INCOME_SPREAD, "income", "k")
    ages = by_group(lambda group: group.ages[1] - group.ages[0] + 1)
    rural = draws.happens(by_group(lambda group: group.rural), "rural", "k")
    return (
        placed.withColumns(
            {
                "customer_id": F.format_string("C%09d", "k"),
                "group_name": by_group(lambda group: group.name),
                "age": by_group(lambda group: group.ages[0]) + draws.whole(ages, "age", "k"),
                "residence": F.when(rural, "rural").otherwise("urban"),
                "income_minor": F.round(income).cast("bigint"),
            }
        )
        .withColumn("birth_date", birth)
        .withColumn("region_id", F.format_string("R%02d", region))
    )


def _habits(who: DataFrame, bank: Bank) -> DataFrame:
    """Personal weights for drawing categories, channels and kinds of events, and the mean number of events a month.

    The group's weights, blended with another group's, with personal noise on each.
    """
    draws = bank.draws
    blend = F.pow(draws.uniform("blend", "k"), F.lit(plan.BLEND_POWER)) * plan.BLEND_MOST
    habits = {
        "spends": ("spends_on", len(plan.CATEGORIES), plan.SHARE_SPREAD),
        "pays": ("pays_by", len(plan.PAYMENT_CHANNELS), plan.CHANNEL_SPREAD),
        "banks": ("banks_by", len(plan.BANK_CHANNELS), plan.CHANNEL_SPREAD),
        "kinds": ("kinds", len(plan.EVENT_KINDS), plan.CHANNEL_SPREAD),
    }

    def blended(value: Callable[[BehaviourGroup], object]) -> Column:
        own, other = by_group(value), by_group(value, "other_index")
        return own * (F.lit(1.0) - F.col("blend")) + other * F.col("blend")

    def weight(name: str, index: int) -> Column:
        attribute, _, spread = habits[name]
        mixed = blended(lambda group: float(getattr(group, attribute)[index]))
        # a dear category is drawn less often, so that spending, not counting, follows the shares
        size = plan.TICKET[index] if name == "spends" else 1.0
        return mixed * draws.lognormal(spread, name, "k", F.lit(index)) / F.lit(size)

    busy = F.when(
        draws.happens(plan.BUSY_SHARE, "busy_person", "k"),
        draws.pareto(plan.BUSY_INDEX, plan.BUSY_MOST, "busy_times", "k"),
    ).otherwise(1.0)
    weights = {f"{name}_{index}": weight(name, index) for name, (_, size, _) in habits.items() for index in range(size)}
    events = blended(lambda group: group.events) * draws.lognormal(plan.ACTIVITY_SPREAD, "events", "k") * busy
    return (
        who.withColumn("blend", blend)
        .withColumns(weights)
        .withColumns(
            {
                **{
                    name: cumulated([F.col(f"{name}_{index}") for index in range(size)])
                    for name, (_, size, _) in habits.items()
                },
                "events": events,
            }
        )
        .drop(*weights)
    )


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
            "ring": _ring(draws, new_below),
            **patterns.membership(draws, new_below),
        }
    ).drop("fate", "fate_on")


def _ring(draws: Draws, steady_from: float) -> Column:
    """The number of the ring of five neighbours that pass money in a circle; only those who neither come nor go."""
    block = F.floor((F.col("k") - 1) / plan.RING_BLOCK)
    first = block * plan.RING_BLOCK + 1
    steady = [draws.uniform("fate", first + place) >= steady_from for place in range(plan.RING_SIZE)]
    member = (F.col("k") - first < plan.RING_SIZE) & draws.happens(plan.RING_SHARE, "ring", block)
    return F.when(reduce(Column.__and__, steady, member), block)


def _means(who: DataFrame, bank: Bank) -> DataFrame:
    """Accounts, the money they enter with, employer and monthly orders."""
    draws, income = bank.draws, F.col("income_minor")
    months = by_group(lambda group: group.savings_months)

    def cents(amount: Column) -> Column:
        return F.greatest(F.round(amount), F.lit(100)).cast("bigint")

    def order(share: Callable[[BehaviourGroup], float], name: str, of_income: float) -> Column:
        size = cents(income * of_income * draws.lognormal(0.3, f"{name}/size", "k"))
        return F.when(draws.happens(by_group(share), name, "k"), size)

    def opening(name: str, share: float) -> Column:
        size = months * share * draws.lognormal(plan.ASSETS_SPREAD, f"opening/{name}", "k")
        return cents(income * (size + 0.5))

    saves = draws.happens(by_group(lambda group: group.saving), "saving", "k")
    return who.withColumns(
        {
            "account_id": F.format_string("A%09d01", "k"),
            "savings_id": F.when(saves, F.format_string("A%09d02", "k")),
            "opening_minor": opening("current", 0.35),
            "savings_minor": opening("savings", 0.65),
            "household_minor": order(lambda group: group.household, "household_share", 0.17),
            "utilities_minor": order(lambda group: group.utilities, "utilities_share", 0.045),
            "salaried": draws.happens(by_group(lambda group: group.salaried), "salaried", "k"),
            # half of the people work for a quarter of the employers
            "employer": F.floor(F.pow(draws.uniform("employer", "k"), F.lit(2.0)) * EMPLOYERS).cast("int"),
            "family": draws.happens(by_group(lambda group: group.married), "married", "k"),
        }
    ).withColumn("employer_id", F.format_string("E%04d", "employer"))


def _events_of_life(who: DataFrame, bank: Bank) -> DataFrame:
    """Marriage, a child, retirement: at most one each, on a day between joining and leaving or falling silent."""
    draws, years = bank.draws, bank.days / 365
    first = F.greatest(F.date_add("joined_on", 1), F.lit(bank.start))
    stays = F.least("silent_from", "left_on")  # `least` skips null

    def event(name: str, may: Column, a_year: float) -> Column:
        on = draws.day(first, F.lit(bank.last_day), f"{name}_on", "k")
        happens = draws.happens(min(a_year * years, 0.9), name, "k")
        return F.when(may & happens & (stays.isNull() | (on < stays)), on)

    works = F.col("salaried") & (F.col("group_name") != "retired")
    return who.withColumns(
        {
            "married_on": event("marries", ~F.col("family") & F.col("age").between(20, 45), plan.MARRIES_SHARE),
            "child_on": event("child", F.col("age").between(22, 42), plan.CHILD_SHARE),
            "retired_on": event("retires", works & (F.col("age") >= 60), plan.RETIRES_SHARE),
        }
    )


def _first_card(who: DataFrame, bank: Bank) -> DataFrame:
    """Who has no card on the first day (`cardless`), at what rate a day they take the first, and when they do."""
    draws, start = bank.draws, F.lit(bank.start)
    steps = (
        F.lit(0.5) * F.log(F.col("income_minor") / 200_000.0)
        - F.lit(0.03) * (F.col("age") - 40)
        + F.when(F.col("salaried"), 0.4).otherwise(0.0)
        - F.when(F.col("residence") == "rural", 0.5).otherwise(0.0)
    )
    rate = F.exp(steps) * F.lit(plan.FIRST_CARD_A_YEAR / 365)
    came = F.greatest(F.col("joined_on"), start)
    # the time to the first card is exponential: whoever has none after a while is as likely to take one as before
    waits = -F.log(F.lit(1.0) - draws.uniform("first_card", "k")) / F.col("card_rate")
    days = F.floor(F.least(waits, F.lit(100_000.0))).cast("int")
    on = F.date_add(came, days + 1)
    stays = F.least("silent_from", "left_on", F.date_add(F.lit(bank.last_day), 1))
    return (
        who.withColumn("cardless", (F.col("joined_on") >= start) | draws.happens(plan.CARDLESS_SHARE, "cardless", "k"))
        .withColumn("card_rate", F.when(F.col("cardless"), rate))
        .withColumn("first_card_on", F.when(F.col("cardless") & (on < stays), on))
    )
