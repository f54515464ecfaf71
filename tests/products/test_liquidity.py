"""How long money has been lying still: cases by hand, and random accounts against a loop over days."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal

from pyspark.sql import SparkSession

from portrait.capabilities.products.liquidity import customer_runs, liquidity_of
from portrait.capabilities.products.policy import Liquidity, Start

AS_OF = date(2025, 12, 31)
LOOK_BACK = Liquidity(days=180, share=0.9, kinds=["current"])
OWNERS = "account_id string, customer_id string, opened_on date, closed_on date"
BALANCES = "account_id string, from_day date, to_day date, balance_minor bigint"
Account = tuple[str, str, date, date | None]
Balance = tuple[str, date, date | None, int | None]


def back(days: int) -> date:
    """The day that begins the last `days` days."""
    return AS_OF - timedelta(days=days - 1)


def start(minimum: int, share: float = 0.5, step: int = 1, maximum: int = 100_000) -> Start:
    return Start(minimum=Decimal(minimum), maximum=Decimal(maximum), step=Decimal(step), share=share)


def found(
    spark: SparkSession, accounts: list[Account], balances: list[Balance], starts: list[tuple[str, Start]]
) -> dict[str, tuple[int | None, dict[str, int | None], dict[str, int]]]:
    """Customer to available, start amounts (minor units) and horizons by template."""
    frames = spark.createDataFrame(accounts, OWNERS), spark.createDataFrame(balances, BALANCES)
    runs = customer_runs(*frames, liquidity=LOOK_BACK, as_of=AS_OF)
    rows = liquidity_of(runs, starts, liquidity=LOOK_BACK, as_of=AS_OF).collect()
    plain = {
        row.customer_id: (
            None if row.available is None else int(row.available),
            {name: None if x is None else int(x) for name, x in row.start_minor.items()},
            dict(row.horizon_days),
        )
        for row in rows
    }
    assert len(plain) == len(rows)
    return plain


def test_cases_by_hand(spark: SparkSession) -> None:
    old = date(2020, 1, 1)
    accounts: list[Account] = [(name, f"c_{name}", old, None) for name in ("still", "new", "dip", "spent", "null")]
    accounts += [("one", "c_two", old, None), ("other", "c_two", back(50), None)]
    balances: list[Balance] = [
        ("still", old, None, 1_000_00),
        ("new", back(90), None, 1_000_00),  # 90 good days of h: h <= 90 / .9 = 100
        ("dip", old, back(51), 1_000_00),
        ("dip", back(50), back(31), 0),  # 20 days without: 10 % of 200, so of 180 less than 162 are good; h < 34
        ("dip", back(30), None, 1_000_00),
        ("spent", old, back(2), 1_000_00),
        ("spent", back(1), None, 100_00),  # of what is there now, half has been there all the time
        ("null", old, back(11), 1_000_00),
        ("null", back(10), None, None),
        ("one", old, back(51), 1_000_00),  # moved between own accounts
        ("one", back(50), None, 0),
        ("other", back(50), None, 1_000_00),
    ]
    rows = found(spark, accounts, balances, [("T", start(10))])
    assert rows["c_still"] == (1_000_00, {"T": 500_00}, {"T": 180})
    assert rows["c_new"] == (1_000_00, {"T": 500_00}, {"T": 100})
    assert rows["c_dip"][2] == {"T": 33}  # 30 good of 33 are .909, of 34 .882; later never .9 again: 160 of 180
    assert rows["c_spent"] == (100_00, {"T": 50_00}, {"T": 180})
    assert rows["c_null"] == (None, {"T": None}, {"T": 0})
    assert rows["c_two"] == (1_000_00, {"T": 500_00}, {"T": 180})


def test_start_amounts_are_whole_steps_between_minimum_and_maximum(spark: SparkSession) -> None:
    accounts: list[Account] = [("a", "c", date(2020, 1, 1), None), ("b", "in_debt", date(2020, 1, 1), None)]
    balances: list[Balance] = [("a", date(2020, 1, 1), None, 12_345_67), ("b", date(2020, 1, 1), None, -5_00)]
    starts = [
        ("share", start(100, 0.5, 100)),
        ("least", start(50_000, 0.5, 100)),
        ("most", start(100, 0.9, 100, 5_000)),
    ]
    rows = found(spark, accounts, balances, starts)
    assert rows["c"][1] == {"share": 6_100_00, "least": 50_000_00, "most": 5_000_00}
    assert rows["c"][2] == {"share": 180, "least": 0, "most": 180}
    assert rows["in_debt"][1] == {"share": 100_00, "least": 50_000_00, "most": 100_00}
    assert rows["in_debt"][2] == {"share": 0, "least": 0, "most": 0}


def test_random_accounts_against_a_loop_over_days(spark: SparkSession) -> None:
    draws = random.Random(5)
    accounts: list[Account] = []
    balances: list[Balance] = []
    for number in range(240):
        opened = AS_OF - timedelta(days=draws.choice([400, 170, 60, 3]))
        closed = AS_OF - timedelta(days=draws.randrange(40)) if draws.random() < 0.1 else None
        closed = None if closed is not None and closed < opened else closed
        accounts.append((f"a{number}", f"c{number // 2}", opened, closed))
        day, busy = opened + timedelta(days=draws.randrange(3)), draws.random() < 0.5
        while day <= AS_OF:
            until = day + timedelta(days=draws.randrange(1, 6 if busy else 120))
            amount = None if draws.random() < 0.01 else draws.choice([0, 40_00, 900_00, 1_000_00, 1_100_00, 9_000_00])
            balances.append((f"a{number}", day, until if until < AS_OF else None, amount))
            day = until + timedelta(days=1)
    starts = [("half", start(20, 0.5)), ("nearly", start(10, 0.95, 10)), ("much", start(1_000, 0.2, 100))]
    rows = found(spark, accounts, balances, starts)
    owners = {account: (customer, opened, closed) for account, customer, opened, closed in accounts}
    totals: dict[str, dict[date, int | None]] = defaultdict(dict)
    for account, first, last, amount in balances:
        customer, opened, closed = owners[account]
        for day in (back(h) for h in range(1, 181)):
            if first <= day <= (last or AS_OF) and opened <= day <= (closed or AS_OF):
                so_far = totals[customer].get(day, 0)
                totals[customer][day] = None if so_far is None or amount is None else so_far + amount
    horizons = set()
    for customer in {customer for customer, _, _ in owners.values()}:
        by_day = totals[customer]
        now = by_day.get(AS_OF, 0)
        for name, rule in starts:
            horizon = 0
            x = None
            if now is not None:
                steps = int(now * Decimal(str(rule.share)) / (rule.step * 100) // 1)
                x = min(max(int(rule.minimum * 100), steps * int(rule.step * 100)), int(rule.maximum * 100))
                good = 0
                for h in range(1, 181):
                    total = by_day.get(back(h))
                    good += total is not None and total >= x
                    if 10 * good >= 9 * h:
                        horizon = h
            assert (rows[customer][1][name], rows[customer][2][name]) == (x, horizon), (customer, name)
            horizons.add(horizon)
    assert len(horizons) > 40
