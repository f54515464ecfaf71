"""The target group index (TGI): how common something is in a group, compared with everybody.

TGI = 100 (n_c + k p) / ((n + k) p): 100 = as common as among all. n = `size` customers of the group, n_c = `having`
those of them who have it, p = `overall` share of all who have it, k = `smoothing` customers added to the group who
behave like all, so that small groups stay near 100.
"""

from __future__ import annotations

from typing import TypeVar

from pyspark.sql import Column
from pyspark.sql import functions as F

_Number = TypeVar("_Number", float, Column)


def target_group_index(having: float, size: float, *, overall: float, smoothing: float) -> float | None:
    """The index of one group; None where nobody at all has it.

    >>> round(target_group_index(89, 1000, overall=0.066, smoothing=0), 1)
    134.8
    >>> target_group_index(2, 4, overall=0.25, smoothing=4)
    150.0
    """
    return _index(having, size, overall, smoothing) if overall > 0 and size + smoothing > 0 else None


def target_group_index_by_row(having: Column, size: Column, *, overall: Column, smoothing: float) -> Column:
    """The index of the group of each row; NULL where nobody at all has it."""
    return F.when((overall > 0) & (size + smoothing > 0), _index(having, size, overall, smoothing))


def _index(having: _Number, size: _Number, overall: _Number, smoothing: float) -> _Number:
    return 100.0 * (having + smoothing * overall) / ((size + smoothing) * overall)
