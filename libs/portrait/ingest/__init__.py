"""Landing folder to bronze: every file once, every row typed by its contract or in quarantine with the reason."""

from portrait.ingest.ledger import FileCache, KeptOut, quarantined_files
from portrait.ingest.pipeline import ingest
from portrait.ingest.release import Release, damaged_identifiers, export_quarantine, quarantine_summary, release
from portrait.ingest.summary import FeedSummary, IngestSummary, remedy_of

__all__ = [
    "FeedSummary",
    "FileCache",
    "IngestSummary",
    "KeptOut",
    "Release",
    "damaged_identifiers",
    "export_quarantine",
    "ingest",
    "quarantine_summary",
    "quarantined_files",
    "release",
    "remedy_of",
]
