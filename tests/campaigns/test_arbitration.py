"""Allocation of offers: the page's instance, HiGHS as an independent optimiser, whole capacities, any names."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_matrix

from portrait.capabilities.campaigns.arbitration import Allocation, allocate
from portrait.capabilities.campaigns.policy import ArbitrationPolicy
from portrait.errors import ConfigurationError, InputRefused

CALLS = {f"offer {k}": (f"use.{k}", limit) for k, limit in enumerate([500, 400, 300, 100])}
PAGE = {**CALLS, "budget": ("cost `EUR`", 600)}


def page_instance(ties: bool = False) -> pd.DataFrame:
    """methods/campaigns.md C6: 3,000 customers, four offers, five side constraints; with `ties` values are 1, 2, ..."""
    value = np.random.default_rng(7).gamma(2.0, 1.0, (3000, 4)).ravel()
    frame = pd.DataFrame({"customer": np.repeat(np.arange(3000), 4), "option": np.tile(np.arange(4), 3000)})
    frame["value"] = np.ceil(value) if ties else value
    for k in range(4):
        frame[f"use.{k}"] = (frame["option"] == k).astype(int)
    frame["cost `EUR`"] = np.tile([0.2, 0.5, 1.0, 3.0], 3000)
    return frame


def mixed_instance(seed: int) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    frame = pd.DataFrame({"customer": np.repeat(np.arange(3000), 4), "option": np.tile(np.arange(4), 3000)})
    frame["value"] = draw.lognormal(0, 1, 12_000)
    for k in range(5):
        frame[f"u{k}"] = draw.integers(0, 4, 12_000) * (draw.random(12_000) < 0.6) * 0.1
    return frame


def highs(frame: pd.DataFrame, capacities: dict[str, tuple[str, float]]) -> float:
    """The optimum in whole offers."""
    rows = np.arange(len(frame))
    one = csr_matrix((np.ones(len(frame)), (frame["customer"], rows)))
    usage = csr_matrix(frame[[column for column, _ in capacities.values()]].to_numpy(dtype=float).T)
    limits = [limit for _, limit in capacities.values()]
    found = milp(
        -frame["value"],
        constraints=[LinearConstraint(one, ub=1), LinearConstraint(usage, ub=limits)],
        integrality=1,
        bounds=Bounds(0, 1),
        options={"mip_rel_gap": 1e-4},
    )
    return float(-found.fun)


def solved(frame: DataFrame, capacities: dict[str, tuple[str, float]], **more: object) -> Allocation:
    names = {"customer": "customer", "option": "option", "value": "value"}
    return allocate(frame, **names, capacities=capacities, **more)  # type: ignore[arg-type]


def check_feasible(found: Allocation, capacities: dict[str, tuple[str, float]]) -> pd.DataFrame:
    chosen = found.chosen.toPandas()
    assert not chosen["customer"].duplicated().any()
    for name, (column, limit) in capacities.items():
        assert chosen[column].sum() <= limit + 1e-9, name
        assert found.used[name] == pytest.approx(chosen[column].sum(), abs=1e-6)
    assert found.value == pytest.approx(chosen["value"].sum(), rel=1e-9)
    return chosen


def test_the_page_s_instance_is_solved_to_its_optimum(spark: SparkSession) -> None:
    found = solved(spark.createDataFrame(page_instance()), PAGE, cost="cost `EUR`")
    check_feasible(found, PAGE)
    assert found.value == pytest.approx(5544.601, abs=0.6)  # HiGHS on the page
    assert found.value <= 5544.602 <= found.bound + 0.001
    assert found.gap <= 0.001
    assert found.cost == pytest.approx(found.used["budget"])
    # Checked by taking one more unit: HiGHS gains 0.3650 for budget 600.1, so 3.65 per unit.
    assert found.prices["budget"] == pytest.approx(3.65, abs=0.02)
    assert found.prices["offer 3"] == 0.0


@pytest.mark.parametrize("seed", [0, 1])
def test_the_gap_to_highs_is_at_most_a_thousandth(spark: SparkSession, seed: int) -> None:
    frame = mixed_instance(seed)
    capacities = {f"c{k}": (f"u{k}", float(np.floor(frame[f"u{k}"].sum() * 0.1))) for k in range(5)}
    found = solved(spark.createDataFrame(frame), capacities)
    check_feasible(found, capacities)
    assert found.value >= 0.999 * highs(frame, capacities)


def test_options_of_equal_value_are_allocated_as_well(spark: SparkSession) -> None:
    frame = page_instance(ties=True)
    found = solved(spark.createDataFrame(frame), PAGE)
    check_feasible(found, PAGE)
    assert found.value >= 0.999 * highs(frame, PAGE)


@pytest.mark.parametrize("ties", [False, True])
def test_spark_decides_what_is_clear_and_the_driver_the_rest(spark: SparkSession, ties: bool) -> None:
    """The path of large frames, taken because the driver may hold only a part: the same optimum."""
    small = ArbitrationPolicy(driver_options=10_000, sample_options=10_000)
    frame = page_instance(ties)
    options = spark.createDataFrame(pd.concat([frame.assign(customer=frame["customer"] + 3000 * k) for k in range(3)]))
    capacities = {name: (column, 3 * limit) for name, (column, limit) in PAGE.items()}
    found = solved(options, capacities, policy=small)
    check_feasible(found, capacities)
    whole = solved(options, capacities)
    assert found.value >= 0.999 * whole.value
    assert found.bound >= whole.value - 1e-6


def test_partitions_and_order_do_not_matter(spark: SparkSession) -> None:
    frame = page_instance().query("customer < 500")
    one = solved(spark.createDataFrame(frame), PAGE)
    other = solved(spark.createDataFrame(frame.sample(frac=1, random_state=1)).repartition(7), PAGE)
    keys = ["customer", "option"]
    assert one.chosen.select(keys).exceptAll(other.chosen.select(keys)).count() == 0
    assert (one.value, one.prices, one.bound) == (other.value, other.prices, other.bound)


def test_names_may_be_anything_and_worthless_options_are_not_chosen(spark: SparkSession) -> None:
    rows = [("a", "x", 5.0, 1), ("a", "y", 4.0, 0), ("b", "x", 6.0, 1), ("c", "y", -1.0, 0), ("d", "x", 0.0, 0)]
    frame = spark.createDataFrame(rows, ["h", "v", "G `é`.x", "U0"])
    found = allocate(frame, customer="h", option="v", value="G `é`.x", capacities={"one": ("U0", 1)})
    # By hand: b takes the only x (6), a its y (4); a second x would lift a from 4 to 5.
    assert sorted(tuple(row) for row in found.chosen.collect()) == [("a", "y", 4.0, 0), ("b", "x", 6.0, 1)]
    assert (found.value, found.used) == (10.0, {"one": 1.0})
    assert found.chosen.columns == frame.columns


def test_a_capacity_of_nothing_is_used_by_nobody(spark: SparkSession) -> None:
    frame = spark.createDataFrame(page_instance()).limit(400)
    found = solved(frame, {"none": ("use.0", 0), "all": ("use.1", 1e15)})
    assert found.chosen.where(F.col("`use.0`") > 0).count() == 0
    assert found.value > 0
    nothing = solved(frame.where("value < 0"), PAGE)
    assert (nothing.value, nothing.bound, nothing.chosen.count()) == (0.0, 0.0, 0)


def test_bad_input_is_refused_by_column(spark: SparkSession) -> None:
    frame = spark.createDataFrame(page_instance()).limit(40)
    with pytest.raises(InputRefused, match=r"(?s)usage of offer 0 is null, negative or infinite in .* rows.*use\.0"):
        solved(frame.withColumn("use.0", F.lit(-1)), PAGE)
    with pytest.raises(InputRefused, match="value is null"):
        solved(frame.withColumn("value", F.lit(None).cast("double")), PAGE)
    with pytest.raises(ConfigurationError, match="limit of 'x'"):
        solved(frame, {"x": ("use.0", -1)})
    with pytest.raises(ConfigurationError, match="no column 'nowhere'"):
        solved(frame, {"x": ("nowhere", 1)})
