"""A bank of four planted groups, as rows of gold.customer_features; made by numpy, not by the code under test."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame, SparkSession

from portrait.capabilities.groups.policy import GroupPolicy, load_group_policy

AS_OF = date(2025, 12, 31)
CATEGORIES = ("grocery", "travel", "fuel", "education")
CHANNELS = ("mobile", "branch", "pos")
# spending, channels, own bookings per month, deposits, salaried
GROUPS = (
    ((6, 1, 1, 1), (1, 1, 6), 8, 5_000, 1.0),
    ((2, 6, 1, 2), (6, 1, 2), 12, 60_000, 1.0),
    ((3, 0.5, 6, 0.5), (1, 6, 2), 4, 9_000, 0.0),
    ((1, 1, 0.2, 7), (7, 0.5, 1), 9, 900, 0.0),
)


def small_policy(conf_dir: Path) -> GroupPolicy:
    """The shipped policy, searching less; three partitions for 600 customers, so that the layout can matter."""
    policy = load_group_policy(conf_dir)
    search = {
        "k": policy.search.k.model_copy(update={"least": 3, "most": 5}),
        "sketch": 60,
        "restarts": 10,
        "seeds": [11, 12],
        "customers_per_partition": 200,
    }
    return policy.model_copy(update={"search": policy.search.model_copy(update=search)})


def grouped_bank(customers: int = 600, seed: int = 3) -> pd.DataFrame:
    """One row per customer with `truth`; every twentieth made no booking, and utilities are 0 for all."""
    draws = np.random.default_rng(seed)
    truth = draws.integers(0, len(GROUPS), customers)
    spending = np.array([draws.dirichlet(np.array(GROUPS[group][0]) * 4) for group in truth])
    channels = np.array([draws.dirichlet(np.array(GROUPS[group][1]) * 4) for group in truth])
    bookings = draws.poisson([GROUPS[group][2] * 12 for group in truth])
    bookings[::20] = 0
    income = draws.lognormal(7.6, 0.3, customers) * 12
    salaried = np.array([GROUPS[group][4] for group in truth])
    frame = pd.DataFrame({"customer_id": [f"C{n:05d}" for n in range(customers)], "truth": truth})
    for place, name in enumerate(CATEGORIES):
        frame[f"debit_amount_category_{name}_365d"] = (spending[:, place] * income * 0.4).round(2) * (bookings > 0)
    frame["debit_amount_category_utilities_365d"] = 0.0
    for place, name in enumerate(CHANNELS):
        frame[f"txn_count_channel_{name}_365d"] = np.round(channels[:, place] * bookings).astype("int64")
    frame["salary_amount_365d"] = (income * salaried).round(2)
    frame["credit_amount_type_transfer_in_365d"] = (income * (1 - salaried)).round(2)
    frame["active_months_365d"] = np.where(bookings > 0, 12, 0)
    frame["customer_txn_count_365d"] = bookings
    frame["txn_count_365d"] = bookings
    frame["balance_avg_30d"] = (
        draws.lognormal(0, 0.5, customers) * np.array([GROUPS[group][3] for group in truth])
    ).round(2)
    frame["investment_amount"] = pd.Series([None] * customers, dtype="float64")
    return frame


def as_features(spark: SparkSession, frame: pd.DataFrame, partitions: int = 2) -> DataFrame:
    """The frame in Spark, spread over `partitions` in an order that has nothing to do with customer_id."""
    names = [name for name in frame.columns if name != "truth"]
    kinds = {"object": "string", "float64": "double"}
    layout = ", ".join(f"{name} {kinds.get(str(frame[name].dtype), 'bigint')}" for name in names)
    shuffled = frame.sample(frac=1, random_state=partitions)[names].astype(object)
    rows = shuffled.where(shuffled.notna(), None).values.tolist()
    return spark.createDataFrame(rows, layout).repartition(partitions)
