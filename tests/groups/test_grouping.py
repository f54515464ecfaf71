"""A slice in groups: planted groups found, nobody lost, the same on any layout, half a model never used."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from grouped_bank import AS_OF, CATEGORIES, CHANNELS, as_features, grouped_bank, small_policy
from pyspark.ml.clustering import KMeansModel
from pyspark.sql import SparkSession
from sklearn.metrics import adjusted_rand_score

import portrait.capabilities.groups.model as model_module
from portrait.capabilities.groups.grouping import Grouping, group_customers
from portrait.capabilities.groups.lasting import KeptGroup, KeptModel, vectors_of
from portrait.capabilities.groups.lloyd import nearest
from portrait.capabilities.groups.model import keep_model, read_kept
from portrait.capabilities.groups.policy import GroupPolicy
from portrait.capabilities.groups.vectors import ALL_ALIKE, NO_TRANSACTION, TOO_FEW
from portrait.contracts import load_catalogue
from portrait.lake import Lake, Lease, ModelStore
from portrait.lake.schema import check_frame
from portrait.spark.target_group import target_group_index


@pytest.fixture(scope="module")
def bank() -> pd.DataFrame:
    return grouped_bank()


@pytest.fixture(scope="module")
def policy() -> GroupPolicy:
    return small_policy(Path(__file__).resolve().parents[2] / "conf")


@pytest.fixture(scope="module")
def grouping(spark: SparkSession, bank: pd.DataFrame, policy: GroupPolicy) -> Iterator[Grouping]:
    with group_customers(as_features(spark, bank), policy=policy, as_of=AS_OF, model_version="v1") as made:
        yield made


@pytest.fixture(scope="module")
def customers(grouping: Grouping) -> pd.DataFrame:
    return grouping.customers.toPandas().set_index("customer_id").sort_index()


def test_planted_groups_are_found(customers: pd.DataFrame, bank: pd.DataFrame) -> None:
    both = customers.join(bank.set_index("customer_id").truth).dropna(subset=["group_id"])
    assert both.group_id.nunique() == 4
    assert adjusted_rand_score(both.truth, both.group_id) >= 0.9


def test_every_customer_is_in_a_group_or_has_a_reason(customers: pd.DataFrame, bank: pd.DataFrame) -> None:
    assert list(customers.index) == sorted(bank.customer_id)
    assert (customers.group_id.isna() == customers.not_grouped_reason.notna()).all()
    silent = bank[bank.txn_count_365d == 0].customer_id
    assert set(customers[customers.not_grouped_reason == NO_TRANSACTION].index) == set(silent)


def test_group_one_is_the_wealthiest(customers: pd.DataFrame, bank: pd.DataFrame) -> None:
    means = customers.join(bank.set_index("customer_id").balance_avg_30d).groupby("group_id").balance_avg_30d.mean()
    assert list(means.sort_values(ascending=False).index) == [1, 2, 3, 4]


def test_the_summary_counts_the_customers(grouping: Grouping, customers: pd.DataFrame) -> None:
    summary = grouping.summary.toPandas().set_index("group_id")
    assert summary.customers.to_dict() == customers.group_id.value_counts().to_dict()
    assert summary.share.sum() == pytest.approx(1.0)
    assert summary.group_name.is_unique


def test_a_profile_is_the_groups_mean_z_and_index(
    grouping: Grouping, customers: pd.DataFrame, bank: pd.DataFrame
) -> None:
    profile = grouping.profile.where("feature = 'spend_travel'").toPandas().set_index("group_id")
    spending = bank.set_index("customer_id").filter(like="debit_amount_category")
    both = customers.assign(travel=spending.debit_amount_category_travel_365d / spending.sum(axis=1))
    both = both.dropna(subset=["group_id"]).fillna({"travel": 0.0})
    assert profile["mean"].to_dict() == pytest.approx(both.groupby("group_id").travel.mean().to_dict(), abs=1e-6)
    root = both.travel**0.5
    z = (root.groupby(both.group_id).mean() - root.mean()) / root.std(ddof=0)
    assert profile.z.to_dict() == pytest.approx(z.to_dict(), abs=2e-3)
    above = both.travel > both.travel.mean()
    for group, inside in above.groupby(both.group_id):
        expected = target_group_index(inside.sum(), len(inside), overall=above.mean(), smoothing=20)
        assert profile.tgi[group] == pytest.approx(expected, rel=1e-6)


def test_what_the_bank_lacks_is_named(grouping: Grouping) -> None:
    assert grouping.model is not None
    dropped = grouping.model.measured.dropped
    assert dropped["spend_utilities"] == "the same for all customers"
    assert dropped["investments"] == "unknown for all customers"


@pytest.mark.parametrize(("input_partitions", "shuffle_partitions"), [(1, "1"), (7, "4")])
def test_the_layout_of_the_input_changes_nothing(
    spark: SparkSession,
    grouping: Grouping,
    bank: pd.DataFrame,
    policy: GroupPolicy,
    input_partitions: int,
    shuffle_partitions: str,
) -> None:
    before = spark.conf.get("spark.sql.shuffle.partitions")
    spark.conf.set("spark.sql.shuffle.partitions", shuffle_partitions)
    try:
        features = as_features(spark, bank, input_partitions)
        with group_customers(features, policy=policy, as_of=AS_OF, model_version="v1") as again:
            for name in ("customers", "summary", "profile", "rules", "judged"):
                one, other = getattr(grouping, name).toPandas(), getattr(again, name).toPandas()
                keys = [column for column in ("as_of", "customer_id", "group_id", "feature") if column in one]
                pd.testing.assert_frame_equal(
                    one.sort_values(keys, ignore_index=True),
                    other.sort_values(keys, ignore_index=True),
                    check_exact=True,
                )
    finally:
        spark.conf.set("spark.sql.shuffle.partitions", before)


_ON_CORES = """
import hashlib, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from grouped_bank import AS_OF, CATEGORIES, CHANNELS, as_features, grouped_bank, small_policy
from portrait.capabilities.groups.grouping import group_customers
from portrait.spark.session import start_embedded
spark = start_embedded(Path(sys.argv[2]), overrides={"spark.master": sys.argv[3], "spark.driver.memory": "2g"})
features = as_features(spark, grouped_bank(), 5)
with group_customers(features, policy=small_policy(Path(sys.argv[2])), as_of=AS_OF, model_version="v1") as groups:
    frames = [getattr(groups, name).toPandas().sort_values(keys) for name, keys in (
        ("customers", ["customer_id"]), ("profile", ["group_id", "feature"]),
        ("rules", ["group_id"]), ("judged", ["as_of"]))]
print("digest", hashlib.sha256("".join(frame.to_csv(index=False) for frame in frames).encode()).hexdigest())
"""


@pytest.mark.fault
def test_f29_the_number_of_cores_changes_nothing(conf_dir: Path) -> None:
    """F29: identical assignment whatever the number of cores."""
    digests = set()
    for master in ("local[1]", "local[4]"):
        done = subprocess.run(
            [sys.executable, "-c", _ON_CORES, str(Path(__file__).parent), str(conf_dir), master],
            capture_output=True,
            text=True,
            env=dict(os.environ),
            check=True,
        )
        digests.add(next(line for line in done.stdout.splitlines() if line.startswith("digest")))
    assert len(digests) == 1


def test_too_few_customers_are_not_grouped(spark: SparkSession, bank: pd.DataFrame, policy: GroupPolicy) -> None:
    features = as_features(spark, bank.head(90))
    with group_customers(features, policy=policy, as_of=AS_OF, model_version="v1") as groups:
        assert groups.model is None
        reasons = groups.customers.toPandas().not_grouped_reason
        assert set(reasons) == {NO_TRANSACTION, TOO_FEW}
        assert groups.summary.isEmpty()


def test_customers_who_are_all_alike_are_not_grouped(
    spark: SparkSession, bank: pd.DataFrame, policy: GroupPolicy
) -> None:
    alike = pd.concat([bank.iloc[[1]]] * 150, ignore_index=True)
    alike["customer_id"] = [f"C{n:05d}" for n in range(150)]
    with group_customers(as_features(spark, alike), policy=policy, as_of=AS_OF, model_version="v1") as groups:
        assert set(groups.customers.toPandas().not_grouped_reason) == {ALL_ALIKE}


def test_frames_are_what_the_contracts_say(grouping: Grouping, schemas_dir: Path) -> None:
    catalogue = load_catalogue(schemas_dir)
    check_frame(grouping.customers, catalogue.table("gold.customer_group"))
    check_frame(grouping.summary, catalogue.table("gold.group_summary"))
    check_frame(grouping.profile, catalogue.table("gold.group_profile"))
    check_frame(grouping.rules, catalogue.table("gold.group_rule"))
    check_frame(grouping.judged, catalogue.table("gold.group_model"))


def test_each_group_has_a_rule_that_says_who_is_in_it(grouping: Grouping) -> None:
    rules, judged = grouping.rules.toPandas(), grouping.judged.toPandas().loc[0]
    assert set(rules.group_id) == {1, 2, 3, 4}
    assert judged.rule_fidelity >= 0.85
    assert (rules.rule_recall > 0.7).all()
    assert (rules.rule_fidelity > 0.9).all()
    # The planted second group travels, and has deposits around 60,000; the others have less of both.
    first = rules.set_index("group_id").rule[1]
    assert "deposits above" in first or "travel above" in first
    assert (rules.jaccard > 0.9).all()
    assert set(rules.stability) == {"stable"}


def test_a_first_model_is_published(grouping: Grouping) -> None:
    judged = grouping.judged.toPandas().loc[0]
    assert (bool(judged.is_published), judged.reason, judged.groups) == (True, None, 4)
    assert judged.ari_mean > 0.9
    assert grouping.model is not None
    assert [group.group_id for group in sorted(grouping.model.kept.groups, key=lambda g: g.group_id)] == [1, 2, 3, 4]
    assert grouping.model.kept.next_id == 5


def renumbered(model: KeptModel, numbers: dict[int, int]) -> KeptModel:
    """The same model under other numbers and names, its groups in another order."""
    groups = tuple(
        KeptGroup(numbers[group.group_id], f"Name {numbers[group.group_id]}", group.centre) for group in model.groups
    )
    return replace(model, version="earlier", groups=groups[::-1], next_id=90)


def test_numbers_and_names_last(
    spark: SparkSession, grouping: Grouping, customers: pd.DataFrame, bank: pd.DataFrame, policy: GroupPolicy
) -> None:
    assert grouping.model is not None
    numbers = {1: 33, 2: 7, 3: 51, 4: 12}
    earlier = renumbered(grouping.model.kept, numbers)
    later = bank.assign(balance_avg_30d=bank.balance_avg_30d * 1.3, salary_amount_365d=bank.salary_amount_365d * 1.1)
    with group_customers(
        as_features(spark, later), policy=policy, as_of=AS_OF, model_version="v2", earlier=earlier
    ) as groups:
        now = groups.customers.toPandas().set_index("customer_id").sort_index()
        summary = groups.summary.toPandas().set_index("group_id")
        judged = groups.judged.toPandas().loc[0]
        assert groups.model is not None
        assert groups.model.kept.next_id == 90
    both = customers.join(now, rsuffix="_now").dropna(subset=["group_id"])
    assert (both.group_id.map(numbers) == both.group_id_now).mean() > 0.98
    assert summary.group_name.to_dict() == {number: f"Name {number}" for number in numbers.values()}
    assert bool(judged.is_published)
    assert judged.agreement > 0.95


def test_a_model_that_is_not_good_enough_leaves_the_work_to_the_one_before(
    spark: SparkSession, grouping: Grouping, bank: pd.DataFrame, policy: GroupPolicy
) -> None:
    assert grouping.model is not None
    three = renumbered(grouping.model.kept, {1: 1, 2: 2, 3: 3, 4: 4})
    earlier = replace(three, groups=three.groups[:3])
    strict = policy.model_copy(update={"continuity": policy.continuity.model_copy(update={"agreement_least": 0.99})})
    with group_customers(
        as_features(spark, bank), policy=strict, as_of=AS_OF, model_version="v2", earlier=earlier
    ) as groups:
        assert groups.model is None
        now = groups.customers.toPandas().set_index("customer_id").sort_index().dropna(subset=["group_id"])
        summary, rules = groups.summary.toPandas(), groups.rules.toPandas()
        judged = groups.judged.toPandas().loc[0]
    assert set(now.model_version) == {"earlier"}
    assert set(summary.group_id) == {group.group_id for group in earlier.groups}
    assert not judged.is_published
    assert judged.reason.startswith("not published, the model before goes on: agreement with the model before 0.")
    assert judged.model_version == "earlier"
    assert set(rules.stability) == {"not_measured"}
    # The same by numpy: of the planted customers each is where the nearest of the earlier centres is.
    raw = {}
    spending, channels = bank.filter(like="debit_amount_category"), bank.filter(like="txn_count_channel")
    for name in CATEGORIES:
        raw[f"spend_{name}"] = spending[f"debit_amount_category_{name}_365d"] / spending.sum(axis=1)
    for name in CHANNELS:
        raw[f"channel_{name}"] = channels[f"txn_count_channel_{name}_365d"] / channels.sum(axis=1)
    income, months = (
        bank.salary_amount_365d + bank.credit_amount_type_transfer_in_365d,
        bank.active_months_365d.clip(lower=1),
    )
    raw |= {"income_level": income / months, "income_salary": bank.salary_amount_365d / income}
    raw |= {"activity": bank.customer_txn_count_365d / months, "deposits": bank.balance_avg_30d}
    assert set(raw) == {scale.feature for scale in earlier.scales}
    x = vectors_of(earlier, {name: values.to_numpy(dtype=float) for name, values in raw.items()})
    expected = pd.Series([earlier.groups[place].group_id for place in nearest(x, earlier.centres)], bank.customer_id)
    assert (expected[now.index] == now.group_id).mean() > 0.995


class Killed(Exception):
    """Stands for a power cut."""


@pytest.mark.delta
def test_f30_half_a_model_is_never_pointed_at(
    spark: SparkSession,
    grouping: Grouping,
    policy: GroupPolicy,
    schemas_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """F30: a run that dies while it saves a model leaves the pointer at the old one; the next run repairs it."""

    def die(name: str, _: str = "") -> None:
        if name == "model.half_written":
            raise Killed

    fitted = grouping.model
    assert fitted is not None
    catalogue = load_catalogue(schemas_dir)
    with Lease(tmp_path) as lease:
        lake = Lake(spark, tmp_path, catalogue, lease=lease)
        keep_model(ModelStore(lake), fitted, policy=policy, as_of=AS_OF)
        first = ModelStore(lake).version(AS_OF)
    with Lease(tmp_path) as lease:
        lake = Lake(spark, tmp_path, catalogue, lease=lease)
        second = ModelStore(lake).version(AS_OF)
        with monkeypatch.context() as patched:
            patched.setattr(model_module, "fault_point", die)
            with pytest.raises(Killed):
                keep_model(ModelStore(lake), fitted, policy=policy, as_of=AS_OF)
        assert (tmp_path / "models" / "customer_group" / second).exists()
        assert [row.version for row in lake.read("ops.models").where("is_current").collect()] == [first]

        keep_model(ModelStore(lake), fitted, policy=policy, as_of=AS_OF)
        rows = {row.version: row for row in lake.read("ops.models").collect()}
        store = ModelStore(lake)
        assert [model.version for model in store.versions("customer_group")] == [first, second]
        current = store.current("customer_group")
        assert current is not None
        assert (current.version, current.as_of, current.folder) == (second, AS_OF, tmp_path / rows[second].path)
        assert store.current("customer_group", until=date(1990, 1, 1)) is None
        assert store.current("another") is None
    assert {version: row.is_current for version, row in rows.items()} == {first: False, second: True}
    assert read_kept(tmp_path / rows[second].path) == fitted.kept
    saved = KMeansModel.load(str(tmp_path / rows[second].path / "kmeans"))
    assert [list(centre) for centre in saved.clusterCenters()] == [list(centre) for centre in fitted.groups.centres]
