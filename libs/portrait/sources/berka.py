"""The PKDD'99 bank ("Berka"): seven tables and the bank-wide transactions of 1993-01-01 to 1994-03-31, as feeds.

What the files do not say stays empty; `docs/berka.md` lists the compromises. The files are small, so plain Python.
"""

from __future__ import annotations

import csv
from calendar import monthrange
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Final

from portrait.errors import ConfigurationError, InputRefused
from portrait.sources.berka_mapping import DIRECTIONS, PRODUCTS, PURPOSES, booking_kind
from portrait.sources.delivery import Staging, delivery
from portrait.sources.feeds import FEED_COLUMNS

FIRST_DAY: Final = date(1993, 1, 1)  # the bank's first booking; undated facts (districts, products) hold from here
LOANS_KNOWN_ON: Final = date(1998, 12, 31)  # the day on which the status of running loans was taken
TRANSACTIONS: Final = "trans_bankwide_19930101_19940331.csv"
TABLES: Final = ("account", "client", "disp", "card", "loan", "order", "district")
FILE_NAME: Final = "berka.csv"
AS_PUBLISHED: Final = "the mapping knows the files of the PKDD'99 challenge as published; compare with these"

Record = dict[str, str]
Row = dict[str, object]


def land_berka(*, source: Path, landing: Path, until: date | None = None) -> dict[str, int]:
    """Write the feeds into `landing/<feed>/berka.csv`; returns the rows of each feed.

    `until`: only what the bank knew at the end of that day. Raises ConfigurationError when a file is missing or the
    landing folder holds another delivery, InputRefused when a file has a word or a date that the mapping does not know.
    """
    bank = BerkaBank(source, until)
    rows = {
        "regions": bank.regions(),
        "customers": bank.customers(),
        "accounts": bank.accounts(),
        "account_parties": bank.account_parties(),
        "transactions": bank.transactions(),
        "cards": bank.cards(),
        "loans": bank.loans(),
        "standing_orders": bank.standing_orders(),
        "products": bank.products(),
        "holdings": bank.holdings(),
    }
    written: dict[str, int] = {}
    with delivery(landing) as staging:
        for feed, records in rows.items():
            try:
                written[feed] = _write(staging, feed, records)
            except (KeyError, ValueError) as error:  # a missing column or reference; a date or number that is none
                raise InputRefused(
                    "a column or reference is missing, or a date or number is none",
                    where=f"{source}, feed {feed}",
                    remedy=AS_PUBLISHED,
                ) from error
    return written


@dataclass(frozen=True)
class BerkaBank:
    """The source files, joined the way the bank knew them at the end of `until` (None: all of them)."""

    source: Path
    until: date | None

    def regions(self) -> Iterator[Row]:
        """One row per district. Unemployment is that of 1995, the earliest given; `snapshot_on` is the first day."""
        for record in self._table("district"):
            yield {
                "region_id": record["A1"],
                "name": record["A2"],
                "urban_share": _known(record["A10"]),
                "population": _known(record["A4"]),
                "average_salary": _known(record["A11"]),
                "unemployment": _known(record["A12"]),
                "snapshot_on": FIRST_DAY,
            }

    def customers(self) -> Iterator[Row]:
        """One row per client, known since the earliest account of theirs was opened."""
        for record in self._table("client"):
            since = self._client_since.get(record["client_id"])
            if since is None:
                raise InputRefused("a client has no account", where=f"{self.source}: client, disp", remedy=AS_PUBLISHED)
            if self._knew(since):
                birth_date, gender = born(record["birth_number"])
                yield {
                    "customer_id": record["client_id"],
                    **_inserted(since),
                    "birth_date": birth_date,
                    "gender": gender,
                    "region_id": record["district_id"],
                }

    def accounts(self) -> Iterator[Row]:
        """One row per account; the branch is named after its district."""
        for record in self._table("account"):
            opened_on = yymmdd(record["date"])
            if self._knew(opened_on):
                yield {
                    "account_id": record["account_id"],
                    **_inserted(opened_on),
                    "kind": "current",
                    "opened_on": opened_on,
                    "currency": "CZK",
                    "branch_id": record["district_id"],
                }

    def account_parties(self) -> Iterator[Row]:
        """One row per account and client: OWNER or DISPONENT (user)."""
        roles = {"OWNER": "owner", "DISPONENT": "user"}
        for record in self._table("disp"):
            since = self._opened_on[record["account_id"]]
            if self._knew(since):
                yield {
                    "account_id": record["account_id"],
                    "party_id": record["client_id"],
                    **_inserted(since),
                    "role": self._word("disp", roles, record["type"]),
                    "party_kind": "person",
                }

    def transactions(self) -> Iterator[Row]:
        """One row per booking; only the day is known, so `booked_at` is its midnight."""
        for record in self._records(self.source / TRANSACTIONS, delimiter=","):
            booked_on = date.fromisoformat(record["date"])
            if not self._knew(booked_on):
                continue
            kind = booking_kind(record["operation"], record["k_symbol"].strip())
            if kind is None:
                raise self._refusal(TRANSACTIONS, "an unknown operation", f"{record['operation']}/{record['k_symbol']}")
            other_side = record["account"].removesuffix(".0")
            yield {
                "transaction_id": record["trans_id"],
                "account_id": record["account_id"],
                "booked_at": f"{booked_on} 00:00:00",
                "amount": record["amount"],
                "direction": self._word(TRANSACTIONS, DIRECTIONS, record["type"]),
                "balance_after": record["balance"],
                "type": kind.type,
                "channel": kind.channel,
                "category": kind.category,
                "counterparty_bank": record["bank"],
                # account 0 without a bank is how the files say "none"
                "counterparty_account": "" if other_side == "0" else other_side,
            }

    def cards(self) -> Iterator[Row]:
        """One row per card, carried by the client of its disposition."""
        for record, disposition, issued_on in self._issued_cards():
            yield {
                "card_id": record["card_id"],
                **_inserted(issued_on),
                "account_id": disposition["account_id"],
                "customer_id": disposition["client_id"],
                "type": record["type"],
                "issued_on": issued_on,
            }

    def loans(self) -> Iterator[Row]:
        """One row per loan; its status stays empty as long as the bank could not know it."""
        for record in self._table("loan"):
            granted_on = yymmdd(record["date"])
            if self._knew(granted_on):
                status_on = self._status_on(record)
                known = self._knew(status_on)
                yield {
                    "loan_id": record["loan_id"],
                    **_inserted(granted_on),
                    "account_id": record["account_id"],
                    "granted_on": granted_on,
                    "amount": record["amount"],
                    "months": record["duration"],
                    "instalment": record["payments"],
                    "status": record["status"] if known else None,
                    "status_on": status_on if known else None,
                }

    def standing_orders(self) -> Iterator[Row]:
        """One row per order; the files date none of them, see `_ordered_on`."""
        for record in self._table("order"):
            since = self._ordered_on(record)
            if self._knew(since):
                yield {
                    "order_id": record["order_id"],
                    **_inserted(since),
                    "account_id": record["account_id"],
                    "counterparty_bank": record["bank_to"],
                    "counterparty_account": record["account_to"],
                    "amount": record["amount"],
                    "purpose": self._purpose(record),
                }

    def products(self) -> Iterator[Row]:
        """One row per product that the other files show; prices and minimum amounts are not known."""
        for product_id, (name, kind, age_to) in PRODUCTS.items():
            row: Row = {
                "product_id": product_id,
                **_inserted(FIRST_DAY),
                "name": name,
                "kind": kind,
                "age_to": age_to,
            }
            yield row

    def holdings(self) -> Iterator[Row]:
        """One row per card, a loan, or a standing order that shows a product, held by the owner of the account."""
        for record, disposition, issued_on in self._issued_cards():
            product_id = f"card_{record['type']}"
            if product_id not in PRODUCTS:
                raise self._refusal("card", "an unknown kind of card", record["type"])
            yield self._holding(f"card-{record['card_id']}", disposition["client_id"], product_id, issued_on)
        for record in self._table("loan"):
            granted_on, status_on = yymmdd(record["date"]), self._status_on(record)
            if self._knew(granted_on):
                finished = record["status"] in "AB" and self._knew(status_on)
                yield {
                    **self._holding(f"loan-{record['loan_id']}", self._owner[record["account_id"]], "loan", granted_on),
                    "closed_on": status_on if finished else None,
                    "amount": record["amount"],
                }
        for record in self._table("order"):
            since, shown = self._ordered_on(record), _PRODUCT_OF_PURPOSE.get(self._purpose(record))
            if shown is not None and self._knew(since):
                owner = self._owner[record["account_id"]]
                yield {
                    **self._holding(f"order-{record['order_id']}", owner, shown, since),
                    "amount": record["amount"],
                }

    @staticmethod
    def _holding(holding_id: str, customer_id: str, product_id: str, opened_on: date) -> Row:
        key: Row = {"holding_id": holding_id, **_inserted(opened_on)}
        return {**key, "customer_id": customer_id, "product_id": product_id, "opened_on": opened_on}

    @cached_property
    def _opened_on(self) -> Mapping[str, date]:
        return {record["account_id"]: yymmdd(record["date"]) for record in self._table("account")}

    @cached_property
    def _dispositions(self) -> Mapping[str, Record]:
        return {record["disp_id"]: record for record in self._table("disp")}

    @cached_property
    def _owner(self) -> Mapping[str, str]:
        rows = self._dispositions.values()
        return {record["account_id"]: record["client_id"] for record in rows if record["type"] == "OWNER"}

    @cached_property
    def _client_since(self) -> Mapping[str, date]:
        since: dict[str, date] = {}
        for record in self._dispositions.values():
            opened_on = self._opened_on[record["account_id"]]
            since[record["client_id"]] = min(opened_on, since.get(record["client_id"], opened_on))
        return since

    @cached_property
    def _granted_on(self) -> Mapping[str, date]:
        return {record["account_id"]: yymmdd(record["date"]) for record in self._table("loan")}

    def _issued_cards(self) -> Iterator[tuple[Record, Record, date]]:
        for record in self._table("card"):
            issued_on = yymmdd(record["issued"])
            if self._knew(issued_on):
                yield record, self._dispositions[record["disp_id"]], issued_on

    def _status_on(self, loan: Record) -> date:
        """A finished loan (A, B) shows its status when the term ends, a running one (C, D) on the day of the files."""
        if loan["status"] in "CD":
            return LOANS_KNOWN_ON
        return add_months(yymmdd(loan["date"]), int(loan["duration"]))

    def _ordered_on(self, order: Record) -> date:
        """The account's opening day, except that an order which pays a loan starts with the loan.

        Dating it earlier would tell every model which accounts are going to have a loan.
        """
        opened_on = self._opened_on[order["account_id"]]
        if self._purpose(order) != "loan_payment":
            return opened_on
        return self._granted_on.get(order["account_id"], opened_on)

    def _purpose(self, order: Record) -> str:
        return self._word("order", PURPOSES, order["k_symbol"].strip())

    def _knew(self, day: date) -> bool:
        return self.until is None or day <= self.until

    def _word(self, table: str, words: Mapping[str, str], word: str) -> str:
        if word not in words:
            raise self._refusal(table, "an unknown word", word)
        return words[word]

    def _refusal(self, table: str, what: str, value: str) -> InputRefused:
        return InputRefused(f"{what}: {value!r}", where=f"{self.source}: {table}", remedy=AS_PUBLISHED)

    def _table(self, table: str) -> Iterator[Record]:
        return self._records(self.source / f"{table}.asc", delimiter=";")

    def _records(self, path: Path, *, delimiter: str) -> Iterator[Record]:
        if not path.is_file():
            files = ", ".join([*(f"{table}.asc" for table in TABLES), TRANSACTIONS])
            raise ConfigurationError("a file of the Berka bank is missing", where=str(path), remedy=f"needed: {files}")
        with path.open(encoding="utf-8", newline="") as lines:
            yield from csv.DictReader(lines, delimiter=delimiter)


def yymmdd(text: str) -> date:
    """A day written YYMMDD (a time behind it is ignored), all of them in the twentieth century."""
    return date(1900 + int(text[0:2]), int(text[2:4]), int(text[4:6]))


def born(birth_number: str) -> tuple[date, str]:
    """Day of birth and gender of a birth number YYMMDD in which women carry month + 50."""
    woman = int(birth_number[2:4]) > 50
    month = int(birth_number[2:4]) - (50 if woman else 0)
    return yymmdd(f"{birth_number[0:2]}{month:02d}{birth_number[4:6]}"), "F" if woman else "M"


def add_months(day: date, months: int) -> date:
    """The same day so many months later, or the last of that month where it has no such day."""
    years, month = divmod(day.month - 1 + months, 12)
    year = day.year + years
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


_PRODUCT_OF_PURPOSE: Final = {
    "insurance": "insurance",
    "leasing": "leasing",
    "household": "household_order",
    "other": "other_order",
}


def _known(text: str) -> str | None:
    return None if text == "?" else text


def _inserted(day: date) -> Row:
    return {"op": "I", "changed_at": f"{day} 00:00:00"}


def _write(staging: Staging, feed: str, rows: Iterable[Row]) -> int:
    columns = FEED_COLUMNS[feed]
    with staging.file(feed, FILE_NAME).open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        written = 0
        for row in rows:
            writer.writerow(row)
            written += 1
    return written
