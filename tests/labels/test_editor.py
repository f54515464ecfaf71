"""What helps to write label files: schemas for editors, examples that are computed, a file made by asking."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
import yaml
from pyspark.sql import SparkSession
from typer.testing import CliRunner

from portrait.cli.labels import labels as command
from portrait.contracts import Catalogue, load_catalogue
from portrait.errors import ConfigurationError
from portrait.labels import LabelSet
from portrait.labels.editor import editor_schemas
from portrait.labels.examples import try_examples

LabelsOf = Callable[..., LabelSet]
CHECKOUT = Path(__file__).resolve().parents[2]
CATALOGUE = load_catalogue(CHECKOUT / "schemas", standard=False)


@pytest.mark.parametrize("name", ["label.schema.json", "audience.schema.json", "mapping.schema.json"])
def test_the_schemas_in_docs_are_fresh(name: str) -> None:
    assert (CHECKOUT / "docs/editor" / name).read_text() == editor_schemas(CATALOGUE)[name], (
        "run `portrait labels schema`"
    )


def test_every_shipped_file_meets_its_schema(conf_dir: Path) -> None:
    for folder, name in (("labels/*", "label"), ("audiences", "audience"), ("sources/*", "mapping")):
        schema = json.loads(editor_schemas(CATALOGUE)[f"{name}.schema.json"])
        for path in conf_dir.glob(f"{folder}/*.yml"):
            # An editor sees a day as the text that stands there.
            tree = json.loads(json.dumps(yaml.safe_load(path.read_text()), default=str))
            jsonschema.validate(tree, schema)


def test_an_editor_sees_a_misspelt_key() -> None:
    schema = json.loads(editor_schemas(CATALOGUE)["label.schema.json"])
    found = [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors({"colour": "red"})]
    assert any("'colour' was unexpected" in message for message in found)


def test_an_example_is_computed_as_the_label_is(labels_of: LabelsOf, spark: SparkSession, catalogue: Catalogue) -> None:
    examples = [
        {"given": {"salary_count_90d": 3, "tenure_days": 90}, "expect": True},
        {"given": {"salary_count_90d": 3, "tenure_days": 89}, "expect": True},
        {"given": {"tenure_days": 90}, "expect": None},
    ]
    share = {"id": "share", "type": "decimal", "value": "try_divide(debit_amount_90d, credit_amount_90d)"}
    shared = [{"given": {"debit_amount_90d": 0.3, "credit_amount_90d": 3, "tenure_days": 90}, "expect": 0.1}]
    source = catalogue.table("gold.customer_features")
    items = labels_of({"examples": examples}, share | {"examples": shared}).checked
    tried = {item.label.id: try_examples(spark, item, source=source) for item in items}
    assert [(one.found, one.passed) for one in tried["salary_customer"]] == [(True, True), (None, False), (None, True)]
    assert [one.passed for one in tried["share"]] == [True]


def test_an_example_names_only_what_the_label_reads(labels_of: LabelsOf) -> None:
    with pytest.raises(ConfigurationError, match="does not read 'score'"):
        labels_of({"examples": [{"given": {"score": 1}, "expect": True}]})


NEW = {
    "--id": "well_paid", "--title": "Well paid", "--theme": "income", "--from": "customer_features",
    "--type": "boolean", "--value": "salary_amount_90d > 9000", "--description": "A salary of more than 3,000 a month.",
    "--unknown-means": "bookings are not known.", "--owner": "retail-analytics",
}  # fmt: skip


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the configuration, and the contracts."""
    shutil.copytree(CHECKOUT / "conf", tmp_path / "conf")
    (tmp_path / "schemas").symlink_to(CHECKOUT / "schemas")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def words(changes: dict[str, str]) -> list[str]:
    return ["new", *[word for pair in (NEW | changes).items() for word in pair]]


def test_a_new_label_is_one_valid_file(checkout: Path) -> None:
    done = CliRunner().invoke(command, words({}), catch_exceptions=False)
    assert done.exit_code == 0
    written = yaml.safe_load((checkout / "conf/labels/income/well_paid.yml").read_text())
    assert (written["status"], written["value"]) == ("draft", "salary_amount_90d > 9000")


def test_a_new_label_that_would_be_refused_leaves_no_file(checkout: Path) -> None:
    with pytest.raises(ConfigurationError, match="reflect"):
        CliRunner().invoke(command, words({"--value": "reflect('x', 'y')"}), catch_exceptions=False)
    assert not (checkout / "conf/labels/income/well_paid.yml").exists()
    with pytest.raises(ConfigurationError, match="exists already"):
        CliRunner().invoke(command, words({"--id": "pensioner"}), catch_exceptions=False)
