"""Which landed files may go in: what was seen before is left, what cannot be read or does not fit is turned away."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from portrait.contracts import Catalogue, Contract
from portrait.ingest.columns import compare_columns
from portrait.ingest.content import Inspection
from portrait.ingest.files import Counts, FileResult, LandedFile, Manifest, manifest_of
from portrait.ingest.inspect import inspect_file
from portrait.ingest.ledger import FileCache, Ledger
from portrait.ingest.parquet import takes
from portrait.ingest.text import bounds_of
from portrait.mappings.expressions import read_columns, resolved

COPY_REPEATED = "snapshot.repeated"
"""A full copy of that day was accepted before."""
NAME_REUSED = "name.reused"
"""A file of that name was accepted, and this one has other bytes."""


@dataclass
class FeedAdmission:
    """What is to be done with the files of one feed.

    `admitted` go in; `turned_away` are recorded as they are (quarantined, or refused for their columns); `duplicates`
    are recorded once their original is in; `blocked` are files refused by an earlier run that are still there.
    """

    admitted: list[tuple[LandedFile, Manifest]] = field(default_factory=list)
    turned_away: list[FileResult] = field(default_factory=list)
    duplicates: list[FileResult] = field(default_factory=list)
    blocked: list[tuple[str, str]] = field(default_factory=list)

    @property
    def refusals(self) -> list[tuple[str, str]]:
        """Path and reason of every file for which the feed is refused before Spark sees a row."""
        new = [(item.manifest.path, item.reason or "") for item in self.turned_away if item.status == "refused"]
        return new + self.blocked


def admit(
    landed: list[LandedFile], *, catalogue: Catalogue, ledger: Ledger, cache: FileCache, rules: Mapping[str, str]
) -> tuple[dict[str, FeedAdmission], dict[str, str]]:
    """A decision on every landed file, by feed, and the hash of every file by its key.

    `rules`: the hash of what each file is judged by, by its key.
    """
    contracts = {item.feed: catalogue.table(f"raw.{item.feed}") for item in landed}
    known = {item.key: cache.hash_of(item) for item in landed}

    def needs_reading(item: LandedFile) -> bool:
        found = known[item.key]
        return found is None or ledger.settled(item, found, rules[item.key]) is None

    new = [item for item in landed if needs_reading(item)]

    def inspected(item: LandedFile) -> Inspection:
        contract = contracts[item.feed]
        return inspect_file(item, width=len(contract.columns), bounds=bounds_of(contract))

    with ThreadPoolExecutor(max_workers=4) as readers:
        read = readers.map(inspected, new)
        inspections = {item.key: inspection for item, inspection in zip(new, read, strict=True)}
    hashes = {item.key: known[item.key] or "" for item in landed}
    hashes |= {key: inspection.hash for key, inspection in inspections.items()}
    feeds: dict[str, FeedAdmission] = {}
    for item in landed:
        feed = feeds.setdefault(item.feed, FeedAdmission())
        contract = contracts[item.feed]
        verdict = ledger.settled(item, hashes[item.key], rules[item.key])
        if verdict is None:
            _judge(item, inspections[item.key], contract, rules[item.key], ledger, feed)
        elif verdict.status == "refused":
            feed.blocked.append((item.path, verdict.reason or ""))
    return feeds, hashes


def _judge(
    item: LandedFile, seen: Inspection, contract: Contract, rules: str, ledger: Ledger, feed: FeedAdmission
) -> None:
    manifest = manifest_of(item, seen, rules=rules)
    kept_out = Counts(seen.rows, seen.rows)

    def turn_away(status: str, reason: str) -> FileResult:
        return FileResult(manifest, status, kept_out, reason)

    original = ledger.accepted.get((item.feed, seen.hash))
    twin = next((other.path for other, known in feed.admitted if known.hash == seen.hash), None)
    if original is not None or twin is not None:
        reason = f"the same bytes as {original.path if original else twin}"
        feed.duplicates.append(FileResult(manifest, "duplicate", Counts(0, 0), reason))
    elif ledger.name_taken(item, seen.hash):
        reason = f"{NAME_REUSED}: a file of this name was accepted, this one has other bytes"
        feed.turned_away.append(turn_away("quarantined", reason))
    elif seen.problem is not None:
        feed.turned_away.append(turn_away("quarantined", seen.problem))
    elif (copy := _copy_of_that_day(item, seen, ledger)) is not None:
        reason = f"{COPY_REPEATED}: {copy} is a full copy of {seen.snapshot_on} already, and this one has other bytes"
        feed.turned_away.append(turn_away("quarantined", reason))
    elif item.mapping is not None:
        read = {resolved(name, seen.columns) for name in read_columns(item.mapping)}
        ignored = tuple(name for name in seen.columns if name not in read)
        feed.admitted.append((item, _ignoring(manifest, ignored)))
    else:
        types = _in_contract_words(seen, contract)
        finding = compare_columns(seen.columns, contract, types, keyed=item.format == "jsonl")
        if finding.differences:
            feed.turned_away.append(turn_away("refused", "; ".join(finding.differences)))
        else:
            feed.admitted.append((item, _ignoring(manifest, finding.ignored)))


def _copy_of_that_day(item: LandedFile, seen: Inspection, ledger: Ledger) -> str | None:
    """The accepted file that is a full copy of the same source and day."""
    copy = ledger.copies.get((item.feed, item.path.split("/", 1)[0], seen.snapshot_on or ""))
    return (
        None
        if copy is None or item.mapping is None or not item.mapping.claims(copy.path.split("/", 1)[1])
        else copy.path
    )


def _in_contract_words(seen: Inspection, contract: Contract) -> tuple[str, ...]:
    """The types of a Parquet file's columns, the contract's own where its values can become that."""
    wanted = {column.name: column.physical_type for column in contract.columns}
    pairs = zip(seen.columns, seen.types, strict=False)
    return tuple(wanted[name] if name in wanted and takes(wanted[name], kind) else kind for name, kind in pairs)


def _ignoring(manifest: Manifest, columns: tuple[str, ...]) -> Manifest:
    return Manifest(**{**vars(manifest), "ignored": columns})
