"""Python values as Arrow arrays, from their bytes.

`pa.array` and `pa.scalar` give the same, but import pandas first, to see whether they were given something of it: that
is most of the second in which a command that looks should have answered.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import accumulate
from typing import Any

import pyarrow as pa

_EPOCH = date(1970, 1, 1)
_INSTANT = datetime(1970, 1, 1, tzinfo=UTC)
_STEPS = {"s": timedelta(seconds=1), "ms": timedelta(milliseconds=1), "us": timedelta(microseconds=1)}
_FIXED = {
    pa.int8(): "b", pa.int16(): "h", pa.int32(): "i", pa.int64(): "q", pa.float32(): "f", pa.float64(): "d",
    pa.date32(): "i",
}  # fmt: skip


def array_of(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """An array of one type: numbers, days, decimals, texts, yes or no, instants; None is null.

    Raises TypeError for another type, OverflowError or struct.error for a value that does not fit.
    """
    if pa.types.is_dictionary(kind):
        return array_of(values, kind.value_type).dictionary_encode().cast(kind)
    there = _bits([value is not None for value in values])
    if pa.types.is_boolean(kind):
        buffers = [there, _bits([bool(value) for value in values])]
    elif pa.types.is_string(kind):
        texts = [b"" if value is None else value.encode("utf-8") for value in values]
        ends = accumulate((len(text) for text in texts), initial=0)
        buffers = [there, pa.py_buffer(struct.pack(f"<{len(texts) + 1}i", *ends)), pa.py_buffer(b"".join(texts))]
    elif pa.types.is_decimal128(kind):
        units = (0 if value is None else _units(value, kind.scale) for value in values)
        buffers = [there, pa.py_buffer(b"".join(unit.to_bytes(16, "little", signed=True) for unit in units))]
    elif kind in _FIXED or pa.types.is_timestamp(kind):
        numbers = [0 if value is None else _number(value, kind) for value in values]
        buffers = [there, pa.py_buffer(struct.pack(f"<{len(numbers)}{_FIXED.get(kind, 'q')}", *numbers))]
    else:
        raise TypeError(f"no values of type {kind} are made here")
    return pa.Array.from_buffers(kind, len(values), buffers)


def scalar_of(value: Any, kind: pa.DataType) -> pa.Scalar:
    """One value of a type."""
    return array_of([value], kind)[0]


def _bits(flags: Sequence[bool]) -> pa.Buffer:
    packed = bytearray((len(flags) + 7) // 8)
    for place, flag in enumerate(flags):
        packed[place // 8] |= flag << place % 8
    return pa.py_buffer(bytes(packed))


def _units(value: Any, scale: int) -> int:
    shifted = Decimal(value).scaleb(scale)
    if shifted != int(shifted):
        raise OverflowError(f"more than {scale} digits behind the point")
    return int(shifted)


def _number(value: Any, kind: pa.DataType) -> Any:
    if pa.types.is_date32(kind):
        return (value - _EPOCH).days
    if pa.types.is_timestamp(kind):
        since = (value if value.tzinfo else value.replace(tzinfo=UTC)) - _INSTANT
        return since // _STEPS[kind.unit]
    return value
