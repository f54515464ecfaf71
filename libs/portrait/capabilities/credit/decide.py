"""Decisions about applications, for one at a time and without Spark: what a rule says, and what could be changed.

The same rules are Spark expressions in `decisions.py`; both read `conf/credit.yml`, and a test compares them.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from portrait.capabilities.credit.policy import CreditPolicy, DecisionRule, Decisions

Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Decision:
    """What was decided, by which rules, and why."""

    decision: str
    rules: tuple[str, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Change:
    """Another amount and term with which the application would be approved."""

    amount: float
    months: int
    probability: float


def decide(facts: Facts, policy: Decisions) -> Decision:
    """The decision about an application. What is not known refers it; only a rule declines."""
    fired = [rule for rule in policy.rules if _fires(rule, facts.get(rule.fact))]
    missing = [fact for fact in policy.needed if facts.get(fact) is None]
    lacking = [name for name in policy.documents if name not in (facts.get("documents") or "").split("|")]
    effects = {rule.effect for rule in fired} | ({"refer"} if missing or lacking else set())
    decision = "decline" if "decline" in effects else "refer" if "refer" in effects else "approve"
    ids = [rule.id for rule in fired] + [f"missing_{fact}" for fact in missing] + [f"document_{d}" for d in lacking]
    texts = (
        [rule.text for rule in fired] + [missing_text(fact) for fact in missing] + [lacking_text(d) for d in lacking]
    )
    return Decision(decision, tuple(ids), tuple(texts))


def missing_text(fact: str) -> str:
    """Why a fact that is not known refers an application."""
    return f"{fact.replace('_', ' ')} is not known"


def lacking_text(document: str) -> str:
    """Why a document that was not received refers it."""
    return f"the document '{document}' was not received"


def _fires(rule: DecisionRule, value: Any) -> bool:
    if value is None:
        return False
    if rule.is_true:
        return bool(value)
    return float(value) > rule.above if rule.above is not None else float(value) < float(rule.below or 0.0)


@dataclass(frozen=True)
class PlainCard:
    """A scorecard of the model store, for one applicant at a time."""

    content: Mapping[str, Any]

    @classmethod
    def read(cls, file: Path) -> PlainCard:
        """The scorecard in a file."""
        return cls(json.loads(file.read_text(encoding="utf-8")))

    def probability(self, facts: Facts) -> float:
        """Probability of default."""
        scale, features = self.content["scale"], self.content["features"]
        factor = scale["double"] / math.log(2)
        offset = scale["points"] - factor * math.log(scale["odds"])
        if not features:
            return 1 / (1 + math.exp(-self.content["line"]["intercept"]))
        points = sum(
            self.content["points"][place][_bin(item, facts.get(item["source"]["name"]))]
            for place, item in enumerate(features)
        )
        return 1 / (1 + math.exp((points - offset) / factor))


def _bin(item: Mapping[str, Any], value: Any) -> int:
    """The position of the bin that a value is in, as `BinnedFeature.place_of_bin`."""
    last = len(item["bins"]) - 1
    if item["source"]["kind"] == "text":
        if value is None:
            return last
        return next((place for place, values in enumerate(item["texts"]) if value in values), item["unseen"])
    number = math.nan if value is None else float(value)
    if math.isnan(number):
        return last
    if number in item["special"]:
        return int(item["ordered"]) + list(item["special"]).index(number)
    ordered = item["ordered"]
    return next((place for place, cut in enumerate(item["cuts"]) if number <= cut), ordered - 1 if ordered else last)


def nearest_change(facts: Facts, card: PlainCard, policy: CreditPolicy) -> Change | None:
    """The smallest change of amount and term, both as shares of what was asked for, that would be approved.

    Nothing else is changed, so there may be none: what is missing stays missing.
    """
    if facts.get("amount") is None or facts.get("months") is None:
        return None
    asked, term, changes = float(facts["amount"]), int(facts["months"]), policy.decisions.changes
    steps = math.floor((1 - changes.least_amount_share) / changes.amount_step + 1e-9)
    amounts = [round(asked * (1 - step * changes.amount_step), 2) for step in range(steps + 1)]
    tried = sorted(
        itertools.product(amounts, sorted({term, *changes.months})),
        key=lambda pair: ((asked - pair[0]) / asked + abs(pair[1] - term) / term, -pair[0], pair[1]),
    )
    for amount, months in tried:
        other = with_terms(facts, amount=amount, months=months, rate=policy.applications.rate)
        other["probability"] = card.probability(other)
        if decide(other, policy.decisions).decision == "approve":
            return Change(amount, months, other["probability"])
    return None


def with_terms(facts: Facts, *, amount: float, months: int, rate: float) -> dict[str, Any]:
    """The facts with another amount and term, and what follows from them."""
    changed = {**facts, "amount": amount, "months": months}
    income = float(facts["declared_income"]) if facts.get("declared_income") else None
    running = facts.get("running_instalments")
    monthly = rate / 12
    instalment = amount / months if rate == 0 else amount * monthly / (1 - (1 + monthly) ** -months)
    changed["burden"] = None if income is None or running is None else round((instalment + float(running)) / income, 6)
    changed["incomes"] = None if income is None else round(amount / income, 6)
    return changed


def in_words(reasons: Sequence[str]) -> str:
    """Reasons as one sentence."""
    return "; ".join(reasons) or "everything was in order"
