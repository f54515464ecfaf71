"""Figures made by hand, for tests of the page that need no Spark."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from portrait.lake import Publication
from portrait.report.figures import Figures

DAY, BEFORE = date(1994, 3, 31), date(1993, 12, 31)
SERVED = Publication(4, 7, DAY, "publish", {"gold.customer_tier": 3}, datetime(2026, 11, 22, 1, 12))


def tier(name: str, rank: int, customers: int, assets: int, reason: str = "assets_level") -> dict[str, Any]:
    return {
        "tier": name,
        "tier_rank": rank,
        "reason_code": reason,
        "customers": customers,
        "assets": Decimal(assets),
        "score": Decimal(50 * customers),
    }


def move(source: str, target: str, customers: int, share: float | None) -> dict[str, Any]:
    return {
        "from_tier": source,
        "to_tier": target,
        "customers": customers,
        "probability": share,
        "mobility_index": 0.25,
    }


def label(name: str, theme: str, spread: dict[str, int], customers: int = 200) -> dict[str, Any]:
    known = sum(spread.values())
    counts = {"customers": customers, "known": known, "coverage": known / customers}
    return {"label": name, "theme": theme, "kind": "rule", **counts, "distribution": spread}


def figures(**rows: list[dict[str, Any]]) -> Figures:
    """A published slice of run 7 that has the given rows and no others."""
    return Figures("bank", DAY, BEFORE, 7, datetime(2026, 11, 22, 1, 10), SERVED, True, dict(rows), {})


def unpublished(served: Publication | None, **rows: list[dict[str, Any]]) -> Figures:
    return replace(figures(**rows), published=served, is_published=False)
