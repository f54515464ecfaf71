"""gold.ownership: what the edges of a day say of owners, control and beneficial owners, and what they leave open.

A company that cannot be computed is named as a fault and left out; the others are computed without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import StringType

from portrait.capabilities.relations.edges import OWNING
from portrait.capabilities.relations.holdings import ROUNDING, Holdings, ordered_holdings
from portrait.capabilities.relations.ownership import closed_parts, controlled_companies, integrated_shares
from portrait.capabilities.relations.policy import Ownership
from portrait.contracts import Contract
from portrait.entities.versions import as_of as versions_at
from portrait.errors import PortraitError
from portrait.settings import UTC

_PAIR = ["owner_id", "company_id"]


@dataclass(frozen=True)
class Owners:
    """Owners of companies on a day; frames of pandas, as they are computed on the driver."""

    pairs: pd.DataFrame
    """Columns of gold.ownership."""
    faults: pd.DataFrame
    """Columns of gold.ownership_faults."""


def owners_of_companies(edges: DataFrame, companies: frozenset[str], *, policy: Ownership, as_of: date) -> Owners:
    """Owners of the companies in the edges of a day (gold.relation_edges); `companies` are those that the bank lists.

    Raises PortraitError for more holdings than the driver may hold.
    """
    held = edges.where(edges["kind"].isin(*OWNING)).selectExpr(
        "from_id as owner_id", "to_id as company_id", "kind", "cast(share as double) share"
    )
    rows = held.limit(policy.most_edges + 1).toPandas()
    if len(rows) > policy.most_edges:
        raise PortraitError(
            f"there are more than {policy.most_edges:,} holdings in companies",
            where="conf/relations.yml ownership.most_edges",
            remedy="raise it together with spark.driver.memory",
        )
    return _owners(rows, companies, policy=policy, as_of=as_of)


def _owners(rows: pd.DataFrame, companies: frozenset[str], *, policy: Ownership, as_of: date) -> Owners:
    unknown = rows[rows["share"].isna()]
    known = rows[rows["share"].notna()]
    capital = known[known["kind"] != "voter"].groupby(_PAIR, as_index=False)["share"].sum()
    votes = _votes(capital, known[known["kind"] == "voter"].groupby(_PAIR, as_index=False)["share"].sum())
    faults = [_faults(unknown, "share_unknown", unknown["company_id"])]
    sound: dict[str, Holdings] = {}
    for name, frame in (("capital", capital), ("votes", votes)):
        totals = frame.groupby("company_id")["share"].sum()
        over = frame["company_id"].isin(totals[totals > 1 + ROUNDING].index)
        faults.append(_faults(frame[over], f"{name}_above_all", frame.loc[over, "company_id"]))
        sound[name] = _holdings(frame[~over])
    closed = closed_parts(sound["capital"])
    if closed.any():
        taken = sound["capital"].positions(closed)
        faults.append(_faults(taken, "closed_cycle", taken["company_id"]))
        sound["capital"] = _holdings(sound["capital"].positions(~closed))
    pairs = _pairs(sound, policy=policy)
    owned = set(rows["company_id"])
    pairs["owner_is_company"] = pairs["owner_id"].isin(companies | owned)
    enough = (pairs["share"] >= policy.beneficial_share) | (pairs["direct_votes"] >= policy.beneficial_share)
    pairs["is_beneficial"] = ~pairs["owner_is_company"] & (enough | pairs["controls"])
    found = pd.concat(faults, ignore_index=True)
    return Owners(pairs.assign(as_of=as_of), found.assign(as_of=as_of))


def _votes(capital: pd.DataFrame, voters: pd.DataFrame) -> pd.DataFrame:
    """Votes of each holding: what was delivered as such, else its share of the capital."""
    both = capital.merge(voters, on=_PAIR, how="outer", suffixes=("", "_votes"))
    return both.assign(share=both["share_votes"].fillna(both["share"]))[[*_PAIR, "share"]]


def _holdings(frame: pd.DataFrame) -> Holdings:
    return ordered_holdings(frame.rename(columns={"owner_id": "owner", "company_id": "owned"}), StringType())


def _faults(rows: pd.DataFrame, rule: str, company: pd.Series[Any]) -> pd.DataFrame:
    grouped = rows.groupby(company)["share"]
    found = pd.DataFrame({"total_share": grouped.sum(min_count=1), "holdings": grouped.size()})
    found.index.name = "company_id"
    return found.reset_index().assign(rule=rule)


def _pairs(sound: dict[str, Holdings], *, policy: Ownership) -> pd.DataFrame:
    """One row per owner and company: direct_share, share, direct_votes, controls."""
    capital, votes = sound["capital"], sound["votes"]
    through = integrated_shares(capital, policy=policy).tocoo()
    shares = _frame(capital, through.row, through.col, share=through.data)
    ends, controlled = controlled_companies(votes, policy=policy)
    counts = np.diff(ends, prepend=0)
    control = _frame(votes, np.repeat(np.arange(len(counts)), counts), controlled, controls=np.ones(len(controlled)))
    joined = shares.merge(control, on=_PAIR, how="outer")
    for name, held in (("direct_share", capital), ("direct_votes", votes)):
        joined = joined.merge(_frame(held, held.owner, held.owned, **{name: held.share}), on=_PAIR, how="left")
    joined["controls"] = joined["controls"].notna()
    numbers = ["share", "direct_share", "direct_votes"]
    joined[numbers] = joined[numbers].fillna(0.0)
    kept = joined["controls"] | (joined["share"] >= policy.keep_share)
    return joined[kept & (joined["owner_id"] != joined["company_id"])].reset_index(drop=True)


def _frame(held: Holdings, owner: NDArray[Any], owned: NDArray[Any], **values: NDArray[Any]) -> pd.DataFrame:
    names = {"owner_id": held.names[owner], "company_id": held.names[owned]}
    return pd.DataFrame({**names, **values}).astype({"owner_id": object, "company_id": object})


def listed_companies(tables: Mapping[str, DataFrame], *, as_of: date, zone: str = UTC) -> frozenset[str]:
    """The companies that the bank lists on a day; none where it delivers no companies."""
    if "companies" not in tables:
        return frozenset()
    known = versions_at(tables["companies"], as_of, zone=zone).select("company_id")
    return frozenset(row.company_id for row in known.collect())


def frame_like(spark: SparkSession, rows: pd.DataFrame, contract: Contract) -> DataFrame:
    """Rows of pandas as a frame with the columns of a table."""
    layout = contract.struct_type
    wanted = to_arrow_schema(layout)
    columns = [pa.array(rows[field.name], type=field.type, from_pandas=True) for field in wanted]
    frame: DataFrame = spark.createDataFrame(pa.Table.from_arrays(columns, schema=wanted), schema=layout)
    return frame
