"""Groups by large-star and small-star: by hand, against scipy, on long chains, in any layout."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from portrait.capabilities.relations.ownership import groups
from portrait.errors import ConfigurationError


def found_in(edges: DataFrame, left: str = "left", right: str = "right") -> dict[object, object]:
    found = groups(edges, left=left, right=right)
    assert found.columns == ["member", "group"]
    rows = found.collect()
    assert len(rows) == len({row.member for row in rows})
    return {row.member: row.group for row in rows}


def test_by_hand(spark: SparkSession) -> None:
    """b-c, c-a (twice, either way), e-d, and f with itself: groups a (a, b, c), d (d, e), f."""
    rows = [("b", "c"), ("c", "a"), ("a", "c"), ("e", "d"), ("f", "f")]
    edges = spark.createDataFrame(rows, "left string, right string")
    assert found_in(edges) == {"a": "a", "b": "a", "c": "a", "d": "d", "e": "d", "f": "f"}


def test_equal_to_scipy_in_any_layout_with_any_names(spark: SparkSession) -> None:
    """A sparse random graph near the point where components grow large: trees, cycles, singles of every size."""
    draws = np.random.default_rng(1)
    pairs = draws.integers(0, 600, (340, 2))
    edges = spark.createDataFrame([(int(a), int(b)) for a, b in pairs], "`a.b` int, `c d``e` bigint")
    members = np.unique(pairs)
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(600, 600))
    _, labels = connected_components(graph, directed=False)
    expected = {int(m): int(members[labels[members] == labels[m]].min()) for m in members}
    assert found_in(edges, "a.b", "c d`e") == expected
    assert found_in(edges.repartition(5), "c d`e", "a.b") == expected


@pytest.mark.process
def test_a_chain_of_2000_in_random_order(spark: SparkSession) -> None:
    order = np.random.default_rng(2).permutation(2001).tolist()
    edges = spark.createDataFrame(list(itertools.pairwise(order)), "left int, right int")
    assert set(found_in(edges).values()) == {0}


def test_a_missing_member_is_refused(spark: SparkSession) -> None:
    edges = spark.createDataFrame([("a", "b"), ("c", None)], "left string, right string")
    with pytest.raises(ConfigurationError, match="no member on one side"):
        groups(edges, left="left", right="right")


def test_an_absent_column_is_named(spark: SparkSession) -> None:
    with pytest.raises(ConfigurationError, match="no column 'lift'"):
        groups(spark.createDataFrame([("a", "b")], "left string, right string"), left="lift", right="right")
