"""Works that take turns: wall and CPU seconds of each, and the Markdown table that a bench prints.

On a machine with other work, wall seconds say more about the others; the CPU seconds of this process, of Spark's Java
and of its Python workers stay comparable. Needs /proc.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Seconds:
    """Of one work: wall seconds of the first round, medians of wall and CPU seconds of those after it."""

    first: float
    median: float
    cpu: float


def in_turns(works: dict[str, Callable[[], object]], repeat: int) -> dict[str, Seconds]:
    """Every work once a round: a first round quoted by itself, and `repeat` more; with 0, the first is the median."""
    wall: dict[str, list[float]] = {name: [] for name in works}
    cpu: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeat + 1):
        for name, work in works.items():
            started, used = time.perf_counter(), _cpu_seconds()
            work()
            wall[name].append(time.perf_counter() - started)
            cpu[name].append(_cpu_seconds() - used)

    def usual(values: list[float]) -> float:
        return statistics.median(values[1:] or values)

    return {name: Seconds(wall[name][0], usual(wall[name]), usual(cpu[name])) for name in works}


def report(title: str, seconds: dict[str, Seconds], *, rows: int | None = None) -> None:
    """A Markdown table; the ratio is of medians, the first work to each. With `rows`: how many of them in a second."""
    ours = next(iter(seconds.values())).median
    names = ["what", "first, s", "median, s", "CPU, s", "ours / this", *(["rows a second"] if rows else [])]
    print(f"\n{title}\n\n| {' | '.join(names)} |\n|{' --- |' * len(names)}")
    for name, taken in seconds.items():
        figures = [f"{value:.2f}" for value in (taken.first, taken.median, taken.cpu, ours / taken.median)]
        rate = [f"{rows / taken.median:,.0f}"] if rows else []
        print(f"| {' | '.join([name, *figures, *rate])} |", flush=True)


def _cpu_seconds() -> float:
    """CPU seconds so far of this process and of all that descend from it, those that have ended included."""
    ticks: dict[int, int] = {}
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            # The command stands in brackets and may hold blanks: count the fields behind it.
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended meanwhile
        ticks[int(folder.name)] = sum(map(int, fields[11:15]))
        children.setdefault(int(fields[1]), []).append(int(folder.name))
    total, open_ones = 0, [os.getpid()]
    while open_ones:
        one = open_ones.pop()
        total += ticks.get(one, 0)
        open_ones += children.get(one, [])
    return total / _TICK
