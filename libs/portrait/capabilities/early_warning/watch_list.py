"""The watch list: which loans come onto it, who has to act by when, and when they leave it. Events, never changed."""

from __future__ import annotations

from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from portrait.capabilities.early_warning.policy import Signals, Watch

_STATES = ("closed", "observed", "watched", "intensive")


def open_entries(events: DataFrame, *, before: date) -> DataFrame:
    """The newest event of each entry that is open at the beginning of a day; `events`: gold.watch_list."""
    newest = Window.partitionBy("entry_id").orderBy(F.col("day").desc(), _order(F.col("event")).desc())
    known = events.where(F.col("day") < F.lit(before)).withColumn("place", F.row_number().over(newest))
    return known.where("place = 1 and state <> 'closed'").drop("place")


def _order(event: Column) -> Column:
    """Of several events of a day the one that comes last."""
    return F.array_position(F.array(*map(F.lit, ("opened", "lowered", "raised", "escalated", "closed"))), event)


def watch_events(warnings: DataFrame, entries: DataFrame, *, signals: Signals, watch: Watch, as_of: date) -> DataFrame:
    """Rows of gold.watch_list of a day, at most one per entry. `warnings`: the slice of gold.loan_warnings; `entries`
    of `open_entries`.

    A loan comes onto the list with a severity of at least `least_severity`. An entry is closed when no signal has been
    on for the longest `exit_days` of the signals that it had, or the loan is no more; otherwise its state follows the
    severity. When a deadline passes, the next level is responsible.
    """
    day = F.lit(as_of)
    had = entries.select(
        "loan_id",
        *[F.col(name).alias(f"old_{name}") for name in
          ("entry_id", "customer_id", "severity", "level", "responsible", "deadline", "clear_since", "signals")],
    )  # fmt: skip
    now = warnings.select("loan_id", "customer_id", "severity", "signals", F.lit(True).alias("runs"))
    both = now.join(had, on="loan_id", how="full")
    listed, runs = F.col("old_entry_id").isNotNull(), F.coalesce("runs", F.lit(False))
    severity = F.coalesce("severity", F.lit(0))
    kept = both.where(listed | (severity >= watch.least_severity)).withColumns(
        {
            "listed": listed,
            "runs": runs,
            "severity": severity,
            "signals": F.coalesce("signals", F.array().cast("array<string>")),
            "customer_id": F.coalesce("customer_id", "old_customer_id"),
            "clear": F.when(severity == 0, F.coalesce("old_clear_since", day)),
        }
    )
    # While no signal is on, the entry remembers those that were.
    meant = F.when(F.size("signals") > 0, F.col("signals")).otherwise(F.col("old_signals"))
    told = kept.withColumn("told", meant)
    owners, days, exits = (_of_signals(signals, name) for name in ("owner", "deadline_days", "exit_days"))
    waited = F.date_diff(day, "clear") >= _most(exits, "told")
    over = F.col("listed") & (~F.col("runs") | (F.col("clear").isNotNull() & waited))
    late = F.col("listed") & (F.col("old_deadline") < day) & (F.col("old_level") < len(watch.levels))
    raised = F.col("severity") > F.col("old_severity")
    lowered = (F.col("severity") < F.col("old_severity")) | (
        F.col("clear").isNotNull() != F.col("old_clear_since").isNotNull()
    )
    event = (
        F.when(~F.col("listed"), "opened")
        .when(over, "closed")
        .when(late, "escalated")
        .when(raised, "raised")
        .when(lowered, "lowered")
    )
    level = F.when(F.col("event") == "opened", 0).when(F.col("event") == "escalated", F.col("old_level") + 1)
    names = F.array(*map(F.lit, watch.levels)) if watch.levels else F.array().cast("array<string>")
    anew = F.col("event").isin("opened", "raised")
    responsible = (
        F.when(F.col("event") == "escalated", F.try_element_at(names, F.col("old_level") + 1))
        .when(F.col("event") == "opened", _first(owners, "told"))
        .otherwise(F.col("old_responsible"))
    )
    deadline = (
        F.when(F.col("event") == "closed", None)
        .when(F.col("event") == "escalated", F.date_add(day, watch.level_days))
        .when(anew, F.least("old_deadline", F.date_add(day, _least(days, "told"))))  # never later by getting worse
        .otherwise(F.col("old_deadline"))
    )
    found = told.withColumn("event", event).where("event is not null")
    state = F.element_at(F.array(*map(F.lit, _STATES)), F.greatest("severity", F.lit(1)) + 1)
    shown = F.array_join("told", ", ")
    reason = (
        F.when(F.col("event") == "opened", F.concat(F.lit("signals: "), shown))
        .when((F.col("event") == "closed") & ~F.col("runs"), F.lit("the loan is repaid or no more"))
        .when(F.col("event") == "closed", F.concat(F.lit("no signal since "), F.col("clear").cast("string")))
        .when(
            F.col("event") == "escalated",
            F.concat(F.col("old_responsible"), F.lit(" did not close it by "), F.col("old_deadline").cast("string")),
        )
        .when(F.col("severity") == 0, F.lit("no signal is on any more"))
        .otherwise(F.concat(F.lit("signals: "), shown))
    )
    return found.select(
        F.coalesce("old_entry_id", F.concat("loan_id", F.lit(f" {as_of}"))).alias("entry_id"),
        day.alias("day"),
        *("event", "loan_id", "customer_id"),
        F.when(F.col("event") == "closed", "closed").otherwise(state).alias("state"),
        "severity",
        F.coalesce(level, "old_level").alias("level"),
        responsible.alias("responsible"),
        deadline.alias("deadline"),
        F.col("clear").alias("clear_since"),
        F.col("told").alias("signals"),
        reason.alias("reason"),
    )


def _of_signals(signals: Signals, name: str) -> Column:
    """A map of the id of a signal to what its file says."""
    return F.create_map(*[F.lit(value) for item in signals.signals for value in (item.id, getattr(item, name))])


def _values(of: Column, ids: str) -> Column:
    """What the map has for these signals; a signal whose file is gone counts no more."""
    return F.array_compact(F.transform(ids, lambda item: F.try_element_at(of, item)))


def _most(of: Column, ids: str) -> Column:
    return F.coalesce(F.array_max(_values(of, ids)), F.lit(1))


def _least(of: Column, ids: str) -> Column:
    return F.array_min(_values(of, ids))


def _first(of: Column, ids: str) -> Column:
    return F.try_element_at(_values(of, ids), F.lit(1))
