"""What a file is on its way into bronze: landed, then admitted, and in the end what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from portrait.ingest.content import Inspection
from portrait.ingest.ledger import Verdict
from portrait.ingest.text import Body
from portrait.mappings.source import SourceMapping


@dataclass(frozen=True)
class LandedFile:
    """A file of a feed: `path` is relative to the landing folder; `format` is None when its name says nothing known.

    `mapping`: how a file of a source becomes records of the feed; None: it lies in the feed's own folder, as they are.
    """

    feed: str
    path: str
    source: Path
    format: str | None
    extension: str
    size: int
    mtime_ns: int
    mapping: SourceMapping | None = None

    @property
    def key(self) -> str:
        """What tells it from all others: a file of a source may become several feeds."""
        return self.path if self.mapping is None else f"{self.feed}:{self.path}"


@dataclass(frozen=True)
class Manifest:
    """What admission knows of a staged file.

    `types` are the Parquet types of `columns`. `fine` are values of Parquet timestamps that no table can hold: column,
    row and nanoseconds beyond the microsecond.
    """

    feed: str
    path: str
    hash: str
    format: str
    columns: tuple[str, ...]
    ignored: tuple[str, ...]
    rows: int
    contract_hash: str
    types: tuple[str, ...] = ()
    fine: tuple[tuple[str, int, int], ...] = ()
    one_line: bool = False
    """Whether the staged file is the landed one in its one-line form (see `text`)."""
    clock_times: tuple[str, ...] = ()
    """Columns of a Parquet file that hold times of a clock and no instants (not adjusted to UTC)."""
    mapping: str | None = None
    """The mapping by which the file becomes records of its feed (`<source>/<name>`)."""
    body: Body | None = None
    """Where the records of a text file of a mapped source are; the staged copy has nothing else."""
    snapshot_on: str | None = None
    """The day of which the file is a full copy, as 2024-03-31."""


def manifest_of(landed: LandedFile, seen: Inspection, *, rules: str, ignored: tuple[str, ...] = ()) -> Manifest:
    """What is known of a file that was inspected; `rules`: the hash of what it is judged by."""
    return Manifest(
        feed=landed.feed,
        path=landed.path,
        hash=seen.hash,
        format=landed.format or "",
        columns=seen.columns,
        ignored=ignored,
        rows=seen.rows,
        contract_hash=rules,
        types=seen.types,
        fine=seen.fine,
        one_line=seen.one_line,
        clock_times=seen.clock_times,
        mapping=None if landed.mapping is None else landed.mapping.id,
        body=seen.body,
        snapshot_on=seen.snapshot_on,
    )


@dataclass(frozen=True)
class Counts:
    """Rows of one file: lines that are neither blank nor header; `bad` ones break a rule.

    `left_out`: further rows, which the condition of a mapping leaves out.
    """

    rows: int
    bad: int
    left_out: int = 0

    @property
    def good(self) -> int:
        """Rows that meet the contract."""
        return self.rows - self.bad


@dataclass(frozen=True)
class FileResult:
    """What became of one file: accepted, quarantined, refused, duplicate, or waiting (its feed was refused)."""

    manifest: Manifest
    status: str
    counts: Counts
    reason: str | None = None
    placeholders: Mapping[str, int] = field(default_factory=dict)
    """Values that meant unknown and became null, by column."""

    def verdict(self, run: int) -> Verdict:
        """For the ledger."""
        item = self.manifest
        return Verdict(
            item.feed, item.path, item.hash, self.status, self.reason, item.contract_hash, run, item.snapshot_on
        )
