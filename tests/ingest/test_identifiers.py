"""Damaged identifiers, values that mean unknown, impossible dates: one verdict in CSV, JSON and Parquet. By hand."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F

from portrait.contracts import Column, Contract, load_catalogue
from portrait.contracts.identifiers import Identifier, all_clean, visible
from portrait.ingest import damaged_identifiers, quarantine_summary, readable_identifiers
from portrait.ingest.parsing import Layout, judge, judge_typed, parse_lines

from .conftest import Bank, catalogue_of

ID = Identifier()
PEOPLE = Contract(
    "raw.people",
    "People.",
    "One row per person.",
    (
        Column("id", "STRING", required=True, key_position=1, identifier=ID),
        Column("friend", "STRING", identifier=ID),
        Column("legacy", "STRING", identifier=Identifier(longest=8, accepts=r"^\d+\.0$")),
        Column("born", "DATE", minimum="1900-01-02", maximum="told_at", placeholders=("1900-01-01", "0000-00-00")),
        Column("told_at", "TIMESTAMP", minimum="1970-01-01", maximum="2199-12-31"),
        Column("since", "DATE", required=True, minimum="1970-01-01", placeholders=("9999-12-31",)),
        Column("ended_at", "TIMESTAMP", placeholders=("9999-12-31 00:00:00",)),
        Column("children", "INT", placeholders=("-1", "N/A")),
        Column("job", "STRING", placeholders=("N/A", "?")),
    ),
    (),
    {"delivery": "append", "maxRejectShare": 1},
)
NAMES = PEOPLE.column_names
IN_CSV = (
    "since",
    *[name for name in NAMES if name != "since"],
)  # a byte order mark before a line is none of its values
TYPES = ", ".join(f"{column.name} {column.physical_type}" for column in PEOPLE.columns)
SOUND = {"id": "P1", "since": "2020-01-01"}

DAMAGED = [
    "1.91431E+18", "1,91431E+18", "1.9e18", "1E+18", "1e-5", "692.0", "692,0", "-692.00", "123456789012345678.0",
    "NULL", "null", "\\N", "undefined", "nan", "NaN", "None", "NaT", "<NA>", "NA", "n/a", "(null)", "TRUE", "-inf",
    "#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#####", "-", "--", "?", ".",
    " A1", "A1 ", "A1\xa0", "\xa0A1", "A\u200b1", "\ufeffA1", "A1\u2060", "A\u00ad1", "A\t1", "A1\x00", "A1\x7f",
    "A\u202e1",
    "A\u30001", "A\u31641", "A\u28001", "A\ufe0f1", "A\ufffd1", "A\U000e00411",
    '"A1"', "'A1", '="A1"', "=A1", '{"a":1}', "9" * 65, "x" * 5000,
]  # fmt: skip
SOUND_IDS = [
    "P1", "692", "0", "000692", "A-1_b:2", "1.2.3", "692.5", "1E18", "NULL1", "NANCY", "NA12", "nonesuch", "A#1",
    "DE89 3704 0044", "客户-1", "Ünal", "b/1", "a@b.cz", "550e8400-e29b-41d4-a716-446655440000", "9" * 64, "Prague",
]  # fmt: skip


def judged_csv(spark: SparkSession, rows: Sequence[dict[str, str]], contract: Contract = PEOPLE) -> list[Row]:
    texts = []
    for row in rows:
        line = io.StringIO()
        csv.writer(line, lineterminator="").writerow([row.get(name, "") for name in IN_CSV])
        texts.append(line.getvalue())
    return judged_lines(spark, texts, Layout("csv", IN_CSV, ("f",)), contract)


def judged_json(spark: SparkSession, lines: Sequence[str], contract: Contract = PEOPLE) -> list[Row]:
    return judged_lines(spark, lines, Layout("jsonl", (), ("f",)), contract)


def judged_lines(spark: SparkSession, lines: Sequence[str], layout: Layout, contract: Contract) -> list[Row]:
    frame = spark.createDataFrame(
        [("f", n, line) for n, line in enumerate(lines)], "__file string, n int, __value string"
    )
    return judge(parse_lines(frame, contract=contract, layouts=[layout]), contract=contract).orderBy("n").collect()


def judged_rows(spark: SparkSession, rows: Sequence[dict[str, object]], contract: Contract = PEOPLE) -> list[Row]:
    values = [(n, *[row.get(name) for name in NAMES]) for n, row in enumerate(rows)]
    return judge_typed(spark.createDataFrame(values, f"n int, {TYPES}"), contract=contract).orderBy("n").collect()


def reasons(rows: list[Row]) -> list[list[str] | None]:
    return [row["__reasons"] for row in rows]


@pytest.mark.parametrize("column", ["id", "friend"])
def test_a_damaged_identifier_is_quarantined_in_every_format(spark: SparkSession, column: str) -> None:
    rows = [SOUND | {column: text} for text in DAMAGED]
    expected = {text: [f"{column}.identifier"] for text in DAMAGED}
    typed = [row | {"since": date(2020, 1, 1)} for row in rows]
    for found in (
        judged_csv(spark, rows),
        judged_json(spark, [json.dumps(row) for row in rows]),
        judged_rows(spark, typed),
    ):
        assert dict(zip(DAMAGED, reasons(found), strict=True)) == expected


def test_a_sound_identifier_stays_exactly_as_it_is(spark: SparkSession) -> None:
    rows = [SOUND | {"id": text} for text in SOUND_IDS]
    typed = [row | {"since": date(2020, 1, 1)} for row in rows]
    for found in (
        judged_csv(spark, rows),
        judged_json(spark, [json.dumps(row) for row in rows]),
        judged_rows(spark, typed),
    ):
        assert [(row["id"], row["__reasons"]) for row in found] == [(text, None) for text in SOUND_IDS]


def test_nothing_is_no_reference_and_no_key(spark: SparkSession) -> None:
    nothing = [SOUND | {"friend": ""}, SOUND | {"id": ""}]
    typed = [row | {"since": date(2020, 1, 1)} for row in nothing]
    for found in (
        judged_csv(spark, nothing),
        judged_json(spark, [json.dumps(row) for row in nothing]),
        judged_rows(spark, typed),
    ):
        assert [(row["friend"], row["__reasons"]) for row in found] == [(None, None), (None, ["id.required"])]


JSON_NUMBERS = {
    "692": ("692", None),
    "692.0": ("692.0", ["id.identifier"]),
    "1000.00": ("1000.0", ["id.identifier"]),
    "1e18": ("1.0E18", ["id.identifier"]),
    "123456789012345678": ("123456789012345678", None),
    "123456789012345678.0": ("123456789012345678.0", ["id.identifier"]),
    "12345678901234567890": ("12345678901234567890", None),
    "12345678901234567890.0": ("12345678901234567890.0", ["id.identifier"]),
    "1" * 38: ("1" * 38, None),
    "1" * 39: ("1.111111111111111E38", ["id.identifier"]),
    "true": ("true", ["id.identifier"]),
    '["A1"]': ('["A1"]', ["id.identifier"]),
    '"692"': ("692", None),
    "null": (None, ["id.required"]),
}


def test_a_number_in_json_keeps_all_digits_or_is_quarantined(spark: SparkSession) -> None:
    lines = [f'{{"id": {number}, "since": "2020-01-01"}}' for number in JSON_NUMBERS]
    found = [(row["id"], row["__reasons"]) for row in judged_json(spark, lines)]
    assert dict(zip(JSON_NUMBERS, found, strict=True)) == JSON_NUMBERS


def test_a_contract_may_accept_more_and_ask_for_less(spark: SparkSession) -> None:
    rows = [SOUND | {"legacy": text} for text in ("692.0", "692.00", "A12345678", "A1234567", "")]
    assert reasons(judged_csv(spark, rows)) == [None, ["legacy.identifier"], ["legacy.identifier"], None, None]


def test_the_quick_search_lets_nothing_pass_that_the_rules_refuse(spark: SparkSession) -> None:
    draw = random.Random(18)
    parts = [*"aZ09_-:.,+ #'\"\n\t", "NULL", "nan", "E+1", ".0", "\u00a0", "\u200b", "1", "7", "B"]
    texts = ["".join(draw.choices(parts, k=draw.randint(0, 9))) for _ in range(6000)]
    frame = spark.createDataFrame(list(zip(texts[::2], texts[1::2], strict=True)), "a string, b string")
    sound = " and ".join(f"({name} = '' or {ID.predicate(name)})" for name in ("a", "b"))
    counts = frame.select(F.expr(all_clean(["a", "b"])).alias("quick"), F.expr(sound).alias("sound"))
    found = {(row.quick, row.sound): row["count"] for row in counts.groupBy("quick", "sound").count().collect()}
    assert (True, False) not in found
    assert found[True, True] > 20
    assert found[False, False] > 20


def test_a_line_feed_inside_an_identifier_is_seen(spark: SparkSession) -> None:
    frame = spark.createDataFrame([("A1\nB2", None), ("A1", "B2\n"), ("A1", None), (None, None)], "a string, b string")
    found = frame.select(F.expr(all_clean(["a", "b"])).alias("clean")).collect()
    assert [row.clean for row in found] == [False, False, True, True]


def test_invisible_characters_are_shown_escaped() -> None:
    shown = {"A1": "'A1'", "A1\xa0": "'A1\\xa0'", "A\u200b1": "'A\\u200b1'", "客户": "'客户'", "A\u3164": "'A\\u3164'"}
    assert {text: visible(text) for text in shown} == shown


def test_every_key_and_reference_of_the_shipped_feeds_is_an_identifier(schemas_dir: Path) -> None:
    feeds = load_catalogue(schemas_dir).layer("raw")
    columns = {f"{c.name}.{column.name}": column for c in feeds for column in c.columns}
    named = {name for name in columns if name.endswith("_id") and name != "customers.national_id"}
    assert {name for name, column in columns.items() if column.identifier} == named
    assert len(named) > 40
    text_keys = {
        f"{c.name}.{name}" for c in feeds for name in c.key if c.column(name).physical_type == "STRING"
    } - named
    # Codes and kinds have an enum or a pattern of their own.
    assert all(columns[name].enum or columns[name].pattern for name in text_keys)


# Placeholders and bounds.


def person(**values: str) -> dict[str, str]:
    return SOUND | {"told_at": "2024-04-01 12:00:00"} | values


UNKNOWN = [
    (person(born="1900-01-01"), "born", ["born"], None),
    (person(children="-1"), "children", ["children"], None),
    (person(job="N/A"), "job", ["job"], None),
    (person(ended_at="9999-12-31T00:00:00Z"), "ended_at", ["ended_at"], None),
    (person(since="9999-12-31"), "since", ["since"], ["since.required"]),
    (person(), "born", None, None),
]


def test_a_value_that_means_unknown_is_null_and_counted(spark: SparkSession) -> None:
    def told(rows: list[Row]) -> list[tuple[object, ...]]:
        return [
            (row[name], row["__unknown"], row["__reasons"]) for row, (_, name, _, _) in zip(rows, UNKNOWN, strict=True)
        ]

    expected = [(None, unknown, broken) for _, _, unknown, broken in UNKNOWN]
    texts = [row for row, _, _, _ in UNKNOWN]
    assert told(judged_csv(spark, texts)) == expected
    assert told(judged_json(spark, [json.dumps(row) for row in texts])) == expected
    typed = [{name: typed_value(name, text) for name, text in row.items()} for row in texts]
    assert told(judged_rows(spark, typed)) == expected


def typed_value(name: str, text: str) -> object:
    kind = PEOPLE.column(name).physical_type
    if kind == "DATE":
        return date.fromisoformat(text)
    if kind == "TIMESTAMP":
        return datetime.fromisoformat(text.rstrip("Z"))
    return int(text) if kind == "INT" else text


def test_a_placeholder_need_not_be_of_the_type_of_its_column(spark: SparkSession) -> None:
    found = judged_csv(spark, [person(born="0000-00-00"), person(children="N/A"), person(children="n/a")])
    assert [(row["__unknown"], row["__reasons"]) for row in found] == [
        (["born"], None),
        (["children"], None),
        (None, ["children.type"]),
    ]


IMPOSSIBLE = [
    (person(born="1899-12-31"), ["born.range"]),
    (person(born="1900-01-02"), None),
    (person(born="2024-04-01"), None),
    (person(born="2024-04-02"), ["born.range"]),
    (person(born="2031-01-01"), ["born.range"]),
    (person(told_at="0024-03-31 10:00:00"), ["told_at.range"]),
    (person(told_at="1969-12-31 23:59:59"), ["told_at.range"]),
    (person(told_at="1970-01-01 00:00:00"), None),
    (person(told_at="2199-12-31 23:59:59.999999"), None),
    (person(told_at="2200-01-01 00:00:00"), ["told_at.range"]),
    (person(since="0203-01-01"), ["since.range"]),
    (SOUND | {"born": "2031-01-01"}, None),  # nobody said when: a bound that is null holds
]


def test_an_impossible_day_is_quarantined(spark: SparkSession) -> None:
    texts, expected = [row for row, _ in IMPOSSIBLE], [broken for _, broken in IMPOSSIBLE]
    assert reasons(judged_csv(spark, texts)) == expected
    assert reasons(judged_json(spark, [json.dumps(row) for row in texts])) == expected
    typed = [{name: typed_value(name, text) for name, text in row.items()} for row in texts]
    assert reasons(judged_rows(spark, typed)) == expected


def test_bounds_are_days_of_the_banks_zone(spark: SparkSession) -> None:
    contract = replace(PEOPLE, time_zone="Asia/Shanghai")
    told = [
        person(born="2024-04-01", told_at="2024-03-31T16:30:00Z"),  # half past midnight there
        person(born="2024-04-02", told_at="2024-04-01T15:59:59Z"),
        person(told_at="1970-01-01 00:00:00"),
        person(told_at="1969-12-31T15:59:59Z"),
    ]
    found = judged_csv(spark, told, contract)
    assert reasons(found) == [None, ["born.range"], None, ["told_at.range"]]


# Instants without an offset.

CLOCKS = {
    ("Asia/Shanghai", "2024-04-01 00:30:00"): datetime(2024, 3, 31, 16, 30),
    ("Asia/Shanghai", "2024-03-31T16:30:00Z"): datetime(2024, 3, 31, 16, 30),
    ("Asia/Shanghai", "2024-04-01 00:30:00+08:00"): datetime(2024, 3, 31, 16, 30),
    ("Asia/Shanghai", "2024-04-01 00:30:00.250-07:00"): datetime(2024, 4, 1, 7, 30, 0, 250000),
    ("Europe/Berlin", "2024-03-31 01:59:59"): datetime(2024, 3, 31, 0, 59, 59),
    ("Europe/Berlin", "2024-03-31 02:30:00"): datetime(2024, 3, 31, 1, 30),  # skipped: as if the clock had not moved
    ("Europe/Berlin", "2024-03-31 03:00:00"): datetime(2024, 3, 31, 1, 0),
    ("Europe/Berlin", "2024-10-27 02:30:00"): datetime(2024, 10, 27, 0, 30),  # twice: the first
    ("Europe/Berlin", "2024-10-27 02:30:00+01:00"): datetime(2024, 10, 27, 1, 30),
    ("America/Los_Angeles", "2023-12-31 23:30:00"): datetime(2024, 1, 1, 7, 30),
    ("Asia/Kathmandu", "2024-03-01 00:10:00"): datetime(2024, 2, 29, 18, 25),
}


@pytest.mark.parametrize("zone", sorted({zone for zone, _ in CLOCKS}))
def test_an_instant_without_offset_is_a_time_of_the_banks_clock(spark: SparkSession, zone: str) -> None:
    cases = {text: instant for (place, text), instant in CLOCKS.items() if place == zone}
    for text, instant in cases.items():  # the table agrees with Python's own zones
        clock = datetime.fromisoformat(text)
        known = clock if clock.tzinfo else clock.replace(tzinfo=ZoneInfo(zone))
        assert known.astimezone(ZoneInfo("UTC")).replace(tzinfo=None) == instant
    found = judged_csv(spark, [person(told_at=text) for text in cases], replace(PEOPLE, time_zone=zone))
    assert [row["told_at"] for row in found] == list(cases.values())


@pytest.fixture
def shanghai(spark: SparkSession, tmp_path: Path, schemas_dir: Path) -> Bank:
    feed = replace(PEOPLE, time_zone="Asia/Shanghai")
    return Bank(spark, tmp_path, catalogue_of(schemas_dir, feed))


@pytest.mark.delta
def test_files_of_all_formats_agree_and_placeholders_are_counted(shanghai: Bank) -> None:
    """CSV, a Parquet file of clock times and one of instants; what is quarantined keeps what came."""
    row = "P{n},,,1900-01-01,2024-04-01 00:30:00,2020-01-01,,-1,x"
    shanghai.land("people/a.csv", "\n".join([",".join(NAMES), row.format(n=1), row.format(n=2), ",,,,,,,,N/A"]) + "\n")
    shanghai.land(
        "people/d.csv", "\n".join([",".join(NAMES), "Q1,A1\xa0,,,,2020-01-01,,,", "Q2,NULL,,,,2020-01-01,,,"])
    )
    clock, instant = datetime(2024, 4, 1, 0, 30), datetime(2024, 3, 31, 16, 30)
    for name, told, zone in (("b", clock, None), ("c", instant, "UTC")):
        values = {
            "id": [f"{name}1", ""], "friend": [None, " "], "legacy": ["", ""],
            "born": pa.array([date(1900, 1, 1)] * 2), "told_at": pa.array([told] * 2, pa.timestamp("us", tz=zone)),
            "since": pa.array([date(2020, 1, 1)] * 2), "ended_at": pa.array([None] * 2, pa.timestamp("us", tz=zone)),
            "children": pa.array([3, -1], pa.int32()), "job": ["x", "?"],
        }  # fmt: skip
        (shanghai.landing / "people").mkdir(exist_ok=True)
        pq.write_table(pa.table(values), shanghai.landing / f"people/{name}.parquet")
    summary = shanghai.run()
    (feed,) = summary.feeds
    assert feed.placeholders == {"born": 6, "children": 4, "job": 3}
    assert {name: file.placeholders for name, file in shanghai.files().items()} == {
        "people/a.csv": {"born": 2, "children": 2, "job": 1},
        "people/b.parquet": {"born": 2, "children": 1, "job": 1},
        "people/d.csv": {},
        "people/c.parquet": {"born": 2, "children": 1, "job": 1},
    }
    bronze = {row.id: row for row in shanghai.rows("bronze.people")}
    assert sorted(bronze) == ["P1", "P2", "b1", "c1"]
    assert {row.told_at for row in bronze.values()} == {instant}
    assert [(row.born, row.legacy) for row in bronze.values()] == [(None, None)] * 4
    summary_rows = quarantine_summary(shanghai.lake().reader)
    values = damaged_identifiers(shanghai.lake(), summary_rows)
    assert readable_identifiers(shanghai.lake().reader, summary_rows) == values, "read without Spark"
    assert values["people", "friend.identifier", "people/b.parquet"] == "' '"
    assert values["people", "friend.identifier", "people/d.csv"] == "'A1\\xa0'"
    bad = {row.file: row for row in shanghai.rows("ops.quarantine")}
    assert bad["people/a.csv"].reasons == ["id.required", "since.required"]
    assert bad["people/b.parquet"].reasons == ["id.required", "friend.identifier"]
    record = json.loads(bad["people/b.parquet"].record)
    assert (record["id"], record["friend"], record["born"], record["job"]) == ("", " ", "1900-01-01", "?")
