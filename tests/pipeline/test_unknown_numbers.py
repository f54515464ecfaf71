"""A bank with numbers that fit no type: published, unknown for these customers, and for all others as before."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from tests.tiny_bank import AS_OF, Bank

from portrait.lake import Lake
from portrait.run.suite import load_suite

pytestmark = [pytest.mark.delta, pytest.mark.process]

GIANT = "9999999999999999.99"
HEADER = ["transaction_id", "account_id", "booked_at", "amount", "direction", "balance_after", "type", "channel"]
HEADER += ["category", "merchant_id", "counterparty_bank", "counterparty_account", "note"]
# What each of the customers gets: amount, direction, balance_after, and how often.
BOOKED = {
    "two credits": [(GIANT, "credit", "", 2)],
    "many debits": [(GIANT, "debit", "", 15)],
    "both signs": [(GIANT, "credit", "", 12), (GIANT, "debit", "", 12)],
    "one long ago": [(GIANT, "credit", "", 1)],
    "a balance": [("0.01", "credit", GIANT, 1)],
    "a cent": [("0.01", "debit", "", 20_000)],
    "fees": [(GIANT, "debit", "", 3)],
    "loans": [],
    "holdings": [],
}


def rows_of(feed: Path) -> list[dict[str, str]]:
    return [row for file in sorted(feed.glob("*.csv")) for row in csv.DictReader(file.open(encoding="utf-8"))]


def write(path: Path, rows: list[dict[str, object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


def plant(landing: Path) -> dict[str, tuple[str, str]]:
    """Land the giants; what is wrong to the customer and account that have it."""
    parties = [row for row in rows_of(landing / "account_parties") if row["account_id"]]
    owners = Counter(row["account_id"] for row in parties)
    open_accounts = {row["account_id"] for row in rows_of(landing / "accounts") if row["kind"] == "current"}
    open_accounts -= {row["account_id"] for row in rows_of(landing / "accounts") if row["op"] != "I"}
    booked = {row["account_id"] for row in rows_of(landing / "transactions")}
    chosen: dict[str, str] = {}
    for row in parties:
        alone = owners[row["account_id"]] == 1 and row["role"] == "owner" and row["party_kind"] == "person"
        if alone and row["account_id"] in open_accounts & booked:
            chosen.setdefault(row["party_id"], row["account_id"])
    found = dict(zip(BOOKED, sorted(chosen.items()), strict=False))
    bookings: list[dict[str, object]] = []
    for name, (_, account) in found.items():
        for amount, direction, after, times in BOOKED[name]:
            kind = "fee" if name == "fees" else "transfer_in" if direction == "credit" else "transfer_out"
            day = "2025-01-15" if name == "one long ago" else "2025-03-10"
            facts = ("", account, f"{day} 10:00:00", amount, direction, after, kind)
            row = dict.fromkeys(HEADER, "") | dict(zip(HEADER, facts, strict=False))
            ids = [f"GIANT-{name.replace(' ', '-')}-{direction}-{number}" for number in range(times)]
            bookings += [row | {"transaction_id": number} for number in ids]
    write(landing / "transactions" / "giants.csv", bookings)
    changed = {"op": "I", "changed_at": "2025-02-01 00:00:00"}
    loan = {**changed, "account_id": found["loans"][1], "granted_on": "2025-02-01", "amount": GIANT, "months": 12,
            "rate": "0.050000", "instalment": GIANT, "status": "C", "status_on": "2025-02-01"}  # fmt: skip
    write(landing / "loans" / "giants.csv", [{"loan_id": f"GIANT-{n}", **loan} for n in range(12)])
    product = next(row for row in rows_of(landing / "products") if row["kind"] == "investment")["product_id"]
    holding = {**changed, "customer_id": found["holdings"][0], "product_id": product, "opened_on": "2025-02-01",
               "closed_on": "", "amount": GIANT}  # fmt: skip
    write(landing / "holdings" / "giants.csv", [{"holding_id": f"GIANT-{n}", **holding} for n in range(12)])
    return found


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Bank:
    bank = Bank(tmp_path_factory.mktemp("sound"))
    words = ("--customers", "150", "--months", "3", "--seed", "5", "--to", str(bank.landing), "--feeds", "all")
    landed = bank.portrait("land", "synthetic", *words)
    assert landed.returncode == 0, landed.stderr
    return bank


def slice_of(spark: SparkSession, bank: Bank, table: str) -> DataFrame:
    return spark.read.format("delta").load(str(bank.lake / table.replace(".", "/"))).where(F.col("as_of") == AS_OF)


def test_only_the_customers_with_giants_have_unknown_numbers(
    spark: SparkSession, sound: Bank, tmp_path: Path, conf_dir: Path, schemas_dir: Path
) -> None:
    bank = sound.fresh(tmp_path)
    planted = plant(bank.landing)
    assert len(planted) == len(BOOKED)
    for one in (sound, bank):
        done = one.run()
        assert done.returncode == 0, done.stderr
    assert "rows have a number that its type cannot hold" in done.stdout
    lake = Lake(spark, bank.lake, load_suite(conf_dir, schemas_dir))
    assert lake.slices("gold.customer_features") == [AS_OF]

    theirs = {name: customer for name, (customer, _) in planted.items()}
    features, before = (slice_of(spark, one, "gold.customer_features") for one in (bank, sound))
    others = ~F.col("customer_id").isin(list(theirs.values()))
    columns = before.columns
    changed = features.where(others).select(columns).exceptAll(before.where(others))
    assert changed.count() == 0
    assert features.where(others).count() == before.where(others).count()

    row = {item.customer_id: item for item in features.where(~others).collect()}
    of = {name: row[customer] for name, customer in theirs.items()}
    assert of["two credits"].credit_amount_30d is None  # 2 x 9999999999999999.99 and what was there
    assert of["two credits"].debit_amount_30d is not None
    assert of["two credits"].txn_count_30d >= 2
    assert of["many debits"].debit_amount_365d is None
    assert of["both signs"].credit_amount_30d is None
    assert of["one long ago"].credit_amount_30d is not None
    assert of["loans"].loan_amount is None
    assert of["loans"].loan_count >= 12
    assert of["holdings"].investment_amount is None
    assert of["a cent"].debit_amount_30d >= 200
    assert of["a cent"].txn_count_30d >= 20_000

    value = {item.customer_id: item for item in slice_of(spark, bank, "gold.customer_value").collect()}
    assert value[theirs["fees"]].contribution is None
    assert value[theirs["loans"]].contribution is None
    assert value[theirs["holdings"]].assets is None
    known = [item for customer, item in value.items() if customer not in theirs.values()]
    assert all(None not in (item.assets, item.contribution, item.monetary) for item in known)
    tiers = slice_of(spark, bank, "gold.customer_tier")
    assert tiers.count() == features.count()

    results = slice_of(spark, bank, "ops.quality_results").where("not success").collect()
    assert all(item.severity == "warning" for item in results)
    counted = {(item.table_name, item.rule): item.unexpected_count for item in results}
    assert counted["gold.customer_features", "loan_amount.fits"] == 1
    assert 5 <= counted["gold.customer_features", "numbers.fit"] <= len(planted)
    assert counted["gold.customer_value", "contribution.fits"] >= 2
