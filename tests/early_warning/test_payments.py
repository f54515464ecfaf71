"""Days past due and the five classes by hand; status where nothing is known of payments; contagion."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from portrait.capabilities.early_warning.payments import classified, instalments_paid, loan_payments
from portrait.capabilities.early_warning.policy import Contagion, WarningPolicy

DAY = date(2025, 3, 31)
POLICY = WarningPolicy()
_VERSION = ("timestamp'2020-01-01' valid_from", "cast(null as timestamp) valid_to")


def instalments(spark: SparkSession, *rows: tuple[Any, ...]) -> DataFrame:
    """Loan, day it is due, day it is paid, amount paid of 100."""
    full = [(loan, due, Decimal(100), on, None if paid is None else Decimal(paid)) for loan, due, on, paid in rows]
    layout = "loan_id string, due_on date, amount_due decimal(18,2), paid_on date, amount_paid decimal(18,2)"
    return spark.createDataFrame(full, layout).selectExpr("*", *_VERSION)


def judged(
    spark: SparkSession, *rows: tuple[str, str, int | None, str | None, int], policy: WarningPolicy = POLICY
) -> dict[str, Any]:
    """Loan, debtor, days past due, status, amount owed: to (class, reason)."""
    loans = spark.createDataFrame(
        [(loan, debtor, days, status, owed) for loan, debtor, days, status, owed in rows],
        "loan_id string, account_id string, days_past_due int, status string, owed_minor bigint",
    )
    debtors = spark.createDataFrame(
        [(name, name, "company" if name.startswith("E") else "person") for name in {row[1] for row in rows}],
        "account_id string, customer_id string, party_kind string",
    )
    found = classified(loans, debtors, policy=policy).collect()
    return {row.loan_id: (row["class"], row.class_reason) for row in found}


def test_classes_of_the_methods_page(spark: SparkSession) -> None:
    expected = {
        0: "normal", 1: "special_mention", 90: "special_mention", 91: "substandard", 270: "substandard",
        271: "doubtful", 360: "doubtful", 361: "loss",
    }  # fmt: skip
    found = judged(spark, *[(str(days), str(days), days, "C", 100) for days in expected])
    assert found == {str(days): (name, "days_past_due") for days, name in expected.items()}


def test_the_status_counts_where_no_instalment_is_known(spark: SparkSession) -> None:
    assert judged(
        spark,
        *[("b", "a", None, "B", 1), ("c", "b", None, "C", 1), ("d", "c", None, "D", 1), ("n", "d", None, None, 1)],
        *[("younger", "e", 10, "D", 1), ("ended", "f", 10, "B", 1)],
    ) == {
        "b": ("loss", "status"), "c": ("normal", "status"), "d": ("substandard", "status"),
        "n": ("normal", "none_known"), "younger": ("special_mention", "days_past_due"), "ended": ("loss", "status"),
    }  # fmt: skip


def test_bad_loans_of_a_company_spoil_its_others_and_those_of_a_person_do_not(spark: SparkSession) -> None:
    found = judged(
        spark,
        *[("1", "E1", 100, "C", 11), ("2", "E1", 0, "C", 89)],  # 11 % of the debt
        *[("3", "E2", 100, "C", 10), ("4", "E2", 0, "C", 90)],  # 10 %: not more than that
        *[("5", "p", 400, "C", 50), ("6", "p", 0, "C", 50)],
    )
    assert found["2"] == ("substandard", "contagion")
    assert found["1"] == ("substandard", "days_past_due")
    assert (found["4"], found["6"]) == (("normal", "days_past_due"), ("normal", "days_past_due"))
    both = WarningPolicy(contagion=Contagion(debtors=("person", "company")))
    assert judged(spark, ("5", "p", 400, "C", 50), ("6", "p", 0, "C", 50), policy=both)["6"] == (
        "substandard", "contagion",
    )  # fmt: skip


def test_days_past_due_run_from_the_oldest_instalment_that_is_not_paid_in_full(spark: SparkSession) -> None:
    found = instalments_paid(
        instalments(
            spark,
            ("part", date(2025, 1, 5), date(2025, 1, 25), "40"),
            ("part", date(2025, 2, 5), date(2025, 2, 5), "100"),
            ("whole", date(2025, 3, 5), date(2025, 3, 5), "100"),
            ("later", date(2025, 3, 5), date(2025, 4, 2), "100"),  # paid after the day: not known yet
            ("ahead", date(2025, 4, 5), None, None),
            ("today", DAY, None, None),
        ),
        late_days=5,
        as_of=DAY,
    )
    rows = {row.loan_id: (row.days_past_due, row.overdue_minor) for row in found.collect()}
    assert rows == {"part": (85, 6000), "whole": (0, 0), "later": (26, 10000), "today": (0, 10000)}


def test_late_is_more_than_so_many_days_whether_paid_or_not(spark: SparkSession) -> None:
    due = date(2025, 3, 1)
    rows = [
        ("in time", due, due + timedelta(5), "100"),
        ("late", due, due + timedelta(6), "100"),
        ("unpaid", due, None, None),
        ("long ago", DAY - timedelta(90), DAY - timedelta(60), "100"),
        ("just within", DAY - timedelta(89), DAY - timedelta(60), "100"),
    ]
    found = instalments_paid(instalments(spark, *rows), late_days=5, as_of=DAY).collect()
    late = {row.loan_id: row.late_90d for row in found}
    assert late == {"in time": 0, "late": 1, "unpaid": 1, "long ago": 0, "just within": 1}


def test_loans_that_run_or_owe_are_there_and_others_are_not(spark: SparkSession) -> None:
    layout = (
        "loan_id string, account_id string, granted_on date, amount decimal(18,2), months int, rate decimal(9,6), "
        "instalment decimal(18,2), status string, status_on date"
    )
    granted, amount = date(2024, 1, 31), Decimal(1200)
    rows = [
        ("runs", "x", date(2025, 1, 31), amount, 12, None, None, None, None),
        ("repaid", "x", granted, amount, 12, None, None, "A", date(2025, 2, 1)),
        ("unpaid", "x", granted, amount, 12, None, None, "B", date(2025, 2, 1)),
        ("owes", "x", granted, amount, 12, None, None, None, None),
        ("not yet", "x", date(2025, 4, 1), amount, 12, None, None, None, None),
    ]
    tables = {
        "loans": spark.createDataFrame(rows, layout).selectExpr("*", *_VERSION),
        "instalments": instalments(spark, ("owes", date(2025, 1, 31), None, None)),
    }
    found = loan_payments(tables, policy=POLICY, as_of=DAY).collect()
    assert {row.loan_id: (row.days_past_due, row.owed_minor) for row in found} == {
        "runs": (None, 1000_00), "unpaid": (None, 0), "owes": (59, 100_00),
    }  # fmt: skip
