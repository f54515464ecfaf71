"""Audience files: what is refused before Spark, with which words; what an expression means."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from portrait.capabilities.audiences.clauses import labels_read
from portrait.capabilities.audiences.declaration import AudienceSet, load_audiences
from portrait.capabilities.audiences.parsing import parse_audience
from portrait.contracts import Catalogue, load_catalogue
from portrait.errors import ConfigurationError
from portrait.labels import LabelSet
from portrait.run.suite import load_suite

LabelsOf = Callable[..., LabelSet]
Declared = Callable[..., AudienceSet]
EXPORTS = {"minimum_customers": 2, "lists": {}, "purposes": {"marketing": [], "risk": []}}
PLAIN = {"unknown_when": None, "theme": "value"}
AUDIENCE = {"id": "paid", "title": "Paid customers", "where": "salary_customer", "purpose": "marketing"}


@pytest.fixture
def labels(labels_of: LabelsOf) -> LabelSet:
    return labels_of(
        {},
        PLAIN | {"id": "value_tier", "type": "string", "values": ["vip", "low"], "value": "nullif(occupation, 'x')"},
        PLAIN | {"id": "job", "type": "string", "value": "occupation"},
        PLAIN | {"id": "years", "type": "integer", "value": "tenure_days"},
        PLAIN | {"id": "spent", "type": "decimal", "value": "debit_amount_90d"},
        PLAIN | {"id": "assessed", "type": "date", "value": "risk_assessed_on"},
        PLAIN | {"id": "age", "type": "integer", "value": "age_years", "sensitivity": "sensitive"},
        PLAIN | {"id": "planned", "status": "draft"},
        PLAIN | {"id": "gone", "status": "retired", "replaced_by": "salary_customer"},
    )


@pytest.fixture(scope="module")
def contracts(catalogue: Catalogue, schemas_dir: Path) -> Catalogue:
    """The feeds that the project ships, and the four small sources."""
    return Catalogue(load_catalogue(schemas_dir).contracts | catalogue.contracts)


@pytest.fixture
def audiences_of(tmp_path: Path, labels: LabelSet, contracts: Catalogue, conf_dir: Path) -> Declared:
    """`audiences_of({...}, ...)`: audiences that differ from a plain one in these keys."""

    def load(*changes: dict[str, object], exports: dict[str, object] = EXPORTS) -> AudienceSet:
        (tmp_path / "audiences").mkdir(exist_ok=True)
        for change in changes:
            audience = AUDIENCE | change
            text = yaml.safe_dump(audience, sort_keys=False)
            (tmp_path / "audiences" / f"{audience['id']}.yml").write_text(text, encoding="utf-8")
        (tmp_path / "exports.yml").write_text(yaml.safe_dump(exports, sort_keys=False), encoding="utf-8")
        for name in ("trust.yml", "marketing.yml"):
            shutil.copy(conf_dir / name, tmp_path)
        return load_audiences(tmp_path, labels, contracts)

    return load


def sql(audiences: AudienceSet, name: str = "paid") -> str:
    return audiences.audience(name).clause.sql


@pytest.mark.parametrize(
    ("where", "meant"),
    [
        ("salary_customer", "salary_customer"),
        ("not salary_customer", "NOT (salary_customer)"),
        ("salary_customer = true", "salary_customer = TRUE"),
        ("salary_customer is not true", "NOT (salary_customer IS TRUE)"),
        ("tier in ('vip', 'low')", "value_tier IN ('vip', 'low')"),
        ("tier not in ('vip')", "NOT (value_tier IN ('vip'))"),
        ("tier <> 'vip'", "value_tier <> 'vip'"),
        ("value_tier is null", "value_tier IS NULL"),
        ("job = 'night shift'", "job = 'night shift'"),
        ("years >= 3", "years >= 3"),
        ("3 < years", "years > 3"),
        ("years between -1 and 5", "(years >= -1) AND (years <= 5)"),
        ("spent > 1000.5", "spent > 1000.50"),
        ("assessed >= date'2024-01-31'", "assessed >= DATE'2024-01-31'"),
        ("years = 1 or years = 2 or years = 3", "(years = 1) OR (years = 2) OR (years = 3)"),
        (
            "years = 1 and (years = 2 or salary_customer)",
            "(years = 1) AND ((years = 2) OR (salary_customer))",
        ),
        ("years = 1 or years = 2 and salary_customer", "(years = 1) OR ((years = 2) AND (salary_customer))"),
    ],
)
def test_what_an_expression_means(audiences_of: Declared, where: str, meant: str) -> None:
    assert sql(audiences_of({"where": where})) == meant


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"colour": "red"}, "known keys"),
        ({"channels": ["pigeon"]}, "channels"),
        ({"purpose": "gossip"}, "purposes: marketing, risk"),
        ({"unknown": "maybe"}, "unknown"),
        ({"trust": {"failed": "shrug"}}, "trust.failed"),
        ({"id": "job"}, "is a label"),
        ({"id": "tier"}, "is a label"),
        ({"where": "salaried"}, "no label or audience"),
        ({"where": "years"}, "not yes or no"),
        ({"where": "tier = 'gold'"}, "values: vip, low"),
        ({"where": "tier > 'low'"}, "no order"),
        ({"where": "job = null"}, "job is null"),
        ({"where": "job in ('x', null)"}, "job is null"),
        ({"where": "job = 3"}, "type string"),
        ({"where": "years > '3'"}, "type integer"),
        ({"where": "years > 2.5"}, "type integer"),
        ({"where": "years = 9223372036854775808"}, "18 digits"),
        ({"where": "spent > 0.001"}, "type decimal"),
        ({"where": "assessed > '2024-01-01'"}, "type date"),
        ({"where": "assessed > date'2024-02-30'"}, "invalid date literal"),
        ({"where": "salary_customer = 1"}, "type boolean"),
        ({"where": "years + 1 > 3"}, "a label's name"),
        ({"where": "years > age"}, "type integer"),
        ({"where": "abs(years) > 3"}, "a label's name"),
        ({"where": "case when years > 3 then true end"}, "only tests labels"),
        ({"where": "(years > 3) is null"}, "a label's name"),
        ({"where": "years between symmetric 9 and 3"}, "only tests labels"),
        ({"where": "true"}, "only tests labels"),
        ({"where": "years is true"}, "use ="),
        ({"where": "planned"}, "draft"),
        ({"where": "gone"}, "use salary_customer"),
        ({"where": "x.years > 3"}, "several parts"),
        ({"where": "years in (select 1)"}, "not allowed"),
        ({"where": "years > 3; drop table x"}, ";"),
        ({"where": "1=1) or (1=1"}, "not one Spark SQL expression"),
        ({"where": "reflect('x', 'y')"}, "reflect"),
        ({"where": "`years` > 3"}, "`"),
    ],
)
def test_a_broken_audience_is_refused_with_file_line_and_remedy(
    audiences_of: Declared, change: dict[str, object], named: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        audiences_of(change)
    assert named in str(refused.value)
    assert f"{change.get('id', 'paid')}.yml:" in refused.value.where
    assert refused.value.remedy


def test_an_audience_may_name_others(audiences_of: Declared) -> None:
    audiences = audiences_of(
        {}, {"id": "b", "where": "paid and years > 3"}, {"id": "c", "where": "not b or tier = 'vip'"}
    )
    assert sql(audiences, "c") == "(NOT ((salary_customer) AND (years > 3))) OR (value_tier = 'vip')"
    assert labels_read(audiences.audience("c").clause) == {"salary_customer", "years", "value_tier"}


def test_a_circle_is_refused_with_its_path(audiences_of: Declared) -> None:
    circle = [{"id": "a", "where": "salary_customer and b"}, {"id": "b", "where": "c"}, {"id": "c", "where": "not a"}]
    with pytest.raises(ConfigurationError, match="a -> b -> c -> a") as refused:
        audiences_of(*circle)
    assert "c.yml:3 where" in refused.value.where


def test_names_of_many_audiences_may_not_explode(audiences_of: Declared) -> None:
    first = {"id": "a0", "where": "salary_customer and years > 3"}
    doubled = [{"id": f"a{n}", "where": f"a{n - 1} or a{n - 1}"} for n in range(1, 12)]
    with pytest.raises(ConfigurationError, match="more than 1000 clauses"):
        audiences_of(first, *doubled)


def test_an_audience_of_many_reads_the_same_when_it_is_asked_again(audiences_of: Declared) -> None:
    parts = [{"id": f"a{n}", "where": " or ".join(f"years = {100 * n + m}" for m in range(80))} for n in range(9)]
    audiences = audiences_of(*parts, {"id": "every", "where": " or ".join(f"a{n}" for n in range(9))})
    written = sql(audiences, "every")
    past = replace(audiences.words, past=True)
    assert parse_audience(written, words=past, where="gold.audiences").sql == written
    with pytest.raises(ConfigurationError, match="more than 4000 characters"):
        audiences.parse(written, where="EXPR")


def test_the_sensitivity_is_the_highest_of_its_labels(audiences_of: Declared) -> None:
    audiences = audiences_of({}, {"id": "grown", "where": "paid and age >= 18"})
    assert [audiences.sensitivity(item.clause) for item in audiences.checked.values()] == ["sensitive", "internal"]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"purposes": {"marketing": ["nobody"]}}, "there is no list 'nobody'"),
        ({"lists": {"x": {"title": "Some", "where": "nothing"}}}, "no label or audience"),
        (
            {"lists": {"x": {"title": "Some", "where": "kind = 'x'", "feed": "rumours"}}},
            "it is not said whether the bank delivers 'rumours'",
        ),
        ({"lists": {"x": {"title": "Some", "where": "colour = 'x'", "feed": "responses"}}}, "no such column"),
        ({"lists": {"x": {"title": "Some", "where": "salary_customer", "days": 3}}}, "belong together"),
        ({"minimum_customers": 0}, "minimum_customers"),
    ],
)
def test_a_broken_export_policy_is_refused(audiences_of: Declared, change: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        audiences_of({}, exports=EXPORTS | change)
    assert named in str(refused.value)


def test_the_audiences_that_the_project_ships(conf_dir: Path, schemas_dir: Path) -> None:
    load_suite(conf_dir, schemas_dir)
    assert len(list((conf_dir / "audiences").glob("*.yml"))) >= 6
