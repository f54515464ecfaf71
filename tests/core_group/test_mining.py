"""The core group of a planted population in Spark: found, ranked, served; who cannot be grouped has a reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession

from portrait.capabilities.core_group.mining import TOO_FEW, Mined, mine
from portrait.capabilities.core_group.people import people_of, populations_of
from portrait.capabilities.core_group.plans import load_service_plans
from portrait.capabilities.core_group.policy import CoreGroupPolicy, load_core_group_policy
from portrait.capabilities.core_group.serving import CONTROL, SERVED, arms_since
from portrait.capabilities.core_group.tables import member_rows, step_rows, summary_rows
from portrait.capabilities.groups.policy import GroupPolicy, load_group_policy
from portrait.contracts import load_catalogue
from portrait.labels.declaration import Label
from portrait.lake.schema import check_frame
from portrait.settings import load_yaml
from portrait.spark.workers import use_own_python

AS_OF = date(2025, 12, 31)
CONF = Path(__file__).resolve().parents[2] / "conf"
CUSTOMERS = 1500


def planted() -> pd.DataFrame:
    """Retired, branch-loyal and wealthy (a fifth), salaried and mobile, spenders on travel; `core` marks the first."""
    draws = np.random.default_rng(6)
    kind = draws.choice(3, CUSTOMERS, p=[0.2, 0.5, 0.3])
    near = lambda values: np.clip(np.array(values)[kind] + draws.normal(0, 0.06, CUSTOMERS), 0, 1)  # noqa: E731
    income = draws.lognormal(8, 0.2, CUSTOMERS) * 12
    pension, branch, travel = near([0.9, 0.05, 0.05]), near([0.8, 0.1, 0.2]), near([0.1, 0.15, 0.7])
    frame = pd.DataFrame({"customer_id": [f"C{n:05d}" for n in range(CUSTOMERS)], "core": kind == 0})
    frame["pension_amount_365d"] = income * pension
    frame["salary_amount_365d"] = income * (1 - pension)
    frame["txn_count_365d"] = np.where(np.arange(CUSTOMERS) % 50 == 0, 0, 240)
    frame["txn_count_channel_branch_365d"] = np.round(240 * branch)
    frame["txn_count_channel_mobile_365d"] = 240 - frame.txn_count_channel_branch_365d
    frame["debit_amount_category_travel_365d"] = 10_000 * travel
    frame["debit_amount_category_grocery_365d"] = 10_000 * (1 - travel)
    frame["contribution"] = draws.lognormal(0, 0.4, CUSTOMERS) * np.array([900.0, 150.0, 200.0])[kind]
    frame["senior"] = np.where(draws.random(CUSTOMERS) < 0.02, ~(kind == 0), kind == 0)
    frame["branch_customer"] = branch > 0.5
    frame["sudden_outflow"] = draws.random(CUSTOMERS) < 0.1
    return frame


@pytest.fixture(scope="module")
def bank() -> pd.DataFrame:
    return planted()


@pytest.fixture(scope="module")
def policy() -> CoreGroupPolicy:
    shipped = load_core_group_policy(CONF)
    search = {"k": shipped.search.k.model_copy(update={"least": 3, "most": 5}), "sketch": 60, "restarts": 5}
    gate = shipped.deep_gate.model_copy(update={"sample": 0})
    update = {"search": shipped.search.model_copy(update=search), "deep_gate": gate, "sample": 1000}
    return shipped.model_copy(update={**update, "stability": shipped.stability.model_copy(update={"refits": 5})})


@pytest.fixture(scope="module")
def features(policy: CoreGroupPolicy) -> GroupPolicy:
    return policy.features_of(load_group_policy(CONF))


@pytest.fixture(scope="module")
def labels() -> list[Label]:
    return [load_yaml(next((CONF / "labels").glob(f"*/{n}.yml")), Label) for n in ("senior", "branch_customer")]


def people(spark: SparkSession, bank: pd.DataFrame, policy: CoreGroupPolicy, features: GroupPolicy) -> DataFrame:
    """The population `bank`, of frames as the tables have them."""
    use_own_python(spark)
    measured = [name for name in bank.columns if name.endswith("_365d")]
    said = ["senior", "branch_customer", "sudden_outflow"]
    everybody = people_of(
        spark.createDataFrame(bank[["customer_id", *measured]]),
        spark.createDataFrame(bank[["customer_id", "contribution"]]),
        spark.createDataFrame(bank[["customer_id", *said]].assign(as_of=AS_OF)),
        features=features,
    )
    return next(
        frame
        for population, frame in populations_of(everybody, everybody, policy=policy, plans=load_service_plans(CONF))
        if population.id == "bank"
    )


def mined_from(
    frame: DataFrame, labels: list[Label], policy: CoreGroupPolicy, features: GroupPolicy, **more: object
) -> Mined:
    given = {"as_of": AS_OF, "version": "v1", "earlier": None, **more}
    return mine(frame, population=policy.populations[0], labels=labels, policy=policy, features=features, **given)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def everybody(
    spark: SparkSession, bank: pd.DataFrame, policy: CoreGroupPolicy, features: GroupPolicy
) -> Iterator[DataFrame]:
    frame = people(spark, bank, policy, features).persist()
    yield frame
    frame.unpersist()


@pytest.fixture(scope="module")
def mined(everybody: DataFrame, labels: list[Label], policy: CoreGroupPolicy, features: GroupPolicy) -> Mined:
    return mined_from(everybody, labels, policy, features)


@pytest.fixture(scope="module")
def members(mined: Mined) -> pd.DataFrame:
    rows = member_rows([mined], load_service_plans(CONF), as_of=AS_OF)
    check_frame(rows, load_catalogue(CONF.parent / "schemas").table("gold.core_group"))
    return rows.toPandas().set_index("customer_id").sort_index()


def test_the_planted_core_group_is_rank_one(members: pd.DataFrame, bank: pd.DataFrame) -> None:
    both = members.join(bank.set_index("customer_id").core).dropna(subset=["group_id"])
    hit = (both.is_core & both.core).sum()
    assert hit / both.is_core.sum() >= 0.95
    assert hit / both.core.sum() >= 0.95


def test_every_customer_has_a_group_or_a_reason(members: pd.DataFrame, bank: pd.DataFrame) -> None:
    silent = set(bank[bank.txn_count_365d == 0].customer_id)
    assert set(members[members.not_grouped_reason.notna()].index) == silent
    assert set(members.not_grouped_reason.dropna()) == {"no_transaction_in_window"}
    assert (members.group_id.isna() == members.not_grouped_reason.notna()).all()
    assert set(members.index) == set(bank.customer_id)


def test_a_tenth_of_the_core_group_gets_no_plan_and_signals_are_named(
    members: pd.DataFrame, bank: pd.DataFrame
) -> None:
    core = members[members.is_core]
    assert set(core.arm) == {SERVED, CONTROL}
    assert (core.arm == CONTROL).mean() == pytest.approx(0.1, abs=0.05)
    assert members[~members.is_core].arm.isna().all()
    outflow = bank.set_index("customer_id").sudden_outflow
    assert {key: list(value) for key, value in members.signals.items()} == {
        key: ["sudden_outflow"] if value else [] for key, value in outflow.items()
    }


def test_the_rule_is_over_labels_and_the_frames_are_what_contracts_say(spark: SparkSession, mined: Mined) -> None:
    assert [step.number for step in mined.steps] == [1, 2, 3, 4, 5]
    assert all(step.passed for step in mined.steps)
    catalogue = load_catalogue(CONF.parent / "schemas")
    summary, steps = summary_rows(spark, [mined], {}, as_of=AS_OF), step_rows(spark, [mined], as_of=AS_OF)
    check_frame(summary, catalogue.table("gold.core_group_summary"))
    check_frame(steps, catalogue.table("gold.core_group_steps"))
    core = summary.where("core_rank = 1").toPandas().loc[0]
    assert "branch_customer" in core.audience or "senior" in core.audience
    assert core.rule_fidelity > 0.95
    assert core.lift > 2
    assert mined.steps[2].reason == "the deep view was refused: deep_gate.sample of conf/core_group.yml is 0"


def test_the_model_goes_on_until_it_is_too_old(
    everybody: DataFrame,
    mined: Mined,
    members: pd.DataFrame,
    labels: list[Label],
    policy: CoreGroupPolicy,
    features: GroupPolicy,
) -> None:
    assert mined.model is not None
    renumbered = replace(mined.model, ids=tuple(50 + place for place in range(len(mined.model.ids))))
    later = AS_OF + timedelta(days=31)
    again = mined_from(everybody, labels, policy, features, as_of=later, version="v2", earlier=renumbered)
    assert (again.fresh, again.model) == (False, renumbered)
    late = AS_OF + timedelta(days=policy.refit_days)
    anew = mined_from(everybody, labels, policy, features, as_of=late, version="v3", earlier=renumbered)
    assert anew.model is not None
    assert (anew.fresh, anew.model.version) == (True, "v3")
    rows = member_rows([anew], load_service_plans(CONF), as_of=late).toPandas().set_index("customer_id").sort_index()
    first = members.group_id.dropna().astype(int)
    place = {group: index for index, group in enumerate(mined.model.ids)}
    assert (first.map(place) + 50 == rows.group_id.dropna()).mean() > 0.98
    arms = members.arm.dropna()
    both = rows.arm.reindex(arms.index).dropna()
    assert (both == arms.reindex(both.index)).all()  # whoever stays in the core group keeps the arm
    other = policy.model_copy(update={"variance": 0.9})
    assert mined_from(everybody, labels, other, features, as_of=later, version="v4", earlier=renumbered).fresh


def test_too_few_customers_are_told_so(
    everybody: DataFrame, labels: list[Label], policy: CoreGroupPolicy, features: GroupPolicy
) -> None:
    found = mined_from(everybody.where("customer_id < 'C00200'"), labels, policy, features)
    assert [(step.number, step.passed, step.reason) for step in found.steps] == [
        (1, False, "196 customers can be grouped, needed 300")
    ]
    rows = member_rows([found], load_service_plans(CONF), as_of=AS_OF).toPandas()
    assert set(rows.not_grouped_reason) == {TOO_FEW, "no_transaction_in_window"}


def test_arms_since_the_slice_before_by_hand(spark: SparkSession) -> None:
    before = spark.createDataFrame(
        [
            ("bank", "a", SERVED, 10.0),
            ("bank", "b", SERVED, 20.0),
            ("bank", "c", CONTROL, 5.0),
            ("bank", "d", None, 1.0),
        ],
        "population string, customer_id string, arm string, contribution double",
    )
    now = spark.createDataFrame([("a", 16.0), ("c", 5.0), ("d", 9.0)], "customer_id string, contribution double")
    arms = arms_since(before, now)["bank"]
    assert (arms[SERVED].customers, arms[SERVED].retained) == (2, 1)
    assert arms[SERVED].change == pytest.approx((6 - 20) / 2)  # who left took 20 with them
    assert arms[SERVED].variance == pytest.approx(338.0)
    assert (arms[CONTROL].customers, arms[CONTROL].retained, arms[CONTROL].change) == (1, 1, 0.0)
