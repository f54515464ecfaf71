"""The data dictionary: what it says of a table, and that docs/dictionary.md is what the contracts say now."""

from __future__ import annotations

from pathlib import Path

import pytest

from portrait.contracts import Catalogue, Column, Contract, load_catalogue
from portrait.contracts.contract import Rule
from portrait.contracts.dictionary import dictionary
from portrait.errors import ConfigurationError
from portrait.run.suite import load_suite

CUSTOMER = Column("customer_id", "STRING", required=True, key_position=1, classification="personal", description="Who.")
SHARE = Column("share", "DOUBLE", minimum=0, maximum=1, description="Part | whole.", volatile=True)
KIND = Column("kind", "STRING", enum=("a", "b"), pattern="^(a|b)$", description="Kind.")
RULE = Rule("adds_up", "share <= 1 or kind = 'a|b'", "warning", "It adds up.")


@pytest.fixture
def one_table() -> str:
    contract = Contract(
        "gold.part",
        "The part of every customer. More words.",
        "One row per customer.",
        (CUSTOMER, SHARE, KIND),
        (RULE,),
        {"job": "part", "reads": ["gold.part"], "config": ["part.yml"]},
        usage="Read it.",
        limitations="Not much.",
    )
    return dictionary(Catalogue({contract.id: contract}))


@pytest.mark.parametrize(
    "line",
    [
        "| [gold.part](#goldpart) | The part of every customer. | 3 |",
        "**Usage.** Read it.",
        "**Limitations.** Not much.",
        "- Grain: One row per customer.",
        "- Key: `customer_id`",
        "- Data product: `core`",
        "- Kind: register",
        "- Written by: `jobs/part.py`",
        "- Reads: [gold.part](#goldpart)",
        "- Settings: `conf/part.yml`",
        "| `customer_id` | string | 1 | yes | personal | Who. |",
        "| `share` | double |  |  | internal | Part \\| whole. *from 0 to 1.* *Differs between equal runs.* |",
        "| `kind` | string |  |  | internal | Kind. *one of a, b.* *Written as* `^(a\\|b)$`. |",
        "| `adds_up` | `share <= 1 or kind = 'a\\|b'` | warning | It adds up. |",
    ],
)
def test_a_table_is_described_by(one_table: str, line: str) -> None:
    assert line in one_table.splitlines()


def test_every_row_of_a_table_has_as_many_cells_as_its_heading(one_table: str) -> None:
    cells = 0
    for line in one_table.splitlines():
        if not line.startswith("|"):
            cells = 0
            continue
        found = line.replace("\\|", "").count("|")
        cells = cells or found
        assert found == cells, line


def test_every_table_and_column_of_the_suite_is_in_it(schemas_dir: Path) -> None:
    catalogue = load_catalogue(schemas_dir)
    text = dictionary(catalogue)
    for contract in catalogue:
        assert f"\n### {contract.id}\n" in text
        for column in contract.columns:
            assert f"| `{column.name}` |" in text, f"{contract.id}.{column.name}"


def test_a_layer_without_heading_is_an_error() -> None:
    stray = Contract("attic.old", "Old.", "One row.", (CUSTOMER,), (), {"job": "old"})
    with pytest.raises(ConfigurationError, match="attic"):
        dictionary(Catalogue({stray.id: stray}))


def test_the_dictionary_in_docs_is_fresh(conf_dir: Path, schemas_dir: Path) -> None:
    written = (schemas_dir.parent / "docs" / "dictionary.md").read_text(encoding="utf-8")
    assert written == dictionary(load_suite(conf_dir, schemas_dir)), (
        "run: portrait dictionary --write docs/dictionary.md"
    )
