"""A catalogue with four small sources, and a folder of labels to write into."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from portrait.contracts import Catalogue, Column, Contract
from portrait.labels import LabelSet, load_labels

KEY = (Column("as_of", "DATE", key_position=1), Column("customer_id", "STRING", key_position=2))
COLUMNS = {
    "customer_features": (
        Column("tenure_days", "INT"),
        Column("age_years", "INT", classification="personal"),
        Column("salary_count_90d", "BIGINT"),
        Column("debit_amount_90d", "DECIMAL(18,2)"),
        Column("credit_amount_90d", "DECIMAL(18,2)"),
        Column("occupation", "STRING"),
        Column("consent_marketing", "BOOLEAN"),
        Column("risk_assessed_on", "DATE"),
    ),
    "customer_value": (Column("score", "DOUBLE"),),
    "customer_tier": (Column("tier", "STRING"), Column("reason", "STRING")),
    "customer_group": (Column("group_name", "STRING"),),
    "customer_portrait": (),
}
LABEL = {
    "id": "salary_customer",
    "title": "Receives a salary",
    "theme": "income",
    "kind": "rule",
    "type": "boolean",
    "from": "customer_features",
    "value": "salary_count_90d >= 3",
    "unknown_when": "tenure_days < 90",
    "owner": "retail-analytics",
    "sensitivity": "internal",
    "freshness": "1 day",
    "status": "active",
    "version": 1,
    "description": "Three or more salary credits within 90 days.",
}
LabelsOf = Callable[..., LabelSet]


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    """Contracts of the sources, with the few columns that the tests use."""
    segments = (Column("tier", "STRING", label="value_tier"), Column("group_name", "STRING", label="behaviour_group"))
    return Catalogue(
        {"gold.segments": Contract(id="gold.segments", description="", grain="", columns=KEY + segments)}
        | {
            f"gold.{name}": Contract(
                id=f"gold.{name}",
                description="",
                grain="",
                columns=KEY + columns,
                properties={"labelSource": name != "customer_portrait"},
            )
            for name, columns in COLUMNS.items()
        }
    )


@pytest.fixture
def labels_of(tmp_path: Path, catalogue: Catalogue) -> LabelsOf:
    """`labels_of({...}, ...)`: labels that differ from the interface's example in these keys; None removes a key."""

    def load(*changes: dict[str, object]) -> LabelSet:
        for change in changes:
            label = {key: value for key, value in (LABEL | change).items() if value is not None}
            folder = tmp_path / "labels" / str(label["theme"])
            folder.mkdir(parents=True, exist_ok=True)
            text = yaml.safe_dump(label, sort_keys=False)
            (folder / f"{label['id']}.yml").write_text(text, encoding="utf-8")
        return load_labels(tmp_path, catalogue)

    return load
