"""The feed contact_outcomes of the synthetic bank: what became of the contacts of its campaigns.

Planted: 6 % of the contacts fail, and are told of a day late; of the others delivery is told within two days, of some
before the contact itself is on file.
"""

from __future__ import annotations

from typing import Final

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.sources.synthetic.bank import Bank
from portrait.sources.synthetic.campaigns import contacts
from portrait.sources.synthetic.feed import SyntheticFeed

FAILS: Final = 0.06


def contact_outcomes(people: DataFrame, bank: Bank) -> DataFrame:
    """One row per contact that was sent: delivered or failed."""
    draws, key = bank.draws, (F.xxhash64("contact_id"),)  # draws are keyed by numbers
    sent = contacts(people, bank).where(F.col("channel").isNotNull())
    failed = draws.happens(FAILS, "contact fails", *key)
    later = F.when(failed, 1).otherwise(draws.whole(3, "told after", *key))
    at = F.col("sent_at") + F.make_dt_interval(days=later, mins=F.lit(1))
    return sent.select(
        (F.col("day") + later).cast("int").alias("day"),
        "k",
        "contact_id",
        F.when(failed, "failed").otherwise("delivered").alias("state"),
        at.alias("at"),
    )


FEEDS = (SyntheticFeed("contact_outcomes", contact_outcomes, moment="at"),)
