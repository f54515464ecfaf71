"""Landing folder to bronze: every file once, every row typed by its contract or in quarantine with the reason."""

from typing import TYPE_CHECKING

from portrait.lazy import exports

if TYPE_CHECKING:
    from portrait.ingest.ledger import FileCache, KeptOut, quarantined_files
    from portrait.ingest.pipeline import ingest
    from portrait.ingest.quarantine import UnmappedCode, quarantine_summary, readable_identifiers, unmapped_codes
    from portrait.ingest.releases import Release, damaged_identifiers, export_quarantine, release
    from portrait.ingest.summary import FeedSummary, IngestSummary, remedy_of

_PLACES = {
    "FeedSummary": "portrait.ingest.summary",
    "FileCache": "portrait.ingest.ledger",
    "IngestSummary": "portrait.ingest.summary",
    "KeptOut": "portrait.ingest.ledger",
    "Release": "portrait.ingest.releases",
    "UnmappedCode": "portrait.ingest.quarantine",
    "damaged_identifiers": "portrait.ingest.releases",
    "export_quarantine": "portrait.ingest.releases",
    "ingest": "portrait.ingest.pipeline",
    "quarantine_summary": "portrait.ingest.quarantine",
    "quarantined_files": "portrait.ingest.ledger",
    "readable_identifiers": "portrait.ingest.quarantine",
    "release": "portrait.ingest.releases",
    "remedy_of": "portrait.ingest.summary",
    "unmapped_codes": "portrait.ingest.quarantine",
}
__all__ = [
    "FeedSummary",
    "FileCache",
    "IngestSummary",
    "KeptOut",
    "Release",
    "UnmappedCode",
    "damaged_identifiers",
    "export_quarantine",
    "ingest",
    "quarantine_summary",
    "quarantined_files",
    "readable_identifiers",
    "release",
    "remedy_of",
    "unmapped_codes",
]
if not TYPE_CHECKING:  # or type checkers would take any name for one of the package
    __getattr__ = exports(__name__, _PLACES)
