"""Ownership, control and groups on a register of companies, with the time and the size of each result.

    python bench/relations.py [--edges 1000000] [--repeat 1]

A company has about 2.5 holders, a quarter of them companies registered shortly before it; one holding in 50 leads back,
which makes cross-holdings. Beside it chains of 50, which have 25 pairs per edge, and for groups chains of 100,000
members in no order, which are the worst for them. Baselines on one core, without Spark, from the same files: scipy for
groups and, as powers of the matrix of shares, for ownership; networkx for groups, where it is installed.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from scipy.sparse import coo_array, csr_array, diags_array
from scipy.sparse.csgraph import connected_components
from timing import in_turns, report

from portrait.capabilities.relations.ownership import control, groups, integrated_ownership
from portrait.spark.session import start_embedded


def holdings(edges: int) -> pd.DataFrame:
    """Owner, company, share; the shares of a company sum to at most .98."""
    draws = np.random.default_rng(24)
    companies = edges * 2 // 5
    owned = np.sort(draws.integers(0, companies, edges))
    by_company = draws.random(edges) < 0.25
    step = np.ceil(draws.exponential(2_000, edges)).astype(int)  # most holders of a company are of its own time
    back = draws.random(edges) < 0.02
    nearby = np.where(back, owned + step % 5 + 1, owned - step)
    is_company = by_company & (nearby >= 0) & (nearby < companies)
    person = draws.integers(0, edges // 2, edges)
    owner = np.where(is_company, np.char.add("C", nearby.astype(str)), np.char.add("P", person.astype(str)))
    weight = draws.exponential(1.0, edges)
    share = 0.98 * weight / np.bincount(owned, weights=weight, minlength=companies)[owned]
    return pd.DataFrame({"owner": owner, "owned": np.char.add("C", owned.astype(str)), "share": share})


def chains(spark: SparkSession, edges: int, length: int) -> DataFrame:
    """Members in chains of so many edges, in no order, each with .9 of the next."""
    one, other = (f"concat('M', pmod(xxhash64({item}), 1000000007), '_', {item})" for item in ("id", "id + 1"))
    rows = spark.range(0, edges, 1, 8).where(f"pmod(id, {length + 1}) <> {length}")
    return rows.selectExpr(f"{one} as one", f"{other} as other", "0.9d as share")


def numbered(folder: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """The holdings as numbers: owner, owned, share, and how many there are of both."""
    rows = pd.read_parquet(folder)
    places, names = pd.factorize(pd.concat([rows["owner"], rows["owned"]], ignore_index=True))
    return places[: len(rows)], places[len(rows) :], rows["share"].to_numpy(), len(names)


def groups_by_scipy(folder: str) -> int:
    """Groups of the holdings."""
    owner, owned, _, size = numbered(folder)
    return int(connected_components(coo_array((np.ones(len(owner)), (owner, owned)), shape=(size, size)), False)[0])


def groups_by_networkx(folder: str) -> int:
    """The same by a graph of Python objects."""
    import networkx

    rows = pd.read_parquet(folder)
    return networkx.number_connected_components(networkx.from_pandas_edgelist(rows, "owner", "owned"))


def ownership_by_scipy(folder: str) -> int:
    """Pairs of owner and owned: W + W^2 + .. of sparse matrices, divided by the diagonal of the sum with I."""
    owner, owned, share, size = numbered(folder)
    direct = csr_array(coo_array((share, (owner, owned)), shape=(size, size)))
    total, power = direct.copy(), direct
    while power.nnz:
        power = power @ direct
        power.data[power.data < 1e-9] = 0
        power.eliminate_zeros()
        total = total + power
    scale = diags_array(1 / (1 + total.diagonal()))
    return int((scale @ total).nnz)


def main() -> None:
    """Make edges, compute by turns, print one Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edges", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=1)
    args = parser.parse_args()
    spark = start_embedded(Path("conf"))
    with tempfile.TemporaryDirectory(prefix="portrait-bench-") as folder:
        holdings(args.edges).to_parquet(f"{folder}/holdings")
        chains(spark, args.edges, 50).write.parquet(f"{folder}/chains")
        chains(spark, args.edges, 100_000).write.parquet(f"{folder}/long")
        file = f"{folder}/holdings"
        held, chained, long = (spark.read.parquet(f"{folder}/{name}") for name in ("holdings", "chains", "long"))
        sizes: dict[str, int] = {}

        def counted(name: str, frame: DataFrame) -> None:
            sizes[name] = frame.count()

        names, ends = {"owner": "owner", "owned": "owned"}, {"owner": "one", "owned": "other"}
        works = {
            "integrated ownership": lambda: counted("integrated", integrated_ownership(held, **names, share="share")),
            "integrated, chains of 50": lambda: counted(
                "of chains", integrated_ownership(chained, **ends, share="share")
            ),
            "control": lambda: counted("control", control(held, **names, votes="share")),
            "groups": lambda: counted("groups", groups(held, left="owner", right="owned")),
            "groups, chains of 100,000": lambda: counted("long", groups(long, left="one", right="other")),
        }
        baselines = {"groups, scipy": groups_by_scipy, "ownership, scipy": ownership_by_scipy}
        if find_spec("networkx"):
            baselines["groups, networkx"] = groups_by_networkx
        for name, compute in baselines.items():
            works[name] = lambda name=name, compute=compute: sizes.__setitem__(name, compute(file))
        seconds = in_turns(works, args.repeat)
    spark.stop()
    report(f"{args.edges:,} edges", seconds, rows=args.edges)
    print("rows of results:", sizes, "peak MB of Python:", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


if __name__ == "__main__":
    main()
