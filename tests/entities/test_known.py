"""Ranges that cover a few ids or days of a long history: nothing is missed, and little is read for it."""

from __future__ import annotations

import random
import uuid
from datetime import date, timedelta
from pathlib import Path

import pytest
from delta.tables import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from portrait.entities.known import closest_together, near_ids, on_days


def ids(spark: SparkSession, *values: str) -> DataFrame:
    return spark.createDataFrame([(value,) for value in values], "transaction_id string")


def test_the_widest_gaps_stay_open_and_neighbours_become_one() -> None:
    days = [1, 2, 3, 10, 30]
    assert closest_together([(day, day, str(day), str(day)) for day in days], apart=1) == [
        ("1", "3"),
        ("10", "10"),
        ("30", "30"),
    ]


def test_more_than_sixteen_stretches_lose_their_narrowest_gaps() -> None:
    begins = [place * place for place in range(1, 40)]  # gaps grow from 3 to 77
    found = closest_together([(begin, begin, str(begin), str(begin)) for begin in begins])
    assert len(found) == 16
    assert found[0] == ("1", str(24 * 24))
    assert found[1:] == [(str(place * place),) * 2 for place in range(25, 40)]


def test_no_day_is_met_by_no_row(spark: SparkSession) -> None:
    days = spark.createDataFrame([(date(2025, 3, day),) for day in range(1, 32)], "day date")
    assert days.where(on_days([], "day")).count() == 0
    assert [row.day.day for row in days.where(on_days([date(2025, 3, 9), date(2025, 3, 2)], "day")).collect()] == [2, 9]


def test_no_id_has_no_condition(spark: SparkSession) -> None:
    assert near_ids(ids(spark), "transaction_id") is None


DRAW = random.Random(11)
KINDS = {
    "numbers without leading zeros": [str(DRAW.randrange(1, 10**7)) for _ in range(300)],
    "uuids": [str(uuid.UUID(int=DRAW.getrandbits(128))) for _ in range(300)],
    "other scripts and lengths": [
        "",
        "ä",
        "Ä1",
        "交易9",
        "交易10",
        "\U0001f600",
        "a'b",
        "a\\b",
        "z" * 60,
        "z" * 59 + "y",
    ],
    "one": ["T1"],
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_id_meets_the_condition(spark: SparkSession, kind: str) -> None:
    values = set(KINDS[kind])
    known = ids(spark, *values)
    condition = near_ids(known, "transaction_id")
    assert condition is not None
    assert {row.transaction_id for row in known.where(condition).collect()} == values


@pytest.mark.delta
def test_files_between_the_ids_and_days_are_not_read(spark: SparkSession, tmp_path: Path) -> None:
    history = str(tmp_path / "history")
    first = date(2020, 1, 1)
    rows = spark.range(0, 40_000, 1, 40).selectExpr(
        "concat('T', lpad(id, 9, '0')) as transaction_id",
        f"date_add(date'{first}', cast(id / 100 as int)) as booked_on",
    )
    rows.write.format("delta").save(history)
    table = DeltaTable.forPath(spark, history).toDF()
    new = ids(spark, "T000000007", "T000020010", *[f"T{number:09}" for number in range(39_900, 40_100)])
    condition = near_ids(new, "transaction_id")
    assert condition is not None
    found = table.where(condition).select("transaction_id", F.input_file_name().alias("file")).collect()
    assert len({row.file for row in found}) == 3  # of 40, each of 1,000 ids
    assert files_read(table.where(condition)) == 3
    days = [first, first + timedelta(days=1), first + timedelta(days=205)]
    assert files_read(table.where(on_days(days, "booked_on"))) == 2


def files_read(frame: DataFrame) -> int:
    """Files that a scan opens, by Spark's own count."""
    frame.write.format("noop").mode("overwrite").save()
    return len(frame.inputFiles())
