"""gold.customer_tier: one row per customer and as_of, with the reason, the path and the gap to the next tier.

Also gold.tier_levels (a row per tier and criterion), gold.tier_migration (a row per pair of tiers) and
ops.tier_corrections (a row per customer whose tier a recomputed slice changes). Reads the slice of gold.customer_value,
the slice before and the last one of an earlier month of its own table, and tiers set by hand where the bank delivers
them; conf/tiers.yml. A level that ties let too many customers reach qualifies nobody, and is an event. A rerun replaces
the slices.
"""

from __future__ import annotations

from portrait.capabilities.tiers.corrections import note_corrections
from portrait.capabilities.tiers.levels import level_rows, note_ties, tier_levels
from portrait.capabilities.tiers.migration import tier_migration
from portrait.capabilities.tiers.policy import load_tier_policy
from portrait.capabilities.tiers.tiers import assign_tiers
from portrait.entities.versions import as_of
from portrait.run.job import job_arguments, open_lake, submit
from portrait.spark.frames import frame_of

TABLE, LEVELS, BY_HAND = "gold.customer_tier", "gold.tier_levels", "silver.tier_overrides"


def main(argv: list[str] | None = None) -> None:
    args = job_arguments(__doc__).parse_args(argv)
    with open_lake(args) as lake:
        day, policy = args.as_of, load_tier_policy(args.conf / "tiers.yml")
        by_hand = as_of(lake.read(BY_HAND), day, zone=lake.catalogue.time_zone) if lake.has(BY_HAND) else None
        value, previous = lake.slice("gold.customer_value", day), lake.previous_slice(TABLE, day)
        month_before, measured = lake.previous_slice(TABLE, day.replace(day=1)), tier_levels(value, policy=policy)
        found = measured.collect()[0]
        levels, rows = (
            frame_of(lake.spark, [tuple(found)], measured.schema),
            level_rows(found, policy=policy, as_of=day),
        )
        note_ties(rows)
        tiers = assign_tiers(value, previous, month_before, levels=levels, overrides=by_hand, policy=policy, as_of=day)
        note_corrections(lake, tiers, as_of=day)
        lake.replace(TABLE, tiers, day)
        written = lake.read(TABLE).where(f"as_of = date'{day}'")  # not computed twice
        lake.replace(LEVELS, frame_of(lake.spark, rows, lake.catalogue.table(LEVELS).struct_type), day)
        lake.replace("gold.tier_migration", tier_migration(written, previous, as_of=day), day)


if __name__ == "__main__":
    submit(main)
