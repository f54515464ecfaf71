"""Features of contacts and responses by hand."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import Row, SparkSession

from portrait.features import Feature, load_features
from portrait.features.compiler import aggregate_events
from portrait.features.explanation import explain
from portrait.features.facts import contact_events, response_events

D = date(2024, 3, 31)
CONTACTS = """
    (1, 'k1', 'anna', 'treated', '2024-03-31 23:59:59'), (1, 'k2', 'anna', 'treated', '2024-03-02 00:00:00'),
    (1, 'k3', 'anna', 'treated', '2024-03-01 23:59:59'), (1, 'k4', 'anna', 'treated', '2024-04-01 00:00:00'),
    (1, 'k5', 'bert', 'treated', '2024-03-10 10:00:00'), (2, 'k5', 'bert', 'control', '2024-03-10 10:00:00'),
    (2, 'k5', 'bert', 'control', '2024-03-10 10:00:00')"""
RESPONSES = """
    (1, 'r1', 'anna', 'bought', 10.50, '2024-03-31 20:00:00'), (1, 'r2', 'anna', 'asked', null, '2024-01-02 00:00:00'),
    (1, 'r3', 'anna', 'bought', 99, '2024-04-01 00:00:00'), (3, 'r1', 'anna', 'bought', 11.50, '2024-03-31 20:00:00'),
    (1, 'r4', 'bert', 'unsubscribed', null, '2020-01-01 00:00:00')"""


@pytest.fixture(scope="module")
def features(conf_dir: Path) -> list[Feature]:
    declared = load_features(conf_dir)
    return [*declared.aggregates("contacts"), *declared.aggregates("responses")]


@pytest.fixture(scope="module")
def found(spark: SparkSession, features: list[Feature]) -> dict[str, Row]:
    contacts = spark.sql(f"""select _run, contact_id, customer_id, arm, timestamp(t) as sent_at,
        if(arm = 'treated', 'sms', null) as channel
        from values {CONTACTS} as t(_run, contact_id, customer_id, arm, t)""")
    responses = spark.sql(f"""select _run, response_id, customer_id, kind, cast(amount as decimal(18,2)) as amount,
        timestamp(t) as at from values {RESPONSES} as t(_run, response_id, customer_id, kind, amount, t)""")
    sources = {
        "contacts": contact_events({"contacts": contacts}, as_of=D),
        "responses": response_events({"responses": responses}, as_of=D),
    }
    return {row.customer_id: row for row in aggregate_events(sources, features=features, as_of=D).collect()}


@pytest.mark.parametrize(
    ("customer", "expected"),
    [
        # k1 on the last day of the window, k2 on its first, k3 the day before, k4 the day after as_of.
        ("anna", {"contact_count_30d": 2, "contact_count_90d": 3, "days_since_contact": 0, "held_back_count_90d": 0}),
        # r1 came again with another amount; r2 lies on the first of the 90 days; r3 is of the day after.
        ("anna", {"response_count_90d": 2, "offer_bought_count_365d": 1, "offer_bought_amount_365d": 1150}),
        ("anna", {"unsubscribed_count_life": 0, "days_since_response": 0}),
        # k5 came again, twice: it was no contact.
        ("bert", {"contact_count_90d": 0, "held_back_count_90d": 1, "days_since_contact": None}),
        ("bert", {"unsubscribed_count_life": 1, "response_count_365d": 0, "days_since_response": None}),
    ],
)
def test_contacts_and_responses_by_hand(found: dict[str, Row], customer: str, expected: dict[str, Any]) -> None:
    row = found[customer].asDict()
    assert {name: row[name] for name in expected} == expected


def test_they_are_read_as_delivered(conf_dir: Path, features: list[Feature]) -> None:
    declared = load_features(conf_dir)
    (rate,) = [feature for feature in declared.features if feature.name == "response_rate_365d"]
    told = explain(rate, declared, bookings=None, as_of=D)  # type: ignore[arg-type]
    assert "bronze.responses -> " in told.lineage
    assert "bronze.contacts -> " in told.lineage
    assert rate.physical_type == "DECIMAL(18,6)"
