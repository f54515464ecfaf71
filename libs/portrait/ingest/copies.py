"""Full copies in a batch: compared with what bronze has of their mapping, refused if they lack too much."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import reduce
from operator import and_

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.contracts import Contract
from portrait.ingest.discover import RELEASED
from portrait.ingest.files import Counts, Manifest
from portrait.ingest.ledger import FILES
from portrait.ingest.parsing import MALFORMED
from portrait.ingest.snapshots import (
    PLACE,
    Copies,
    changes_of,
    lost_keys,
    sequence,
    states_of,
    too_much_lost,
)
from portrait.lake import Lake
from portrait.mappings.load import supplied_columns
from portrait.mappings.source import Mappings, SourceMapping
from portrait.spark.days import start_of


@dataclass(frozen=True)
class Comparison:
    """The new copies of one mapping beside those of neighbouring days: see `snapshots.sequence`."""

    contract: Contract
    mapping: SourceMapping
    days: Mapping[str, date]
    """Staged file to the day of which it is a copy."""
    copies: Copies
    found: DataFrame

    @property
    def makes_changes(self) -> bool:
        """Whether its rows become change records; else the feed keeps whole copies."""
        return bool(self.contract.custom("delivery") != "snapshot")

    def changes(self) -> DataFrame:
        """What bronze is to have of the copies: change records of the feed, and where they come from."""
        return changes_of(self.found, columns=self.contract.column_names)

    def refused(self) -> dict[str, str]:
        """The staged files that lack more than they may, with the reason."""
        assert self.mapping.spec.snapshot is not None
        most = self.mapping.spec.snapshot.max_lost_share
        reasons = too_much_lost(lost_keys(self.found), self.copies, most, feed=self.contract.name)
        return {file: reasons[day] for file, day in self.days.items() if day in reasons}


def compare_copies(
    lake: Lake,
    contract: Contract,
    files: Mapping[str, Manifest],
    numbered: DataFrame,
    counts: Mapping[str, Counts],
    mappings: Mappings,
) -> list[Comparison]:
    """One comparison for each mapping that has copies among the staged files of a feed; rows are those of the feed."""
    found = []
    for mapping in mappings.of_feed(contract.name):
        days = {
            name: date.fromisoformat(item.snapshot_on)
            for name, item in files.items()
            if item.mapping == mapping.id and item.snapshot_on is not None
        }
        if days:
            own = numbered.where(F.col("__file").isin(*days))
            has_bad = any(counts[name].bad for name in days)
            found.append(_compared(lake, contract, mapping, days, own, mappings, has_bad=has_bad))
    return found


def _compared(
    lake: Lake,
    contract: Contract,
    mapping: SourceMapping,
    days: Mapping[str, date],
    rows: DataFrame,
    mappings: Mappings,
    *,
    has_bad: bool,
) -> Comparison:
    supplied = supplied_columns(mapping.spec, contract)
    key = [name for name in contract.key if name not in supplied]
    zone = contract.time_zone
    # What is no record, or has a damaged key, may be anybody's.
    doubtful = F.exists(
        "__reasons", lambda rule: (rule == MALFORMED) | F.split_part(rule, F.lit("."), F.lit(1)).isin(*key)
    )
    readable = reduce(and_, [F.col(name).isNotNull() for name in key]) & ~F.coalesce(doubtful, F.lit(False))
    undecided: frozenset[date] = frozenset()
    if has_bad:
        unknown = rows.where(F.col("__reasons").isNotNull() & ~readable).select("__file").distinct().collect()
        undecided = frozenset(days[row["__file"]] for row in unknown)
    table = f"bronze.{contract.name}"
    files = _files_of(lake, contract.name, mapping) if lake.has(FILES) and lake.has(table) else None
    before = () if files is None else _days_of(files)
    copies = Copies(tuple(sorted(set(days.values()))), before, undecided)
    attributes = [name for name in contract.column_names if name not in {*key, *supplied}]
    dated = rows if "changed_at" in supplied else rows.withColumn("changed_at", start_of(F.col(supplied[0]), zone))
    new = dated.where(readable).select(
        *key, *attributes, "changed_at", *PLACE, F.col("__reasons").isNotNull().alias("held")
    )
    neighbours = [day for day in copies.compared if day not in copies.new]
    states = new.limit(0).withColumn("repeated", F.lit(False))
    if neighbours and files is not None:
        records = lake.read(table)
        mine = records.join(files.select(F.col("file_hash").alias("_file_hash")), on="_file_hash", how="left_semi")
        if len(mappings.of_feed(contract.name)) == 1:  # else nobody knows whose key a released row has
            mine = mine.unionByName(records.where(F.startswith("_file", F.lit(f"{contract.name}/{RELEASED}"))))
        if "changed_at" in supplied:
            mine = mine.select(*key, *attributes, "op", "changed_at", *PLACE, "_run")
            states = states_of(mine, neighbours, key=key, zone=zone)
        else:
            same = mine.where(F.col(supplied[0]).isin(*neighbours))
            same = same.withColumn("changed_at", start_of(F.col(supplied[0]), zone))
            states = same.select(*key, *attributes, "changed_at", *PLACE, F.lit(False).alias("held")).withColumn(
                "repeated", F.lit(False)
            )
    found = sequence(copies, new, states.select(*new.columns, "repeated"), key=key, zone=zone)
    return Comparison(contract, mapping, days, copies, found)


def _files_of(lake: Lake, feed: str, mapping: SourceMapping) -> DataFrame:
    """The copies of a mapping that are in."""
    files = lake.read(FILES).where((F.col("feed") == feed) & (F.col("status") == "accepted"))
    return files.where((F.col("mapping") == mapping.id) & F.col("snapshot_on").isNotNull())


def _days_of(files: DataFrame) -> tuple[date, ...]:
    return tuple(sorted({row["snapshot_on"] for row in files.select("snapshot_on").collect()}))
