"""`portrait source test`: what ingest would make of files, on a sample, and what can be computed then."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession
from tests.conftest import CHECKOUT

from portrait.contracts import Catalogue, load_catalogue
from portrait.features import load_features
from portrait.labels import load_labels
from portrait.labels.possible import gains, possible
from portrait.mappings import SourceMapping
from portrait.mappings.load import load_mapping
from portrait.run.suite import load_suite
from portrait.sources.raw_records import first_records, values_by_line
from portrait.sources.rehearsal import Orphans, Rehearsal, orphans_of, rehearse

BOOKINGS = """\
title: Bookings
files: "umsatz_*.csv"
feed: transactions
format: {delimiter: ";", encoding: windows-1252, decimal: ",", thousands: ".", skip_lines: 1,
         trailer: {pattern: 'Anzahl;(?P<records>\\d+)'}}
columns:
  transaction_id: Nr
  account_id: Konto
  booked_at: {column: Datum, format: dd.MM.yyyy, time_zone: Europe/Berlin}
  amount: {expression: "abs(Betrag)"}
  direction: {expression: "if(Betrag < 0, 'debit', 'credit')"}
  type: {column: Text, map: {Überweisung: transfer_out, Gehalt: salary}}
  note: Zweck
where: "Betrag <> 0"
delivery: append
"""
ACCOUNTS = """\
title: Accounts
files: "konten_*.csv"
feed: accounts
format: {delimiter: ";"}
columns:
  account_id: Konto
  kind: {constant: current}
  opened_on: {column: Eröffnet, format: dd.MM.yyyy}
  currency: {constant: EUR}
delivery: snapshot
snapshot: {date: {file_name: '(\\d{8})'}}
"""
CUSTOMERS = """\
title: Customers
files: "kunden*.csv"
feed: customers
columns:
  customer_id: id
  op: {constant: I}
  changed_at: {constant: "2024-01-01 00:00:00"}
delivery: changes
"""
POSTED = """\
Umsätze
Nr;Konto;Datum;Betrag;Text;Zweck
1;A1;31.03.2024;-1.234,50;Überweisung;"Miete
April"
2;A1;31.03.2024;2.000,00;Gehalt;
3;A9;31.03.2024;1,00;Gehalt;
4;A2;31.02.2024;1,00;Gehalt;
5;A2;31.03.2024;1,00;Gutschrift;
6;A2;31.03.2024;1,00;Gutschrift;
7;A2;31.03.2024;0,00;Gehalt;
Anzahl;7
"""


def mapped(folder: Path, catalogue: Catalogue, **texts: str) -> list[SourceMapping]:
    """Mappings of the source `core`, by name."""
    found = []
    for name, text in texts.items():
        path = folder / "conf" / "sources" / "core" / f"{name}.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        found.append(load_mapping(path, catalogue))
    return found


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(CHECKOUT / "schemas", standard=False)


@pytest.fixture(scope="module")
def rehearsed(
    spark: SparkSession, catalogue: Catalogue, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Rehearsal], list[Orphans]]:
    folder = tmp_path_factory.mktemp("rehearsal")
    landing = folder / "landing" / "core"
    (landing / "2024").mkdir(parents=True)
    (landing / "2024" / "umsatz_20240331.csv").write_bytes(POSTED.encode("cp1252"))
    (landing / "2024" / "umsatz_20240330.csv").write_bytes(b"an older one\n")
    (landing / "konten_20240331.csv").write_text("Konto;Eröffnet\nA1;01.01.2020\nA2;01.02.2021\n", encoding="utf-8")
    (landing / "kunden.csv").write_text("kunde\nC1\n")
    mappings = mapped(folder, catalogue, bookings=BOOKINGS, accounts=ACCOUNTS, customers=CUSTOMERS)
    found = rehearse(
        spark, mappings=mappings, landing=folder / "landing", catalogue=catalogue, rows=100, examples=1,
        work=folder / "work",
    )  # fmt: skip
    return {item.mapping.name: item for item in found}, orphans_of(found, catalogue)


def test_counts_rules_and_codes(rehearsed: tuple[dict[str, Rehearsal], list[Orphans]]):
    bookings = rehearsed[0]["bookings"]
    assert bookings.file is not None
    assert (bookings.file.name, bookings.files) == ("umsatz_20240331.csv", 2)  # the newest, by name
    assert (bookings.records, bookings.accepted, bookings.left_out, bookings.broken) == (7, 3, 1, 3)
    assert dict(bookings.rules) == {"type_unmapped": 2, "booked_at_unreadable": 1}
    assert bookings.codes == {"type": {"Gutschrift": 2}}


def test_records_before_and_after(rehearsed: tuple[dict[str, Rehearsal], list[Orphans]]):
    good, bad = rehearsed[0]["bookings"].examples
    assert (good.line, good.before["Betrag"], good.before["Zweck"]) == (3, "-1.234,50", "Miete\nApril")
    assert (good.after["amount"], good.after["direction"]) == (Decimal("1234.50"), "debit")
    # Midnight in Berlin in summer time is ten in the evening, UTC.
    assert good.after["booked_at"].replace(tzinfo=UTC) == datetime(2024, 3, 30, 23, tzinfo=UTC)  # type: ignore[attr-defined]
    assert (bad.line, bad.before["Nr"], bad.reasons) == (7, "4", ("booked_at_unreadable",))


def test_a_full_copy_says_its_day_itself(rehearsed: tuple[dict[str, Rehearsal], list[Orphans]]):
    accounts = rehearsed[0]["accounts"]
    assert (accounts.accepted, accounts.broken) == (2, 0)


def test_a_file_that_would_be_kept_out_says_why(rehearsed: tuple[dict[str, Rehearsal], list[Orphans]]):
    problem = rehearsed[0]["customers"].problem
    assert problem is not None
    assert "the header has no column 'id'" in problem.message


def test_orphans(rehearsed: tuple[dict[str, Rehearsal], list[Orphans]]):
    # Of three bookings one is of an account that is in no file. Branches come in no file: they are not judged.
    assert rehearsed[1] == [Orphans("transactions", "account_id", "accounts.account_id", 3, 1)]


def test_sample_of_a_large_file_needs_no_trailer(tmp_path: Path, catalogue: Catalogue):
    (mapping,) = mapped(tmp_path, catalogue, bookings=BOOKINGS)
    path = tmp_path / "umsatz_1.csv.gz"
    with gzip.open(path, "wb") as file:
        file.write(POSTED.encode("cp1252"))
    cut = first_records(path, mapping, rows=2, to=tmp_path / "copy")
    assert cut.path.read_bytes().decode("cp1252") == "".join(POSTED.splitlines(keepends=True)[:5])
    assert (cut.cut, cut.mapping.spec.format.trailer, cut.path.name) == (True, None, "umsatz_1.csv")
    whole = first_records(path, mapping, rows=None, to=tmp_path / "whole")
    assert (whole.cut, whole.mapping) == (False, mapping)
    assert whole.path.read_bytes() == POSTED.encode("cp1252")


FIXED = """\
title: Bookings
files: "*.txt"
feed: customers
format: {type: fixed_width, skip_lines: 1, fields: [{name: id, from: 1, to: 3}, {name: since, from: 4, to: 11}]}
columns: {customer_id: id, op: {constant: I}, changed_at: {column: since, format: yyyyMMdd}}
delivery: changes
"""


@pytest.mark.parametrize("kind", ["fixed_width", "jsonl", "parquet", "utf-16"])
def test_values_of_a_line(kind: str, tmp_path: Path, catalogue: Catalogue):
    text = FIXED
    path = tmp_path / "a.txt"
    if kind == "fixed_width":
        path.write_text("HEADER\nC0120240101\nC0220240102\n")
    elif kind == "jsonl":
        text = text[: text.index("format:")] + "format: {type: jsonl}\n" + text[text.index("columns:") :]
        path.write_text('\n{"id": "C01"}\n{"id": "C02", "since": "20240102", "a": {"b": null}}\n')
    elif kind == "parquet":
        text = text[: text.index("format:")] + "format: {type: parquet}\n" + text[text.index("columns:") :]
        pq.write_table(pa.table({"id": ["C00", "C01", "C02"], "since": ["20240101"] * 2 + ["20240102"]}), path)
    else:
        text = text[: text.index("format:")] + "format: {encoding: utf-16}\n" + text[text.index("columns:") :]
        path.write_text("id,since\nC01,20240101\nC02,20240102\n", encoding="utf-16")
    (mapping,) = mapped(tmp_path, catalogue, people=text)
    found = values_by_line(path, mapping, lines={2})
    assert {name: found[2][name] for name in ("id", "since")} == {"id": "C02", "since": "20240102"}
    cut = first_records(path, mapping, rows=1, to=tmp_path / "copy")
    assert cut.cut


def test_what_can_be_computed_with_some_feeds():
    catalogue = load_suite(CHECKOUT / "conf", CHECKOUT / "schemas")
    features, labels = load_features(CHECKOUT / "conf"), load_labels(CHECKOUT / "conf", catalogue)
    computed = {item.label.id for item in labels.checked if item.label.is_computed}

    everything = possible(catalogue, features, labels, catalogue.feeds)
    assert (len(everything.features), everything.labels) == (len(features.features), computed)
    assert possible(catalogue, features, labels, ["transactions", "accounts"]).labels == frozenset()

    core = ["transactions", "accounts", "account_parties", "customers"]
    now = possible(catalogue, features, labels, core)
    assert "debit_amount_90d" in now.features
    assert {"salary_customer", "dormant"} <= now.labels
    assert not {"has_card", "loan_band", "has_loan"} & now.labels

    added = gains(catalogue, features, labels, core)
    of_cards = [
        feature for feature in features.features if {leaf.table for leaf in feature.leaves()} == {"silver.cards"}
    ]
    assert added["cards"][0] == len(of_cards) == 5  # as conf/features/cards.yml has them
    assert "has_card" in possible(catalogue, features, labels, [*core, "cards"]).labels - now.labels
    assert "transactions" not in added
