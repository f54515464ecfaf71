"""Product numbers of many rows by Spark's own functions: what `portrait.capabilities.products.number` computes."""

from __future__ import annotations

from typing import Final

from pyspark.sql import Column
from pyspark.sql import functions as F

from portrait.capabilities.products.number import HASH, SCALES

TERMS: Final = (
    *("annual_rate", "benefits", "currency", "fee_rate", "holding_days", "notice_days", "start_amount", "yearly_fee"),
)
"""Terms of a configured product, columns of gold.product_offers, in the order of canonical JSON."""
_BASE32: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_BITS: Final = 5
# A letter is two digits and a digit one: what is left by 97 needs no number of so many digits.
_REMAINDER: Final = """aggregate(split({text}, ''), 0, (left, c) ->
    (if(c >= 'A', left * 100 + ascii(c) - 55, left * 10 + ascii(c) - 48)) % 97)"""


def canonical() -> Column:
    """STRING: the columns `TERMS` of a row as canonical JSON; what is null or empty is left out."""
    parts = [_written(name).alias(name) for name in TERMS]
    return F.to_json(F.struct(*parts), {"ignoreNullFields": "true"})


def _written(name: str) -> Column:
    if name in SCALES:
        return F.col(name).cast(f"decimal(18,{SCALES[name]})").cast("string")
    return F.when(F.size("benefits") > 0, F.col("benefits")) if name == "benefits" else F.col(name)


def number_of(template: str, version: str, terms: str) -> Column:
    """STRING: the number of a row, of its columns with the template, the version and the canonical terms."""
    bits = f"cast(conv(substring(sha2({terms}, 256), 1, {HASH * _BITS // 4}), 16, 10) as bigint)"
    characters = [
        f"substring('{_BASE32}', cast((shiftright({bits}, {_BITS * (HASH - 1 - place)}) & 31) + 1 as int), 1)"
        for place in range(HASH)
    ]
    body = f"concat({template}, {version}, {', '.join(characters)})"
    remainder = _REMAINDER.format(text=f"concat({body}, '00')")
    return F.expr(f"concat({body}, lpad(cast(98 - {remainder} as string), 2, '0'))")
