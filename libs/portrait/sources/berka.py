"""The PKDD'99 bank ("Berka"): its files, put into the drop folder of the source `berka`.

What the files mean is in `conf/sources/berka`. Here is what no mapping can say, because it joins files: to clients,
dispositions, cards, loans and orders the columns are added that other files have about them (`since`, `account_id`,
`client_id`, `owner_id`, `known_status`), and with `until` what the bank did not know yet is left out.
"""

from __future__ import annotations

import csv
from calendar import monthrange
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Final

from portrait.errors import ConfigurationError, InputRefused
from portrait.sources.delivery import delivery

SOURCE: Final = "berka"
FIRST_DAY: Final = date(1993, 1, 1)  # the bank's first booking; undated facts (districts, products) hold from here
LOANS_KNOWN_ON: Final = date(1998, 12, 31)  # the day on which the status of running loans was taken
TRANSACTIONS: Final = "trans_bankwide_19930101_19940331.csv"
TABLES: Final = ("account", "client", "disp", "card", "loan", "order", "district")
# No file lists products: these are the ones that the others show. No junior card was issued to anybody older than 20.
PRODUCTS: Final = (
    ("card_junior", "Junior card", "card", "20"),
    ("card_classic", "Classic card", "card", ""),
    ("card_gold", "Gold card", "card", ""),
    ("loan", "Loan", "loan", ""),
    ("leasing", "Leasing", "loan", ""),
    ("insurance", "Insurance", "insurance", ""),
    ("household_order", "Standing order for household payments", "standing_order", ""),
    ("other_order", "Standing order for other payments", "standing_order", ""),
)

Record = dict[str, str]


def land_berka(*, source: Path, landing: Path, until: date | None = None) -> dict[str, int]:
    """Write the files into `landing/berka/`; returns the records of each.

    `until`: only what the bank knew at the end of that day. Raises ConfigurationError when a file is missing or the
    landing folder holds another delivery, InputRefused when a record refers to one that is not there.
    """
    written: dict[str, int] = {}
    with delivery(landing) as staging:
        try:
            for name, records, day in _files(source, until):
                written[name] = _write(staging.file(SOURCE, name), records, day=day, until=until)
        except (KeyError, ValueError) as error:
            raise InputRefused(
                "a column, or the account or disposition that a record refers to, is missing",
                where=f"{source}",
                remedy="the mapping knows the files of the PKDD'99 challenge as published; compare with these",
            ) from error
    return written


def _files(source: Path, until: date | None) -> Iterator[tuple[str, Iterable[Record], str | None]]:
    """Name and records of each file, and the column by which the bank knew a record (None: from the first day)."""
    tables = {table: list(_records(source / f"{table}.asc", delimiter=";")) for table in TABLES}
    opened = {record["account_id"]: record["date"] for record in tables["account"]}
    granted = {record["account_id"]: record["date"] for record in tables["loan"]}
    dispositions = {record["disp_id"]: record for record in tables["disp"]}
    owners = {r["account_id"]: r["client_id"] for r in dispositions.values() if r["type"] == "OWNER"}
    client_since: dict[str, str] = {}
    for record in dispositions.values():
        day = opened[record["account_id"]]
        client_since[record["client_id"]] = min(day, client_since.get(record["client_id"], day))

    yield f"district_{FIRST_DAY:%Y%m%d}.asc", tables["district"], None
    yield "client.asc", [r | {"since": client_since[r["client_id"]]} for r in tables["client"]], "since"
    yield "account.asc", tables["account"], "date"
    yield "disp.asc", [r | {"since": opened[r["account_id"]]} for r in tables["disp"]], "since"
    yield "card.asc", [r | _place_of(dispositions[r["disp_id"]]) for r in tables["card"]], "issued"
    loans = [r | {"owner_id": owners[r["account_id"]]} | _status(r, until) for r in tables["loan"]]
    yield "loan.asc", loans, "date"
    orders = [r | {"since": _ordered(r, opened, granted), "owner_id": owners[r["account_id"]]} for r in tables["order"]]
    yield "order.asc", orders, "since"
    products = [dict(zip(("product_id", "name", "kind", "age_to"), item, strict=True)) for item in PRODUCTS]
    yield "product.csv", products, None
    yield TRANSACTIONS, _records(source / TRANSACTIONS, delimiter=","), "date"


def _place_of(disposition: Record) -> Record:
    return {name: disposition[name] for name in ("account_id", "client_id")}


def _status(loan: Record, until: date | None) -> Record:
    """A finished loan (A, B) shows its status when the term ends, a running one (C, D) on the day of the files."""
    status_on = LOANS_KNOWN_ON
    if loan["status"] not in "CD":
        status_on = add_months(yymmdd(loan["date"]), int(loan["duration"]))
    is_known = until is None or status_on <= until
    return {
        "known_status": loan["status"] if is_known else "",
        "known_status_on": str(status_on) if is_known else "",
    }


def _ordered(order: Record, opened: Record, granted: Record) -> str:
    """The account's opening day, except that an order which pays a loan starts with the loan.

    Dating it earlier would tell every model which accounts are going to have a loan.
    """
    account = order["account_id"]
    return granted.get(account, opened[account]) if order["k_symbol"].strip() == "UVER" else opened[account]


def yymmdd(text: str) -> date:
    """A day written YYMMDD, all of them in the twentieth century."""
    return date(1900 + int(text[0:2]), int(text[2:4]), int(text[4:6]))


def add_months(day: date, months: int) -> date:
    """The same day so many months later, or the last of that month where it has no such day."""
    years, month = divmod(day.month - 1 + months, 12)
    year = day.year + years
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def _records(path: Path, *, delimiter: str) -> Iterator[Record]:
    if not path.is_file():
        files = ", ".join([*(f"{table}.asc" for table in TABLES), TRANSACTIONS])
        raise ConfigurationError("a file of the Berka bank is missing", where=str(path), remedy=f"needed: {files}")
    with path.open(encoding="utf-8", newline="") as lines:
        yield from csv.DictReader(lines, delimiter=delimiter)


def _write(path: Path, records: Iterable[Record], *, day: str | None, until: date | None) -> int:
    """Write what the bank knew; a file of which it knew nothing has a header."""
    written, writer = 0, None
    with path.open("w", encoding="utf-8", newline="") as file:
        for record in records:
            if writer is None:
                delimiter = ";" if path.suffix == ".asc" else ","
                writer = csv.DictWriter(file, list(record), delimiter=delimiter, lineterminator="\n")
                writer.writeheader()
            if day is None or until is None or _day(record[day]) <= until.isoformat():
                writer.writerow(record)
                written += 1
    return written


def _day(text: str) -> str:
    """A day of the files, YYMMDD or ISO, as ISO writes it; what is none is told where it is mapped."""
    return text if "-" in text else f"19{text[0:2]}-{text[2:4]}-{text[4:6]}"
