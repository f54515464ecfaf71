"""The monthly hazard of arrears: loan-months by hand, the fit against scipy, the probability of twelve months."""

from __future__ import annotations

import itertools
import math
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression
from tests.report.figures import figures

from portrait.capabilities.early_warning.hazard import counted_patterns, loan_hazards, loan_months, month_ends
from portrait.capabilities.early_warning.hazard_fit import HazardModel, Pattern, fit_hazard, judge
from portrait.capabilities.early_warning.hazard_rows import hazard_row
from portrait.capabilities.early_warning.policy import Hazard
from portrait.capabilities.early_warning.report import warnings_section
from portrait.contracts import load_catalogue

DAY = date(2025, 6, 30)
POLICY = Hazard(months_on_book=(3,), capacity=1, least_events=1)
# Loan: day of the month on which the instalment due on the 5th is paid, by month from January; 0: never.
PAID: dict[str, list[int]] = {
    "good": [5, 5, 5, 5, 5, 5],
    "slow then gone": [5, 20, 20, 0, 0, 0],  # due on 5 April: in arrears on 6 May; late twice by 31 March
    "gone at once": [5, 5, 5, 0, 0, 0],  # nothing late by 7 March, 60 days before
    "late now": [5, 5, 5, 5, 15, 0],
}


@pytest.fixture(scope="module")
def months(spark: SparkSession) -> DataFrame:
    rows = []
    for loan, days in PAID.items():
        for month, day in enumerate(days, start=1):
            paid = date(2025, month, day) if day else None
            rows.append((loan, date(2025, month, 5), "100.00", paid, "100.00" if paid else None))
    instalments = spark.createDataFrame(
        rows, "loan_id string, due_on date, amount_due string, paid_on date, amount_paid string"
    ).selectExpr(
        "loan_id", "due_on", "cast(amount_due as decimal(18,2)) amount_due", "paid_on",
        "cast(amount_paid as decimal(18,2)) amount_paid", "timestamp'2025-01-01' valid_from",
        "cast(null as timestamp) valid_to",
    )  # fmt: skip
    loans = spark.createDataFrame(
        [(loan, f"account of {loan}", date(2024, 12, 31), datetime(2024, 12, 31), None) for loan in PAID],
        "loan_id string, account_id string, granted_on date, valid_from timestamp, valid_to timestamp",
    )
    tables = {"loans": loans, "instalments": instalments}
    ends = month_ends(DAY, 5)
    assert ends[0] == date(2025, 1, 31)
    assert ends[-1] == DAY
    return loan_months(tables, policy=POLICY, late_days=5, ends=ends, as_of=DAY).localCheckpoint()


def test_months_at_risk_by_hand(months: DataFrame) -> None:
    found = {(row.loan_id, row.month_end.month): row for row in months.collect()}
    assert {loan: found[loan, 6].arrears_on for loan in PAID} == {
        "good": None, "slow then gone": date(2025, 5, 6), "gone at once": date(2025, 5, 6), "late now": None,
    }  # fmt: skip
    late = {month: found["slow then gone", month].late_90d for month in range(1, 5)}
    assert late == {1: 0, 2: 1, 3: 2, 4: 3}  # the one of April is 25 days late by its end
    assert {month: found["slow then gone", month].past_due for month in (3, 4)} == {3: False, 4: True}
    now = found["late now", 6]
    assert (now.late_90d, now.past_due, now.months_on_book) == (2, True, 6)


def test_loan_months_are_counted_once_and_not_after_arrears(months: DataFrame) -> None:
    """Four loans from January to May, of which two fall in May: 4 x 4 months at risk and 2 in May."""
    patterns = counted_patterns(months, policy=POLICY, ends=month_ends(DAY, 5))
    by_month = {month: [sum(values) for values in zip(*[(p.loans, p.fell, p.fell_later) for p in patterns
                if p.month_end.month == month], strict=True)] for month in range(1, 6)}  # fmt: skip
    assert by_month == {1: [4, 0, 0], 2: [4, 0, 2], 3: [4, 0, 2], 4: [4, 2, 2], 5: [2, 0, 0]}


@pytest.mark.parametrize("loans", [2_000, 20_000, 100_000])
def test_rare_arrears_that_signs_nearly_tell_are_fitted_as_by_scikit_learn(loans: int) -> None:
    """A whole Newton step leads too far here; the penalty makes the maximum one point."""
    policy = Hazard(months_on_book=(6, 12, 24, 36), least_events=20)
    rng = np.random.default_rng(1)
    patterns = []
    for month, stretch, late, past_due in itertools.product(range(1, 13), range(5), range(4), (False, True)):
        number = int(loans * (0.9 if late == 0 else 0.02) * (0.02 if past_due else 1)) // 5
        chance = 0.9 if past_due and late > 1 else 0.3 if past_due else 0.00005 if late > 2 else 0.0
        fell = int(rng.binomial(number, chance))
        if number:
            patterns.append(Pattern(date(2025, month, 28), stretch, late, past_due, number, fell, fell))
    model = fit_hazard(patterns, policy)
    assert model is not None
    x = [[*(float(stretch == p.stretch) for stretch in range(5)), p.late, p.past_due] for p in patterns]
    weights = [p.fell for p in patterns] + [p.loans - p.fell for p in patterns]
    both, outcomes = np.array(x + x, dtype=float), [1] * len(patterns) + [0] * len(patterns)
    other = LogisticRegression(C=1 / policy.penalty, solver="newton-cg", tol=1e-10, max_iter=10_000)
    other.fit(both, outcomes, sample_weight=weights)
    found = [*model.base, model.of_late, model.of_past_due]
    expected = [*(other.intercept_[0] + other.coef_[0][:5]), *other.coef_[0][5:]]
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_probabilities_the_one_worked_on_and_false_calm(months: DataFrame, schemas_dir: Path) -> None:
    model = HazardModel(bounds=(8,), base=(-5.0, -4.0), of_late=0.5, of_past_due=1.0)
    debtors = months.selectExpr("account_id", "concat('owner of ', loan_id) as customer_id").distinct()
    rows = loan_hazards(months, debtors, model, policy=POLICY, model_version="v1", as_of=DAY).collect()
    found = {row.loan_id: row for row in rows}
    assert set(found) == set(PAID)

    def likely(shift: float) -> float:
        """Months 6 and 7 on book have the first level, 8 to 17 the second."""
        levels = [-5.0] * 2 + [-4.0] * 10
        return 1 - math.prod(1 - 1 / (1 + math.exp(-(level + shift))) for level in levels)

    assert found["good"].probability == pytest.approx(likely(0), rel=1e-12)
    assert found["late now"].probability == pytest.approx(likely(2 * 0.5 + 1), rel=1e-12)
    assert {loan: row.place for loan, row in found.items() if row.place} == {"late now": 1}
    assert {loan for loan, row in found.items() if row.probability is None} == {"slow then gone", "gone at once"}
    # 60 days before 6 May is 7 March: the one late instalment of February is no sign yet, two are asked for.
    assert {loan for loan, row in found.items() if row.is_missed} == {"slow then gone", "gone at once"}
    one = POLICY.model_copy(update={"sign_late": 1})
    without = loan_hazards(months, debtors, None, policy=one, model_version=None, as_of=DAY)
    contract = load_catalogue(schemas_dir).table("gold.loan_hazards")
    assert dict(without.dtypes) == {column.name: column.physical_type.lower() for column in contract.columns}
    again = without.collect()
    assert {row.loan_id: row.warned_on for row in again if row.arrears_on} == {
        "slow then gone": date(2025, 2, 28),
        "gone at once": None,
    }
    assert {(row.probability, row.place) for row in again} == {(None, None)}


def drawn(seed: int = 3) -> list[Pattern]:
    draws = np.random.default_rng(seed)
    made = []
    for month in range(1, 10):
        for stretch in (0, 1):
            for late in range(4):
                for past_due in (False, True):
                    loans = int(draws.integers(20, 400))
                    hazard = 1 / (1 + math.exp(-(-5 + 0.8 * stretch + 0.7 * late + 1.2 * past_due)))
                    fell = int(draws.binomial(loans, hazard))
                    later = fell + int(draws.binomial(loans - fell, min(2 * hazard, 0.9)))
                    made.append(Pattern(date(2025, month, 28), stretch, late, past_due, loans, fell, later))
    return made


def test_the_fit_is_that_of_scipy() -> None:
    patterns, policy = drawn(), Hazard(months_on_book=(12,), penalty=0.7)
    model = fit_hazard(patterns, policy)
    assert model is not None

    def loss(beta: np.ndarray) -> float:
        total = 0.35 * float((beta[1:] ** 2).sum())
        for p in patterns:
            odds = beta[0] + beta[1 + p.stretch] + beta[3] * p.late + beta[4] * p.past_due
            total += p.loans * math.log1p(math.exp(odds)) - p.fell * odds
        return total

    best = minimize(loss, np.zeros(5), method="BFGS", options={"gtol": 1e-6}).x
    assert model.base == pytest.approx((best[0] + best[1], best[0] + best[2]), abs=1e-4)
    assert (model.of_late, model.of_past_due) == pytest.approx((best[3], best[4]), abs=1e-4)


def test_a_ranking_is_judged_by_a_model_of_earlier_months() -> None:
    """July of nine months is judged three months later: what became of later months does not matter to it."""
    patterns, policy = drawn(), Hazard(months_on_book=(12,), capacity=300, judged_months=2)
    ends = [date(2025, month, 28) for month in range(1, 11)]
    judged = judge(patterns, ends, policy)
    assert judged is not None
    assert judged.day == date(2025, 8, 28)
    changed = [p._replace(fell=p.loans, fell_later=p.loans) if p.month_end > judged.day else p for p in patterns]
    assert judge(changed, ends, policy) == judged
    # By hand: the same ranking, taken loan by loan.
    model = fit_hazard([p for p in patterns if p.month_end < judged.day], policy)
    assert model is not None
    left, found = 300, 0.0
    for p in sorted((p for p in patterns if p.month_end == judged.day), key=model.hazard, reverse=True):
        taken = min(left, p.loans)
        found, left = found + p.fell_later * taken / p.loans, left - taken
    assert judged.precision == pytest.approx(found / 300)
    assert judged.recall == pytest.approx(found / judged.events)
    assert judged.precision > 2 * judged.events / judged.loans


def test_too_few_events_make_no_model_and_the_table_says_so() -> None:
    patterns, policy = drawn(), Hazard(months_on_book=(12,), least_events=100_000)
    assert fit_hazard(patterns, policy) is None
    assert hazard_row(patterns, None, None, policy, DAY)[1] == "too_few_events"
    assert hazard_row([], None, None, policy, DAY)[1] == "no_instalments"


def test_the_report_says_what_the_forecast_is_worth_and_lists_false_calm(schemas_dir: Path) -> None:
    catalogue, classes = load_catalogue(schemas_dir), [{"class": "normal", "loans": 50, "overdue": None}]
    model = {"state": "fitted", "loan_months": 900, "events": 31, "least_events": 20, "capacity": 20,
             "judged_on": date(2025, 3, 31), "judged_loans": 50, "judged_events": 4, "worked": 20, "precision": 0.15,
             "recall": 0.75}  # fmt: skip
    calm = [{"loan_id": "L7", "arrears_on": date(2025, 5, 6)}]
    rows = {"loan_classes": classes, "warning_signals": [], "watch_events": []}
    page = str(warnings_section(figures(**rows, hazard_model=[model], missed_loans=calm), catalogue))
    assert "900 months of loans, 31 ended in arrears" in page
    assert "L7" in page
    assert "2025-05-06" in page
    few = {**model, "state": "too_few_events", "events": 3, "judged_on": None}
    page = str(warnings_section(figures(**rows, hazard_model=[few], missed_loans=[]), catalogue))
    assert "3 loans fell into arrears, 20 are asked for: no model" in page
