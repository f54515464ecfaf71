"""Change points by hand, and what a slice that is filled in later does to its neighbours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession

from portrait.contracts import Catalogue
from portrait.contracts.contract import contract_of
from portrait.contracts.document import load_document
from portrait.labels import LabelSet, label_changes, write_label_history
from portrait.lake import Lake, Lease

LabelsOf = Callable[..., LabelSet]
Slice = dict[str, tuple[bool | None, str | None]]
D1, D2, D3 = date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 31)


@pytest.fixture
def labels(labels_of: LabelsOf) -> LabelSet:
    tier = {"id": "tier", "theme": "value", "type": "string", "value": "occupation", "unknown_when": None, "version": 7}
    return labels_of({}, tier)


def portrait(spark: SparkSession, as_of: date, customers: Slice) -> DataFrame:
    schema = "as_of date, customer_id string, salary_customer boolean, tier string"
    return spark.createDataFrame([(as_of, name, *values) for name, values in customers.items()], schema)


def points(changes: DataFrame) -> set[tuple[str, str, str | None]]:
    return {(row.customer_id, row.label, row.value) for row in changes.collect()}


def test_only_what_differs_is_a_change(spark: SparkSession, labels: LabelSet) -> None:
    before: Slice = {"same": (True, "vip"), "moved": (True, "vip"), "lost": (True, None), "left": (False, "vip")}
    after: Slice = {"same": (True, "vip"), "moved": (False, "vip"), "lost": (None, "vip"), "came": (None, "ordinary")}
    changes = label_changes(
        current=portrait(spark, D2, after), previous=portrait(spark, D1, before), as_of=D2, labels=labels
    )
    assert points(changes) == {
        ("moved", "salary_customer", "false"),
        ("lost", "salary_customer", None),
        ("lost", "tier", "vip"),
        ("left", "salary_customer", None),
        ("left", "tier", None),
        ("came", "tier", "ordinary"),
    }


def test_the_first_slice_starts_every_known_value(spark: SparkSession, labels: LabelSet) -> None:
    first = portrait(spark, D1, {"a": (True, None), "b": (None, None)})
    rows = label_changes(current=first, previous=portrait(spark, D1, {}), as_of=D1, labels=labels).collect()
    assert [tuple(row) for row in rows] == [(D1, "a", "salary_customer", D1, "true", 1)]


def test_the_version_is_that_of_the_definition(spark: SparkSession, labels: LabelSet) -> None:
    first = portrait(spark, D1, {"a": (None, "vip")})
    rows = label_changes(current=first, previous=portrait(spark, D1, {}), as_of=D1, labels=labels).collect()
    assert [row.version for row in rows] == [7]


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Path, schemas_dir: Path, labels: LabelSet) -> Iterator[Lake]:
    files = ("ops/table_versions", "gold/customer_portrait", "gold/label_history")
    contracts = [contract_of(load_document(schemas_dir / f"{name}.yml")) for name in files]
    catalogue = Catalogue({item.id: replace(item) for item in contracts})
    catalogue = catalogue.with_columns("gold.customer_portrait", labels.columns())
    with Lease(tmp_path / "lake") as lease:
        yield Lake(spark, tmp_path / "lake", catalogue, lease=lease)


@pytest.mark.delta
def test_a_slice_filled_in_rewrites_the_change_points_after_it(lake: Lake, labels: LabelSet) -> None:
    slices: dict[date, Slice] = {
        D1: {"a": (True, "vip"), "b": (True, "vip")},
        D2: {"a": (False, "vip"), "b": (True, "growing")},
        D3: {"a": (False, "vip"), "b": (True, "vip")},
    }
    for day in (D1, D3, D2):  # D2 is the backfill
        write(lake, labels, day, slices[day])
    assert changes_after(lake, D1) == {
        (D2, "a", "salary_customer", "false"),
        (D2, "b", "tier", "growing"),
        (D3, "b", "tier", "vip"),
    }
    assert replayed(lake, list(slices)) == told(slices)
    slices[D2] = {"a": (True, None), "c": (None, "vip")}  # computed again, with other facts; b is gone, c is there
    write(lake, labels, D2, slices[D2])
    assert replayed(lake, list(slices)) == told(slices)


def write(lake: Lake, labels: LabelSet, day: date, customers: Slice) -> None:
    lake.replace("gold.customer_portrait", portrait(lake.spark, day, customers), day)
    write_label_history(lake, labels=labels, as_of=day)
    lake.complete("customer_portrait", as_of=day, inputs={}, seconds=0.0)
    lake.resume(None)


def changes_after(lake: Lake, day: date) -> set[tuple[date, str, str, str | None]]:
    rows = lake.read("gold.label_history").where(f"as_of > date'{day}'").collect()
    return {(row.valid_from, row.customer_id, row.label, row.value) for row in rows}


def replayed(lake: Lake, days: list[date]) -> dict[tuple[date, str, str], str]:
    """What the history says of every day: the last change point of that day or before, where it gives a value."""
    rows = sorted(lake.read("gold.label_history").collect(), key=lambda row: row.valid_from)
    found = {(day, row.customer_id, row.label): row.value for day in days for row in rows if row.valid_from <= day}
    return {place: value for place, value in found.items() if value is not None}


def told(slices: dict[date, Slice]) -> dict[tuple[date, str, str], str]:
    """What the slices of the portrait say, where it is known."""
    found: dict[tuple[date, str, str], str] = {}
    for day, customers in slices.items():
        for name, (salaried, tier) in customers.items():
            if salaried is not None:
                found[day, name, "salary_customer"] = str(salaried).lower()
            if tier is not None:
                found[day, name, "tier"] = tier
    return found
