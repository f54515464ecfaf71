"""Banks that can be landed: the public PKDD'99 bank, and a synthetic one of any size with a planted truth."""

from typing import TYPE_CHECKING

from portrait.lazy import exports

if TYPE_CHECKING:
    from portrait.sources.berka import land_berka
    from portrait.sources.synthetic import DEFAULT_START, land_synthetic, last_day

_PLACES = {
    "DEFAULT_START": "portrait.sources.synthetic",
    "land_berka": "portrait.sources.berka",
    "land_synthetic": "portrait.sources.synthetic",
    "last_day": "portrait.sources.synthetic",
}
__all__ = ["DEFAULT_START", "land_berka", "land_synthetic", "last_day"]
if not TYPE_CHECKING:  # or type checkers would take any name for one of the package
    __getattr__ = exports(__name__, _PLACES)
