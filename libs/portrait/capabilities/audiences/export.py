"""A list of customers for use outside the lake: suppressed by purpose, logged before it can be seen."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.capabilities.audiences.clauses import labels_read
from portrait.capabilities.audiences.declaration import AudienceSet, CheckedAudience
from portrait.capabilities.audiences.doubts import label_doubts
from portrait.capabilities.audiences.exports import FeedList, LabelList
from portrait.entities.recorded import FILE as MARKETING
from portrait.entities.recorded import Recorded
from portrait.errors import ConfigurationError, GateRefused, PortraitError
from portrait.faults import fault_point
from portrait.labels.slices import portrait_at
from portrait.lake import Lake
from portrait.settings import actor_of
from portrait.spark.days import day_of
from portrait.spark.frames import frame_of

LOG = "ops.audience_exports"
FILES = "ops.files"
_FORMULA = "^[=+@\\t\\r-]"  # what OWASP lists for CSV injection


@dataclass(frozen=True)
class Export:
    """What was exported."""

    number: int
    as_of: date
    folder: Path
    members: int
    exported: int
    suppressed: dict[str, int] = field(default_factory=dict)
    not_asked: list[str] = field(default_factory=list)
    doubts: tuple[str, ...] = ()


def export_audience(
    lake: Lake, *, audiences: AudienceSet, name: str, purpose: str, to: Path, kind: str, actor: str | None = None
) -> Export:
    """Write the customers of an audience, as the published slice has them, below `to`; the lake must be open to write.

    Raises ConfigurationError for another purpose than the audience's; GateRefused when nothing is published, when the
    audience's policy refuses a label that is in doubt, when a list of the purpose cannot be asked, or when the audience
    reads a sensitive label and fewer than the minimum would be in the list; PortraitError for ids that a spreadsheet
    would take for formulas. Nothing is written then.
    """
    item, policy = audiences.audience(name), audiences.exports
    if purpose != item.audience.purpose:
        raise ConfigurationError(
            f"the audience is for '{item.audience.purpose}', not for '{purpose}'",
            where=f"conf/audiences/{name}.yml",
            remedy="name its own purpose, or declare another audience",
        )
    as_of, portrait = portrait_at(lake, None, published=True)
    trust = audiences.trust_in(item, label_doubts(lake.reader, labels=audiences.words.labels, as_of=None))
    trust.check(where=f"conf/audiences/{name}.yml")
    lists = policy.purposes[purpose]
    _check_recorded(lake, portrait, lists, policy.recorded, as_of)
    asked = [entry for entry in lists if isinstance(entry, LabelList) or policy.recorded.feeds[entry.feed]]
    flagged = _flagged(lake, portrait, item, asked, as_of).persist()
    try:
        names = [entry.name for entry in asked]
        on = [F.count_if(F.col(f"on_{entry}")).alias(entry) for entry in names]
        free = F.lit(True)
        for entry in names:
            free = free & ~F.col(f"on_{entry}")
        computed = F.count_if(free & F.col("customer_id").rlike(_FORMULA)).alias("computed")
        totals = F.count(F.lit(1)).alias("members"), F.count_if(free).alias("exported"), computed
        counted = flagged.agg(*totals, *on).collect()[0]
        done = Export(
            number=lake.run_number,
            as_of=as_of,
            folder=to / f"{name}-{as_of}-{lake.run_number}",
            members=counted.members,
            exported=counted.exported,
            suppressed={entry: counted[entry] for entry in names},
            not_asked=[entry.name for entry in lists if entry.name not in names],
            doubts=trust.doubts,
        )
        if audiences.sensitivity(item.clause) == "sensitive" and done.exported < policy.minimum_customers:
            raise _too_few(policy.minimum_customers, name)
        if kind == "csv" and counted.computed:
            raise _formulas(counted.computed, as_of)
        _write(lake, flagged.where(free).select("customer_id"), done, item=item, kind=kind, actor=actor)
    finally:
        flagged.unpersist()
    return done


def _check_recorded(
    lake: Lake, portrait: DataFrame, lists: tuple[LabelList | FeedList, ...], recorded: Recorded, as_of: date
) -> None:
    """Raise GateRefused where a list cannot be asked: it would take nobody off, and nobody would notice."""
    wrong = []
    for entry in lists:
        if isinstance(entry, FeedList) and recorded.feeds[entry.feed] != _delivered(lake, entry.feed):
            said = "delivers it, but it never came" if recorded.feeds[entry.feed] else "has no such feed, but it came"
            wrong.append(f"the list '{entry.name}' asks {entry.feed}: conf/{MARKETING} says that the bank {said}")
    by_label = [entry for entry in lists if isinstance(entry, LabelList)]
    if by_label:
        answered = [F.count_if(F.expr(f"({entry.clause.sql}) is not null")).alias(entry.name) for entry in by_label]
        row = portrait.agg(F.count(F.lit(1)).alias("every one"), *answered).collect()[0]
        customers = row["every one"]
        wrong += [
            f"the list '{entry.name}' can be told of {row[entry.name]:,} of {customers:,} customers (conf/{MARKETING}: "
            f"minimum_share {recorded.minimum_share:g})"
            for entry in by_label
            if customers and not recorded.is_enough(row[entry.name], customers)
        ]
    if wrong:
        raise GateRefused(
            f"nothing is exported: {'; '.join(wrong)}",
            where=f"gold.customer_portrait of {as_of}, conf/exports.yml",
            remedy=f"deliver what is missing; or correct conf/{MARKETING}, or take the list off the purpose",
        )


def _delivered(lake: Lake, feed: str) -> bool:
    """Whether a file of the feed was ever accepted, one without rows included: then nothing had happened."""
    if lake.has(f"bronze.{feed}"):
        return True
    accepted = (F.col("feed") == F.lit(feed)) & (F.col("status") == "accepted")
    return lake.has(FILES) and not lake.read(FILES).where(accepted).isEmpty()


def _too_few(minimum: int, name: str) -> GateRefused:
    return GateRefused(
        f"the audience reads a sensitive label, and fewer than {minimum} would be in the list",
        where=f"conf/audiences/{name}.yml",
        remedy="widen the audience, or leave the sensitive label out",
    )


def _formulas(ids: int, as_of: date) -> PortraitError:
    return PortraitError(
        f"{ids} ids in the list begin as a formula does, and spreadsheets would compute them",
        where=f"gold.customer_portrait of {as_of}, customer_id",
        remedy="export with --as delta",
    )


def _flagged(
    lake: Lake, portrait: DataFrame, item: CheckedAudience, lists: list[LabelList | FeedList], as_of: date
) -> DataFrame:
    """One row per member, with on_<list> for each list: whether the member is on it."""
    by_label = [F.expr(entry.sql).alias(f"on_{entry.name}") for entry in lists if isinstance(entry, LabelList)]
    flagged = portrait.where(item.member_sql).select("customer_id", *by_label)
    for entry in lists:
        if isinstance(entry, FeedList):
            listed = _on_feed(lake, entry, as_of).withColumn(f"on_{entry.name}", F.lit(True))
            flagged = flagged.join(listed, on="customer_id", how="left").fillna(False, [f"on_{entry.name}"])
    return flagged


def _on_feed(lake: Lake, entry: FeedList, as_of: date) -> DataFrame:
    records = lake.read(f"bronze.{entry.feed}").where(entry.sql)
    if entry.at is not None and entry.days is not None:
        # What arrived later than the slice counts as well: who complains today gets no letter today.
        is_day = lake.catalogue.table(f"raw.{entry.feed}").column(entry.at).physical_type == "DATE"
        day = F.col(entry.at) if is_day else day_of(entry.at, lake.catalogue.time_zone)
        records = records.where(day >= F.lit(as_of - timedelta(days=entry.days - 1)))
    return records.where(F.col("customer_id").isNotNull()).select("customer_id").distinct()


def _write(
    lake: Lake, customers: DataFrame, done: Export, *, item: CheckedAudience, kind: str, actor: str | None
) -> None:
    """The log's row, the list under a hidden name, then its own name: no list, not even a part, without its row."""
    row = (
        done.number, item.audience.id, done.as_of, item.audience.purpose, list(item.audience.channels), item.clause.sql,
        done.members, done.suppressed, done.not_asked, done.exported, str(done.folder), kind, actor or actor_of(),
        datetime.now(UTC), sorted(labels_read(item.clause)), list(done.doubts),
    )  # fmt: skip
    lake.append(LOG, frame_of(lake.spark, [row], lake.catalogue.table(LOG).struct_type))
    hidden = done.folder.with_name(f".{done.folder.name}")
    writer = customers.orderBy("customer_id").write
    try:
        if kind == "csv":
            # Ids as they are: Spark would take spaces off their ends.
            kept = {"ignoreLeadingWhiteSpace": "false", "ignoreTrailingWhiteSpace": "false"}
            writer.options(header="true", **kept).csv(hidden.resolve().as_uri())
        else:
            writer.format("delta").save(str(hidden.resolve()))
    except BaseException:
        shutil.rmtree(hidden, ignore_errors=True)
        raise
    fault_point("audience.before_rename", item.audience.id)
    hidden.rename(done.folder)
