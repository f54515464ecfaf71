"""Lines to typed rows and broken rules. Expected values by hand."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import Row, SparkSession

from portrait.contracts import Column, Contract
from portrait.ingest.parsing import Layout, judge, parse_lines

from .conftest import BOOKINGS, HEADER

CSV = Layout("csv", tuple(HEADER.split(",")), ("f",))
JSON = Layout("jsonl", (), ("f",))


def judged(spark: SparkSession, lines: Sequence[str], *layouts: Layout, contract: Contract = BOOKINGS) -> list[Row]:
    frame = spark.createDataFrame(
        [("f", number, line) for number, line in enumerate(lines)], "__file string, n int, __value string"
    )
    return judge(parse_lines(frame, contract=contract, layouts=layouts), contract=contract).orderBy("n").collect()


def reasons(rows: list[Row]) -> list[list[str] | None]:
    return [row["__reasons"] for row in rows]


def test_a_good_line_is_typed(spark: SparkSession) -> None:
    (row,) = judged(spark, ["B1,2025-01-01 10:00:00,1.50,cash,2025-01-02,7,x"], CSV)
    values = ("B1", datetime(2025, 1, 1, 10), Decimal("1.50"), "cash", date(2025, 1, 2), 7, "x")
    assert tuple(row[name] for name in BOOKINGS.column_names) == values
    assert row["__reasons"] is None


T = "2025-01-01 10:00:00"
BROKEN_LINES = {
    "amount is text": (f"B1,{T},x,card,,,", ["amount.type"]),
    "amount loses digits": (f"B1,{T},1.005,card,,,", ["amount.type"]),
    "amount loses digits by its exponent": (f"B1,{T},1e-3,card,,,", ["amount.type"]),
    "amount loses digits behind a point and an exponent": (f"B1,{T},15.1e-2,card,,,", ["amount.type"]),
    "amount overflows": (f"B1,{T},12345678901234567.00,card,,,", ["amount.type"]),
    "amount below the range": (f"B1,{T},0.00,card,,,", ["amount.range"]),
    "amount missing": (f"B1,{T},,card,,,", ["amount.required"]),
    "quoted nothing is nothing": (f'"",{T},1,card,,,', ["id.required"]),
    "unknown kind": (f"B1,{T},1,Card,,,", ["kind.enum"]),
    "day that is none": (f"B1,{T},1,card,2025-02-30,,", ["valued_on.type"]),
    "year alone is no day": (f"B1,{T},1,card,2025,,", ["valued_on.type"]),
    "time alone is no instant": ("B1,10:00:00,1,card,,,", ["booked_at.type"]),
    "day alone is no instant": ("B1,2025-01-01,1,card,,,", ["booked_at.type"]),
    "fraction is no integer": (f"B1,{T},1,card,,1.5,", ["count.type"]),
    "integer overflows": (f"B1,{T},1,card,,2147483648,", ["count.type"]),
    "rule over two columns": (f"B1,{T},1,cash,,,", ["cash_is_counted"]),
    "not judged over an unread column": (f"B1,{T},1,cash,,many,", ["count.type"]),
    "all at once, in contract order": (",x,y,z,,,", ["booked_at.type", "amount.type", "id.required", "kind.enum"]),
    "too few values": (f"B1,{T},1,card,,", ["row.malformed"]),
    "too many values": (f"B1,{T},1,card,,,,", ["row.malformed"]),
    "quote left open in the last value": (f'B1,{T},1,card,,,"two', ["row.malformed"]),
    "rest of a broken record": ('lines"', ["row.malformed"]),
}


def test_broken_lines_are_told_their_rules(spark: SparkSession) -> None:
    found = reasons(judged(spark, [line for line, _ in BROKEN_LINES.values()], CSV))
    assert dict(zip(BROKEN_LINES, found, strict=True)) == {name: rules for name, (_, rules) in BROKEN_LINES.items()}


GOOD_LINES = {
    "zeros beyond the scale": (f"B1,{T},1.500,card,,,", "amount", Decimal("1.50")),
    "exponent": (f"B1,{T},1.5e1,card,,,", "amount", Decimal("15.00")),
    "T between day and time": ("B1,2025-01-01T10:00:00,1,card,,,", "booked_at", datetime(2025, 1, 1, 10)),
    "offset": ("B1,2025-01-01 10:00:00+02:00,1,card,,,", "booked_at", datetime(2025, 1, 1, 8)),
    "comma in quotes": (f'B1,{T},1,card,,,"a, b"', "note", "a, b"),
    "doubled quotes": (f'B1,{T},1,card,,,"say ""ah"""', "note", 'say "ah"'),
    "carriage return": (f"B1,{T},1,card,,,x\r", "note", "x"),
    "byte order mark": (f"\ufeffB1,{T},1,card,,,", "id", "B1"),
    "blanks kept in text": (f"B1,{T},1,card,,, x ", "note", " x "),
}


def test_unusual_but_good_lines_keep_their_value(spark: SparkSession) -> None:
    rows = judged(spark, [line for line, _, _ in GOOD_LINES.values()], CSV)
    assert reasons(rows) == [None] * len(GOOD_LINES)
    found = {name: row[column] for row, (name, (_, column, _)) in zip(rows, GOOD_LINES.items(), strict=True)}
    assert found == {name: value for name, (_, _, value) in GOOD_LINES.items()}


FIELD = st.text(st.sampled_from("ab ,\t\u00e9\u4e2d'\\\r#0"), max_size=4)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.tuples(FIELD, st.booleans()), min_size=1, max_size=4), min_size=20, max_size=60))
def test_fields_are_those_that_pythons_csv_finds(spark: SparkSession, rows: list[list[tuple[str, bool]]]) -> None:
    """Lines with quotes and lines without take different ways through Spark."""
    texts = Contract("raw.t", "", "", tuple(Column(name, "STRING") for name in "xyz"))
    lines = [",".join(f'"{text}"' if quoted else text for text, quoted in row).strip("\r") for row in rows]
    found = judged(spark, lines, Layout("csv", tuple("xyz"), ("f",)), contract=texts)
    for line, row in zip(lines, found, strict=True):
        # Python ends a record at a bare carriage return, Spark does not.
        fields = [field.replace("\0", "\r") for field in next(csv.reader([line.replace("\r", "\0")]), [])]
        if not row["__present"]:
            assert line.strip(" ") == ""
        elif len(fields) == 3:
            assert ((row.x, row.y, row.z), row["__reasons"]) == (tuple(field or None for field in fields), None), line
        else:
            assert row["__reasons"] == ["row.malformed"], line


def test_a_reordered_header_with_an_added_column_is_read_by_name(spark: SparkSession) -> None:
    layout = Layout("csv", ("note", "surplus", "count", "valued_on", "kind", "amount", "booked_at", "id"), ("f",))
    (row,) = judged(spark, [f"hello,s,3,2025-01-02,cash,1.50,{T},B1"], layout)
    assert (row.id, row.amount, row.kind, row.note, row["__reasons"]) == ("B1", Decimal("1.50"), "cash", "hello", None)


def test_each_file_is_read_by_its_own_layout(spark: SparkSession) -> None:
    people = Contract("raw.p", "", "", BOOKINGS.columns[:1] + BOOKINGS.columns[-1:])
    layouts = [
        Layout("csv", ("id", "note"), ("a",)),
        Layout("csv", ("note", "id"), ("b",)),
        Layout("jsonl", (), ("c",)),
    ]
    values = [("a", "1,x"), ("b", "x,2"), ("c", '{"id": "3", "note": "x"}'), ("b", "x"), ("c", "x,2")]
    frame = spark.createDataFrame(
        [(f, n, v) for n, (f, v) in enumerate(values)], "__file string, n int, __value string"
    )
    rows = judge(parse_lines(frame, contract=people, layouts=layouts), contract=people).orderBy("n").collect()
    assert [(row.id, row.note) for row in rows[:3]] == [("1", "x"), ("2", "x"), ("3", "x")]
    assert reasons(rows) == [None, None, None, ["row.malformed"], ["row.malformed"]]


def test_json_lines_are_typed_like_text(spark: SparkSession) -> None:
    record = {"id": "B1", "booked_at": T, "kind": "cash", "valued_on": None, "count": 7, "note": "", "extra": {"x": 1}}
    line = json.dumps(record)[:-1] + ', "amount": 1234567890123456.10}'
    (row,) = judged(spark, [line], JSON)
    assert (row.amount, row["count"], row.note, row["__reasons"]) == (Decimal("1234567890123456.10"), 7, None, None)


def test_json_lines_that_are_no_record_are_malformed(spark: SparkSession) -> None:
    record = {"id": "B1", "booked_at": T, "amount": "1", "kind": "card"}
    recased = {**record, "note": "x"}
    recased["Note"] = recased.pop("note")
    lines = [json.dumps(record), json.dumps(recased), json.dumps([record]), json.dumps(record)[:-3], '"text"', "null"]
    lines += [json.dumps(record) + " x", json.dumps(record) * 2, f"{json.dumps(record)},{json.dumps(record)}"]
    assert reasons(judged(spark, lines, JSON)) == [None] + [["row.malformed"]] * 8


def test_blank_lines_are_not_present_and_have_no_reasons(spark: SparkSession) -> None:
    rows = judged(spark, ["", "  ", "\r", ",,,,,,"], CSV)
    assert [row["__present"] for row in rows] == [False, False, False, True]
    assert reasons(rows)[:3] == [None, None, None]


def test_booleans_are_true_or_false_and_nothing_else(spark: SparkSession) -> None:
    from .conftest import PEOPLE

    rows = judged(
        spark, ["1,true", "2,FALSE", "3,", "4,1", "5,yes"], Layout("csv", ("id", "active"), ("f",)), contract=PEOPLE
    )
    assert [row.active for row in rows] == [True, False, None, None, None]
    assert reasons(rows) == [None, None, None, ["active.type"], ["active.type"]]


@pytest.mark.parametrize("severity", ["error", "warning"])
def test_a_warning_keeps_no_row_out(spark: SparkSession, severity: str) -> None:
    from dataclasses import replace

    rule = replace(BOOKINGS.row_rules[0], severity=severity)
    contract = replace(BOOKINGS, row_rules=(rule,))
    (row,) = judged(spark, [f"B1,{T},1,cash,,,"], CSV, contract=contract)
    assert row["__reasons"] == (["cash_is_counted"] if severity == "error" else None)
