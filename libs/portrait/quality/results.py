"""What a rule found in a slice; `portrait.lake.gate` says what a failed rule holds back."""

from __future__ import annotations

from dataclasses import dataclass


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
