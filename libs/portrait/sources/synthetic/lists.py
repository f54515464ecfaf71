"""The short lists of the synthetic bank: branches, companies, internal prices and costs."""

from __future__ import annotations

from datetime import date, timedelta
from hashlib import blake2b
from typing import Final

from portrait.sources.synthetic.bank import EMPLOYERS, Bank
from portrait.sources.synthetic.catalogue import REGIONS, URBAN_REGIONS
from portrait.sources.synthetic.codes import TYPES

INDUSTRIES: Final = (
    *("manufacturing", "trade", "services", "agriculture", "construction", "health", "education", "public"),
)
NAMES: Final = ("North", "Union", "Golden", "River", "Star", "Iron", "Green", "First", "Royal", "Bridge")
TRADES: Final = ("Works", "Trading", "Services", "Farms", "Builders", "Clinics", "Schools", "Office")
# kind of account, term in months, rate a year on the first day; each quarter 0.0005 more
TRANSFER_PRICES: Final = (
    *(("current", 0, 0.0150), ("savings", 0, 0.0220), ("card", 0, 0.0300)),
    *(("term_deposit", 12, 0.0280), ("term_deposit", 36, 0.0310), ("loan", 12, 0.0240), ("loan", 36, 0.0260)),
    *(("loan", 120, 0.0290), ("loan", 360, 0.0320)),
)
STEP: Final = 0.0005
# cost of one booking in EUR by channel, and what is ordered by nobody
UNIT_COSTS: Final = {
    "mobile": 0.02,
    "online": 0.03,
    "pos": 0.05,
    "atm": 0.35,
    "phone": 1.20,
    "branch": 2.40,
    "none": 0.01,
}


def branch_rows(start: date) -> list[dict[str, object]]:
    """One branch a region, valid from a month before the first booking."""
    return [
        {
            "branch_id": f"BR{number:02d}",
            "region_id": f"R{number:02d}",
            "name": f"{region[0]} branch",
            "kind": "full" if number <= URBAN_REGIONS else "cash" if number % 2 else "advice",
            "cost_per_month": f"{52_000 if number <= URBAN_REGIONS else 18_500}.00",
            "snapshot_on": start - timedelta(days=31),
        }
        for number, region in enumerate(REGIONS, start=1)
    ]


def company_rows(bank: Bank) -> list[dict[str, object]]:
    """One record a company, known before the first day: the employers of the customers; one in ten has a parent."""
    rows: list[dict[str, object]] = []
    for number in range(EMPLOYERS):
        region, people, industry = _draw(bank, "region", number), _draw(bank, "people", number), number % 8
        employees = int(5 * (1.0 - people) ** (-1 / 1.1))  # a power law, as sizes of firms follow
        revenue = employees * 120_000
        rows.append(
            {
                "company_id": f"E{number:04d}",
                "op": "I",
                "changed_at": f"{bank.start - timedelta(days=31)} 00:00:00",
                "name": f"{NAMES[number % len(NAMES)]} {TRADES[industry]} {number}",
                "industry": INDUSTRIES[industry],
                "registered_capital": f"{revenue // 10}.00",
                "revenue": f"{revenue}.00",
                "employees": employees,
                "parent_id": parent_of(number),
                "region_id": f"R{1 + int(region * len(REGIONS)):02d}",
                "branch_id": f"BR{1 + int(region * len(REGIONS)):02d}",
            }
        )
    return rows


def parent_of(number: int) -> str | None:
    """The company that owns this one: every tenth is owned by the one nine places before it; None: no parent."""
    return f"E{number - 9:04d}" if number % 10 == 9 else None


def transfer_price_rows(bank: Bank, until: date) -> list[dict[str, object]]:
    """Prices from a month before the first booking, and anew each quarter up to `until`."""
    rows: list[dict[str, object]] = []
    for month in range(0, bank.months, 3):
        day = bank.start + timedelta(days=bank.first_of(month)) if month else bank.start - timedelta(days=31)
        if day <= until:
            rows += [
                {"priced_on": day, "kind": kind, "term_months": term, "rate": f"{rate + STEP * (month // 3):.6f}"}
                for kind, term, rate in TRANSFER_PRICES
            ]
    return rows


def unit_cost_rows(start: date) -> list[dict[str, object]]:
    """The cost of every kind of booking on every channel, valid from a month before the first booking."""
    since = start - timedelta(days=31)
    return [
        {"costed_on": since, "type": kind, "channel": channel, "cost": f"{cost:.2f}"}
        for kind in TYPES
        for channel, cost in UNIT_COSTS.items()
    ]


def _draw(bank: Bank, name: str, number: int) -> float:
    """A number in [0, 1) of a company."""
    words = blake2b(f"{bank.seed}/company/{name}/{number}".encode(), digest_size=8).digest()
    return int.from_bytes(words, "big") / 2**64
