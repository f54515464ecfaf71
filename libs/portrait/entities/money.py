"""Money in two exact forms: DECIMAL(18,2) where people read it, BIGINT minor units where it is summed.

What does not fit DECIMAL(18,2) is unknown. Sums are of BIGINT, which is fast. Where one passes it Spark stops, and the
job computes again with sums in two parts, which cannot (`unless_it_overflows`). In BIGINT columns on their way to a
table an unknown amount is `UNKNOWN`, which no amount can be; in tables it is NULL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import Column
from pyspark.sql import functions as F

from portrait.errors import PortraitError
from portrait.events import event

MONEY = "decimal(18,2)"
MOST = 10**18 - 1
"""The largest amount of DECIMAL(18,2), in minor units."""
UNKNOWN = 9 * 10**18
"""Stands for an amount that does not fit, or is not known."""

_HIGH = 2**32  # an amount is high x 2^32 + low: sums of either part fit BIGINT whatever is summed
_OVERFLOWS = ("ARITHMETIC_OVERFLOW", "NUMERIC_VALUE_OUT_OF_RANGE", "CAST_OVERFLOW")


def to_minor(amount: Column) -> Column:
    """Hundredths of the currency as BIGINT, exact; null stays null. Overflow is an error (ANSI mode).

    One digit more than money has, for UNKNOWN.
    """
    return (amount.cast("decimal(19,2)") * F.lit(100)).cast("bigint")


def to_amount(minor: Column) -> Column:
    """DECIMAL(18,2) of whole hundredths (BIGINT or DECIMAL(n,0)), exact; null where it does not fit, or is null."""
    return (null_unless_it_fits(minor).cast("decimal(20,0)") * F.lit("0.01").cast("decimal(2,2)")).cast(MONEY)


def null_unless_it_fits(minor: Column) -> Column:
    """Whole hundredths that DECIMAL(18,2) can hold; null for others."""
    return F.when(minor.between(F.lit(-MOST), F.lit(MOST)), minor)


def rounded(exact: Column) -> Column:
    """Whole minor units, DECIMAL(38,0), of exact ones; halves go away from zero: 2.5 becomes 3, and -2.5 becomes -3."""
    return F.round(exact, 0).cast("decimal(38,0)")


def rounded_sql(exact: str) -> str:
    """`rounded` as SQL of a DECIMAL, whose scale becomes 0."""
    return f"round({exact}, 0)"


def settled(total: Column) -> Column:
    """BIGINT of a total (BIGINT or DECIMAL(n,0)): UNKNOWN where DECIMAL(18,2) cannot hold it; null stays null."""
    fits = total.between(F.lit(-MOST), F.lit(MOST))
    return F.when(fits, total).when(total.isNotNull(), F.lit(UNKNOWN)).cast("bigint")


def parts_of(minor: str, times: str) -> tuple[str, str]:
    """SQL of BIGINT minor units times a small whole number, in two parts whose sums `exact_sum` puts together."""
    return f"shiftright({minor}, 32) * {times}", f"({minor} & {_HIGH - 1}L) * {times}"


def exact_sum(high: str, low: str) -> str:
    """SQL of an aggregate: the sum of amounts in two parts (see `parts_of`), as DECIMAL(38,0)."""
    return f"(cast(sum({high}) as decimal(20,0)) * {_HIGH}BD + cast(sum({low}) as decimal(20,0)))"


def settled_sql(total: str) -> str:
    """`settled` as SQL."""
    fits = f"{total} between {-MOST}BD and {MOST}BD"
    return f"cast(case when {fits} then {total} when {total} is not null then {UNKNOWN}BD end as bigint)"


def unless_it_overflows(write: Callable[[bool], None]) -> None:
    """Call `write(False)`; where a sum passes what BIGINT can hold, `write(True)`: everything exact, and slower."""
    try:
        write(False)
        return
    except (PortraitError, PySparkException, Py4JError) as error:
        if not overflowed(error):
            raise
        event("sums_overflowed", where=getattr(error, "where", ""))
    write(True)


def overflowed(error: BaseException) -> bool:
    """Whether a number that did not fit its type is behind an error."""
    return any(name in text for text in _texts(error) for name in _OVERFLOWS)


def _texts(error: BaseException | None) -> Iterator[str]:
    while error is not None:
        yield str(error)
        error = error.__cause__ or getattr(error, "_cause", None)
