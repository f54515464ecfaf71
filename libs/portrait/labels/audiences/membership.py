"""gold.audience_members and gold.audiences: who is in which audience, and what each audience meant that day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from portrait.labels.audiences.clauses import labels_read
from portrait.labels.audiences.declaration import Audience, AudienceSet, CheckedAudience
from portrait.labels.audiences.doubts import REFUSED, Weighed
from portrait.labels.audiences.parsing import Vocabulary, parse_audience
from portrait.lake import Lake
from portrait.rows import frame_of

MEMBERS = "gold.audience_members"
AUDIENCES = "gold.audiences"


def audience_members(
    *, portrait: DataFrame, audiences: AudienceSet, as_of: date, weighed: Mapping[str, Weighed]
) -> DataFrame:
    """One row an audience and member of it; one scan of the portrait's slice, however many audiences.

    `weighed`: what doubts about labels mean for each; an audience that refuses has no members.
    """
    built = {name: item for name, item in audiences.checked.items() if weighed[name].trust != REFUSED}
    entered = [F.when(F.expr(item.member_sql), F.lit(name)) for name, item in built.items()]
    ids = F.array_compact(F.array(*entered)) if entered else F.array().cast("array<string>")
    return portrait.select(F.lit(as_of).alias("as_of"), F.explode(ids).alias("audience"), "customer_id")


def audience_summary(
    *, portrait: DataFrame, audiences: AudienceSet, as_of: date, weighed: Mapping[str, Weighed]
) -> DataFrame:
    """One row an audience: what it means and how many customers it has, and of how many it cannot be told.

    `expression` is whole: other audiences are written out, so that the row alone says who was meant.
    """
    schema = (
        "audience string, title string, purpose string, expression string, unknown_policy string, labels array<string>,"
        "trust string, doubts array<string>"
    )
    declared = [
        (
            name,
            item.audience.title,
            item.audience.purpose,
            item.clause.sql,
            item.audience.unknown,
            sorted(labels_read(item.clause)),
            weighed[name].trust,
            list(weighed[name].doubts),
        )
        for name, item in audiences.checked.items()
    ]
    counted = [
        F.struct(
            F.lit(name).alias("audience"),
            F.count(F.lit(1)).alias("customers"),
            F.count_if(F.expr(item.member_sql) & F.lit(weighed[name].trust != REFUSED)).alias("members"),
            F.count_if(F.expr(item.clause.sql).isNull()).alias("unknown"),
        )
        for name, item in audiences.checked.items()
    ]
    meant = frame_of(portrait.sparkSession, declared, schema)
    if not counted:
        zero = F.lit(0).cast("bigint")
        return meant.select(
            F.lit(as_of).alias("as_of"), *meant.columns, *[zero.alias(n) for n in ("customers", "members", "unknown")]
        )
    counts = portrait.agg(F.array(*counted).alias("all")).select(F.inline("all"))
    return meant.join(counts, on="audience", how="inner").select(
        F.lit(as_of).alias("as_of"), *meant.columns, "customers", "members", "unknown"
    )


def audiences_at(lake: Lake, *, audiences: AudienceSet, as_of: date | None) -> AudienceSet:
    """The audiences as their files say; with the day of a slice as gold.audiences says that they were meant that day.

    Where it says nothing of that day there are none. Asking for one that reads a label that is declared no more raises
    ConfigurationError.
    """
    if as_of is None:
        return audiences
    rows = lake.slice(AUDIENCES, as_of).collect() if as_of in lake.slices(AUDIENCES) else []
    meant = _Recorded({row.audience: row for row in rows}, audiences.words, f"{AUDIENCES} of {as_of}")
    return replace(audiences, checked=meant, words=meant.words, place=meant.place)


class _Recorded(Mapping[str, CheckedAudience]):
    """Audiences of rows of gold.audiences, each parsed when it is asked for: labels of another may be gone."""

    def __init__(self, rows: Mapping[str, Row], words: Vocabulary, place: str) -> None:
        self._rows, self.place = rows, place
        self.words = replace(words, audience=lambda name: self[name].clause if name in self else None, past=True)

    def __getitem__(self, name: str) -> CheckedAudience:
        row = self._rows[name]
        meant = Audience(
            id=name, title=row.title, where=row.expression, purpose=row.purpose, unknown=row.unknown_policy
        )
        return CheckedAudience(meant, parse_audience(row.expression, words=self.words, where=f"{self.place}, {name}"))

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, name: object) -> bool:
        return name in self._rows
