"""What a file is by its own bytes, and which folders are feeds."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import tracemalloc
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from portrait.errors import ConfigurationError
from portrait.ingest import text
from portrait.ingest.content import Inspection
from portrait.ingest.discover import landed_files
from portrait.ingest.files import LandedFile
from portrait.ingest.inspect import inspect_file


def inspect(folder: Path, name: str, data: bytes, *, width: int = 3) -> Inspection:
    feed = folder / "feed"
    feed.mkdir(exist_ok=True)
    (feed / name).write_bytes(data)
    (landed,) = [item for item in landed_files(folder, known=["feed"]) if item.source.name == name]
    return inspect_file(landed, width=width)


PACKED = gzip.compress(b"a,b,c\n" + b"".join(b"%d,2,3\n" % number for number in range(5000)))
UTF_16, NULS = "file.encoding: the bytes are UTF-16", "file.encoding: NUL bytes in the first line"
WHOLE_FILE = {
    "truncated gzip": ("x.csv.gz", PACKED[:-2000], "file.gzip"),
    "cut trailer": ("x.csv.gz", PACKED[:-4], "file.gzip"),
    "no gzip at all": ("x.csv.gz", b"a,b,c\n1,2,3\n", "file.gzip"),
    "gzip without its name": ("x.csv", PACKED, "file.encoding"),
    "bad UTF-8": ("x.csv", b"a,b,c\n1,\xff,3\n", "file.encoding"),
    "UTF-8 cut at the end": ("x.csv", b"a,b,c\n1,2,\xc3", "file.encoding"),
    "empty": ("x.csv", b"", "file.empty"),
    "blank lines only": ("x.csv", b"\n\r\n  \n", "file.empty"),
    "a mark only": ("x.csv", b"\xef\xbb\xbf", "file.empty"),
    "empty gzip": ("x.csv.gz", gzip.compress(b""), "file.empty"),
    "padding only": ("x.csv.gz", b"\0" * 20, "file.gzip"),
    "garbage behind the member": ("x.csv.gz", PACKED + b"garbage", "file.gzip"),
    "UTF-16": ("x.csv", "a,b,c\n1,2,3\n".encode("utf-16"), UTF_16),
    "UTF-16, big end first": (
        "x.csv",
        b"\xfe\xff" + "a,b,c\n1,2,3\n".encode("utf-16-be"),
        UTF_16,
    ),
    "UTF-16 without a mark": (
        "x.csv",
        "a,b,c\n1,2,3\n".encode("utf-16-le"),
        NULS,
    ),
    "old Macintosh": ("x.csv", b"a,b,c\r1,2,3\r4,5,6\r", "file.line_ends"),
    "open quote in the header": ("x.csv", b'a,b,"c\n1,2,3\n4,5,6\n', "file.header"),
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
    assert (seen.problem or "").startswith(reason)
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


def test_files_in_subfolders_are_files_of_the_feed(tmp_path: Path) -> None:
    """At any depth; what begins with a dot or underscore is not there, a folder reached twice is read once."""
    names = ["dt=2024-03-31/part-0.parquet", "x.parquet/part-0.parquet", "a/b/c/d.csv", "a/notes.txt", "z.csv"]
    hidden = ["_temporary/0/part-0.parquet", "a/.draft/x.csv", "dt=2024-03-31/_SUCCESS", "a/.x.csv.crc"]
    for name in [*names, *hidden]:
        file = tmp_path / "feed" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("a")
    (tmp_path / "feed" / "a" / "loop").symlink_to(tmp_path / "feed")
    (tmp_path / "feed" / "self").symlink_to("self")
    found = landed_files(tmp_path, known=["feed"])
    assert [item.path for item in found] == sorted(f"feed/{name}" for name in names)
    assert {item.path: item.format for item in found}["feed/a/notes.txt"] is None


def test_a_name_that_is_no_text_is_shown_escaped(tmp_path: Path) -> None:
    (tmp_path / "feed").mkdir()
    (tmp_path / "feed" / os.fsdecode(b"caf\xe9.csv")).write_text("a")
    assert [item.path for item in landed_files(tmp_path, known=["feed"])] == ["feed/caf\\xe9.csv"]


def test_a_folder_that_is_no_feed_is_an_error_that_names_the_feeds(tmp_path: Path) -> None:
    (tmp_path / "costumers").mkdir()
    with pytest.raises(ConfigurationError, match=r"(?s)'costumers'.*customers, accounts"):
        landed_files(tmp_path, known=["customers", "accounts"])


def test_a_data_file_beside_the_folders_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "customers.csv").write_text("a")
    (tmp_path / "README.md").write_text("notes are welcome")
    with pytest.raises(ConfigurationError, match=r"'customers\.csv'"):
        landed_files(tmp_path, known=["customers"])


@pytest.mark.parametrize("data", [b"a,b,c\n", b"a,b,c\r\n\r\n\n", b"\xef\xbb\xbfa,b,c"])
def test_a_file_with_a_header_and_no_rows_is_sound(tmp_path: Path, data: bytes) -> None:
    seen = inspect(tmp_path, "x.csv", data)
    assert (seen.problem, seen.columns, seen.rows) == (None, ("a", "b", "c"), 0)


MANY_LINES = {
    "quoted line breaks": (b'a,b,c\n1,"x\n\ny",2\n3,4,5\n', 2, True),
    "both ends quoted": (b'a,b,c\r\n1,"x\r\ny",2\r\n3,4,5\r\n', 2, True),
    "a quote that is never closed": (b'a,b,c\n1,2,3\n4,"x,y\n5,6,7\n8,9,0\n', 2, True),
    "a header of two lines": (b'a,"b\n",c\n1,2,3\n', 1, True),
    "a quote within a field": (b'a,b,c\n1,5" pipe,2\n3,4,5\n', 2, False),
    "every value quoted": (b'"a","b","c"\n"1","2, or ""3""",""\n', 1, False),
    "a bare carriage return": (b"a,b,c\n1,x\ry,2\n", 1, True),
    "Windows' ends": (b"a,b,c\r\n1,2,3\r\n4,5,6\r\n", 2, False),
    "a NUL byte": (b"a,b,c\n1,x\0y,2\n", 1, True),
}


@pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
@pytest.mark.parametrize(("data", "rows", "one_line"), MANY_LINES.values(), ids=MANY_LINES.keys())
def test_a_record_is_a_row_and_only_such_files_are_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, rows: int, one_line: bool, chunk: int
) -> None:
    monkeypatch.setattr(text, "CHUNK", chunk)
    seen = inspect(tmp_path, "x.csv", data)
    assert (seen.problem, len(seen.columns), seen.rows, seen.one_line) == (None, 3, rows, one_line)


def test_a_header_of_two_lines_has_its_names(tmp_path: Path) -> None:
    assert inspect(tmp_path, "x.csv", b'a,"b\n(EUR)",c\n1,2,3\n').columns == ("a", "b\n(EUR)", "c")


LINES = (b"4,5," + b"6" * 1000 + b"\n") * 1000
BOUNDS = text.Bounds(line_bytes=1 << 20, unpack_ratio=100)
TOO_MUCH = {
    "a line without end": ("x.csv", lambda: [b"a,b,c\n1,2,3\n", *[b"x" * (1 << 20)] * 200], "file.line_too_long"),
    "JSON without end": ("x.jsonl", lambda: [b'{"a": "', *[b"x" * (1 << 20)] * 200], "file.line_too_long"),
    "a quote that is never closed": (
        "x.csv",
        lambda: [b'a,b,c\n1,"2,3\n', *[LINES] * 100],
        "file.line_too_long",
    ),
    "no header's end": ("x.csv", lambda: [b"x" * (1 << 20)] * 200, "file.line_too_long"),
    "zeros": ("x.csv", lambda: [b"a,b,c\n1,2,3\n", *[b"\0" * (1 << 20)] * 200], "file.line_too_long"),
}


@pytest.mark.parametrize(("name", "parts", "reason"), TOO_MUCH.values(), ids=TOO_MUCH.keys())
def test_what_asks_for_too_much_is_turned_away_within_little_memory(
    tmp_path: Path, name: str, parts: Callable[[], list[bytes]], reason: str
) -> None:
    with (tmp_path / name).open("wb") as file:
        for part in parts():
            file.write(part)
    check_bounded(tmp_path / name, reason)


def test_a_gzip_bomb_is_turned_away_within_little_memory(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "x.csv.gz", "wb") as file:
        file.write(b"a,b,c\n")
        for _ in range(300):
            file.write((b"1,2," + b"3" * 1000 + b"\n") * 1000)
    check_bounded(tmp_path / "x.csv.gz", "file.gzip_bomb")


def check_bounded(path: Path, reason: str) -> None:
    extension = "".join(path.suffixes)
    landed = LandedFile("feed", path.name, path, extension.split(".")[1], extension, path.stat().st_size, 0)
    tracemalloc.start()
    seen = inspect_file(landed, width=3, bounds=BOUNDS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (seen.problem or "").split(":")[0] == reason
    assert peak < 16 << 20
    assert seen.hash == hashlib.sha256(path.read_bytes()).hexdigest()


NESTED = b'{"a":' * 100_000 + b"1" + b"}" * 100_000


def test_json_that_python_cannot_read_is_left_to_the_rows(tmp_path: Path) -> None:
    """Nested beyond any stack, numbers of ten thousand digits: the other lines say which columns there are."""
    lines = [b'{"a": 1}', NESTED, b'{"b": ' + b"9" * 10_000 + b"}"]
    seen = inspect(tmp_path, "x.jsonl", b"\n".join(lines))
    assert (seen.problem, seen.columns, seen.rows) == (None, ("a", "b"), 3)
    assert (inspect(tmp_path, "y.jsonl", NESTED).problem or "").startswith("file.format")
