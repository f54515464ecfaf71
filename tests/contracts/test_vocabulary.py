"""What a bank adds in conf/vocabulary.yml is followed by contracts, features, labels and groups."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import duckdb
import pytest
from pyspark.sql import SparkSession
from tests.conftest import CHECKOUT

from portrait.capabilities.groups.policy import load_group_policy
from portrait.contracts import load_catalogue
from portrait.contracts.vocabulary import load_vocabulary, with_vocabulary
from portrait.errors import ConfigurationError
from portrait.features import load_features
from portrait.labels import load_labels
from portrait.labels.growing import grown_expression
from portrait.lake import Lake, Lease
from portrait.mappings import load_mappings
from portrait.run.suite import load_suite

SCHEMAS = CHECKOUT / "schemas"


def conf_with(folder: Path, *changes: tuple[str, str]) -> Path:
    """A copy of conf/ in whose vocabulary some lines are others."""
    conf = folder / "conf"
    shutil.copytree(CHECKOUT / "conf", conf)
    text = (conf / "vocabulary.yml").read_text(encoding="utf-8")
    for before, after in changes:
        assert re.search(before, text, re.MULTILINE), before
        text = re.sub(before, after, text, count=1, flags=re.MULTILINE)
    (conf / "vocabulary.yml").write_text(text, encoding="utf-8")
    return conf


GAMBLING = (
    (r"^categories: \{\}", "categories: {gambling: games of chance}"),
    (r"(  merchant: \[.*)\]", r"\1, gambling]"),
    (r"^merchant_codes:", 'merchant_codes:\n  gambling: ["7995", "7800-7802"]'),
)
KIOSK = ((r"^channels: \{\}", "channels: {kiosk: kiosk}"), (r"(  channels: \[.*)\]", r"\1, kiosk]"))


def test_category_and_channel_are_followed_everywhere(tmp_path: Path):
    conf = conf_with(tmp_path, *GAMBLING, *KIOSK)
    before, after = load_suite(CHECKOUT / "conf", SCHEMAS), load_suite(conf, SCHEMAS)

    # Contracts: appended, so that the numbers of the others in kind_code stay.
    for table in ("raw.transactions", "silver.transactions"):
        assert after.table(table).column("category").enum == (*before.table(table).column("category").enum, "gambling")
        assert after.table(table).column("channel").enum == (*before.table(table).column("channel").enum, "kiosk")
    assert after.table("raw.unit_costs").column("channel").enum[-2:] == ("none", "kiosk")
    assert after.table("gold.segments").column("main_spending").enum[-1] == "gambling"

    # Features: those of the contract with the value in their name, and what adds values up.
    added = set(after.table("gold.customer_features").column_names) - set(
        before.table("gold.customer_features").column_names
    )
    assert added == {
        "debit_amount_category_gambling_90d", "debit_amount_category_gambling_365d",
        "txn_count_channel_kiosk_90d", "txn_count_channel_kiosk_365d",
    }  # fmt: skip
    spent = next(item for item in load_features(conf).features if item.name == "merchant_amount_90d")
    assert "gambling" in dict(spent.where)["category"]

    # Groups: a dimension of the vector each, and a part of the total.
    policy = load_group_policy(conf)
    made = {feature.id: feature for feature in policy.features}
    assert made["spend_gambling"].high == "games of chance spenders"
    assert policy.totals["spending"][-1] == "debit_amount_category_gambling_365d"
    assert made["channel_kiosk"].over == "bookings"


def values_by_duckdb(sql: str, facts: dict[str, object]) -> object:
    """What an expression gives for a customer with these facts, by another engine; other columns are 0."""
    names = set(re.findall(r"\b(?:debit_amount|txn_count|tenure|merchant_amount)_\w+", sql))
    columns = ", ".join(f"{facts.get(name, 0)} as {name}" for name in sorted(names))
    return duckdb.sql(f"select {sql.replace('IF(', 'if(')} from (select {columns})").fetchall()[0][0]


def test_labels_follow(tmp_path: Path):
    conf = conf_with(tmp_path, *GAMBLING, *KIOSK)
    labels = {item.label.id: item for item in load_labels(conf, load_suite(conf, SCHEMAS)).checked}
    spent = {"debit_amount_category_grocery_90d": 10, "debit_amount_category_gambling_90d": 20}
    assert values_by_duckdb(labels["main_spending"].sql, spent) == "gambling"
    assert (
        values_by_duckdb(labels["main_spending"].sql, {**spent, "debit_amount_category_grocery_90d": 30}) == "grocery"
    )
    assert labels["main_spending"].label.column.enum[-1] == "gambling"
    assert "gambling = games of chance" in labels["main_spending"].label.column.description
    kinds = {
        "tenure_days": 400,
        "merchant_amount_365d": 2,
        "debit_amount_category_fuel_365d": 1,
        "debit_amount_category_gambling_365d": 1,
    }
    assert values_by_duckdb(labels["category_count"].sql, kinds) == 2
    assert values_by_duckdb(labels["main_channel"].sql, {"txn_count_channel_kiosk_90d": 3}) == "kiosk"


def test_without_additions_labels_are_what_their_files_say():
    catalogue = load_suite(CHECKOUT / "conf", SCHEMAS)
    for item in load_labels(CHECKOUT / "conf", catalogue).checked:
        assert item.label.further == {}
        assert item.label.column.enum == tuple(item.label.values)


@pytest.mark.parametrize(
    ("text", "grown"),
    [
        ("greatest(n_a_90d, n_b_90d)", "GREATEST(n_a_90d, n_b_90d, n_c_90d)"),
        ("if(n_a_90d > 0, 1, 0) + if(n_b_90d > 0, 1, 0)",
         "IF(n_a_90d > 0, 1, 0) + IF(n_b_90d > 0, 1, 0) + IF(n_c_90d > 0, 1, 0)"),
        ("case when n_a_90d > 1 then 'a' when n_b_90d > 1 then 'b' end",
         "CASE WHEN n_a_90d > 1 THEN 'a' WHEN n_b_90d > 1 THEN 'b' WHEN n_c_90d > 1 THEN 'c' END"),
        ("n_other_90d > 1", "n_other_90d > 1"),
        ("greatest(n_a_90d, n_b_90d, n_c_90d)", "greatest(n_a_90d, n_b_90d, n_c_90d)"),
    ],
)  # fmt: skip
def test_expression_grows_by_what_stands_for_the_last_value(text: str, grown: str):
    assert grown_expression(text, ["a", "b", "c"], where="x")[0] == grown


def test_merchant_codes_of_iso_18245(tmp_path: Path):
    codes = load_vocabulary(conf_with(tmp_path, *GAMBLING)).category_of_codes()
    # As the card schemes' manuals list them.
    published = {
        "5411": "grocery", "5812": "restaurant", "4121": "transport", "5541": "fuel", "5912": "health",
        "5651": "clothing", "5732": "electronics", "5712": "home", "3005": "travel", "7011": "travel",
    }  # fmt: skip
    assert {code: codes[code] for code in published} == published
    assert (codes["7801"], codes["7995"]) == ("gambling", "gambling")
    assert "9999" not in codes


def test_mapping_by_merchant_codes(tmp_path: Path):
    conf = conf_with(tmp_path, *GAMBLING)
    (conf / "sources" / "card_system").mkdir(parents=True)
    columns = {
        "transaction_id": "id", "account_id": "card", "booked_at": "{column: day, format: yyyy-MM-dd}", "amount": "amt",
        "direction": "{constant: debit}", "type": "{constant: card_payment}",
        "category": "{column: mcc, map: merchant_codes, otherwise: null}",
    }  # fmt: skip
    text = "title: Payments\nfiles: '*.csv'\nfeed: transactions\ndelivery: append\ncolumns:\n"
    text += "".join(f"  {name}: {source}\n" for name, source in columns.items())
    (conf / "sources" / "card_system" / "payments.yml").write_text(text, encoding="utf-8")
    mappings = load_mappings(conf, with_vocabulary(load_catalogue(SCHEMAS, standard=False), conf))
    mapping = next(item for item in mappings if item.source == "card_system")
    assert mapping.codes["category"]["7995"] == "gambling"
    load_suite(conf, SCHEMAS)  # the codes are no file that is missing


@pytest.mark.parametrize(
    ("changes", "key", "message"),
    [
        (((r"^categories: \{\}", "categories: {grocery: food}"),), "categories", "'grocery' is there already"),
        (((r"^channels: \{\}", "channels: {Kiosk: kiosk}"),), "channels", "pattern"),
        (((r"(  merchant: \[.*)\]", r"\1, gambling]"),), "  merchant", "no value 'gambling'"),
        (((r"^merchant_codes:", 'merchant_codes:\n  gambling: ["7995"]'),), "  gambling", "no category 'gambling'"),
        (
            ((r'  household: \["6513"\]', '  household: ["6513", "5410-5412"]'),),
            "  household",
            "5411 is of grocery too",
        ),
        (((r'  household: \["6513"\]', '  household: ["65"]'),), "  household", "pattern"),
    ],
)
def test_mistake_is_refused_with_its_line(changes: tuple[tuple[str, str], ...], key: str, message: str, tmp_path: Path):
    conf = conf_with(tmp_path, *changes)
    with pytest.raises(ConfigurationError, match=message) as caught:
        load_suite(conf, SCHEMAS)
    lines = (conf / "vocabulary.yml").read_text(encoding="utf-8").splitlines()
    assert caught.value.where.startswith(str(conf / "vocabulary.yml"))
    assert lines[int(caught.value.where.split(":")[1]) - 1].startswith(key)


def test_label_that_grows_with_no_set_is_refused(tmp_path: Path):
    conf = conf_with(tmp_path)
    path = conf / "labels" / "behaviour" / "main_spending.yml"
    path.write_text(
        path.read_text(encoding="utf-8").replace("grows_with: merchant", "grows_with: shops"), encoding="utf-8"
    )
    with pytest.raises(ConfigurationError, match="no set 'shops'"):
        load_suite(conf, SCHEMAS)


@pytest.mark.delta
def test_table_that_is_there_accepts_the_new_value(spark: SparkSession, tmp_path: Path):
    conf = conf_with(tmp_path, *KIOSK)
    table, root = "silver.unit_costs", tmp_path / "lake"
    row = "'fee' as type, '{}' as channel, cast(1 as decimal(18,2)) as cost, timestamp'2024-01-01' as valid_from"
    row += ", cast(null as timestamp) as valid_to, true as is_current"
    for at, channel in ((CHECKOUT / "conf", "none"), (conf, "kiosk")):
        with Lease(root, seconds=60) as lease:
            lake = Lake(spark, root, load_suite(at, SCHEMAS), lease=lease)
            lake.overwrite(table, spark.sql(f"select {row.format(channel)}"))
            assert [found.channel for found in lake.read(table).collect()] == [channel]
