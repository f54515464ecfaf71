"""The PKDD'99 bank as feeds: counts as published, and rows compared with the source files by hand."""

from __future__ import annotations

import csv
from collections import Counter
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from portrait.errors import ConfigurationError, InputRefused
from portrait.sources import land_berka
from portrait.sources.berka import add_months, born
from portrait.sources.berka_mapping import booking_kind

KNOWN_BY = date(1993, 12, 31)


def _feed(landing: Path, feed: str) -> list[dict[str, str]]:
    with (landing / feed / "berka.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def _row(landing: Path, feed: str, **key: str) -> dict[str, str]:
    (row,) = [row for row in _feed(landing, feed) if all(row[name] == value for name, value in key.items())]
    return {name: value for name, value in row.items() if value}


def _source(berka_dir: Path, file: str, delimiter: str) -> list[dict[str, str]]:
    with (berka_dir / file).open(newline="") as lines:
        return list(csv.DictReader(lines, delimiter=delimiter))


@pytest.fixture(scope="module")
def whole(berka_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    landing = tmp_path_factory.mktemp("berka") / "landing"
    land_berka(source=berka_dir, landing=landing)
    return landing


@pytest.fixture(scope="module")
def early(berka_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    landing = tmp_path_factory.mktemp("early") / "landing"
    land_berka(source=berka_dir, landing=landing, until=KNOWN_BY)
    return landing


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
def test_rows_of_a_feed(whole: Path, feed: str, rows: int):
    assert len(_feed(whole, feed)) == rows


def test_the_summary_counts_the_rows(berka_dir: Path, tmp_path: Path):
    written = land_berka(source=berka_dir, landing=tmp_path)
    assert written == {feed: len(_feed(tmp_path, feed)) for feed in written}


def test_money_is_neither_lost_nor_made(whole: Path, berka_dir: Path):
    landed = sum(
        Decimal(row["amount"]) * (1 if row["direction"] == "credit" else -1) for row in _feed(whole, "transactions")
    )
    published = _source(berka_dir, "trans_bankwide_19930101_19940331.csv", ",")
    assert landed == sum(Decimal(row["amount"]) * (1 if row["type"] == "PRIJEM" else -1) for row in published)


@pytest.mark.parametrize(
    ("operation", "symbol", "expected"),
    [
        ("VKLAD", "", ("cash_deposit", "branch", None)),
        ("VYBER", "", ("cash_withdrawal", "branch", None)),
        ("VYBER KARTOU", "", ("card_withdrawal", "atm", None)),
        ("PREVOD NA UCET", "", ("transfer_out", None, None)),
        ("PREVOD Z UCTU", "", ("transfer_in", None, None)),
        ("PREVOD NA UCET", "SIPO", ("transfer_out", None, "household")),
        ("VYBER", "SIPO", ("transfer_out", None, "household")),
        ("PREVOD NA UCET", "POJISTNE", ("transfer_out", None, "insurance")),
        ("PREVOD NA UCET", "UVER", ("loan_payment", None, None)),
        ("PREVOD Z UCTU", "DUCHOD", ("pension", None, None)),
        ("", "UROK", ("interest", None, None)),
        ("VYBER", "SLUZBY", ("fee", None, None)),
        ("VYBER", "SANKC. UROK", ("fee", None, None)),
    ],
)
def test_what_a_booking_is(operation: str, symbol: str, expected: tuple[str, str | None, str | None]):
    kind = booking_kind(operation, symbol)
    assert kind is not None
    assert (kind.type, kind.channel, kind.category) == expected


@pytest.mark.parametrize(("operation", "symbol"), [("", ""), ("VYBER", "KDO VI"), ("TELEX", "")])
def test_words_never_seen_are_no_booking(operation: str, symbol: str):
    assert booking_kind(operation, symbol) is None


def test_bookings_by_type(whole: Path):
    # counted in the source with awk; 3603 + 116 are household payments, 5445 + 64 fees
    counts = Counter(row["type"] for row in _feed(whole, "transactions"))
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


def test_a_booking(whole: Path):
    # 637742,2177,1993-01-05,PRIJEM,PREVOD Z UCTU,5123.0,5923.0,DUCHOD,YZ,62457513.0
    assert _row(whole, "transactions", transaction_id="637742") == {
        "transaction_id": "637742",
        "account_id": "2177",
        "booked_at": "1993-01-05 00:00:00",
        "amount": "5123.0",
        "direction": "credit",
        "balance_after": "5923.0",
        "type": "pension",
        "counterparty_bank": "YZ",
        "counterparty_account": "62457513",
    }


def test_account_zero_is_no_counterparty(whole: Path):
    assert {row["counterparty_account"] for row in _feed(whole, "transactions")}.isdisjoint({"0", "0.0"})


@pytest.mark.parametrize(
    ("number", "expected"), [("706213", (date(1970, 12, 13), "F")), ("450204", (date(1945, 2, 4), "M"))]
)
def test_women_carry_their_month_plus_fifty(number: str, expected: tuple[date, str]):
    assert born(number) == expected


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


def test_a_customer_is_known_since_the_earliest_account(whole: Path):
    # 2;"450204";1 and 2;2;2;"OWNER" and 2;1;"POPLATEK MESICNE";930226
    assert _row(whole, "customers", customer_id="2") == {
        "customer_id": "2",
        "op": "I",
        "changed_at": "1993-02-26 00:00:00",
        "birth_date": "1945-02-04",
        "gender": "M",
        "region_id": "1",
    }


def test_an_unknown_figure_of_a_district_is_empty(whole: Path):
    assert "unemployment" not in _row(whole, "regions", region_id="69")


def test_a_district(whole: Path):
    assert _row(whole, "regions", region_id="2") == {
        "region_id": "2",
        "name": "Benesov",
        "urban_share": "46.7",
        "population": "88884",
        "average_salary": "8507",
        "unemployment": "1.67",
        "snapshot_on": "1993-01-01",
    }


def test_a_finished_loan_shows_its_status_at_the_end_of_its_term(whole: Path):
    # 5314;1787;930705;96396;12;8033.00;"B"
    loan = _row(whole, "loans", loan_id="5314")
    assert (loan["granted_on"], loan["status"], loan["status_on"]) == ("1993-07-05", "B", "1994-07-05")


def test_a_running_loan_shows_its_status_on_the_day_of_the_files(whole: Path):
    running = {row["status_on"] for row in _feed(whole, "loans") if row["status"] in "CD"}
    assert running == {"1998-12-31"}


def test_an_order_that_pays_a_loan_starts_with_the_loan(whole: Path):
    # 29402;2;"ST";"89597016";3372.70;"UVER", account 2 of 930226, its loan 4959 of 940105
    assert _row(whole, "standing_orders", order_id="29402")["changed_at"] == "1994-01-05 00:00:00"


def test_any_other_order_starts_with_its_account(whole: Path):
    assert _row(whole, "standing_orders", order_id="29401")["changed_at"] == "1995-03-24 00:00:00"


def test_an_account_has_one_owner(whole: Path):
    owners = Counter(row["account_id"] for row in _feed(whole, "account_parties") if row["role"] == "owner")
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
def test_until_lands_exactly_what_was_known(whole: Path, early: Path, feed: str, day: str):
    hidden = ("status", "status_on", "closed_on")

    def seen(row: dict[str, str]) -> dict[str, str]:
        return {name: value for name, value in row.items() if name not in hidden}

    known = [seen(row) for row in _feed(whole, feed) if row[day][:10] <= str(KNOWN_BY)]
    assert [seen(row) for row in _feed(early, feed)] == known


def test_until_hides_what_became_known_later(whole: Path, early: Path):
    assert [row["status_on"] for row in _feed(early, "loans") if row["status_on"] > str(KNOWN_BY)] == []
    assert {row["loan_id"]: row["status"] for row in _feed(early, "loans")}["5314"] == ""
    assert [row for row in _feed(early, "holdings") if row["closed_on"] > str(KNOWN_BY)] == []


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(ConfigurationError) as error:
        land_berka(source=tmp_path, landing=tmp_path / "landing")
    assert "district.asc" in str(error.value)


@pytest.mark.parametrize(
    ("file", "old", "new", "named"),
    [
        ("disp.asc", "OWNER", "BOSS", "BOSS"),
        ("account.asc", ";930101", ";93O1O1", "feed customers"),
        ("trans_bankwide_19930101_19940331.csv", "VKLAD", "TELEX", "TELEX"),
    ],
)
def test_files_that_are_not_as_published_are_refused(
    berka_dir: Path, tmp_path: Path, file: str, old: str, new: str, named: str
):
    source = tmp_path / "source"
    source.mkdir()
    for path in berka_dir.iterdir():
        if path.name == file:
            (source / file).write_text(path.read_text().replace(old, new, 1))
        else:
            (source / path.name).symlink_to(path)
    with pytest.raises(InputRefused, match=named):
        land_berka(source=source, landing=tmp_path / "landing")
    assert list((tmp_path / "landing").iterdir()) == []
