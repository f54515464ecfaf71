"""The folder from which the streams read: admitted files under names that say their content, each with a manifest.

A file appears there whole or not at all. What lies there is unfinished business: it is cleared only after the stream
has recorded everything, so a run that finds files there completes them before it looks for new ones.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from portrait.errors import InputRefused
from portrait.ingest.landing import LandedFile

KINDS = {"csv": "text", "jsonl": "text", "parquet": "parquet"}
"""A stream reads one kind of source; lines of CSV and JSON share one."""


@dataclass(frozen=True)
class Manifest:
    """What admission knows of a staged file; it stands beside it, for a stream that is resumed by another process."""

    feed: str
    path: str
    hash: str
    format: str
    columns: tuple[str, ...]
    ignored: tuple[str, ...]
    rows: int
    contract_hash: str
    clock_times: tuple[str, ...] = ()
    """Columns of a Parquet file that hold times of a clock and no instants (not adjusted to UTC)."""


def staging_folder(root: Path, feed: str, kind: str) -> Path:
    """Where the files of one stream lie."""
    return root / "_staging" / feed / kind


def judged_folder(root: Path, feed: str, kind: str) -> Path:
    """Where the judged rows of a stream's batch lie until its tables have them; a replay writes them anew."""
    return root / "_judged" / f"{feed}-{kind}"


def unfinished(root: Path, feed: str) -> list[str]:
    """The streams of a feed that have staged files, left behind by a run that died."""
    kinds = sorted(set(KINDS.values()))
    return [kind for kind in kinds if any(staging_folder(root, feed, kind).glob("[!.]*"))]


def stage(root: Path, landed: LandedFile, manifest: Manifest, *, run: int) -> str:
    """Put an admitted file into the staging folder; returns its name there.

    Raises InputRefused when the file changed since it was inspected. The run is part of the name because a stream never
    takes the same name twice, and a file that shared a refused batch is to be taken later.
    """
    folder = staging_folder(root, manifest.feed, KINDS[manifest.format])
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{manifest.hash}-{manifest.contract_hash[:8]}-{run}{landed.extension}"
    draft = folder / f".{name}.tmp"
    draft.unlink(missing_ok=True)
    try:
        os.link(landed.source, draft)
    except OSError:  # another file system
        shutil.copy2(landed.source, draft)
    facts = draft.stat()
    if (facts.st_size, facts.st_mtime_ns) != (landed.size, landed.mtime_ns):
        draft.unlink()
        raise InputRefused(
            "the file changed while it was read",
            where=landed.path,
            remedy="write files under a name that starts with a dot and rename them when complete; then run again",
        )
    _manifest_path(folder, name).write_text(json.dumps(asdict(manifest)), encoding="utf-8")
    draft.replace(folder / name)
    return name


def manifests(root: Path, feed: str, kind: str) -> dict[str, Manifest]:
    """The manifests of the staged files of a stream, by staged name."""
    folder = staging_folder(root, feed, kind)
    found = {}
    for file in sorted(folder.glob("[!.]*")):
        content = json.loads(_manifest_path(folder, file.name).read_text(encoding="utf-8"))
        for key in ("columns", "ignored", "clock_times"):
            content[key] = tuple(content.get(key, ()))
        found[file.name] = Manifest(**content)
    return found


def clear(root: Path, feed: str, kind: str) -> None:
    """Empty the folder of a stream that has recorded everything; what the landing folder holds is not touched."""
    folder = staging_folder(root, feed, kind)
    # Data files first: a manifest without its file is harmless, a file without its manifest is not.
    for file in sorted(folder.glob("*"), key=lambda file: file.name.startswith(".")):
        file.unlink()


def _manifest_path(folder: Path, name: str) -> Path:
    return folder / f".{name}.json"
