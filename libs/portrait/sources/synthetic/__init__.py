"""A synthetic bank of any size, written by Spark, with planted behaviour groups and bad rows (`docs/synthetic.md`)."""

from portrait.sources.synthetic.bank import DEFAULT_START, last_day
from portrait.sources.synthetic.landing import ALL_FEEDS, CORE_FEEDS, all_feeds, feeds_named, land_synthetic

__all__ = ["ALL_FEEDS", "CORE_FEEDS", "DEFAULT_START", "all_feeds", "feeds_named", "land_synthetic", "last_day"]
