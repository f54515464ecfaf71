"""From the lines of a batch to a verdict on each of its files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from portrait.contracts import Contract
from portrait.days import instant_of
from portrait.errors import PortraitError
from portrait.ingest.ledger import Verdict
from portrait.ingest.lines import Counts, Origin
from portrait.ingest.parsing import Layout, judge, judge_typed, parse_lines, rewritten
from portrait.ingest.staging import Manifest
from portrait.settings import UTC

RETYPED_FROM = 10
"""So many values of a column, every one of them failing its cast, are no accident: the column has another type."""


@dataclass(frozen=True)
class FileResult:
    """What a batch made of one file; its status is accepted, refused, or waiting (it shared a refused file's batch)."""

    manifest: Manifest
    status: str
    counts: Counts
    reason: str | None = None
    placeholders: Mapping[str, int] = field(default_factory=dict)
    """Values that meant unknown and became null, by column."""

    @property
    def verdict(self) -> Verdict:
        """For the ledger."""
        item = self.manifest
        return Verdict(item.feed, item.path, item.hash, self.status, self.reason, item.contract_hash)


def judged_lines(source: DataFrame, *, contract: Contract, manifests: Mapping[str, Manifest]) -> DataFrame:
    """What a stream reads, as one row a line: technical columns, the contract's columns typed, `__reasons`.

    `__record` is the text of a bad row as it came (JSON for Parquet), null for good ones.
    """
    if "__value" not in source.columns:
        judged = judge_typed(_as_instants(source, contract, manifests), contract=contract)
        came = {name: f"__came_{name}" for name in rewritten(contract)}
        record = F.to_json(F.struct(*[F.col(came.get(name, name)).alias(name) for name in contract.column_names]))
    else:
        # A task numbers its rows upwards in the order of the file: see `lines`.
        placed = source.withColumn("__place", F.monotonically_increasing_id())
        judged = judge(parse_lines(placed, contract=contract, layouts=layouts_of(manifests)), contract=contract)
        record = F.col("__value")
    with_record = judged.withColumn("__record", F.when(F.col("__reasons").isNotNull(), record))
    technical = ("__file", "__start", "__place", "__present", "__unknown", "__reasons", "__record")
    return with_record.select(*technical, *contract.column_names)


def _as_instants(rows: DataFrame, contract: Contract, manifests: Mapping[str, Manifest]) -> DataFrame:
    """Clock times of files that hold no instants, taken for times of the bank's clock; Spark reads them as of UTC."""
    if contract.time_zone == UTC:
        return rows
    instants = {}
    for name in contract.column_names:
        if files := [file for file, item in manifests.items() if name in item.clock_times]:
            told = instant_of(F.col(name), contract.time_zone)
            instants[name] = F.when(F.col("__file").isin(*files), told).otherwise(F.col(name))
    return rows.withColumns(instants)


def layouts_of(manifests: Mapping[str, Manifest]) -> list[Layout]:
    """One layout for each distinct header, and one for JSON."""
    files: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for name, item in manifests.items():
        files.setdefault((item.format, item.columns if item.format == "csv" else ()), []).append(name)
    return [Layout(kind, columns, tuple(names)) for (kind, columns), names in files.items()]


def origin_of(manifest: Manifest) -> Origin:
    """Where the rows of a staged file come from."""
    return Origin(manifest.path, manifest.hash, header_lines=int(manifest.format == "csv"))


def check_counts(counts: Mapping[str, Counts], manifests: Mapping[str, Manifest]) -> None:
    """Raise PortraitError when Spark saw another number of rows than the plain count at the door."""
    for name, count in counts.items():
        if count.rows != manifests[name].rows:
            raise PortraitError(
                f"{manifests[name].rows} rows were counted at the door, {count.rows} inside; nothing was taken in",
                where=manifests[name].path,
                remedy="was the file changed while it was read? If not, this is a fault of ingest: please report it",
            )


def rule_counts(bad: DataFrame) -> dict[str, dict[str, int]]:
    """Bad rows by staged file and rule."""
    found: dict[str, dict[str, int]] = {}
    broken = bad.select("__file", F.explode("__reasons").alias("rule")).groupBy("__file", "rule").count()
    # Sorted here: a few rows, for which Spark would run two jobs more.
    for row in sorted(broken.collect(), key=lambda row: (row["__file"], -row["count"], row["rule"])):
        found.setdefault(row["__file"], {})[row["rule"]] = row["count"]
    return found


def typed_columns(contract: Contract) -> list[str]:
    """The columns whose values a cast can refuse."""
    return [column.name for column in contract.columns if column.physical_type != "STRING"]


def placeholder_columns(contract: Contract) -> list[str]:
    """The columns of which some values mean unknown."""
    return [column.name for column in contract.columns if column.placeholders]


def placeholders_by_file(blocks: Iterable[Row], *, contract: Contract) -> dict[str, dict[str, int]]:
    """By staged file and column, how many values meant unknown; columns without any are left out."""
    found: dict[str, dict[str, int]] = {}
    for block in blocks:
        counts = found.setdefault(block["__file"], {})
        for name in placeholder_columns(contract):
            if block[f"unknown_{name}"]:
                counts[name] = counts.get(name, 0) + block[f"unknown_{name}"]
    return found


def retyped_columns(
    blocks: Iterable[Row], rules: Mapping[str, Mapping[str, int]], *, contract: Contract
) -> dict[str, list[str]]:
    """By staged file, the columns of which at least ten values were given and not one could be cast.

    `blocks` count the values of `typed_columns`.
    """
    cast: Counter[tuple[str, str]] = Counter()
    for block in blocks:
        cast.update({(block["__file"], name): block[name] for name in typed_columns(contract)})
    found: dict[str, list[str]] = {}
    for name, broken in sorted(rules.items()):
        for rule, count in broken.items():
            column = rule.removesuffix(".type")
            if rule.endswith(".type") and count >= RETYPED_FROM and not cast[name, column]:
                found.setdefault(name, []).append(column)
    return found


def judge_files(
    counts: Mapping[str, Counts],
    manifests: Mapping[str, Manifest],
    contract: Contract,
    *,
    rules: Mapping[str, Mapping[str, int]],
    retyped: Mapping[str, list[str]],
) -> list[FileResult]:
    """The verdict on each file of a batch.

    The feed is refused when the share of bad rows over all its new files is above the contract's `maxRejectShare`, or a
    column was retyped. The files that are to blame are refused; the others wait for a later run. The reason names the
    rules with the rows that broke them (a row that breaks two counts twice), because the ledger repeats it to every
    later run until somebody acts.
    """
    share = float(contract.custom("maxRejectShare", 0.05))
    rows, bad = sum(count.rows for count in counts.values()), sum(count.bad for count in counts.values())
    too_many = rows > 0 and bad / rows > share
    reasons: dict[str, str] = {}
    for name, count in counts.items():
        if too_many and count.bad / max(count.rows, 1) > share:
            reasons[name] = f"{count.bad} of {count.rows} rows break the contract, more than its share of {share:.2%}"
        if name in retyped:
            kinds = [f"column '{column}' is not {contract.column(column).physical_type}" for column in retyped[name]]
            reasons[name] = "; ".join([*kinds, *([reasons[name]] if name in reasons else [])])
        if name in reasons and rules.get(name):
            reasons[name] += f" ({', '.join(f'{rule} {broken}' for rule, broken in rules[name].items())})"
    results = []
    for name, count in sorted(counts.items(), key=lambda item: manifests[item[0]].path):
        status = "refused" if name in reasons else "waiting" if reasons else "accepted"
        results.append(FileResult(manifests[name], status, count, reasons.get(name)))
    return results
