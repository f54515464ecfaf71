"""Several tables at once: results in order, an error only when nothing runs any more."""

from __future__ import annotations

import time

import pytest

from portrait.spark.at_once import at_once


def test_results_are_in_the_order_of_the_items() -> None:
    def slow(n: int) -> int:
        time.sleep((5 - n) / 100)
        return n * n

    assert at_once(slow, range(5)) == [0, 1, 4, 9, 16]
    assert at_once(slow, []) == []


def test_an_error_is_raised_when_nothing_runs_any_more() -> None:
    begun, ended = [], []

    def fail_or_end(n: int) -> None:
        if n == 0:
            raise ValueError(f"item {n}")
        begun.append(n)
        time.sleep(0.05)
        ended.append(n)

    with pytest.raises(ValueError, match="item 0"):
        at_once(fail_or_end, range(100))
    assert begun
    assert sorted(begun) == sorted(ended)
    assert len(begun) < 99
