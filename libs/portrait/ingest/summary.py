"""What ingest did, and what it says when it refuses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from portrait.errors import InputRefused
from portrait.ingest.files import FileResult
from portrait.ingest.ledger import KeptOut

if TYPE_CHECKING:
    from portrait.ingest.files import FileResult


@dataclass(frozen=True)
class FeedSummary:
    """The new files of one feed in one run."""

    feed: str
    results: tuple[FileResult, ...] = ()

    def files(self, status: str) -> list[FileResult]:
        """The files of one status."""
        return [item for item in self.results if item.status == status]

    @property
    def rows_good(self) -> int:
        """Rows that went to bronze."""
        return sum(item.counts.good for item in self.files("accepted"))

    @property
    def rows_bad(self) -> int:
        """Rows of accepted files that went to quarantine."""
        return sum(item.counts.bad for item in self.files("accepted"))

    @property
    def columns_ignored(self) -> dict[str, tuple[str, ...]]:
        """Columns that are not in the contract and were rejected, by file."""
        return {item.manifest.path: item.manifest.ignored for item in self.files("accepted") if item.manifest.ignored}

    @property
    def placeholders(self) -> dict[str, int]:
        """Values of accepted files that meant unknown and became null, by column."""
        counts: Counter[str] = Counter()
        for item in self.files("accepted"):
            counts.update(item.placeholders)
        return dict(sorted(counts.items()))


@dataclass(frozen=True)
class IngestSummary:
    """What one call of `ingest` did, without feeds when nothing was new; `kept_out` names files of earlier runs too."""

    feeds: tuple[FeedSummary, ...] = ()
    seconds: float = 0.0
    kept_out: tuple[KeptOut, ...] = ()

    @property
    def rows_good(self) -> int:
        """Rows that went to bronze."""
        return sum(feed.rows_good for feed in self.feeds)

    @property
    def rows_bad(self) -> int:
        """Rows of accepted files that went to quarantine."""
        return sum(feed.rows_bad for feed in self.feeds)

    @property
    def alerts(self) -> list[str]:
        """What somebody should look at: files in the landing folder that were quarantined whole."""
        return [f"{item.path}: {item.reason}" for item in self.kept_out]


_REMEDIES = {
    "file.gzip": "deliver the file again, whole, under a new name",
    "file.parquet": "write the file again as plain Parquet, and deliver it under a new name",
    "file.workbook": "correct the workbook, or save its sheet as CSV, and deliver it under a new name",
    "file.encoding": "export the file as UTF-8, and deliver it under a new name",
    "file.empty": "deliver the file again; a day without rows is a file with a header alone",
    "file.delimiter": "export the file with commas, and deliver it under a new name",
    "file.format": "deliver .csv, .csv.gz, .jsonl, .jsonl.gz or .parquet under a new name; .xlsx needs a mapping",
    "file.trailer": "deliver the file again, whole, under a new name; or correct the trailer of its mapping",
    "file.columns": "correct the mapping, or deliver the file as it says under a new name",
    "snapshot.day": "deliver the copy under a name (with a trailer, with records) of one day, or correct its mapping",
    "snapshot.repeated": "deliver what was wrong in that copy as the copy of a later day; remove this file",
    "file.changed": "write under a name that starts with a dot and rename the complete file; then run again",
    "file.unreadable": "deliver the file again in another form, such as CSV, under a new name",
    "name.reused": "deliver the file under a new name; remove this one if it is not needed",
}


def remedy_of(reason: str) -> str:
    """What helps against a reason for which a file was quarantined whole."""
    if reason.startswith(("file.delimiter", "file.encoding", "file.workbook")) and "correct '" in reason:
        return "correct the mapping and run again; or deliver the file as it says under a new name"
    return _REMEDIES.get(reason.split(":", 1)[0], "correct the file and deliver it under a new name")


def refusal(refused: Mapping[str, list[tuple[str, str]]], held: Sequence[KeptOut] = ()) -> InputRefused:
    """One error for all feeds that were refused, and for those that brought nothing but quarantined files."""
    parts, remedies = [], []
    if refused:
        lines = [f"{path}: {reason}" for files in refused.values() for path, reason in files]
        feeds = ", ".join(f"'{feed}'" for feed in refused)
        parts.append(f"feed {feeds} refused; nothing of it was ingested:\n  " + "\n  ".join(lines))
        remedies.append(
            "correct the files and land them under new names, remove them, or change the contract in schemas/raw/; "
            "bad rows are in ops.quarantine (`portrait quarantine`)"
        )
    if held:
        feeds = ", ".join(f"'{feed}'" for feed in sorted({item.feed for item in held}))
        lines = [f"{item.path}: {item.reason}; {remedy_of(item.reason)}" for item in held]
        parts.append(f"feed {feeds} brought nothing but quarantined files:\n  " + "\n  ".join(lines))
        remedies.append(
            "deliver the feed again, or remove these files if the day is to be computed without them; "
            'with quarantined_file = "warn" in conf/base.toml such files never stop a run'
        )
    paths = {path for files in refused.values() for path, _ in files} | {item.path for item in held}
    return InputRefused("; ".join(parts), where=", ".join(sorted(paths)), remedy="; ".join(remedies))
