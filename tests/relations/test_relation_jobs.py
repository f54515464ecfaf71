"""The jobs on a landed synthetic bank: planted families and company groups are found, a second run changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from itertools import combinations
from pathlib import Path

import duckdb
import pytest
from pyspark.sql import SparkSession
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from tests.deliveries import run_job

from portrait.contracts import load_catalogue
from portrait.lake import Lake, Lease
from portrait.run.job import shared_lake
from portrait.settings import Settings
from portrait.sources import land_synthetic

pytestmark = pytest.mark.delta

DAY = date(2025, 3, 31)
FEEDS = ("customers", "account_parties", "relations", "companies")
Pairs = set[tuple[str, str]]


def together(edges: Iterable[tuple[str, str]]) -> Pairs:
    """All pairs that are connected: by scipy, which the suite does not use for groups."""
    listed = list(edges)
    names = sorted({name for edge in listed for name in edge})
    place = {name: index for index, name in enumerate(names)}
    rows, columns = zip(*[(place[a], place[b]) for a, b in listed], strict=True)
    graph = coo_array(([1] * len(listed), (rows, columns)), shape=(len(names), len(names)))
    _, part = connected_components(graph, directed=False)
    parts: dict[int, list[str]] = {}
    for name, number in zip(names, part.tolist(), strict=True):
        parts.setdefault(number, []).append(name)
    return {pair for members in parts.values() for pair in combinations(members, 2)}


def f1(found: Pairs, planted: Pairs) -> float:
    return 2 * len(found & planted) / (len(found) + len(planted))


@pytest.fixture(scope="module")
def bank(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, schemas_dir: Path, conf_dir: Path
) -> Iterator[Lake]:
    """A bank of 600 customers whose relations are computed for one day."""
    folder = tmp_path_factory.mktemp("relations")
    land_synthetic(spark, customers=600, months=4, seed=3, landing=folder / "landing", feeds=FEEDS)
    words = ("--as-of", str(DAY), "--landing", str(folder / "landing"), "--conf", str(conf_dir))
    with Lease(folder / "lake") as lease:
        lake = Lake(spark, folder / "lake", load_catalogue(schemas_dir), lease=lease)
        with shared_lake(lake, Settings(landing=folder / "landing")):
            for job in ("ingest", "entities", "relation_groups"):
                run_job(job, *words)
                lake.complete(job, as_of=DAY if job == "relation_groups" else None, inputs={}, seconds=0.0)
        yield lake


def planted(lake: Lake, kind: str) -> Pairs:
    rows = duckdb.sql(
        f"select one_id, other_id from '{lake.root.parent}/truth/belonging/*.parquet' where kind = '{kind}' "
        f"and known_on <= date '{DAY}' and (ended_on is null or ended_on > date '{DAY}')"
    ).fetchall()
    return together(rows)


def found(lake: Lake, kind: str) -> Pairs:
    groups: dict[str, list[str]] = {}
    for row in lake.slice("gold.relation_groups", DAY).where(f"kind = '{kind}'").collect():
        groups.setdefault(row.group_id, []).append(row.member_id)
    return {pair for members in groups.values() for pair in combinations(sorted(members), 2)}


@pytest.mark.parametrize(("kind", "least"), [("family", 100), ("company", 70)])
def test_planted_groups_are_found(bank: Lake, kind: str, least: int) -> None:
    truth = planted(bank, kind)
    score = f1(found(bank, kind), truth)
    print(f"{kind}: pairwise F1 {score:.3f} over {len(truth)} planted pairs")
    assert len(truth) >= least
    assert score >= 0.95


def test_some_couples_have_divorced_and_are_apart(bank: Lake) -> None:
    ((ended,),) = duckdb.sql(
        f"select count(*) from '{bank.root.parent}/truth/belonging/*.parquet' where ended_on <= date '{DAY}'"
    ).fetchall()
    assert ended > 0


def test_no_planted_share_is_faulty(bank: Lake) -> None:
    assert bank.slice("gold.ownership_faults", DAY).isEmpty()
