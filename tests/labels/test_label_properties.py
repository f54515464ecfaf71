"""What must hold whatever happens to labels: history replays the slices, and a preview is what then happens."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, Row, SparkSession

from portrait.capabilities.audiences.clauses import Clause, Comparison, Joined, Not
from portrait.capabilities.audiences.declaration import Audience, AudienceSet, CheckedAudience
from portrait.capabilities.audiences.doubts import AudienceTrust
from portrait.capabilities.audiences.membership import audience_members
from portrait.capabilities.audiences.preview import audience_preview
from portrait.labels import LabelSet, customer_portrait, write_label_history
from portrait.labels.preview import changed_customers, label_preview

LabelsOf = Callable[..., LabelSet]
DAYS = [date(2024, month, 28) for month in (1, 2, 3, 4)]
PLAIN = {"unknown_when": None, "theme": "value"}
KINDS = {"paid": "boolean", "grade": "string", "months": "integer"}
SQL_TYPES = {"boolean": "boolean", "string": "string", "integer": "bigint"}
VALUES: dict[str, list[Any]] = {"paid": [True, False, None], "grade": ["a", "b", None], "months": [0, 7, None]}
quick = settings(
    max_examples=3, deadline=None, phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck)
)

Slice = dict[str, dict[str, Any]]


class Memory:
    """A lake of a portrait, its history and the versions of definitions, without files."""

    def __init__(self, spark: SparkSession) -> None:
        self.spark = spark
        self.portraits: dict[date, Slice] = {}
        self.points: dict[date, list[Row]] = {}
        self.versions: dict[date, dict[str, int]] = {}

    def slices(self, table: str) -> list[date]:
        return sorted(self.versions if table == "gold.label_statistics" else self.portraits)

    def slice(self, table: str, day: date) -> DataFrame:
        if table == "gold.label_statistics":
            rows: list[tuple[Any, ...]] = list(self.versions[day].items())
            return self.spark.createDataFrame(rows, "label string, version int")
        rows = [(day, name, *[labels.get(label) for label in KINDS]) for name, labels in self.portraits[day].items()]
        columns = ", ".join(f"{label} {SQL_TYPES[kind]}" for label, kind in KINDS.items())
        return self.spark.createDataFrame(rows, f"as_of date, customer_id string, {columns}")

    def read(self, table: str) -> DataFrame:
        return self.slice(table, self.written)

    def previous_slice(self, table: str, day: date) -> DataFrame:
        earlier = [other for other in self.slices(table) if other < day]
        return self.slice(table, earlier[-1]) if earlier else self.slice(table, day).limit(0)

    def next_as_of(self, table: str, day: date) -> date | None:
        return next((other for other in self.slices(table) if other > day), None)

    def replace(self, table: str, rows: DataFrame, day: date) -> None:
        assert table == "gold.label_history"
        self.points[day] = rows.collect()

    def run(self, day: date, labels: LabelSet, customers: Slice) -> None:
        """What the job does with a day: its slice, its change points and those after it, its statistics."""
        self.portraits[day], self.written = customers, day
        write_label_history(self, labels=labels, as_of=day)  # type: ignore[arg-type]
        self.versions[day] = {label.id: label.version for label in labels.labels}


CHANGES = ["run", "run", "new definition", "active", "retired"]
runs = st.lists(
    st.tuples(st.sampled_from(DAYS), st.integers(0, 2**32), st.sampled_from(CHANGES)),
    min_size=3,
    max_size=5,
)


@quick
@given(steps=runs)
@example(steps=[(DAYS[2], 1, "active"), (DAYS[0], 2, "new definition"), (DAYS[1], 3, "run")])  # after another version
def test_history_replays_every_slice_after_reruns_backfills_and_changes_of_labels(
    spark: SparkSession, labels_of: LabelsOf, steps: list[tuple[date, int, str]]
) -> None:
    lake, version, status = Memory(spark), 1, "draft"
    for day, seed, change in steps:
        draw = random.Random(seed)
        version += change == "new definition"
        if change in ("active", "retired") and status != "retired":
            status = change
        labels = labels_of(
            PLAIN | {"id": "paid", "version": version, "value": "consent_marketing"},
            PLAIN | {"id": "grade", "type": "string", "value": "occupation", "status": status},
            PLAIN | {"id": "months", "type": "integer", "value": "tenure_days"},
        )
        there = [name for name in "abcdefghij" if draw.random() < 0.8]
        slice_ = {name: {label: draw.choice(VALUES[label]) for label in KINDS} for name in there}
        if status != "active":
            slice_ = {name: values | {"grade": None} for name, values in slice_.items()}
        lake.run(day, labels, slice_)
    points = sorted((row for rows in lake.points.values() for row in rows), key=lambda row: row.valid_from)
    for day, customers in lake.portraits.items():
        last = {(row.customer_id, row.label): row.value for row in points if row.valid_from <= day}
        told = {
            (name, label): str(value).lower()
            for name, labels in customers.items()
            for label, value in labels.items()
            if value is not None
        }
        assert {place: value for place, value in last.items() if value is not None} == told
    # A slice that is older than a label has no version of it; its change point takes the newest.
    assert all(row.version == lake.versions[row.as_of].get(row.label, row.version) for row in points)


DEFINITIONS = {
    "paid": ["salary_count_90d >= 3", "salary_count_90d >= 1", "salary_count_90d > 1 or tenure_days < 9",
             "not (salary_count_90d = 2)", "coalesce(salary_count_90d > 2, tenure_days > 60)"],
    "grade": ["occupation", "nullif(occupation, 'cook')", "case when salary_count_90d > 1 then occupation end"],
    "months": ["tenure_days", "floor(try_divide(tenure_days, 30))", "nullif(salary_count_90d, 2)"],
}  # fmt: skip
PAID, MANY, COOK = Comparison("paid", "true"), Comparison("months", ">=", (3,)), Comparison("grade", "in", ("cook",))
EITHER = Joined("or", (PAID, MANY))
CLAUSES: list[Clause] = [PAID, Not(PAID), Joined("or", (MANY, COOK)), Joined("and", (Not(COOK), EITHER))]


def all_audiences() -> AudienceSet:
    """Each clause with each policy for unknown."""
    found = {}
    for policy in ("include", "exclude"):
        for number, clause in enumerate(CLAUSES):
            name = f"{policy}_{number}"
            audience = Audience.model_validate(
                {"id": name, "title": name, "where": "x", "purpose": "x", "unknown": policy}
            )
            found[name] = CheckedAudience(audience, clause)
    return AudienceSet(found, *[None] * 3)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def features(spark: SparkSession) -> DataFrame:
    draw = random.Random(7)

    def perhaps(value: Any) -> Any:
        return None if draw.random() < 0.15 else value

    rows = [
        (f"C{n}", perhaps(draw.randrange(120)), perhaps(draw.randrange(5)), perhaps(draw.choice(["cook", "nurse"])))
        for n in range(200)
    ]
    schema = "customer_id string, tenure_days int, salary_count_90d bigint, occupation string"
    return spark.createDataFrame(rows, schema).persist()


pairs = {label: st.tuples(st.sampled_from(texts), st.sampled_from(texts)) for label, texts in DEFINITIONS.items()}
changes = st.fixed_dictionaries(pairs)


@quick
@given(change=changes)
def test_a_preview_is_what_then_happens(
    labels_of: LabelsOf, features: DataFrame, change: dict[str, tuple[str, str]]
) -> None:
    def portrait_of(side: int) -> tuple[LabelSet, DataFrame]:
        named = ({"id": label, "type": KINDS[label], "value": change[label][side]} for label in KINDS)
        labels = labels_of(*[PLAIN | {"unknown_when": "tenure_days is null"} | one for one in named])
        return labels, customer_portrait(labels=labels, as_of=DAYS[0], sources={"customer_features": features})

    (_, before), (labels, after) = portrait_of(0), portrait_of(1)
    tier = "if(tenure_days < 60, 'new', 'old') as tier"
    placed = features.selectExpr("customer_id", tier, "occupation as group_name")
    found = label_preview(before=before, after=after, labels=labels.labels, placed=placed).collect()
    # What happens: the slices of both definitions, row by row.
    was, now = ({row.customer_id: row for row in frame.collect()} for frame in (before, after))
    places = {row.customer_id: (row.tier, row.group_name) for row in placed.collect()}
    expected: Counter[tuple[Any, ...]] = Counter()
    first: set[tuple[str, str]] = set()
    for label in KINDS:
        differing = [name for name in now if was[name][label] != now[name][label]]
        for name in differing:
            held, holds = (
                side[name][label] is True if label == "paid" else side[name][label] is not None for side in (was, now)
            )
            effect = "gained" if holds and not held else "lost" if held and not holds else "changed"
            expected[label, effect, *places[name]] += 1
        first |= {(label, name) for name in sorted(differing)[:3]}
    assert {(row.label, row.effect, row.tier, row.group_name): row.customers for row in found} == dict(expected)
    sample = changed_customers(before=before, after=after, labels=labels.labels, limit=3).collect()
    assert {(row.label, row.customer_id) for row in sample} == first
    audiences = all_audiences()
    trusted = dict.fromkeys(audiences.checked, AudienceTrust())
    sides = []
    for frame in (before, after):
        rows = audience_members(portrait=frame, audiences=audiences, as_of=DAYS[0], trust=trusted).collect()
        sides.append({name: {row.customer_id for row in rows if row.audience == name} for name in audiences.checked})
    names = list(audiences.checked)
    shown = audience_preview(before=before, after=after, audiences=audiences, names=names).collect()
    assert [tuple(row) for row in shown] == [
        (name, len(old := sides[0][name]), len(new := sides[1][name]), len(new - old), len(old - new)) for name in names
    ]
