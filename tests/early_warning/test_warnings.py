"""Signals are files; what they say of customers and loans; which files are refused."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from portrait.capabilities.early_warning.policy import Signal, Signals, WarningPolicy, load_signals, load_warning_policy
from portrait.capabilities.early_warning.warnings import customer_signals, customer_warnings, loan_warnings
from portrait.errors import ConfigurationError
from portrait.run.suite import load_suite

DAY = date(2025, 3, 31)


def signal(name: str, severity: int, **more: Any) -> Signal:
    values = {"title": f"Is {name}", "owner": "o", "deadline_days": 7, "exit_days": 30, "description": "d"}
    return Signal(id=name, condition="true", severity=severity, **{**values, **more})


SIGNALS = Signals(
    (signal("late", 2), signal("salary", 1)),
    {"late": "late_instalments_90d >= 2", "salary": "salary_count = 0"},
    "tenure < 90",
    frozenset({"salary_count", "tenure"}),
)


@pytest.fixture(scope="module")
def shown(spark: SparkSession) -> tuple[dict[str, Any], dict[str, Any]]:
    """Rows of both tables by customer and by loan."""
    features = spark.createDataFrame(
        [("good", 3, 900), ("late", 3, 900), ("poor", 0, 900), ("new", None, 10), ("newlate", None, 10)],
        "customer_id string, salary_count bigint, tenure int",
    )
    loans = spark.createDataFrame(
        [
            ("l1", "a1", "good", "C", 0, 0, 1, 0, "normal", "days_past_due"),
            ("l2", "a2", "late", "C", 0, 0, 1, 0, "normal", "days_past_due"),
            ("l3", "a2", "late", "C", 0, 0, 1, 0, "normal", "days_past_due"),
            ("l4", "a4", "newlate", "C", 3, 10000, 0, 1, "special_mention", "days_past_due"),
            ("l5", "a5", "gone", "C", 0, 0, 4, 0, "normal", "days_past_due"),  # no customer of the slice any more
            ("l6", "a6", None, "C", 0, 0, 0, 0, "normal", "days_past_due"),
        ],
        "loan_id string, account_id string, customer_id string, status string, days_past_due int, "
        "overdue_minor bigint, late_90d bigint, place int, class string, class_reason string",
    )
    customers = customer_signals(features, loans, None, signals=SIGNALS, as_of=DAY).localCheckpoint()
    warned = customer_warnings(customers, features, signals=SIGNALS, policy=WarningPolicy(), as_of=DAY)
    told = loan_warnings(loans, customers, as_of=DAY)
    return {r.customer_id: r for r in warned.collect()}, {r.loan_id: r for r in told.collect()}


def test_a_grave_signal_or_a_bad_class_warns_and_a_light_one_does_not(shown: tuple[dict[str, Any], Any]) -> None:
    customers, _ = shown
    assert {name: row.early_warning for name, row in customers.items()} == {
        "good": False, "late": True, "poor": False, "new": None, "newlate": True,
    }  # fmt: skip
    assert customers["poor"].severity == 1


def test_every_warning_says_why(shown: tuple[dict[str, Any], Any]) -> None:
    customers, _ = shown
    assert customers["late"].reasons == ["Is late"]
    assert customers["newlate"].reasons == ["A loan is of class special mention"]


def test_loans_of_a_borrower_add_up_to_a_signal_of_all_of_them(shown: tuple[Any, dict[str, Any]]) -> None:
    _, loans = shown
    assert {name: (row.signals, row.severity) for name, row in loans.items()} == {
        "l1": ([], 0), "l2": (["late"], 2), "l3": (["late"], 2), "l4": ([], 0), "l5": (["late"], 2), "l6": ([], 0),
    }  # fmt: skip


@pytest.fixture
def conf(tmp_path: Path, conf_dir: Path) -> Path:
    shutil.copytree(conf_dir, tmp_path / "conf")
    return tmp_path / "conf"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("condition: no_such_feature > 1", "no_such_feature"),
        ("condition: late_instalments_90d", "not a condition"),
        ("condition: late_instalments_90d > (select 1)", "select"),
        ("severity: 4", "severity"),
        ("owner: ''", "owner"),
    ],
)
def test_a_wrong_signal_is_refused_before_spark_starts(conf: Path, schemas_dir: Path, line: str, problem: str) -> None:
    path = conf / "early_warning" / "late_instalments.yml"
    key = line.split(":")[0]
    text = "\n".join(line if item.startswith(f"{key}:") else item for item in path.read_text().splitlines())
    path.write_text(text)
    with pytest.raises(ConfigurationError, match="late_instalments") as refused:
        load_suite(conf, schemas_dir)
    assert problem in str(refused.value).lower()


def test_a_signal_without_owner_deadline_or_exit_is_refused(conf: Path, schemas_dir: Path) -> None:
    path = conf / "early_warning" / "past_due.yml"
    path.write_text("\n".join(item for item in path.read_text().splitlines() if not item.startswith("exit_days")))
    with pytest.raises(ConfigurationError, match="exit_days"):
        load_suite(conf, schemas_dir)


def test_classes_must_rise(conf: Path) -> None:
    path = conf / "early_warning.yml"
    path.write_text(path.read_text().replace("doubtful: 270", "doubtful: 90"))
    with pytest.raises(ConfigurationError, match="do not rise"):
        load_warning_policy(conf)


def test_the_shipped_signals_read_what_there_is(conf_dir: Path, schemas_dir: Path) -> None:
    found = load_signals(conf_dir, load_suite(conf_dir, schemas_dir))
    assert {"late_instalments", "past_due"} <= found.conditions.keys()
    assert "overdrawn_days_90d" in found.columns
