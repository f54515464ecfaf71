"""Lifetime value: published parameters, gradients, planted parameters, and from bookings to scores."""

from __future__ import annotations

import csv
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from scipy.optimize import check_grad
from scipy.stats import gamma, nbinom
from tests.conftest import SHARED_DATA
from threadpoolctl import threadpool_limits

from portrait.capabilities.lifetime import bgnbd, gamma_gamma
from portrait.capabilities.lifetime.bgnbd import Purchases
from portrait.capabilities.lifetime.calibration import calibration
from portrait.capabilities.lifetime.gamma_gamma import Spend
from portrait.capabilities.lifetime.lifetime import (
    Model,
    discounted_purchases,
    fit_models,
    initiated,
    model_rows,
    models_of,
    purchase_histories,
    score_histories,
    seen_purchases,
    seen_spend,
)
from portrait.capabilities.lifetime.likelihood import FitFailed, Floats
from portrait.capabilities.lifetime.policy import LifetimePolicy
from portrait.contracts import load_catalogue
from portrait.entities.kinds import kind_code
from portrait.errors import PortraitError
from portrait.features import load_features

AS_OF = date(2024, 1, 31)
POLICY = LifetimePolicy(unit_days=7, window_units=104, horizon_units=39, discount_rate=0.0, least_repeaters=50)


def column(values: list[float]) -> Floats:
    return np.array(values, dtype=np.float64)


@pytest.fixture(scope="module")
def cdnow() -> list[dict[str, float]]:
    """The CDNOW 1/10 sample: x, t_x, T in weeks, mean spend."""
    path = SHARED_DATA / "cdnow" / "cdnow_sample_summary.csv"
    if not path.is_file():
        pytest.skip("real data is absent: cdnow (set PORTRAIT_TEST_DATA to the folder that holds it)")
    with path.open(newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def purchases(cdnow: list[dict[str, float]]) -> Purchases:
    return Purchases(*(column([row[name] for row in cdnow]) for name in ("x", "t_x", "T")), np.ones(len(cdnow)))


@pytest.fixture(scope="module")
def spend(cdnow: list[dict[str, float]]) -> Spend:
    again = [row for row in cdnow if row["x"] > 0]
    return Spend(column([row["x"] for row in again]), column([row["zbar"] for row in again]), np.ones(len(again)))


def test_bgnbd_of_cdnow_as_published(purchases: Purchases) -> None:
    # Fader, Hardie, Lee (2005), table 2.
    fit = bgnbd.fit(purchases)
    assert [round(value, 3) for value in fit.values] == [0.243, 4.414, 0.793, 2.426]
    assert fit.log_likelihood == pytest.approx(-9582.43, abs=0.01)
    assert fit.observations == 2357


def test_forecast_of_a_cdnow_customer_as_published(purchases: Purchases) -> None:
    values, (x, t_x, T) = bgnbd.fit(purchases).values, (column([item]) for item in (2, 30.43, 38.86))
    assert bgnbd.expected_purchases(values, 39, x, t_x, T)[0] == pytest.approx(1.226, abs=0.0005)
    assert bgnbd.probability_alive(values, x, t_x, T)[0] == pytest.approx(0.7266, abs=0.00005)


def test_gamma_gamma_of_cdnow_as_published(spend: Spend, cdnow: list[dict[str, float]]) -> None:
    # Fader, Hardie (2013): p = 6.25, q = 3.74, v = 15.44, from spend in cents; the file here has rounded means.
    fit = gamma_gamma.fit(spend)
    assert fit.observations == 946
    assert fit.values == pytest.approx([6.25, 3.74, 15.44], abs=0.01)
    x, m = (column([row[name] for row in cdnow]) for name in ("x", "zbar"))
    assert gamma_gamma.expected_spend(fit.values, x, m).mean() == pytest.approx(35.25, abs=0.005)
    assert spend.m.mean() == pytest.approx(35.08, abs=0.005)


@pytest.mark.parametrize("values", [(0.3, 4.0, 0.8, 2.5), (2.0, 0.5, 3.0, 0.4), (0.05, 30.0, 0.1, 9.0)])
def test_the_gradient_of_bgnbd_is_the_finite_difference(purchases: Purchases, values: tuple[float, ...]) -> None:
    few = Purchases(*(getattr(purchases, name)[:200] for name in ("x", "t_x", "T", "customers")))
    wrong = check_grad(lambda v: bgnbd.log_likelihood(v, few)[0], lambda v: bgnbd.log_likelihood(v, few)[1], values)
    assert wrong < 1e-5 * np.abs(bgnbd.log_likelihood(column(list(values)), few)[1]).max()


@pytest.mark.parametrize("values", [(6.0, 4.0, 15.0), (0.7, 2.5, 80.0)])
def test_the_gradient_of_gamma_gamma_is_the_finite_difference(spend: Spend, values: tuple[float, ...]) -> None:
    few = Spend(*(getattr(spend, name)[:200] for name in ("x", "m", "customers")))
    wrong = check_grad(
        lambda v: gamma_gamma.log_likelihood(v, few)[0], lambda v: gamma_gamma.log_likelihood(v, few)[1], values
    )
    assert wrong < 1e-5 * np.abs(gamma_gamma.log_likelihood(column(list(values)), few)[1]).max()


def test_customers_who_are_alike_may_be_counted_together(purchases: Purchases) -> None:
    rows = np.stack([purchases.x, purchases.t_x, purchases.T])
    distinct, customers = np.unique(rows, axis=1, return_counts=True)
    assert len(customers) < 1500
    together = bgnbd.fit(Purchases(*distinct, customers.astype(np.float64)))
    assert together.values == pytest.approx(bgnbd.fit(purchases).values, rel=1e-8)


def test_likelihoods_do_not_depend_on_the_number_of_cores() -> None:
    dice = np.random.default_rng(5)
    x, m, customers = dice.integers(1, 90, 60_000).astype(np.float64), dice.random(60_000) * 90, dice.random(60_000)
    seen, spent = Purchases(x, m, m + 30, customers), Spend(x, m + 1, customers)
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            bought = bgnbd.log_likelihood(column([0.3, 4.0, 0.8, 2.5]), seen)
            found.append((*bought, *gamma_gamma.log_likelihood(column([6.0, 4.0, 15.0]), spent)))
    assert [np.ravel(item).tolist() for item in found[0]] == [np.ravel(item).tolist() for item in found[1]]


def simulated(customers: int, r: float, alpha: float, a: float, b: float, T: float) -> Purchases:
    """Customers who live as the model says: a rate, a chance to leave after each purchase, exponential waits."""
    dice = np.random.default_rng(20240131)
    rates, leaving = dice.gamma(r, 1 / alpha, customers), dice.beta(a, b, customers)
    x, t_x = np.zeros(customers), np.zeros(customers)
    at, here = np.zeros(customers), np.ones(customers, dtype=bool)
    while here.any():
        at = at + dice.exponential(1 / rates)
        bought = here & (at <= T)
        x[bought] += 1
        t_x[bought] = at[bought]
        here = bought & (dice.random(customers) > leaving)
    return Purchases(x, t_x, np.full(customers, T), np.ones(customers))


def test_planted_parameters_lie_within_three_standard_errors() -> None:
    planted = {"r": 0.8, "alpha": 6.0, "a": 0.9, "b": 3.0}
    fit = bgnbd.fit(simulated(20_000, T=52.0, **planted))
    for name, value in planted.items():
        assert abs(fit.parameters[name] - value) < 3 * fit.standard_errors[name], name
        assert fit.standard_errors[name] < 0.25 * value, name


def test_planted_spend_lies_within_three_standard_errors() -> None:
    planted = {"p": 4.0, "q": 3.5, "v": 60.0}
    dice = np.random.default_rng(7)
    x = dice.integers(1, 12, 20_000).astype(np.float64)
    rate = dice.gamma(planted["q"], 1 / planted["v"], len(x))
    m = dice.gamma(planted["p"] * x) / (rate * x)
    fit = gamma_gamma.fit(Spend(x, m, np.ones(len(x))))
    for name, value in planted.items():
        assert abs(fit.parameters[name] - value) < 3 * fit.standard_errors[name], name


def test_nobody_leaving_is_the_negative_binomial() -> None:
    # With a -> 0 the model is NBD: P(x) by scipy, expected purchases (r + x) / (alpha + T) t.
    r, alpha, T, t = 0.9, 5.0, 20.0, 10.0
    values = column([r, alpha, 1e-9, 1.0])
    x = np.arange(0.0, 6.0)
    expected = bgnbd.expected_purchases(values, t, x, np.full(6, 19.0), np.full(6, T))
    assert expected == pytest.approx((r + x) / (alpha + T) * t, rel=1e-6)
    # The likelihood of purchase times is that of the count without its combinatorial part, T^x / x!.
    for count in x:
        seen = Purchases(column([count]), column([min(count, 1) * T]), column([T]), np.ones(1))
        free = np.log(T) * count - np.sum(np.log(np.arange(1, count + 1)))
        assert bgnbd.log_likelihood(values, seen)[0] + free == pytest.approx(
            nbinom.logpmf(count, r, alpha / (alpha + T)), abs=1e-6
        )


def test_data_that_determine_nothing_are_refused() -> None:
    alike = Purchases(column([3.0]), column([10.0]), column([12.0]), column([500.0]))
    with pytest.raises(FitFailed, match="was not fitted"):
        bgnbd.fit(alike)
    with pytest.raises(FitFailed, match="was not fitted"):
        gamma_gamma.fit(Spend(column([1.0, 2.0]), column([10.0, 10.0]), column([300.0, 300.0])))


def test_discount_counts_each_unit_from_its_end() -> None:
    values = column([0.243, 4.414, 0.793, 2.426])
    customer = tuple(column([item]) for item in (2, 30, 38))
    plain, free = discounted_purchases(values, *customer, policy=POLICY)
    assert plain[0] == free[0] == pytest.approx(bgnbd.expected_purchases(values, 39, *customer)[0])
    year = POLICY.model_copy(update={"unit_days": 31, "horizon_units": 2, "discount_rate": 0.1})
    first = bgnbd.expected_purchases(values, 1, *customer)[0]
    second = bgnbd.expected_purchases(values, 2, *customer)[0] - first
    factor = 1.1 ** (-31 / 365)
    assert discounted_purchases(values, *customer, policy=year)[1][0] == pytest.approx(
        first * factor + second * factor**2
    )


DAILY = "customer_id string, booked_on date, kind_code int, amount_minor bigint, bookings int"


def bookings(spark: SparkSession, rows: list[tuple[str, int, int, int]]) -> DataFrame:
    """Customer, days ago, amount in cents, number; of kind 1."""
    made = [(name, AS_OF - timedelta(days=ago), 1, minor, number) for name, ago, minor, number in rows]
    return spark.createDataFrame(made, DAILY)


def test_purchases_are_weeks_with_a_booking(spark: SparkSession) -> None:
    daily = bookings(
        spark,
        [
            ("a", 0, 1000, 1), ("a", 6, 500, 2),            # this week: 20.00
            ("a", 7, 4000, 1),                              # the week before
            ("a", 27, 9900, 1),                             # four weeks ago, the first: not in the mean
            ("b", 3, 700, 1),                               # one purchase, no repeat
            ("c", 10, 100, 1), ("c", 10, 100, -1),          # taken back
            ("d", 728, 100, 1),                             # before the window
            ("e", -1, 100, 1), ("e", 727, 100, 1),          # after as_of; the first day of the window
        ],
    )  # fmt: skip
    found = purchase_histories(daily, counts=F.col("kind_code") == 1, policy=POLICY, as_of=AS_OF)
    rows = {row.customer_id: (row.x, row.t_x, row["T"], row.mean_spend) for row in found.collect()}
    assert rows == {
        "a": (2, 3, 3, Decimal("30.00")),
        "b": (0, 0, 0, None),
        "e": (0, 0, 103, None),
    }


def test_which_bookings_count_is_declared_with_the_features(
    spark: SparkSession, conf_dir: Path, schemas_dir: Path
) -> None:
    contract = load_catalogue(schemas_dir).table("silver.transactions")
    types = ("cash_deposit", "card_payment", "salary", "interest", "transfer_out", None)
    rows = [("debit", kind, "mobile", "grocery") for kind in types]
    frame = spark.createDataFrame(rows, "direction string, type string, channel string, category string")
    coded = frame.withColumn("kind_code", F.expr(kind_code(contract)))
    kept = coded.where(initiated(load_features(conf_dir), contract)).select("type").collect()
    assert [row.type for row in kept] == ["cash_deposit", "card_payment", "transfer_out"]


@pytest.fixture(scope="module")
def histories(spark: SparkSession) -> DataFrame:
    """4,000 customers of known habits, whole weeks, mean spend from Gamma-Gamma (p 4, q 3.5, v 60)."""
    seen = simulated(4000, r=0.8, alpha=6.0, a=0.9, b=3.0, T=80.0)
    dice = np.random.default_rng(3)
    rate = gamma.rvs(3.5, scale=1 / 60.0, size=4000, random_state=dice)
    spent = dice.gamma(4.0 * np.maximum(seen.x, 1)) / (rate * np.maximum(seen.x, 1))
    rows = [
        (f"c{n}", int(x), int(np.ceil(t_x)), 80, Decimal(f"{max(m, 0.01):.2f}") if x else None)
        for n, (x, t_x, m) in enumerate(zip(seen.x, seen.t_x, spent, strict=True))
    ]
    frame = spark.createDataFrame(rows, "customer_id string, x int, t_x int, T int, mean_spend decimal(18,2)")
    return frame.coalesce(1).cache()


@pytest.fixture(scope="module")
def models(histories: DataFrame) -> dict[str, Model]:
    return fit_models(histories, earlier={}, policy=POLICY, as_of=AS_OF)


def test_counts_from_spark_give_the_fit_of_all_rows(histories: DataFrame, models: dict[str, Model]) -> None:
    rows = histories.toPandas()
    x, t_x, T = (rows[name].to_numpy(np.float64) for name in ("x", "t_x", "T"))
    whole = bgnbd.fit(Purchases(x, t_x, T, np.ones(len(x))))
    assert models["bgnbd"].values == pytest.approx(whole.values, rel=1e-6)
    again = rows[rows["x"] > 0]
    exact = gamma_gamma.fit(
        Spend(again["x"].to_numpy(np.float64), again["mean_spend"].astype(float).to_numpy(), np.ones(len(again)))
    )
    # Mean spend is put together by its first three digits.
    assert models["gamma_gamma"].values == pytest.approx(exact.values, rel=1e-3)


def test_what_reaches_the_driver_is_small_and_complete(histories: DataFrame) -> None:
    seen, spent = seen_purchases(histories), seen_spend(histories)
    assert seen.customers.sum() == histories.count()
    assert len(seen.x) < 0.4 * seen.customers.sum()
    assert spent.customers.sum() == histories.where("x > 0").count()


def test_scores_are_those_of_the_formulas(histories: DataFrame, models: dict[str, Model]) -> None:
    rows = {row.customer_id: row for row in histories.limit(300).collect()}
    scored = score_histories(histories.limit(300), models, policy=POLICY).collect()
    assert len(scored) == len(rows)
    for row in scored:
        seen = rows[row.customer_id]
        triple = [column([float(seen[name])]) for name in ("x", "t_x", "T")]
        mean = column([float(seen.mean_spend or 0)])
        expected = bgnbd.expected_purchases(models["bgnbd"].values, 39, *triple)[0]
        spent = gamma_gamma.expected_spend(models["gamma_gamma"].values, triple[0], mean)[0]
        assert row.purchases == seen.x + 1
        assert row.p_alive == pytest.approx(bgnbd.probability_alive(models["bgnbd"].values, *triple)[0], abs=1e-6)
        assert row.expected_purchases == pytest.approx(expected, abs=1e-4)
        assert float(row.expected_spend) == pytest.approx(spent, abs=0.006)
        assert float(row.lifetime_value) == pytest.approx(spent * expected, abs=0.006)


def test_a_model_that_cannot_be_fitted_is_that_of_the_slice_before(
    spark: SparkSession, histories: DataFrame, models: dict[str, Model], schemas_dir: Path
) -> None:
    contract = load_catalogue(schemas_dir).table("gold.value_model")
    earlier = models_of(spark.createDataFrame(model_rows(models, AS_OF), contract.struct_type))
    later, many = date(2024, 2, 29), POLICY.model_copy(update={"least_repeaters": 100_000})
    kept = fit_models(histories, earlier=earlier, policy=many, as_of=later)
    assert {name: model.fitted_on for name, model in kept.items()} == {"bgnbd": AS_OF, "gamma_gamma": AS_OF}
    assert kept["bgnbd"].values == pytest.approx(models["bgnbd"].values)
    rows = model_rows(kept, later)
    assert len(rows) == 7
    assert all("100000 are needed" in row[-1] and row[4] is None for row in rows)


def test_without_a_model_there_are_purchases_and_no_forecast(histories: DataFrame) -> None:
    many = POLICY.model_copy(update={"least_repeaters": 100_000})
    none = fit_models(histories, earlier={}, policy=many, as_of=AS_OF)
    assert none == {}
    rows = score_histories(histories.limit(20), none, policy=POLICY).collect()
    assert len(rows) == 20
    assert all(row.purchases > 0 and row.p_alive is None and row.lifetime_value is None for row in rows)


@pytest.fixture(scope="module")
def cdnow_days(spark: SparkSession) -> DataFrame:
    """The purchases of the CDNOW sample, 1997-01-01 to 1998-06-30, as daily bookings."""
    path = SHARED_DATA / "cdnow" / "cdnow_sample_elog.csv"
    if not path.is_file():
        pytest.skip("real data is absent: cdnow (set PORTRAIT_TEST_DATA to the folder that holds it)")
    with path.open(newline="") as file:
        rows = [
            (row["sampleid"], datetime.strptime(row["date"], "%Y%m%d").date(), 1, round(float(row["sales"]) * 100), 1)
            for row in csv.DictReader(file)
        ]
    return spark.createDataFrame(rows, DAILY).coalesce(1).cache()


# 39 weeks of purchases in days, and the 39 weeks after.
HALF = LifetimePolicy(unit_days=1, window_units=273, horizon_units=273, discount_rate=0.0, least_repeaters=50)


def test_bookings_of_cdnow_lead_to_the_published_parameters(cdnow_days: DataFrame) -> None:
    seen = purchase_histories(cdnow_days, counts=F.lit(True), policy=HALF, as_of=date(1997, 9, 30))
    fit = fit_models(seen, earlier={}, policy=HALF, as_of=date(1997, 9, 30))["bgnbd"]
    r, alpha, a, b = fit.values
    assert [round(value, 3) for value in (r, alpha / 7, a, b)] == [0.243, 4.414, 0.793, 2.426]


def test_the_forecast_of_cdnow_beside_what_came(cdnow_days: DataFrame) -> None:
    rows = calibration(cdnow_days, counts=F.lit(True), policy=HALF, as_of=date(1998, 6, 30), held_out=273).collect()
    assert sum(row.customers for row in rows) == 2357
    # Days with a purchase after 30 September 1997 in the file, and the model's sum by pandas and the formula.
    assert sum(row.customers * row.came for row in rows) == pytest.approx(1882)
    assert sum(row.customers * row.expected for row in rows) == pytest.approx(1653.4, abs=0.1)
    assert [row.tenth for row in rows] == sorted(row.tenth for row in rows)
    assert rows[-1].came > 3 * rows[0].came
    assert [row.expected for row in rows] == sorted(row.expected for row in rows)


def test_a_forecast_without_a_model_is_refused(cdnow_days: DataFrame) -> None:
    with pytest.raises(PortraitError, match="do not determine a model"):
        calibration(cdnow_days, counts=F.lit(True), policy=HALF, as_of=date(1997, 1, 8), held_out=7)
