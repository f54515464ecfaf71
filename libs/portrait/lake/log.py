"""The Delta log of one table, read as the files it is: listing it costs a hundredth of a DESCRIBE HISTORY."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

_MAINTENANCE = {"OPTIMIZE", "VACUUM START", "VACUUM END"}
# Commits that are looked at for one file that is looked for: partitions share them.
_LOOK_BACK = 4

Commit = list[dict[str, Any]]
"""The actions of a commit."""


def newest_version(table: Path) -> int:
    """The newest Delta version of the table in this folder."""
    commits = (table / "_delta_log").glob("*.json")
    return max(int(file.stem) for file in commits if file.stem.isdigit())


def newest_content(table: Path) -> int:
    """The newest version that may hold other rows than the one before: maintenance of files is passed over."""
    newest = newest_version(table)
    for version in range(newest, -1, -1):
        commit = read_commit(table, version)
        if commit is None or _info(commit).get("operation") not in _MAINTENANCE:
            return version
    return newest


def most_small_files(table: Path, *, enough: int) -> int:
    """Files that one partition got and kept since it was last compacted, counted until there are `enough`."""
    found: Counter[str] = Counter()
    newest = newest_version(table)
    for version in range(newest, max(-1, newest - _LOOK_BACK * enough), -1):
        commit = read_commit(table, version)
        if commit is None or _info(commit).get("operation") == "OPTIMIZE":
            break
        for kind, count in (("remove", -1), ("add", 1)):  # a file that was replaced is not there to be merged
            for action in (action[kind] for action in commit if kind in action):
                found[json.dumps(action.get("partitionValues") or {})] += count
        if max(found.values(), default=0) >= enough:
            break
    return max(found.values(), default=0)


def newest_note(table: Path) -> dict[str, int]:
    """What the newest commit that changed rows says of itself; empty when it says nothing.

    Commits that change no row (OPTIMIZE, VACUUM, ALTER TABLE by hand) are passed over. Nothing is said either where the
    log is no longer that old.
    """
    for version in range(newest_version(table), -1, -1):
        commit = read_commit(table, version)
        if commit is None:
            break
        if (note := _note(commit)) or _changed_files(commit):
            return note
    return {}


def metrics(table: Path, version: int) -> dict[str, str]:
    """Delta's own metrics of a commit."""
    return dict(_info(read_commit(table, version) or []).get("operationMetrics", {}))


def is_readable(table: Path, versions: Iterable[int]) -> bool:
    """Whether the log still holds these commits, and the folder every file that tells of their changes."""
    commits = (read_commit(table, version) for version in versions)
    return all(
        commit is not None and all((table / file).exists() for file in _changed_files(commit)) for commit in commits
    )


def read_commit(table: Path, version: int) -> Commit | None:
    """A commit; None when the log does not hold it any more."""
    commit = table / "_delta_log" / f"{version:020d}.json"
    if not commit.exists():
        return None
    return [json.loads(line) for line in commit.read_text(encoding="utf-8").splitlines()]


def _info(commit: Commit) -> dict[str, Any]:
    return next((action["commitInfo"] for action in commit if "commitInfo" in action), {})


def _note(commit: Commit) -> dict[str, int]:
    try:
        known = json.loads(_info(commit).get("userMetadata") or "{}")
    except ValueError:  # metadata of somebody else's
        return {}
    return dict(known.get("note", {})) if isinstance(known, dict) else {}


def _changed_files(commit: Commit) -> list[str]:
    """The files of which the change feed of a commit is read, below the table's folder; none when no row changed."""
    feed = [action["cdc"] for action in commit if "cdc" in action]
    moved = [action[kind] for action in commit for kind in ("add", "remove") if kind in action]
    return [unquote(file["path"]) for file in feed or [file for file in moved if file["dataChange"]]]
