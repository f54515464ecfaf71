"""gold.watch_list: one row per entry, day and event: loans that come onto the list, get worse, are escalated, leave it.

Reads the slice of gold.loan_warnings and the events of earlier days; conf/early_warning.yml and the signals in
conf/early_warning/. Events are never changed: a rerun adds what is missing of its day, and a day before the newest one
of the list adds nothing.
"""

from __future__ import annotations

from pyspark.sql import functions as F

from portrait.capabilities.early_warning.policy import load_signals, load_warning_policy
from portrait.capabilities.early_warning.watch_list import open_entries, watch_events
from portrait.run.job import job_arguments, open_lake, submit
from portrait.spark.frames import frame_of

TABLE = "gold.watch_list"


def main(argv: list[str] | None = None) -> None:
    args = job_arguments(__doc__).parse_args(argv)
    day, watch = args.as_of, load_warning_policy(args.conf).watch
    with open_lake(args) as lake:
        signals, contract = load_signals(args.conf, lake.catalogue), lake.catalogue.table(TABLE)
        known = lake.read(TABLE) if lake.has(TABLE) else frame_of(lake.spark, [], contract.struct_type)
        newest = known.agg(F.max("day").alias("newest")).collect()[0]["newest"]
        if newest is not None and newest > day:
            print(f"the watch list is of {newest} already: {day} adds nothing")
            return
        entries = open_entries(known, before=day)
        found = watch_events(lake.slice("gold.loan_warnings", day), entries, signals=signals, watch=watch, as_of=day)
        events = found.select(*contract.column_names)
        # One event per entry and day: what a run that was repeated has seen already stands as it was seen first.
        seen = known.where(F.col("day") == F.lit(day)).select("loan_id").distinct()
        lake.append(TABLE, events.join(seen, on="loan_id", how="left_anti").select(*contract.column_names))


if __name__ == "__main__":
    submit(main)
