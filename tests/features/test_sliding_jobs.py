"""A lake that is run day by day has the slices that all its bookings give, whatever came late or was corrected."""

from __future__ import annotations

import shutil
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import Row, SparkSession
from tests.deliveries import Delivery, arrive, run_job

from portrait.contracts import load_catalogue
from portrait.entities.daily import daily_bookings
from portrait.errors import PortraitError
from portrait.features import customer_features, load_features
from portrait.features.sliding import earlier_slice
from portrait.lake import Lake, Lease
from portrait.run.job import shared_lake

pytestmark = [pytest.mark.delta, pytest.mark.process]

FEATURES = """\
source: transactions
measures:
  - {measure: txn_count, aggregate: count, windows: [7d, 365d, mtd, life], description: Bookings of any kind}
  - {measure: credit_amount, aggregate: sum, of: amount, windows: [30d, life], description: Money of bookings}
  - {measure: credit_max, aggregate: max, of: amount, windows: [90d], description: Largest booking}
  - {measure: active_months, aggregate: distinct_months, windows: [365d], description: Months with a booking}
  - {measure: days_since_txn, aggregate: days_since_last, description: Days since the last booking}
  - {measure: types, aggregate: count_distinct, of: type, windows: [30d], description: Different types}
  - {measure: payers, aggregate: count_distinct, of: counterparty_account, windows: [90d], description: Other accounts}
  - {measure: credit_avg, aggregate: average, of: amount, windows: [30d, 3cm], description: Mean booking}
"""
FIRST, SECOND = date(1998, 3, 30), date(1998, 4, 1)


def booking(number: str, account: str, day: date, amount: str) -> dict[str, Any]:
    return {
        "transaction_id": number, "account_id": account, "booked_at": datetime(day.year, day.month, day.day),
        "amount": Decimal(amount), "direction": "credit", "type": "transfer_in", "counterparty_account": f"of {amount}",
    }  # fmt: skip


def owner(account: str, customer: str, op: str, at: datetime, role: str = "owner") -> dict[str, Any]:
    party = {"account_id": account, "party_id": customer, "role": role, "party_kind": "person"}
    return {**party, "op": op, "changed_at": at}


def user(account: str, customer: str, op: str, at: datetime) -> dict[str, Any]:
    return owner(account, customer, op, at, "user")


def opened(account: str) -> dict[str, Any]:
    day = date(1992, 1, 1)
    return {
        "account_id": account, "op": "I", "changed_at": datetime(1992, 1, 1), "kind": "current", "opened_on": day,
        "currency": "CZK",
    }  # fmt: skip


START = datetime(1992, 1, 1)
BEFORE: Delivery = {
    "customers": [{"customer_id": c, "op": "I", "changed_at": START} for c in ("anna", "ben", "cyd", "fay")],
    "accounts": [opened(account) for account in ("a", "b", "c", "d")],
    "account_parties": [
        owner("a", "anna", "I", START),
        owner("b", "ben", "I", START),
        owner("c", "cyd", "I", START),
        owner("d", "gil", "I", START),
        user("a", "dora", "I", START),
        user("b", "eve", "I", START),
    ],
    "transactions": [
        *[booking(f"old{n}", "abc"[n % 3], date(1992 + n % 7, 1 + n % 3, 1 + n), f"{n + 1}.50") for n in range(24)],
        booking("large", "a", date(1998, 1, 2), "9000"),
        booking("last", "b", date(1998, 3, 29), "10"),
        booking("leaves", "b", date(1998, 3, 24), "20"),
        booking("orphan", "o", date(1998, 3, 28), "33"),
    ],
}
# The day's, a late one, two that correct day and amount of what came first, one with the id of another account (which
# keeps it), the account c has belonged to ben since February, and the account of the orphan and its owner come late.
# cyd uses anna's account since, fay since today; dora, who used it, has taken over gil's; eve may no longer use ben's.
TODAY = datetime(1998, 4, 1)
AFTER: Delivery = {
    "customers": [{"customer_id": "olga", "op": "I", "changed_at": START}],
    "accounts": [opened("o")],
    "account_parties": [
        owner("c", "cyd", "D", datetime(1998, 2, 1)),
        owner("c", "ben", "I", datetime(1998, 2, 1)),
        user("a", "cyd", "I", datetime(1998, 2, 1)),
        user("a", "fay", "I", TODAY),
        user("b", "eve", "D", TODAY),
        owner("d", "gil", "D", TODAY),
        owner("d", "dora", "I", TODAY),
        owner("o", "olga", "I", START),
    ],
    "transactions": [
        booking("new", "a", date(1998, 4, 1), "3"),
        booking("first of d", "d", date(1998, 4, 1), "4"),
        booking("late", "a", date(1997, 12, 30), "12000"),
        booking("last", "b", date(1998, 3, 1), "11"),
        booking("old2", "c", date(1994, 12, 31), "7"),
        booking("large", "b", date(1998, 1, 3), "77777"),
    ],
}


class Bank:
    """A lake and the folder that declares its features."""

    def __init__(self, spark: SparkSession, root: Path, schemas: Path) -> None:
        (root / "conf" / "features").mkdir(parents=True)
        (root / "conf" / "features" / "transactions.yml").write_text(FEATURES)
        self.conf = root / "conf"
        shutil.copy(Path(__file__).resolve().parents[2] / "conf" / "currencies.yml", self.conf)
        columns = load_features(self.conf).columns()
        self.catalogue = load_catalogue(schemas).with_columns("gold.customer_features", columns)
        self.spark, self.root = spark, root / "lake"

    def run(self, delivery: Delivery, as_of: date) -> bool:
        """One run: this delivery, then the slice. Whether there was an earlier slice to slide from."""
        with Lease(self.root) as lease, shared_lake(Lake(self.spark, self.root, self.catalogue, lease=lease)) as lake:
            arrive(lake, delivery)
            for name in ("entities", "transactions", "balances", "customer_daily"):
                self._job(lake, name, None)
            slides = earlier_slice(lake, as_of) is not None
            self._job(lake, "customer_features", as_of)
            return slides

    def _job(self, lake: Lake, name: str, as_of: date | None) -> None:
        conf = Path(__file__).resolve().parents[2] / "conf" if as_of is None else self.conf
        read = {} if as_of is None else {"silver.transactions": f"version {lake.version('silver.transactions')}"}
        run_job(name, "--as-of", str(as_of or SECOND), "--conf", str(conf))
        lake.complete(name, as_of=as_of, inputs=read, seconds=0.0)

    def slice(self, as_of: date) -> list[Row]:
        lake = Lake(self.spark, self.root, self.catalogue)
        names = [feature.name for feature in load_features(self.conf).features]
        return lake.slice("gold.customer_features", as_of).select("customer_id", *names).sort("customer_id").collect()


@pytest.fixture(scope="module")
def day_by_day(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, schemas_dir: Path) -> Bank:
    bank = Bank(spark, tmp_path_factory.mktemp("days"), schemas_dir)
    assert not bank.run(BEFORE, FIRST)
    assert bank.run(AFTER, SECOND)
    return bank


def test_a_slice_that_slides_is_the_one_computed_from_all_bookings(day_by_day: Bank) -> None:
    lake = Lake(day_by_day.spark, day_by_day.root, day_by_day.catalogue)
    entities = {name: lake.read(f"silver.{name}") for name in ("balances", "accounts", "account_parties", "customers")}
    booked = lake.read("silver.transactions")
    whole = customer_features(
        {**entities, "transactions": booked, "customer_daily": daily_bookings(booked)},
        features=load_features(day_by_day.conf),
        as_of=SECOND,
        bookings=lake.catalogue.table("silver.transactions"),
    )
    found = day_by_day.slice(SECOND)
    assert found == whole.select(found[0].__fields__).sort("customer_id").collect()


def test_what_came_is_in_the_slice(day_by_day: Bank) -> None:
    anna, ben, cyd, dora, fay, olga = day_by_day.slice(SECOND)  # eve and gil have no relationship any more
    assert (anna.txn_count_7d, anna.credit_max_90d, anna.days_since_txn) == (1, Decimal("9000.00"), 0)
    # His last booking is of 1 March now; that of the 24th left the week; those of account c since February are his.
    assert (ben.txn_count_7d, ben.days_since_txn) == (0, 8)
    # What was booked on c until February stays hers, who owns nothing now.
    assert (cyd.txn_count_7d, cyd.txn_count_life) == (0, 7)
    assert (dora.txn_count_7d, dora.txn_count_life, dora.days_since_txn) == (1, 1, 0)
    assert (fay.txn_count_life, fay.credit_amount_life, fay.days_since_txn) == (0, Decimal("0.00"), None)
    # Her account came after its booking.
    assert (olga.txn_count_7d, olga.credit_amount_30d) == (1, Decimal("33.00"))
    assert [row.customer_id for row in day_by_day.slice(FIRST)] == ["anna", "ben", "cyd", "dora", "eve", "gil"]


def test_daily_bookings_packed_by_hand_are_of_the_same_state(day_by_day: Bank) -> None:
    with Lease(day_by_day.root) as lease:
        lake = Lake(day_by_day.spark, day_by_day.root, day_by_day.catalogue, lease=lease)
        lake.register("silver.customer_daily")
        day_by_day.spark.sql("OPTIMIZE silver.customer_daily")
        assert earlier_slice(lake, SECOND) is not None


def test_features_wait_for_the_daily_bookings(day_by_day: Bank) -> None:
    with Lease(day_by_day.root) as lease:
        lake = Lake(day_by_day.spark, day_by_day.root, day_by_day.catalogue, lease=lease)
        note = {"transactions": lake.version("silver.transactions") - 1, "appends": 1}
        none = lake.read("silver.customer_daily").limit(0)
        lake.append("silver.customer_daily", none, note=note)
        with pytest.raises(PortraitError, match="not of the same state as") as raised:
            earlier_slice(lake, SECOND)
    assert "submit jobs/customer_daily.py alone" in (raised.value.remedy or "")
