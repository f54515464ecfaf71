"""What must come before what: names in an order in which each comes after those that it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from graphlib import CycleError, TopologicalSorter


def in_order(needs: Mapping[str, Iterable[str]], *, circle: Callable[[str], Exception]) -> list[str]:
    """The names of `needs`, and those that they need, each after all that it needs; ties by name.

    Where names need each other there is no such order: raises the error that `circle` makes of the path, in which each
    name needs the next one.

    >>> in_order({"tiers": ["value"], "value": ["features"], "groups": ["features"]}, circle=ValueError)
    ['features', 'groups', 'value', 'tiers']
    >>> in_order({"a": ["b"], "b": ["c"], "c": ["a"]}, circle=ValueError)
    Traceback (most recent call last):
    ValueError: a -> b -> c -> a
    """
    sorter = TopologicalSorter(needs)
    try:
        sorter.prepare()
    except CycleError as error:
        raise circle(" -> ".join(_from_smallest(error.args[1]))) from None
    order: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        order += ready
        sorter.done(*ready)
    return order


def _from_smallest(cycle: list[str]) -> list[str]:
    """The path of a circle, the same wherever the search met it; graphlib has each name before those that need it."""
    path = cycle[:0:-1]
    start = path.index(min(path))
    return [*path[start:], *path[:start], path[start]]
