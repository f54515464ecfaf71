"""What a file is by its own bytes, and which folders are feeds."""

from __future__ import annotations

import gzip
import hashlib
import json
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from portrait.errors import ConfigurationError
from portrait.ingest import text
from portrait.ingest.landing import Inspection, inspect_file, landed_files


def inspect(folder: Path, name: str, data: bytes, *, width: int = 3) -> Inspection:
    feed = folder / "feed"
    feed.mkdir(exist_ok=True)
    (feed / name).write_bytes(data)
    (landed,) = [item for item in landed_files(folder, known=["feed"]) if item.source.name == name]
    return inspect_file(landed, width=width)


PACKED = gzip.compress(b"a,b,c\n" + b"".join(b"%d,2,3\n" % number for number in range(5000)))
WHOLE_FILE = {
    "truncated gzip": ("x.csv.gz", PACKED[:-2000], "file.gzip"),
    "cut trailer": ("x.csv.gz", PACKED[:-4], "file.gzip"),
    "no gzip at all": ("x.csv.gz", b"a,b,c\n1,2,3\n", "file.gzip"),
    "gzip without its name": ("x.csv", PACKED, "file.encoding"),
    "bad UTF-8": ("x.csv", b"a,b,c\n1,\xff,3\n", "file.encoding"),
    "UTF-8 cut at the end": ("x.csv", b"a,b,c\n1,2,\xc3", "file.encoding"),
    "empty": ("x.csv", b"", "file.empty"),
    "blank lines only": ("x.csv", b"\n\r\n  \n", "file.empty"),
    "header only": ("x.csv", b"a,b,c\n", "file.header_only"),
    "header and blank lines": ("x.csv", b"a,b,c\r\n\r\n\n", "file.header_only"),
    "wrong delimiter": ("x.csv", b"a;b;c\n1;2;3\n", "file.delimiter"),
    "no JSON": ("x.jsonl", b"a,b,c\n1,2,3\n", "file.format"),
    "empty JSON": ("x.jsonl", b"\n", "file.empty"),
    "unknown name": ("x.xlsx", b"PK", "file.format"),
    "no Parquet": ("x.parquet", b"PAR1 something PAR1", "file.parquet"),
    "empty Parquet": ("x.parquet", b"", "file.empty"),
}


@pytest.mark.parametrize(("name", "data", "reason"), WHOLE_FILE.values(), ids=WHOLE_FILE.keys())
def test_an_unusable_file_is_told_why(tmp_path: Path, name: str, data: bytes, reason: str) -> None:
    seen = inspect(tmp_path, name, data)
    assert (seen.problem or "").split(":")[0] == reason
    assert seen.hash == hashlib.sha256(data).hexdigest()


def test_a_sound_file_has_header_rows_and_hash(tmp_path: Path) -> None:
    data = "\ufeffa,b,c\r\n1,2,3\r\n\r\n4,5,6".encode()
    assert inspect(tmp_path, "x.csv", data) == Inspection(
        hashlib.sha256(data).hexdigest(), None, ("a", "b", "c"), (), 2
    )


def test_rows_are_counted_across_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "CHUNK", 7)
    data = "a,b,c\n" + "".join(f"{number},žluťoučký,3\n\n" for number in range(50))
    seen = inspect(tmp_path, "x.csv", data.encode())
    assert (seen.problem, seen.rows) == (None, 50)


def test_rows_of_a_file_with_bad_bytes_are_still_counted(tmp_path: Path) -> None:
    assert inspect(tmp_path, "x.csv", b"a,b,c\n\xff\n2\n3\n").rows == 3


def test_a_header_with_quotes_is_read(tmp_path: Path) -> None:
    assert inspect(tmp_path, "x.csv", b'"a","b, or c",c\n1,2,3\n').columns == ("a", "b, or c", "c")


def test_columns_of_json_are_the_keys_of_all_first_lines(tmp_path: Path) -> None:
    lines = [{"a": 1, "b": None}, {"c": 2}, {"a": 3}]
    seen = inspect(tmp_path, "x.jsonl", "\n".join(json.dumps(line) for line in lines).encode())
    assert (seen.columns, seen.rows, seen.problem) == (("a", "b", "c"), 3, None)


def test_parquet_types_come_in_the_words_of_contracts(tmp_path: Path) -> None:
    table = pa.table(
        {
            "s": pa.array(["x"]),
            "d": pa.array([1], pa.decimal128(18, 2)),
            "t": pa.array([datetime(2025, 1, 1)], pa.timestamp("us")),
            "n": pa.array([datetime(2025, 1, 1)], pa.timestamp("ns")),
            "i": pa.array([1], pa.int32()),
            "l": pa.array([1], pa.int64()),
            "b": pa.array([True]),
            "day": pa.array([0], pa.date32()),
        }
    )
    pq.write_table(table, tmp_path / ".t.parquet")
    seen = inspect(tmp_path, "x.parquet", (tmp_path / ".t.parquet").read_bytes())
    expected = ("STRING", "DECIMAL(18,2)", "TIMESTAMP", "timestamp[ns]", "INT", "BIGINT", "BOOLEAN", "DATE")
    assert (seen.problem, seen.types, seen.rows) == (None, expected, 1)


def test_a_parquet_file_with_a_damaged_page_is_found(tmp_path: Path) -> None:
    pq.write_table(pa.table({"s": [f"value {number}" for number in range(20000)]}), tmp_path / ".t.parquet")
    data = bytearray((tmp_path / ".t.parquet").read_bytes())
    data[100:4000] = bytes(3900)
    assert (inspect(tmp_path, "x.parquet", bytes(data)).problem or "").startswith("file.parquet")


def test_names_that_are_still_being_written_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "feed").mkdir()
    for name in (".x.csv.part", "_SUCCESS", "x.csv"):
        (tmp_path / "feed" / name).write_text("a")
    assert [item.path for item in landed_files(tmp_path, known=["feed"])] == ["feed/x.csv"]


def test_a_folder_that_is_no_feed_is_an_error_that_names_the_feeds(tmp_path: Path) -> None:
    (tmp_path / "costumers").mkdir()
    with pytest.raises(ConfigurationError, match=r"(?s)'costumers'.*customers, accounts"):
        landed_files(tmp_path, known=["customers", "accounts"])


def test_a_data_file_beside_the_folders_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "customers.csv").write_text("a")
    (tmp_path / "README.md").write_text("notes are welcome")
    with pytest.raises(ConfigurationError, match=r"'customers\.csv'"):
        landed_files(tmp_path, known=["customers"])
