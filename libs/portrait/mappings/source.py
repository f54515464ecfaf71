"""Mappings of a bank's sources, loaded, and which of them a landed file belongs to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

from portrait.contracts import Contract
from portrait.errors import ConfigurationError
from portrait.mappings.model import FileMapping

SUPPLIED = ("op", "changed_at")
"""Columns of change records that a snapshot fills in itself."""


@dataclass(frozen=True)
class SourceMapping:
    """A mapping file `path` as it was loaded; `codes`: column of the feed to its map of codes, from file or inline."""

    source: str
    name: str
    path: Path
    spec: FileMapping
    codes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """How messages and tables name it: `<source>/<name>`."""
        return f"{self.source}/{self.name}"

    @property
    def feed(self) -> str:
        """The feed that its files become."""
        return self.spec.feed

    @cached_property
    def hash(self) -> str:
        """Changes when anything does that can change what becomes of a file; the title and `shared` cannot."""
        plain = {name: value for name, value in self.spec.as_dict().items() if name not in ("title", "shared")}
        text = json.dumps([plain, {name: dict(codes) for name, codes in self.codes.items()}], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def claims(self, path: str) -> bool:
        """Whether a file of the source, by its path below the source's folder, is of this kind."""
        names = {path, path.removesuffix(".gz")}
        if "/" not in self.spec.files:
            names = {name.rpartition("/")[2] for name in names}
        return any(fnmatchcase(name, self.spec.files) for name in names)


@dataclass(frozen=True)
class Mappings:
    """All mappings of a bank, by source and name."""

    items: tuple[SourceMapping, ...] = ()

    def __iter__(self) -> Iterator[SourceMapping]:
        return iter(self.items)

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the folders below the landing folder in which files of mapped sources lie."""
        return tuple(dict.fromkeys(item.source for item in self.items))

    def of_feed(self, feed: str) -> list[SourceMapping]:
        """The mappings that make a feed."""
        return [item for item in self.items if item.feed == feed]

    def claimants(self, source: str, path: str) -> list[SourceMapping]:
        """The mappings of a file of a source; several only if each says `shared` and they make different feeds.

        Raises ConfigurationError for a file that none or too many of them claim.
        """
        found = [item for item in self.items if item.source == source and item.claims(path)]
        if not found:
            of_source = ", ".join(f"{i.spec.files} ({i.path.name})" for i in self.items if i.source == source)
            raise ConfigurationError(
                "no mapping claims this file",
                where=f"{source}/{path}",
                remedy=f"correct its name, widen 'files' of a mapping ({of_source}), write one for it, or let its "
                "name begin with _ if it is no data",
            )
        if len(found) > 1:
            both = " and ".join(f"{item.path} ({item.spec.files})" for item in found)
            if len({item.feed for item in found}) < len(found):
                raise ConfigurationError(
                    f"several mappings make one feed of this file: {both}",
                    where=f"{source}/{path}",
                    remedy="narrow 'files' so that one of them claims it",
                )
            if not all(item.spec.shared for item in found):
                raise ConfigurationError(
                    f"several mappings claim this file: {both}",
                    where=f"{source}/{path}",
                    remedy="narrow 'files'; if the file is to become several feeds, write 'shared: true' in each",
                )
        return found

    def mapping_of(self, feed: str, path: str) -> SourceMapping | None:
        """The mapping by which a file (path below the landing folder) becomes records of a feed; None: it has none."""
        source, _, rest = path.partition("/")
        return next((i for i in self.items if i.source == source and i.feed == feed and i.claims(rest)), None)


NO_MAPPINGS = Mappings()


def rules_hash(contract: Contract, mapping: SourceMapping | None) -> str:
    """What a verdict on a file depends on beside its bytes: the feed's contract, and the mapping if it has one."""
    if mapping is None:
        return contract.hash
    return hashlib.sha256(f"{contract.hash} {mapping.hash}".encode()).hexdigest()
