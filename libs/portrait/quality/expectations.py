"""Great Expectations suites, derived from contracts: nothing of a rule is written twice.

GX sees a narrow frame: the key, the columns that have rules, and one computed boolean column for each rule that GX has
no words for (rules over several columns, value sets and patterns of columns that are not text).
"""

from __future__ import annotations

import os
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.contracts import Contract, Rule
from portrait.contracts.bounds import TIMES

# Read by GX when it is imported: a bank's run calls nobody.
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")

if TYPE_CHECKING:
    from great_expectations.core.batch import Batch
    from great_expectations.core.expectation_suite import ExpectationSuite

_CONTEXT = Lock()
NOT_EMPTY = "table.not_empty"
KEY_UNIQUE = "key.unique"


def gold_suite(contract: Contract) -> ExpectationSuite:
    """The contract's rules as expectations, each with its rule id in `meta`; and that the slice has rows.

    The key is not among them: its expectation costs two jobs, our own grouping one (`check_slice`).
    """
    import great_expectations as gx

    gxe = _words()
    expectations = [expectation_of(rule, contract) for rule in contract.rules]
    rows = gxe.ExpectTableRowCountToBeBetween(min_value=1, meta={"rule": NOT_EMPTY})
    return gx.ExpectationSuite(name=contract.id, expectations=[*expectations, rows])


def expectation_of(rule: Rule, contract: Contract) -> Any:
    """One rule as an expectation."""
    gxe, meta = _words(), {"rule": rule.id}
    if is_computed(rule, contract):
        return gxe.ExpectColumnValuesToBeInSet(column=computed_name(rule), value_set=[True], meta=meta)
    assert rule.column is not None, "rules without a column are computed"
    column = contract.column(rule.column)
    match rule.id.rsplit(".", 1)[1]:
        case "required":
            return gxe.ExpectColumnValuesToNotBeNull(column=column.name, meta=meta)
        case "enum":
            return gxe.ExpectColumnValuesToBeInSet(column=column.name, value_set=list(column.enum), meta=meta)
        case "range":
            return gxe.ExpectColumnValuesToBeBetween(
                column=column.name, min_value=column.minimum, max_value=column.maximum, meta=meta
            )
        case "pattern":
            return gxe.ExpectColumnValuesToMatchRegex(column=column.name, regex=column.pattern or "", meta=meta)
        case kind:
            raise AssertionError(f"a column rule of unknown kind: {kind}")


def is_computed(rule: Rule, contract: Contract) -> bool:
    """Whether a rule becomes a boolean column of its own."""
    if rule.column is None:
        return True
    column = contract.column(rule.column)
    of_text = column.physical_type == "STRING"
    by_sql = rule.id.endswith(".identifier") or (rule.id.endswith(".range") and column.physical_type in TIMES)
    return by_sql or (not of_text and rule.id.endswith((".enum", ".pattern")))


def computed_name(rule: Rule) -> str:
    """The column that says whether a row meets a rule."""
    return "__rule_" + rule.id.replace(".", "_")


def checked_frame(df: DataFrame, contract: Contract) -> DataFrame:
    """The key, the columns that GX looks at, and the computed ones."""
    named = {rule.column for rule in contract.rules if rule.column and not is_computed(rule, contract)}
    plain = [name for name in contract.column_names if name in named or name in contract.key]
    computed = [rule for rule in contract.rules if is_computed(rule, contract)]
    return df.select(
        *plain,
        *[F.coalesce(F.expr(rule.predicate), F.lit(True)).alias(computed_name(rule)) for rule in computed],
    )


def gx_batch(df: DataFrame, name: str) -> Batch:
    """A frame as GX takes it; persisted by us and not by GX, which never releases."""
    with _CONTEXT:  # which GX changes here; slices are checked from several threads
        source = _source()
        asset = next((item for item in source.assets if item.name == name), None) or source.add_dataframe_asset(name)
        definition = next((item for item in asset.batch_definitions if item.name == "slice"), None)
        batch: Batch = (definition or asset.add_batch_definition_whole_dataframe("slice")).get_batch({"dataframe": df})
        return batch


def _words() -> Any:
    # Imported late: GX takes seconds, and most commands check nothing. Its module exports names that mypy cannot see.
    import great_expectations.expectations

    return great_expectations.expectations


@lru_cache(maxsize=1)
def _source() -> Any:
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context.data_sources.add_spark("slices", persist=False)
