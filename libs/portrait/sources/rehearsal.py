"""What ingest would make of a source's files, on a sample and without a lake: for who writes mappings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from portrait.contracts import Catalogue, Contract
from portrait.errors import InputRefused
from portrait.ingest.discover import source_files
from portrait.ingest.trial import tried
from portrait.mappings.expressions import read_columns, resolved
from portrait.mappings.source import Mappings, SourceMapping
from portrait.sources.raw_records import first_records, values_by_line


@dataclass(frozen=True)
class Example:
    """A record before and after: its line, its values in the file, and those of the feed."""

    line: int
    before: Mapping[str, str]
    after: Mapping[str, object]
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rehearsal:
    """What became of the newest file of one mapping."""

    mapping: SourceMapping
    file: Path | None
    """None: none lies there."""
    files: int
    """How many files the mapping claims."""
    cut: bool = False
    """Whether only the first records were looked at."""
    accepted: int = 0
    left_out: int = 0
    broken: int = 0
    rules: Mapping[str, int] = field(default_factory=dict)
    """Rule to the records that break it, the most frequent first."""
    codes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Column to codes that its map does not know, the most frequent first."""
    examples: tuple[Example, ...] = ()
    problem: InputRefused | None = None
    """Why the file would be kept out whole."""
    rows: DataFrame | None = field(default=None, repr=False)
    """The records that would be taken in."""

    @property
    def records(self) -> int:
        """How many were looked at."""
        return self.accepted + self.left_out + self.broken


@dataclass(frozen=True)
class Orphans:
    """Records of a feed that refer to one that is in no file of the source."""

    feed: str
    column: str
    refers_to: str
    rows: int
    orphans: int


def rehearse(
    spark: SparkSession,
    *,
    mappings: Sequence[SourceMapping],
    landing: Path,
    catalogue: Catalogue,
    rows: int,
    examples: int,
    work: Path,
) -> list[Rehearsal]:
    """For each mapping of a source, what its newest file becomes; of feeds of events only the first `rows` records.

    `work` holds copies meanwhile, and has to be there as long as `rows` of the results are asked.
    """
    found = []
    for number, mapping in enumerate(mappings):
        files = sorted(source_files(landing, mapping))
        if not files:
            found.append(Rehearsal(mapping, None, 0))
            continue
        contract = catalogue.table(f"raw.{mapping.feed}")
        events = contract.custom("delivery", "append") == "append"
        folder = work / str(number)
        # Of a full copy the trailer may say the day; then it is not cut.
        by_trailer = mapping.spec.snapshot is not None and mapping.spec.snapshot.date.trailer
        made = first_records(
            files[-1],
            mapping,
            rows=rows if events and not by_trailer else None,
            to=folder / "landing" / mapping.source / files[-1].relative_to(landing / mapping.source).parent,
        )
        base = Rehearsal(mapping, files[-1], len(files), cut=made.cut)
        try:
            judged = tried(
                spark,
                landing=folder / "landing",
                feed=mapping.feed,
                catalogue=catalogue,
                mappings=Mappings((made.mapping,)),
                work=folder / "work",
            )
        except InputRefused as problem:
            found.append(replace(base, problem=problem))
            continue
        found.append(_counted(base, judged.persist(), contract, made.path, examples))
    return found


def _counted(base: Rehearsal, judged: DataFrame, contract: Contract, path: Path, examples: int) -> Rehearsal:
    """The counts of judged rows, and the first examples; a row that is no record has `__present` false."""
    is_broken = F.col("__reasons").isNotNull()
    state = (
        F.when(is_broken, "broken").when(F.col("__present"), "accepted").when(F.col("__present").isNull(), "left out")
    )
    states = judged.select(state.alias("state"), "__reasons", F.map_entries("__codes").alias("codes"))
    counts = {row["state"]: row["count"] for row in states.groupBy("state").count().collect()}
    broken = states.where("state = 'broken'")
    rules = broken.select(F.explode("__reasons").alias("rule")).groupBy("rule").count().orderBy(F.desc("count"), "rule")
    codes: dict[str, dict[str, int]] = {}
    named = broken.select(F.explode("codes").alias("code")).groupBy("code.key", "code.value").count()
    for row in named.orderBy("key", F.desc("count"), "value").limit(1000).collect():
        codes.setdefault(row["key"], {})[row["value"]] = row["count"]
    return replace(
        base,
        accepted=counts.get("accepted", 0),
        left_out=counts.get("left out", 0),
        broken=counts.get("broken", 0),
        rules={row["rule"]: row["count"] for row in rules.collect()} if counts.get("broken") else {},
        codes=codes,
        examples=_examples(judged, base.mapping, contract, path, examples),
        rows=judged.where(F.col("__present") & ~is_broken).select(*contract.column_names),
    )


def _examples(
    judged: DataFrame, mapping: SourceMapping, contract: Contract, path: Path, number: int
) -> tuple[Example, ...]:
    """The first records that are taken in, then the first that are broken, each as it was and as it became."""
    order = ["__start", "__place"]
    good = judged.where("__present and __reasons is null").orderBy(*order).limit(number).collect()
    bad = judged.where("__reasons is not null").orderBy(*order).limit(number).collect()
    places = {row["__place"] for row in (*good, *bad)}
    before = values_by_line(path, mapping, lines=places)
    return tuple(
        Example(
            row["__place"] + 1,
            before.get(row["__place"], {}),
            {name: row[name] for name in contract.column_names},
            tuple(row["__reasons"] or ()),
        )
        for row in (*good, *bad)
    )


def sources_of(mapping: SourceMapping, target: str, columns: Sequence[str]) -> list[str]:
    """The columns of a file out of which a column of the feed is made."""
    spec = mapping.spec.columns.get(target)
    if spec is None or spec.constant is not None:
        return []
    one = replace(
        mapping, spec=mapping.spec.model_copy(update={"columns": {target: spec}, "where": None, "snapshot": None})
    )
    return [name for wanted in read_columns(one) if (name := resolved(wanted, columns)) is not None]


def orphans_of(rehearsals: Sequence[Rehearsal], catalogue: Catalogue) -> list[Orphans]:
    """For each reference between feeds of the source: the records that refer to one which is not there.

    A feed that the source does not bring is not judged.
    """
    frames: dict[str, DataFrame] = {}
    for item in rehearsals:
        if item.rows is not None:
            there = frames.get(item.mapping.feed)
            frames[item.mapping.feed] = item.rows if there is None else there.unionByName(item.rows)
    found = []
    for feed, rows in frames.items():
        for column in catalogue.table(f"raw.{feed}").columns:
            judged = [reference for reference in column.references if reference.feed in frames]
            if not judged or len(judged) < len(column.references):
                continue
            keys = reduce(
                DataFrame.unionByName,
                [frames[reference.feed].select(F.col(reference.column).alias("key")) for reference in judged],
            ).distinct()
            named = rows.where(F.col(column.name).isNotNull()).select(F.col(column.name).alias("key"))
            total, known = named.count(), named.join(keys, on="key", how="left_semi").count()
            to = " or ".join(f"{reference.feed}.{reference.column}" for reference in judged)
            found.append(Orphans(feed, column.name, to, total, total - known))
    return found
