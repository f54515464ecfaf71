"""Columns of a file against those of its contract (F10)."""

from __future__ import annotations

import pytest

from portrait.contracts import Column, Contract
from portrait.ingest.columns import ColumnFinding, compare_columns

FEED = Contract("raw.x", "", "", (Column("id", "STRING"), Column("amount", "DECIMAL(18,2)"), Column("day", "DATE")))
BOTH = "columns 'amount' and 'Amount' differ by case alone"
CASES = {
    "exact": (("id", "amount", "day"), ColumnFinding((), ())),
    "reordered": (("day", "id", "amount"), ColumnFinding((), ())),
    "added": (("id", "extra", "amount", "day"), ColumnFinding(("extra",), ())),
    "dropped": (("id", "day"), ColumnFinding((), ("column 'amount' is missing",))),
    "case changed": (("id", "Amount", "day"), ColumnFinding((), ("column 'amount' is written 'Amount'",))),
    "both spellings": (
        ("id", "amount", "Amount", "day", "DAY", "Day"),
        ColumnFinding(
            (),
            (
                "columns 'amount' and 'Amount' differ by case alone",
                "columns 'day' and 'DAY' and 'Day' differ by case alone",
            ),
        ),
    ),
    "two wrong spellings": (
        ("id", "AMOUNT", "Amount", "day"),
        ColumnFinding((), ("columns 'AMOUNT' and 'Amount' differ by case alone",)),
    ),
    "twice": (("id", "amount", "day", "id"), ColumnFinding((), ("column 'id' stands 2 times",))),
    "blank around": (
        ("id", " amount", "DAY"),
        ColumnFinding((" amount",), ("column 'amount' is missing", "column 'day' is written 'DAY'")),
    ),
    "no header": (
        ("C1", "Jana Nováková", "1970-01-01"),
        ColumnFinding((), ("none of the contract's columns is named; does the file lack its header?",)),
    ),
}


@pytest.mark.parametrize(("found", "expected"), CASES.values(), ids=CASES.keys())
def test_columns_are_compared_by_name(found: tuple[str, ...], expected: ColumnFinding) -> None:
    assert compare_columns(found, FEED) == expected


def test_a_retyped_parquet_column_is_a_difference() -> None:
    finding = compare_columns(("id", "amount", "day"), FEED, ("BIGINT", "DECIMAL(18,2)", "STRING"))
    assert finding.differences == (
        "column 'id' is BIGINT, the contract says STRING",
        "column 'day' is STRING, the contract says DATE",
    )


JSON_CASES = {
    "optional keys left out": (("id", "amount"), ColumnFinding((), ())),
    "case changed": (("id", "Amount"), ColumnFinding((), ("column 'amount' is written 'Amount'",))),
    "both spellings": (
        ("id", "amount", "Amount"),
        ColumnFinding((), ("columns 'amount' and 'Amount' differ by case alone",)),
    ),
    "nothing known": (("name", "mail"), CASES["no header"][1]),
}


@pytest.mark.parametrize(("found", "expected"), JSON_CASES.values(), ids=JSON_CASES.keys())
def test_rows_that_name_their_columns_may_leave_some_out(found: tuple[str, ...], expected: ColumnFinding) -> None:
    assert compare_columns(found, FEED, keyed=True) == expected
