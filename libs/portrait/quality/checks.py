"""A slice against its contract: the key by one grouping, every other rule by Great Expectations."""

from __future__ import annotations

from threading import Lock
from typing import Any

from pyspark import StorageLevel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.contracts import Contract, Rule
from portrait.errors import PortraitError
from portrait.quality.expectations import (
    KEY_UNIQUE,
    NOT_EMPTY,
    checked_frame,
    computed_name,
    gold_suite,
    gx_batch,
    is_computed,
)
from portrait.quality.results import RuleResult

_EXAMPLES = 3
_GX = Lock()  # its context is one for the process, and says nothing of threads


def check_slice(df: DataFrame, contract: Contract) -> list[RuleResult]:
    """Every rule of the contract on one slice, with `key.unique` and `table.not_empty`; the order is the contract's.

    An empty slice is an error where a row is a customer: there always are some. Elsewhere (migration in the first
    month, no rejections) it is a warning.
    """
    frame = checked_frame(df, contract).persist(StorageLevel.MEMORY_AND_DISK)
    try:
        total, repeated = _rows_and_repeats(frame, contract)
        with _GX:
            failed = _unexpected(frame, contract) if total else {}
        results = [
            _result(frame, contract, rule.id, rule.severity, failed.get(rule.id, 0), total) for rule in contract.rules
        ]
        if contract.key:
            results.append(_result(frame, contract, KEY_UNIQUE, "error", repeated, total))
    finally:
        frame.unpersist()
    severity = "error" if contract.key == ["as_of", "customer_id"] else "warning"
    return [*results, RuleResult(contract.id, NOT_EMPTY, severity, total > 0, 0, total)]


def _rows_and_repeats(frame: DataFrame, contract: Contract) -> tuple[int, int]:
    """Rows of the frame, and those that share their key with another."""
    if not contract.key:
        return frame.count(), 0
    groups = frame.groupBy(*contract.key).agg(F.count(F.lit(1)).alias("rows"))
    repeats = F.sum(F.when(F.col("rows") > 1, F.col("rows")).otherwise(0))
    row = groups.agg(F.sum("rows").alias("total"), repeats.alias("repeated")).head()
    return (int(row["total"] or 0), int(row["repeated"] or 0)) if row else (0, 0)


def _unexpected(frame: DataFrame, contract: Contract) -> dict[str, int]:
    """Rows that break each rule, for the rules that are broken; what holds is asked for yes or no only."""
    import great_expectations as gx

    suite = gold_suite(contract)
    batch = gx_batch(frame, contract.id)
    broken = [rule for rule, result in _validated(batch, suite, "BOOLEAN_ONLY").items() if not result.success]
    if not broken:
        return {}
    failing = [item for item in suite.expectations if (item.meta or {}).get("rule") in broken]
    again = gx.ExpectationSuite(name=f"{contract.id} in detail", expectations=failing)
    # No examples from GX: they would be values of customers.
    counted = _validated(batch, again, {"result_format": "BASIC", "partial_unexpected_count": 0})
    return {rule: int(result.result["unexpected_count"]) for rule, result in counted.items()}


def _validated(batch: Any, suite: Any, result_format: Any) -> dict[str, Any]:
    """Results by rule; an expectation that could not be evaluated is a fault, not a failure of the data."""
    results = batch.validate(suite, result_format=result_format).results
    by_rule = {item.expectation_config.meta["rule"]: item for item in results}
    raised = [rule for rule, item in by_rule.items() if item.exception_info.get("raised_exception", True)]
    if raised:
        raise PortraitError(
            f"rules could not be checked: {', '.join(raised)}",
            where=suite.name,
            remedy="does the slice have the columns of its contract? Run again with --debug for the cause",
        )
    return by_rule


def _result(
    frame: DataFrame, contract: Contract, rule_id: str, severity: str, unexpected: int, total: int
) -> RuleResult:
    details = _masked_examples(frame, contract, rule_id) if unexpected and contract.key else None
    return RuleResult(contract.id, rule_id, severity, unexpected == 0, unexpected, total, details)


def _masked_examples(frame: DataFrame, contract: Contract, rule_id: str) -> str:
    """A few keys of failing rows, hashed: enough to find them again, not to know them."""
    if rule_id == KEY_UNIQUE:
        failing = frame.groupBy(*contract.key).count().where("count > 1")
    else:
        rule = next(rule for rule in contract.rules if rule.id == rule_id)
        failing = frame.where(~F.coalesce(_holds(rule, contract), F.lit(True)))
    names = [name for name in contract.key if name != "as_of"] or contract.key
    text = F.concat_ws("|", *[F.coalesce(F.col(name).cast("string"), F.lit("")) for name in names])
    masked = failing.select(F.substring(F.sha2(text, 256), 1, 12).alias("masked")).orderBy("masked").limit(_EXAMPLES)
    examples = ", ".join(row["masked"] for row in masked.collect())
    return f"sha256({'|'.join(names)}) begins {examples}"


def _holds(rule: Rule, contract: Contract) -> Any:
    return F.col(computed_name(rule)) if is_computed(rule, contract) else F.expr(rule.predicate)
