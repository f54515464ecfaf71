"""Counting audiences: our Arrow columns beside DuckDB and Spark SQL on the same Parquet files.

    python bench/audiences.py [--customers 1000000] [--labels 200] [--repeat 5]

ours         the columns of PortraitColumns, read once (the first round reads them), every clause evaluated anew
DuckDB       count(*) filter over the wide Parquet files, warm file cache, two threads
Spark SQL    the same over the same files, one job a count
Spark, kept  the same over the columns in Spark's own cache

Ten expressions of three to six clauses, all engines by turns; the counts must be equal. The first round is quoted by
itself; the others are warm, and each expression's figure is its median.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
from pyspark.sql import SparkSession

from portrait.capabilities.audiences.clauses import Clause, labels_read
from portrait.capabilities.audiences.columns import PortraitColumns
from portrait.capabilities.audiences.parsing import Vocabulary, parse_audience
from portrait.labels.declaration import Label
from portrait.lake import Selection
from portrait.spark.session import start_embedded

EXPRESSIONS = [
    "yes_0 and yes_1 and not yes_2",
    "text_0 in ('v1', 'v2') and yes_3 and not yes_4",
    "text_1 = 'v3' and (yes_5 or yes_6) and number_0 >= 40",
    "money_0 > 5000 and money_1 < 90000 and yes_7",
    "number_1 between 20 and 60 and text_2 in ('v0', 'v4', 'v5') and not yes_8",
    "(yes_9 or text_3 = 'v1') and (yes_10 or money_2 >= 70000.50) and not yes_11",
    "not (yes_12 and yes_13) and text_4 <> 'v2' and number_2 < 90 and yes_14",
    "yes_15 is null or (yes_16 and yes_17 and text_5 in ('v1', 'v3'))",
    "money_3 > 10000 and money_4 > 10000 and number_3 > 10 and yes_18 and text_6 = 'v0'",
    "yes_19 and not yes_20 and text_7 in ('v0', 'v1') and number_4 <= 70 and money_5 >= 100 and not yes_21",
]


def label_of(name: str) -> Label:
    """The label that a column of the bench stands for."""
    kind = {"yes": "boolean", "text": "string", "number": "integer", "money": "decimal"}[name.split("_")[0]]
    return Label.model_validate(
        {"id": name, "title": name, "theme": "bench", "kind": "fact", "type": kind, "from": "customer_features",
         "value": name, "owner": "bench", "sensitivity": "internal", "freshness": "1 day", "status": "active",
         "version": 1, "description": "A column of the benchmark."}
    )  # fmt: skip


def portrait(spark: SparkSession, customers: int, labels: int, folder: str) -> dict[str, Label]:
    """A wide table of random labels, a tenth of each unknown."""
    kinds = {
        "yes": "{0} % 10 < 3",
        "text": "concat('v', {0} % 8)",
        "number": "{0} % 100",
        "money": "cast(({0} % 10000000) / 100 as decimal(18,2))",
    }
    share = {"yes": 0.6, "text": 0.15, "number": 0.15, "money": 0.1}
    names = [f"{kind}_{n}" for kind in kinds for n in range(int(labels * share[kind]))]
    values = []
    for position, name in enumerate(names):
        draw = f"pmod(xxhash64(id, {position}), 1000000007)"
        value = kinds[name.split("_")[0]].format(f"pmod(xxhash64(id, {position}, 1), 1000000007)")
        values.append(f"if({draw} % 10 = 0, null, {value}) as {name}")
    rows = spark.range(0, customers, 1, 4).selectExpr("concat('C', lpad(id, 9, '0')) as customer_id", *values)
    rows.write.format("delta").save(folder)
    return {name: label_of(name) for name in names}


def main() -> None:
    """Make the table, count by turns, print Markdown tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--labels", type=int, default=200)
    parser.add_argument("--repeat", type=int, default=5)
    args = parser.parse_args()
    spark = start_embedded(Path("conf"))
    with tempfile.TemporaryDirectory(prefix="portrait-bench-") as folder:
        files = f"{folder}/portrait"
        labels = portrait(spark, args.customers, args.labels, files)
        words = Vocabulary(labels, lambda name: None)
        clauses = [parse_audience(text, words=words, where="bench") for text in EXPRESSIONS]
        table = spark.read.format("delta").load(files)
        read = sorted(set().union(*(labels_read(clause) for clause in clauses)))
        kept = table.select(*read).persist()
        columns = PortraitColumns(Selection(Path(files)), labels)
        connection = duckdb.connect()
        connection.execute("set threads = 2")
        engines: dict[str, Callable[[Clause], int]] = {
            "ours": lambda clause: columns.count(clause).true,
            "DuckDB": lambda clause: _one(connection, f"select count(*) from '{files}/*.parquet' where {clause.sql}"),
            "Spark SQL": lambda clause: table.where(clause.sql).count(),
            "Spark, kept": lambda clause: kept.where(clause.sql).count(),
        }
        seconds = _by_turns(engines, clauses, args.repeat)
    spark.stop()
    _print(seconds, customers=args.customers, labels=len(labels))


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


def _by_turns(
    engines: dict[str, Callable[[Clause], int]], clauses: list[Clause], repeat: int
) -> dict[str, list[list[float]]]:
    """Seconds by engine, expression and round; raises ValueError where counts differ."""
    seconds: dict[str, list[list[float]]] = {name: [[] for _ in clauses] for name in engines}
    for _ in range(repeat + 1):
        for position, clause in enumerate(clauses):
            counts = {}
            for name, count in engines.items():
                started = time.perf_counter()
                counts[name] = count(clause)
                seconds[name][position].append(time.perf_counter() - started)
            if len(set(counts.values())) > 1:
                raise ValueError(f"{clause.sql}: {counts}")
    return seconds


def _print(seconds: dict[str, list[list[float]]], *, customers: int, labels: int) -> None:
    warm = {name: [statistics.median(rounds[1:]) for rounds in found] for name, found in seconds.items()}
    print(f"{customers:,} customers x {labels} labels, {len(EXPRESSIONS)} expressions, counts equal\n")
    print("| engine | first round, ms a count | warm median, ms | warm p95, ms | slowest expression / DuckDB |")
    print("| --- | --- | --- | --- | --- |")
    for name, found in seconds.items():
        first = statistics.mean(rounds[0] for rounds in found)
        single = sorted(second for rounds in found for second in rounds[1:])
        p95 = single[min(len(single) - 1, int(0.95 * len(single)))]
        worst = max(ours / theirs for ours, theirs in zip(warm[name], warm["DuckDB"], strict=True))
        median = statistics.median(warm[name])
        print(f"| {name} | {1e3 * first:.1f} | {1e3 * median:.2f} | {1e3 * p95:.2f} | {worst:.2f} |")


if __name__ == "__main__":
    main()
