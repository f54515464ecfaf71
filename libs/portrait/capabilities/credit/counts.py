"""What the driver learns of a population: good and bad rows by feature and pre-bin, from one query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType, DataType, NullType, NumericType, StringType

from portrait.capabilities.credit.bins import Totals
from portrait.capabilities.credit.policy import Bins
from portrait.errors import ConfigurationError
from portrait.spark.columns import place_name

Kind = Literal["number", "text"]


@dataclass(frozen=True)
class Source:
    """A feature as the frame has it: its position, its name, how it is read."""

    place: int
    name: str
    kind: Kind

    def number(self, column: Column) -> Column:
        """The value as a double; NaN is missing, as NULL is; true is 1. NULL for a text."""
        if self.kind == "text":
            return F.lit(None).cast("double")
        value = column.cast("double")
        return F.when(~F.isnan(value), value)

    def text(self, column: Column) -> Column:
        """The value as it is; NULL for a number."""
        return column.cast("string") if self.kind == "text" else F.lit(None).cast("string")


@dataclass(frozen=True)
class Prebin:
    """Rows of a feature with neighbouring numbers, with one text, with any rare text, or without a value."""

    state: Literal["value", "other", "missing"]
    least: float | None
    most: float | None
    text: str | None
    good: int
    bad: int


def kind_of(kind: DataType) -> Kind | None:
    """How values of a type are read; None: not at all."""
    if isinstance(kind, NumericType | BooleanType | NullType):
        return "number"
    return "text" if isinstance(kind, StringType) else None


def totals_of(rows: DataFrame, *, target: str, parameter: str) -> Totals:
    """Good and bad rows. Raises ConfigurationError unless every row has 0 or 1 and both occur."""
    value = F.col(target).cast("double")
    found = rows.agg(
        F.count("*").alias("rows"),
        F.count(F.when(value == 1, 1)).alias("bad"),
        F.count(F.when(value == 0, 1)).alias("good"),
        F.count(F.when(value.isNull(), 1)).alias("unknown"),
    ).collect()[0]
    if found["unknown"]:
        raise ConfigurationError(
            f"{found['unknown']} of {found['rows']} rows have no target",
            where=parameter,
            remedy="fit on rows whose result is known, and say which they are: results are not invented",
        )
    if found["good"] + found["bad"] != found["rows"]:
        raise ConfigurationError(
            "the target has values other than 0 and 1", where=parameter, remedy="1 for bad, 0 for good"
        )
    if not found["good"] or not found["bad"]:
        raise ConfigurationError(
            f"of {found['rows']} rows {found['bad']} are bad; a scorecard needs good and bad ones",
            where=parameter,
            remedy="check the coding of the target: 1 is bad",
        )
    return Totals(found["good"], found["bad"])


def prebins_of(
    rows: DataFrame, sources: Sequence[Source], *, target: str, totals: Totals, policy: Bins
) -> dict[int, list[Prebin]]:
    """Pre-bins of each feature by its position, numbers in rising order.

    Distinct values are counted and ranked in Spark, so limits are exact quantiles: sketches would differ with the
    partitioning. A value is never split. What reaches the driver is bounded by features x pre-bins.
    """
    cells = []
    for source in sources:
        value = F.col(place_name(source.place))
        number, text = source.number(value).alias("number"), source.text(value).alias("text")
        cells.append(F.struct(F.lit(source.place).alias("place"), number, text))
    long = rows.select(F.col(target).cast("int").alias("bad"), F.inline(F.array(*cells)))
    values = long.groupBy("place", "number", "text").agg(F.count("*").alias("rows"), F.sum("bad").alias("bad"))
    special = F.col("number").isin(*policy.special_values) if policy.special_values else F.lit(False)
    values = values.withColumn("special", F.coalesce(special, F.lit(False)))
    feature = Window.partitionBy("place", "text", F.col("number").isNotNull(), "special")  # texts need no order
    upto = feature.orderBy("number").rowsBetween(Window.unboundedPreceding, Window.currentRow)
    ranked = values.select(
        "*",
        F.count("*").over(feature).alias("values"),
        F.sum("rows").over(feature).alias("known"),
        (F.sum("rows").over(upto) - F.col("rows")).alias("before"),
        F.row_number().over(feature.orderBy("number")).alias("rank"),
    )
    quantile = F.floor(F.col("before") * policy.prebins / F.col("known"))
    number = F.when(F.col("special"), -F.col("rank"))
    number = number.when(F.col("values") <= policy.prebins, F.col("rank")).otherwise(quantile)
    frequent = F.col("rows") >= policy.rare_share * totals.rows
    is_text, is_number = F.col("text").isNotNull(), F.col("number").isNotNull()
    counted = ranked.groupBy(
        "place",
        F.when(is_text & ~frequent, "other").when(is_text | is_number, "value").otherwise("missing").alias("state"),
        F.when(is_number, number.cast("long")).alias("key"),
        F.when(frequent, F.col("text")).alias("text"),
    ).agg(
        F.min("number").alias("least"),
        F.max("number").alias("most"),
        F.sum("rows").alias("rows"),
        F.sum("bad").alias("bad"),
    )
    found: dict[int, list[Prebin]] = {source.place: [] for source in sources}
    for row in counted.collect():
        prebin = Prebin(row["state"], row["least"], row["most"], row["text"], row["rows"] - row["bad"], row["bad"])
        found[row["place"]].append(prebin)
    return {place: sorted(items, key=_order) for place, items in found.items()}


def _order(item: Prebin) -> tuple[str, float, str]:
    return item.state, item.least or 0.0, item.text or ""
