"""Two readers, one verdict: what the inspection counts and what Spark reads of any text, against Python's csv."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from portrait.contracts import Column, Contract
from portrait.ingest.lines import block_counts, file_counts, with_lines
from portrait.ingest.parsing import MALFORMED
from portrait.ingest.verdicts import origin_of

from .conftest import judged_files, staged

FEED = Contract("raw.feed", "", "", (Column("x", "STRING"), Column("y", "STRING")))
Record = tuple[int, tuple[str, ...] | None]


def records_of(text: str) -> list[Record]:
    """First line and fields of each record that is not blank, None where it is no RFC 4180 or has not two fields.

    A state for each character says where records end; what they hold says Python's csv, in strict mode.
    """
    found: list[Record] = []
    state, record, sound, line, first = "start", "", True, 1, 1
    for character in [*text, "\n"]:
        if character == "\n" and state != "quoted":
            found += judged_record(record, sound, first)
            line, first, state, record, sound = line + 1, line + 1, "start", "", True
            continue
        line += character == "\n"
        record += character
        if character == "\ufeff" and set(record) == {"\ufeff"}:  # a mark at the start of a line is none of the text
            continue
        if state == "quoted":
            state = "quote" if character == '"' else state
        elif character == ",":
            state = "start"
        elif character == '"':
            sound = sound and state != "plain"
            state = {"start": "quoted", "quote": "quoted", "plain": "plain"}[state]
        else:
            sound = sound and (state != "quote" or character == "\r")
            state = "plain"
    return found + (judged_record(record[:-1], False, first) if state == "quoted" else [])


def judged_record(record: str, sound: bool, line: int) -> list[Record]:
    text = record.lstrip("\ufeff").rstrip("\r")
    if not text.strip(" "):
        return []
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error:
        rows = []
    if not sound or "\0" in text or len(rows) != 1 or len(rows[0]) != 2:
        return [(line, None)]
    return [(line, tuple(rows[0]))]


PIECES = ['"', '"', '""', ",", ",", '","', "\n", "\n", "\r\n", "\r", "a", "b ", " ", "\u2028", "\x85", "\xa0", "\ufeff"]
BODY = st.lists(st.sampled_from([*PIECES, "\0", "\x1b", "n", '"p,q"', "c,d\n", '"e","f\ng"\n']), max_size=40).map(
    "".join
)


@pytest.fixture
def tiny_blocks(spark: SparkSession) -> Iterator[None]:
    """Blocks of 30 bytes: files are cut at any place."""
    names = ("spark.sql.files.maxPartitionBytes", "spark.sql.files.openCostInBytes")
    before = {name: spark.conf.get(name) for name in names}
    spark.conf.set(names[0], "30")
    spark.conf.set(names[1], "0")
    yield
    for name, value in before.items():
        spark.conf.set(name, value)


@pytest.mark.usefixtures("tiny_blocks")
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(BODY, min_size=12, max_size=24))
def test_rows_lines_and_fields_are_those_of_an_independent_reader(
    spark: SparkSession, tmp_path: Path, bodies: list[str]
) -> None:
    shutil.rmtree(tmp_path / "feed", ignore_errors=True)
    (tmp_path / "feed").mkdir()
    bodies += ['a,"b\nc"\nd,e\n', 'a,"lunch\n1,2\nthanks"\n5" pipe,x\n"open,\n3,4\n', '\r\n"a\r\nb",c\r\n']
    for number, body in enumerate(bodies):
        (tmp_path / "feed" / f"{number}.csv").write_bytes(f"x,y\n{body}".encode())
    manifests = staged(tmp_path, FEED)
    frame = judged_files(spark, tmp_path, FEED, manifests).persist()
    blocks = block_counts(frame).collect()
    origins = {name: origin_of(item) for name, item in manifests.items()}
    counts = {name: count.rows for name, count in file_counts(blocks, origins).items()}
    found: dict[str, list[Record]] = {name: [] for name in manifests}
    for row in with_lines(frame, blocks=blocks, origins=origins).collect():
        assert row["__reasons"] in (None, [MALFORMED])
        fields = None if row["__reasons"] else (row.x or "", row.y or "")
        found[row["__file"]].append((row["_line"], fields))
    frame.unpersist()
    for name, manifest in manifests.items():
        text = (tmp_path / "feed" / name).read_bytes().decode()
        expected = records_of(text)[1:]
        assert sorted(found[name]) == expected, repr(text)
        assert counts[name] == manifest.rows == len(expected), repr(text)


def test_the_independent_reader_finds_what_pythons_csv_finds_in_a_sound_file() -> None:
    text = 'x,y\r\na,"b\r\nc"\r\n\r\n"say ""ah""",\r\n"",","\n'
    rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    assert [list(fields or ()) for _, fields in records_of(text)] == rows
    assert [line for line, _ in records_of(text)] == [1, 2, 5, 6]
