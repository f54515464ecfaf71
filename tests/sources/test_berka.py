"""The PKDD'99 bank as feeds: counts as published, and rows compared with the source files by hand."""

from __future__ import annotations

import csv
from collections import Counter
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from portrait.contracts import load_catalogue
from portrait.errors import ConfigurationError, InputRefused
from portrait.ingest.trial import tried
from portrait.mappings import load_mappings
from portrait.sources import land_berka
from portrait.sources.berka import add_months

CHECKOUT = Path(__file__).resolve().parents[2]

KNOWN_BY = date(1993, 12, 31)


Feeds = dict[str, list[dict[str, str]]]


def _row(feeds: Feeds, feed: str, **key: str) -> dict[str, str]:
    (row,) = [row for row in feeds[feed] if all(row[name] == value for name, value in key.items())]
    return {name: value for name, value in row.items() if value}


def _source(berka_dir: Path, file: str, delimiter: str) -> list[dict[str, str]]:
    with (berka_dir / file).open(newline="") as lines:
        return list(csv.DictReader(lines, delimiter=delimiter))


def _landed(spark: SparkSession, berka_dir: Path, folder: Path, until: date | None = None) -> Feeds:
    """The feeds as texts, as conf/sources/berka makes them of the landed files; no record breaks a rule."""
    land_berka(source=berka_dir, landing=folder / "landing", until=until)
    catalogue = load_catalogue(CHECKOUT / "schemas", standard=False)
    mappings = load_mappings(CHECKOUT / "conf", catalogue)
    feeds: Feeds = {}
    for feed in dict.fromkeys(item.feed for item in mappings):
        rows = tried(
            spark, landing=folder / "landing", feed=feed, catalogue=catalogue, mappings=mappings, work=folder / "work"
        )
        names = catalogue.table(f"raw.{feed}").column_names
        texts = [F.coalesce(F.col(name).cast("string"), F.lit("")).alias(name) for name in names]
        kept = rows.where("__present").select(*texts, F.col("__reasons").isNull().alias("sound")).toArrow().to_pylist()
        assert all(row.pop("sound") for row in kept)
        feeds[feed] = kept
    return feeds


@pytest.fixture(scope="module")
def whole(spark: SparkSession, berka_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Feeds:
    return _landed(spark, berka_dir, tmp_path_factory.mktemp("berka"))


@pytest.fixture(scope="module")
def early(spark: SparkSession, berka_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Feeds:
    return _landed(spark, berka_dir, tmp_path_factory.mktemp("early"), KNOWN_BY)


@pytest.mark.parametrize(
    ("feed", "rows"),
    [
        ("regions", 77),
        ("customers", 5369),
        ("accounts", 4500),
        ("account_parties", 5369),
        ("transactions", 49102),
        ("cards", 892),
        ("loans", 682),
        ("standing_orders", 6471),
        ("products", 8),
        # 892 cards, 682 loans, 532 insurances, 341 leasings, 3502 household and 1379 other orders
        ("holdings", 892 + 682 + 532 + 341 + 3502 + 1379),
    ],
)
def test_rows_of_a_feed(whole: Feeds, feed: str, rows: int):
    assert len(whole[feed]) == rows


def test_the_summary_counts_the_records(berka_dir: Path, tmp_path: Path):
    written = land_berka(source=berka_dir, landing=tmp_path)
    lines = {name: (tmp_path / "berka" / name).read_text().count("\n") - 1 for name in written}
    assert written == lines
    assert (written["client.asc"], written["order.asc"]) == (5369, 6471)


def test_a_file_of_which_nothing_was_known_has_a_header(berka_dir: Path, tmp_path: Path):
    written = land_berka(source=berka_dir, landing=tmp_path, until=date(1993, 1, 1))
    assert written["loan.asc"] == 0
    assert (tmp_path / "berka" / "loan.asc").read_text().startswith("loan_id;account_id;date;")


def test_money_is_neither_lost_nor_made(whole: Feeds, berka_dir: Path):
    landed = sum(Decimal(row["amount"]) * (1 if row["direction"] == "credit" else -1) for row in whole["transactions"])
    published = _source(berka_dir, "trans_bankwide_19930101_19940331.csv", ",")
    assert landed == sum(Decimal(row["amount"]) * (1 if row["type"] == "PRIJEM" else -1) for row in published)


def test_what_a_booking_is(whole: Feeds, berka_dir: Path):
    # The symbol decides, and without one the operation.
    source = _source(berka_dir, "trans_bankwide_19930101_19940331.csv", ",")
    said = {row["trans_id"]: (row["operation"], row["k_symbol"].strip()) for row in source}
    found = {
        (*said[row["transaction_id"]], row["type"], row["channel"], row["category"]) for row in whole["transactions"]
    }
    assert found == {
        ("VKLAD", "", "cash_deposit", "branch", ""),
        ("VYBER", "", "cash_withdrawal", "branch", ""),
        ("VYBER KARTOU", "", "card_withdrawal", "atm", ""),
        ("PREVOD NA UCET", "", "transfer_out", "", ""),
        ("PREVOD Z UCTU", "", "transfer_in", "", ""),
        ("PREVOD NA UCET", "SIPO", "transfer_out", "", "household"),
        ("VYBER", "SIPO", "transfer_out", "", "household"),
        ("PREVOD NA UCET", "POJISTNE", "transfer_out", "", "insurance"),
        ("PREVOD NA UCET", "UVER", "loan_payment", "", ""),
        ("PREVOD Z UCTU", "DUCHOD", "pension", "", ""),
        ("", "UROK", "interest", "", ""),
        ("VYBER", "SLUZBY", "fee", "", ""),
        ("VYBER", "SANKC. UROK", "fee", "", ""),
    }


def test_bookings_by_type(whole: Feeds):
    # counted in the source with awk; 3603 + 116 are household payments, 5445 + 64 fees
    counts = Counter(row["type"] for row in whole["transactions"])
    assert counts == {
        "cash_withdrawal": 13436 + 651 + 41,
        "cash_deposit": 9759,
        "interest": 9463,
        "fee": 5445 + 64,
        "transfer_out": 3603 + 116 + 1636 + 337 + 644,
        "transfer_in": 2002,
        "pension": 1770,
        "loan_payment": 123,
        "card_withdrawal": 12,
    }


def test_a_booking(whole: Feeds):
    # 637742,2177,1993-01-05,PRIJEM,PREVOD Z UCTU,5123.0,5923.0,DUCHOD,YZ,62457513.0
    assert _row(whole, "transactions", transaction_id="637742") == {
        "transaction_id": "637742",
        "account_id": "2177",
        "booked_at": "1993-01-05 00:00:00",
        "amount": "5123.00",
        "direction": "credit",
        "balance_after": "5923.00",
        "type": "pension",
        "counterparty_bank": "YZ",
        "counterparty_account": "62457513",
    }


def test_account_zero_is_no_counterparty(whole: Feeds):
    assert {row["counterparty_account"] for row in whole["transactions"]}.isdisjoint({"0", "0.0"})


def test_women_carry_their_month_plus_fifty(whole: Feeds):
    # 1;"706213";18 and 2;"450204";1
    born = {row["customer_id"]: (row["birth_date"], row["gender"]) for row in whole["customers"]}
    assert (born["1"], born["2"]) == (("1970-12-13", "F"), ("1945-02-04", "M"))


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        (date(1993, 7, 5), 12, date(1994, 7, 5)),
        (date(1994, 12, 31), 2, date(1995, 2, 28)),
        (date(1995, 10, 31), 4, date(1996, 2, 29)),
        (date(1993, 12, 1), 12, date(1994, 12, 1)),
    ],
)
def test_months_added(day: date, months: int, expected: date):
    assert add_months(day, months) == expected


def test_a_customer_is_known_since_the_earliest_account(whole: Feeds):
    # 2;"450204";1 and 2;2;2;"OWNER" and 2;1;"POPLATEK MESICNE";930226
    assert _row(whole, "customers", customer_id="2") == {
        "customer_id": "2",
        "op": "I",
        "changed_at": "1993-02-26 00:00:00",
        "birth_date": "1945-02-04",
        "gender": "M",
        "region_id": "1",
    }


def test_an_unknown_figure_of_a_district_is_empty(whole: Feeds):
    assert "unemployment" not in _row(whole, "regions", region_id="69")


def test_a_district(whole: Feeds):
    assert _row(whole, "regions", region_id="2") == {
        "region_id": "2",
        "name": "Benesov",
        "urban_share": "46.70",
        "population": "88884",
        "average_salary": "8507.00",
        "unemployment": "1.67",
        "snapshot_on": "1993-01-01",
    }


def test_a_finished_loan_shows_its_status_at_the_end_of_its_term(whole: Feeds):
    # 5314;1787;930705;96396;12;8033.00;"B"
    loan = _row(whole, "loans", loan_id="5314")
    assert (loan["granted_on"], loan["status"], loan["status_on"]) == ("1993-07-05", "B", "1994-07-05")


def test_a_running_loan_shows_its_status_on_the_day_of_the_files(whole: Feeds):
    running = {row["status_on"] for row in whole["loans"] if row["status"] in "CD"}
    assert running == {"1998-12-31"}


def test_an_order_that_pays_a_loan_starts_with_the_loan(whole: Feeds):
    # 29402;2;"ST";"89597016";3372.70;"UVER", account 2 of 930226, its loan 4959 of 940105
    assert _row(whole, "standing_orders", order_id="29402")["changed_at"] == "1994-01-05 00:00:00"


def test_any_other_order_starts_with_its_account(whole: Feeds):
    assert _row(whole, "standing_orders", order_id="29401")["changed_at"] == "1995-03-24 00:00:00"


def test_an_account_has_one_owner(whole: Feeds):
    owners = Counter(row["account_id"] for row in whole["account_parties"] if row["role"] == "owner")
    assert (len(owners), set(owners.values())) == (4500, {1})


@pytest.mark.parametrize(
    ("feed", "day"),
    [
        ("customers", "changed_at"),
        ("accounts", "opened_on"),
        ("account_parties", "changed_at"),
        ("transactions", "booked_at"),
        ("cards", "issued_on"),
        ("loans", "granted_on"),
        ("standing_orders", "changed_at"),
        ("holdings", "opened_on"),
    ],
)
def test_until_lands_exactly_what_was_known(whole: Feeds, early: Feeds, feed: str, day: str):
    hidden = ("status", "status_on", "closed_on")

    def seen(row: dict[str, str]) -> dict[str, str]:
        return {name: value for name, value in row.items() if name not in hidden}

    known = [seen(row) for row in whole[feed] if row[day][:10] <= str(KNOWN_BY)]
    assert [seen(row) for row in early[feed]] == known


def test_until_hides_what_became_known_later(whole: Feeds, early: Feeds):
    assert [row["status_on"] for row in early["loans"] if row["status_on"] > str(KNOWN_BY)] == []
    assert {row["loan_id"]: row["status"] for row in early["loans"]}["5314"] == ""
    assert [row for row in early["holdings"] if row["closed_on"] > str(KNOWN_BY)] == []


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(ConfigurationError) as error:
        land_berka(source=tmp_path, landing=tmp_path / "landing")
    assert "district.asc" in str(error.value)


def test_a_record_that_refers_to_nothing_is_refused(berka_dir: Path, tmp_path: Path):
    source = tmp_path / "source"
    source.mkdir()
    for path in berka_dir.iterdir():
        if path.name == "account.asc":
            (source / path.name).write_text(path.read_text().replace("\n576;", "\n57600;", 1))
        else:
            (source / path.name).symlink_to(path)
    with pytest.raises(InputRefused, match="refers to, is missing"):
        land_berka(source=source, landing=tmp_path / "landing")
    assert list((tmp_path / "landing").iterdir()) == []
