"""Landing folder to bronze: all feeds of a bank, each file once, each row either in bronze or in quarantine.

One module a step, in this order, and each knows only those before it:

- `discover`: a landed file, its feed and its mapping.
- `inspect`: the file is read once: its hash, whether it can be read, its columns and the number of its rows (`content`;
  `text`, `parquet`, `workbook` by format, `mapped_files` by mapping).
- `admit`: a manifest, if the `ledger` does not know the file and it has the columns of the contract.
- `stage`: a private copy in a batch, which is finished by whoever comes next.
- `read`: typed rows with the rules that each breaks (`parsing`, `casts`; of a source's file by its mapping, `mapped`).
- `judge`: rows and bad rows of each file, and its verdict (`lines`, `verdicts`, `unreadable`, `copies`, `snapshots`).
- `write`: rows of quarantine and of bronze.
- `record`: what became of the file, in `ops.files`.

`files` has the two shapes of a file on this way, `LandedFile` and `Manifest`, and the `FileResult` at its end.

Each commit of a batch carries the number that the batch was given when it was begun, so that a batch which is replayed
after a crash writes what is missing and skips what is there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from portrait.contracts import Catalogue, Contract
from portrait.events import event
from portrait.faults import fault_point
from portrait.ingest.admit import FeedAdmission, admit
from portrait.ingest.discover import RELEASED, landed_files
from portrait.ingest.files import Counts, FileResult, LandedFile, Manifest
from portrait.ingest.judge import judge_feeds, verdicts_on
from portrait.ingest.ledger import FILES, QUARANTINE, FileCache, KeptOut, read_ledger
from portrait.ingest.record import next_numbers, record, written_before
from portrait.ingest.releases import settle_releases
from portrait.ingest.stage import Batch, begin, clear, forget_streams, left_by_streams, stage, staged_path, unfinished
from portrait.ingest.summary import FeedSummary, IngestSummary, refusal
from portrait.ingest.write import append_bronze, append_quarantine
from portrait.lake import Lake
from portrait.mappings.source import NO_MAPPINGS, Mappings, rules_hash
from portrait.spark.at_once import at_once
from portrait.spark.frames import frame_of

OnQuarantine = Literal["refuse", "warn"]


def ingest(
    lake: Lake,
    *,
    landing: Path,
    catalogue: Catalogue,
    feeds: Sequence[str] | None = None,
    quarantined_file: OnQuarantine = "refuse",
    mappings: Mappings = NO_MAPPINGS,
) -> IngestSummary:
    """Take in every new file of the landing folder (or of some feeds), and finish what an earlier run left behind.

    `mappings`: how files of sources, in folders of their own, become records of feeds.

    With nothing new no table is read or written. Raises ConfigurationError for a folder that is no feed, before
    anything is touched, and InputRefused when a feed broke its contract or, unless `quarantined_file` is `warn`, when
    all that a feed has brought was quarantined: after all other feeds are in, and again until somebody acts.
    """
    started, loaded_at = time.monotonic(), datetime.now(UTC)
    landed = landed_files(landing, known=catalogue.feeds, feeds=feeds, mappings=mappings)
    left, old = unfinished(lake.root), left_by_streams(lake.root)
    rules = {item.key: rules_hash(catalogue.table(f"raw.{item.feed}"), item.mapping) for item in landed}
    cache = FileCache.open(lake)
    done = all(cache.is_done(item, rules[item.key]) for item in landed)
    if left is None and not old and done and (not landed or cache.is_current(lake)):
        kept_out = cache.kept_out({item.key for item in landed})
        return _closed([], kept_out, {}, started, quarantined_file)
    results = _finish(lake, left, old, loaded_at, mappings)
    ledger = read_ledger(lake)
    again = {item.manifest.hash for item in results if item.status == "waiting"} | ledger.refused_hashes
    admissions, hashes = admit(landed, catalogue=catalogue, ledger=ledger, cache=cache, rules=rules)
    found = _take_in(lake, admissions, again, loaded_at, mappings)
    ledger.add(item.verdict(lake.run_number) for item in found)
    if any(Path(item.path).name.startswith(RELEASED) for item in landed):
        settle_releases(lake)
    cache.save(lake, landed, hashes, ledger, rules)
    for item in found:
        if item.status == "quarantined":
            event(
                "file_quarantined",
                run=lake.run_number,
                feed=item.manifest.feed,
                file=item.manifest.path,
                reason=item.reason,
            )
    results += found
    for summary in _by_feed(results):
        for column, values in summary.placeholders.items():
            event("placeholders_found", run=lake.run_number, feed=summary.feed, column=column, values=values)
    kept_out = ledger.kept_out(landed, hashes, rules)
    return _closed(results, kept_out, _refused(admissions, results), started, quarantined_file)


def _closed(
    results: list[FileResult],
    kept_out: list[KeptOut],
    refused: dict[str, list[tuple[str, str]]],
    started: float,
    quarantined_file: OnQuarantine,
) -> IngestSummary:
    held = [item for item in kept_out if item.holds and quarantined_file == "refuse"]
    if refused or held:
        raise refusal(refused, held)
    return IngestSummary(_by_feed(results), time.monotonic() - started, tuple(kept_out))


def _finish(
    lake: Lake, left: Batch | None, old: dict[str, tuple[Path, Manifest]], loaded_at: datetime, mappings: Mappings
) -> list[FileResult]:
    """Finish what a run that died had begun; of an earlier build's, what bronze has is in, and the rest a batch."""
    results: list[FileResult] = []
    if left is not None:
        results = take_in(lake, left, loaded_at=loaded_at, mappings=mappings)
    elif old:
        known = read_ledger(lake).accepted
        files = {name: item for name, (_, item) in old.items() if (item.feed, item.hash) not in known}
        written = written_before(lake, list(files.values()))
        results = [item for item in written if item.status == "accepted"]
        record(lake, results, loaded_at=loaded_at)
        done = {item.manifest.hash for item in results}
        rest = {name: item for name, item in files.items() if item.hash not in done}
        if rest:
            _forget_quarantined(lake, {item.hash for item in rest.values()})
            for name, item in rest.items():
                old[name][0].replace(staged_path(lake.root, item.feed, name))
            batch = Batch(next_numbers(lake, {item.feed for item in rest.values()}), rest)
            begin(lake.root, batch)
            results += take_in(lake, batch, loaded_at=loaded_at)
    forget_streams(lake.root)
    clear(lake.root)
    return results


def _take_in(
    lake: Lake, admissions: dict[str, FeedAdmission], again: set[str], loaded_at: datetime, mappings: Mappings
) -> list[FileResult]:
    """Stage what was admitted as one batch, take it in, record what was turned away; all results."""
    open_feeds = {feed: admission for feed, admission in admissions.items() if not admission.refusals}
    admitted = [pair for admission in open_feeds.values() for pair in admission.admitted]
    turned_away = [item for admission in admissions.values() for item in admission.turned_away]
    files, changed = _staged(lake, admitted)

    def decided(results: list[FileResult]) -> list[FileResult]:
        refused = {
            (item.manifest.feed, item.manifest.hash) for item in [*results, *changed] if item.status != "accepted"
        }
        # A duplicate of a file that is not in, after all, is looked at again by the next run.
        duplicates = [
            item
            for feed, admission in open_feeds.items()
            for item in admission.duplicates
            if (feed, item.manifest.hash) not in refused
        ]
        return [*turned_away, *changed, *duplicates]

    if not files:
        results = decided([])
        record(lake, results, loaded_at=loaded_at)
        return results
    _forget_quarantined(lake, {item.hash for item in files.values()} & again)
    batch = Batch(next_numbers(lake, {item.feed for item in files.values()}), files)
    begin(lake.root, batch)
    results = take_in(lake, batch, loaded_at=loaded_at, mappings=mappings, decided=decided)
    clear(lake.root)
    return results


def _staged(lake: Lake, admitted: list[tuple[LandedFile, Manifest]]) -> tuple[dict[str, Manifest], list[FileResult]]:
    """The admitted files by staged name, and those that somebody has changed since they were inspected."""
    run = lake.run_number
    with ThreadPoolExecutor(max_workers=4) as copies:
        names = list(copies.map(lambda pair: stage(lake.root, *pair, run=run), admitted))
    pairs = [(name, item) for name, (_, item) in zip(names, admitted, strict=True)]
    reason = "file.changed: the file changed while it was read"
    changed = [
        FileResult(item, "quarantined", Counts(item.rows, item.rows), reason) for name, item in pairs if name is None
    ]
    return {name: item for name, item in pairs if name is not None}, changed


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


def take_in(
    lake: Lake,
    batch: Batch,
    *,
    loaded_at: datetime,
    mappings: Mappings = NO_MAPPINGS,
    decided: Callable[[list[FileResult]], list[FileResult]] = lambda results: [],
) -> list[FileResult]:
    """Judge and write a batch; `decided` gives further results to record, once those of the batch are known.

    A replay writes nothing twice. Afterwards the batch may be cleared.
    """
    contracts = {feed: lake.catalogue.table(f"raw.{feed}") for feed in batch.feeds}
    stale = [item for item in batch.files.values() if item.contract_hash != _rules_of(item, contracts, mappings)]
    # The contract or the mapping changed between a crash and now: what bronze has stays, the rest is admitted anew.
    results = written_before(lake, stale)
    fresh = {feed: batch.of_feed(feed) for feed in batch.feeds if feed not in {item.feed for item in stale}}
    feeds = judge_feeds(lake, {feed: (contracts[feed], files) for feed, files in fresh.items()}, mappings)
    try:
        compared = {feed.contract.name: feed.compared(lake) for feed in feeds}
        refused = {file: why for found in compared.values() for item in found for file, why in item.refused().items()}
        verdicts = verdicts_on(feeds, refused)
        for feed in feeds:
            fault_point("ingest.after_judging", feed.contract.name)
        results += [item for found in verdicts.values() for item in found]
        append_quarantine(lake, feeds, verdicts, batch, loaded_at)
        at_once(
            lambda feed: append_bronze(
                lake, feed, verdicts[feed.contract.name], compared[feed.contract.name], batch, loaded_at
            ),
            feeds,
        )
    finally:
        for feed in feeds:
            feed.rows.unpersist()
    results += decided(results)
    record(lake, results, transaction=batch.transaction(FILES), loaded_at=loaded_at)
    for name in batch.feeds:
        fault_point("ingest.before_checkpoint", name)
    return results


def _rules_of(item: Manifest, contracts: Mapping[str, Contract], mappings: Mappings) -> str | None:
    """The hash of what a staged file is judged by today; None where its mapping is gone."""
    if item.mapping is None:
        return contracts[item.feed].hash
    found = next((mapping for mapping in mappings if mapping.id == item.mapping and mapping.feed == item.feed), None)
    return None if found is None else rules_hash(contracts[item.feed], found)
