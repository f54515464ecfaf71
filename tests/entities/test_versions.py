"""Versions of entities: expected intervals by hand, and by a plain Python reading of the rules."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any

import pytest
from chispa import assert_df_equality
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession

from portrait.entities.versions import as_of, rebuild_versions, snapshots_as_changes

DELIVERED = "_run bigint, _file string, _line bigint"
CHANGES = f"id string, op string, changed_at timestamp, name string, level int, {DELIVERED}"
VERSIONS = "id string, name string, level int, valid_from timestamp, valid_to timestamp, is_current boolean"
Change = tuple[str, str, datetime, str | None, int | None, int, str, int]
"""Key, op, instant, name, level; run, file and line."""


def at(day: int, hour: int = 0) -> datetime:
    return datetime(1993, 1, day, hour)


def in_order(versions: DataFrame) -> list[tuple[Any, ...]]:
    return sorted((tuple(row) for row in versions.collect()), key=lambda row: (row[0], row[-3]))


# Change records of a key and its versions (name, level, valid_from, valid_to), by hand; rebuilt in one Spark job.
BY_HAND: dict[str, tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]] = {
    "versions follow each other without a gap": (
        [("I", at(1), "Ann", 1), ("U", at(5), "Ann", 2), ("U", at(9), "Anna", 2)],
        [("Ann", 1, at(1), at(5)), ("Ann", 2, at(5), at(9)), ("Anna", 2, at(9), None)],
    ),
    "a late record splits the interval it falls into": (
        [("I", at(1), "Ann", 1), ("U", at(9), "Ann", 3), ("U", at(5), "Ann", 2)],
        [("Ann", 1, at(1), at(5)), ("Ann", 2, at(5), at(9)), ("Ann", 3, at(9), None)],
    ),
    "a delete closes and a reinsert opens a new interval": (
        [("I", at(1), "Ann", 1), ("D", at(5), "Ann", 1), ("I", at(9), "Ann", 1)],
        [("Ann", 1, at(1), at(5)), ("Ann", 1, at(9), None)],
    ),
    "a deleted key has no open version": (
        [("I", at(1), "Ann", 1), ("D", at(5), None, None)],
        [("Ann", 1, at(1), at(5))],
    ),
    "a delete of an unknown key leaves nothing": ([("D", at(5), None, None)], []),
    "equal contents in a row are one version, nulls included": (
        [("I", at(1), "Ann", None), ("U", at(5), "Ann", None), ("U", at(9), "Ann", 1)],
        [("Ann", None, at(1), at(9)), ("Ann", 1, at(9), None)],
    ),
    "a version of nulls only is a version": ([("I", at(1), None, None)], [(None, None, at(1), None)]),
    "the later line of a file is the later change": (
        [("I", at(1), "Zoe", 9), ("U", at(1), "Bea", 1), ("U", at(1), "Ann", 7)],
        [("Ann", 7, at(1), None)],
    ),
    "a delete and then an insert of one instant in a file are a replacement": (
        [("I", at(1), "Ann", 1), ("D", at(5), "Ann", 1), ("I", at(5), "Bea", 1)],
        [("Ann", 1, at(1), at(5)), ("Bea", 1, at(5), None)],
    ),
    "a later delete of the same instant in a file deletes": (
        [("I", at(1), "Ann", 1), ("U", at(5), "Bea", 1), ("D", at(5), "Ann", 1)],
        [("Ann", 1, at(1), at(5))],
    ),
    "between files a delete is not undone": (
        [("I", at(1), "Ann", 1, "a"), ("D", at(5), "Ann", 1, "a"), ("U", at(5), "Zoe", 9, "b")],
        [("Ann", 1, at(1), at(5))],
    ),
    "between files an update wins over an insert, then the greatest content": (
        [("I", at(1), "Zoe", 9, "a"), ("U", at(1), "Bea", None, "b"), ("U", at(1), "Bea", 2, "c")],
        [("Bea", 2, at(1), None)],
    ),
    "what one file has followed by another is the earlier one in every file": (
        [
            ("I", at(1), "Ann", 1, "a"),
            ("D", at(5), "Ann", 1, "a"),
            ("D", at(5), "Ann", 1, "b"),
            ("I", at(5), "Bea", 1, "b"),
        ],
        [("Ann", 1, at(1), at(5)), ("Bea", 1, at(5), None)],
    ),
    "files that contradict each other: their last lines count, by content": (
        [
            ("U", at(1), "Ann", 1, "a"),
            ("U", at(1), "Bea", 1, "a"),
            ("U", at(1), "Bea", 1, "b"),
            ("U", at(1), "Ann", 1, "b"),
        ],
        [("Bea", 1, at(1), None)],
    ),
    "a record that comes again in the same file counts by its last line": (
        [("U", at(1), "Ann", 1), ("U", at(1), "Bea", 1), ("U", at(1), "Ann", 1)],
        [("Ann", 1, at(1), None)],
    ),
}


def delivered(key: str, changes: list[tuple[Any, ...]]) -> list[Change]:
    """Changes of a key in the order of lines of one file, or of those that they name."""
    return [(key, *change[:4], 1, *(change[4:] or ("f",)), line) for line, change in enumerate(changes, 2)]


@pytest.fixture(scope="module")
def rebuilt_by_hand(spark: SparkSession) -> dict[str, list[tuple[Any, ...]]]:
    changes = [change for name, case in BY_HAND.items() for change in delivered(name, case[0])]
    found: dict[str, list[tuple[Any, ...]]] = {name: [] for name in BY_HAND}
    for row in in_order(rebuild_versions(spark.createDataFrame(changes, CHANGES), key=["id"])):
        found[row[0]].append(row[1:])
    return found


@pytest.mark.parametrize("name", BY_HAND)
def test_key_has_the_versions_worked_out_by_hand(rebuilt_by_hand: dict[str, list[tuple[Any, ...]]], name: str) -> None:
    assert rebuilt_by_hand[name] == [(*version, version[-1] is None) for version in BY_HAND[name][1]]


def test_composite_keys_are_kept_apart(spark: SparkSession) -> None:
    changes = spark.createDataFrame(
        [("a", "p", "I", at(1), "owner", 1, "f", 2), ("a", "q", "I", at(2), "user", 1, "f", 3)],
        f"account_id string, party_id string, op string, changed_at timestamp, role string, {DELIVERED}",
    )
    found = rebuild_versions(changes, key=["account_id", "party_id"])
    assert sorted((row.account_id, row.party_id, row.is_current) for row in found.collect()) == [
        ("a", "p", True),
        ("a", "q", True),
    ]


SNAPSHOTS = f"region_id string, name string, snapshot_on date, {DELIVERED}"


def snapshot_versions(spark: SparkSession, *rows: tuple[str, str, date]) -> list[tuple[Any, ...]]:
    delivered = [(*row, 1, f"{row[-1]}.csv", line) for line, row in enumerate(rows)]
    changes = snapshots_as_changes(spark.createDataFrame(delivered, SNAPSHOTS), key=["region_id"])
    return in_order(rebuild_versions(changes, key=["region_id"]))


def test_key_absent_from_a_later_snapshot_is_closed_there(spark: SparkSession) -> None:
    assert snapshot_versions(
        spark, ("1", "N", date(1993, 1, 1)), ("2", "S", date(1993, 1, 1)), ("1", "N", date(1993, 1, 5))
    ) == [("1", "N", at(1), None, True), ("2", "S", at(1), at(5), False)]


def test_key_that_returns_in_a_third_snapshot_opens_again(spark: SparkSession) -> None:
    assert snapshot_versions(
        spark,
        ("1", "N", date(1993, 1, 1)),
        ("2", "S", date(1993, 1, 1)),
        ("1", "N", date(1993, 1, 5)),
        ("1", "N", date(1993, 1, 9)),
        ("2", "S", date(1993, 1, 9)),
    ) == [("1", "N", at(1), None, True), ("2", "S", at(1), at(5), False), ("2", "S", at(9), None, True)]


@pytest.mark.parametrize(
    ("day", "names"),
    [(date(1992, 12, 31), []), (date(1993, 1, 1), ["Ann"]), (date(1993, 1, 4), ["Ann"]), (date(1993, 1, 5), ["Bea"])],
)
def test_as_of_takes_the_version_at_the_end_of_the_day(spark: SparkSession, day: date, names: list[str]) -> None:
    versions = spark.createDataFrame(
        [("a", "Ann", 1, at(1, 12), at(5, 23), False), ("a", "Bea", 1, at(5, 23), None, True)], VERSIONS
    )
    assert [row.name for row in as_of(versions, day).collect()] == names


def test_at_midnight_one_version_ends_and_the_next_begins(spark: SparkSession) -> None:
    versions = spark.createDataFrame(
        [("a", "Ann", 1, at(1), at(5), False), ("a", "Bea", 1, at(5), None, True)], VERSIONS
    )
    valid = [[row.name for row in as_of(versions, date(1993, 1, day)).collect()] for day in (4, 5)]
    assert valid == [["Ann"], ["Bea"]]


def reference(changes: list[Change]) -> list[tuple[Any, ...]]:
    """The rules read once more, in plain Python, one key after the other."""

    def order(version: tuple[Any, ...]) -> tuple[Any, ...]:
        op, name, level = version
        return op == "D", op == "U", name is not None, name or "", level is not None, level or 0

    def winner(records: list[Change]) -> tuple[Any, ...]:
        files: dict[str, list[tuple[Any, ...]]] = {}
        for change in sorted(records, key=lambda change: change[-1]):
            files.setdefault(change[-2], []).append((change[1], *change[3:5]))
        last = {versions[-1] for versions in files.values()}
        followed = {version for versions in files.values() for version in versions if version != versions[-1]}
        return max(last - followed or last, key=order)

    rows = []
    for key, group in groupby(sorted(changes, key=lambda c: c[0]), key=lambda c: c[0]):
        instants: dict[datetime, list[Change]] = {}
        for change in group:
            instants.setdefault(change[2], []).append(change)
        open_since: tuple[datetime, Any] | None = None
        for instant in sorted(instants):
            op, name, level = winner(instants[instant])
            state = None if op == "D" else (name, level)
            if open_since and open_since[1] == state:
                continue
            if open_since:
                rows.append((key, *open_since[1], open_since[0], instant, False))
            open_since = None if state is None else (instant, state)
        if open_since:
            rows.append((key, *open_since[1], open_since[0], None, True))
    return sorted(rows, key=lambda row: (row[0], row[3]))


record = st.tuples(
    st.sampled_from("IUUD"),
    st.integers(0, 4).map(lambda hours: at(1) + timedelta(hours=hours)),
    st.sampled_from([None, "Ann", "Bea"]),
    st.sampled_from([None, 1, 2]),
    st.sampled_from("fgh"),
)


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[Change], list[Change]]:
    """The histories of 60 keys in three files, and the same records in another order, the files in other runs."""
    histories = draw(st.lists(st.lists(record, min_size=1, max_size=9), min_size=60, max_size=60))
    first = [change for number, history in enumerate(histories) for change in delivered(f"k{number:02}", history)]
    runs = dict(zip("fgh", draw(st.permutations([1, 2, 3])), strict=True))
    second = [(*change[:5], runs[change[6]], *change[6:]) for change in draw(st.permutations(first))]
    return first, second


@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(deliveries())
def test_any_order_of_arrival_gives_the_versions_of_the_rules(
    spark: SparkSession, case: tuple[list[Change], list[Change]]
) -> None:
    first, second = case
    as_listed = rebuild_versions(spark.createDataFrame(first, CHANGES).coalesce(1), key=["id"])
    shuffled = rebuild_versions(spark.createDataFrame(second, CHANGES).repartition(3), key=["id"])
    expected: DataFrame = spark.createDataFrame(reference(first), VERSIONS)
    by_version = [lambda frame: frame.sort("id", "valid_from")]
    assert_df_equality(as_listed, expected, transforms=by_version, ignore_nullable=True)
    assert_df_equality(shuffled, expected, transforms=by_version, ignore_nullable=True)
