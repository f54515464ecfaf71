"""Landing folder to bronze: all feeds of a bank, each file once, each row either in bronze or in quarantine."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from portrait.contracts import Catalogue
from portrait.events import event
from portrait.ingest.admission import FeedAdmission, admit
from portrait.ingest.batch import QUARANTINE, file_row, files_frame
from portrait.ingest.landing import landed_files
from portrait.ingest.ledger import FILES, FileCache, read_ledger
from portrait.ingest.staging import KINDS, stage, unfinished
from portrait.ingest.stream import run_stream
from portrait.ingest.summary import FeedSummary, IngestSummary, refusal
from portrait.ingest.verdicts import FileResult
from portrait.lake import Lake
from portrait.rows import frame_of

_STREAMS = 3  # at a time: while one waits for its commits, another parses


def ingest(lake: Lake, *, landing: Path, catalogue: Catalogue, feeds: Sequence[str] | None = None) -> IngestSummary:
    """Take in every new file of the landing folder (or of some feeds), and finish what an earlier run left behind.

    With nothing new no table is read or written. Raises ConfigurationError for a folder that is no feed, before
    anything is touched, and InputRefused when a feed broke its contract, after all other feeds are in.
    """
    started, loaded_at = time.monotonic(), datetime.now(UTC)
    landed = landed_files(landing, known=catalogue.feeds, feeds=feeds)
    left = [(feed, kind) for feed in feeds or catalogue.feeds for kind in unfinished(lake.root, feed)]
    hashes_of_contracts = {feed: catalogue.table(f"raw.{feed}").hash for feed in catalogue.feeds}
    cache = FileCache.open(lake)
    done = all(cache.is_done(item, hashes_of_contracts[item.feed]) for item in landed)
    if not left and done and (not landed or cache.is_current(lake)):
        return IngestSummary(seconds=time.monotonic() - started)
    results = _run_streams(lake, catalogue, left, loaded_at=loaded_at, resumed=True)
    ledger = read_ledger(lake)
    again = {item.manifest.hash for item in results if item.status == "waiting"} | ledger.refused_hashes
    admissions, hashes = admit(landed, catalogue=catalogue, ledger=ledger, cache=cache)
    results += _take_in(lake, catalogue, admissions, again, loaded_at=loaded_at)
    ledger.add(item.verdict for item in results)
    cache.save(lake, landed, hashes, ledger, hashes_of_contracts)
    summaries = _by_feed(results)
    for summary in summaries:
        for column, values in summary.placeholders.items():
            event("placeholders_found", run=lake.run_number, feed=summary.feed, column=column, values=values)
    refused = _refused(admissions, results)
    if refused:
        raise refusal(refused)
    return IngestSummary(summaries, time.monotonic() - started)


def _take_in(
    lake: Lake, catalogue: Catalogue, admissions: dict[str, FeedAdmission], again: set[str], *, loaded_at: datetime
) -> list[FileResult]:
    """Stage what was admitted, run the streams, record what was turned away."""
    open_feeds = {feed: admission for feed, admission in admissions.items() if not admission.refusals}
    admitted = [pair for admission in open_feeds.values() for pair in admission.admitted]
    _forget_quarantined(lake, {manifest.hash for _, manifest in admitted} & again)
    sizes: Counter[tuple[str, str]] = Counter()
    for landed, manifest in admitted:
        stage(lake.root, landed, manifest, run=lake.run_number)
        sizes[manifest.feed, KINDS[manifest.format]] += landed.size
    streams = [stream for stream, _ in sizes.most_common()]  # the longest first: the others fit beside it
    results = _run_streams(lake, catalogue, streams, loaded_at=loaded_at)
    refused = {(item.manifest.feed, item.manifest.hash) for item in results if item.status != "accepted"}
    decided = [item for admission in admissions.values() for item in admission.turned_away]
    for feed, admission in admissions.items():
        for item in admission.duplicates:
            # A duplicate of a file that is not in, after all, is looked at again by the next run.
            waits = feed not in open_feeds or (feed, item.manifest.hash) in refused
            decided += [] if waits else [item]
    if decided:
        rows = [file_row(item, loaded_at=loaded_at, run=lake.run_number) for item in decided]
        lake.append(FILES, files_frame(lake, rows))
    return results + decided


def _run_streams(
    lake: Lake, catalogue: Catalogue, streams: list[tuple[str, str]], *, loaded_at: datetime, resumed: bool = False
) -> list[FileResult]:
    """Run some streams, a few at a time; the first error is raised after all have ended."""
    if not streams:
        return []
    _ = lake.run_number  # drawn here, so that no two streams draw it

    def one(stream: tuple[str, str]) -> list[FileResult]:
        feed, kind = stream
        return run_stream(lake, catalogue.table(f"raw.{feed}"), kind, loaded_at=loaded_at, resumed=resumed)

    with ThreadPoolExecutor(max_workers=_STREAMS) as pool:
        return [item for found in pool.map(one, streams) for item in found]


def _forget_quarantined(lake: Lake, hashes: set[str]) -> None:
    """Take the bad rows of files that are judged anew out of quarantine: their verdict is being replaced."""
    if not hashes or not lake.has(QUARANTINE):
        return
    nothing = frame_of(lake.spark, [], lake.catalogue.table(QUARANTINE).struct_type)
    files = frame_of(lake.spark, [(item,) for item in sorted(hashes)], "file_hash string")
    lake.merge(QUARANTINE, nothing, replacing=files)


def _refused(admissions: dict[str, FeedAdmission], results: list[FileResult]) -> dict[str, list[tuple[str, str]]]:
    """By refused feed, path and reason of the files to blame."""
    refused = {feed: list(admission.refusals) for feed, admission in admissions.items() if admission.refusals}
    for item in results:
        known = refused.setdefault(item.manifest.feed, []) if item.status == "refused" else None
        if known is not None and (item.manifest.path, item.reason or "") not in known:
            known.append((item.manifest.path, item.reason or ""))
    return refused


def _by_feed(results: list[FileResult]) -> tuple[FeedSummary, ...]:
    feeds = sorted({item.manifest.feed for item in results})
    return tuple(FeedSummary(feed, tuple(item for item in results if item.manifest.feed == feed)) for feed in feeds)
