"""What lies in the landing folder: files of feeds in folders of their names, files of sources by their mappings."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from portrait.errors import ConfigurationError, InputRefused
from portrait.ingest.files import LandedFile
from portrait.mappings.source import NO_MAPPINGS, Mappings, SourceMapping

RELEASED = "released-"
"""How the names of files begin in which rows of the quarantine are landed again."""
FORMATS = {".csv": "csv", ".jsonl": "jsonl", ".parquet": "parquet"}


def landed_files(
    landing: Path, *, known: Sequence[str], feeds: Sequence[str] | None = None, mappings: Mappings = NO_MAPPINGS
) -> list[LandedFile]:
    """The files of the feeds, by path, at any depth: `transactions/dt=2024-03-31/part-0.parquet` is one.

    Those of a source, in the folder of its name, are there once for each feed that a mapping makes of them.

    What a folder's name says (`dt=...`) is no column. Names of files and folders that start with a dot or an underscore
    are being written: not yet there. A folder that is reached twice, by a link, is read once.
    Raises ConfigurationError for a folder that is no feed and no source, a data file beside the folders, or a file of a
    source that no mapping or too many claim, and InputRefused for a folder that cannot be read.
    """
    if not landing.is_dir():
        raise ConfigurationError(
            "the landing folder does not exist", where=str(landing), remedy="create it, or correct --landing"
        )
    wrong = [
        item.name
        for item in sorted(landing.iterdir())
        if item.name[0] not in "._"
        and (item.name not in (*known, *mappings.sources) if item.is_dir() else _format(item.name)[0])
    ]
    unknown = sorted(set(feeds or ()) - set(known))
    if wrong or unknown:
        raise ConfigurationError(
            f"no feed is called {', '.join(repr(name) for name in wrong + unknown)}",
            where=str(landing),
            remedy=f"put files into <landing>/<feed>/; the feeds are {', '.join(known)}"
            + (f"; files of sources into <landing>/<source>/: {', '.join(mappings.sources)}" if mappings.items else ""),
        )
    asked = set(feeds if feeds is not None else known)
    found = [_landed(feed, landing, source, None) for feed in sorted(asked) for source in _files_of(landing / feed)]
    for name in mappings.sources:
        for source in _files_of(landing / name):
            path = _path_below(landing / name, source)
            found += [_landed(item.feed, landing, source, item) for item in mappings.claimants(name, path)]
    return sorted((item for item in found if item.feed in asked), key=lambda item: (item.path, item.feed))


def feed_files(landing: Path, feed: str, mappings: Mappings) -> Iterator[Path]:
    """The files in the landing folder that may become records of a feed, as far as their names say."""
    yield from _files_of(landing / feed)
    for mapping in mappings.of_feed(feed):
        yield from source_files(landing, mapping)


def source_files(landing: Path, mapping: SourceMapping) -> Iterator[Path]:
    """The files in the folder of a source that a mapping claims."""
    folder = landing / mapping.source
    yield from (source for source in _files_of(folder) if mapping.claims(_path_below(folder, source)))


def landed_feeds(landing: Path, *, known: Sequence[str], mappings: Mappings = NO_MAPPINGS) -> set[str]:
    """The feeds of which something lies in the landing folder."""
    there = {feed for feed in known if (landing / feed).is_dir() and any((landing / feed).iterdir())}
    return there | {item.feed for item in mappings if next(feed_files(landing, item.feed, mappings), None)}


def _files_of(folder: Path) -> Iterator[Path]:
    return _files_below(folder, set()) if folder.is_dir() else iter(())


def _path_below(folder: Path, source: Path) -> str:
    # A name may hold bytes that are no text; those of a table must be.
    return os.fsencode(source.relative_to(folder)).decode("utf-8", "backslashreplace")


def _landed(feed: str, landing: Path, source: Path, mapping: SourceMapping | None) -> LandedFile:
    kind, extension = _format(source.name)
    facts = source.stat()
    if mapping is not None:
        # What the name promises does not matter: the mapping says what is in the file.
        kind, extension = mapping.spec.format.type, ".gz" if source.name.lower().endswith(".gz") else ""
    path = _path_below(landing, source)
    return LandedFile(feed, path, source, kind, extension, facts.st_size, facts.st_mtime_ns, mapping)


def _files_below(folder: Path, seen: set[tuple[int, int]]) -> Iterator[Path]:
    try:
        facts = folder.stat()
        inside = sorted(folder.iterdir())
    except OSError as error:
        raise InputRefused(
            f"the folder cannot be read: {error.strerror or type(error).__name__}",
            where=str(folder),
            remedy="check its permissions and the disk, then run again",
        ) from error
    if (facts.st_dev, facts.st_ino) in seen:
        return
    seen.add((facts.st_dev, facts.st_ino))
    for item in inside:
        if item.name[0] in "._":
            continue
        if item.is_dir():
            yield from _files_below(item, seen)
        elif item.is_file():
            yield item


def _format(name: str) -> tuple[str | None, str]:
    """The format that a name promises, and its extension with `.gz`."""
    lowered = name.lower()
    plain = lowered.removesuffix(".gz")
    packed = plain != lowered
    kind = FORMATS.get(Path(plain).suffix)
    return (None if packed and kind == "parquet" else kind), Path(plain).suffix + (".gz" if packed else "")
