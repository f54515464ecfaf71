"""Integrated ownership and control: the vectors of the methods page, brute force, what is refused."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession

from portrait.capabilities.relations.ownership import control, integrated_ownership
from portrait.capabilities.relations.policy import Ownership, RelationsPolicy
from portrait.errors import ConfigurationError, PortraitError

PYRAMID = [("P", "A", 0.60), ("P", "B", 0.30), ("A", "B", 0.25)]
CROSS = [("P", "B", 0.60), ("B", "C", 0.50), ("C", "B", 0.10)]
Edge = tuple[str, str, float]


def frame(spark: SparkSession, edges: list[Edge]) -> DataFrame:
    return spark.createDataFrame(edges, "owner string, owned string, share double")


def shares(spark: SparkSession, edges: list[Edge]) -> dict[tuple[str, str], float]:
    found = integrated_ownership(frame(spark, edges), owner="owner", owned="owned", share="share")
    assert found.columns == ["owner", "owned", "share"]
    return {(row.owner, row.owned): row.share for row in found.collect()}


def controls(spark: SparkSession, edges: list[Edge]) -> set[tuple[str, str]]:
    found = control(frame(spark, edges), owner="owner", owned="owned", votes="share")
    assert found.columns == ["owner", "owned"]
    rows = [tuple(row) for row in found.collect()]
    assert len(rows) == len(set(rows))
    return set(rows)


def random_edges(seed: int, *, size: int, many: int) -> list[Edge]:
    """A graph with cycles; the holdings of each company sum to .9, in steps that sums of doubles do not break."""
    draws = np.random.default_rng(seed)
    edges = []
    for company in range(size):
        holders = draws.choice([n for n in range(size) if n != company], many, replace=False)
        parts = draws.multinomial(90, np.ones(many) / many)
        edges += [(f"n{h}", f"n{company}", int(part) / 100) for h, part in zip(holders, parts, strict=True) if part]
    return edges


def test_pyramid_of_the_methods_page(spark: SparkSession) -> None:
    assert shares(spark, PYRAMID) == pytest.approx({("P", "A"): 0.60, ("P", "B"): 0.45, ("A", "B"): 0.25}, abs=1e-12)
    assert controls(spark, PYRAMID) == {("P", "A"), ("P", "B")}


def test_cross_holding_of_the_methods_page(spark: SparkSession) -> None:
    expected = {
        ("P", "B"): 0.63158,
        ("P", "C"): 0.31579,
        ("B", "B"): 0.05,
        ("B", "C"): 0.50,
        ("C", "B"): 0.10,
        ("C", "C"): 0.05,
    }
    assert shares(spark, CROSS) == pytest.approx(expected, abs=5e-6)


def test_ownership_equals_its_definition_solved_for_each_owner(spark: SparkSession) -> None:
    """o_ij = w_ij + sum over k != i of o_ik w_kj: a linear system of each owner, not the formula that is computed."""
    edges = random_edges(3, size=14, many=3)
    direct = np.zeros((14, 14))
    for owner, owned, share in edges:
        direct[int(owner[1:]), int(owned[1:])] = share
    found = shares(spark, edges)
    for i in range(14):
        others = direct.copy()
        others[i] = 0
        expected = np.linalg.solve(np.eye(14) - others.T, direct[i])
        got = [found.get((f"n{i}", f"n{j}"), 0.0) for j in range(14)]
        assert got == pytest.approx(expected, abs=1e-12)


def test_control_equals_the_fixpoint_by_brute_force(spark: SparkSession) -> None:
    """Every set that is closed under the rule is looked at; what x controls is the smallest."""
    draws = np.random.default_rng(5)
    names = "abcdefg"
    for _ in range(2):
        votes: dict[tuple[str, str], int] = {}
        for company in names:
            holders = draws.choice([name for name in names if name != company], 3, replace=False)
            for holder, part in zip(holders, draws.multinomial(10, [0.6, 0.3, 0.1]), strict=True):
                if part:
                    votes[str(holder), company] = int(part)
        expected = set()
        for x in names:
            closed = []
            for size in range(len(names)):
                for chosen in itertools.combinations([name for name in names if name != x], size):
                    group = {x, *chosen}
                    needed = {y for y in names if sum(votes.get((h, y), 0) for h in group) > 5 and y != x}
                    if needed <= set(chosen):
                        closed.append(set(chosen))
            expected |= {(x, y) for y in set.intersection(*closed)}
        assert controls(spark, [(a, b, part / 10) for (a, b), part in votes.items()]) == expected


def test_half_of_the_votes_is_no_control_in_whatever_order_it_is_summed(spark: SparkSession) -> None:
    """0.1 + 0.2 + 0.2 and 0.2 + 0.2 + 0.1 differ as doubles from a half in some orders of larger sums."""
    parts = [0.1, 0.1, 0.1, 0.1, 0.1]
    edges = [("P", f"S{n}", 1.0) for n in range(5)] + [(f"S{n}", "Y", part) for n, part in enumerate(parts)]
    assert ("P", "Y") not in controls(spark, edges)
    assert ("P", "Y") in controls(spark, [*edges, ("P", "Y", 1e-9)])


def test_companies_that_hold_only_each_other_are_controlled_by_nobody_else(spark: SparkSession) -> None:
    assert controls(spark, [("P", "A", 0.4), ("B", "A", 0.6), ("A", "B", 0.6)]) == {("A", "B"), ("B", "A")}


def test_a_chain_of_50_ends(spark: SparkSession) -> None:
    edges = [(f"n{n:02d}", f"n{n + 1:02d}", 0.9) for n in range(50)]
    found = shares(spark, edges)
    assert len(found) == 51 * 50 // 2
    assert found["n00", "n50"] == pytest.approx(0.9**50, rel=1e-12)
    assert controls(spark, edges) == set(found)


def test_a_cycle_of_50_ends(spark: SparkSession) -> None:
    """Each owns .9 of the next: of the one k steps on o = .9^k, of itself .9^50 - the way round once."""
    found = shares(spark, [(f"n{n:02d}", f"n{(n + 1) % 50:02d}", 0.9) for n in range(50)])
    assert len(found) == 2500
    assert found["n00", "n49"] == pytest.approx(0.9**49, rel=1e-12)
    assert found["n00", "n00"] == pytest.approx(0.9**50, rel=1e-9)


def test_a_near_closed_cycle_is_solved(spark: SparkSession) -> None:
    """P has a millionth of A, B the rest; A has all of B. P owns everything in the end."""
    found = shares(spark, [("P", "A", 1e-6), ("B", "A", 1 - 1e-6), ("A", "B", 1.0)])
    assert found["P", "A"] == pytest.approx(1.0, rel=1e-9)
    assert found["P", "B"] == pytest.approx(1.0, rel=1e-9)


def test_own_shares_count_for_the_others(spark: SparkSession) -> None:
    """By hand: P 60 %, B has 10 % of itself. o_PB = .6 + o_PB x .1 = .6667."""
    assert shares(spark, [("P", "B", 0.6), ("B", "B", 0.1)])["P", "B"] == pytest.approx(2 / 3)


def test_deliveries_of_the_same_pair_are_summed(spark: SparkSession) -> None:
    assert shares(spark, [("P", "A", 0.2), ("P", "A", 0.35)]) == pytest.approx({("P", "A"): 0.55})
    assert controls(spark, [("P", "A", 0.2), ("P", "A", 0.35)]) == {("P", "A")}


def test_results_do_not_depend_on_order_or_partitions(spark: SparkSession) -> None:
    edges = frame(spark, random_edges(9, size=30, many=4))
    first = integrated_ownership(edges, owner="owner", owned="owned", share="share").collect()
    again = integrated_ownership(edges.repartition(5, "share"), owner="owner", owned="owned", share="share").collect()
    assert sorted(first) == sorted(again)


def test_any_names_and_types_of_columns(spark: SparkSession) -> None:
    rows = [(row[2], ord(row[0]), ord(row[1])) for row in CROSS]
    edges = spark.createDataFrame(rows, "`share in %.` double, `own``er` int, `所有 owned` bigint")
    found = integrated_ownership(edges, owner="own`er", owned="所有 owned", share="share in %.")
    assert {(row.owner, row.owned): round(row.share, 5) for row in found.collect()}[ord("P"), ord("C")] == 0.31579
    assert control(edges, owner="own`er", owned="所有 owned", votes="share in %.").collect() == [(ord("P"), ord("B"))]


def test_no_edges_no_pairs(spark: SparkSession) -> None:
    assert shares(spark, []) == {}
    assert controls(spark, []) == set()


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ([("P", "A", 0.7), ("Q", "A", 0.4)], r"110\.00% of 'A' is owned"),
        ([("P", "A", 60.0)], "1 of 1 edges have no share, or one outside 0 to 1"),
        ([("P", "A", -0.1)], "outside 0 to 1"),
        ([("P", "A", float("nan"))], "outside 0 to 1"),
        ([("P", "A", None)], "have no share"),
        ([(None, "A", 0.1), ("P", "A", 0.1)], "1 of 2 edges have no owner or no owned company"),
        ([("A", "B", 1.0), ("B", "A", 1.0)], "own each other entirely: 'A' owns 'B' owns 'A'"),
        ([("P", "C", 0.5), ("A", "A", 1.0)], "own each other entirely: 'A' owns 'A'"),
    ],
)
def test_what_cannot_be_is_refused(spark: SparkSession, edges: list[Edge], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        shares(spark, edges)


def test_more_than_the_driver_may_hold_is_refused(spark: SparkSession) -> None:
    chain = frame(spark, [(f"n{n}", f"n{n + 1}", 0.9) for n in range(40)])
    for bounds in (Ownership(most_edges=39), Ownership(most_pairs=500)):
        with pytest.raises(PortraitError, match=r"pairs of owner|driver may hold"):
            integrated_ownership(
                chain, owner="owner", owned="owned", share="share", policy=RelationsPolicy(ownership=bounds)
            )


def test_identifiers_of_two_types_are_refused(spark: SparkSession) -> None:
    edges = spark.createDataFrame([("1", 2, 0.5)], "a string, b int, s double")
    with pytest.raises(ConfigurationError, match="string in one column, int in the other"):
        control(edges, owner="a", owned="b", votes="s")
