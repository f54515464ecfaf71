"""From the rows of a batch to a verdict on each of its files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from portrait.contracts import Contract
from portrait.ingest.files import Counts, FileResult, Manifest
from portrait.ingest.lines import Origin

UNREADABLE = "file.unreadable"
"""Spark cannot read a file that looked sound, or reads something else."""
RETYPED_FROM = 10
"""So many values of a column, every one of them failing its cast, are no accident: the column has another type."""


def origin_of(manifest: Manifest) -> Origin:
    """Where the rows of a staged file come from."""
    # The staged form of a mapped file has none: the lines above its records are blank there.
    return Origin(manifest.path, manifest.hash, int(manifest.format == "csv" and manifest.body is None))


def miscounted(counts: Mapping[str, Counts], manifests: Mapping[str, Manifest]) -> dict[str, str]:
    """The staged files of which Spark read another number of rows than the pre-check, with the reason."""
    return {
        name: f"{UNREADABLE}: row count mismatch: the pre-check counted {manifests[name].rows} rows, Spark read "
        f"{count.rows + count.left_out}; the file was not ingested"
        for name, count in counts.items()
        if count.rows + count.left_out != manifests[name].rows
    }


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


def placeholders_by_file(blocks: Iterable[Row]) -> dict[str, dict[str, int]]:
    """By staged file and column, how many values meant unknown; columns without any are left out."""
    found: dict[str, Counter[str]] = {}
    for block in blocks:
        counts = {name: count for name, count in (block["unknown"] or {}).items() if count}
        found.setdefault(block["__file"], Counter()).update(counts)
    return {name: dict(counts) for name, counts in found.items()}


def retyped_columns(
    blocks: Iterable[Row], rules: Mapping[str, Mapping[str, int]], *, contract: Contract
) -> dict[str, list[str]]:
    """By staged file, the columns of which at least ten values were given and not one could be cast.

    The `typed` of a block are the numbers of its values by column.
    """
    cast: Counter[tuple[str, str]] = Counter()
    for block in blocks:
        cast.update({(block["__file"], name): block["typed"][name] for name in typed_columns(contract)})
    found: dict[str, list[str]] = {}
    for name, broken in sorted(rules.items()):
        for rule, count in broken.items():
            column = rule.removesuffix(".type")
            if rule.endswith(".type") and count >= RETYPED_FROM and not cast[name, column]:
                found.setdefault(name, []).append(column)
    return found


def may_refuse(counts: Mapping[str, Counts], blocks: Iterable[Row], contract: Contract) -> bool:
    """Whether the rules that rows broke can decide anything: too many rows did, or a column has no value left."""
    if _too_many(counts, contract):
        return True
    suspects = {name for name, count in counts.items() if count.bad >= RETYPED_FROM}
    values: Counter[tuple[str, str]] = Counter()
    for block in blocks:
        if block["__file"] in suspects:
            values.update({(block["__file"], column): number for column, number in block["typed"].items()})
    return any(not number for number in values.values())


def _too_many(counts: Mapping[str, Counts], contract: Contract) -> bool:
    rows, bad = sum(count.rows for count in counts.values()), sum(count.bad for count in counts.values())
    return rows > 0 and bad / rows > _most_bad(contract)


def _most_bad(contract: Contract) -> float:
    return float(contract.custom("maxRejectShare", 0.05))


def judge_files(
    counts: Mapping[str, Counts],
    manifests: Mapping[str, Manifest],
    contract: Contract,
    *,
    rules: Mapping[str, Mapping[str, int]],
    retyped: Mapping[str, list[str]],
    refused: Mapping[str, str] | None = None,
) -> list[FileResult]:
    """The verdict on each file of a batch.

    The feed is refused when the share of bad rows over all its new files is above the contract's `maxRejectShare`, a
    column was retyped, or a file is `refused` for a reason of its own. The files that are to blame are refused; the
    others wait for a later run. The reason names the rules with the rows that broke them (a row that breaks two counts
    twice), because the ledger repeats it to every later run until somebody acts.
    """
    share, too_many = _most_bad(contract), _too_many(counts, contract)
    reasons: dict[str, str] = {}
    for name, count in counts.items():
        if too_many and count.bad / max(count.rows, 1) > share:
            reasons[name] = f"{count.bad} of {count.rows} rows break the contract, more than its share of {share:.2%}"
        if name in retyped:
            kinds = [f"column '{column}' is not {contract.column(column).physical_type}" for column in retyped[name]]
            reasons[name] = "; ".join([*kinds, *([reasons[name]] if name in reasons else [])])
        if name in (refused or {}):
            reasons[name] = "; ".join([*([reasons[name]] if name in reasons else []), (refused or {})[name]])
        if name in reasons and rules.get(name):
            reasons[name] += f" ({', '.join(f'{rule} {broken}' for rule, broken in rules[name].items())})"
    results = []
    for name, count in sorted(counts.items(), key=lambda item: manifests[item[0]].path):
        status = "refused" if name in reasons else "waiting" if reasons else "accepted"
        results.append(FileResult(manifests[name], status, count, reasons.get(name)))
    return results
