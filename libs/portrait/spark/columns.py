"""Frames of any data: columns are found by position, so that a name may hold dots, spaces, backticks."""

from __future__ import annotations

from collections.abc import Iterable

from pyspark.sql import DataFrame

from portrait.errors import ConfigurationError


def place_of(frame: DataFrame, name: str, *, parameter: str) -> int:
    """The position of a column: of exactly this name, else of the only one that differs in case alone.

    Raises ConfigurationError, naming the parameter and the columns that exist, for a name that is absent or ambiguous.
    """
    names = frame.columns
    for found in (
        [place for place, known in enumerate(names) if known == name],
        [place for place, known in enumerate(names) if known.casefold() == name.casefold()],
    ):
        if len(found) == 1:
            return found[0]
        if found:
            raise ConfigurationError(
                f"the frame has {len(found)} columns '{name}'", where=parameter, remedy="rename all but one of them"
            )
    raise ConfigurationError(
        f"the frame has no column '{name}'", where=parameter, remedy=f"columns: {', '.join(names) or 'none'}"
    )


def by_place(frame: DataFrame) -> DataFrame:
    """The same rows with columns c0, c1, ... ."""
    return frame.toDF(*[place_name(place) for place in range(len(frame.columns))])


def place_name(place: int) -> str:
    """The name of a column in `by_place`."""
    return f"c{place}"


def refuse_present(frame: DataFrame, names: Iterable[str], *, where: str) -> None:
    """Raise ConfigurationError when the frame already has a column that is about to be added."""
    known = {name.casefold() for name in frame.columns}
    if present := [name for name in names if name.casefold() in known]:
        raise ConfigurationError(
            f"the frame already has a column '{present[0]}'", where=where, remedy="rename it, or drop it, first"
        )
