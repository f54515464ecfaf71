"""Several tables at once: while Spark plans the query of one, it computes another.

Planning is one thread's work, and for a small table it is nearly all of the time. Frames may be built, counted and
written from several threads of one session; a table is written by one of them only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_THREADS = 3  # two that plan, and one whose query is computed


def at_once(work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """The results of `work` in the order of `items`.

    After an error no further item is begun; it is raised when those that were begun have ended.
    """
    with ThreadPoolExecutor(max_workers=_THREADS) as pool:
        return list(pool.map(work, items))
