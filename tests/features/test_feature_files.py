"""What conf/features may say, and what becomes of it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from portrait.errors import ConfigurationError
from portrait.features import FeatureSet, load_features
from portrait.features.windows import Period, period

MEASURE = """
  - measure: {measure}
    aggregate: {aggregate}
    description: Something that is measured
{more}"""


def declared(tmp_path: Path, *measures: str, source: str = "transactions", head: str = "") -> FeatureSet:
    (tmp_path / "features").mkdir(exist_ok=True)
    text = f"source: {source}\n{head}measures:" + "".join(measures)
    (tmp_path / "features" / "some.yml").write_text(text, encoding="utf-8")
    return load_features(tmp_path)


def measure(name: str = "thing", aggregate: str = "count", **more: str) -> str:
    lines = "".join(f"    {key}: {value}\n" for key, value in more.items())
    return MEASURE.format(measure=name, aggregate=aggregate, more=lines)


def test_one_feature_a_value_and_window(tmp_path: Path) -> None:
    found = declared(tmp_path, measure(windows="[30d, life]", by="{channel: [atm, pos]}"))
    assert [feature.name for feature in found.features] == [
        "thing_channel_atm_30d", "thing_channel_atm_life", "thing_channel_pos_30d", "thing_channel_pos_life",
    ]  # fmt: skip


def test_a_named_set_stands_for_its_values(tmp_path: Path) -> None:
    found = declared(tmp_path, measure(where="{type: cash}"), head="value_sets: {cash: [in, out]}\n")
    assert found.features[0].where == (("type", ("in", "out")),)


def test_the_days_of_windows(tmp_path: Path) -> None:
    found = declared(tmp_path, measure(windows="[mtd, 7d, 1cm, 3cm, 12cm, life]"))
    assert [feature.period(date(2024, 3, 15)) for feature in found.features] == [
        Period(date(2024, 3, 1), date(2024, 3, 15)),
        Period(date(2024, 3, 9), date(2024, 3, 15)),
        Period(date(2024, 2, 1), date(2024, 2, 29)),
        Period(date(2023, 12, 1), date(2024, 2, 29)),
        Period(date(2023, 3, 1), date(2024, 2, 29)),
        Period(None, date(2024, 3, 15)),
    ]


@pytest.mark.parametrize(
    ("as_of", "first", "last"),
    [
        (date(2024, 2, 28), date(2024, 1, 1), date(2024, 1, 31)),
        (date(2024, 2, 29), date(2024, 2, 1), date(2024, 2, 29)),
        (date(2024, 1, 30), date(2023, 12, 1), date(2023, 12, 31)),
        (date(2023, 12, 31), date(2023, 12, 1), date(2023, 12, 31)),
    ],
)
def test_a_month_is_complete_on_its_last_day(as_of: date, first: date, last: date) -> None:
    assert period("1cm", as_of) == Period(first, last)


def test_types_follow_from_the_aggregate(tmp_path: Path) -> None:
    found = declared(
        tmp_path,
        measure("a", "sum", of="amount"),
        measure("b", "count"),
        measure("c", "days_since_last"),
        measure("d", "distinct_days", windows="[30d]"),
        measure("e", "average", of="amount", windows="[30d]"),
        measure("f", "ratio", of="a", over="b"),
        measure("g", "share", of="b", over="b"),
    )
    assert [column.physical_type for column in found.columns()] == [
        "DECIMAL(18,2)", "BIGINT", "INT", "BIGINT", "DECIMAL(18,2)", "DECIMAL(18,6)", "DECIMAL(7,6)",
    ]  # fmt: skip


def test_the_description_names_window_value_and_the_meaning_of_null(tmp_path: Path) -> None:
    found = declared(tmp_path, measure(aggregate="sum", of="amount", windows="[90d]", by="{category: travel}"))
    assert found.columns()[0].description == (
        "Something that is measured, category travel, over the 90 days that end with as_of. "
        "Account currency; 0 when nothing happened, NULL when the feed is absent."
    )


@pytest.mark.parametrize(
    ("broken", "names"),
    [
        (measure(windows="[31d]"), "windows"),
        (measure(wimdows="[30d]"), "wimdows"),
        (measure(where="{colour: red}"), "colour"),
        (measure(aggregate="median"), "aggregate"),
        (measure(aggregate="sum"), "of"),
        (measure(aggregate="sum", of="balance"), "balance"),
        (measure(aggregate="count", of="amount"), "of"),
        (measure(aggregate="distinct_days", windows="[90d]"), "distinct_days"),
        (measure(aggregate="balance_average", windows="[30d]"), "balance_average"),
        (measure(where='{type: "x\') or (1=1"}'), "where"),
        (measure() + measure(), "thing"),
        (measure(windows="[-30d]"), "windows"),
        (measure(windows="[2cm]"), "windows"),
        (measure(aggregate="trend", windows="[1cm]"), "3cm, 6cm, 12cm"),
        (measure(aggregate="streak", windows="[90d]"), "1cm, 3cm"),
        (measure(aggregate="streak", of="amount", windows="[3cm]"), "of"),
        (measure(aggregate="entropy", windows="[90d]"), "across"),
        (measure(across="{type: [fee, salary]}"), "across"),
        (measure(aggregate="entropy", across="{colour: [red]}"), "colour"),
        (measure(aggregate="entropy", across="{type: [fee]}", where="{type: fee}"), "parts of a whole"),
        (measure(aggregate="entropy", across="{type: [fee, salary]}", windows="[life]"), "declare the count"),
        (
            measure("a", "entropy", across="{type: [fee, salary]}", windows="[30d]")
            + measure("b", "ratio", of="a_30d", over="a_30d"),
            "is itself a quotient",
        ),
        (measure(aggregate="count_distinct"), "of"),
        (measure(aggregate="count_distinct", of="note"), "column to count"),
        (measure(aggregate="count_distinct", of="channel", windows="[30d, life]"), "beginning"),
        (measure(aggregate="average"), "of"),
        (measure(aggregate="min", of="balance"), "balance"),
        (measure(over="thing"), "over"),
        (measure(aggregate="ratio", of="other"), "needs what is divided"),
        (measure() + measure("part", "ratio", of="thing", over="thong"), "did you mean thing?"),
        (measure() + measure("part", "ratio", of="thing", over="part"), "is itself a quotient"),
        (measure() + measure("part", "ratio", of="thing", over="thing", where="{type: fee}"), "conditions"),
        (measure() + measure("part", "ratio", of="thing", over="thing", by="{type: [fee]}"), "conditions"),
        (measure(windows="[30d]") + measure("part", "ratio", of="thing", over="thing", windows="[90d]"), "thing_90d"),
        (measure() + measure("thing", "ratio", of="thing", over="thing"), "declared twice"),
        (measure("a", "sum", of="amount") + measure("b") + measure("c", "share", of="b", over="a"), "not a part"),
        (measure("a", where="{type: fee}") + measure("b") + measure("c", "share", of="b", over="a"), "not a part"),
        (
            measure("a", where="{type: fee}", windows="[30d]")
            + measure("b", windows="[90d]")
            + measure("c", "share", of="a_30d", over="b_90d"),
            "not a part",
        ),
        (measure("a", "average", of="amount", windows="[life]"), "declare the sum"),
    ],
)
def test_a_broken_declaration_is_refused_with_its_place(tmp_path: Path, broken: str, names: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        declared(tmp_path, broken)
    assert names in str(refused.value)
    assert "some.yml:" in refused.value.where
    assert refused.value.remedy


def test_a_ratio_may_stand_before_what_it_divides_and_in_another_file(tmp_path: Path) -> None:
    (tmp_path / "features").mkdir()
    first = measure("part", "ratio", of="cards", over="thing_30d")
    (tmp_path / "features" / "a.yml").write_text(f"source: transactions\nmeasures:{first}")
    (tmp_path / "features" / "b.yml").write_text(f"source: cards\nmeasures:{measure('cards')}")
    found = declared(tmp_path, measure(windows="[30d]"))
    assert [feature.name for feature in found.features] == ["part", "cards", "thing_30d"]
    assert [part.source for part in found.features[0].parts] == ["cards", "transactions"]


def test_an_average_balance_over_the_whole_life_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="windows"):
        declared(tmp_path, measure(aggregate="balance_average", windows="[life]"), source="balances")


def test_a_folder_without_declarations_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no features"):
        load_features(tmp_path)


def test_names_that_other_tables_read_are_declared(features: FeatureSet) -> None:
    windows = ("7d", "30d", "90d", "180d", "365d", "life")
    needed = {f"{name}_{window}" for name in ("txn_count", "credit_amount", "debit_amount") for window in windows}
    needed |= {"customer_txn_count_365d", "customer_txn_amount_365d", "days_since_customer_txn", "days_since_txn"}
    needed |= {"balance_last", "balance_avg_30d", "balance_min_90d", "holdings_amount", "investment_amount"}
    needed |= {"account_count", "card_count", "loan_count", "loan_amount", "holding_count", "salary_count_90d"}
    assert needed <= {feature.name for feature in features.features}
