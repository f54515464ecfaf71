"""What waits in quarantine, read without Spark from a lake that delta-rs wrote."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from portrait.contracts import Catalogue, load_catalogue
from portrait.ingest.quarantine import Waiting, quarantine_summary, readable_identifiers
from portrait.lake import Reader

FEED = "branches"
TEXT, TEXTS = pa.string(), pa.list_(pa.string())


@pytest.fixture(scope="module")
def catalogue(schemas_dir: Path) -> Catalogue:
    return load_catalogue(schemas_dir, standard=False)


def moment(second: int) -> datetime:
    return datetime(2025, 3, 1, 0, 0, second, tzinfo=UTC)


def lake_of(folder: Path, catalogue: Catalogue, files: list[Any], rows: list[Any]) -> Reader:
    """`files`: name, hash, status, columns, second; `rows`: file, hash, line, reasons, record, status, released in."""
    names, hashes, statuses, columns, seconds = map(list, zip(*files, strict=True))
    table = {
        "feed": pa.array([FEED] * len(files)), "file": pa.array(names), "file_hash": pa.array(hashes),
        "status": pa.array(statuses), "columns": pa.array(columns, TEXTS),
        "seen_at": pa.array([moment(second) for second in seconds]),
    }  # fmt: skip
    write_deltalake(folder / "ops" / "files", pa.table(table))
    file, known, line, reasons, record, status, released = map(list, zip(*rows, strict=True))
    table = {
        "feed": pa.array([FEED] * len(rows)), "file": pa.array(file), "file_hash": pa.array(known),
        "line": pa.array(line), "reasons": pa.array(reasons, TEXTS), "record": pa.array(record),
        "status": pa.array(status), "released_in": pa.array(released, TEXT),
    }  # fmt: skip
    write_deltalake(folder / "ops" / "quarantine", pa.table(table))
    return Reader(folder, catalogue)


def test_what_waits_by_hand(tmp_path: Path, catalogue: Catalogue) -> None:
    files = [
        ("a.csv", "A", "refused", [], 1), ("a.csv", "A", "accepted", [], 2), ("b.csv", "B", "quarantined", [], 1),
        ("c.csv", "C", "refused", [], 1), ("back.csv", "R", "accepted", [], 3),
    ]  # fmt: skip
    rows = [
        ("a.csv", "A", 9, ["name.type", "row.malformed"], "x", "open", None),
        ("a.csv", "A", 4, ["name.type"], "x", "open", None),
        ("a.csv", "A", 2, ["name.type"], "x", "released", "back.csv"),
        ("a.csv", "A", 1, ["name.type"], "x", "landed", "back.csv"),  # that file was accepted: it waits no more
        ("b.csv", "B", 3, ["name.type"], "x", "landed", "gone.csv"),  # that file never came
        ("c.csv", "C", 5, ["branch_id.identifier"], "x", "open", None),
        ("c.csv", "C", 6, [], "x", "open", None),
    ]
    assert quarantine_summary(lake_of(tmp_path, catalogue, files, rows)) == [
        Waiting(FEED, "branch_id.identifier", "c.csv", "refused", 1, 5),
        Waiting(FEED, "name.type", "a.csv", "accepted", 2, 4),
        Waiting(FEED, "name.type", "b.csv", None, 1, 3),
        Waiting(FEED, "row.malformed", "a.csv", "accepted", 1, 9),
    ]


def test_nothing_was_ever_quarantined(tmp_path: Path, catalogue: Catalogue) -> None:
    assert quarantine_summary(Reader(tmp_path, catalogue)) == []


@pytest.mark.parametrize(
    ("file", "record", "value"),
    [
        ("x.csv", 'Bad\xa0,r1,"A, ""quoted"" name\nof two lines",k,1', "'Bad\\xa0'"),
        ("x.csv.gz", "\ufeff1.91431E+18,r1,n,k,1\r", "'1.91431E+18'"),
        ("x.csv", ",r1,n,k,1", "absent"),
        ("x.jsonl", '{"branch_id": "692.0", "name": "n"}', "'692.0'"),
        ("x.parquet", '{"branch_id": " ", "name": null}', "' '"),
        ("x.jsonl", '{"name": "n"}', "absent"),
        ("x.jsonl", '{"branch_id": 1.91431E+18}', "ask Spark"),
        ("x.csv", '"torn,r1,n,k,1', "ask Spark"),
        ("short.csv", "Bad\xa0,r1", "absent"),
    ],
)
def test_the_identifier_of_a_record(tmp_path: Path, catalogue: Catalogue, file: str, record: str, value: str) -> None:
    header = catalogue.table(f"raw.{FEED}").column_names
    assert header[0] == "branch_id"
    columns = header[:2] if file.startswith("short") else header
    missing = "," * (len(header) - 5 if ".csv" in file and "short" not in file else 0)
    record = record.removesuffix("\r") + missing + ("\r" if record.endswith("\r") else "")
    reader = lake_of(
        tmp_path, catalogue, [(file, "A", "accepted", columns, 1)],
        [(file, "A", 2, ["branch_id.identifier"], record, "open", None)],
    )  # fmt: skip
    found = readable_identifiers(reader, quarantine_summary(reader))
    key = (FEED, "branch_id.identifier", file)
    assert found == {"absent": {}, "ask Spark": None}.get(value, {key: value})
