"""What groups buy: shares, target group indices, seasons, tickets, share of wallet, baskets; gold.group_behaviour."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from pyspark.ml.fpm import FPGrowth
from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F
from scipy.stats import norm

from portrait.capabilities.advice.policy import AdvicePolicy
from portrait.capabilities.advice.significance import adjusted, two_proportions, wilson

OTHER_BANKS = "(other banks)"
MONTHS, WEEKDAYS = range(1, 13), range(1, 8)
_YEAR = 365


@dataclass(frozen=True)
class Season:
    """The best of 12 months or 7 weekdays: its number, its index (1: as the mean), p-value that it is the mean."""

    best: int
    index: float
    p_value: float


@dataclass(frozen=True)
class Basket:
    """The category that is bought in the same week most above chance."""

    category: str
    lift: float
    support: float
    confidence: float


@dataclass(frozen=True)
class Behaviour:
    """One group and category. `share`: buyers of the group within 365 days / its customers."""

    group: int
    category: str
    size: int
    buyers: int
    share: float
    share_overall: float
    tgi: float
    tgi_low: float
    tgi_high: float
    p_adjusted: float
    amount: float
    ticket: float
    frequency: float
    month: Season | None
    month_p_adjusted: float | None
    weekday: Season | None
    wallet: float | None
    basket: Basket | None


def year_of_months(as_of: date) -> tuple[date, date]:
    """First and last day of the 12 whole calendar months that end with or before `as_of`."""
    after = as_of + timedelta(days=1)
    last = as_of if after.day == 1 else as_of.replace(day=1) - timedelta(days=1)
    first = last.replace(day=1).replace(year=last.year - 1)
    return (first.replace(day=28) + timedelta(days=4)).replace(day=1), last


def spending(transactions: DataFrame, customers: DataFrame, *, as_of: date, least_tenure_days: int) -> DataFrame:
    """One row per group and category: buyers, bookings, amount, sums for seasons. Amounts are minor units.

    `customers`: customer_id, group_id, tenure_days. Of customers who were there all year: `n`, for the months `t` and
    `tt` (sum and sum of squares of a customer's year), `m1`.. (sums of the month), `d1`.. (sums of squared deviations
    from a twelfth of the customer's year); for weekdays `w1`.. and `e1`.. with a seventh.
    """
    first, last = year_of_months(as_of)
    since = as_of - timedelta(days=_YEAR - 1)
    abroad = (F.col("type") == "transfer_out") & F.col("counterparty_bank").isNotNull()
    debits = transactions.where(
        (F.col("direction") == "debit") & F.col("booked_on").between(min(first, since), as_of)
    ).withColumn("category", F.coalesce("category", F.when(abroad, F.lit(OTHER_BANKS))))
    within = F.col("booked_on").between(since, as_of)
    of_months = F.col("booked_on").between(first, last)
    month = [
        F.sum(F.when(of_months & (F.month("booked_on") == m), F.col("amount_minor")).otherwise(0)).alias(f"m{m}")
        for m in MONTHS
    ]
    day = [
        F.sum(F.when(of_months & (F.weekday("booked_on") == d - 1), F.col("amount_minor")).otherwise(0)).alias(f"w{d}")
        for d in WEEKDAYS
    ]
    by_customer = (
        debits.where("category is not null")
        .join(customers.where("group_id is not null"), on="customer_id", how="inner")
        .groupBy("group_id", "category", "customer_id", "tenure_days")
        .agg(
            F.count_if(within).alias("n"),
            F.sum(F.when(within, F.col("amount_minor"))).alias("a"),
            F.min("booked_on").alias("since"),
            *month,
            *day,
        )
    )
    stayed = F.col("tenure_days") >= least_tenure_days
    year = sum((F.col(f"m{m}").cast("double") for m in MONTHS[1:]), F.col("m1").cast("double"))
    known = by_customer.withColumn("year", F.when(stayed, year))
    sums = [
        F.sum(F.when(stayed, F.col(f"{kind}{n}"))).cast("double").alias(f"{kind}{n}")
        for kind, of in (("m", MONTHS), ("w", WEEKDAYS))
        for n in of
    ]
    squares = [
        F.sum(F.pow(F.when(stayed, F.col(f"{kind}{n}")).cast("double") - F.col("year") / parts, F.lit(2))).alias(
            f"{name}{n}"
        )
        for kind, name, of, parts in (("m", "d", MONTHS, 12), ("w", "e", WEEKDAYS, 7))
        for n in of
    ]
    return known.groupBy("group_id", "category").agg(
        F.count_if(F.col("n") > 0).alias("buyers"),
        F.sum("n").alias("bookings"),
        F.sum("a").alias("amount"),
        F.count_if(F.col("year") > 0).alias("n"),
        F.sum("year").alias("t"),
        F.min("since").alias("since"),
        *sums,
        *squares,
    )


def frequent_sets(
    transactions: DataFrame, customers: DataFrame, *, as_of: date, support: float
) -> dict[frozenset[str], int]:
    """How many weekly baskets hold a set of categories, and of a group (`group 3` is an item of its baskets).

    By MLlib's FP-Growth (Han, Pei and Yin 2000); the empty set has all baskets.
    """
    since = as_of - timedelta(days=_YEAR - 1)
    bought = transactions.where(
        (F.col("direction") == "debit") & F.col("category").isNotNull() & F.col("booked_on").between(since, as_of)
    )
    baskets = (
        bought.join(customers.where("group_id is not null").select("customer_id", "group_id"), "customer_id", "inner")
        .groupBy("customer_id", "group_id", F.date_sub("booked_on", F.weekday("booked_on")).alias("week"))
        .agg(F.collect_set("category").alias("items"))
        .select(F.concat("items", F.array(F.concat(F.lit("group "), F.col("group_id").cast("string")))).alias("items"))
        .persist()
    )
    try:
        found = FPGrowth(itemsCol="items", minSupport=support).fit(baskets).freqItemsets
        few = found.where("size(items) <= 3").collect()  # pairs within groups: few
        total = baskets.count()
    finally:
        baskets.unpersist()
    return {frozenset(): total} | {frozenset(row["items"]): row["freq"] for row in few}


def behaviours(
    rows: Sequence[Row],
    sizes: Mapping[int, int],
    sets: Mapping[frozenset[str], int],
    *,
    as_of: date,
    policy: AdvicePolicy,
) -> list[Behaviour]:
    """One entry per group of at least `least_customers` and category, from `spending` and `frequent_sets`.

    A p-value per group and category: the group's share of buyers against that of all others; adjusted over all of them.
    The best month's p-value is multiplied by 12, since it is the best of twelve, then adjusted in the same way.
    """
    known = {(row["group_id"], row["category"]): row for row in rows if row["group_id"] in sizes}
    categories = sorted({category for _, category in known} - {OTHER_BANKS})
    groups = sorted(group for group, size in sizes.items() if size >= policy.least_customers)
    everybody = sum(sizes.values())
    first, _ = year_of_months(as_of)
    began = min((row["since"] for row in known.values()), default=as_of)
    whole_year = began <= first + timedelta(days=6)
    pairs = [(group, category) for group in groups for category in categories]
    buyers = {pair: int(known[pair]["buyers"]) if pair in known else 0 for pair in pairs}
    total = {c: sum(int(row["buyers"]) for (_, other), row in known.items() if other == c) for c in categories}
    p_values, months = [], []
    for group, category in pairs:
        mine, size = buyers[group, category], sizes[group]
        p_values.append(two_proportions((mine, size), (total[category] - mine, everybody - size)))
        months.append(_season(known.get((group, category)), "m", "d", 12) if whole_year else None)
    p_adjusted = adjusted(p_values)
    tested = [place for place, season in enumerate(months) if season is not None]
    month_adjusted = dict(zip(tested, adjusted([months[place].p_value for place in tested]), strict=True))  # type: ignore[union-attr]
    found = []
    for place, (group, category) in enumerate(pairs):
        row, size, overall = known.get((group, category)), sizes[group], total[category] / everybody
        low, high = wilson(buyers[group, category], size)
        count, amount = (int(row["bookings"]), float(row["amount"] or 0) / 100) if row else (0, 0.0)
        mine = buyers[group, category]
        found.append(
            Behaviour(
                group,
                category,
                size,
                mine,
                mine / size,
                overall,
                100 * mine / size / overall if overall else 0.0,
                100 * low / overall if overall else 0.0,
                100 * high / overall if overall else 0.0,
                float(p_adjusted[place]),
                amount,
                amount / count if count else 0.0,
                count / mine / 12 if mine else 0.0,
                months[place],
                float(month_adjusted[place]) if place in month_adjusted else None,
                _season(row, "w", "e", 7),
                _wallet(known, group),
                _basket(sets, group, category, categories),
            )
        )
    return found


def _season(row: Row | None, sums: str, squares: str, parts: int) -> Season | None:
    """The best part of the year; None where fewer than 10 customers bought, or nothing varies."""
    if row is None or (row["n"] or 0) < 10 or not row["t"]:
        return None
    n, mean = float(row["n"]), float(row["t"]) / parts
    best = max(range(1, parts + 1), key=lambda place: (row[f"{sums}{place}"], -place))
    deviation = (float(row[f"{sums}{best}"]) - mean) / n
    variance = (float(row[f"{squares}{best}"]) - n * deviation**2) / (n - 1)
    p = float(2 * norm.sf(abs(deviation) / math.sqrt(variance / n))) if variance > 0 else 1.0
    return Season(best, float(row[f"{sums}{best}"]) / mean, min(1.0, parts * p))


def _wallet(known: Mapping[tuple[int, str], Row], group: int) -> float | None:
    """Spending seen / (spending seen + what leaves for other banks), an upper bound; None where no bank is named."""
    leaving = known.get((group, OTHER_BANKS))
    if leaving is None or not leaving["amount"]:
        return None
    own = sum(float(row["amount"] or 0) for (other, c), row in known.items() if other == group and c != OTHER_BANKS)
    return own / (own + float(leaving["amount"]))


def _basket(sets: Mapping[frozenset[str], int], group: int, category: str, categories: Sequence[str]) -> Basket | None:
    mark = f"group {group}"
    total, alone = sets.get(frozenset({mark}), 0), sets.get(frozenset({mark, category}), 0)
    best: Basket | None = None
    for other in categories:
        both, with_it = sets.get(frozenset({mark, category, other}), 0), sets.get(frozenset({mark, other}), 0)
        if other == category or not (total and alone and both and with_it):
            continue
        lift = (both / total) / ((alone / total) * (with_it / total))
        if best is None or lift > best.lift:
            best = Basket(other, lift, both / total, both / alone)
    return best


def rounded(number: float | None) -> float | None:
    """Six decimals: free of the order in which sums were added."""
    return None if number is None or np.isnan(number) else round(float(number), 6)
