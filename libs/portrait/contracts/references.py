"""Whose key the values of a column are, as a contract states it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from portrait.errors import ConfigurationError


@dataclass(frozen=True)
class Reference:
    """Whose key the values of a column are: a column of another feed, for rows that meet `where` (SQL; None: all)."""

    feed: str
    column: str
    where: str | None = None


def references_of(stated: Any, where: str) -> tuple[Reference, ...]:
    """What a column refers to; raises ConfigurationError for anything but `feed.column`, or a list of {to, where}."""
    entries = [{"to": stated}] if isinstance(stated, str) else stated or []
    found = []
    for entry in entries if isinstance(entries, list) else [entries]:
        is_reference = isinstance(entry, dict) and set(entry) <= {"to", "where"} and isinstance(entry.get("to"), str)
        feed, dot, column = entry["to"].partition(".") if is_reference else ("", "", "")
        if not (feed and dot and column):
            raise ConfigurationError(
                "references must be written feed.column, or as a list of {to: feed.column, where: SQL}",
                where=where,
                remedy="write for example {property: references, value: accounts.account_id}",
            )
        found.append(Reference(feed, column, entry.get("where")))
    return tuple(found)
