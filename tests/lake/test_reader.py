"""Tables read as Arrow, without Spark: the rows, types and order that Spark gives, or Spark itself."""

from __future__ import annotations

import math
import random
import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from portrait.errors import PortraitError
from portrait.lake import Selection
from portrait.lake.arrow import array_of, scalar_of
from portrait.lake.by_spark import BySpark
from portrait.lake.selection import Filter, ordered, python_rows

D1, D2 = date(2024, 2, 29), date(2024, 3, 31)
SCHEMA = (
    "as_of date, id string, n bigint, small int, tiny smallint, one tinyint, rate double, single float, yes boolean,"
    "amount decimal(18,2), wide decimal(38,10), at timestamp, local timestamp_ntz, day date, tags array<string>,"
    "facts map<string,string>, counts map<string,bigint>, both struct<a: int, b: string>, raw binary"
)


def some_rows(seed: int, as_of: date, count: int = 60) -> list[tuple[Any, ...]]:
    """Rows of every type, a fifth of the values null, with what is unlike in two engines: order, zones, old days."""
    draw = random.Random(seed)

    def perhaps(value: Any) -> Any:
        return None if draw.random() < 0.2 else value

    texts = ["a", "B", "ä", "é", "Z", "", " ", "中", "😀", "\ufffd", "z" * 40, "z" * 40 + "😀", "o'brien"]
    days = [date(1, 1, 1), date(1582, 10, 4), date(1900, 2, 28), date(2024, 2, 29), date(9999, 12, 31)]
    return [
        (
            as_of,
            None if number == 0 else f"{draw.choice(texts)}{number}",
            perhaps(draw.randrange(-(2**63), 2**63)),
            perhaps(draw.randrange(-(2**31), 2**31)),
            perhaps(draw.randrange(-(2**15), 2**15)),
            perhaps(draw.randrange(-128, 128)),
            perhaps(draw.choice([0.1, -0.0, math.inf, -math.inf, 1e300, 5e-324])),
            perhaps(0.5),
            perhaps(draw.random() < 0.5),
            perhaps(Decimal(draw.randrange(-(10**17), 10**17)) / 100),
            perhaps(Decimal(draw.randrange(10**20)).scaleb(-10)),
            perhaps(datetime(2024, 3, 31, 0, 30, 0, draw.randrange(1_000_000)) - timedelta(days=draw.randrange(9_000))),
            perhaps(datetime(2024, 3, 31, 2, 30, 0, draw.randrange(1_000_000))),
            perhaps(draw.choice(days)),
            perhaps([draw.choice([*texts, None]) for _ in range(draw.randrange(4))]),
            perhaps({f"k{key}": perhaps(draw.choice(texts)) for key in range(draw.randrange(3))}),
            perhaps({"x": perhaps(draw.randrange(10))}),
            perhaps((draw.randrange(9), draw.choice(texts))),
            perhaps(bytearray(draw.randbytes(3))),
        )
        for number in range(count)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def table(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two slices in several files and commits, one replaced, a column added between; in a folder that needs quoting."""
    path = tmp_path_factory.mktemp("lake") / "Köln [1] #2 100% o'brien" / "gold"
    for seed, day in enumerate((D1, D2, D1)):
        frame = spark.createDataFrame(some_rows(seed, day), SCHEMA).repartition(2)
        writer = frame.write.format("delta").mode("overwrite" if seed else "errorifexists").partitionBy("as_of")
        writer.option("replaceWhere", f"as_of = DATE '{day}'").save(str(path)) if seed else writer.save(str(path))
    spark.sql(f"ALTER TABLE delta.`{path}` ADD COLUMNS (late string)")
    more = spark.createDataFrame(some_rows(9, D2, 5), SCHEMA).withColumn("late", F.lit("x"))
    more.write.format("delta").mode("append").save(str(path))
    return path


def by_spark(rows: DataFrame) -> list[dict[str, Any]]:
    """What `collect` gives; a struct as a dict."""
    return [row.asDict(recursive=True) for row in rows.collect()]


def as_set(rows: list[dict[str, Any]]) -> list[str]:
    """Rows in no order, with the type of every value."""
    return sorted(repr([(name, type(value).__name__, value) for name, value in row.items()]) for row in rows)


@pytest.mark.delta
@pytest.mark.parametrize("version", [None, 0, 1, 2])
def test_values_and_types_are_those_of_spark(spark: SparkSession, table: Path, version: int | None) -> None:
    reader = spark.read.format("delta")
    frame = (reader if version is None else reader.option("versionAsOf", version)).load(str(table))
    ours = Selection(table, version=version)
    assert ours.columns == frame.columns
    assert as_set(ours.rows()) == as_set(by_spark(frame))
    assert ours.count() == frame.count()
    layout = frame.limit(0).toArrow().schema
    assert [str(field.type) for field in ours.read().schema if not pa.types.is_nested(field.type)] == [
        str(field.type) for field in layout if not pa.types.is_nested(field.type)
    ]


@pytest.mark.delta
@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai", "America/New_York"])
def test_instants_are_those_of_spark_in_any_zone_of_the_machine(
    spark: SparkSession, table: Path, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        frame = spark.read.format("delta").load(str(table)).select("id", "at", "local")
        assert as_set(Selection(table).rows(["id", "at", "local"])) == as_set(by_spark(frame))
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.delta
@pytest.mark.parametrize(
    "filters",
    [
        [("as_of", "=", D1)], [("as_of", "<=", D1)], [("as_of", "<", D2)], [("as_of", ">=", D2)],
        [("as_of", "=", date(1999, 1, 1))], [("id", "=", "😀8")], [("id", "=", "nobody")],
        [("as_of", "=", D2), ("yes", "=", True)], [("n", "<=", 0)], [("amount", ">=", Decimal("0.01"))],
        [("day", "<", date(1900, 2, 28))], [("id", "in", ["a1", "B2", "z" * 40 + "3", "x"])], [("late", "=", "x")],
        [("small", "in", [])], [("as_of", "in", [D1, D2]), ("day", "=", date(1, 1, 1))],
    ],
)  # fmt: skip
def test_rows_that_meet_conditions_are_those_of_spark(
    spark: SparkSession, table: Path, filters: list[tuple[str, str, Any]]
) -> None:
    ours = Selection(table)
    for item in filters:
        ours = ours.where(*item)
    answers = BySpark(lambda: spark).read(table, None, [Filter(*item) for item in filters], ours.columns)
    assert as_set(ours.rows()) == as_set(python_rows(answers))
    assert ours.count() == answers.num_rows


@pytest.mark.delta
@pytest.mark.parametrize("order", [["id"], ["day", "id"], ["yes", "amount", "id"], ["as_of", "tiny", "id"]])
@pytest.mark.parametrize("limit", [1, 7, 1000])
def test_the_first_rows_are_those_of_spark(spark: SparkSession, table: Path, order: list[str], limit: int) -> None:
    frame = spark.read.format("delta").load(str(table))
    keyed = [*order, "at", "n", "small"]  # null ids repeat
    ours = python_rows(Selection(table).first(limit, order=keyed).select([*keyed, "rate", "tags"]))
    theirs = by_spark(frame.orderBy(*keyed).limit(limit).select(*keyed, "rate", "tags"))
    assert repr(ours) == repr(theirs)


@pytest.mark.delta
def test_an_instant_beyond_the_millisecond_that_the_log_keeps_is_found(spark: SparkSession, tmp_path: Path) -> None:
    path = tmp_path / "t"
    spark.sql("SELECT timestamp'2024-01-01 00:00:00.123456' AS at, 0.1D AS rate").write.format("delta").save(str(path))
    at = datetime(2024, 1, 1, 0, 0, 0, 123456, tzinfo=UTC)
    assert Selection(path).where("at", "=", at).count() == 1
    assert Selection(path).where("at", ">=", at).where("rate", "=", 0.1).count() == 1


@pytest.mark.parametrize("limit", [1, 5, 40, 900])
def test_the_first_of_many_files_are_those_of_a_sort(tmp_path: Path, limit: int) -> None:
    draw = random.Random(4)
    every: list[tuple[date, str | None, int]] = []
    for file in range(6):
        rows = [(D1, draw.choice([None, f"k{draw.randrange(50):02d}"]), 100 * file + n) for n in range(100)]
        names, columns = ["as_of", "k", "n"], zip(*rows, strict=True)
        table = pa.table(dict(zip(names, map(list, columns), strict=True)))
        write_deltalake(tmp_path, table, mode="append", partition_by=["as_of"])
        every += rows
    wanted = sorted(every, key=lambda row: (row[1] is not None, row[1] or "", row[2]))[:limit]
    found = Selection(tmp_path).where("as_of", "=", D1).first(limit, order=["as_of", "k", "n"])
    assert found.select(["as_of", "k", "n"]).to_pylist() == [
        dict(zip(("as_of", "k", "n"), row, strict=True)) for row in wanted
    ]


def test_rows_without_an_order_come_from_the_largest_file(tmp_path: Path) -> None:
    for rows in (range(3), range(100, 1100)):
        write_deltalake(tmp_path, pa.table({"n": list(rows)}), mode="append")
    assert Selection(tmp_path).first(2, order=[]).to_pydict() == {"n": [100, 101]}
    assert Selection(tmp_path).first(5000, order=[]).num_rows == 1003


def test_descending_puts_null_last_and_keeps_equal_rows(tmp_path: Path) -> None:
    table = pa.table({"a": [1, None, 2, 2], "b": ["w", "x", "y", "z"]})
    assert ordered(table, ["a"], descending=True).column("b").to_pylist() == ["y", "z", "w", "x"]
    assert ordered(table, ["a"]).column("b").to_pylist() == ["x", "w", "y", "z"]


@pytest.mark.delta
@pytest.mark.parametrize(
    "feature",
    [
        "'delta.enableDeletionVectors' = 'true'",
        "'delta.columnMapping.mode' = 'name', 'delta.minReaderVersion' = '2', 'delta.minWriterVersion' = '5'",
    ],
)
def test_a_table_that_delta_rs_cannot_read_is_read_by_spark_with_the_same_rows(
    spark: SparkSession, tmp_path: Path, feature: str
) -> None:
    path = tmp_path / "t"
    spark.sql(f"CREATE TABLE delta.`{path}` (as_of DATE, id STRING, n INT) USING delta TBLPROPERTIES ({feature})")
    spark.sql(f"INSERT INTO delta.`{path}` VALUES (DATE '2024-02-29', 'a', 1), (DATE '2024-02-29', 'b', 2)")
    spark.sql(f"DELETE FROM delta.`{path}` WHERE id = 'a'")
    if "columnMapping" in feature:
        spark.sql(f"ALTER TABLE delta.`{path}` RENAME COLUMN n TO m")
    started: list[int] = []

    def session() -> SparkSession:
        started.append(1)
        return spark

    ours = Selection(path, spark=BySpark(session)).where("as_of", "=", D1)
    name = "m" if "columnMapping" in feature else "n"
    assert ours.columns == ["as_of", "id", name]
    assert ours.rows() == [{"as_of": D1, "id": "b", name: 2}]
    assert (ours.count(), ours.first(5, order=["id"]).num_rows, bool(started)) == (1, 1, True)
    with pytest.raises(PortraitError, match="cannot be read without Spark") as refused:
        Selection(path).rows()
    assert "portrait sql" in refused.value.remedy


@pytest.mark.delta
def test_a_version_whose_log_is_gone_is_left_to_spark(tmp_path: Path) -> None:
    write_deltalake(tmp_path, pa.table({"n": [1]}))
    asked: list[int | None] = []

    class Spark:
        def columns(self, path: Path, version: int | None) -> list[str]:
            asked.append(version)
            return ["n"]

        def read(self, path: Path, version: int | None, filters: object, columns: object) -> pa.Table:
            return pa.table({"n": [7]})

    assert Selection(tmp_path, version=5, spark=Spark()).rows() == [{"n": 7}]
    assert asked == [5]


KINDS: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.string(), st.text()), (pa.bool_(), st.booleans()), (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    (pa.int32(), st.integers(-(2**31), 2**31 - 1)), (pa.date32(), st.dates()),
    (pa.float64(), st.floats(allow_nan=False)),
    (pa.decimal128(18, 2), st.decimals(-(10**15), 10**15, places=2)),
    (pa.timestamp("us", tz="UTC"), st.datetimes(timezones=st.just(UTC))), (pa.timestamp("us"), st.datetimes()),
    (pa.dictionary(pa.int32(), pa.string()), st.text()),
]  # fmt: skip


@given(data=st.data(), place=st.integers(0, len(KINDS) - 1))
def test_arrays_from_bytes_are_those_of_pyarrow(data: st.DataObject, place: int) -> None:
    kind, values = KINDS[place]
    drawn = data.draw(st.lists(st.none() | values, max_size=20))
    found = array_of(drawn, kind)
    found.validate(full=True)
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    assert found.cast(plain).equals(pa.array(drawn, type=plain))
    if drawn:
        assert scalar_of(drawn[0], plain).as_py() == pa.scalar(drawn[0], type=plain).as_py()


def test_a_value_that_does_not_fit_is_refused() -> None:
    with pytest.raises(OverflowError):
        array_of([Decimal("0.001")], pa.decimal128(18, 2))
    with pytest.raises(TypeError):
        array_of([{}], pa.map_(pa.string(), pa.string()))
