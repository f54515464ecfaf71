"""From behaviour to advice: which rule holds for which group and category, with its evidence; gold.group_advice."""

from __future__ import annotations

import calendar
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from portrait.capabilities.advice.behaviour import Behaviour
from portrait.capabilities.advice.policy import Advice, AdvicePolicy, When
from portrait.capabilities.advice.significance import control_size

NOT_MEASURED = "not measured"
TOO_SMALL = "effect cannot be measured at this size"


@dataclass(frozen=True)
class Given:
    """A piece of advice for a group."""

    behaviour: Behaviour
    advice: Advice
    channel: str
    moment: str
    wording: str
    evidence: str
    control: int
    remark: str | None


def give_advice(
    found: Sequence[Behaviour],
    rules: Mapping[str, Advice],
    *,
    names: Mapping[int, str],
    channels: Mapping[int, Sequence[str]],
    policy: AdvicePolicy,
) -> list[Given]:
    """Every rule that holds, by group, then rule, the strongest category first.

    `names`: group to its name; `channels`: group to channels, the one by which it differs most first.
    """
    size = control_size(policy.response.base, policy.response.uplift)
    given = []
    for behaviour in found:
        for rule in rules.values():
            if not holds(rule.when, behaviour, level=policy.false_discoveries):
                continue
            channel = next((c for c in channels.get(behaviour.group, ()) if c in rule.channels), rule.channels[0])
            given.append(
                Given(
                    behaviour,
                    rule,
                    channel,
                    _moment(rule, behaviour),
                    rule.wording.format(
                        group=names[behaviour.group],
                        category=behaviour.category,
                        other=behaviour.basket.category if behaviour.basket else "",
                        month=calendar.month_name[behaviour.month.best] if behaviour.month else "",
                    ),
                    evidence(rule.when, behaviour),
                    size,
                    TOO_SMALL if behaviour.size < 2 * size else None,
                )
            )
    return sorted(given, key=lambda item: (item.behaviour.group, item.advice.id, -item.behaviour.tgi))


def holds(when: When, behaviour: Behaviour, *, level: float) -> bool:
    """Whether a condition holds; what is to be above the others must be so significantly."""
    if when.categories and behaviour.category not in when.categories:
        return False
    if when.tgi_low_least is not None and not (
        behaviour.tgi_low >= when.tgi_low_least and behaviour.p_adjusted <= level
    ):
        return False
    if when.month_index_least is not None:
        p, month = behaviour.month_p_adjusted, behaviour.month
        if month is None or p is None or p > level or month.index < when.month_index_least:
            return False
    if when.wallet_most is not None and (behaviour.wallet is None or behaviour.wallet > when.wallet_most):
        return False
    basket = behaviour.basket
    return when.basket_lift_least is None or (basket is not None and basket.lift >= when.basket_lift_least)


def evidence(when: When, behaviour: Behaviour) -> str:
    """The figures on which the advice rests, those that the rule asks for."""
    said = [f"{behaviour.buyers:,} of {behaviour.size:,} customers buy {behaviour.category} within a year"]
    if when.tgi_low_least is not None:
        low, high = behaviour.tgi_low, behaviour.tgi_high
        said.append(f"TGI {behaviour.tgi:.0f} ({low:.0f} to {high:.0f}), adjusted p {behaviour.p_adjusted:.2g}")
    if when.month_index_least is not None and behaviour.month is not None:
        month = calendar.month_name[behaviour.month.best]
        said.append(
            f"{month} {behaviour.month.index:.2f} of a month's mean, adjusted p {behaviour.month_p_adjusted:.2g}"
        )
    if when.wallet_most is not None and behaviour.wallet is not None:
        said.append(f"at most {behaviour.wallet:.0%} of the money seen stays here")
    if when.basket_lift_least is not None and behaviour.basket is not None:
        basket = behaviour.basket
        said.append(f"{basket.category} in {basket.confidence:.0%} of its weekly baskets, lift {basket.lift:.2f}")
    return "; ".join(said)


def _moment(rule: Advice, behaviour: Behaviour) -> str:
    if rule.moment == "best_month" and behaviour.month is not None:
        return f"before {calendar.month_name[behaviour.month.best]}"
    if rule.moment == "best_weekday" and behaviour.weekday is not None and behaviour.weekday.p_value <= 0.05:
        return f"the day before {calendar.day_name[behaviour.weekday.best - 1]}"
    return "the day after the salary" if rule.moment == "after_salary" else "any day"
