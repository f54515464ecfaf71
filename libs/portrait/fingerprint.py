"""Hashes that say whether anything that could change a result has changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path


def hash_files(paths: Iterable[Path]) -> str:
    """One hash of the names and bytes of files; folders stand for the files below them."""
    digest = hashlib.sha256()
    for path in paths:
        files = sorted(item for item in path.rglob("*") if item.is_file()) if path.is_dir() else [path]
        for file in files:
            if file.suffix == ".pyc":
                continue
            digest.update(str(file.relative_to(path.parent)).encode())
            digest.update(file.read_bytes() if file.exists() else b"absent")
    return digest.hexdigest()


def code_hash() -> str:
    """The library's own sources. Any change of code makes every job stale: recomputing is cheap, being wrong is not."""
    digest = hashlib.sha256()
    for name, source in sorted(_sources(files("portrait"), "")):
        digest.update(name.encode())
        digest.update(source)
    return digest.hexdigest()


def _sources(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    # Not by path: on a cluster the package is imported from a zip, and must have the hash of its checkout.
    for item in folder.iterdir():
        name = f"{prefix}/{item.name}"
        if item.is_dir():
            yield from _sources(item, name)
        elif item.name.endswith(".py"):
            yield name, item.read_bytes()


def hash_text(*parts: str) -> str:
    """A short hash of texts."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
