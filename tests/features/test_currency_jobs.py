"""A bank with accounts of several currencies: features and contribution are sums in one, by the rates of their days."""

from __future__ import annotations

import shutil
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from tests.deliveries import Delivery, arrive, run_job

from portrait.contracts import load_catalogue
from portrait.errors import InputRefused
from portrait.features import load_features
from portrait.lake import Lake, Lease
from portrait.run.job import shared_lake

pytestmark = [pytest.mark.delta, pytest.mark.process]

FEATURES = {
    "transactions": """\
source: transactions
measures:
  - {measure: credit_amount, aggregate: sum, of: amount, where: {direction: credit}, windows: [7d, life],
     description: Money that came in}
  - {measure: amount, aggregate: sum, of: amount, windows: [7d, life], description: Money of bookings in or out}
  - {measure: txn_count, aggregate: count, windows: [life], description: Bookings of any kind}
""",
    "balances": """\
source: balances
measures:
  - {measure: balance_last, aggregate: balance_last, where: {kind: current}, description: Balance at the end}
""",
    "cards": """\
source: cards
measures:
  - {measure: card_limit, aggregate: sum, of: credit_limit, where: {state: open}, description: Limits of cards}
""",
}
START, AS_OF = datetime(2024, 1, 1), date(2024, 5, 10)


def opened(account: str, currency: str) -> dict[str, Any]:
    return {"account_id": account, "op": "I", "changed_at": START, "kind": "current", "opened_on": START.date(),
            "currency": currency, "interest_rate": Decimal(0)}  # fmt: skip


def owner(account: str, customer: str) -> dict[str, Any]:
    return {"account_id": account, "party_id": customer, "op": "I", "changed_at": START, "role": "owner",
            "party_kind": "person"}  # fmt: skip


def booking(account: str, day: int, amount: str, kind: str = "transfer_in") -> dict[str, Any]:
    direction = "debit" if kind == "fee" else "credit"
    return {"transaction_id": f"{account}{day}{kind}", "account_id": account, "booked_at": datetime(2024, 5, day),
            "amount": Decimal(amount), "direction": direction, "type": kind}  # fmt: skip


def quote(day: int, **rates: str) -> list[dict[str, Any]]:
    return [{"quoted_on": date(2024, 5, day), "currency": name, "rate": Decimal(rate)} for name, rate in rates.items()]


FIRST: Delivery = {
    "accounts": [opened("E", "EUR"), opened("U", "USD"), opened("J", "CHF")],
    "account_parties": [owner("E", "one"), owner("U", "one"), owner("J", "two")],
    "customers": [
        {"customer_id": name, "op": "I", "changed_at": START, "birth_date": date(1990, 1, 1)} for name in ("one", "two")
    ],
    "cards": [{"card_id": "c", "op": "I", "changed_at": START, "account_id": "U", "customer_id": "one", "type": "gold",
               "issued_on": START.date(), "credit_limit": Decimal(1000)}],
    "transactions": [
        booking("E", 1, "100.00"), booking("U", 2, "10.05"), booking("U", 5, "10.00"), booking("U", 5, "2.00", "fee"),
        booking("J", 5, "7.00"),
    ],
    "exchange_rates": quote(2, USD="0.9") + quote(5, USD="0.95") + quote(9, USD="0.8"),
}  # fmt: skip
JOBS = ("entities", "transactions", "balances", "customer_daily", "customer_features", "contribution")


class Bank:
    """A lake and its configuration."""

    def __init__(self, spark: SparkSession, root: Path, schemas: Path, conf: Path) -> None:
        self.conf = root / "conf"
        (self.conf / "features").mkdir(parents=True)
        for name in ("currencies.yml", "contribution.yml", "reconciliation.yml"):
            shutil.copy(conf / name, self.conf)
        for name, text in FEATURES.items():
            (self.conf / "features" / f"{name}.yml").write_text(text, encoding="utf-8")
        columns = load_features(self.conf).columns()
        self.catalogue = load_catalogue(schemas).with_columns("gold.customer_features", columns)
        self.spark, self.root = spark, root / "lake"

    def name_currency(self, currency: str) -> None:
        file = self.conf / "currencies.yml"
        text = file.read_text(encoding="utf-8")
        assert "reporting: null" in text
        file.write_text(text.replace("reporting: null", f"reporting: {currency}"), encoding="utf-8")

    def run(self, delivery: Delivery, jobs: tuple[str, ...] = JOBS) -> None:
        with Lease(self.root) as lease, shared_lake(Lake(self.spark, self.root, self.catalogue, lease=lease)) as lake:
            if delivery:
                arrive(lake, delivery)
            for name in jobs:
                run_job(name, "--as-of", str(AS_OF), "--conf", str(self.conf))
                lake.complete(name, as_of=None, inputs={}, seconds=0.0)

    def features(self) -> dict[str, tuple[Any, ...]]:
        lake = Lake(self.spark, self.root, self.catalogue)
        sums = ("credit_amount_7d", "credit_amount_life", "amount_7d", "amount_life")
        names = (*sums, "txn_count_life", "balance_last", "card_limit")
        rows = lake.slice("gold.customer_features", AS_OF).select("customer_id", *names).collect()
        return {row.customer_id: tuple(row)[1:] for row in rows}


def test_sums_are_in_the_reporting_currency(
    spark: SparkSession, tmp_path: Path, schemas_dir: Path, conf_dir: Path
) -> None:
    bank = Bank(spark, tmp_path, schemas_dir, conf_dir)
    with pytest.raises(InputRefused, match="CHF, EUR, USD"):
        bank.run(FIRST, JOBS[:4])
    bank.name_currency("EUR")
    bank.run({}, JOBS[3:])
    # 10.05 x 0.9 = 9.045 = 9.05; 10.00 x 0.95 = 9.50; (10.05 + 10.00 - 2.00) x 0.8 = 14.44; 1000 x 0.8
    # In or out, the fee counts as well: 9.50 + 2.00 x 0.95 = 11.40; 118.55 + 1.90 = 120.45.
    came_in, booked = (Decimal("9.50"), Decimal("118.55")), (Decimal("11.40"), Decimal("120.45"))
    one = (*came_in, *booked, 4, Decimal("114.44"), Decimal(800))
    assert bank.features() == {"one": one, "two": (None, None, None, None, 1, None, 0)}
    lake = Lake(spark, bank.root, bank.catalogue)
    earned = {row.account_id: row for row in lake.slice("gold.contribution", AS_OF).collect()}
    assert (earned["U"].fees, earned["J"].balance_month, earned["E"].fees) == (Decimal("1.90"), None, 0)
    # A list of another day that names CHF, and a corrected one of the 2nd: past bookings count anew.
    late = quote(4, CHF="1.1", USD="0.9") + quote(9, CHF="1.2", USD="0.8")
    bank.run({"exchange_rates": late}, ("entities", "customer_daily", "customer_features"))
    assert bank.features()["two"] == (*[Decimal("7.70")] * 4, 1, Decimal("8.40"), 0)
    assert bank.features()["one"] == one
