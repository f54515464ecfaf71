"""gold.label_statistics: how many customers each label knows, how its values are spread, and whether to trust it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from typing import Any

from pyspark.sql import DataFrame, Row, Window
from pyspark.sql import functions as F

from portrait.contracts.contract import quoted
from portrait.features.feature import FeatureSet
from portrait.labels.cost import Cost, costs
from portrait.labels.declaration import Label, LabelSet
from portrait.labels.failing import Written
from portrait.labels.tables import HISTORY, PORTRAIT, STATISTICS
from portrait.labels.trust import (
    OTHER_VALUES,
    Distribution,
    Evidence,
    LabelTrust,
    assess_labels,
    drift,
    stability_index,
)
from portrait.labels.trust_policy import TrustPolicy
from portrait.lake import Lake
from portrait.spark.frames import frame_of

LISTED_VALUES = 50  # the most frequent ones; the rest is added up as "other values"
VALUE_LENGTH = 100  # characters of a text by which values are told apart here
_MAGNITUDES = (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000)
_EVENTS = frozenset({"transactions", "balances"})
"""Sources of features whose facts come every day, so that it shows when they stop coming."""


@dataclass(frozen=True)
class Spread:
    """Customers of a slice, and those whose label is known, by value."""

    customers: int = 0
    distribution: dict[str, int] = field(default_factory=dict)

    @property
    def known(self) -> int:
        """Customers whose label is known."""
        return sum(self.distribution.values())

    @property
    def whole(self) -> Distribution:
        """All customers by value, those of whom it is unknown under None."""
        counted: dict[str | None, int] = {None: self.customers - self.known}
        return counted | dict(self.distribution.items())


def label_counts(portrait: DataFrame, labels: LabelSet) -> DataFrame:
    """One row per label and value, by one pass over a slice: place in `labels.labels`, value, customers n.

    Texts and yes/no are counted by value, numbers by magnitude, dates by year; NULL is unknown. Only the most frequent
    values are named.
    """
    # As text, for the reason of `history`.
    observed = [f"struct({place} as place, {_bucket(label)} as value)" for place, label in enumerate(labels.labels)]
    points = portrait.select(F.explode(F.expr(f"array({', '.join(observed)})")).alias("o"))
    counts = points.groupBy("o.place", "o.value").agg(F.count("*").alias("n"))
    frequent = Window.partitionBy("place", F.col("value").isNull()).orderBy(F.desc("n"), "value")
    listed = F.col("value").isNull() | (F.row_number().over(frequent) <= LISTED_VALUES)
    named = counts.withColumn("value", F.when(listed, F.col("value")).otherwise(OTHER_VALUES))
    return named.groupBy("place", "value").agg(F.sum("n").alias("n"))


def label_spreads(portrait: DataFrame, labels: LabelSet) -> dict[str, Spread]:
    """Label to its spread in a slice of the portrait, the most frequent values first."""
    all_labels = labels.labels
    found = {label.id: Spread() for label in all_labels}
    for row in label_counts(portrait, labels).orderBy(F.desc("n"), "value").collect():
        name = all_labels[row.place].id
        value = {} if row.value is None else {row.value: row.n}
        found[name] = Spread(found[name].customers + row.n, found[name].distribution | value)
    return found


def _bucket(label: Label) -> str:
    value = quoted(label.id)
    if label.type in {"integer", "decimal"}:
        under = " ".join(f"when {value} < {limit} then 'under {limit}'" for limit in _MAGNITUDES)
        most = f"when {value} is not null then '{_MAGNITUDES[-1]} and more'"
        return f"case when {value} < 0 then 'below 0' when {value} = 0 then '0' {under} {most} end"
    if label.type == "date":
        return f"string(year({value}))"
    return f"substring(string({value}), 1, {VALUE_LENGTH})"


def flip_rates(*, current: DataFrame, previous: DataFrame, changes: DataFrame) -> dict[str, float] | None:
    """Label to the share of customers of both slices whose value differs; a label that never does is left out.

    `changes`: the change points of the current slice against the previous one. None where no customer is in both.
    """
    both = current.select("customer_id").join(previous.select("customer_id"), on="customer_id", how="inner")
    customers = both.count()
    moved = changes.join(both, on="customer_id", how="left_semi").groupBy("label").agg(F.count("*").alias("n"))
    return {row.label: row.n / customers for row in moved.collect()} if customers else None


def facts_age(features: DataFrame, declared: FeatureSet) -> int | None:
    """Days from the newest booking to the date of a slice of gold.customer_features; None where it tells of none."""
    since = [
        item.name for item in declared.features if item.source == "transactions" and item.aggregate == "days_since_last"
    ]
    if not since:
        return None
    row = features.agg(F.least(*[F.min(name) for name in since], F.lit(None).cast("int")).alias("age")).head()
    return row["age"] if row else None


def dated_labels(labels: LabelSet, declared: FeatureSet) -> set[str]:
    """Labels whose facts come every day: bookings and balances, by whatever table or label they are passed on."""
    daily = {item.name for item in declared.features if any(leaf.source in _EVENTS for leaf in item.leaves())}
    dated = {
        item.label.id
        for item in labels.checked
        if item.label.is_computed
        and (item.reads & daily if item.label.from_ == "customer_features" else item.label.from_ != "portrait")
    }
    for step in labels.levels():
        dated |= {item.label.id for item in step if item.reads & dated}
    return dated


def model_versions(lake: Lake, as_of: date) -> dict[str, str]:
    """Source of labels to the version of the models whose results it holds at a slice, where there is one.

    Of groups the version in ops.models; of value, and of tiers, which go by its score, each model of gold.value_model
    with the slice that it was made on.
    """
    found = {}
    if as_of in lake.slices("gold.customer_group"):
        row = lake.slice("gold.customer_group", as_of).agg(F.max("model_version").alias("version")).head()
        found["customer_group"] = row["version"] if row else None
    if as_of in lake.slices("gold.value_model"):
        rows = lake.slice("gold.value_model", as_of).select("model", "fitted_on").distinct().collect()
        told = "; ".join(f"{row.model} of {row.fitted_on}" for row in sorted(rows))
        found |= {"customer_value": told, "customer_tier": told}
    return {source: version for source, version in found.items() if version}


def models_of(labels: LabelSet, versions: Mapping[str, str]) -> dict[str, str]:
    """Label to the versions of the models behind it, by whatever label they are passed on; others are left out."""
    found = {
        item.label.id: {versions[item.label.from_]}
        for item in labels.checked
        if item.label.is_computed and item.label.from_ in versions
    }
    for step in labels.levels():
        for item in step:
            if passed := set().union(*(found.get(name, set()) for name in item.reads)):
                found[item.label.id] = passed
    return {name: "; ".join(sorted(behind)) for name, behind in found.items()}


@dataclass(frozen=True)
class Earlier:
    """What gold.label_statistics says of an earlier slice."""

    day: date | None = None
    rows: Mapping[str, Row] = field(default_factory=dict)

    def comparable(self, label: Label) -> Row | None:
        """The label's row, where it was computed then, by the definition of today."""
        row = self.rows.get(label.id)
        known = row is not None and row.failure is None and row.version in (None, label.version)
        return row if known else None


def statistics_of(lake: Lake, day: date | None) -> Earlier:
    """The statistics of a slice; nothing for None. Raises PortraitError when there is no such slice."""
    return Earlier() if day is None else Earlier(day, {row.label: row for row in lake.slice(STATISTICS, day).collect()})


def reference_day(lake: Lake, policy: TrustPolicy, as_of: date) -> date | None:
    """The slice that stability is judged against: that of the policy, or the last one of an earlier month."""
    if policy.reference is not None and policy.reference < as_of:
        return policy.reference
    # The job graph follows the last slice of an earlier month: this one is stale when that one is written again.
    return lake.previous_as_of(STATISTICS, as_of.replace(day=1))


def write_label_statistics(
    lake: Lake,
    *,
    labels: LabelSet,
    features: FeatureSet,
    policy: TrustPolicy,
    as_of: date,
    written: Written,
) -> None:
    """Write the statistics of the portrait's slice `as_of`; it and its change points must have been written before.

    Compared are the slice before (flips) and the reference slice (stability), where the definition was the same.
    """
    portrait = lake.read(PORTRAIT).where(F.col("as_of") == F.lit(as_of))
    spreads = label_spreads(portrait, labels)
    previous = lake.previous_as_of(PORTRAIT, as_of)
    before = statistics_of(lake, previous if previous in lake.slices(STATISTICS) else None)
    reference = statistics_of(lake, reference_day(lake, policy, as_of))
    flips = None
    if previous is not None:
        changes = lake.read(HISTORY).where(F.col("as_of") == F.lit(as_of))
        flips = flip_rates(current=portrait, previous=lake.slice(PORTRAIT, previous), changes=changes)
    age, dated = facts_age(lake.slice("gold.customer_features", as_of), features), dated_labels(labels, features)
    evidence = {}
    for label in labels.labels:
        spread, failure, compared = spreads[label.id], written.failed.get(label.id), label.is_computed
        found = Evidence(label, spread.customers, spread.known, failure=failure)
        if compared and failure is None and flips is not None and before.comparable(label):
            found = replace(found, flip_rate=flips.get(label.id, 0.0))
        if compared and failure is None and (then := reference.comparable(label)):
            found = replace(found, psi=_psi(spread, then, policy), reference=reference.day)
        evidence[label.id] = replace(found, facts_age_days=age) if label.id in dated else found
    models = models_of(labels, model_versions(lake, as_of))
    trust = assess_labels(evidence, labels, policy, as_of=as_of)
    cost = costs(lake, labels, as_of=as_of, seconds=written.seconds)
    rows = [
        _row(found, spreads[name], trust.get(name), cost.get(name), policy, as_of) | {"model_version": models.get(name)}
        for name, found in evidence.items()
    ]
    contract = lake.catalogue.table(STATISTICS)
    values = [tuple(row[column] for column in contract.column_names) for row in rows]
    lake.replace(STATISTICS, frame_of(lake.spark, values, contract.struct_type), as_of)


def _psi(spread: Spread, then: Row, policy: TrustPolicy) -> float | None:
    before = Spread(then.customers, dict(then.distribution))
    return stability_index(spread.whole, before.whole, least_share=policy.least_share)


def _row(
    found: Evidence, spread: Spread, trust: LabelTrust | None, cost: Cost | None, policy: TrustPolicy, as_of: date
) -> dict[str, Any]:
    label = found.label
    return {
        "as_of": as_of,
        "label": label.id,
        "theme": label.theme,
        "kind": label.kind,
        "customers": found.customers,
        "known": found.known,
        "coverage": found.coverage,
        "distribution": spread.distribution,
        "failure": found.failure,
        "version": label.version,
        "status": trust.status if trust else None,
        "reasons": list(trust.reasons) if trust else [],
        "flip_rate": found.flip_rate,
        "psi": found.psi,
        "drift": drift(found.psi, policy, label),
        "reference": found.reference,
        "facts_age_days": found.facts_age_days,
        **(asdict(cost) if cost else {"rows_read": None, "seconds": None}),
    }
