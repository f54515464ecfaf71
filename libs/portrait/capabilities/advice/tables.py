"""gold.group_behaviour and gold.group_advice as frames."""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from pyspark.sql import DataFrame, SparkSession

from portrait.capabilities.advice.behaviour import Behaviour, rounded
from portrait.capabilities.advice.rules import NOT_MEASURED, Given
from portrait.spark.frames import frame_of

BEHAVIOUR = (
    "as_of date, group_id int, category string, size bigint, buyers bigint, share double, share_overall double, "
    "tgi double, tgi_low double, tgi_high double, p_adjusted double, is_significant boolean, amount decimal(18,2), "
    "ticket double, frequency double, best_month string, month_index double, month_p_adjusted double, "
    "best_weekday string, weekday_index double, weekday_p double, share_of_wallet double, bought_with string, "
    "basket_lift double, basket_support double, basket_confidence double"
)
ADVICE = (
    "as_of date, group_id int, advice string, category string, group_name string, title string, product_kind string, "
    "channel string, moment string, wording string, evidence string, expected_effect string, customers bigint, "
    "control_size bigint, remark string, audience string"
)


def behaviour_rows(spark: SparkSession, found: Sequence[Behaviour], *, as_of: date, level: float) -> DataFrame:
    """gold.group_behaviour: one row per group and category."""
    rows = []
    for item in found:
        month, day, basket = item.month, item.weekday, item.basket
        rows.append(
            (
                as_of,
                item.group,
                item.category,
                item.size,
                item.buyers,
                *(rounded(x) for x in (item.share, item.share_overall, item.tgi, item.tgi_low, item.tgi_high)),
                rounded(item.p_adjusted),
                item.p_adjusted <= level,
                Decimal(round(item.amount * 100)) / 100,
                rounded(item.ticket),
                rounded(item.frequency),
                calendar.month_name[month.best] if month else None,
                rounded(month.index) if month else None,
                rounded(item.month_p_adjusted),
                calendar.day_name[day.best - 1] if day else None,
                rounded(day.index) if day else None,
                rounded(day.p_value) if day else None,
                rounded(item.wallet),
                basket.category if basket else None,
                *(rounded(x) for x in ((basket.lift, basket.support, basket.confidence) if basket else (None,) * 3)),
            )
        )
    return frame_of(spark, rows, BEHAVIOUR)


def advice_rows(spark: SparkSession, given: Sequence[Given], *, names: dict[int, str], as_of: date) -> DataFrame:
    """gold.group_advice: one row per group, piece of advice and category."""
    rows = [
        (
            as_of,
            item.behaviour.group,
            item.advice.id,
            item.behaviour.category,
            names[item.behaviour.group],
            item.advice.title,
            item.advice.product_kind,
            item.channel,
            item.moment,
            item.wording,
            item.evidence,
            NOT_MEASURED,
            item.behaviour.size,
            item.control,
            item.remark,
            audience_of(names[item.behaviour.group]),
        )
        for item in given
    ]
    return frame_of(spark, rows, ADVICE)


def audience_of(name: str) -> str:
    """The members of a group, as the expression of an audience."""
    text = name.replace("'", "''")
    return f"behaviour_group = '{text}'"
