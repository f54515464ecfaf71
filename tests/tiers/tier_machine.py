"""The tier policies once more, in plain Python, written apart from the Spark expressions: judge of random paths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass
class Customer:
    """A customer's tier (1 diamond .. 4 ordinary) while months pass."""

    policy: dict[str, Any]
    tier: int | None = None
    months_in_tier: int = 0
    missed: tuple[int, ...] = ()
    promised: int | None = None

    def gone(self) -> None:
        """Not in the slice of a month."""
        self.tier, self.missed, self.promised = None, (), None

    def limit(self) -> int:
        given = self.policy["drop_after_misses"]
        return int(given if isinstance(given, int) else given[("diamond", "vip", "growing")[self.tier - 1]])

    def move(self, tier: int) -> None:
        self.missed = ()
        if tier != self.tier:
            self.tier, self.months_in_tier = tier, 0

    def month(self, level: int, *, fast: int = 4, known: bool = True, gap: int = 1) -> tuple[int, int, int | None]:
        """Live through a month, `gap` months after the last; returns tier, misses, promised tier."""
        self.months_in_tier += gap
        if self.tier is None:
            self.tier, self.months_in_tier, self.missed, self.promised = 4, 0, (), None
            if self.policy["newcomers"] == "at_level":
                self.tier = level
                return level, 0, None
        if self.promised is not None:
            self.move(self.promised)
            self.promised = None
        if not known and self.policy.get("unknown_assets") == "hold":
            pass
        elif level < self.tier:
            self._up(level, fast)
        elif level == self.tier:
            self.missed = ()
        else:
            self._below(level)
        return self.tier, len(self.missed), self.promised

    def _up(self, level: int, fast: int) -> None:
        self.missed = ()
        if self.policy["upgrade"] == "at_once":
            self.move(level)
            return
        if self.policy.get("fast_track") and fast < self.tier:
            self.move(fast)
        if level < self.tier:
            self.promised = level

    def _below(self, level: int) -> None:
        order = ("diamond", "vip", "growing", "ordinary")
        floor = self.policy.get("floors", {}).get(order[self.tier - 1], "ordinary")
        lowest = order.index(floor) + 1
        if self.months_in_tier < self.policy.get("grace_months", 0):
            return
        if self.limit() == 0:
            self.move(min(level, lowest))
            return
        self.missed += (level,)
        if len(self.missed) >= self.limit():
            target = level if self.policy["drop_to"] == "last_month" else min(self.missed)
            self.promised = min(target, lowest)
