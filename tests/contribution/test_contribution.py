"""Contribution: the vectors of methods.md, and a random bank beside plain Python that goes day by day in fractions."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from dateutil.relativedelta import relativedelta
from pyspark.sql import DataFrame, Row, SparkSession

from portrait.capabilities.contribution.contribution import BALANCES, DEPOSITS, PARTS, by_customer, contribution
from portrait.capabilities.contribution.policy import ContributionPolicy, load_contribution_policy
from portrait.errors import ConfigurationError

AS_OF = date(2025, 1, 31)
FIRST = AS_OF - timedelta(days=364)
POLICY = load_contribution_policy(Path(__file__).parents[2] / "conf")
EQUAL = POLICY.model_copy(update={"joint_accounts": "equal_shares"})
VERSION = "valid_from timestamp, valid_to timestamp"
SCHEMAS = {
    "balances": "account_id string, from_day date, to_day date, balance_minor bigint",
    "accounts": "account_id string, kind string, opened_on date, closed_on date, branch_id string, "
    f"interest_rate decimal(9,6), {VERSION}",
    "account_parties": f"account_id string, party_id string, role string, party_kind string, {VERSION}",
    "transactions": "account_id string, booked_on date, type string, channel string, signed_minor bigint",
    "loans": "loan_id string, account_id string, granted_on date, amount decimal(18,2), months int, rate decimal(9,6), "
    f"instalment decimal(18,2), status string, status_on date, {VERSION}",
    "transfer_prices": f"kind string, term_months int, rate decimal(9,6), {VERSION}",
    "unit_costs": f"type string, channel string, cost decimal(18,2), {VERSION}",
}
Bank = dict[str, list[tuple[Any, ...]]]
OLD = date(2000, 1, 1)


def held(since: date = OLD, until: date | None = None) -> tuple[datetime, datetime | None]:
    """valid_from and valid_to of what holds from a day to the day before another."""
    return datetime.combine(since, time()), None if until is None else datetime.combine(until, time())


def account(name: str, kind: str, rate: str | None, opened: date = OLD, closed: date | None = None) -> tuple[Any, ...]:
    return name, kind, opened, closed, f"B{name[-1]}", None if rate is None else Decimal(rate), *held()


def owner(account_id: str, customer: str, role: str = "owner") -> tuple[Any, ...]:
    return account_id, customer, role, "person", *held()


def earned(spark: SparkSession, bank: Bank, *, policy: ContributionPolicy = POLICY) -> DataFrame:
    """The contribution of a bank, in whose slice are all who are party to an account."""
    people = sorted({(party[1],) for party in bank["account_parties"]})
    frames = {name: spark.createDataFrame(rows, SCHEMAS[name]).coalesce(1) for name, rows in bank.items()}
    needed = {name: frames.pop(name) for name in ("balances", "accounts", "account_parties", "transactions")}
    customers = spark.createDataFrame(people, "customer_id string")
    return contribution(customers, policy=policy, as_of=AS_OF, **needed, **frames)


def test_the_vectors_of_the_methods(spark: SparkSession) -> None:
    # 10,000,000 at 1.5 % against 2 % for a year; a loan of it at 6 % against 3 %, of which only interest is paid.
    bank: Bank = {
        "balances": [("a", OLD, None, 1_000_000_000)],
        "accounts": [account("a", "savings", "0.015")],
        "account_parties": [owner("a", "c")],
        "transactions": [],
        "loans": [("l", "a", OLD, Decimal(10_000_000), 600, Decimal("0.06"), Decimal(50_000), "C", OLD, *held())],
        "transfer_prices": [("savings", 0, Decimal("0.02"), *held()), ("loan", 600, Decimal("0.03"), *held())],
    }
    deposit, loan = earned(spark, bank).orderBy("product_kind", ascending=False).collect()
    assert (deposit.product_kind, deposit.deposit_margin) == ("savings", Decimal("50000.00"))
    assert (loan.product_kind, loan.loan_margin) == ("loan", Decimal("300000.00"))
    assert loan.expected_loss == Decimal("45000.00")  # 1 % x 45 % of 10,000,000
    assert (deposit.contribution, loan.contribution) == (Decimal("50000.00"), Decimal("255000.00"))


def test_a_joint_account_by_hand(spark: SparkSession) -> None:
    bank: Bank = {
        "balances": [],
        "accounts": [account("a", "current", None), account("b", "current", None)],
        "account_parties": [owner("a", name) for name in ("y", "x", "z")] + [owner("b", "y"), owner("b", "x", "user")],
        "transactions": [("a", AS_OF, "fee", None, -10_001), ("b", AS_OF, "fee", None, 70)],
    }
    shares = {(row.account_id, row.customer_id): row.fees for row in earned(spark, bank, policy=EQUAL).collect()}
    assert shares == {
        ("a", "x"): Decimal("33.34"), ("a", "y"): Decimal("33.34"), ("a", "z"): Decimal("33.33"),
        ("b", "y"): Decimal("-0.70"),
    }  # fmt: skip
    whole = {(row.account_id, row.customer_id): row.fees for row in earned(spark, bank).collect()}
    assert whole == {("a", "x"): Decimal("100.01"), ("b", "y"): Decimal("-0.70")}


# -- a random bank --------------------------------------------------------------------------------------------------

KINDS = ("current", "savings", "term_deposit", "card", "investment")
TYPES, CHANNELS = ("fee", "card_payment", "salary"), ("mobile", "branch", None)
DAYS = [FIRST + timedelta(days=n) for n in range(365)]


def drawn_bank(dice: random.Random, accounts: int = 40) -> Bank:
    bank: Bank = defaultdict(list)

    def day(earliest: int, latest: int) -> date:
        return AS_OF + timedelta(days=dice.randint(earliest, latest))

    for n in range(accounts):
        name, opened = f"a{n}", day(-900, -1)
        closed = day(-500, 100) if dice.random() < 0.3 else None
        closed = max(closed, opened) if closed else None
        rate = dice.choice([None, "0.000000", "0.012500", "0.031700"])
        bank["accounts"].append(account(name, dice.choice(KINDS), rate, opened, closed))
        people = dice.sample(range(25), dice.choice([1, 1, 2, 3]))
        bank["account_parties"] += [owner(name, f"c{m:02}", dice.choice(["owner", "owner", "user"])) for m in people]
        turns = sorted({max(opened, day(-700, 30)) for _ in range(dice.randint(0, 9))})
        for start, following in zip(turns, [*turns[1:], None][: len(turns)], strict=True):
            end = None if following is None else following - timedelta(days=1)
            bank["balances"].append((name, start, end, dice.randint(-200_000, 900_000_000)))
        bank["transactions"] += [
            (name, day(-420, 10), dice.choice(TYPES), dice.choice(CHANNELS), dice.randint(-9_000, 9_000))
            for _ in range(dice.randint(0, 12))
        ]
        if dice.random() < 0.5:
            granted, status = day(-1500, 20), dice.choice(["A", "B", "C", "D", None])
            terms = (Decimal(dice.randint(1_000, 90_000)), dice.choice([3, 12, 40, 240]))
            given = (dice.choice([None, Decimal("0.05"), Decimal("0")]), dice.choice([None, Decimal("700.00")]))
            known = (status, None if status is None else day(-500, 40))
            bank["loans"].append((f"l{n}", name, granted, *terms, *given, *known, *held()))
    middle, gap, late = FIRST + timedelta(days=100), FIRST + timedelta(days=140), FIRST - timedelta(days=700)
    bank["transfer_prices"] = [
        ("current", 0, Decimal("0.010000"), *held(FIRST + timedelta(days=30))),
        ("savings", 0, Decimal("0.020000"), *held(OLD, middle)),
        ("savings", 0, Decimal("0.023000"), *held(gap)),
        ("savings", 12, Decimal("0.900000"), *held()),
        *[(kind, 0, Decimal("0.5"), *held(AS_OF + timedelta(days=1))) for kind in ("term_deposit", "loan")],
        ("loan", 12, Decimal("0.020000"), *held(late)),
        ("loan", 60, Decimal("0.030000"), *held(late, FIRST)),
        ("loan", 60, Decimal("0.035"), *held(FIRST)),
    ]
    bank["unit_costs"] = [
        ("card_payment", "mobile", Decimal("0.02"), *held(OLD, middle)),
        ("card_payment", "mobile", Decimal("0.03"), *held(middle)),
        *[(kind, "none", Decimal("0.01"), *held()) for kind in TYPES],
        ("fee", "branch", Decimal("2.40"), *held()),
    ]
    return bank


def in_force(rows: list[tuple[Any, ...]], day: date) -> list[tuple[Any, ...]]:
    midnight = datetime.combine(day, time())
    return [row for row in rows if row[-2] <= midnight and (row[-1] is None or row[-1] > midnight)]


def set_by_then(bank: Bank) -> list[tuple[Any, ...]]:
    """Prices that the bank had set by the day of the slice."""
    return [price for price in bank["transfer_prices"] if price[-2].date() <= AS_OF]


def rounded(value: Fraction) -> int:
    """Half away from zero."""
    whole = (2 * abs(value) + 1) // 2
    return int(whole if value >= 0 else -whole)


def deposit_margin(bank: Bank, row: tuple[Any, ...]) -> int | None:
    name, kind, opened, closed, _, rate, *_ = row
    if kind not in DEPOSITS or rate is None or kind not in {price[0] for price in set_by_then(bank)}:
        return None
    total = Fraction(0)
    for day in DAYS:
        price = min((p[1:3] for p in in_force(bank["transfer_prices"], day) if p[0] == kind), default=None)
        runs = [b for b in bank["balances"] if b[0] == name and b[1] <= day and (b[2] is None or b[2] >= day)]
        if price and runs and opened <= day and (closed is None or day <= closed):
            total += runs[0][3] * (Fraction(price[1]) - Fraction(rate)) / 365
    return rounded(total)


def average_balance(bank: Bank, row: tuple[Any, ...], months: int) -> int | None:
    name, kind, opened, closed, *_ = row
    if kind not in DEPOSITS:
        return None
    days = [day for day in DAYS if day >= AS_OF.replace(day=1) - relativedelta(months=months - 1)]
    balances = {
        day: b[3] for b in bank["balances"] if b[0] == name for day in days if b[1] <= day and (b[2] or day) >= day
    }
    lived = [minor for day, minor in balances.items() if opened <= day and (closed is None or day <= closed)]
    return rounded(Fraction(sum(lived), len(days)))


def principal(loan: tuple[Any, ...], paid: int) -> int:
    _, _, _, amount, months, rate, instalment, *_ = loan
    owed = Fraction(amount)
    if rate is None:
        owed -= owed * paid / months
    else:
        i = Fraction(rate) / 12
        even = Fraction(amount) / months if i == 0 else Fraction(amount) * i / (1 - (1 + i) ** -months)
        for _ in range(paid):
            owed += owed * i - (even if instalment is None else Fraction(instalment))
    return rounded(max(owed, Fraction(0)) * 100)


def loan_parts(bank: Bank, loan: tuple[Any, ...]) -> tuple[Fraction | int | None, int] | None:
    _, _, granted, _, months, rate, _, status, status_on, *_ = loan
    status = status if status_on and status_on <= AS_OF else None
    last = min(AS_OF, granted + relativedelta(months=months) - timedelta(days=1))
    if status in ("A", "B"):
        last = min(last, status_on - timedelta(days=1))
    days = [day for day in DAYS if granted <= day <= last]
    if not days:
        return None
    asked = max(granted, min(p[-2].date() for p in set_by_then(bank) if p[0] == "loan"))
    prices = [p for p in in_force(bank["transfer_prices"], asked) if p[0] == "loan"]
    enough = [p for p in prices if p[1] >= months]
    price = min(enough, key=lambda p: p[1]) if enough else max(prices, key=lambda p: p[1])
    owed = {}
    for day in days:
        paid = max(k for k in range(months) if granted + relativedelta(months=k) <= day)
        owed[day] = principal(loan, paid)
    margin = None if rate is None else rounded(sum(owed.values()) * (Fraction(rate) - Fraction(price[2])) / 365)
    chance = {"C": Fraction(1, 100), "D": Fraction(1, 4)}.get(status, Fraction(2, 100))
    return margin, rounded(owed.get(AS_OF, 0) * chance * Fraction(45, 100))


def expected(bank: Bank) -> dict[tuple[str, str], dict[str, int | None]]:
    """Parts in minor units by account and kind, of accounts that lived within the year."""
    found: dict[tuple[str, str], dict[str, int | None]] = {}
    for row in bank["accounts"]:
        name, kind, opened, closed = row[:4]
        if opened > AS_OF or (closed is not None and closed < FIRST):
            continue
        booked = [b for b in bank["transactions"] if b[0] == name and FIRST <= b[1] <= AS_OF]
        costs = [
            next((int(c[2] * 100) for c in in_force(bank["unit_costs"], b[1]) if c[:2] == (b[2], b[3] or "none")), None)
            for b in booked
        ]
        found[name, kind] = {
            "balance_month": average_balance(bank, row, 1), "balance_quarter": average_balance(bank, row, 3),
            "deposit_margin": deposit_margin(bank, row), "loan_margin": None, "expected_loss": None,
            "fees": -sum(b[4] for b in booked if b[2] == "fee"),
            "service_cost": sum(cost or 0 for cost in costs), "uncosted_bookings": costs.count(None),
        }  # fmt: skip
        for loan in bank["loans"]:
            if loan[1] == name and loan[2] <= AS_OF and (parts := loan_parts(bank, loan)) is not None:
                nothing = dict.fromkeys((*BALANCES, "deposit_margin", "fees", "service_cost", "uncosted_bookings"))
                found[name, "loan"] = {**nothing, "loan_margin": parts[0], "expected_loss": parts[1]}
    return found


@pytest.fixture(scope="module")
def bank() -> Bank:
    return drawn_bank(random.Random(20250131))


@pytest.fixture(scope="module")
def shared(spark: SparkSession, bank: Bank) -> list[Row]:
    return earned(spark, bank, policy=EQUAL).collect()


def cents(amount: Decimal | None) -> int | None:
    return None if amount is None else int(amount * 100)


def test_a_random_bank_earns_what_plain_python_says(shared: list[Row], bank: Bank) -> None:
    owned = {party[0] for party in bank["account_parties"] if party[2] == "owner"}
    wanted = {key: parts for key, parts in expected(bank).items() if key[0] in owned}
    found: dict[tuple[str, str], dict[str, int | None]] = {}
    for row in shared:
        parts = {name: cents(row[name]) for name in (*BALANCES, *PARTS)} | {"uncosted_bookings": row.uncosted_bookings}
        so_far = found.setdefault((row.account_id, row.product_kind), dict.fromkeys(parts))
        for name, part in parts.items():
            if part is not None:
                so_far[name] = (so_far[name] or 0) + part
    assert found == wanted
    seen = {name for parts in wanted.values() for name, part in parts.items() if part}
    assert seen == {*BALANCES, *PARTS, "uncosted_bookings"}, "the drawn bank has everything"


def test_every_level_adds_up_to_what_the_accounts_earned(shared: list[Row], bank: Bank, spark: SparkSession) -> None:
    owned = {party[0] for party in bank["account_parties"] if party[2] == "owner"}
    signs = {"deposit_margin": 1, "loan_margin": 1, "fees": 1, "service_cost": -1, "expected_loss": -1}
    accounts = [parts for (name, _), parts in expected(bank).items() if name in owned]
    total = Decimal(sum(sign * (parts[name] or 0) for parts in accounts for name, sign in signs.items())) / 100
    for level in ("customer_id", "account_id", "product_kind", "branch_id"):
        sums: dict[str, Decimal] = defaultdict(Decimal)
        for row in shared:
            sums[row[level]] += row.contribution
        assert len(sums) > 3
        assert sum(sums.values()) == total
    names = ("customer_id", "product_kind", "contribution", *BALANCES)
    layout = f"customer_id string, product_kind string, {', '.join(f'{name} decimal(18,2)' for name in names[2:])}"
    frame = spark.createDataFrame([tuple(row[name] for name in names) for row in shared], layout)
    customers = by_customer(frame).collect()
    assert sum(row.contribution for row in customers) == total
    assert sum(row.deposits_month or 0 for row in customers) == sum(row.balance_month or 0 for row in shared) != 0
    for row in shared:
        gains = [row[name] or 0 for name in ("deposit_margin", "loan_margin", "fees")]
        assert row.contribution == sum(gains) - (row.service_cost or 0) - (row.expected_loss or 0)


def test_what_belongs_to_nobody_in_the_slice_is_left_out(spark: SparkSession, bank: Bank) -> None:
    only = spark.createDataFrame([("c03",)], "customer_id string")
    frames = {name: spark.createDataFrame(rows, SCHEMAS[name]).coalesce(1) for name, rows in bank.items()}
    rows = contribution(only, policy=EQUAL, as_of=AS_OF, **frames).collect()
    assert {row.customer_id for row in rows} == {"c03"}
    # Alone in the slice, c03 has the whole of their joint accounts.
    names = {row.account_id for row in rows}
    wanted = [parts for (name, _), parts in expected(bank).items() if name in names]
    assert sum(cents(row.fees) or 0 for row in rows) == sum(parts["fees"] or 0 for parts in wanted)


def test_without_prices_and_costs_their_parts_are_unknown_and_count_nothing(spark: SparkSession, bank: Bank) -> None:
    poor = {name: rows for name, rows in bank.items() if name not in ("transfer_prices", "unit_costs")}
    rows = earned(spark, poor).collect()
    for name in ("deposit_margin", "loan_margin", "service_cost", "uncosted_bookings"):
        assert {row[name] for row in rows} == {None}
    assert {row.product_kind for row in rows} >= {"loan", "savings"}
    for row in rows:
        assert row.contribution == (row.fees or 0) - (row.expected_loss or 0)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("joint_accounts: owner\n", "joint_accounts: everybody\n", "joint_accounts"),
        ("{C: 0.01, D: 0.25, unknown: 0.02}", "{C: 0.01, D: 0.25}", "give C, D and unknown"),
        ("loss_given_default: 0.45", "loss_given_default: 45", "less than or equal to 1"),
    ],
)
def test_an_impossible_policy_is_refused(conf_dir: Path, tmp_path: Path, old: str, new: str, message: str) -> None:
    text = (conf_dir / "contribution.yml").read_text()
    assert old in text
    (tmp_path / "contribution.yml").write_text(text.replace(old, new))
    with pytest.raises(ConfigurationError, match=message):
        load_contribution_policy(tmp_path)


MILLION = 1_000_000


def large_bank(spark: SparkSession) -> dict[str, DataFrame]:
    """A million customers with 1.2 million accounts, one in six with two owners; 5 million bookings."""
    accounts = MILLION * 6 // 5
    versions = "timestamp'2000-01-01' as valid_from", "cast(null as timestamp) as valid_to"
    name = "concat('a', id) as account_id"
    any_account = f"concat('a', id % {accounts}) as account_id"
    start = f"date_add(date'2024-02-01', 90 * int(id div {accounts}))"
    owned = spark.range(accounts).selectExpr(name, f"concat('c', id % {MILLION}) as party_id")
    joint = spark.range(MILLION // 5).selectExpr(name, "concat('c', id + 500000) as party_id")
    return {
        "accounts": spark.range(accounts).selectExpr(
            name, "element_at(array('current', 'savings', 'term_deposit', 'card'), cast(id % 4 as int) + 1) as kind",
            "date'2020-01-01' as opened_on", "cast(null as date) as closed_on", "concat('B', id % 97) as branch_id",
            "cast(id % 300 / 10000 as decimal(9,6)) as interest_rate", *versions,
        ),
        "account_parties": owned.unionByName(joint).selectExpr(
            "*", "'owner' as role", "'person' as party_kind", *versions
        ),
        "balances": spark.range(4 * accounts).selectExpr(
            any_account, f"{start} as from_day", f"if(id < {3 * accounts}, date_add({start}, 89), null) as to_day",
            "pmod(xxhash64(id), 900000001L) - 10000000L as balance_minor",
        ),
        "transactions": spark.range(5 * MILLION).selectExpr(
            any_account, "date_add(date'2024-02-01', int(id % 365)) as booked_on", "'mobile' as channel",
            "if(id % 7 = 0, 'fee', 'card_payment') as type", "-pmod(xxhash64(id), 9001L) as signed_minor",
        ),
        "transfer_prices": spark.createDataFrame(
            [(kind, 0, Decimal("0.017"), *held()) for kind in DEPOSITS], SCHEMAS["transfer_prices"]
        ),
        "unit_costs": spark.createDataFrame(
            [("card_payment", "mobile", Decimal("0.03"), *held())], SCHEMAS["unit_costs"]
        ),
    }  # fmt: skip


@pytest.mark.scale
def test_shares_of_a_million_customers_are_the_whole_by_kind_and_branch(spark: SparkSession) -> None:
    sums = {}
    customers = spark.range(MILLION).selectExpr("concat('c', id) as customer_id")
    parts = dict.fromkeys((*BALANCES, *PARTS, "contribution"), "sum")
    for policy in (POLICY, EQUAL):
        rows = contribution(customers, policy=policy, as_of=AS_OF, **large_bank(spark))
        cells = rows.groupBy("product_kind", "branch_id").agg(parts | {"customer_id": "count"}).collect()
        sums[policy.joint_accounts] = {(row.product_kind, row.branch_id): row.asDict() for row in cells}
    shares = [sum(cell.pop("count(customer_id)") for cell in cells.values()) for cells in sums.values()]
    assert shares == [MILLION * 6 // 5, MILLION * 7 // 5]
    assert sums["owner"] == sums["equal_shares"]
    assert len(sums["owner"]) == 4 * 97
