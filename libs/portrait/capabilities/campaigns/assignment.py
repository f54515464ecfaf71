"""Arms by a stable hash: the same customer is in the same arm of a campaign, on any machine and in any run."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import Column
from pyspark.sql import functions as F

from portrait.capabilities.campaigns.policy import BUCKETS
from portrait.errors import ConfigurationError

UNIVERSAL = "universal control"


def bucket(customer: Column, *, campaign: str, salt: str) -> Column:
    """0..9999: pmod(xxhash64(customer, campaign, salt), 10000), customer as text, since a number hashes differently.

    Null for a null customer.
    """
    text = customer.cast("string")
    hashed = F.pmod(F.xxhash64(text, F.lit(campaign), F.lit(salt)), F.lit(BUCKETS)).cast("int")
    return F.when(text.isNotNull(), hashed)


def arm(customer: Column, *, campaign: str, salt: str, shares: Mapping[str, float]) -> Column:
    """The arm of each customer; `shares`: arm -> share, in the order in which they divide the buckets, adding up to 1.

    Raises ConfigurationError for shares that do not add up, or that are no whole number of buckets.
    """
    sizes = [round(share * BUCKETS) for share in shares.values()]
    exact = all(abs(size - share * BUCKETS) < 1e-6 for size, share in zip(sizes, shares.values(), strict=True))
    if not exact or sum(sizes) != BUCKETS or min(sizes, default=0) < 0:
        raise ConfigurationError(
            "the shares of the arms must be multiples of 0.0001 that add up to 1",
            where=f"arms of campaign {campaign!r}",
            remedy="correct the shares",
        )
    place = bucket(customer, campaign=campaign, salt=salt)
    named, reached = F.lit(None).cast("string"), 0
    for size in sizes:
        reached += size
    for name, size in reversed(list(zip(shares, sizes, strict=True))):
        named, reached = F.when(place < reached, F.lit(name)).otherwise(named), reached - size
    return named


def universal_control(customer: Column, *, year: int, share: float) -> Column:
    """Whether no campaign of the year may contact the customer: one word for all campaigns, one salt per year."""
    if not 0 <= share <= 1:
        raise ConfigurationError(
            f"the universal control's share is {share}", where="universal control", remedy="give 0 to 1"
        )
    return bucket(customer, campaign=UNIVERSAL, salt=str(year)) < round(share * BUCKETS)
