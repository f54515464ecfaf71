"""Which labels were really read: by audiences that runs evaluated, by lists that left the bank, by SQL clients."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from portrait.labels.readers import shown_tables
from portrait.labels.tables import AUDIENCES
from portrait.lake import Reader

_READS = {"audience": AUDIENCES, "export": "ops.audience_exports"}
_Use = tuple[str, str, str, date | None]


@dataclass(frozen=True, order=True)
class LabelUse:
    """How often a reader read a label, and for which day last."""

    label: str
    kind: str
    reader: str
    times: int
    last: date | None


def label_usage(reader: Reader, *, log: str | None = None) -> list[LabelUse]:
    """One item a label, kind of reader and reader, in this order.

    Kind is audience, for each slice in which it was evaluated, export, for each list; the reader is the audience and
    the last is a business date. Kind sql is for each statement of a user of the SQL server that names the label as a
    column, by the events of `log` where that is a file; the last is the day of the statement. What `select *` reads,
    and what others read from the files, is not known.
    """
    counted: dict[tuple[str, str, str], list[date | None]] = {}
    for label, kind, name, day in _uses(reader, log):
        counted.setdefault((label, kind, name), []).append(day)
    return sorted(
        LabelUse(*key, len(days), max((day for day in days if day is not None), default=None))
        for key, days in counted.items()
    )


def _uses(reader: Reader, log: str | None) -> Iterator[_Use]:
    for kind, table in _READS.items():
        if reader.has(table) and "labels" in (rows := reader.read(table)).columns:
            for row in rows.rows(["labels", "audience", "as_of"]):
                for label in row["labels"] or ():
                    yield label, kind, row["audience"], row["as_of"]
    if log is not None and Path(log).is_file():
        yield from _statements(Path(log), shown_tables(reader.catalogue))


def _statements(log: Path, tables: list[str]) -> Iterator[_Use]:
    """A use a statement and column that it names; columns that are no label meet none."""
    shown = {table.split(".")[1] for table in tables}
    with log.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if '"statement"' not in line:
                continue
            try:
                said = json.loads(line)
            except ValueError:  # a line that was torn by the end of a process
                continue
            if isinstance(said, dict) and said.get("event") == "statement" and shown & set(said.get("tables") or ()):
                for column in said.get("columns") or ():
                    yield column, "sql", said.get("user") or "", _day(said.get("at"))


def _day(at: object) -> date | None:
    """The day of an instant, UTC."""
    try:
        return datetime.fromisoformat(str(at)).astimezone(UTC).date()
    except ValueError:
        return None
