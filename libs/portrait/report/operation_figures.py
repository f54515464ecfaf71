"""The figures about the run and the data behind it: files, quarantine, gates, balances, jobs."""

from __future__ import annotations

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.report.figures import MOST, Figure


def _newest_verdicts(files: DataFrame) -> DataFrame:
    """One row per file: a file that was judged again counts with its newest verdict."""
    facts = ("status", "reason", "rows_in", "rows_good", "rows_bad", "columns_ignored")
    verdict = F.max(F.struct("run", "seen_at", *facts)).alias("verdict")
    return files.groupBy("feed", "file", "file_hash").agg(verdict).select("feed", "file", "verdict.*")


def _files(files: DataFrame) -> DataFrame:
    """One row per feed and status of its files."""
    return (
        _newest_verdicts(files)
        .groupBy("feed", "status")
        .agg(
            F.count(F.lit(1)).alias("files"),
            F.sum("rows_in").alias("rows_in"),
            F.sum("rows_good").alias("rows_good"),
            F.sum("rows_bad").alias("rows_bad"),
            F.array_sort(F.array_distinct(F.flatten(F.collect_set("columns_ignored")))).alias("columns_ignored"),
        )
    )


def _refused(files: DataFrame) -> DataFrame:
    """The newest files that were not ingested, with the reason."""
    refused = _newest_verdicts(files).where(F.col("status").isin("quarantined", "refused"))
    return refused.orderBy(F.col("run").desc(), "feed", "file").limit(20).select("feed", "file", "status", "reason")


def _quarantine(rejected: DataFrame) -> DataFrame:
    """One row per feed and rule: rejected rows that wait. A row that breaks two rules counts under both."""
    waiting = rejected.where(F.col("status") == "open").select("feed", F.explode("reasons").alias("rule"))
    found = waiting.groupBy("feed", "rule").agg(F.count(F.lit(1)).alias("rows"))
    return found.orderBy(F.col("rows").desc(), "feed", "rule").limit(MOST)


def _quarantine_rows(rejected: DataFrame) -> DataFrame:
    """One row per feed and status: each rejected row once."""
    return rejected.groupBy("feed", "status").agg(F.count(F.lit(1)).alias("rows"))


def _gates(results: DataFrame) -> DataFrame:
    """One row per table, severity and outcome: how many rules."""
    return results.groupBy("table_name", "severity", "success").agg(F.count(F.lit(1)).alias("rules"))


def _failures(results: DataFrame) -> DataFrame:
    """The rules that do not hold, without their details."""
    failed = results.where(~F.col("success")).orderBy("severity", F.col("unexpected_count").desc()).limit(40)
    return failed.select("table_name", "rule", "severity", "unexpected_count", "total")


def _references(results: DataFrame) -> DataFrame:
    """One row per reference between feeds that was judged; its details are patterns of identifiers, never values."""
    judged = results.where(
        F.contains("rule", F.lit(".references_")) | (F.col("rule") == "transaction_id.other_account")
    )
    return judged.select("table_name", "rule", "severity", "success", "unexpected_count", "total", "details")


def _conflicts(conflicts: DataFrame) -> DataFrame:
    """One row per feed and why: records that conflict with another one of their key."""
    return conflicts.groupBy("feed", "why").agg(F.count(F.lit(1)).alias("records"))


def _reconciliation(differences: DataFrame, as_of: date) -> DataFrame:
    """One row: account-days up to `as_of` that do not reconcile, accounts concerned, the differences added up."""
    return differences.where(F.col("day") <= F.lit(as_of)).agg(
        F.count(F.lit(1)).alias("days"),
        F.countDistinct("account_id").alias("accounts"),
        F.sum("difference").alias("difference"),
        F.sum(F.abs("difference")).alias("absolute"),
        F.max(F.abs("difference")).alias("largest"),
    )


def _jobs(versions: DataFrame, run: int) -> DataFrame:
    """One row per job of the run: seconds, tables written."""
    return (
        versions.where(F.col("run") == run)
        .groupBy("job")
        .agg(
            F.max("seconds").alias("seconds"),
            F.array_sort(F.collect_set("table_name")).alias("tables"),
            F.max("recorded_at").cast("string").alias("recorded_at"),
        )
    )


def _runs(events: DataFrame, run: int) -> DataFrame:
    recorded_at = F.col("recorded_at").cast("string").alias("recorded_at")
    return events.where(F.col("run") == run).select("as_of", "status", "facts", "seconds", recorded_at)


def operation_figures(*, as_of: date, run: int) -> dict[str, Figure]:
    """Figures of the whole lake, of the slice of `as_of`, and of a run."""
    results = "ops.quality_results"
    return {
        "files": Figure("ops.files", _files),
        "refused": Figure("ops.files", _refused),
        "quarantine": Figure("ops.quarantine", _quarantine),
        "quarantine_rows": Figure("ops.quarantine", _quarantine_rows),
        "gates": Figure(results, _gates),
        "failures": Figure(results, _failures),
        "references": Figure(results, _references),
        "jobs": Figure("ops.table_versions", lambda versions: _jobs(versions, run)),
        "runs": Figure("ops.runs", lambda events: _runs(events, run)),
        "reconciliation": Figure("ops.reconciliation", lambda differences: _reconciliation(differences, as_of)),
        "conflicts": Figure("ops.conflicts", _conflicts),
    }
