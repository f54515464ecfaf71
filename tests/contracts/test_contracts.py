"""Contracts: what is refused, and what derives from them."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import resources
from pathlib import Path

import jsonschema
import pytest
import yaml

from portrait.contracts import Column, Contract, job_graph, load_catalogue
from portrait.contracts.contract import contract_of
from portrait.contracts.document import load_document
from portrait.contracts.graph import downstream
from portrait.contracts.kinds import Kind
from portrait.errors import ConfigurationError

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"
FILES = sorted(SCHEMAS.rglob("*.yml"))
STANDARD = json.loads(resources.files("open_data_contract_standard").joinpath("schema.json").read_text())


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}.{path.stem}")
def test_a_shipped_contract_meets_the_standard(path: Path) -> None:
    jsonschema.Draft201909Validator(STANDARD).validate(yaml.safe_load(path.read_text()))


def test_the_shipped_contracts_fit_together() -> None:
    catalogue = load_catalogue(SCHEMAS)
    assert {contract.layer for contract in catalogue} == {"raw", "bronze", "silver", "gold", "ops"}
    for contract in catalogue.layer("gold"):
        if contract.kind is not Kind.slice:  # a ledger or register, served whole: it says so itself
            assert contract.custom("kind") == contract.kind, contract.id
            assert contract.partitioned_by == [], contract.id
            assert contract.key, contract.id
            continue
        assert contract.column_names[0] == "as_of", contract.id
        assert contract.partitioned_by == ["as_of"], contract.id
        assert contract.key[:1] == ["as_of"], contract.id


def test_a_gold_contract_names_its_product() -> None:
    for path in FILES:
        if path.parent.name == "gold":
            assert "dataProduct" in yaml.safe_load(path.read_text()), path


MINIMAL = """
apiVersion: v3.2.0
kind: DataContract
id: gold.thing
name: thing
version: 1.0.0
status: active
description: {purpose: A thing.}
schema:
  - name: thing
    physicalName: gold.thing
    physicalType: table
    dataGranularityDescription: One row per thing.
    properties:
      - {name: thing_id, physicalType: STRING, logicalType: string, required: true, classification: internal,
         primaryKey: true, primaryKeyPosition: 1, description: It.}
      - {name: amount, physicalType: "DECIMAL(18,2)", logicalType: number, classification: internal,
         logicalTypeOptions: {minimum: 0}, description: How much.}
      - {name: kind, physicalType: STRING, logicalType: string, classification: internal,
         enum: [{value: a}, {value: "b's"}], description: Which.}
customProperties:
  - {property: job, value: thing}
"""


DAY = """      - {name: day, physicalType: DATE, logicalType: date, classification: internal, description: When.,
"""


def written(folder: Path, text: str, name: str = "gold/thing.yml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            MINIMAL.replace("required: true, classification:", "required: true, clasification:"),
            "clasification",
        ),
        (MINIMAL.replace("status: active", "status: active\nstats: x"), "stats"),
        (
            MINIMAL.replace("STRING, logicalType: string, required", "TEXT, logicalType: string, required"),
            "'TEXT' is not a type",
        ),
        (MINIMAL.replace("logicalType: number", "logicalType: decimal"), "breaks the Open Data Contract Standard"),
        (
            MINIMAL.replace("{property: job, value: thing}", "{property: jobb, value: thing}"),
            "unknown custom property: jobb",
        ),
        (MINIMAL.replace("id: gold.thing", "id: gold.other"), "calls itself 'gold.other'"),
        (MINIMAL.replace("name: thing\nversion", "name: thing\nname: twice\nversion"), "is there twice"),
        (MINIMAL.replace("kind: DataContract", "kind: [DataContract"), "not valid YAML"),
        *[
            (
                MINIMAL.replace(
                    "description: It.", f"description: It., customProperties: [{{property: {key}, value: {value}}}]"
                ),
                message,
            )
            for key, value, message in [
                ("identifier", "'yes'", "column 'thing_id', identifier: write true"),
                ("identifier", "{length: 3}", "column 'thing_id', identifier: write true"),
                ("identifier", "{longest: 0}", "'longest' must be a whole number"),
                ("identifier", "{longest: true}", "'longest' must be a whole number"),
                ("identifier", "{accepts: '('}", "'accepts' is not a regular expression"),
                ("identifier", "{accepts: '.*'}", "that does not accept nothing"),
                ("placeholders", "'N/A'", "column 'thing_id', placeholders: write a list of texts"),
                ("placeholders", "[-1]", "column 'thing_id', placeholders: write a list of texts"),
                ("placeholders", "['']", "column 'thing_id', placeholders: write a list of texts"),
            ]
        ],
        (
            MINIMAL.replace(
                "description: How much.", "description: It., customProperties: [{property: identifier, value: true}]"
            ),
            "an identifier is a STRING, not DECIMAL(18,2)",
        ),
        *[
            (
                MINIMAL.replace(
                    "customProperties:", DAY + f"         logicalTypeOptions: {{{bound}}}}}\ncustomProperties:", 1
                ),
                message,
            )
            for bound, message in [
                ("minimum: soon", "'soon' is no column of type DATE or TIMESTAMP"),
                ("minimum: thing_id", "'thing_id' is no column of type DATE or TIMESTAMP"),
                ("maximum: day + 3 weeks", "is neither a day as 1900-01-02 nor a column"),
                ("maximum: '2024-02-30'", "day is out of range"),
                ("maximum: '24-02-03'", "is neither a day as 1900-01-02 nor a column"),
                ("maximum: '2024-02-03 10:00:00'", "is neither a day as 1900-01-02 nor a column"),
            ]
        ],
        (MINIMAL.replace("minimum: 0}", "minimum: 0, maximum: as_of}"), "breaks the Open Data Contract Standard"),
    ],
)
def test_a_mistake_is_refused_with_file_and_line(tmp_path: Path, wrong: str, message: str) -> None:
    path = written(tmp_path, wrong)
    with pytest.raises(ConfigurationError) as caught:
        contract_of(load_document(path))
    assert message in str(caught.value)
    assert caught.value.exit_code == 2


def test_the_line_of_a_misspelt_key_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, MINIMAL.replace("status: active", "status: active\nstats: x"))
    with pytest.raises(ConfigurationError) as caught:
        load_document(path)
    assert caught.value.where == f"{path}:8"


def test_a_read_of_an_unknown_table_is_refused(tmp_path: Path) -> None:
    written(tmp_path, MINIMAL + "  - {property: reads, value: [silver.nothing]}\n")
    with pytest.raises(ConfigurationError, match=r"reads 'silver\.nothing', which no contract describes"):
        load_catalogue(tmp_path)


def thing(tmp_path: Path) -> Contract:
    return contract_of(load_document(written(tmp_path, MINIMAL)))


def test_rules_derive_from_the_columns(tmp_path: Path) -> None:
    rules = {rule.id: rule.predicate for rule in thing(tmp_path).rules}
    assert rules == {
        "thing_id.required": "`thing_id` is not null",
        "amount.range": "`amount` >= 0",
        "kind.enum": "`kind` in ('a', 'b\\'s')",
    }


def rules_of(tmp_path: Path, options: str, *, zone: str = "UTC", kind: str = "DATE") -> str:
    """The range of a column `day` of a table that also has `at` (TIMESTAMP) and `as_of` (DATE)."""
    also = "".join(
        f"      - {{name: {name}, physicalType: {physical}, logicalType: {logical}, classification: internal,"
        f" description: When.}}\n"
        for name, physical, logical in (("at", "TIMESTAMP", "timestamp"), ("as_of", "DATE", "date"))
    )
    day = DAY.replace("DATE", kind).replace("logicalType: date", f"logicalType: {kind.lower()}")
    text = MINIMAL.replace(
        "customProperties:", day + f"         logicalTypeOptions: {{{options}}}}}\n{also}customProperties:", 1
    )
    contract = contract_of(load_document(written(tmp_path, text)), time_zone=zone)
    (rule,) = [rule for rule in contract.rules if rule.id == "day.range"]
    return rule.predicate


def test_bounds_of_days_and_instants_become_conditions(tmp_path: Path) -> None:
    shanghai = "Asia/Shanghai"
    assert (
        rules_of(tmp_path, "minimum: '1900-01-02', maximum: as_of") == "`day` >= date'1900-01-02' and `day` <= `as_of`"
    )
    assert rules_of(tmp_path, "maximum: at") == "`day` <= to_date(`at`)"
    assert rules_of(tmp_path, "maximum: at", zone=shanghai) == (
        "`day` <= to_date(from_utc_timestamp(`at`, 'Asia/Shanghai'))"
    )
    assert rules_of(tmp_path, "maximum: as_of + 31 days") == "`day` <= date_add(`as_of`, 31)"
    assert rules_of(tmp_path, "minimum: as_of - 2 years") == "`day` >= add_months(`as_of`, -24)"
    assert rules_of(tmp_path, "maximum: at", kind="TIMESTAMP") == "`day` <= `at`"
    assert rules_of(tmp_path, "minimum: '1970-01-01', maximum: '2199-12-31'", kind="TIMESTAMP") == (
        "`day` >= timestamp'1970-01-01 00:00:00Z' and `day` < timestamp'2200-01-01 00:00:00Z'"
    )
    ends = ("America/Los_Angeles", "TIMESTAMP")
    assert rules_of(tmp_path, "maximum: '9999-12-31'", zone=ends[0], kind=ends[1]) == "`day` is not null"
    assert rules_of(tmp_path, "maximum: '9999-12-31 23:00:00'", zone=ends[0], kind=ends[1]) == (
        "`day` <= to_utc_timestamp(timestamp'9999-12-31 23:00:00', 'America/Los_Angeles')"
    )
    assert rules_of(tmp_path, "minimum: '1970-01-01 06:00:00'", kind="TIMESTAMP", zone=shanghai) == (
        "`day` >= timestamp'1969-12-31 22:00:00Z'"
    )


def test_the_kind_of_a_table_follows_from_its_layer_and_partitions_or_is_stated(tmp_path: Path) -> None:
    catalogue = load_catalogue(SCHEMAS)
    kinds = {name: catalogue.table(name).kind for name in ("gold.segments", "silver.customers", "ops.runs")}
    assert kinds == {"gold.segments": "slice", "silver.customers": "register", "ops.runs": "ledger"}
    assert catalogue.table("ops.quarantine").kind == "register"
    assert catalogue.table("bronze.customers").kind == "ledger"
    stated = MINIMAL.replace("value: thing}", "value: thing}\n  - {property: kind, value: KIND}")
    for kind, message in (("heap", "kind is 'heap'"), ("slice", "its partitions say otherwise")):
        with pytest.raises(ConfigurationError, match=message):
            contract_of(load_document(written(tmp_path / kind, stated.replace("KIND", kind))))
    ledger = contract_of(load_document(written(tmp_path, stated.replace("KIND", "ledger"))))
    assert (ledger.kind, ledger.sliced, ledger.hash) == ("ledger", False, thing(tmp_path / "plain").hash)


def test_ddl_has_comments_not_null_and_constraints(tmp_path: Path) -> None:
    ddl = replace(thing(tmp_path), id="silver.thing").ddl("/lake/silver/thing")
    assert "`thing_id` STRING NOT NULL COMMENT 'It.'" in ddl
    assert "'delta.constraints.amount_range' = '(`amount` >= 0) is not false'" in ddl
    assert "LOCATION '/lake/silver/thing'" in ddl


def test_gold_is_judged_by_the_gate_and_not_by_constraints(tmp_path: Path) -> None:
    assert "delta.constraints" not in thing(tmp_path).ddl("/lake/gold/thing")


def test_a_declared_column_may_not_clash(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="declared twice: amount"):
        thing(tmp_path).with_columns([Column("amount", "BIGINT")])


def test_bronze_derives_from_the_feed() -> None:
    catalogue = load_catalogue(SCHEMAS)
    feed, bronze = catalogue.table("raw.transactions"), catalogue.table("bronze.transactions")
    assert bronze.column_names == [*feed.column_names, "_file", "_file_hash", "_line", "_loaded_at", "_run"]
    assert bronze.rules == []
    assert bronze.job == "ingest"


def chain(**reads: list[str]) -> dict[str, str]:
    text = {}
    for name, inputs in reads.items():
        body = MINIMAL.replace("gold.thing", f"gold.{name}").replace("value: thing", f"value: {name}")
        text[name] = body + f"  - {{property: reads, value: [{', '.join(inputs)}]}}\n"
    return text


def test_the_graph_orders_writers_before_readers(tmp_path: Path) -> None:
    for name, body in chain(c=["gold.b"], b=["gold.a"], a=[], d=["gold.a"]).items():
        written(tmp_path, body, f"gold/{name}.yml")
    jobs = job_graph(load_catalogue(tmp_path))
    assert [job.name for job in jobs] == ["a", "b", "d", "c"]
    assert downstream(jobs, {"b"}) == {"b", "c"}


def test_a_circle_is_refused(tmp_path: Path) -> None:
    for name, body in chain(a=["gold.b"], b=["gold.a"]).items():
        written(tmp_path, body, f"gold/{name}.yml")
    with pytest.raises(ConfigurationError, match="in a circle: a -> b -> a"):
        job_graph(load_catalogue(tmp_path))
