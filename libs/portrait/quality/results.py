"""What a rule found in a slice, and the gate that a failed rule closes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from portrait.errors import GateRefused


@dataclass(frozen=True)
class RuleResult:
    """One rule on one slice: how many of its `total` rows break it.

    `details` names a few of them by masked keys (the beginning of a SHA-256) or, for references, by patterns of their
    identifiers, never by values; None where none fails.
    """

    table: str
    rule: str
    severity: str
    success: bool
    unexpected_count: int
    total: int
    details: str | None = None


def gate(results: Iterable[RuleResult]) -> None:
    """Raise GateRefused naming every failed rule of severity `error`; warnings are recorded and let pass."""
    failed = [item for item in results if not item.success and item.severity == "error"]
    if failed:
        lines = [
            f"{item.table}: {item.rule} is broken by {item.unexpected_count} of {item.total} rows"
            + (f" ({item.details})" if item.details else "")
            for item in failed
        ]
        raise GateRefused(
            "publication refused, what was published before stays served:\n  " + "\n  ".join(lines),
            where=", ".join(dict.fromkeys(item.table for item in failed)),
            remedy="correct the input or the job that writes the table, or its rule (schemas/gold/, "
            "conf/references.yml); for references, deliver the records that are missing; then run again. "
            "All results are in ops.quality_results",
        )
