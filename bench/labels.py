"""Two hundred labels beside twenty, over the same features.

    python bench/labels.py [--customers 1000000] [--repeat 3] [--write]

Features are random columns of the types that the contracts of the four sources declare, written once as Parquet. The
labels are those of conf/labels, and generated ones up to two hundred; the twenty are spread evenly over them. Without
--write the rows of customer_portrait are thrown away, so that the labels alone are timed; with it they are written as
Parquet. "scan" reads the columns of the two hundred labels and computes nothing; "spreads" is the one pass over the
written portrait behind gold.label_statistics. By turns; the first round is quoted by itself.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import tempfile
from datetime import date
from functools import partial
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from timing import in_turns, report

from portrait.contracts import Catalogue, load_catalogue
from portrait.labels import LabelSet, customer_portrait, load_labels
from portrait.labels.declaration import CheckedLabel
from portrait.labels.declared import with_sources_declared
from portrait.labels.statistics import label_counts
from portrait.spark.session import start_embedded

CONF = Path("conf")
AS_OF = date(2025, 12, 31)
MANY, FEW = 200, 20
_RANDOM = {
    "BOOLEAN": "{0} % 2 = 0", "STRING": "concat('v', {0} % 9)", "INT": "cast({0} % 900 as int)", "BIGINT": "{0} % 90",
    "DOUBLE": "({0} % 10000) / 100d", "DATE": "date_sub(date'2025-12-31', cast({0} % 900 as int))",
}  # fmt: skip


def source(spark: SparkSession, table: str, catalogue: Catalogue, customers: int, folder: str) -> DataFrame:
    """A slice of random facts, a tenth of each unknown."""
    values = ["concat('C', lpad(id, 9, '0')) as customer_id", f"date'{AS_OF}' as as_of"]
    for position, column in enumerate(catalogue.table(f"gold.{table}").columns):
        if column.name in ("customer_id", "as_of"):
            continue
        draw = f"pmod(xxhash64(id, {position}), 1000000007)"
        money = "cast(({0} % 10000000) / 100 as decimal(18,2))"
        value = _RANDOM.get(column.physical_type, money).format(draw)
        values.append(f"if({draw} % 10 = 0, null, {value}) as {column.name}")
    spark.range(0, customers, 1, 4).selectExpr(*values).write.parquet(f"{folder}/{table}")
    return spark.read.parquet(f"{folder}/{table}")


def labels_of(catalogue: Catalogue) -> LabelSet:
    """The catalogue and generated labels: MANY in all."""
    shipped = [item for item in load_labels(CONF, catalogue).checked if item.label.is_computed]
    amounts = [column.name for column in catalogue.table("gold.customer_features").columns if "amount" in column.name]
    generated = []
    for number in range(MANY - len(shipped)):
        one, other = amounts[number % len(amounts)], amounts[(7 * number + 3) % len(amounts)]
        sql = f"CASE WHEN NOT (tenure_days < 90) THEN {one} > {100 + number} AND {other} < 90000 END"
        label = shipped[0].label.model_copy(
            update={"id": f"generated_{number}", "type": "boolean", "from_": "customer_features"}
        )
        generated.append(CheckedLabel(label, sql, frozenset({one, other, "tenure_days"})))
    return LabelSet(tuple((shipped + generated)[:MANY]))


def few_of(labels: LabelSet) -> LabelSet:
    """FEW of them, spread evenly over those that no other label needs."""
    plain = [item for item in labels.checked if item.label.from_ != "portrait"]
    return LabelSet(tuple(plain[:: len(plain) // FEW][:FEW]))


def scans(frame: DataFrame) -> int:
    """File scans in the physical plan."""
    plan = io.StringIO()
    with contextlib.redirect_stdout(plan):
        frame.explain()
    return len(re.findall(r"FileScan parquet", plan.getvalue()))


def main() -> None:
    """Make the sources, compute by turns, print one Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    catalogue = with_sources_declared(CONF, load_catalogue(Path("schemas")))
    spark = start_embedded(CONF)
    with tempfile.TemporaryDirectory(prefix="portrait-bench-") as folder:
        sources = {table: source(spark, table, catalogue, args.customers, folder) for table in catalogue.label_sources}
        many = labels_of(catalogue)
        read = {
            name: sorted(set().union(*(i.reads for i in many.computed_from(name)))) for name in catalogue.label_sources
        }
        works = {
            f"{MANY} labels": [customer_portrait(labels=many, as_of=AS_OF, sources=sources)],
            f"{FEW} labels": [customer_portrait(labels=few_of(many), as_of=AS_OF, sources=sources)],
            "scan": [sources[name].select("customer_id", *columns) for name, columns in read.items()],
        }
        customer_portrait(labels=many, as_of=AS_OF, sources=sources).write.parquet(f"{folder}/portrait")
        works["spreads"] = [label_counts(spark.read.parquet(f"{folder}/portrait"), many)]
        out = f"{folder}/out" if args.write else None
        seconds = in_turns({name: partial(sink, frames, out) for name, frames in works.items()}, args.repeat)
        counted = ", ".join(f"{name} {sum(map(scans, frames))}" for name, frames in works.items())
    spark.stop()
    kept = "written as Parquet" if args.write else "not written"
    report(f"{args.customers:,} customers, {kept}; scans: {counted}", seconds)


def sink(frames: list[DataFrame], folder: str | None) -> None:
    """All rows and columns of the frames computed; kept nowhere, or in `folder`."""
    for frame in frames:
        if folder is None:
            frame.write.format("noop").mode("overwrite").save()
        else:
            frame.write.mode("overwrite").parquet(folder)


if __name__ == "__main__":
    main()
