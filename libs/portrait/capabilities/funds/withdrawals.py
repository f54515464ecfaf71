"""What a customer is told about withdrawals: each debit, and the money that paid for it, in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from portrait.capabilities.funds.policy import LEFT, NOTHING, OPENING

Flow = Mapping[str, Any]
"""A row of gold.fund_flows."""


def withdrawals(flows: Iterable[Flow]) -> list[list[Any]]:
    """One row per debit: day, account, what was paid, amount, where the money came from; the newest first.

    After them one row per account with what is left of its money.
    """
    parts: dict[tuple[str, str], list[Flow]] = {}
    for flow in flows:
        parts.setdefault((flow["account_id"], flow["to_id"]), []).append(flow)
    paid = [found for (_, debit), found in parts.items() if debit != LEFT]
    kept = [found for (_, debit), found in parts.items() if debit == LEFT]
    paid.sort(key=lambda found: (found[0]["to_on"], found[0]["account_id"], found[0]["to_id"]), reverse=True)
    kept.sort(key=lambda found: str(found[0]["account_id"]))
    return [
        [found[0]["to_on"], found[0]["account_id"], _side(found[0], "to"), _sum(found), _sources(found)]
        for found in [*paid, *kept]
    ]


def _side(flow: Flow, side: str) -> str:
    """What a booking is: its type, and who is on the other side."""
    if flow[f"{side}_id"] == LEFT:
        return "left on the account"
    other = flow[f"{side}_other"]
    named = "" if other is None else f" {side} {other}"
    return f"{flow[f'{side}_type'].replace('_', ' ')}{named}"


def _sources(found: list[Flow]) -> str:
    ordered = sorted(found, key=lambda flow: (flow["from_id"] == NOTHING, str(flow["from_on"] or ""), flow["from_id"]))
    return "; ".join(f"{flow['amount']} {_source(flow)}" for flow in ordered)


def _source(flow: Flow) -> str:
    if flow["from_id"] == NOTHING:
        return "more than was there"
    if flow["from_id"] == OPENING:
        return "that was there before"
    return f"of {_side(flow, 'from')} on {flow['from_on']}"


def _sum(found: list[Flow]) -> Any:
    return sum(flow["amount"] for flow in found)
