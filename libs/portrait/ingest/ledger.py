"""Which files were seen before, and what became of them.

`ops.files` is the truth. A small file beside the checkpoints remembers the hash and the verdict of every landed file by
its size and time, so that a run with nothing new reads neither the files nor the table; it is believed only as long as
`ops.files` is at the version that it was written for.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from portrait.lake import Reader
from portrait.lake.log import newest_content
from portrait.lake.selection import ordered, values_of

if TYPE_CHECKING:
    from portrait.ingest.files import LandedFile
    from portrait.lake import Lake

FILES = "ops.files"
QUARANTINE = "ops.quarantine"


@dataclass(frozen=True)
class Verdict:
    """What became of one file under one contract: accepted, quarantined, refused or duplicate."""

    feed: str
    path: str
    hash: str
    status: str
    reason: str | None
    contract_hash: str
    run: int = 0
    snapshot_on: str | None = None
    """The day of which the file is a full copy."""


@dataclass(frozen=True)
class KeptOut:
    """A file that lies in the landing folder and was quarantined whole under the contract as it is.

    It `holds` the run when its feed has brought nothing else since: no file that was accepted or known already, in the
    run that quarantined it or in a later one.
    """

    feed: str
    path: str
    reason: str
    holds: bool


class Ledger:
    """The verdicts of all files that were ever seen."""

    def __init__(self, verdicts: Iterable[Verdict]) -> None:
        self.accepted: dict[tuple[str, str], Verdict] = {}
        self._accepted_names: dict[tuple[str, str], set[str]] = {}
        self._settled: dict[tuple[str, str, str, str], Verdict] = {}
        self.refused_hashes: set[str] = set()
        self.copies: dict[tuple[str, str, str], Verdict] = {}
        """By feed, folder of the source and day, an accepted full copy of that day."""
        self._sound_in: dict[str, int] = {}
        self.add(verdicts)

    def add(self, verdicts: Iterable[Verdict]) -> None:
        """Take in further verdicts, oldest first."""
        for verdict in verdicts:
            if verdict.status != "waiting":
                self._add(verdict)

    def _add(self, verdict: Verdict) -> None:
        if verdict.status == "accepted":
            self.accepted[verdict.feed, verdict.hash] = verdict
            self._accepted_names.setdefault((verdict.feed, verdict.path), set()).add(verdict.hash)
            if verdict.snapshot_on is not None:
                self.copies[verdict.feed, verdict.path.split("/", 1)[0], verdict.snapshot_on] = verdict
        if verdict.status in ("accepted", "duplicate"):
            self._sound_in[verdict.feed] = max(verdict.run, self._sound_in.get(verdict.feed, verdict.run))
        if verdict.status == "refused":
            self.refused_hashes.add(verdict.hash)
        # An accepted or repeated file stays so whatever its contract becomes; the others are judged anew by a new one.
        contract = verdict.contract_hash if verdict.status in ("refused", "quarantined") else ""
        self._settled[verdict.feed, verdict.path, verdict.hash, contract] = verdict

    def settled(self, landed: LandedFile, file_hash: str, rules: str) -> Verdict | None:
        """The verdict that holds for these bytes under this name; None when they must be judged (again)."""
        known = self._settled.get((landed.feed, landed.path, file_hash, ""))
        return known or self._settled.get((landed.feed, landed.path, file_hash, rules))

    def kept_out(
        self, landed: Iterable[LandedFile], hashes: Mapping[str, str], rules: Mapping[str, str]
    ) -> list[KeptOut]:
        """The landed files that are quarantined whole, by path; hashes of files and of their rules are by key."""
        found = []
        for item in landed:
            verdict = self.settled(item, hashes[item.key], rules[item.key])
            if verdict is not None and verdict.status == "quarantined":
                holds = self._sound_in.get(item.feed, -1) < verdict.run
                found.append(KeptOut(item.feed, item.path, verdict.reason or "", holds))
        return found

    def name_taken(self, landed: LandedFile, file_hash: str) -> bool:
        """Whether a file of this name, but of other bytes, was accepted."""
        return bool(self._accepted_names.get((landed.feed, landed.path), set()) - {file_hash})


def read_ledger(lake: Lake) -> Ledger:
    """The verdicts that `ops.files` holds, oldest first."""
    return Ledger(_verdicts(lake.reader))


def quarantined_files(reader: Reader) -> list[Verdict]:
    """Files that were quarantined whole and came to nothing else since, by path."""
    newest = {(verdict.path, verdict.feed): verdict for verdict in _verdicts(reader)}
    return [newest[place] for place in sorted(newest) if newest[place].status == "quarantined"]


def _verdicts(reader: Reader) -> list[Verdict]:
    if not reader.has(FILES):
        return []
    names = ["feed", "file", "file_hash", "status", "reason", "contract_hash", "run"]
    table = reader.read(FILES)
    dated = "snapshot_on" in table.columns  # not in a lake of an earlier build
    rows = ordered(table.read([*names, *(["snapshot_on"] if dated else []), "seen_at"]), ["run", "seen_at"])
    columns = [values_of(rows.column(name)) for name in names]
    days = rows.column("snapshot_on").to_pylist() if dated else [None] * rows.num_rows
    columns.append([None if day is None else str(day) for day in days])
    return [Verdict(*row) for row in zip(*columns, strict=True)]


class FileCache:
    """Hash and verdict of landed files by name, size and time: an optimisation, made anew when it is lost."""

    def __init__(self, path: Path, version: int, files: dict[str, list[Any]]) -> None:
        self.path = path
        self.version = version
        self.files = files

    @classmethod
    def open(cls, lake: Lake) -> FileCache:
        """The cache of a lake; empty when there is none or it cannot be read."""
        return cls.below(lake.root)

    @classmethod
    def below(cls, root: Path) -> FileCache:
        """The cache of the lake in a folder, for which Spark is not needed."""
        path = root / "_checkpoints" / "landed-files.json"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            return cls(path, int(content["version"]), dict(content["files"]))
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return cls(path, -1, {})

    def hash_of(self, landed: LandedFile) -> str | None:
        """The hash of a file that has not changed since it was read."""
        known = self.files.get(landed.key)
        return str(known[2]) if known and known[:2] == [landed.size, landed.mtime_ns] else None

    def is_current(self, lake: Lake) -> bool:
        """Whether nobody wrote `ops.files` since the cache was saved."""
        return lake.has(FILES) and newest_content(lake.path(FILES)) == self.version

    def is_done(self, landed: LandedFile, contract_hash: str) -> bool:
        """Whether a file needs no second look: accepted, a duplicate, or quarantined under this very contract."""
        if self.hash_of(landed) is None:
            return False
        status, contract, *why = self.files[landed.key][3:]
        known = (
            status == "quarantined" and contract == contract_hash and why
        )  # an earlier build did not keep the reason
        return status in ("accepted", "duplicate") or bool(known)

    def kept_out(self, keys: Container[str] | None = None) -> list[KeptOut]:
        """The files that were quarantined whole when the landing folder was last looked at; of some keys alone."""
        return [
            KeptOut(*_feed_and_path(key), facts[5] or "", bool(facts[6]))
            for key, facts in sorted(self.files.items())
            if len(facts) == 7 and facts[3] == "quarantined" and (keys is None or key in keys)
        ]

    def save(
        self,
        lake: Lake,
        landed: list[LandedFile],
        hashes: dict[str, str],
        ledger: Ledger,
        rules: dict[str, str],
    ) -> None:
        """Remember the landed files and their verdicts as `ops.files` has them now."""
        if not lake.has(FILES):
            return
        version = newest_content(lake.path(FILES))
        holding = {(item.feed, item.path) for item in ledger.kept_out(landed, hashes, rules) if item.holds}
        files: dict[str, list[Any]] = {}
        for item in landed:
            verdict = ledger.settled(item, hashes[item.key], rules[item.key])
            facts = [verdict.status, verdict.contract_hash, verdict.reason] if verdict else [None, None, None]
            holds = (item.feed, item.path) in holding
            files[item.key] = [item.size, item.mtime_ns, hashes[item.key], *facts, holds]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_suffix(".tmp")
        draft.write_text(json.dumps({"version": version, "files": files}), encoding="utf-8")
        draft.replace(self.path)


def _feed_and_path(key: str) -> tuple[str, str]:
    """What the key of a landed file names; that of a file of a source has the feed in front of the path."""
    folder = key.split("/", 1)[0]
    feed, colon, _ = folder.partition(":")
    return (feed, key.removeprefix(f"{feed}:")) if colon else (folder, key)
