"""Gold slices against their contracts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from portrait.contracts import Column, Contract, load_catalogue
from portrait.contracts.contract import Rule
from portrait.errors import PortraitError
from portrait.quality import RuleResult, check_slice, gold_suite

DAY = date(2025, 3, 31)
TIER = Contract(
    "gold.tier",
    "Test table.",
    "One row per customer.",
    (
        Column("as_of", "DATE", required=True, key_position=1, partition_position=1),
        Column("customer_id", "STRING", required=True, key_position=2, pattern="^[A-Z][0-9]+$"),
        Column("tier", "STRING", required=True, enum=("vip", "ordinary")),
        Column("rank", "INT", enum=("1", "2")),
        Column("assets", "DECIMAL(18,2)", minimum=0.0, maximum=1000.0),
        Column("note", "STRING"),
    ),
    (
        Rule("rank_fits", "(tier = 'vip') = (rank = 1)", "error", "vip is rank 1"),
        Rule("assets_known", "assets is not null", "warning", "assets are known"),
    ),
    {"job": "test"},
)
Frame = Callable[..., DataFrame]


@pytest.fixture(scope="module")
def frame(spark: SparkSession) -> Frame:
    def make(*rows: tuple[str | None, str | None, int | None, str | None]) -> DataFrame:
        values = [(DAY, key, tier, rank, None if a is None else Decimal(a), "x") for key, tier, rank, a in rows]
        schema = "as_of date, customer_id string, tier string, rank int, assets decimal(18,2), note string"
        return spark.createDataFrame(values, schema)

    return make


GOOD = [("A1", "vip", 1, "10.00"), ("A2", "ordinary", 2, "0.00"), ("A3", "ordinary", 2, "1000.00")]
BROKEN = [
    *GOOD,
    ("A1", "ordinary", 2, "-0.01"),  # key twice, below the range
    ("secret-7", "gold", 3, "1000.01"),  # pattern, enum of text and of number, above the range
    ("B1", "vip", 2, None),  # rank does not fit, assets unknown
    (None, None, None, "5.00"),  # two required values
]


def failures(results: list[RuleResult]) -> dict[str, int]:
    return {item.rule: item.unexpected_count for item in results if not item.success}


def test_every_rule_of_a_contract_becomes_one_expectation() -> None:
    rules = [expectation.meta["rule"] for expectation in gold_suite(TIER).expectations if expectation.meta]
    assert sorted(rules) == sorted([rule.id for rule in TIER.rules] + ["table.not_empty"])


def test_a_good_slice_meets_every_rule(frame: Frame) -> None:
    results = check_slice(frame(*GOOD), TIER)
    assert failures(results) == {}
    assert [item.rule for item in results] == [rule.id for rule in TIER.rules] + ["key.unique", "table.not_empty"]


def test_broken_rows_are_counted_by_rule(frame: Frame) -> None:
    assert failures(check_slice(frame(*BROKEN), TIER)) == {
        "customer_id.required": 1,
        "customer_id.pattern": 1,
        "tier.required": 1,
        "tier.enum": 1,
        "rank.enum": 1,
        "assets.range": 2,
        "rank_fits": 1,
        "assets_known": 1,
        "key.unique": 2,
    }


def test_gx_counts_what_plain_sql_counts(frame: Frame) -> None:
    slice_ = frame(*BROKEN)
    broken = [F.count_if(~F.coalesce(F.expr(rule.predicate), F.lit(True))).alias(rule.id) for rule in TIER.rules]
    row = slice_.agg(*broken).head()
    assert row is not None
    counted = {rule: count for rule, count in row.asDict().items() if count}
    found = failures(check_slice(slice_, TIER))
    del found["key.unique"]
    assert found == counted


def test_examples_are_masked_keys_and_never_values(frame: Frame) -> None:
    details = " ".join(item.details or "" for item in check_slice(frame(*BROKEN), TIER))
    assert "secret-7" not in details
    assert "1000.01" not in details
    # sha256 of 'secret-7', by `printf secret-7 | sha256sum`
    assert "214a3aa0e5d5" in details


def test_an_empty_slice_of_customers_is_an_error(frame: Frame) -> None:
    results = {item.rule: item for item in check_slice(frame(), TIER)}
    assert not results["table.not_empty"].success
    assert results["table.not_empty"].severity == "error"


def test_an_empty_slice_of_something_else_is_a_warning(spark: SparkSession) -> None:
    pairs = Contract("gold.pairs", "Test.", "A pair.", (Column("as_of", "DATE", required=True, key_position=1),))
    results = check_slice(spark.createDataFrame([], "as_of date"), pairs)
    assert [item.severity for item in results if not item.success] == ["warning"]


def test_a_slice_without_a_column_is_a_fault_and_no_failed_rule(frame: Frame) -> None:
    wide = Contract(TIER.id, "", "", (*TIER.columns, Column("absent", "STRING", required=True)), (), {})
    with pytest.raises(Exception, match="absent"):
        check_slice(frame(*GOOD), wide)


def test_a_broken_rule_is_told_by_its_count_and_masked_examples(frame: Frame) -> None:
    results = check_slice(frame(*BROKEN), TIER)
    broken = next(item for item in results if item.rule == "assets.range")
    assert (broken.severity, broken.success, broken.unexpected_count, broken.total) == ("error", False, 2, 7)
    assert (broken.details or "").startswith("sha256(customer_id) begins ")
    assert "secret-7" not in str(results)


def test_a_rule_that_cannot_be_evaluated_is_raised(frame: Frame, monkeypatch: pytest.MonkeyPatch) -> None:
    from portrait.quality import checks

    monkeypatch.setattr(checks, "checked_frame", lambda df, contract: df.drop("tier"))
    with pytest.raises(PortraitError, match=r"could not be checked: .*tier\.enum"):
        check_slice(frame(*GOOD), TIER)


def test_suites_of_all_shipped_gold_tables_can_be_derived(schemas_dir: Path) -> None:
    for contract in load_catalogue(schemas_dir).layer("gold"):
        assert len(gold_suite(contract).expectations) == len(contract.rules) + 1


POINTS = Contract(
    "gold.points",
    "Test table.",
    "One row per customer and label.",
    (
        Column("as_of", "DATE", required=True, key_position=1, partition_position=1),
        Column("customer_id", "STRING", required=True, key_position=2),
        Column("label", "STRING", required=True, key_position=3),
    ),
    (),
    {"job": "test", "fewValues": "label"},
)


@pytest.mark.parametrize(
    ("labels", "more", "repeated"),
    [
        (3, [], 0),
        (64, [], 0),
        (200, [], 0),
        (1_001, [], 0),  # too many to be few: grouped by the whole key
        (200, [("C1", "label_63")], 2),
        (200, [("C1", "label_64"), ("C1", "label_64"), ("C0", "label_199")], 5),
        (3, [("C9", "label_0")], 0),
        (3, [("C9", None), ("C9", None)], 2),
        (0, [], 0),
    ],
)
def test_keys_of_few_values_are_counted_like_any_other(
    spark: SparkSession, labels: int, more: list[tuple[str, str | None]], repeated: int
) -> None:
    pairs = [(f"C{customer}", f"label_{label}") for customer in range(2) for label in range(labels)] + more
    frame = spark.createDataFrame([(DAY, *pair) for pair in pairs], "as_of date, customer_id string, label string")
    results = {item.rule: item for item in check_slice(frame, POINTS)}
    assert (results["key.unique"].unexpected_count, results["key.unique"].total) == (repeated, len(pairs))
    assert (results["key.unique"].details is None) == (repeated == 0)
