"""Line numbers and row counts, for files of many blocks."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from portrait.contracts import Column, Contract
from portrait.ingest.files import Counts
from portrait.ingest.lines import block_counts, file_counts, with_lines
from portrait.ingest.verdicts import origin_of

from .conftest import judged_files, staged

FEED = Contract("raw.feed", "", "", (Column("n", "INT", required=True), Column("text", "STRING")))


@pytest.fixture
def tiny_blocks(spark: SparkSession) -> Iterator[None]:
    """Blocks of 200 bytes: every file is read by several tasks, its lines cut at any place."""
    names = ("spark.sql.files.maxPartitionBytes", "spark.sql.files.openCostInBytes")
    before = {name: spark.conf.get(name) for name in names}
    spark.conf.set(names[0], "200")
    spark.conf.set(names[1], "0")
    yield
    for name, value in before.items():
        spark.conf.set(name, value)


@pytest.mark.usefixtures("tiny_blocks")
def test_lines_are_numbered_across_blocks(spark: SparkSession, tmp_path: Path) -> None:
    feed = tmp_path / "feed"
    feed.mkdir()
    # Every row says its own line; blank lines, carriage returns and long lines stand between.
    for name, rows in (("a.csv", 300), ("b.csv", 3), ("c.csv", 120)):
        lines = ["n,text"] + [f"{line},{'x' * (line * 7 % 60)}" if line % 11 else "" for line in range(2, rows + 2)]
        (feed / name).write_bytes(
            "".join(f"{text}{chr(13) if i % 3 else ''}\n" for i, text in enumerate(lines)).encode()
        )
    manifests = staged(tmp_path, FEED)
    frame = judged_files(spark, tmp_path, FEED, manifests).persist()
    blocks = block_counts(frame).collect()
    assert len(blocks) > 20
    rows = with_lines(frame, blocks=blocks, origins={name: origin_of(item) for name, item in manifests.items()})
    found = rows.select("_file", "_line", "n").collect()
    assert [(row["_file"], row["_line"]) for row in found if row["_line"] != row.n] == []
    expected = sum(1 for rows in (300, 3, 120) for line in range(2, rows + 2) if line % 11)
    assert len(found) == expected == len({(row["_file"], row["_line"]) for row in found})
    frame.unpersist()


LINE = st.one_of(
    st.from_regex(r"[0-9]{1,4},[a-z\"é,]{0,20}", fullmatch=True),
    st.sampled_from(["", " ", "\ufeff", "n,text", ",", "x,\r"]),
)


@pytest.mark.usefixtures("tiny_blocks")
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.lists(LINE, max_size=40), st.sampled_from(["\n", "\r\n"]), st.booleans()), min_size=1, max_size=3
    )
)
def test_rows_in_are_good_plus_bad_whatever_the_lines(
    spark: SparkSession, tmp_path: Path, files: list[tuple[list[str], str, bool]]
) -> None:
    shutil.rmtree(tmp_path / "feed", ignore_errors=True)
    (tmp_path / "feed").mkdir()
    for number, (lines, end, closed) in enumerate(files):
        text = end.join(["n,text", *lines]) + (end if closed else "")
        (tmp_path / "feed" / f"{number}.csv").write_bytes(text.encode())
    manifests = staged(tmp_path, FEED)
    frame = judged_files(spark, tmp_path, FEED, manifests).persist()
    blocks = block_counts(frame).collect()
    origins = {name: origin_of(item) for name, item in manifests.items()}
    # Counted three ways: plain Python before Spark, block by block, and row by row with line numbers.
    expected = {name: item.rows for name, item in manifests.items()}
    counts = {name: Counts(0, 0) for name in manifests} | file_counts(blocks, origins)
    assert {name: count.rows for name, count in counts.items()} == expected
    rows = with_lines(frame, blocks=blocks, origins=origins)
    bad = F.count_if(F.col("__reasons").isNotNull())
    numbered = {
        row["__file"]: Counts(row.rows, row.bad)
        for row in rows.groupBy("__file").agg(F.count("*").alias("rows"), bad.alias("bad")).collect()
    }
    assert {name: Counts(0, 0) for name in manifests} | numbered == counts
    frame.unpersist()
