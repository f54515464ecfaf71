"""Banks that can be landed: the public PKDD'99 bank, and a synthetic one of any size with a planted truth."""

from portrait.sources.berka import land_berka
from portrait.sources.synthetic import DEFAULT_START, land_synthetic, last_day

__all__ = ["DEFAULT_START", "land_berka", "land_synthetic", "last_day"]
