"""Campaigns with a control by lot, and with a true uplift: what the contact changes in the probability of buying.

Whoever buys without being contacted buys when contacted too, unless the contact puts them off: the same draw decides in
both arms, so that treated minus control estimates the planted uplift.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from portrait.sources.synthetic.bank import Bank
from portrait.sources.synthetic.plan import BehaviourGroup, by_group
from portrait.sources.synthetic.records import agrees_to_marketing, money
from portrait.sources.synthetic.texts import padded

CHOSEN_SHARE: Final = 0.30  # of those who agree to marketing, by campaign
CONTROL_SHARE: Final = 0.10
FIRST_MONTH, EVERY_MONTHS, LASTS_DAYS = 1, 3, 28
OFFERS: Final = (("balanced_fund", "mobile"), ("gold_card", "sms"), ("term_deposit", "phone"), ("bond_fund", "online"))
# By group: probability of buying without a contact, and what a contact adds: some are put off.
BUYS: Final = {
    "salary_families": (0.020, 0.030), "students": (0.010, 0.050), "retired": (0.030, -0.015),
    "traders": (0.060, 0.010), "affluent": (0.050, 0.060), "rural": (0.015, 0.000),
}  # fmt: skip
UPLIFT_SPREAD: Final = 0.3
CHOSEN_FOR: Final = {"number": "int", "campaign_id": "string", "campaign_channel": "string", "starts_day": "int"}
ASKS, UNSUBSCRIBES = 0.05, 0.01  # of those who are contacted and do not buy


@dataclass(frozen=True)
class Campaign:
    """One campaign; `number` keys its draws."""

    number: int
    product_id: str
    channel: str
    starts_on: date

    @property
    def campaign_id(self) -> str:
        """Campaign as the bank numbers it."""
        return f"P{self.number:03d}"

    @property
    def ends_on(self) -> date:
        """Last day on which a response counts."""
        return self.starts_on + timedelta(days=LASTS_DAYS)


def designs(bank: Bank) -> list[Campaign]:
    """The campaigns of the bank's months: one a quarter, from the second month on."""
    made = []
    for number, month in enumerate(range(FIRST_MONTH, bank.months, EVERY_MONTHS)):
        product, channel = OFFERS[number % len(OFFERS)]
        made.append(Campaign(number, product, channel, bank.start + timedelta(days=bank.first_of(month))))
    return made


def campaign_rows(bank: Bank, until: date) -> list[dict[str, object]]:
    """Feed rows of the campaigns that were designed, a week before they start, up to `until`."""
    rows: list[dict[str, object]] = []
    for campaign in designs(bank):
        designed_on = campaign.starts_on - timedelta(days=7)
        if designed_on <= until:
            rows.append(
                {
                    "campaign_id": campaign.campaign_id,
                    "op": "I",
                    "changed_at": f"{designed_on} 00:00:00",
                    "name": f"{campaign.product_id.replace('_', ' ').title()} by {campaign.channel}",
                    "product_id": campaign.product_id,
                    "channel": campaign.channel,
                    "starts_on": campaign.starts_on,
                    "ends_on": campaign.ends_on,
                    "control_share": CONTROL_SHARE,
                }
            )
    return rows


def chosen(people: DataFrame, bank: Bank) -> DataFrame:
    """One row per campaign and customer: arm, and the probability of buying in either arm; empty without campaigns."""
    draws, key = bank.draws, ("k", "number")
    listed = [
        F.struct(
            F.lit(campaign.number).alias("number"),
            F.lit(campaign.campaign_id).alias("campaign_id"),
            F.lit(campaign.channel).alias("campaign_channel"),
            F.lit((campaign.starts_on - bank.start).days).alias("starts_day"),
        )
        for campaign in designs(bank)
    ]
    nothing = F.from_json(
        F.lit("[]"), "array<struct<number:int,campaign_id:string,campaign_channel:string,starts_day:int>>"
    )
    each = people.select("*", F.inline(F.array(*listed) if listed else nothing))
    starts = F.date_add(F.lit(bank.start), F.col("starts_day"))
    gone = F.least("left_on", "silent_from")  # `least` skips null
    here = (F.col("joined_on") < starts) & (gone.isNull() | (gone > starts))
    drawn = draws.happens(CHOSEN_SHARE, "chosen", *key)
    noise = draws.lognormal(UPLIFT_SPREAD, "uplift", *key)

    def planned(place: int) -> Column:
        def value(group: BehaviourGroup) -> float:
            return BUYS[group.name][place]

        return by_group(value)

    control = planned(0) * draws.lognormal(UPLIFT_SPREAD, "buys", *key)
    treated = F.greatest(F.lit(0.0), control + planned(1) * noise)
    return (
        each.where(here & agrees_to_marketing(draws) & drawn)
        .withColumns({"probability_control": control, "probability_treated": treated})
        .withColumn("arm", F.when(draws.happens(CONTROL_SHARE, "arm", *key), "control").otherwise("treated"))
    )


def _contact_id() -> Column:
    return F.concat(F.col("campaign_id"), F.lit("-"), padded(F.col("k"), 9))


def contacts(people: DataFrame, bank: Bank) -> DataFrame:
    """One row per campaign and customer chosen; the control has no channel."""
    picked = chosen(people, bank)
    second = 36_000 + bank.draws.whole(28_800, "sent", "k", "number")
    return picked.select(
        F.col("starts_day").alias("day"),
        "k",
        _contact_id().alias("contact_id"),
        "campaign_id",
        "customer_id",
        "arm",
        F.when(F.col("arm") == "treated", F.col("campaign_channel")).alias("channel"),
        _instant(bank, F.col("starts_day"), second).alias("sent_at"),
    )


def responses(people: DataFrame, bank: Bank) -> DataFrame:
    """One row per customer who responded: bought, else asked, else unsubscribed; the latter two need a contact."""
    draws, key = bank.draws, ("k", "number")
    treated = F.col("arm") == "treated"
    chance = F.when(treated, F.col("probability_treated")).otherwise(F.col("probability_control"))
    other = draws.uniform("asks", *key)
    kind = (
        F.when(draws.uniform("buys now", *key) < chance, "bought")
        .when(treated & (other < ASKS), "asked")
        .when(treated & (other < ASKS + UNSUBSCRIBES), "unsubscribed")
    )
    answered = chosen(people, bank).withColumn("kind", kind).where(F.col("kind").isNotNull())
    day = F.col("starts_day") + 1 + draws.whole(LASTS_DAYS - 1, "answer day", *key)
    size = F.round(F.col("income_minor") * 2 * draws.fisk(0.3, "bought", *key))
    return answered.withColumn("day", day).select(
        *("day", "k"),
        F.concat(F.lit("R"), _contact_id()).alias("response_id"),
        _contact_id().alias("contact_id"),
        *("campaign_id", "customer_id", "kind"),
        _instant(bank, F.col("day"), 36_000 + draws.whole(36_000, "answer second", *key)).alias("at"),
        F.when(F.col("kind") == "bought", money(size)).alias("amount"),
    )


def _instant(bank: Bank, day: Column, second: Column) -> Column:
    first = F.unix_date(F.lit(bank.start)).cast("bigint")
    return F.timestamp_seconds((first + day) * 86_400 + second)


def uplift(people: DataFrame, bank: Bank) -> DataFrame:
    """The truth: one row per campaign and customer chosen, with both probabilities and their difference."""
    gain = F.col("probability_treated") - F.col("probability_control")
    return chosen(people, bank).select(
        "campaign_id", "customer_id", "probability_control", "probability_treated", gain.alias("uplift")
    )
