"""Holdings on the driver: who directly owns which share of which company, checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_type
from pyspark.sql.types import (
    ArrayType,
    DataType,
    DoubleType,
    IntegerType,
    IntegralType,
    LongType,
    StructField,
    StructType,
)

from portrait.capabilities.relations.policy import Ownership
from portrait.errors import ConfigurationError, PortraitError
from portrait.spark.columns import by_place, place_name, place_of

Places = NDArray[np.int64]
ROUNDING = 1e-9  # shares such as thirds, written with nine digits, may sum to a little more than 1


@dataclass(frozen=True)
class Holdings:
    """One entry per pair of owner and owned (their positions in `names`), in order; several deliveries are summed."""

    names: NDArray[Any]
    kind: DataType
    owner: Places
    owned: Places
    share: NDArray[np.float64]

    def positions(self, some: NDArray[np.bool_]) -> pd.DataFrame:
        """Some of the holdings by name: owner_id, company_id, share."""
        names = {"owner_id": self.names[self.owner[some]], "company_id": self.names[self.owned[some]]}
        return pd.DataFrame({**names, "share": self.share[some]})

    def frame(self, like: DataFrame, ends: Places, owned: Places, share: NDArray[np.float64] | None) -> DataFrame:
        """Pairs as a frame (owner, owned, share): each owner has those from the end of the one before it to its own.

        Names travel once, pairs as numbers: a third of the bytes, which Spark holds until the frame is gone.
        """
        has = np.diff(ends, prepend=0) > 0
        offsets = pa.array(np.concatenate([[0], ends[has]]), type=pa.int32())
        names = pa.array(self.names, type=to_arrow_type(self.kind))
        lists = [pa.ListArray.from_arrays(offsets, pa.array(owned, type=pa.int32()))]
        fields = [StructField("owner", self.kind), StructField("codes", ArrayType(IntegerType()))]
        cell = [F.col("codes").alias("code")]
        if share is not None:
            lists.append(pa.ListArray.from_arrays(offsets, pa.array(share, type=pa.float64())))
            fields.append(StructField("shares", ArrayType(DoubleType())))
            cell.append(F.col("shares").alias("share"))
        session = like.sparkSession
        rows = _local(session, [names.filter(pa.array(has)), *lists], StructType(fields))
        pairs = rows.select("owner", F.inline(F.arrays_zip(*cell)))
        layout = StructType([StructField("code", IntegerType()), StructField("owned", self.kind)])
        coded = _local(session, [pa.array(np.arange(len(names)), type=pa.int32()), names], layout)
        added = [] if share is None else ["share"]
        return pairs.join(coded, on="code", how="inner").select("owner", "owned", *added)


def _local(session: SparkSession, columns: list[pa.Array], layout: StructType) -> DataFrame:
    frame: DataFrame = session.createDataFrame(pa.Table.from_arrays(columns, names=layout.names), schema=layout)
    return frame


def common_type(frame: DataFrame, first: int, second: int, *, parameter: str) -> DataType:
    """The type of identifiers in two columns. Raises ConfigurationError when they cannot name the same things."""
    kinds = [frame.schema.fields[place].dataType for place in (first, second)]
    if kinds[0] == kinds[1]:
        return kinds[0]
    if all(isinstance(kind, IntegralType) for kind in kinds):
        return LongType()
    raise ConfigurationError(
        f"identifiers are {kinds[0].simpleString()} in one column, {kinds[1].simpleString()} in the other",
        where=parameter,
        remedy="cast them to one type: only then the same company is the same in both",
    )


def holdings_of(edges: DataFrame, *, owner: str, owned: str, share: str, parameter: str, policy: Ownership) -> Holdings:
    """The holdings of a frame of edges, one row per delivery; `parameter` is the name of the share, for messages.

    Raises ConfigurationError for missing identifiers, for shares that are missing, negative or above 1, and for a
    company of which more than everything is owned; PortraitError for more edges than the driver may hold.
    """
    first, second = place_of(edges, owner, parameter="owner"), place_of(edges, owned, parameter="owned")
    kind = common_type(edges, first, second, parameter=f"owner={owner!r}, owned={owned!r}")
    value = F.col(place_name(place_of(edges, share, parameter=parameter))).cast("double")
    rows = by_place(edges).select(
        F.col(place_name(first)).cast(kind).alias("owner"),
        F.col(place_name(second)).cast(kind).alias("owned"),
        value.alias("share"),
    )
    outside = F.isnan("share") | ~F.col("share").between(0.0, 1.0 + ROUNDING)
    found = rows.agg(
        F.count("*").alias("rows"),
        F.count(F.when(F.col("owner").isNull() | F.col("owned").isNull(), 1)).alias("nameless"),
        F.count(F.when(F.col("share").isNull() | outside, 1)).alias("outside"),
    ).collect()[0]
    if found["nameless"]:
        raise ConfigurationError(
            f"{found['nameless']} of {found['rows']} edges have no owner or no owned company",
            where=f"owner={owner!r}, owned={owned!r}",
            remedy="remove these edges, or give the unknown party an identifier",
        )
    if found["outside"]:
        raise ConfigurationError(
            f"{found['outside']} of {found['rows']} edges have no share, or one outside 0 to 1",
            where=f"{parameter}={share!r}",
            remedy="shares are fractions: 0.25 for 25 %",
        )
    if found["rows"] > policy.most_edges:
        raise PortraitError(
            f"{found['rows']:,} edges are more than the driver may hold",
            where="conf/relations.yml ownership.most_edges",
            remedy=f"raise it (it is {policy.most_edges:,}) together with spark.driver.memory, or pass fewer companies",
        )
    return _ordered(rows.toPandas(), kind, parameter=f"{parameter}={share!r}")


def _ordered(edges: pd.DataFrame, kind: DataType, *, parameter: str) -> Holdings:
    """These holdings; refused where more than everything is owned of a company."""
    held = ordered_holdings(edges, kind)
    totals = np.bincount(held.owned, weights=held.share, minlength=len(held.names))
    if len(over := np.flatnonzero(totals > 1 + ROUNDING)):
        raise ConfigurationError(
            f"{totals[over[0]]:.2%} of '{held.names[over[0]]}' is owned"
            + (f", as is more than 100 % of {len(over) - 1} others" if len(over) > 1 else ""),
            where=parameter,
            remedy="correct the shares; if the same holding was delivered twice, keep one",
        )
    return held


def ordered_holdings(edges: pd.DataFrame, kind: DataType) -> Holdings:
    """Positive holdings in an order that the data alone decide, so that sums of doubles do not differ."""
    both = pd.concat([edges["owner"], edges["owned"]], ignore_index=True)
    codes, names = pd.factorize(both, sort=True)
    frame = pd.DataFrame({"owner": codes[: len(edges)], "owned": codes[len(edges) :], "share": edges["share"]})
    frame = frame.sort_values(["owner", "owned", "share"], kind="stable")
    summed = frame.groupby(["owner", "owned"], sort=True, as_index=False)["share"].sum()
    summed = summed[summed["share"] > 0]
    owner, owned = summed["owner"].to_numpy(np.int64), summed["owned"].to_numpy(np.int64)
    return Holdings(np.asarray(names), kind, owner, owned, summed["share"].to_numpy(np.float64))
