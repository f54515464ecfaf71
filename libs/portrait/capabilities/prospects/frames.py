"""Any Spark frame, whatever its columns are called: columns by position, values of three kinds, a bounded sample.

Frames are renamed by position before anything is asked of them, so names with dots, spaces, backticks or names of ours
need no care, nor do two names that differ only in case.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType, CharType, DataType, NumericType, StringType, VarcharType

from portrait.capabilities.prospects.logistic import Vector
from portrait.errors import ConfigurationError, InputRefused
from portrait.spark.columns import by_place, place_of

Kind = Literal["number", "text"]


def with_result(frame: DataFrame, result: Column, name: str, *, inputs: Sequence[Column] = ()) -> DataFrame:
    """The rows of `frame` under its own names, and `result`, which is over c0, c1, ... and `inputs`, as column `name`.

    A column of that name, in whatever case, is replaced, as `withColumn` does: a frame can be scored again.
    """
    kept = [place for place, column in enumerate(frame.columns) if column.lower() != name.lower()]
    prepared = by_place(frame).select("*", *inputs)
    scored = prepared.select(*[f"c{place}" for place in kept], result.alias("result"))
    return scored.toDF(*[frame.columns[place] for place in kept], name)


def kind_of(kind: DataType) -> Kind | None:
    """Number (boolean counts as 0 and 1) or text; None for what is neither."""
    if isinstance(kind, (NumericType, BooleanType)):
        return "number"
    return "text" if isinstance(kind, (StringType, CharType, VarcharType)) else None


def value_of(name: str, kind: Kind) -> Column:
    """The column as DOUBLE or STRING; NaN is null, -0 is 0."""
    if kind == "text":
        return F.col(name).cast("string")
    number = F.col(name).cast("double")
    return F.when(~F.isnan(number), number + F.lit(0.0))


def feature_places(frame: DataFrame, features: Sequence[str], *, taken: Mapping[str, str]) -> dict[str, int]:
    """Feature -> position. Raises ConfigurationError for none, a repeated one, or one that is also target or treatment.

    `taken`: role -> column.
    """
    if isinstance(features, str) or not features:
        raise ConfigurationError("no features", where="features", remedy="give a list of column names")
    places = {name: place_of(frame, name, parameter="features") for name in features}
    roles = {place_of(frame, column, parameter=role): role for role, column in taken.items()}
    for name, place in places.items():
        if place in roles:
            raise ConfigurationError(
                f"{name!r} is both {roles[place]} and feature", where="features", remedy="remove it from the features"
            )
    if len(places) < len(features) or len(set(places.values())) < len(places):
        raise ConfigurationError("a feature is named twice", where="features", remedy="name each column once")
    return places


def unusable(frame: DataFrame, places: Mapping[str, int]) -> dict[str, str]:
    """feature -> reason, for columns that are neither number, boolean nor text."""
    types = {name: frame.schema[place].dataType for name, place in places.items()}
    return {
        name: f"type {kind.simpleString()} is neither number, boolean nor text"
        for name, kind in types.items()
        if kind_of(kind) is None
    }


def scoring_columns(frame: DataFrame, kinds: Mapping[str, Kind]) -> dict[str, str]:
    """feature -> its column by position; ConfigurationError when it is absent or of another kind than when fitted."""
    places = {name: place_of(frame, name, parameter="features") for name in kinds}
    for name, place in places.items():
        kind = frame.schema[place].dataType
        if kind_of(kind) != kinds[name]:
            raise ConfigurationError(
                f"feature {name!r} is {kind.simpleString()}; the model was fitted with a {kinds[name]}",
                where=f"column {name!r}",
                remedy="give the column with the type that it had when the model was fitted",
            )
    return {name: f"c{place}" for name, place in places.items()}


@dataclass(frozen=True)
class Sample:
    """Rows that the driver holds, in an order that depends on their content alone.

    `labels`: one array of 0 and 1 per label. `columns`: feature -> values (float with NaN, or object with None).
    `weight`: what a row stands for: copies kept / share of its stratum that was kept.
    `copies`: how many equal rows were kept, which is what learners count.
    `rows`: rows of the frame that have all labels; `rows_without_label`: the others.
    """

    labels: list[Vector]
    columns: dict[str, np.ndarray]
    kinds: dict[str, Kind]
    copies: Vector
    weight: Vector
    rows: int
    rows_without_label: int

    def subset(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The columns of some rows."""
        return {name: values[rows] for name, values in self.columns.items()}


def bounded_sample(
    frame: DataFrame, *, labels: Mapping[str, str], features: Mapping[str, int], rows: int, seed: int, by_class: bool
) -> Sample:
    """At most about `rows` rows: all of them, or a sample by a hash of seed and content.

    `labels`: role -> column. With `by_class` each combination of labels may fill its even share of `rows` (rare ones
    are kept whole); else all are sampled at one rate. Rows that are equal in all columns are counted, and of n equal
    rows n x rate are kept, up or down by the hash: a frame with few distinct rows is sampled as well as any other.
    Raises InputRefused when a label holds anything but 0 and 1 (rows where it is null are left out and counted).
    """
    placed = by_place(frame)
    kinds = {name: kind_of(placed.schema[place].dataType) for name, place in features.items()}
    used: dict[str, Kind] = {name: kind for name, kind in kinds.items() if kind is not None}
    label_columns = [
        _label(placed, place_of(frame, column, parameter=role), column=column, role=role)
        for role, column in labels.items()
    ]
    values = [
        value_of(f"c{features[name]}", kind).alias(f"x{place}") for place, (name, kind) in enumerate(used.items())
    ]
    selected = placed.select(*[column.alias(f"y{place}") for place, column in enumerate(label_columns)], *values)
    classes, without = _class_counts(selected, labels)
    rates = _rates(classes, rows=rows, by_class=by_class)
    complete = selected.where(" and ".join(f"y{place} is not null" for place in range(len(labels))))
    collected = _collect(complete, rates, labels=len(labels), seed=seed)
    order = np.argsort(collected["h"].to_numpy(), kind="stable")
    collected = collected.iloc[order]
    found = [collected[f"y{place}"].to_numpy(dtype=float) for place in range(len(labels))]
    copies = collected["n"].to_numpy(dtype=float)
    rate = np.array([rates[tuple(int(value) for value in row)] for row in zip(*found, strict=True)])
    columns = {
        name: collected[f"x{place}"].to_numpy(dtype=float if kind == "number" else object)
        for place, (name, kind) in enumerate(used.items())
    }
    return Sample(found, columns, used, copies, copies / rate, sum(classes.values()), without)


def _label(placed: DataFrame, place: int, *, column: str, role: str) -> Column:
    if kind_of(placed.schema[place].dataType) != "number":
        kind = placed.schema[place].dataType.simpleString()
        remedy = "give a number or boolean of 0 and 1"
        raise InputRefused(f"{role} is {kind}", where=f"column {column!r}", remedy=remedy)
    return value_of(f"c{place}", "number")


def _class_counts(selected: DataFrame, labels: Mapping[str, str]) -> tuple[dict[tuple[int, ...], int], int]:
    """(label, ...) -> rows, for rows that have all labels; and the number of the others."""
    names = [f"y{place}" for place in range(len(labels))]
    combinations = [tuple(int(digit) for digit in format(i, f"0{len(names)}b")) for i in range(2 ** len(names))]
    counts = [
        F.count_if(F.expr(" and ".join(f"{name} = {value}" for name, value in zip(names, values, strict=True))))
        for values in combinations
    ]
    wrong = [F.count_if(F.col(name).isNotNull() & ~F.col(name).isin(0.0, 1.0)) for name in names]
    row = selected.agg(*counts, *wrong, F.count(F.lit(1))).first()
    assert row is not None, "an aggregate without keys has one row"
    for (role, column), found in zip(labels.items(), row[len(counts) : -1], strict=True):
        if found:
            raise InputRefused(
                f"{role} is neither 0 nor 1 in {found} rows",
                where=f"column {column!r}",
                remedy="give 0 and 1; null where it is unknown",
            )
    classes = dict(zip(combinations, row[: len(counts)], strict=True))
    return classes, row[-1] - sum(classes.values())


def _rates(classes: Mapping[tuple[int, ...], int], *, rows: int, by_class: bool) -> dict[tuple[int, ...], float]:
    total = sum(classes.values())
    if not by_class or total <= rows:
        return dict.fromkeys(classes, min(1.0, rows / max(total, 1)))
    rates, left = {}, rows
    for place, (name, count) in enumerate(sorted(classes.items(), key=lambda item: (item[1], item[0]))):
        share = left // (len(classes) - place)
        rates[name] = min(1.0, share / max(count, 1))
        left -= min(share, count)
    return rates


def _collect(complete: DataFrame, rates: Mapping[tuple[int, ...], float], *, labels: int, seed: int) -> pd.DataFrame:
    names = complete.columns
    # A null leaves Spark's hash as it is, so (null, 1) and (1, null) would be one row: which are null is hashed too.
    content = [part for name in names for part in (F.col(name).isNull(), F.col(name))]
    hashed = F.xxhash64(F.lit(seed), *content)
    if all(rate >= 1 for rate in rates.values()):
        return complete.select(*names, F.lit(1).alias("n"), hashed.alias("h")).toPandas()
    rate = F.lit(0.0)
    for values, share in rates.items():
        match = " and ".join(f"y{place} = {value}" for place, value in enumerate(values))
        rate = F.when(F.expr(match), F.lit(share)).otherwise(rate)
    counted = complete.groupBy(*names).agg(F.count(F.lit(1)).alias("rows")).withColumn("h", hashed)
    # Another 53 bits than those that order the rows.
    chance = F.pmod(F.xxhash64("h"), F.lit(2**53)) / F.lit(float(2**53))
    kept = counted.withColumn("n", F.floor(F.col("rows") * rate + chance)).where("n > 0")
    return kept.select(*names, "n", "h").toPandas()
