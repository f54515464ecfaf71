"""What went wrong, where, and what to do about it.

Every error that a user can cause or mend is a `PortraitError`; the command line prints its three parts and exits with
its code. Messages never contain values of customer data.
"""

from __future__ import annotations


class PortraitError(Exception):
    """A fault with a place and a remedy. Exit code 1: something broke while running."""

    exit_code = 1

    def __init__(self, message: str, *, where: str = "", remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        parts = [self.message]
        if self.where:
            parts.append(f"  where:  {self.where}")
        if self.remedy:
            parts.append(f"  remedy: {self.remedy}")
        return "\n".join(parts)


class ConfigurationError(PortraitError):
    """Invalid arguments or configuration; no work was started. Exit code 2."""

    exit_code = 2


class InputRefused(PortraitError):
    """A feed broke its contract; nothing downstream changed. Exit code 3."""

    exit_code = 3


class GateRefused(PortraitError):
    """A quality gate refused publication; what was published stays served. Exit code 4."""

    exit_code = 4


class LakeBusy(PortraitError):
    """Another run holds the lake, or took it over while this one slept. Exit code 5."""

    exit_code = 5
