"""The batch that is being taken in: private copies of the admitted files, and one document that says what they are.

A batch is begun when its document is there, which is written after the last file, and ended when it is gone, which is
removed before the first file. So whatever lies here without the document is left over from a run that died before it
began or after it ended, and is thrown away; with the document, the batch is finished by the next run.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from portrait.errors import PortraitError
from portrait.ingest.files import LandedFile, Manifest
from portrait.ingest.text import Body, Dialect, write_staged
from portrait.ingest.workbook import Sheet


@dataclass(frozen=True)
class Batch:
    """The files of one batch by staged name, and by table the number under which its one commit is known.

    The number is the version that the table would have next when the batch was begun. It grows with every commit of the
    table, so Delta skips a commit that a replay repeats, and never one of a later batch.
    """

    numbers: Mapping[str, int]
    files: Mapping[str, Manifest]

    def of_feed(self, feed: str) -> dict[str, Manifest]:
        """The files of one feed."""
        return {name: item for name, item in self.files.items() if item.feed == feed}

    @property
    def feeds(self) -> list[str]:
        """The feeds that have files in it."""
        return sorted({item.feed for item in self.files.values()})

    def transaction(self, table: str) -> tuple[str, int]:
        """Under which name and number its commit on a table is known."""
        return f"ingest-batch:{table}", self.numbers[table]


def staged_path(root: Path, feed: str, name: str) -> Path:
    """Where a staged file lies."""
    return root / "_staging" / feed / name


def judged_folder(root: Path, feed: str) -> Path:
    """Where the judged rows of a feed with much to take in lie until tables have them; a replay writes them anew."""
    return root / "_judged" / feed


def stage(root: Path, landed: LandedFile, manifest: Manifest, *, run: int) -> str | None:
    """Copy an admitted file; returns its staged name, or None when its bytes are no longer those that were inspected.

    A copy, not a link: whoever delivered the file may still write into it, and what is judged must be what was hashed.
    Raises PortraitError when it cannot be copied.
    """
    # Never read packed: gzip cannot be split, and Java's reader refuses padding that Python's accepts.
    packed = landed.extension.endswith(".gz")
    name = f"{manifest.hash}-{manifest.contract_hash[:8]}-{run}{landed.extension.removesuffix('.gz')}"
    target = staged_path(root, manifest.feed, name)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        found = write_staged(landed.source, target, packed=packed, one_line=manifest.one_line, body=manifest.body)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PortraitError(
            f"the file cannot be copied into the lake: {error.strerror or type(error).__name__}",
            where=landed.path,
            remedy="check the disk and its free space, then run again",
        ) from error
    if found != manifest.hash:
        target.unlink()
        return None
    return name


def begin(root: Path, batch: Batch) -> None:
    """Say that all files of a batch are staged: from now on it is finished whatever happens."""
    files = {name: asdict(item) for name, item in batch.files.items()}
    document = _document(root)
    document.parent.mkdir(parents=True, exist_ok=True)
    draft = document.with_suffix(".tmp")
    draft.write_text(json.dumps({"numbers": dict(batch.numbers), "files": files}), encoding="utf-8")
    draft.replace(document)


def unfinished(root: Path) -> Batch | None:
    """The batch that a run which died has begun; None when there is none."""
    document = _document(root)
    if not document.exists():
        return None
    content = json.loads(document.read_text(encoding="utf-8"))
    return Batch(content["numbers"], {name: _manifest(item) for name, item in content["files"].items()})


def clear(root: Path) -> None:
    """End the batch: its document first, so that what remains after a kill is known to be rubbish."""
    _document(root).unlink(missing_ok=True)
    for folder in ("_staging", "_judged"):
        shutil.rmtree(root / folder, ignore_errors=True)


def left_by_streams(root: Path) -> dict[str, tuple[Path, Manifest]]:
    """Files that a run of an earlier build, with a streaming query a feed, had staged when it died; by staged name."""
    return {
        file.name: (file, _manifest(json.loads((file.parent / f".{file.name}.json").read_text(encoding="utf-8"))))
        for folder in _stream_folders(root)
        for file in sorted(folder.iterdir())
        if not file.name.startswith(".")
    }


def _stream_folders(root: Path) -> Iterator[Path]:
    staging = root / "_staging"
    for feed in sorted(staging.iterdir()) if staging.is_dir() else []:
        for kind in ("text", "parquet"):
            if (feed / kind).is_dir():
                yield feed / kind


def forget_streams(root: Path) -> None:
    """Remove the checkpoints of an earlier build: what came in is known by its hash."""
    checkpoints = root / "_checkpoints"
    for folder in sorted(checkpoints.iterdir()) if checkpoints.is_dir() else []:
        if (folder / "application").is_file():
            shutil.rmtree(folder)


def _document(root: Path) -> Path:
    return root / "_staging" / "batch.json"


def _manifest(content: dict[str, Any]) -> Manifest:
    lists = {name: tuple(content.get(name, ())) for name in ("columns", "ignored", "types", "clock_times")}
    fine = tuple((column, row, rest) for column, row, rest in content.get("fine", ()))
    body = content.get("body")
    if body is not None:
        sheet = body.get("sheet")
        parts = {"dialect": Dialect(**body["dialect"]), "sheet": None if sheet is None else Sheet(**sheet)}
        body = Body(**{**body, **parts})
    return Manifest(**{**content, **lists, "fine": fine, "body": body})
