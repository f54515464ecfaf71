"""Label files: what is refused, and with which words; what a label's life does to its column."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from portrait.contracts import load_catalogue
from portrait.errors import ConfigurationError
from portrait.labels import LabelSet
from portrait.labels.declared import declared_of

LabelsOf = Callable[..., LabelSet]


@pytest.mark.parametrize(
    ("change", "place", "named"),
    [
        ({"colour": "red"}, "colour", "known keys"),
        ({"owner": None}, "", "owner"),
        ({"kind": "guess"}, "kind", "kind"),
        ({"from": "silver.transactions"}, "from", "from"),
        ({"value": "salary_count_30d >= 3"}, "value", "salary_count_30d"),
        ({"value": "reflect('x', 'y')"}, "value", "reflect"),
        ({"unknown_when": "1=1) or (1=1"}, "unknown_when", "1=1) or (1=1"),
        ({"unknown_when": "tenure_days"}, "unknown_when", "condition"),
        ({"value": "salary_count_90d"}, "value", "not a boolean"),
        ({"type": "integer"}, "value", "not an integer"),
        ({"values": ["yes", "no"]}, "values", "only texts"),
        ({"values": ["x", "x"]}, "values", "twice"),
        ({"type": "string", "values": ["x"], "value": "case when tenure_days > 1 then 'y' end"}, "value", "'y'"),
        ({"type": "string", "value": "if(age_years < 18, 'young', 'old')", "unknown_when": None,
          "sensitivity": "personal"}, "value", "unknown_when"),
        ({"value": "age_years < 18"}, "sensitivity", "sensitivity: personal"),
        ({"status": "deprecated"}, "status", "sunset"),
        ({"status": "retired", "replaced_by": "nothing"}, "replaced_by", "nothing"),
        ({"id": "as_of", "value": "tenure_days > 1"}, "id", "as_of"),
    ],
)  # fmt: skip
def test_a_broken_label_is_refused_with_file_line_and_remedy(
    labels_of: LabelsOf, change: dict[str, object], place: str, named: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        labels_of(change)
    assert named in str(refused.value)
    assert f"{change.get('id', 'salary_customer')}.yml:" in refused.value.where
    assert place in f"{refused.value.where} {refused.value.message}"
    assert refused.value.remedy


def test_the_place_of_the_file_is_the_name_of_the_label(labels_of: LabelsOf, tmp_path: Path) -> None:
    labels_of({})
    (tmp_path / "labels/income/salary_customer.yml").rename(tmp_path / "labels/income/other.yml")
    with pytest.raises(ConfigurationError, match="income/salary_customer"):
        labels_of()


def test_an_id_is_unique_over_all_themes(labels_of: LabelsOf) -> None:
    with pytest.raises(ConfigurationError, match="is taken"):
        labels_of({}, {"theme": "value"})


def test_a_draft_has_no_column_and_a_retired_label_keeps_its_own(labels_of: LabelsOf) -> None:
    labels = labels_of(
        {},
        {"id": "planned", "status": "draft", "value": "not_there_yet > 1"},
        {"id": "gone", "status": "retired", "value": "dropped_feature > 1", "replaced_by": "salary_customer"},
        {"id": "going", "status": "deprecated", "sunset": "2030-01-01", "replaced_by": "salary_customer"},
    )
    assert [column.name for column in labels.columns()] == ["going", "gone", "salary_customer"]
    assert [item.label.id for item in labels.computed_from("customer_features")] == ["going", "salary_customer"]


def test_the_column_carries_type_values_and_sensitivity(labels_of: LabelsOf) -> None:
    value = {
        "type": "string",
        "values": ["x"],
        "value": "case when tenure_days > 1 then 'x' end",
        "sensitivity": "public",
    }
    with pytest.raises(ConfigurationError, match="internal"):
        labels_of(value)
    column = labels_of(value | {"sensitivity": "sensitive"}).columns()[0]
    assert (column.physical_type, column.enum, column.classification) == ("STRING", ("x",), "sensitive")


def test_the_labels_that_the_project_ships(conf_dir: Path, schemas_dir: Path) -> None:
    labels = declared_of(conf_dir, load_catalogue(schemas_dir)).labels.labels
    assert len(labels) >= 120
    assert {label.kind for label in labels} == {"fact", "statistic", "rule", "model"}
    assert len({label.theme for label in labels}) >= 8
    assert [label.id for label in labels if not label.unknown_means] == []


def test_titles_of_values_and_the_meaning_of_unknown_are_told(labels_of: LabelsOf) -> None:
    label = {"type": "string", "values": {"x": "The first", "y_z": "y z"}, "unknown_means": "nobody asked."}
    column = labels_of(label | {"value": "case when tenure_days > 1 then 'x' end"}).columns()[0]
    assert column.enum == ("x", "y_z")
    assert column.description.endswith("90 days. x = The first. NULL: unknown; nobody asked.")
