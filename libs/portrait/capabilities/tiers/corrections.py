"""What a slice of gold.customer_tier that is recomputed changes, and why."""

from __future__ import annotations

from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from portrait.lake import Lake

TIERS, NOTES = "gold.customer_tier", "ops.tier_corrections"
_COMPARED = ("tier", "misses", "coming_tier")
_NOTED = ("tier_after", "misses_after", "coming_after")


def note_corrections(lake: Lake, tiers: DataFrame, *, as_of: date) -> None:
    """Note in ops.tier_corrections what `tiers` changes in the slice written so far, before it is replaced.

    A run that died in between left notes of a slice that nobody wrote: they go in the same commit.
    """
    if as_of not in lake.slices(TIERS):
        return
    written = lake.slice(TIERS, as_of)
    found = tier_corrections(tiers, written, as_of=as_of, run=lake.run_number).persist()
    void = notes_of_died_runs(lake.read(NOTES), written, as_of=as_of) if lake.has(NOTES) else None
    if not found.isEmpty() or (void is not None and not void.isEmpty()):
        lake.merge(NOTES, found, replacing=void)
    found.unpersist()


def notes_of_died_runs(noted: DataFrame, written: DataFrame, *, as_of: date) -> DataFrame:
    """Distinct run and as_of of notes that the slice `written` does not bear out: their run died before it wrote it.

    Only the newest run noted for a slice can be one: the next run that notes something takes its notes away.
    """
    own = noted.where(F.col("as_of") == F.lit(as_of))
    newest = own.agg(F.max("run").alias("newest"))
    last = own.join(F.broadcast(newest), on=F.col("run") == F.col("newest"), how="inner")
    both = last.join(written.select("customer_id", *_COMPARED), on="customer_id", how="left")
    differs = F.lit(False)
    for after, name in zip(_NOTED, _COMPARED, strict=True):
        differs = differs | ~F.col(after).eqNullSafe(F.col(name))
    return both.where(differs).select("run", "as_of").distinct()


def tier_corrections(tiers: DataFrame, written: DataFrame, *, as_of: date, run: int) -> DataFrame:
    """ops.tier_corrections: one row per customer who stands elsewhere in `tiers` than in the slice `written` so far."""
    before, now = written.alias("before"), tiers.alias("now")
    differs = F.lit(False)
    for name in _COMPARED:
        differs = differs | ~F.col(f"before.{name}").eqNullSafe(F.col(f"now.{name}"))
    compared = before.join(now, on=F.col("before.customer_id") == F.col("now.customer_id"), how="full").where(differs)
    return compared.select(
        F.lit(run).cast("bigint").alias("run"),
        F.lit(as_of).alias("as_of"),
        F.coalesce("now.customer_id", "before.customer_id").alias("customer_id"),
        _cause().alias("cause"),
        F.col("before.tier").alias("tier_before"),
        F.col("now.tier").alias("tier_after"),
        F.col("before.misses").alias("misses_before"),
        F.col("now.misses").alias("misses_after"),
        F.col("before.coming_tier").alias("coming_before"),
        F.col("now.coming_tier").alias("coming_after"),
    )


def _cause() -> Column:
    def changed(name: str) -> Column:
        return ~F.col(f"before.{name}").eqNullSafe(F.col(f"now.{name}"))

    # Another tier by the same decision: what the policy gives is as before.
    by_hand = F.col("now.override_until").isNotNull() & changed("tier") & ~changed("earned_tier")
    return (
        F.when(F.col("before.customer_id").isNull(), "entered")
        .when(F.col("now.customer_id").isNull(), "left")
        .when(changed("policy"), "policy")
        .when(changed("override_until") | changed("override_reason") | by_hand, "override")
        .when(changed("level_tier"), "facts")
        .otherwise("path")
    )
