"""Landed text as Spark is to read it: records on one line, packed files unpacked, all of it within bounds."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portrait.contracts import Contract
from portrait.ingest.text import DEFAULT_BOUNDS, Bounds, bounds_of, is_left_open, one_line_form, write_staged

FIELD = st.text(st.sampled_from('ab",\n\r \u2028\x85\xa0\ufeff\0\x1bne0'), max_size=6)
RECORDS = st.lists(st.lists(FIELD, min_size=2, max_size=3), min_size=1, max_size=6)


def restored(form: bytes) -> list[bytes]:
    """The records of a one-line form, by its description: an escape before `n`, `0` or itself's letter `e`."""
    found = []
    for line in form.split(b"\n"):
        text, place = bytearray(), 0
        while place < len(line):
            escaped = line[place : place + 1] == b"\x1b"
            text += (
                {b"n": b"\n", b"0": b"\0", b"e": b"\x1b"}[line[place + 1 : place + 2]] if escaped else line[place:][:1]
            )
            place += 1 + escaped
        found.append(bytes(text))
    return found


@given(RECORDS, st.sampled_from(["\n", "\r\n"]), st.integers(1, 9))
@settings(max_examples=300, deadline=None)
def test_records_keep_their_first_line_and_their_text(records: list[list[str]], end: str, chunk: int) -> None:
    """What Python's writer writes, read back by Python's strict reader from the one-line form, whatever the chunks."""
    texts = [",".join('"' + field.replace('"', '""') + '"' for field in record) + end for record in records]
    data = "".join(texts).encode()
    form = b"".join(one_line_form(data[place : place + chunk] for place in range(0, len(data), chunk)))
    lines = restored(form)
    assert len(lines) == data.count(b"\n") + 1  # as many lines as before
    first = 0
    for text, record in zip(texts, records, strict=True):
        (read,) = csv.reader(io.StringIO(lines[first].decode(), newline=""), strict=True)
        assert read == record
        assert set(lines[first + 1 : first + text.count("\n")]) <= {b""}
        first += text.count("\n")


LEFT_OPEN = {
    b'a,"lunch': True,
    b'"': True,
    b'a,"b",c': False,
    b'a,"say ""ah""",c': False,
    b'a,"say ""ah""': True,
    b'5" pipe,b': False,  # a quote within a field opens nothing
    b'5" pipe,"b': True,
    b'x"y,"z': True,
    b'"a"b"c,d': False,
    b'"a" ,"': True,
    b'\xef\xbb\xbf"a': True,
    b'"a,b\r': True,
}


@pytest.mark.parametrize(("line", "left"), LEFT_OPEN.items())
def test_a_quote_opens_a_field_at_its_start_only(line: bytes, left: bool) -> None:
    assert is_left_open(line, inside=False) is left


def test_a_field_that_goes_on_ends_at_its_closing_quote() -> None:
    assert is_left_open(b'and "" on', inside=True)
    assert not is_left_open(b'thanks",b', inside=True)
    assert is_left_open(b'thanks","b', inside=True)


def test_a_field_of_very_many_quotes_is_read_in_linear_time() -> None:
    quotes = b'""' * 1_000_000
    assert not is_left_open(b'"' + quotes + b'"', inside=False)
    assert is_left_open(b'"' + quotes, inside=False)


@pytest.mark.parametrize("padding", [b"", b"\0", b"\0" * 700])
def test_packed_files_of_several_members_and_with_padding_are_unpacked(tmp_path: Path, padding: bytes) -> None:
    source, target = tmp_path / "a.csv.gz", tmp_path / "b.csv"
    source.write_bytes(gzip.compress(b"a,b\n1,") + gzip.compress(b"2\n") + padding)
    assert write_staged(source, target, packed=True, one_line=False) == hashlib.sha256(source.read_bytes()).hexdigest()
    assert target.read_bytes() == b"a,b\n1,2\n"


def test_a_big_file_is_written_within_little_memory(tmp_path: Path) -> None:
    source, target = tmp_path / "a.csv", tmp_path / "b.csv"
    with source.open("wb") as file:
        for _ in range(40):
            file.write((b'a,"two\n' + b"x" * 4000 + b'",b\n') * 256)
    tracemalloc.start()
    write_staged(source, target, packed=False, one_line=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20 < source.stat().st_size  # a chunk, its lines, their new form
    assert target.stat().st_size == source.stat().st_size + 40 * 256 * 2


def test_bounds_come_from_the_contract() -> None:
    assert bounds_of(Contract("raw.x", "", "", ())) == DEFAULT_BOUNDS
    limits = {"maxLineBytes": 1000, "maxUnpackRatio": 20}
    assert bounds_of(Contract("raw.x", "", "", (), (), limits)) == Bounds(1000, 20)
