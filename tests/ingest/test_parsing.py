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
    "quote within a field": (f'B1,{T},1,card,,,5" pipe', ["row.malformed"]),
    "two quotes within a field": (f'B1,{T},1,card,,,a "b" c', ["row.malformed"]),
    "text behind a closing quote": (f'B1,{T},1,card,,,"a" b', ["row.malformed"]),
    "blank before a quote": (f'B1,{T},1,card,,, "a"', ["row.malformed"]),
    "more columns than a parser takes": ('"a"' + "," * 30_000, ["row.malformed"]),
    "more digits than microseconds": ("B1,2025-01-01 10:00:00.1234567,1,card,,,", ["booked_at.type"]),
    "no offset": ("B1,2025-01-01 10:00:00+,1,card,,,", ["booked_at.type"]),
    "an offset of one digit": ("B1,2025-01-01 10:00:00+2,1,card,,,", ["booked_at.type"]),
    "a minute after the last": ("B1,2025-01-01 24:01:00,1,card,,,", ["booked_at.type"]),
    "a moment after the last": ("B1,2025-01-01 24:00:00.001,1,card,,,", ["booked_at.type"]),
    "seconds of three digits": ("B1,2025-01-01 10:00:000,1,card,,,", ["booked_at.type"]),
    "the last of no day": ("B1,2025-02-30 24:00:00,1,card,,,", ["booked_at.type"]),
    "a day that is not at midnight": (f"B1,{T},1,card,2025-01-02 00:00:01,,", ["valued_on.type"]),
    "a day with an offset": (f"B1,{T},1,card,2025-01-02 00:00:00+02,,", ["valued_on.type"]),
    "integer with an exponent": (f"B1,{T},1,card,,1.2E+05,", ["count.type"]),
    "integer that nearly is one": (f"B1,{T},1,card,,2.0000001,", ["count.type"]),
    "integer of points": (f"B1,{T},1,card,,2.0.0,", ["count.type"]),
    "integer that overflows with a fraction": (f"B1,{T},1,card,,2147483648.0,", ["count.type"]),
}


def test_broken_lines_are_told_their_rules(spark: SparkSession) -> None:
    found = reasons(judged(spark, [line for line, _ in BROKEN_LINES.values()], CSV))
    assert dict(zip(BROKEN_LINES, found, strict=True)) == {name: rules for name, (_, rules) in BROKEN_LINES.items()}


AT = datetime(2025, 1, 1, 10)
GOOD_LINES = {
    "zeros beyond the scale": (f"B1,{T},1.500,card,,,", "amount", Decimal("1.50")),
    "exponent": (f"B1,{T},1.5e1,card,,,", "amount", Decimal("15.00")),
    "T between day and time": ("B1,2025-01-01T10:00:00,1,card,,,", "booked_at", datetime(2025, 1, 1, 10)),
    "offset": ("B1,2025-01-01 10:00:00+02:00,1,card,,,", "booked_at", datetime(2025, 1, 1, 8)),
    "offset of Postgres": (
        f"B1,{T}.745232+00,1,card,,,",
        "booked_at",
        AT.replace(microsecond=745_232),
    ),
    "offset of an hour": ("B1,2025-01-01 10:00:00-03,1,card,,,", "booked_at", datetime(2025, 1, 1, 13)),
    "offset without colon": ("B1,2025-01-01 10:00:00+0530,1,card,,,", "booked_at", datetime(2025, 1, 1, 4, 30)),
    "offset behind a blank": ("B1,2025-01-01 10:00:00 +02:00,1,card,,,", "booked_at", datetime(2025, 1, 1, 8)),
    "seven digits of SQL Server": (
        f"B1,{T}.1234560,1,card,,,",
        "booked_at",
        AT.replace(microsecond=123_456),
    ),
    "nine digits and an offset": (
        f"B1,{T}.500000000+0200,1,card,,,",
        "booked_at",
        datetime(2025, 1, 1, 8, 0, 0, 500000),
    ),
    "end of the day": ("B1,2024-12-31 24:00:00,1,card,,,", "booked_at", datetime(2025, 1, 1)),
    "end of the leap day": ("B1,2024-02-29T24:00:00.000Z,1,card,,,", "booked_at", datetime(2024, 3, 1)),
    "end of the day elsewhere": ("B1,2024-12-31 24:00:00+02,1,card,,,", "booked_at", datetime(2024, 12, 31, 22)),
    "small letters": ("B1,2025-01-01t10:00:00z,1,card,,,", "booked_at", datetime(2025, 1, 1, 10)),
    "UTC by name": ("B1,2025-01-01 10:00:00 UTC,1,card,,,", "booked_at", datetime(2025, 1, 1, 10)),
    "Z behind a blank": ("B1,2025-01-01 10:00:00 Z,1,card,,,", "booked_at", datetime(2025, 1, 1, 10)),
    "day at midnight": (f"B1,{T},1,card,2025-01-02 00:00:00,,", "valued_on", date(2025, 1, 2)),
    "day at midnight to the thousandth": (f"B1,{T},1,card,2025-01-02T00:00:00.000,,", "valued_on", date(2025, 1, 2)),
    "integer with a zero": (f"B1,{T},1,card,,2.0,", "count", 2),
    "integer with a point": (f"B1,{T},1,card,,-2.,", "count", -2),
    "the greatest integer with zeros": (f"B1,{T},1,card,,2147483647.000,", "count", 2147483647),
    "line breaks in quotes": (f'B1,{T},1,card,,,"a\nb\r\nc"', "note", "a\nb\r\nc"),
    "carriage return in quotes": (f'B1,{T},1,card,,,"a\rb"', "note", "a\rb"),
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
    text = json.dumps(record)
    lines += [text + "], [" + text, text + '],{"x":1}', text[:-1] + ', "id": "B2"}', text.replace("B1", "B\x001")]
    nested, long = '{"x":' * 100_000 + "1" + "}" * 100_000, "9" * 10_000
    lines += [text[:-1] + f', "x": {nested}}}', text[:-1] + f', "x": {long}}}', nested]
    assert reasons(judged(spark, lines, JSON)) == [None] + [["row.malformed"]] * 15


def test_blank_lines_are_not_present_and_have_no_reasons(spark: SparkSession) -> None:
    rows = judged(spark, ["", "  ", "\r", ",,,,,,"], CSV)
    assert [row["__present"] for row in rows] == [False, False, False, True]
    assert reasons(rows)[:3] == [None, None, None]


def test_booleans_are_true_or_false_and_nothing_else(spark: SparkSession) -> None:
    from .conftest import PEOPLE

    rows = judged(
        spark,
        ["1,true", "2,FALSE", "3,", "4,1", "5,yes", "6,t", "7,F"],
        Layout("csv", ("id", "active"), ("f",)),
        contract=PEOPLE,
    )
    assert [row.active for row in rows] == [True, False, None, None, None, True, False]
    assert reasons(rows) == [None, None, None, ["active.type"], ["active.type"], None, None]


def test_json_keys_that_are_left_out_are_null(spark: SparkSession) -> None:
    lines = [json.dumps({"id": "B1", "booked_at": T, "amount": 1, "kind": "card"}), '{"id": "B2", "amount": 1.0}']
    rows = judged(spark, lines, JSON)
    assert (rows[0].note, rows[0]["count"], rows[0].valued_on) == (None, None, None)
    assert reasons(rows) == [None, ["booked_at.required", "kind.required"]]


def test_the_one_line_form_is_read_as_what_was_landed(spark: SparkSession) -> None:
    """Only there can be a carriage return outside quotes, or a NUL byte: neither is a value."""
    texts = Contract("raw.t", "", "", tuple(Column(name, "STRING") for name in "xy"))
    lines = ['a,"b\x1bnc"', "\x1be,n\x1ben", "a\rb,c", '"a\rb",c', "a,b\x1b0", '"\x1b0",b', "a,b\r"]
    rows = judged(spark, lines, Layout("csv", ("x", "y"), ("f",), one_line=True), contract=texts)
    good = [("a", "b\nc"), ("\x1b", "n\x1bn"), None, ("a\rb", "c"), None, None, ("a", "b")]
    assert [None if row["__reasons"] else (row.x, row.y) for row in rows] == good
    assert [row["__value"] for row in rows[:2]] == ['a,"b\nc"', "\x1b,n\x1bn"]


@pytest.mark.parametrize("severity", ["error", "warning"])
def test_a_warning_keeps_no_row_out(spark: SparkSession, severity: str) -> None:
    from dataclasses import replace

    rule = replace(BOOKINGS.row_rules[0], severity=severity)
    contract = replace(BOOKINGS, row_rules=(rule,))
    (row,) = judged(spark, [f"B1,{T},1,cash,,,"], CSV, contract=contract)
    assert row["__reasons"] == (["cash_is_counted"] if severity == "error" else None)
