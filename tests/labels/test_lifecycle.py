"""What a change of label files does: the plan, its record, and a preview that equals what then happens."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from pyspark.sql import DataFrame, SparkSession

from portrait.capabilities.audiences.clauses import Comparison, Joined, Not
from portrait.capabilities.audiences.declaration import Audience, AudienceSet, CheckedAudience
from portrait.capabilities.audiences.preview import audience_preview
from portrait.contracts import Catalogue
from portrait.contracts.contract import contract_of
from portrait.contracts.document import load_document
from portrait.errors import ConfigurationError
from portrait.labels import LabelSet, computable, customer_portrait, label_intervals
from portrait.labels.lifecycle import Applied, applied_labels, apply, plan
from portrait.labels.portrait import with_all
from portrait.labels.preview import changed_customers, facts_behind, label_preview
from portrait.lake import Lake, Lease, Selection

LabelsOf = Callable[..., LabelSet]
D = date(2024, 3, 31)


def applied(labels: LabelSet) -> dict[str, Applied]:
    """As if these files had been applied."""
    changes = plan(labels, {})
    return {c.label: Applied(c.status, c.version, json.loads(c.definition or "{}")) for c in changes}


def test_without_events_every_label_is_new(labels_of: LabelsOf) -> None:
    labels = labels_of({}, {"id": "planned", "status": "draft"})
    assert [(c.label, c.action) for c in plan(labels, {})] == [
        ("planned", "declared"),
        ("salary_customer", "activated"),
    ]


def test_what_was_applied_needs_no_change(labels_of: LabelsOf) -> None:
    labels = labels_of({})
    assert plan(labels, applied(labels)) == []


@pytest.mark.parametrize(
    ("change", "action", "keys"),
    [
        ({"value": "salary_count_90d >= 2", "version": 2}, "changed", ("value", "version")),
        ({"owner": "somebody"}, "described", ("owner",)),
        (
            {"status": "deprecated", "sunset": "2030-01-01", "replaced_by": "other"},
            "deprecated",
            ("replaced_by", "status", "sunset"),
        ),
        ({"status": "retired"}, "retired", ("status",)),
    ],
)
def test_a_change_has_a_name_and_its_keys(
    labels_of: LabelsOf, change: dict[str, object], action: str, keys: tuple[str, ...]
) -> None:
    before = applied(labels_of({}, {"id": "other"}))
    (found,) = plan(labels_of(change), before)
    assert (found.label, found.action, found.keys) == ("salary_customer", action, keys)
    assert found.changes_values == (action in ("changed", "retired"))


@pytest.mark.parametrize(
    ("first", "then", "named"),
    [
        ({}, {"value": "salary_count_90d >= 2"}, "version: 2"),
        ({}, {"unknown_when": "tenure_days < 80"}, "version: 2"),
        ({}, {"status": "draft"}, "cannot become draft"),
        ({"status": "retired"}, {"status": "active"}, "cannot become active"),
    ],
)
def test_a_life_that_goes_wrong_is_refused(
    labels_of: LabelsOf, first: dict[str, object], then: dict[str, object], named: str
) -> None:
    before = applied(labels_of(first))
    with pytest.raises(ConfigurationError) as refused:
        plan(labels_of(then), before)
    assert named in str(refused.value)
    assert "conf/labels/income/salary_customer.yml" in refused.value.where


def test_a_draft_may_change_as_it_likes(labels_of: LabelsOf) -> None:
    before = applied(labels_of({}, {"id": "planned", "status": "draft"}))
    (found,) = plan(labels_of({"id": "planned", "value": "tenure_days > 1"}), before)
    assert found.action == "activated"


def test_a_file_may_go_only_after_the_label_retired(labels_of: LabelsOf, tmp_path: Path) -> None:
    before = applied(labels_of({}, {"id": "gone", "status": "retired"}))
    (tmp_path / "labels/income/gone.yml").unlink()
    assert [(c.label, c.action) for c in plan(labels_of(), before)] == [("gone", "removed")]
    active = before | {"gone": replace(before["gone"], status="active")}
    with pytest.raises(ConfigurationError, match="the file of the label 'gone' is gone"):
        plan(labels_of(), active)


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Path, schemas_dir: Path) -> Iterator[Lake]:
    contracts = [
        contract_of(load_document(schemas_dir / f"{name}.yml")) for name in ("ops/table_versions", "ops/label_events")
    ]
    with Lease(tmp_path / "lake") as lease:
        yield Lake(spark, tmp_path / "lake", Catalogue({item.id: item for item in contracts}), lease=lease)


@pytest.mark.delta
def test_applied_events_are_read_back_and_the_newest_counts(lake: Lake, labels_of: LabelsOf) -> None:
    assert applied_labels(lake) == {}
    apply(lake, plan(labels_of({}), {}), actor="first")
    lake._run = lake.run_number + 1  # as the next command, with the next lease, has it
    changed = labels_of({"value": "salary_count_90d >= 2", "version": 2})
    apply(lake, plan(changed, applied_labels(lake)), actor="second")
    assert plan(changed, applied_labels(lake)) == []
    assert applied_labels(lake)["salary_customer"].version == 2
    events = lake.read("ops.label_events").orderBy("event").collect()
    assert [(e.action, e.actor, e.keys) for e in events] == [
        ("activated", "first", []), ("changed", "second", ["value", "version"]),
    ]  # fmt: skip


CHANGED = {"value": "salary_count_90d >= 2", "version": 2, "unknown_when": "tenure_days < 60"}
NUMBER = {"id": "months", "type": "integer", "theme": "value", "unknown_when": None}


@pytest.fixture(scope="module")
def features(spark: SparkSession) -> DataFrame:
    draw = random.Random(5)
    rows = [(f"C{n}", draw.randrange(120), None if draw.random() < 0.1 else draw.randrange(5), 0.0) for n in range(300)]
    return spark.createDataFrame(rows, "customer_id string, tenure_days int, salary_count_90d bigint, score double")


def test_the_preview_is_what_then_happens(labels_of: LabelsOf, features: DataFrame) -> None:
    sources = {"customer_features": features}
    old = labels_of({}, NUMBER | {"value": "salary_count_90d"})
    before = customer_portrait(labels=old, as_of=D, sources=sources)
    new = labels_of(CHANGED, NUMBER | {"value": "nullif(salary_count_90d, 0) * 2", "version": 2})
    after = customer_portrait(labels=new, as_of=D, sources=sources)
    placed = features.selectExpr(
        "customer_id", "if(tenure_days < 60, 'new', 'old') as tier", "if(salary_count_90d > 2, 'a', 'b') as group_name"
    )
    found = label_preview(before=before, after=after, labels=new.labels, placed=placed).collect()
    was, now = ({row.customer_id: row for row in frame.collect()} for frame in (before, after))
    places = {row.customer_id: (row.tier, row.group_name) for row in placed.collect()}
    expected: Counter[tuple[str, ...]] = Counter()
    for customer, row in now.items():
        for label in ("salary_customer", "months"):
            one, other = was[customer][label], row[label]
            if one != other:
                held, holds = (
                    (one is True, other is True) if label == "salary_customer" else (one is not None, other is not None)
                )
                effect = "gained" if holds and not held else "lost" if held and not holds else "changed"
                expected[label, effect, *places[customer]] += 1
    assert {(r.label, r.effect, r.tier, r.group_name): r.customers for r in found} == dict(expected)
    assert {effect for _, effect, _, _ in expected} == {"gained", "lost", "changed"}
    sample = changed_customers(before=before, after=after, labels=new.labels, limit=4).where("label = 'months'")
    changed = sorted(c for c in now if was[c].months != now[c].months)[:4]
    shown = {(c, *[None if v is None else str(v) for v in (was[c].months, now[c].months)]) for c in changed}
    rows = sample.collect()
    assert {(row.customer_id, row.before, row.after) for row in rows} == shown
    # The new definition reads the number of salaries, the one before read the score as well, and a column that is gone.
    given = {"labels": {item.label.id: item for item in new.checked}, "sources": sources}
    applied = {"months": {"value": "score + salary_count_90d + gone"}}
    salaries = {row.customer_id: row.salary_count_90d for row in features.collect()}
    expected_facts = [{"salary_count_90d": salaries[row.customer_id], "score": 0.0} for row in rows]
    assert facts_behind(rows, applied=applied, **given) == expected_facts
    assert facts_behind([], applied={}, **given) == []


def test_the_preview_of_a_label_that_fails_names_it(labels_of: LabelsOf, features: DataFrame) -> None:
    poison = {"value": "salary_count_90d * 999999999999999999 * 999999999999999999"}
    labels = labels_of({}, NUMBER | poison)
    after, failed = computable(labels, as_of=D, sources={"customer_features": features})
    assert failed == {"months": "ARITHMETIC_OVERFLOW"}
    assert after.where("months is null").count() == 300
    assert after.where("salary_customer").count() > 0
    after.unpersist()


def test_the_preview_of_audiences_is_what_then_happens(labels_of: LabelsOf, features: DataFrame) -> None:
    sources = {"customer_features": features}
    before = customer_portrait(labels=labels_of({}), as_of=D, sources=sources)
    new = labels_of(CHANGED, NUMBER | {"value": "salary_count_90d"})
    after = customer_portrait(labels=new, as_of=D, sources=sources)
    before = with_all(before, new.columns())
    paid, many = Comparison("salary_customer", "true"), Comparison("months", ">=", (3,))
    audiences = AudienceSet(
        {
            name: CheckedAudience(Audience(id=name, title=name, where="x", purpose="x", unknown=policy), clause)
            for name, clause, policy in (
                ("paid", paid, "exclude"),
                ("unpaid", Not(paid), "include"),
                ("both", Joined("and", (paid, many)), "include"),
            )
        },
        *[None] * 3,  # type: ignore[arg-type]
    )
    names = ["paid", "unpaid", "both"]
    found = audience_preview(before=before, after=after, audiences=audiences, names=names).collect()
    for row in found:
        sql = audiences.audience(row.audience).member_sql
        was, now = ({r.customer_id for r in frame.where(sql).collect()} for frame in (before, after))
        assert (row.members_before, row.members_after) == (len(was), len(now))
        assert (row.gained, row.lost) == (len(now - was), len(was - now))
    assert sum(row.gained for row in found) > 0


def test_intervals_by_hand(tmp_path: Path) -> None:
    rows = [
        ("c", "tier", date(2024, 3, 31), None, 2), ("d", "tier", date(2024, 1, 31), "low", 1),
        ("c", "tier", date(2024, 1, 31), "vip", 1), ("c", "paid", date(2024, 1, 31), "true", 1),
    ]  # fmt: skip
    names = ["customer_id", "label", "valid_from", "value", "version"]
    write_deltalake(tmp_path, pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))))

    def of(as_of: date | None, label: str | None = "tier") -> list[tuple[object, ...]]:
        found = label_intervals(Selection(tmp_path), customer="c", label=label, as_of=as_of)
        return [tuple(row.values()) for row in found]

    first = ("tier", "vip", date(2024, 1, 31), date(2024, 3, 30), 1)
    second = ("tier", None, date(2024, 3, 31), None, 2)
    assert of(None) == [first, second]
    assert of(date(2024, 3, 30)) == [first]
    assert of(date(2024, 3, 31)) == [second]
    assert of(date(2024, 1, 30)) == []
    assert [row[0] for row in of(date(2024, 2, 1), label=None)] == ["paid", "tier"]
