"""A slice against its contract: the key by one grouping, every other rule by Great Expectations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

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
from portrait.quality.numbers import number_counts, number_results
from portrait.quality.results import RuleResult
from portrait.spark.at_once import at_once
from portrait.spark.frames import frame_of

_EXAMPLES = 3
_FEW = 1_000  # values of a column that the contract calls few


def check_slice(df: DataFrame, contract: Contract) -> list[RuleResult]:
    """`check_slices` of one slice."""
    return check_slices([(df, contract)])[0]


def check_slices(slices: Sequence[tuple[DataFrame, Contract]]) -> list[list[RuleResult]]:
    """Every rule of its contract on each slice, with `key.unique` and `table.not_empty`; the order is the contract's.

    An empty slice is an error where a row is a customer: there always are some. Elsewhere (migration in the first
    month, no rejections) it is a warning. Then `check_numbers`' results.
    """
    # Not cached: the key reads few columns, the rules are one pass, and a cache of a large slice costs more than both.
    frames = at_once(lambda each: (checked_frame(*each), each[1]), slices)
    counted = _count(slices, frames)
    by_rule = at_once(lambda each: _rule_results(*each[0], each[1]), zip(frames, counted, strict=True))
    return [
        [*results, *number_results(df, contract, counts)]
        for (df, contract), results, counts in zip(slices, by_rule, counted, strict=True)
    ]


def _rule_results(frame: DataFrame, contract: Contract, counts: Mapping[str, int]) -> list[RuleResult]:
    total, repeated = counts["rows"], counts["repeated"]
    failed = _unexpected(frame, contract) if total else {}
    results = [
        _result(frame, contract, rule.id, rule.severity, failed.get(rule.id, 0), total) for rule in contract.rules
    ]
    if contract.key:
        results.append(_result(frame, contract, KEY_UNIQUE, "error", repeated, total))
    severity = "error" if contract.key == ["as_of", "customer_id"] else "warning"
    return [*results, RuleResult(contract.id, NOT_EMPTY, severity, total > 0, 0, total)]


def _count(
    slices: Sequence[tuple[DataFrame, Contract]], frames: Sequence[tuple[DataFrame, Contract]]
) -> list[dict[str, int]]:
    """By slice: `rows`, `repeated` (rows that share their key with another), and `number_counts`: one query for all."""
    counted: list[dict[str, int]] = [{"repeated": 0} for _ in slices]
    asked = []
    for place, ((df, contract), (frame, _)) in enumerate(zip(slices, frames, strict=True)):
        asked += [_named(place, counts) for counts in [number_counts(df, contract)] if counts is not None]
        few = contract.custom("fewValues") if contract.key else None
        if few and (total := _rows_of_unique_key(frame, contract.key, few)) is not None:
            counted[place]["rows"] = total
        else:
            asked.append(_named(place, _rows_and_repeats(frame, contract.key)))
    for row in reduce(DataFrame.unionByName, asked).collect() if asked else []:
        counted[row["place"]] |= {name: int(count or 0) for name, count in row["counts"].items()}
    return counted


def _named(place: int, counts: DataFrame) -> DataFrame:
    """A row of counts as a map, so that those of several tables are one frame."""
    pairs = [item for name in counts.columns for item in (F.lit(name), F.col(name).cast("bigint"))]
    return counts.select(F.lit(place).alias("place"), F.create_map(*pairs).alias("counts"))


def _rows_and_repeats(frame: DataFrame, key: Sequence[str]) -> DataFrame:
    """One row: `rows` of the frame, and `repeated`, those that share their key with another."""
    if not key:
        return frame.agg(F.count("*").alias("rows"), F.lit(0).alias("repeated"))
    groups = frame.groupBy(*key).agg(F.count("*").alias("n"))
    return groups.agg(F.sum("n").alias("rows"), F.sum(F.when(F.col("n") > 1, F.col("n"))).alias("repeated"))


def _rows_of_unique_key(frame: DataFrame, key: list[str], few: str) -> int | None:
    """Rows of the frame when no two share their key; None when some do, or when the column `few` has many values.

    Groups by the rest of the key, and marks the value of `few` as a bit: a change point of each label and customer is
    a hundred times as many groups as customers. As many bits as rows mean that no key came twice.
    """
    values = [row[few] for row in frame.select(few).distinct().limit(_FEW + 1).collect()]
    if len(values) > _FEW or None in values:
        return None
    named = frame_of(frame.sparkSession, list(zip(values, range(len(values)), strict=True)), f"{few} string, bit int")
    words = range(len(values) // 64 + 1)
    rest = [name for name in key if name != few]
    seen = [
        F.bit_or(F.expr(f"if(bit div 64 = {word}, shiftleft(1L, bit % 64), 0L)")).alias(f"word_{word}")
        for word in words
    ]
    groups = frame.select(*key).join(F.broadcast(named), on=few).groupBy(*rest).agg(F.count("*").alias("rows"), *seen)
    bits = reduce(lambda one, other: one + other, [F.bit_count(f"word_{word}") for word in words])
    row = groups.agg(F.sum("rows").alias("rows"), F.sum(bits).alias("bits")).collect()[0]
    return int(row["rows"] or 0) if row["rows"] == row["bits"] else None


def _unexpected(frame: DataFrame, contract: Contract) -> dict[str, int]:
    """Rows that break each rule, for the rules that are broken; what holds is asked for yes or no only."""
    import great_expectations as gx

    suite = gold_suite(contract)
    suite.expectations = [item for item in suite.expectations if (item.meta or {}).get("rule") != NOT_EMPTY]  # known
    if not suite.expectations:
        return {}
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
