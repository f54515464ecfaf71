"""What kind of table a contract describes: it says what a write does to older rows, and what a reader may see."""

from __future__ import annotations

from enum import StrEnum

from portrait.errors import ConfigurationError


class Kind(StrEnum):
    """The three kinds of tables."""

    slice = "slice"
    """Rows of an `as_of`, replaced as a whole."""
    ledger = "ledger"
    """Events, appended with idempotent keys and never changed."""
    register = "register"
    """Current rows, with or without their history."""


def kind_of(layer: str, *, sliced: bool, stated: str | None = None) -> Kind:
    """The kind that a contract states, or else the usual one of such a table; `sliced`: partitioned by `as_of`."""
    if stated is not None:
        return Kind(stated)
    if sliced:
        return Kind.slice
    return Kind.ledger if layer in ("raw", "bronze", "ops") else Kind.register


def check_kind(table: str, *, sliced: bool, stated: str | None) -> None:
    """Raise ConfigurationError for a kind that there is not, or that the partitions of the table deny."""
    where, kinds = f"schemas/{table.replace('.', '/')}.yml", ", ".join(Kind)
    if stated is not None and stated not in list(Kind):
        raise ConfigurationError(f"kind is '{stated}'", where=where, remedy=f"write one of {kinds}")
    if stated is not None and (stated == Kind.slice) != sliced:
        raise ConfigurationError(
            f"{table} is called a {stated}, its partitions say otherwise",
            where=where,
            remedy="a slice, and nothing else, is partitioned by as_of alone: correct the partition or the kind",
        )
