"""What ingest did, and what it says when it refuses."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from portrait.errors import InputRefused
from portrait.ingest.verdicts import FileResult


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
        """Columns that are not in the contract and were kept out, by file."""
        return {item.manifest.path: item.manifest.ignored for item in self.files("accepted") if item.manifest.ignored}

    @property
    def placeholders(self) -> dict[str, int]:
        """Values of accepted files that meant unknown and became null, by column."""
        counts: Counter[str] = Counter()
        for item in self.files("accepted"):
            counts.update(item.placeholders)
        return dict(sorted(counts.items()))

    @property
    def alerts(self) -> list[str]:
        """What somebody should look at: files that were quarantined whole."""
        return [f"{item.manifest.path}: {item.reason}" for item in self.files("quarantined")]


@dataclass(frozen=True)
class IngestSummary:
    """What one call of `ingest` did; empty when nothing was new."""

    feeds: tuple[FeedSummary, ...] = ()
    seconds: float = 0.0

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
        """Files that were quarantined whole, of all feeds."""
        return [alert for feed in self.feeds for alert in feed.alerts]


def refusal(refused: dict[str, list[tuple[str, str]]]) -> InputRefused:
    """One error for all refused feeds: every file with its reason."""
    lines = [f"{path}: {reason}" for files in refused.values() for path, reason in files]
    feeds = ", ".join(f"'{feed}'" for feed in refused)
    return InputRefused(
        f"feed {feeds} refused; nothing of it was taken in:\n  " + "\n  ".join(lines),
        where=", ".join(sorted(path for files in refused.values() for path, _ in files)),
        remedy="correct the files and land them under new names, remove them, or change the contract in schemas/raw/; "
        "bad rows are in ops.quarantine (`portrait quarantine`)",
    )
