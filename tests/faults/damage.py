"""What can happen to a delivered file: operations that a fuzzer combines, each with its expectation of the rows.

An operation takes a random generator and a file. `STAGES` says when: first how the file is written at all, then rows,
then its header, then bytes, then where it lies.
"""

from __future__ import annotations

import gzip
import json
import random
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
from tests.faults.delivered import ABSENT, KEYS, MARKED, Delivered, Row

Operation = Callable[[random.Random, Delivered], None]
STAGES: dict[str, list[Operation]] = {"format": [], "rows": [], "header": [], "bytes": [], "place": []}


def _stage(name: str) -> Callable[[Operation], Operation]:
    def add(operation: Operation) -> Operation:
        STAGES[name].append(operation)
        return operation

    return add


def _pick(rng: random.Random, file: Delivered) -> Row:
    return rng.choice(file.rows) if file.rows else Row({}, "none", fate="any")


def _instant(file: Delivered) -> str:
    return "booked_at" if file.feed == "transactions" else "changed_at"


def _amount(file: Delivered) -> str:
    return "amount" if file.feed == "transactions" else "declared_income"


# -- how the file is written ------------------------------------------------------------------------------------


@_stage("format")
def json_lines(rng: random.Random, file: Delivered) -> None:
    file.format, file.name = "jsonl", file.name.replace(".csv", ".jsonl")


@_stage("format")
def parquet(rng: random.Random, file: Delivered) -> None:
    file.format, file.name = "parquet", file.name.replace(".csv", ".parquet")


@_stage("format")
def packed(rng: random.Random, file: Delivered) -> None:
    if file.format != "parquet":
        file.packed, file.name = True, f"{file.name}.gz"


@_stage("format")
def line_ends(rng: random.Random, file: Delivered) -> None:
    file.newline = "\r\n"


@_stage("format")
def old_mac_line_ends(rng: random.Random, file: Delivered) -> None:
    if file.format != "parquet":
        file.newline, file.unreadable = "\r", True


@_stage("format")
def other_delimiter(rng: random.Random, file: Delivered) -> None:
    if file.format == "csv":
        file.delimiter = rng.choice(";\t|^")


@_stage("format")
def other_encoding(rng: random.Random, file: Delivered) -> None:
    if file.format != "parquet":
        file.encoding = rng.choice(["utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1250"])
        file.unreadable = file.encoding.startswith(("utf-16", "utf-32"))


@_stage("format")
def parquet_timestamps(rng: random.Random, file: Delivered) -> None:
    if file.format == "parquet":
        choice = rng.choice(["int96", "nanos", "millis", "no zone", "seconds"])
        name = _instant(file)
        if choice == "int96":
            file.parquet = {"use_deprecated_int96_timestamps": True}
        elif choice == "nanos":
            file.casts[name], file.parquet = pa.timestamp("ns", tz="UTC"), {"version": "2.6"}
        elif choice == "millis":
            file.casts[name] = pa.timestamp("ms", tz="UTC")
        elif choice == "seconds":
            file.casts[name] = pa.timestamp("s", tz="UTC")
        else:
            file.casts[name] = pa.timestamp("us")


@_stage("format")
def parquet_types(rng: random.Random, file: Delivered) -> None:
    if file.format == "parquet":
        amount = _amount(file)
        name, kind = rng.choice(
            [
                (amount, pa.string()), (amount, pa.float64()), (amount, pa.decimal128(12, 2)),
                (amount, pa.decimal128(20, 4)), (amount, pa.decimal128(9, 2)), (_instant(file), pa.string()),
                (_instant(file), pa.int64()), (MARKED[file.feed], pa.large_string()), (MARKED[file.feed], pa.binary()),
                (MARKED[file.feed], pa.dictionary(pa.int32(), pa.string())),
                *([("children", pa.int64()), ("children", pa.int8()), ("birth_date", pa.date64()),
                   ("birth_date", pa.timestamp("us")), ("consent_marketing", pa.string())]
                  if file.feed == "customers" else []),
            ]
        )  # fmt: skip
        file.casts[name] = kind
        # Read by the value or refused by the type; what is read must be the value.
        for row in file.rows:
            row.expect("exact")


# -- rows -------------------------------------------------------------------------------------------------------


def _note(file: Delivered, row: Row, text: str) -> None:
    """Put a text behind the marker in the column that takes any text."""
    row.texts[MARKED[file.feed]] = f"{row.marker} {text}"


def _smuggled(file: Delivered) -> str:
    """A line that would be a sound row if a reader took it for one."""
    values = dict.fromkeys(file.columns, "")
    if file.feed == "transactions":
        values |= {"transaction_id": "SMUGGLED", "account_id": "A001", "booked_at": "2025-03-01 00:00:00"}
        values |= {"amount": "1000000.00", "direction": "credit", "type": "salary"}
    else:
        values |= {"customer_id": "SMUGGLED", "op": "I", "changed_at": "2025-03-01 00:00:00"}
    return ",".join(values.values())


@_stage("rows")
def quoted_line_break(rng: random.Random, file: Delivered) -> None:
    end = rng.choice(["\n", "\r\n", "\r", "\n\n"])
    _note(file, _pick(rng, file), f"lunch{end}{_smuggled(file)}{end}thanks")


@_stage("rows")
def quoted_quotes(rng: random.Random, file: Delivered) -> None:
    _note(file, _pick(rng, file), rng.choice(['said "no", then left', '""', '"', ',",",', '"\n"']))


@_stage("rows")
def unterminated_quote(rng: random.Random, file: Delivered) -> None:
    if file.format != "csv" or not file.rows:
        return
    place = rng.randrange(len(file.rows))
    row = file.rows[place]
    others = [row.texts.get(name) or "" for name in file.columns if name != MARKED[file.feed]]
    row.record = file.delimiter.join([*others[:-1], others[-1] if file.feed == "customers" else f'"{row.marker}'])
    if file.feed == "customers":
        row.record = row.record + f'{file.delimiter}"{row.marker}'
    row.expect("bad")
    for other in file.rows[place + 1 :]:
        other.expect("exact")


@_stage("rows")
def quote_inside_field(rng: random.Random, file: Delivered) -> None:
    if file.format == "csv":
        row = _pick(rng, file)
        values = {**row.texts, MARKED[file.feed]: f'{row.marker} 5" pipe'}
        row.record = file.delimiter.join((values.get(name) or "") for name in file.columns)
        row.expect("exact", **{MARKED[file.feed]: f'{row.marker} 5" pipe'})


@_stage("rows")
def odd_numbers(rng: random.Random, file: Delivered) -> None:
    row, name = _pick(rng, file), _amount(file)
    text, value = rng.choice(
        [
            ("1,234.56", None), ("1.234,56", None), ("1e3", Decimal("1000.00")), ("+5.00", Decimal("5.00")),
            (" 5.00 ", Decimal("5.00")), ("0x1F", None), ("５.００", Decimal("5.00")), ("Infinity", None),
            ("NaN", None),
            ("5.005", None), ("5.000", Decimal("5.00")), ("1_000", None), ("1'000.00", None), ("--5", None),
            ("5.00-", None), ("(5.00)", None), ("$5.00", None), ("5,00", None), ("1e400", None),
            ("5.", Decimal("5.00")),
            (".5", Decimal("0.50")), ("1" + "0" * 30, None), ("9" * 5000, None),
        ]
    )  # fmt: skip
    row.texts[name] = text
    row.expect("bad" if value is None else "exact", **({} if value is None else {name: value}))


@_stage("rows")
def huge_amount(rng: random.Random, file: Delivered) -> None:
    row, name = _pick(rng, file), _amount(file)
    row.texts[name] = "9999999999999999.99"
    row.expect("exact")


@_stage("rows")
def instants_of_other_systems(rng: random.Random, file: Delivered) -> None:
    row, name = _pick(rng, file), _instant(file)
    text, value = rng.choice(
        [
            ("2025-03-31 21:25:58.745232+00", datetime(2025, 3, 31, 21, 25, 58, 745232, UTC)),
            ("2025-03-31 21:25:58+0200", datetime(2025, 3, 31, 19, 25, 58, 0, UTC)),
            ("2025-03-31T21:25:58-05", datetime(2025, 4, 1, 2, 25, 58, 0, UTC)),
            ("2025-03-31 21:25:58.1234560", datetime(2025, 3, 31, 21, 25, 58, 123456, UTC)),
            ("2025-03-31 24:00:00", datetime(2025, 4, 1, tzinfo=UTC)),
            ("2025-03-31 21:25:58.1234567", None),
            ("2025-02-29 10:00:00", None),
            ("2025-03-31 24:00:01", None),
            ("31.03.2025 10:00", None),
            ("03/31/2025 10:00:00", None),
            ("2025-13-01 00:00:00", None),
            ("1743412800", None),
            ("now", None),
            ("epoch", None),
        ]
    )
    if file.format == "parquet":
        return
    row.texts[name] = text
    row.expect("bad" if value is None else "good", **({} if value is None else {name: value}))


@_stage("rows")
def impossible_days(rng: random.Random, file: Delivered) -> None:
    row = _pick(rng, file)
    if file.feed == "transactions":
        row.texts["booked_at"] = rng.choice(["0024-03-31 10:00:00", "0001-01-01 00:00:00"])
        row.expect("bad")
    else:
        text = rng.choice(["1900-01-01", "0001-01-01", "2999-01-01", "0024-05-05"])
        row.texts["birth_date"] = text
        row.expect("exact", birth_date=None)


@_stage("rows")
def damaged_key(rng: random.Random, file: Delivered) -> None:
    row, name = _pick(rng, file), KEYS[file.feed]
    row.texts[name] = rng.choice(
        [
            "1.91431E+18", "1,91431E+18", "692.0", "NULL", "\\N", "undefined", "nan", "NaN", "None", "#N/A", " A1",
            "A1 ",
            "A1\u00a0", "\u200bA1", "A\u00ad1", "\ufeffA1", "A\t1", "#REF!", "null", "N/A", "   ", "A\u202e1",
        ]
    )  # fmt: skip
    row.expect("bad")


@_stage("rows")
def json_values(rng: random.Random, file: Delivered) -> None:
    if file.format != "jsonl":
        return
    row, key, amount = _pick(rng, file), KEYS[file.feed], _amount(file)
    digits = int("123456789" * 4 + "123")
    choice = rng.randrange(7)
    if choice == 0:
        row.json[key] = digits
        row.expect("exact", **{key: str(digits)})
    elif choice == 1:
        row.json[key] = 692.5
        row.expect("bad")
    elif choice == 2:
        row.json[amount] = {"value": 5}
        row.expect("bad")
    elif choice == 3:
        row.json[MARKED[file.feed]] = [row.marker]
        row.expect("any")
    elif choice == 4:
        row.json[amount] = 5.25
        row.expect("exact", **{amount: Decimal("5.25")})
    elif choice == 5:
        row.json["channel" if file.feed == "transactions" else "gender"] = None
        row.texts["channel" if file.feed == "transactions" else "gender"] = ""
    else:
        row.json[key] = True
        row.expect("any")


@_stage("rows")
def json_keys(rng: random.Random, file: Delivered) -> None:
    if file.format != "jsonl":
        return
    row, key = _pick(rng, file), KEYS[file.feed]
    text = json.dumps({name: value for name, value in row.texts.items() if value})
    choice = rng.randrange(6)
    if choice == 0:  # a required key is left out
        row.json[key] = ABSENT
        row.texts[key] = None
        row.expect("bad")
    elif choice == 1:  # two records on one line
        row.record = text + text
        row.expect("bad")
    elif choice == 2:  # torn
        row.record = text[:-1]
        row.expect("bad")
    elif choice == 3:
        row.record = text[:-1] + f', "{key}": "SMUGGLED"}}'
        row.expect("bad")
    elif choice == 4:
        row.record = text[:-1] + ', "surplus": ' + "[" * 2000 + "]" * 2000 + "}"
        row.expect("exact")
    else:
        row.record = f"[{text}]"
        row.expect("bad")


@_stage("rows")
def deep_json(rng: random.Random, file: Delivered) -> None:
    if file.format == "jsonl":
        row = _pick(rng, file)
        row.record = '{"note": "' + row.marker + '", "x": ' + "[" * 100_000 + "]" * 100_000 + "}"
        row.expect("bad")


@_stage("rows")
def empty_required(rng: random.Random, file: Delivered) -> None:
    row = _pick(rng, file)
    name = rng.choice([KEYS[file.feed], _instant(file), "op" if file.feed == "customers" else "direction"])
    row.texts[name] = None if file.format == "parquet" else ""
    row.expect("bad")


@_stage("rows")
def unknown_code(rng: random.Random, file: Delivered) -> None:
    row = _pick(rng, file)
    name = "op" if file.feed == "customers" else "direction"
    row.texts[name] = rng.choice(["X", "Credit", "CREDIT", "0", "crédit", "i"])
    row.expect("bad")


@_stage("rows")
def reused_id(rng: random.Random, file: Delivered) -> None:
    if len(file.rows) > 1 and file.feed == "transactions":
        first, second = rng.sample(file.rows, 2)
        second.texts["transaction_id"] = first.texts["transaction_id"]


@_stage("rows")
def tie(rng: random.Random, file: Delivered) -> None:
    if len(file.rows) > 1 and file.feed == "customers":
        first, second = rng.sample(file.rows, 2)
        for name in ("customer_id", "changed_at"):
            second.texts[name] = first.texts[name]
        second.texts["op"] = rng.choice("IUD")


@_stage("rows")
def repeated_row(rng: random.Random, file: Delivered) -> None:
    if file.rows:
        row = _pick(rng, file)
        file.rows.insert(rng.randrange(len(file.rows)), Row(dict(row.texts), row.marker, "any", record=row.record))
        row.expect("exact")


@_stage("rows")
def values_too_many_or_few(rng: random.Random, file: Delivered) -> None:
    if file.format == "csv":
        row = _pick(rng, file)
        texts = [(row.texts.get(name) or "").replace(",", " ").replace('"', "") for name in file.columns]
        row.record = file.delimiter.join(
            texts[:-1] + [row.marker] * rng.randint(2, 3) if rng.random() < 0.5 else [*texts[:3], row.marker]
        )
        row.expect("bad")


@_stage("rows")
def blank_lines(rng: random.Random, file: Delivered) -> None:
    if file.format != "parquet" and file.rows:
        row = _pick(rng, file)
        if row.record is None and file.format == "jsonl":
            row.record = json.dumps({name: value for name, value in row.texts.items() if value})
        if row.record is not None:
            row.record = rng.choice(["", "  ", "\t"]) + file.newline + row.record
            row.expect("any")


@_stage("rows")
def long_field(rng: random.Random, file: Delivered) -> None:
    _note(file, _pick(rng, file), rng.choice("xé漢") * rng.choice([40_000, 200_000]))


@_stage("rows")
def giant_line(rng: random.Random, file: Delivered) -> None:
    row = _pick(rng, file)
    _note(file, row, "y" * 6_000_000)
    row.expect("exact")


@_stage("rows")
def odd_characters(rng: random.Random, file: Delivered) -> None:
    if file.encoding == "cp1250":
        return
    _note(
        file,
        _pick(rng, file),
        rng.choice(["😀 ok", "a\u2028b", "a\u0085b", "a\u200bb", "é\u0301", "a\x0bb", "#x", "=1+1"]),
    )


@_stage("rows")
def nul_character(rng: random.Random, file: Delivered) -> None:
    row = _pick(rng, file)
    _note(file, row, "a\x00b")
    row.expect("exact")


@_stage("rows")
def no_rows(rng: random.Random, file: Delivered) -> None:
    file.rows = []


@_stage("rows")
def integers_with_a_point(rng: random.Random, file: Delivered) -> None:
    if file.feed == "customers" and file.format != "parquet":
        row = _pick(rng, file)
        text, value = rng.choice([("2.0", 2), ("2.5", None), ("02", 2), ("99999999999", None), ("two", None)])
        row.texts["children"] = text
        row.expect("bad" if value is None else "exact", **({} if value is None else {"children": value}))


# -- header -----------------------------------------------------------------------------------------------------


def _names(file: Delivered) -> list[str]:
    return list(file.header or [*file.columns, *file.extra])


@_stage("header")
def columns_reordered(rng: random.Random, file: Delivered) -> None:
    file.header = rng.sample(_names(file), len(_names(file)))
    for row in file.rows:
        if row.record is not None and file.format == "csv":
            row.expect("any")


@_stage("header")
def column_re_cased(rng: random.Random, file: Delivered) -> None:
    name = rng.choice(file.columns)
    file.header = [item.upper() if item == name else item for item in _names(file)]
    for row in file.rows:
        row.expect("exact")


@_stage("header")
def column_in_both_cases(rng: random.Random, file: Delivered) -> None:
    name = rng.choice(file.columns)
    file.header = [*_names(file), name.capitalize()]
    for row in file.rows:
        row.expect("exact")


@_stage("header")
def column_twice(rng: random.Random, file: Delivered) -> None:
    if file.format != "jsonl":
        file.header = [*_names(file), rng.choice(file.columns)]
        for row in file.rows:
            row.expect("exact")


@_stage("header")
def column_missing(rng: random.Random, file: Delivered) -> None:
    name = rng.choice([item for item in file.columns if item != MARKED[file.feed]])
    if file.format == "jsonl":
        for row in file.rows:
            row.texts[name] = None
            row.json[name] = ABSENT
            row.expect("exact")
    else:
        file.header = [item for item in _names(file) if item != name]
        for row in file.rows:
            row.expect("any" if row.record else "exact")


@_stage("header")
def column_added(rng: random.Random, file: Delivered) -> None:
    file.extra[rng.choice(["surplus", "Zusatz 1", "a.b", "`x`", ""])] = "7"
    if file.header is not None:
        file.header = [*file.header, *file.extra]
    for row in file.rows:
        row.expect("any" if row.record else "exact")


@_stage("header")
def header_absent(rng: random.Random, file: Delivered) -> None:
    if file.format == "csv":
        file.with_header = False
        file.unreadable = True


@_stage("header")
def header_padded(rng: random.Random, file: Delivered) -> None:
    if file.format == "csv":
        file.header = [f" {name}" if number else name for number, name in enumerate(_names(file))]
        file.unreadable = True


# -- bytes ------------------------------------------------------------------------------------------------------


@_stage("bytes")
def cut(rng: random.Random, file: Delivered) -> None:
    assert file.data is not None
    file.data = file.data[: rng.randrange(len(file.data) + 1)]
    _touched(file)


@_stage("bytes")
def padded_with_zeros(rng: random.Random, file: Delivered) -> None:
    assert file.data is not None
    file.data += b"\0" * rng.choice([1, 511, 4096])
    if not file.packed:
        _touched(file)


@_stage("bytes")
def several_members(rng: random.Random, file: Delivered) -> None:
    if file.packed and file.data:
        plain = _unpacked(file.data)
        half = len(plain) // 2
        file.data = gzip.compress(plain[:half], mtime=0) + gzip.compress(plain[half:], mtime=0)


@_stage("bytes")
def garbage_behind(rng: random.Random, file: Delivered) -> None:
    assert file.data is not None
    file.data += rng.choice([b"garbage", b"\x1f\x8b\x08", bytes(range(256)), b"\n\xff\xfe\n"])
    _touched(file)


@_stage("bytes")
def flipped_byte(rng: random.Random, file: Delivered) -> None:
    if file.data:
        place = rng.randrange(len(file.data))
        file.data = file.data[:place] + bytes([file.data[place] ^ (1 << rng.randrange(8))]) + file.data[place + 1 :]
        _touched(file)


@_stage("bytes")
def no_last_line_end(rng: random.Random, file: Delivered) -> None:
    if file.format != "parquet" and not file.packed and file.data:
        file.data = file.data.rstrip(b"\r\n")


@_stage("bytes")
def emptied(rng: random.Random, file: Delivered) -> None:
    file.data = rng.choice([b"", b"\n\n\n", b"   \n", b"\xef\xbb\xbf"])
    file.rows = []


@_stage("bytes")
def another_format_inside(rng: random.Random, file: Delivered) -> None:
    assert file.data is not None
    file.data = rng.choice(
        [gzip.compress(file.data), b"PK\x03\x04" + zlib.compress(file.data), b"PAR1" + file.data + b"PAR1"]
    )
    file.unreadable = True


@_stage("bytes")
def packed_bomb(rng: random.Random, file: Delivered) -> None:
    if file.packed:
        file.data = gzip.compress(
            b"\0" * 80_000_000 if rng.random() < 0.5 else b"a" * 80_000_000, compresslevel=9, mtime=0
        )
        file.rows = []


def _touched(file: Delivered) -> None:
    """Bytes were changed anywhere: a row may be sound, broken or gone, and what its bytes now say is what counts."""
    for row in file.rows:
        row.expect("any")


def _unpacked(data: bytes) -> bytes:
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error):
        return b""


# -- where it lies ----------------------------------------------------------------------------------------------


@_stage("place")
def renamed(rng: random.Random, file: Delivered) -> None:
    stem, dot, rest = file.name.partition(".")
    file.name = rng.choice(
        [f"{stem}'s{dot}{rest}", f"{stem} [1]{dot}{rest}", f"{stem} #1 100%{dot}{rest}", f"{stem}{{a}}{dot}{rest}",
         f"{stem}*?{dot}{rest}", f"{stem}é漢{dot}{rest}", f"{stem}:1{dot}{rest}", f"{stem}\\{dot}{rest}",
         f"-{stem}{dot}{rest}", f"{stem}{dot}{rest.upper()}"]
    )  # fmt: skip


@_stage("place")
def unknown_extension(rng: random.Random, file: Delivered) -> None:
    file.name = file.name.split(".")[0] + rng.choice([".txt", "", ".csv.bak", ".xlsx", ".csv.zip", ".parquet.gz"])
    file.unreadable = True


@_stage("place")
def in_a_subfolder(rng: random.Random, file: Delivered) -> None:
    file.name = rng.choice(["dt=2025-03-31", "2025/03", "x.parquet", "part [1]", "a'b"]) + "/" + file.name
