"""Writes `.jars/classes.jsa`: the classes that every command loads, parsed and verified once, at set-up.

Java maps the archive into memory instead of loading some ten thousand classes one by one: a command that starts Spark
needs a third less processor time. Set-up calls `python scripts/class_archive.py`; spark-submit then runs this same
file with `load`, which touches what a run touches, and Java writes the archive when it ends. An archive that does not
fit the Java that finds it is passed over.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from portrait.spark.jars import CHECKOUT, jar_paths
from portrait.spark.session import class_archive, java_home


def write(archive: Path) -> None:
    """Run this file under spark-submit; the archive appears whole or not at all."""
    draft = archive.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        command = [
            *(
                str(Path(sys.executable).parent / "spark-submit"),
                "--properties-file",
                str(CHECKOUT / "conf/spark/local.conf"),
            ),
            *("--jars", ",".join(str(path) for path in jar_paths()), "--conf", f"spark.sql.warehouse.dir={scratch}"),
            *("--driver-java-options", f"-XX:ArchiveClassesAtExit={draft} -Xlog:cds=off -Xlog:cds+dynamic=off"),
            *(str(Path(__file__).resolve()), "load", scratch),
        ]
        environment = {**os.environ, "PYSPARK_PYTHON": sys.executable}
        if (home := java_home()) is not None:
            environment["JAVA_HOME"] = home
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode or not draft.exists():
        print("setup: Java wrote no class archive; commands will start a little slower", file=sys.stderr)
        return
    draft.replace(archive)
    print(f"setup: class archive written ({archive.stat().st_size / 1e6:.0f} MB); commands start faster with it")


def load(scratch: Path) -> None:
    """What a run does, in small: Delta tables, a merge, a stream, joins, windows, a report's worth of aggregates."""
    from delta.tables import DeltaTable
    from pyspark.sql import DataFrame, SparkSession, Window
    from pyspark.sql import functions as F

    spark = SparkSession.builder.getOrCreate()
    lines, table = scratch / "lines", str(scratch / "table")
    rows = spark.range(200).selectExpr("id", "cast(id % 7 as string) as name", "cast(id as decimal(18,2)) as amount")
    rows.write.option("header", True).csv(str(lines))
    rows.withColumn("as_of", F.lit("2025-01-31").cast("date")).write.format("delta").partitionBy("as_of").save(table)
    target, source = DeltaTable.forPath(spark, table), spark.read.format("delta").load(table).where("id % 2 = 0")
    merge = target.alias("t").merge(source.alias("s"), "t.id = s.id")
    merge.whenMatchedUpdate(set={"amount": "s.amount + 1"}).whenNotMatchedInsertAll().execute()

    def take(batch: DataFrame, number: int) -> None:
        batch.groupBy("value").count().write.format("delta").mode("append").save(f"{table}-{number}")

    stream = spark.readStream.text(str(lines)).writeStream.foreachBatch(take).trigger(availableNow=True)
    stream.option("checkpointLocation", str(scratch / "checkpoint")).start().awaitTermination()
    spark.sql("create database if not exists gold")
    spark.sql(f"create table gold.sample using delta location '{table}'")
    spark.sql("alter table gold.sample add columns (note string)")
    sample = spark.table("gold.sample")
    ranked = sample.withColumn("rank", F.row_number().over(Window.partitionBy("name").orderBy("amount")))
    totals = sample.groupBy("name").agg(F.sum("amount").alias("total"), F.collect_set("id"), F.max("as_of"))
    ranked.join(totals, on="name", how="left").orderBy("id").limit(20).collect()
    spark.stop()


if __name__ == "__main__":
    if sys.argv[1:2] == ["load"]:
        load(Path(sys.argv[2]))
    else:
        write(class_archive())
