"""Patterns of transfers, planted by hand: each is found, and what is nearly one is not."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from portrait.capabilities.funds.alerts import fund_alerts
from portrait.capabilities.funds.policy import Alerts

DAY = date(2025, 3, 31)
START = datetime(2025, 3, 10)
Row = tuple[str, float, str, str | None, int, str]
"""Account, hours from START, direction, the other account, amount, type."""


def sent(source: str, target: str, hours: float, amount: int = 5000) -> list[Row]:
    """Both sides of a transfer."""
    return [
        (source, hours, "debit", target, amount, "transfer_out"),
        (target, hours, "credit", source, amount, "transfer_in"),
    ]


def bookings(spark: SparkSession, rows: list[Row], owners: dict[str, str] | None = None) -> DataFrame:
    full = []
    for number, (account, hours, direction, other, amount, kind) in enumerate(rows):
        at = START + timedelta(hours=hours)
        owner = (owners or {}).get(account, f"owner of {account}")
        full.append((str(number), account, owner, at, at.date(), direction, kind, amount * 100, other))
    return spark.createDataFrame(
        full,
        "transaction_id string, account_id string, customer_id string, booked_at timestamp, booked_on date, "
        "direction string, type string, amount_minor bigint, counterparty_account string",
    )


def cash(account: str, hours: float, amount: int) -> Row:
    return (account, hours, "credit", None, amount, "cash_deposit")


FIVE = range(5)
# Every case has accounts of its own, named `case.account`.
CASES: dict[str, list[Row]] = {
    "circle": [
        *sent("a", "b", 0, 5000), *sent("b", "c", 24, 4900), *sent("c", "d", 48, 4800), *sent("d", "a", 72, 4700),
    ],
    "back before it left": [*sent("a", "b", 0), *sent("b", "c", 24), *sent("c", "a", 12)],
    "too late": [*sent("a", "b", 0), *sent("b", "c", 24), *sent("c", "a", 24 + 73)],
    "another sum": [*sent("a", "b", 0), *sent("b", "c", 24), *sent("c", "a", 48, 2000)],
    "too little": [*sent("a", "b", 0, 900), *sent("b", "a", 24, 900)],
    "six hops": [row for n, pair in enumerate(zip("abcdef", "bcdefa", strict=True)) for row in sent(*pair, 10 * n)],
    "own": [*sent("a", "b", 0), *sent("b", "a", 24)],  # both accounts are of one customer
    "two": [*sent("a", "b", 0), *sent("b", "a", 24)],
    "gathers": [row for n in FIVE for row in sent(f"g{n}", "sink", 5 * n, 100)],
    "gathers slowly": [row for n in FIVE for row in sent(f"g{n}", "sink", 7 * n, 100)],  # five within 28 hours
    "spreads": [row for n in FIVE for row in sent("source", f"g{n}", n, 100)],
    "passes once": [*sent("x", "mule", 0), *sent("mule", "y", 40, 4600)],
    "passes twice": [
        *sent("x", "mule", 0), *sent("mule", "y", 40, 4600), *sent("x", "mule", 200), *sent("mule", "z", 201, 4900),
    ],
    "stays": [
        *sent("x", "mule", 0), *sent("mule", "y", 40, 4600), *sent("x", "mule", 200), *sent("mule", "z", 249, 4900),
    ],
    "bipartite": [row for g in "abc" for t in "xyz" for row in sent(g, t, ord(g) - 97, 600)],
    "bipartite of two": [row for g in "ab" for t in "xyz" for row in sent(g, t, ord(g) - 97, 600)],
    "bipartite slowly": [row for g in "abc" for t in "xyz" for row in sent(g, t, 73 * (ord(g) - 97), 600)],
    "stack": [
        *(row for g in "ab" for m in "mn" for row in sent(g, m, ord(g) - 97, 600)),
        *(row for m in "mn" for t in "xy" for row in sent(m, t, 24, 590)),
    ],
    "stack upside down": [
        *(row for g in "ab" for m in "mn" for row in sent(g, m, 24, 600)),
        *(row for m in "mn" for t in "xy" for row in sent(m, t, 0, 590)),
    ],
    "walk": [row for n, pair in enumerate(pairwise("abcdef")) for row in sent(*pair, 24 * n, 900 - 20 * n)],
    "short walk": [row for n, pair in enumerate(pairwise("abcde")) for row in sent(*pair, 24 * n, 900)],
    "walk that shrinks": [row for n, pair in enumerate(pairwise("abcdef")) for row in sent(*pair, n, 900 - 99 * n)],
    "scatter-gather": [row for m in "mno" for row in (*sent("a", m, 0, 700), *sent(m, "z", 48, 650))],
    "scatter-gather of small change": [row for m in "mno" for row in (*sent("a", m, 0, 70), *sent(m, "z", 48, 65))],
    "scatter without gather": [row for m in "mno" for row in (*sent("a", m, 0, 700), *sent(m, f"z{m}", 48, 650))],
    "gather-scatter": [
        *(row for g in "abc" for row in sent(g, "m", ord(g) - 97, 700)),
        *(row for t in "xyz" for row in sent("m", t, 30, 650)),
    ],
    "gathers and keeps": [
        *(row for g in "abc" for row in sent(g, "m", ord(g) - 97, 700)),
        *(row for t in "xyz" for row in sent("m", t, 30, 500)),
    ],
    "structured": [cash("a", 0, 9900), cash("a", 50, 9500), cash("a", 160, 9000)],
    "more than a week": [cash("a", 0, 9900), cash("a", 50, 9500), cash("a", 169, 9000)],
    "not just below": [cash("a", 0, 10000), cash("a", 1, 9500), cash("a", 2, 8999)],
    "before the window": [*sent("a", "b", -24 * 12), *sent("b", "a", -24 * 11)],  # 26 and 27 February
}  # fmt: skip
Found = dict[tuple[str, str], Any]


@pytest.fixture(scope="module")
def found(spark: SparkSession) -> dict[str, Found]:
    """Case to its alerts: (kind, account) to the row."""

    def named(case: str, account: str | None) -> str | None:
        return None if account is None else f"{case}.{account}"

    rows = [(f"{case}.{one}", hours, direction, named(case, other), amount, kind)
            for case, listed in CASES.items() for one, hours, direction, other, amount, kind in listed]  # fmt: skip
    frame = bookings(spark, rows, owners={"own.a": "one", "own.b": "one"})
    alerts = fund_alerts(frame, policy=Alerts(), as_of=DAY).collect()
    assert len({(row.kind, row.account_id) for row in alerts}) == len(alerts)
    by_case: dict[str, Found] = {case: {} for case in CASES}
    for row in alerts:
        case, _, account = row.account_id.partition(".")
        by_case[case][row.kind, account] = row
    return by_case


def test_a_circle_of_rising_times_is_found_with_all_its_accounts(found: dict[str, Found]) -> None:
    alerts = found["circle"]
    assert {account for kind, account in alerts if kind == "cycle"} == set("abcd")
    assert alerts["cycle", "c"].evidence == "circle.a > circle.b > circle.c > circle.d"
    assert alerts["cycle", "a"].amount == 19_400
    assert ("cycle", "a") in found["two"]


@pytest.mark.parametrize("case", ["back before it left", "too late", "another sum", "too little", "six hops"])
def test_what_is_nearly_a_circle_is_none(found: dict[str, Found], case: str) -> None:
    assert "cycle" not in {kind for kind, _ in found[case]}


@pytest.mark.parametrize("case", ["own", "gathers slowly", "passes once", "stays", "more than a week",
                                  "not just below", "before the window", "bipartite of two", "bipartite slowly",
                                  "stack upside down", "short walk", "walk that shrinks",
                                  "scatter-gather of small change", "scatter without gather",
                                  "gathers and keeps"])  # fmt: skip
def test_what_is_nearly_a_pattern_is_none(found: dict[str, Found], case: str) -> None:
    assert found[case] == {}


def test_patterns_say_how_often(found: dict[str, Found]) -> None:
    events = {case: {key: row.events for key, row in found[case].items()}
              for case in ("gathers", "spreads", "passes twice", "structured")}  # fmt: skip
    assert events == {
        "gathers": {("fan_in", "sink"): 5},
        "spreads": {("fan_out", "source"): 5},
        "passes twice": {("pass_through", "mule"): 2},
        "structured": {("structuring", "a"): 3},
    }


@pytest.mark.parametrize(
    ("case", "kind", "accounts", "evidence"),
    [
        ("bipartite", "bipartite", "abcxyz", "3 accounts > the same 3 accounts"),
        ("stack", "stack", "abmnxy", "2 accounts > stack.m and stack.n > 2 accounts"),
        ("walk", "random", "abcdef", "walk.a > walk.b > walk.c > walk.d > walk.e > walk.f"),
        ("scatter-gather", "scatter_gather", "amnoz", "scatter-gather.a > 3 accounts > scatter-gather.z"),
        ("gather-scatter", "gather_scatter", "abcmxyz", "3 accounts > gather-scatter.m > 3 accounts"),
    ],
)
def test_a_ring_is_found_with_all_its_accounts(
    found: dict[str, Found], case: str, kind: str, accounts: str, evidence: str
) -> None:
    assert set(found[case]) == {(kind, account) for account in accounts}
    assert {row.evidence for row in found[case].values()} == {evidence}
