"""Scores of a lake with a planted rate of first cards: what is learnt from, when it is refused, which model is kept."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from pyspark.sql import Row, SparkSession
from sklearn.metrics import roc_auc_score
from tests.deliveries import run_job

from portrait.capabilities.prospects.declaration import load_targets
from portrait.capabilities.prospects.policy import TrainingPolicy
from portrait.capabilities.prospects.training import add_months, split_by_time
from portrait.errors import ConfigurationError
from portrait.labels import load_labels
from portrait.labels.declared import Declared
from portrait.lake import Lake, Lease, ModelStore, Write
from portrait.run.job import shared_lake
from portrait.run.suite import load_suite

DAYS = [date(2025, month, day) for month, day in ((3, 31), (4, 30), (5, 31), (6, 30), (9, 30))]
AS_OF, NEXT = date(2025, 12, 31), date(2026, 1, 31)
FIRST = DAYS[0]
CUSTOMERS = 2_500
SCORES, MODELS, FEATURES = "gold.prospect_scores", "gold.prospect_models", "gold.customer_features"


def planted(seed: int) -> pd.DataFrame:
    """Customers with age, income, a rate of first cards a day, and the day of the first card."""
    draw = np.random.default_rng(seed)
    age, income = draw.integers(18, 80, CUSTOMERS), draw.lognormal(7.5, 0.6, CUSTOMERS)
    rate = 0.0016 * np.exp(0.9 * np.log(income / 1_800) - 0.05 * (age - 45))
    took = np.minimum(draw.exponential(1 / rate), 10_000).astype(int) + 1
    held = draw.random(CUSTOMERS) < 0.2  # have one since before the first slice
    took = np.where(held, -30, took)
    names = [f"c{number}" for number in range(CUSTOMERS)]
    return pd.DataFrame({"customer_id": names, "age": age, "income": income, "rate": rate, "took": took})


@dataclass
class Bank:
    """A lake to which features and cards are written by hand."""

    spark: SparkSession
    root: Path
    conf: Path
    catalogue: Any
    people: pd.DataFrame

    def lake(self, lease: Lease | None = None) -> Lake:
        return Lake(self.spark, self.root, self.catalogue, lease=lease)

    def write(self, days: list[date], *, noise: bool = False) -> None:
        """Slices of features; with `noise` they are somebody else's: nothing can be learnt from them."""
        who = self.people.sample(frac=1, random_state=3).reset_index(drop=True) if noise else self.people
        known = pd.DataFrame({"customer_id": self.people["customer_id"], "age": who["age"], "income": who["income"]})
        listed = ", ".join(f"date'{day}'" for day in days)
        given = {
            "as_of": "day", "customer_id": "customer_id", "relationship": "'owner'",
            "age_years": "cast(age as int)", "salary_avg_90d": "cast(income as decimal(18,2))",
            "balance_avg_90d": "cast(income * (1 + xxhash64(customer_id) % 100 / 200) as decimal(18,2))",
            "contact_count_90d": "if(age > 60, 1L, 0L)", "tenure_days": "900",
        }  # fmt: skip
        columns = [
            f"{given.get(c.name, f'cast(null as {c.physical_type})')} as {c.name}"
            for c in self.catalogue.table(FEATURES).columns
        ]
        of_days = self.spark.createDataFrame(known).selectExpr("*", f"explode(array({listed})) as day")
        rows = of_days.selectExpr(*columns)
        with Lease(self.root) as lease:
            lake = self.lake(lease)
            # Several slices in one commit, because each commit costs a second.
            where = f"as_of in ({listed})" if lake.has(FEATURES) else None
            lake.overwrite(FEATURES, rows, where=where)
            lake.writes = [Write(FEATURES, day, lake.version(FEATURES)) for day in days]
            lake.complete("customer_features", as_of=days[-1], inputs={}, seconds=0.0)

    def issue_cards(self) -> None:
        """silver.cards: every first card, whenever it comes."""
        people = self.spark.createDataFrame(self.people)
        day = f"date_add(date'{FIRST}', cast(took as int))"
        given = {
            "card_id": "concat('k', customer_id)", "account_id": "concat('a', customer_id)",
            "customer_id": "customer_id", "type": "'classic'", "issued_on": day, "valid_from": f"timestamp({day})",
            "is_current": "true",
        }  # fmt: skip
        with Lease(self.root) as lease:
            lake = self.lake(lease)
            for table in ("cards", "accounts", "account_parties"):
                columns = [
                    f"cast({given.get(c.name, 'null')} as {c.physical_type}) as {c.name}"
                    for c in self.catalogue.table(f"silver.{table}").columns
                ]
                rows = people.selectExpr(*columns)
                lake.append(f"silver.{table}", rows if table == "cards" else rows.where("false"))
            lake.complete("entities", as_of=None, inputs={}, seconds=0.0)

    def run(self, day: date) -> None:
        with Lease(self.root) as lease, shared_lake(self.lake(lease)) as lake:
            run_job("prospect_scores", "--as-of", str(day), "--conf", str(self.conf))
            lake.complete("prospect_scores", as_of=day, inputs={}, seconds=0.0)

    def models(self, day: date) -> dict[str, Row]:
        return {row.target: row for row in self.lake().slice(MODELS, day).collect()}


@pytest.fixture(scope="module")
def bank(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, conf_dir: Path, schemas_dir: Path) -> Bank:
    folder = tmp_path_factory.mktemp("prospects")
    conf = folder / "conf"
    shutil.copytree(conf_dir, conf)
    policy = yaml.safe_load((conf / "prospects.yml").read_text(encoding="utf-8"))
    policy["boosting"]["trees"], policy["report"]["resamples"] = 10, 30
    (conf / "prospects.yml").write_text(yaml.safe_dump(policy), encoding="utf-8")
    made = Bank(spark, folder / "lake", conf, load_suite(conf_dir, schemas_dir), planted(5))
    made.write([*DAYS, AS_OF])
    made.issue_cards()
    return made


@pytest.fixture(scope="module")
def scored(bank: Bank) -> Bank:
    """Refused at the end of June, scored at the end of the year."""
    bank.run(DAYS[3])
    bank.run(AS_OF)
    return bank


pytestmark = pytest.mark.delta


def test_with_too_few_past_slices_it_says_so_and_writes_no_scores(scored: Bank) -> None:
    row = scored.models(DAYS[3])["card"]
    assert (row.state, row.customers, row.model_version) == ("refused", 0, None)
    assert row.reason.startswith(
        "too few past slices (3): a model is measured on one that is 3 months old on 2025-06-30,"
    )
    assert DAYS[3] not in scored.lake().slices(SCORES)


def test_targets_whose_table_the_bank_does_not_deliver_are_refused_alone(scored: Bank) -> None:
    models = scored.models(AS_OF)
    assert (models["card"].state, models["loan"].state, models["investment"].state) == ("scored", "refused", "refused")
    assert "silver.loans" in models["loan"].reason


def test_scores_rank_as_the_planted_rate_and_leave_holders_out(scored: Bank) -> None:
    days = (AS_OF - FIRST).days
    people = scored.people.set_index("customer_id")
    found = scored.lake().slice(SCORES, AS_OF).toPandas().set_index("customer_id")
    without = people[people["took"] > days]
    assert sorted(found.index) == sorted(without.index)
    later = (without["took"] <= days + 90).astype(int)
    best = roc_auc_score(later, without["rate"])
    assert roc_auc_score(later, found["card_propensity"].loc[without.index]) >= best - 0.02
    expected = 1 - np.exp(-without["rate"] * 90)
    assert found["card_propensity"].mean() == pytest.approx(expected.mean(), rel=0.2)
    sizes = found["card_decile"].value_counts()
    assert set(sizes.index) == set(range(1, 11))
    assert sizes.max() - sizes.min() <= 6  # customers of equal scores are not divided
    assert found.groupby("card_decile")["card_propensity"].min().is_monotonic_increasing


def test_models_learn_from_slices_whose_horizon_had_passed_on_the_day_of_validation(scored: Bank) -> None:
    row = scored.models(AS_OF)["card"]
    assert (row.learnt_from, row.learnt_until, row.validated_on) == (DAYS[0], DAYS[3], DAYS[4])
    assert row.decision == "first model"
    assert row.auc_low < row.auc < row.auc_high
    assert 0.6 < row.calibration_slope < 1.4
    assert row.customers == scored.lake().slice(SCORES, AS_OF).count()
    aged = scored.people[scored.people["took"] > (DAYS[4] - FIRST).days]
    assert row.targeted_share == pytest.approx((aged["age"] > 60).mean())


def test_reasons_name_the_features_that_decide_with_their_values(scored: Bank) -> None:
    rows = scored.lake().slice(SCORES, AS_OF).select("customer_id", "card_reasons").collect()
    ages = scored.people.set_index("customer_id")["age"]
    old = next(row for row in rows if ages[row.customer_id] == 78)
    age = next(reason for reason in old.card_reasons if ": 78 (" in reason)
    assert "lowers the odds" in age
    assert len(old.card_reasons) == 3


def test_what_comes_after_the_day_does_not_matter(scored: Bank) -> None:
    before = scored.lake().slice(SCORES, AS_OF).toPandas().sort_values("customer_id", ignore_index=True)
    scored.write([NEXT], noise=True)
    scored.run(AS_OF)  # a second version of the model: the first one is of this very day
    after = scored.lake().slice(SCORES, AS_OF).toPandas().sort_values("customer_id", ignore_index=True)
    pd.testing.assert_frame_equal(before, after)
    assert scored.models(AS_OF)["card"].decision == "first model"


def test_a_worse_new_model_does_not_replace_the_one_in_use(scored: Bank) -> None:
    """In July nothing of October's customers could be learnt: the slices it learns from are exchanged for noise."""
    day = date(2026, 2, 28)
    kept = scored.models(AS_OF)["card"]
    # The new validation slice, November, and new slices to learn from, of which only noise is told.
    scored.write([*DAYS[:4], date(2025, 7, 31), date(2025, 8, 31)], noise=True)
    scored.write([date(2025, 11, 30), day])
    scored.run(day)
    row = scored.models(day)["card"]
    assert row.decision == "model in use kept: the new one was worse"
    assert row.champion_auc > 0.6
    assert (row.fitted_at, row.validated_on, row.auc) == (AS_OF, DAYS[4], kept.auc)
    assert row.notes[-1].startswith("a new model reached an AUC of 0.")
    current = ModelStore(scored.lake()).current("propensity_card")
    assert current is not None
    assert (current.version, current.as_of) == (row.model_version, AS_OF)


@pytest.mark.parametrize(
    ("day", "months", "later"),
    [
        (date(2025, 1, 31), 1, date(2025, 2, 28)),
        (date(2025, 11, 30), 3, date(2026, 2, 28)),
        (date(2025, 12, 5), 1, date(2026, 1, 5)),
    ],
)
def test_months_are_added_as_spark_does(spark: SparkSession, day: date, months: int, later: date) -> None:
    assert add_months(day, months) == later
    assert spark.sql(f"select add_months(date'{day}', {months}) as day").head()["day"] == later  # type: ignore[index]


def test_neighbouring_slices_are_not_learnt_from_twice() -> None:
    daily = [date(2025, 1, 1) + timedelta(days=number) for number in range(300)]
    split = split_by_time(daily, as_of=date(2025, 10, 1), months=2, policy=TrainingPolicy(apart_days=30))
    assert split is not None
    assert split.validation == date(2025, 8, 1)
    assert split.learnt[-1] == date(2025, 6, 1)
    assert all((later - earlier).days == 30 for earlier, later in zip(split.learnt, split.learnt[1:], strict=False))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"id": "other"}, "the target calls itself 'other'"),
        ({"features": ["age_years", "nothing_*"]}, "no column of gold.customer_features is called 'nothing_*'"),
        ({"event": {"source": "cards", "where": {"colour": ["red"]}}}, "'colour' is no dimension of cards"),
        ({"event": {"source": "transactions"}}, "'transactions' has no events"),
        ({"population": "card_decile >= 8"}, "no label or audience has this name"),
        ({"population": "contactable"}, "no label or audience has this name"),
        (
            {"features": ["age_years"], "leave_out": [{"features": ["age_*"], "reason": "none is left"}]},
            "no feature is",
        ),
    ],
)
def test_a_mistake_is_named_with_file_and_line(
    tmp_path: Path, conf_dir: Path, schemas_dir: Path, change: dict[str, Any], says: str
) -> None:
    catalogue = load_suite(conf_dir, schemas_dir)
    (tmp_path / "prospects").mkdir()
    target = yaml.safe_load((conf_dir / "prospects" / "card.yml").read_text(encoding="utf-8"))
    file = tmp_path / "prospects" / "card.yml"
    file.write_text(yaml.safe_dump(target | change), encoding="utf-8")
    with pytest.raises(ConfigurationError) as refused:
        load_targets(tmp_path, Declared(catalogue, load_labels(conf_dir, catalogue)))
    assert says in refused.value.message
    assert refused.value.where.startswith(f"{file}:")
