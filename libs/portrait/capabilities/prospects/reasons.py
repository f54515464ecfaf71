"""Why a customer has a score: what each feature adds to the log-odds, in words."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import Column
from pyspark.sql import functions as F

from portrait.capabilities.prospects.learners import EvidenceModel

_WORTH_SAYING = 0.01  # of the log-odds: a factor of 1.01


def reasons(model: EvidenceModel, *, meanings: Mapping[str, str], most: int) -> Column:
    """ARRAY<STRING>, over the columns of the features: those that move the log-odds most, the strongest first.

    A feature adds coefficient x weight of evidence of its bin: 0 where the bin has the odds of all. `meanings`: feature
    to what it says, in words.
    """
    parts = []
    for (name, bins), coefficient in zip(model.bins.items(), model.linear.coefficients, strict=True):
        adds = bins.looked_up(name, list(coefficient * model.evidence[name]))
        told = F.concat(
            F.lit(f"{meanings.get(name) or name}: "), F.coalesce(F.col(name).cast("string"), F.lit("unknown"))
        )
        parts.append(
            F.struct((-F.abs(adds)).alias("order"), F.lit(name).alias("name"), adds.alias("adds"), told.alias("told"))
        )
    strongest = F.slice(F.array_sort(F.array(*parts)), 1, most)
    return F.transform(F.filter(strongest, lambda part: F.abs(part["adds"]) >= _WORTH_SAYING), _told)


def _told(part: Column) -> Column:
    times = F.format_number(F.exp(F.abs(part["adds"])), 2)
    effect = F.when(part["adds"] > 0, F.lit(" (raises the odds ")).otherwise(F.lit(" (lowers the odds "))
    return F.concat(part["told"], effect, times, F.lit(" times)"))
