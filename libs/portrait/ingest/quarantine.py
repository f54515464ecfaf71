"""What waits in quarantine, for those who look: by feed, rule and file, from ops.quarantine and ops.files."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from portrait.contracts import Contract
from portrait.contracts.identifiers import visible
from portrait.ingest.ledger import FILES
from portrait.lake import Reader
from portrait.lake.arrow import scalar_of
from portrait.lake.selection import values_of

QUARANTINE = "ops.quarantine"
IDENTIFIER = ".identifier"


@dataclass(frozen=True)
class Waiting:
    """Rows of a file that wait and broke one rule; `file_status`: accepted or refused, None for neither."""

    feed: str
    rule: str
    file: str
    file_status: str | None
    rows: int
    line: int
    """The first of them."""


def quarantine_summary(reader: Reader) -> list[Waiting]:
    """Waiting rows by feed, rule and file, in this order; none where nothing was ever quarantined.

    Waiting are open rows, and rows that were landed again in a file that is not accepted so far.
    """
    if not reader.has(QUARANTINE):
        return []
    status: dict[tuple[str, str], str] = {}
    accepted: set[tuple[str, str]] = set()
    files = reader.read(FILES).rows(["feed", "file", "file_hash", "status", "seen_at"])
    for row in sorted(files, key=lambda row: row["seen_at"]):  # the newest verdict counts
        if row["status"] in ("accepted", "refused"):
            status[row["feed"], row["file_hash"]] = row["status"]
        if row["status"] == "accepted":
            accepted.add((row["feed"], row["file"]))
    table = reader.read(QUARANTINE).read(["feed", "file", "file_hash", "line", "released_in", "status", "reasons"])
    released_already = pc.equal(table.column("status"), scalar_of("released", pa.string()))
    table = table.filter(pc.invert(released_already)).combine_chunks()
    names = ("feed", "file", "file_hash", "line", "released_in")
    feeds, paths, hashes, lines, released = (values_of(table.column(name)) for name in names)
    reasons = table.column("reasons").combine_chunks()
    rules = zip(pc.list_parent_indices(reasons).to_pylist(), pc.list_flatten(reasons).to_pylist(), strict=True)
    found: dict[tuple[str, str, str, str | None], list[int]] = {}
    for place, rule in rules:
        if (feeds[place], released[place]) in accepted:
            continue
        key = feeds[place], rule, paths[place], status.get((feeds[place], hashes[place]))
        counted = found.setdefault(key, [0, lines[place]])
        counted[0] += 1
        counted[1] = min(counted[1], lines[place])
    items = [Waiting(*key, rows, line) for key, (rows, line) in found.items()]
    return sorted(items, key=lambda item: (item.feed, item.rule, item.file, item.file_status or ""))


@dataclass(frozen=True)
class UnmappedCode:
    """A code of a source that the map of a column of a feed does not know, in waiting rows of files of a mapping."""

    feed: str
    column: str
    code: str
    mapping: str
    rows: int


def unmapped_codes(reader: Reader) -> list[UnmappedCode]:
    """Codes in waiting rows that maps do not know, by feed and column, the most frequent first."""
    if not reader.has(QUARANTINE) or "unmapped" not in reader.read(QUARANTINE).columns:
        return []
    files = reader.read(FILES).rows(["feed", "file_hash", "mapping"])
    mappings = {(row["feed"], row["file_hash"]): row["mapping"] or "" for row in files}
    found: Counter[tuple[str, str, str, str]] = Counter()
    for row in reader.read(QUARANTINE).where("status", "=", "open").rows(["feed", "file_hash", "unmapped"]):
        mapping = mappings.get((row["feed"], row["file_hash"]), "")
        for column, code in dict(row["unmapped"] or ()).items():
            found[row["feed"], column, code, mapping] += 1
    items = [UnmappedCode(*key, rows) for key, rows in found.items()]
    return sorted(items, key=lambda item: (item.feed, item.column, -item.rows, item.code))


def readable_identifiers(reader: Reader, summary: Sequence[Waiting]) -> dict[tuple[str, str, str], str] | None:
    """As `damaged_identifiers`, from the records as they were kept.

    None where one of them is not to be read here as Spark reads it: a number in JSON, which Spark writes its own way.
    """
    asked = [item for item in summary if item.rule.endswith(IDENTIFIER) and item.file_status == "accepted"]
    if not asked:
        return {}
    table = reader.read(FILES)
    facts = ["feed", "file", "file_hash", "columns", *(["mapping"] if "mapping" in table.columns else [])]
    files = table.where("status", "=", "accepted").rows(facts)
    known = {(row["feed"], row["file"]): row for row in files}
    if any(known[item.feed, item.file].get("mapping") for item in asked):
        return None  # files of sources: only their mapping knows what is where
    wanted = sorted({known[item.feed, item.file]["file_hash"] for item in asked})
    open_rows = reader.read(QUARANTINE).where("status", "=", "open").where("file_hash", "in", wanted)
    rows = open_rows.where("line", "in", sorted({item.line for item in asked}))
    records = {
        (row["feed"], row["file_hash"], row["line"]): row["record"]
        for row in rows.rows(["feed", "file_hash", "line", "record"])
    }
    values: dict[tuple[str, str, str], str] = {}
    for item in asked:
        file = known[item.feed, item.file]
        record = records.get((item.feed, file["file_hash"], item.line))
        contract, column = reader.catalogue.table(f"raw.{item.feed}"), item.rule.removesuffix(IDENTIFIER)
        if record is None or column not in contract.column_names:
            continue
        if item.file.lower().removesuffix(".gz").endswith(".csv"):
            try:
                value = _csv_value(record, contract, file["columns"], column)
            except (csv.Error, IndexError, StopIteration):
                return None
        else:
            value = json.loads(record).get(column)
            if value is not None and not isinstance(value, str):
                return None
        if value:
            values[item.feed, item.rule, item.file] = visible(value)
    return values


def _csv_value(record: str, contract: Contract, header: Sequence[str], column: str) -> str | None:
    """A value of a sound record of a CSV file; None where the header lacks a column of today's contract."""
    if not set(contract.column_names) <= set(header):
        return None
    fields = next(csv.reader(io.StringIO(record.lstrip("\ufeff").rstrip("\r"), newline=""), strict=True))
    return fields[list(header).index(column)]
