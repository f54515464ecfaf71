"""The bundle as a file: equal bytes, one identity a thing, no secret, and mistakes in conf/superset.yml refused."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from portrait.contracts import Catalogue
from portrait.errors import ConfigurationError
from portrait.run.suite import load_suite
from portrait.superset import bundle, load_declaration, write_bundle

CHECKOUT = Path(__file__).resolve().parents[2]
SHIPPED = (CHECKOUT / "conf" / "superset.yml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_suite(CHECKOUT / "conf", CHECKOUT / "schemas")


@pytest.fixture(scope="module")
def documents(catalogue: Catalogue) -> dict[str, dict[str, Any]]:
    return bundle(load_declaration(CHECKOUT / "conf", catalogue), catalogue)


def test_two_bundles_are_the_same_bytes(tmp_path: Path, catalogue: Catalogue) -> None:
    declaration = load_declaration(CHECKOUT / "conf", catalogue)
    for name in ("one.zip", "folder/two.zip"):
        write_bundle(tmp_path / name, declaration, catalogue)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "folder/two.zip").read_bytes()


def test_a_bundle_has_one_root_folder_of_yaml(tmp_path: Path, catalogue: Catalogue) -> None:
    write_bundle(tmp_path / "bundle.zip", load_declaration(CHECKOUT / "conf", catalogue), catalogue)
    with zipfile.ZipFile(tmp_path / "bundle.zip") as archive:
        assert {name.split("/")[0] for name in archive.namelist()} == {"portrait"}
        assert yaml.safe_load(archive.read("portrait/metadata.yaml")) == {"version": "1.0.0"}


def test_every_thing_has_a_uuid_of_its_own(documents: dict[str, dict[str, Any]]) -> None:
    identities = [document["uuid"] for name, document in documents.items() if name != "metadata.yaml"]
    assert len(set(identities)) == len(identities)


def test_the_uuids_are_those_of_the_first_release(documents: dict[str, dict[str, Any]]) -> None:
    # Another one would make a second database beside the bank's: a change here is a change that users see.
    assert documents["databases/portrait.yaml"]["uuid"] == "aee4da0b-af7e-579f-9736-253eaeb6e946"
    assert documents["datasets/portrait/segments.yaml"]["uuid"] == "f3ce214b-6d18-54b4-b091-b89b0ed50961"


def test_the_address_is_a_placeholder_without_password(documents: dict[str, dict[str, Any]]) -> None:
    assert documents["databases/portrait.yaml"]["sqlalchemy_uri"] == "hive://USER@HOST:10000/published?auth=LDAP"


def test_a_password_is_refused(catalogue: Catalogue) -> None:
    declaration = load_declaration(CHECKOUT / "conf", catalogue)
    with pytest.raises(ConfigurationError, match="no password") as refusal:
        bundle(declaration, catalogue, uri="hive://me:secret@host:10000/published")
    assert "secret" not in str(refusal.value)


def test_a_column_has_type_and_meaning_of_the_contract(documents: dict[str, dict[str, Any]]) -> None:
    columns = {item["column_name"]: item for item in documents["datasets/portrait/segments.yaml"]["columns"]}
    assert (columns["assets"]["type"], columns["as_of"]["is_dttm"]) == ("DECIMAL(18,2)", True)
    assert columns["assets"]["description"] == "Assets under management, account currency. Null: unknown."


@pytest.mark.parametrize(("column", "warned"), [("customer_id", "personal"), ("early_warning", "sensitive")])
def test_a_protected_column_carries_a_warning(documents: dict[str, Any], column: str, warned: str) -> None:
    columns = {item["column_name"]: item for item in documents["datasets/portrait/segments.yaml"]["columns"]}
    assert warned in columns[column]["extra"]["warning_markdown"]
    assert columns["tier"]["extra"] is None


def test_a_map_is_neither_grouped_nor_filtered_by(documents: dict[str, dict[str, Any]]) -> None:
    columns = {item["column_name"]: item for item in documents["datasets/portrait/label_statistics.yaml"]["columns"]}
    assert [columns["distribution"][key] for key in ("groupby", "filterable")] == [False, False]
    assert [columns["label"][key] for key in ("groupby", "filterable")] == [True, True]


def test_a_condition_is_in_the_editor_and_in_the_query(documents: dict[str, dict[str, Any]]) -> None:
    chart = documents["charts/offers.yaml"]
    assert [item["sqlExpression"] for item in chart["params"]["adhoc_filters"]] == ["rank = 1"]
    assert json.loads(chart["query_context"])["queries"][0]["extras"]["where"] == "(rank = 1)"


def test_the_dashboard_has_four_sections(documents: dict[str, dict[str, Any]]) -> None:
    position = documents["dashboards/portrait.yaml"]["position"]
    headings = [position[name]["meta"]["text"] for name in position["GRID_ID"]["children"] if name.startswith("HEADER")]
    assert headings == ["Tiers", "Groups", "Labels", "Recommendations"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  gold.segments:\n", "  gold.nothing:\n", "there is no table 'gold.nothing'"),
        ("  gold.segments:\n", "  silver.customers:\n", "silver.customers is not published"),
        ("  gold.segments:\n", "  gold.label_history:\n", "gold.label_history is not published"),
        ("sql: sum(assets)", "sql: sum(asets)", "gold.segments has no column 'asets'"),
        ("sql: sum(assets)", "sql: sum(", "not an SQL expression"),
        ("sql: sum(assets)", "sql: (select 1)", "not an expression over columns"),
        ("where: rank = 1", "where: rnk = 1", "gold.recommendations has no column 'rnk'"),
        ("by: [product_name]", "by: [product]", "gold.recommendations has no column 'product'"),
        ("metrics: [z]", "metrics: [zz]", "gold.group_profile has no metric 'zz'"),
        ("dataset: gold.group_profile", "dataset: gold.groups", "there is no dataset 'gold.groups'"),
        ("kind: pie, metrics: [customers], by: [group_name]", "kind: pie, metrics: [customers]", "a pie by 0 columns"),
        ("kind: bar, metrics: [coverage]", "kind: bar, metrics: [coverage, labels]", "a bar of 2 metrics"),
        ("{reasons: 6, migration: 6}", "{reasons: 6, migration: 7}", "the row reasons, migration is 13 wide"),
        ("{reasons: 6, migration: 6}", "{reasons: 6, moves: 6}", "the chart 'moves' is not declared"),
        ("{reasons: 6, migration: 6}", "{reasons: 6, groups: 6}", "the chart 'groups' is there twice"),
        ("kind: pie,", "kind: cake,", "Input should be"),
    ],
)
def test_a_mistake_in_the_declaration_is_refused(
    tmp_path: Path, catalogue: Catalogue, old: str, new: str, message: str
) -> None:
    assert old in SHIPPED
    (tmp_path / "superset.yml").write_text(SHIPPED.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=message) as refusal:
        load_declaration(tmp_path, catalogue)
    assert refusal.value.remedy
