"""Quantiles of a slice in one pass, with bounded memory and without dependence on the layout of the data.

Spark's `percentile_approx` keeps a sketch whose content depends on the order in which partitions are merged, so the
same slice cut from differently laid files can get other levels. Here values are rounded to a few significant digits and
the exact percentile is taken over what is left: at most 9 x 10^(digits-1) distinct values a decade. Rounding is
downwards, so that a customer whose value is the quantile itself reaches it.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column
from pyspark.sql import functions as F

_HAIR = 1e-6  # of the last kept digit: 0.29 x 10000 is 2899.9999999999995 in binary


def on_grid(value: Column, *, digits: int) -> Column:
    """The value as DOUBLE rounded down to `digits` significant digits; 0 stays 0, NULL stays NULL."""
    number = value.cast("double")
    exponent = F.floor(F.log10(F.abs(number)))
    shift = F.pow(F.lit(10.0), F.lit(digits - 1) - exponent)
    return F.when(number == 0, F.lit(0.0)).otherwise(F.floor(number * shift + _HAIR) / shift)


def quantiles(value: Column, shares: Sequence[float], *, digits: int) -> Column:
    """Aggregate: ARRAY<DOUBLE> of the quantiles at `shares`, linearly interpolated; NULLs are left out.

    NULL when no value is present. The error is below one unit of the last kept digit.
    """
    return F.percentile(on_grid(value, digits=digits), F.array(*[F.lit(float(share)) for share in shares]))
