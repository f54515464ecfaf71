"""Landing folder to bronze: every file once, every row typed by its contract or in quarantine with the reason."""

from portrait.ingest.pipeline import ingest
from portrait.ingest.release import Release, damaged_identifiers, export_quarantine, quarantine_summary, release
from portrait.ingest.summary import FeedSummary, IngestSummary

__all__ = [
    "FeedSummary",
    "IngestSummary",
    "Release",
    "damaged_identifiers",
    "export_quarantine",
    "ingest",
    "quarantine_summary",
    "release",
]
