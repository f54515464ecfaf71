"""Mapping files: what is refused before Spark starts, with file, line and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from portrait.contracts import Catalogue, load_catalogue
from portrait.errors import ConfigurationError
from portrait.mappings import load_mappings
from portrait.mappings.expressions import _compile

CHECKOUT = Path(__file__).resolve().parents[2]
BOOKINGS = """\
title: Bookings of the core system
files: "trans*.asc"
feed: transactions
format: {delimiter: ";", encoding: windows-1250, decimal: ",", trailer: {pattern: 'T;(?P<records>\\d+)'}}
columns:
  transaction_id: trans_id
  account_id: Customer_ID
  booked_at: {column: date, format: yyMMdd, time_zone: Europe/Prague}
  amount: {expression: "abs(amount)"}
  direction: {expression: "if(amount < 0, 'debit', 'credit')"}
  type:
    column: type
    map: {PRIJEM: transfer_in, VYDAJ: transfer_out}
where: "amount <> 0"
delivery: append
"""


@pytest.fixture(scope="module")
def feeds() -> Catalogue:
    return load_catalogue(CHECKOUT / "schemas", standard=False)


def _written(conf: Path, text: str, **codes: str) -> Path:
    folder = conf / "sources" / "core"
    folder.mkdir(parents=True)
    (folder / "transactions.yml").write_text(text, encoding="utf-8")
    for name, content in codes.items():
        (folder / f"{name}.csv").write_text(content, encoding="utf-8")
    return conf


def test_a_mapping_is_loaded(tmp_path: Path, feeds: Catalogue) -> None:
    (mapping,) = load_mappings(_written(tmp_path, BOOKINGS), feeds)
    assert (mapping.id, mapping.feed) == ("core/transactions", "transactions")
    assert mapping.codes == {"type": {"PRIJEM": "transfer_in", "VYDAJ": "transfer_out"}}
    assert mapping.spec.columns["transaction_id"].column == "trans_id"


def test_without_mapping_files_there_are_none(tmp_path: Path, feeds: Catalogue) -> None:
    assert list(load_mappings(tmp_path, feeds)) == []


@pytest.mark.parametrize(
    ("old", "new", "line", "told"),
    [
        ("files:", "filez:", 2, "known keys: title, files"),
        ("feed: transactions", "feed: transaction", 3, "there is no feed 'transaction'"),
        ("windows-1250", "windows-9", 4, "'windows-9' is no encoding"),
        ('decimal: ","', 'decimal: ",", thousands: ","', 4, "the same mark"),
        ("(?P<records>\\d+)", "(?P<records>\\d+", 4, "no regular expression"),
        ("(?P<records>\\d+)", "(\\d+)", 4, "names no group"),
        ("  account_id: Customer_ID\n", "", 5, "required column account_id"),
        ("transaction_id: trans_id", "transaction_id: no", 6, "put the name between quotes"),
        ("{column: date", "{colum: date", 8, "columns.booked_at.colum"),
        ("{column: date, ", "{column: date, constant: x, ", 8, "one of column, expression and constant"),
        ("yyMMdd", "yyMMtd", 8, "'t' stands for nothing in a date"),
        ("Europe/Prague", "Prague", 8, "no time zone as IANA names it"),
        ("  amount: {", "  amuont: {", 9, "has no such column"),
        ("abs(amount)", "reflect(amount)", 9, "the function 'reflect' is not allowed"),
        ("abs(amount)", "(select 1)", 9, "a mapping sees one record of the file"),
        ("amount < 0", "amount < balance", 10, "two texts are put in order"),
        ("PRIJEM: transfer_in", "PRIJEM: transfers", 13, "'transfers' is no value of type"),
        ("{PRIJEM: ", "{NO: transfer_out, PRIJEM: ", 13, "put codes between quotes"),
        ("{PRIJEM: ", "{007: transfer_out, PRIJEM: ", 13, "put codes between quotes"),
        ("{PRIJEM: transfer_in, VYDAJ: transfer_out}", "types.csv", 13, "no file types.csv beside the mapping"),
        ('where: "amount <> 0"', 'where: "amount"', 14, "this is no condition"),
        ("delivery: append", "delivery: changes", 15, "does not arrive so"),
    ],
)
def test_a_wrong_mapping_is_refused(tmp_path: Path, feeds: Catalogue, old: str, new: str, line: int, told: str) -> None:
    assert old in BOOKINGS
    with pytest.raises(ConfigurationError) as error:
        load_mappings(_written(tmp_path, BOOKINGS.replace(old, new, 1)), feeds)
    assert error.value.where.split()[0].endswith(f"core/transactions.yml:{line}")
    assert told in str(error.value)


def test_columns_that_the_mapping_names_itself_are_known(tmp_path: Path, feeds: Catalogue) -> None:
    named = BOOKINGS.replace('decimal: ","', 'decimal: ",", header: false, names: [trans_id, Customer ID, date, type]')
    with pytest.raises(ConfigurationError, match="the file has no column 'amount'"):
        load_mappings(_written(tmp_path, named), feeds)


CODES = BOOKINGS.replace("{PRIJEM: transfer_in, VYDAJ: transfer_out}", "types.csv")


def test_codes_may_stand_in_a_file(tmp_path: Path, feeds: Catalogue) -> None:
    (mapping,) = load_mappings(_written(tmp_path, CODES, types="code,value\nUVER,loan_payment\n,fee\n"), feeds)
    assert mapping.codes == {"type": {"UVER": "loan_payment", "": "fee"}}


def test_a_code_that_is_there_twice_is_refused(tmp_path: Path, feeds: Catalogue) -> None:
    with pytest.raises(ConfigurationError) as error:
        load_mappings(
            _written(tmp_path, CODES, types="code,value\nUVER,loan_payment\nUROK,interest\nUVER,fee\n"), feeds
        )
    assert "the code 'UVER' is there twice, first in line 2" in str(error.value)
    assert error.value.where.endswith("types.csv:4")


def test_a_source_is_not_called_as_a_feed(tmp_path: Path, feeds: Catalogue) -> None:
    (tmp_path / "sources" / "customers").mkdir(parents=True)
    with pytest.raises(ConfigurationError, match="a feed is called 'customers'"):
        load_mappings(tmp_path, feeds)


@pytest.mark.parametrize(
    ("files", "path", "claimed"),
    [
        ("trans*.asc", "trans_1.asc", True),
        ("trans*.asc", "2024/trans_1.asc.gz", True),
        ("trans*.asc", "Trans_1.asc", False),
        ("2024/*.asc", "2024/trans_1.asc", True),
        ("2024/*.asc", "2023/trans_1.asc", False),
    ],
)
def test_which_files_a_mapping_claims(tmp_path: Path, feeds: Catalogue, files: str, path: str, claimed: bool) -> None:
    (mapping,) = load_mappings(_written(tmp_path, BOOKINGS.replace("trans*.asc", files)), feeds)
    assert mapping.claims(path) == claimed


@pytest.mark.parametrize(
    ("text", "sql"),
    [
        ("abs(amount)", "ABS(`number:amount`)"),
        ("q * p * 100", "TRY_MULTIPLY(TRY_MULTIPLY(`number:q`, `number:p`), 100)"),
        ("a + b < c", "TRY_ADD(`number:a`, `number:b`) < `number:c`"),
        ("code in ('x', 'y')", "`text:code` IN ('x', 'y')"),
        ("coalesce(a, 'none')", "COALESCE(`text:a`, 'none')"),
    ],
)
def test_columns_are_numbers_where_only_a_number_can_stand(text: str, sql: str) -> None:
    assert _compile(text, "here").sql == sql
