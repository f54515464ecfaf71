"""Decisions: fail closed, a rule that declines wins, Spark and plain Python agree, the nearest change is nearest."""

from __future__ import annotations

import itertools
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from portrait.capabilities.credit.card_file import FILE, read_card, write_card
from portrait.capabilities.credit.decide import Change, PlainCard, decide, nearest_change, with_terms
from portrait.capabilities.credit.decisions import credit_decisions
from portrait.capabilities.credit.policy import CreditPolicy, DecisionRule, Decisions, load_credit_policy
from portrait.capabilities.credit.scorecard import fit_scorecard

DAY = date(2025, 3, 31)
GOOD: dict[str, Any] = {
    "amount": 10_000.0, "months": 36, "purpose": "car", "declared_income": 3_000.0, "burden": 0.1, "incomes": 3.3,
    "age": 40, "years_known": 3.0, "running_loans": 0, "running_instalments": 0.0, "bad_loans": 0,
    "probability": 0.03, "early_warning": False, "documents": "identity|income",
}  # fmt: skip


@pytest.fixture(scope="module")
def policy(conf_dir: Path) -> CreditPolicy:
    return load_credit_policy(conf_dir)


def test_what_is_in_order_is_approved(policy: CreditPolicy) -> None:
    assert decide(GOOD, policy.decisions).decision == "approve"


@pytest.mark.parametrize("fact", [
    "amount", "months", "purpose", "declared_income", "burden", "age", "bad_loans", "probability", "early_warning",
])  # fmt: skip
def test_what_is_not_known_refers_and_never_approves(policy: CreditPolicy, fact: str) -> None:
    found = decide({**GOOD, fact: None}, policy.decisions)
    assert found.decision == "refer"
    assert found.rules == (f"missing_{fact}",)
    assert found.reasons == (f"{fact.replace('_', ' ')} is not known",)


@pytest.mark.parametrize("documents", [None, "", "identity", "income", "identity|incomes"])
def test_a_missing_document_refers(policy: CreditPolicy, documents: str | None) -> None:
    assert decide({**GOOD, "documents": documents}, policy.decisions).decision == "refer"


@pytest.mark.parametrize(
    ("change", "decision", "rule"),
    [
        ({"age": 17}, "decline", "too_young"),
        ({"age": 18}, "approve", None),
        ({"bad_loans": 1}, "decline", "unpaid_loans"),
        ({"burden": 0.40}, "approve", None),
        ({"burden": 0.41}, "refer", "burden_high"),
        ({"probability": 0.11}, "refer", "probability_high"),
        ({"early_warning": True}, "refer", "warned"),
        ({"age": 17, "probability": None}, "decline", "too_young"),  # a rule declines whatever else is not known
    ],
)
def test_rules_of_the_shipped_policy(
    policy: CreditPolicy, change: dict[str, Any], decision: str, rule: str | None
) -> None:
    found = decide({**GOOD, **change}, policy.decisions)
    assert found.decision == decision
    assert (rule in found.rules) if rule else found.rules == ()


def test_a_policy_that_could_approve_without_a_score_is_refused() -> None:
    with pytest.raises(ValueError, match="without a probability"):
        Decisions(rules=(), required=("amount",))


@pytest.mark.parametrize("rule", [
    {"fact": "gender", "above": 1}, {"fact": "age"}, {"fact": "age", "above": 1, "below": 2},
    {"fact": "early_warning", "above": 1}, {"fact": "age", "is_true": True}, {"fact": "purpose", "above": 1},
])  # fmt: skip
def test_a_rule_without_sense_is_refused(rule: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"a rule has|is no number|is for early_warning"):
        DecisionRule.model_validate({"id": "r", "effect": "refer", "text": "t", **rule})


def test_the_version_follows_what_decides(policy: CreditPolicy) -> None:
    rules = policy.decisions
    assert (
        rules.version
        == rules.model_copy(update={"changes": rules.changes.model_copy(update={"months": (12,)})}).version
    )
    assert rules.version != rules.model_copy(update={"documents": ()}).version


def test_spark_decides_as_plain_python_does(spark: SparkSession, policy: CreditPolicy) -> None:
    values: dict[str, list[Any]] = {
        "age": [None, 17, 40], "burden": [None, 0.1, 0.45, 0.6], "bad_loans": [None, 0, 2],
        "probability": [None, 0.05, 0.15, 0.3], "early_warning": [None, False, True],
        "documents": [None, "identity|income", "identity"],
    }  # fmt: skip
    rows = [
        {**GOOD, **dict(zip(values, picked, strict=True)), "application_id": str(number), "customer_id": str(number)}
        for number, picked in enumerate(itertools.product(*values.values()))
    ]
    layout = (
        "application_id string, customer_id string, amount double, months int, purpose string, declared_income double, "
        "burden double, incomes double, age int, years_known double, running_loans bigint, running_instalments double, "
        "bad_loans bigint, probability double, documents string"
    )
    names = [part.split()[0] for part in layout.split(", ")]
    scores = spark.createDataFrame([tuple(row[name] for name in names) for row in rows], layout).selectExpr(
        "*", "cast(null as double) points", "cast(null as string) grade", "'v' model_version"
    )
    warned = spark.createDataFrame(
        [(row["customer_id"], row["early_warning"]) for row in rows], "customer_id string, early_warning boolean"
    )
    decided = credit_decisions(scores, warned, policy=policy.decisions, as_of=DAY).collect()
    assert len(decided) == len(rows) == 1296
    found = {row.application_id: (row.decision, tuple(row.rules), tuple(row.reasons)) for row in decided}
    expected = {row["application_id"]: decide(row, policy.decisions) for row in rows}
    assert found == {name: (one.decision, one.rules, one.reasons) for name, one in expected.items()}
    assert {decision for decision, _, _ in found.values()} == {"approve", "refer", "decline"}


@pytest.fixture(scope="module")
def card(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scorecard of burden (bad with .02, .2, .6) and purpose, with some missing, in a folder."""
    rows = []
    for burden, bad in ((0.05, 2), (0.25, 20), (0.7, 60)):
        rows += [(burden + n / 1000, "car" if n % 3 else "other", n < bad) for n in range(100)]
    rows += [(None, "car", n < 30) for n in range(60)]
    frame = spark.createDataFrame(rows, "burden double, purpose string, is_bad boolean").selectExpr(
        "burden", "purpose", "cast(is_bad as int) is_bad"
    )
    folder = tmp_path_factory.mktemp("card")
    write_card(fit_scorecard(frame, target="is_bad", signs={"burden": 1}), folder, grades={"A": 1})
    return folder


def test_a_card_from_a_file_scores_as_the_one_that_was_written(spark: SparkSession, card: Path) -> None:
    again, grades = read_card(card)
    plain = PlainCard.read(card / FILE)
    rows = [(0.01, "car"), (0.3, "other"), (0.9, None), (None, "never seen"), (float("nan"), "car")]
    frame = spark.createDataFrame(rows, "burden double, purpose string")
    scored = again.score(frame).collect()
    assert grades == {"A": 1}
    for row, (burden, purpose) in zip(scored, rows, strict=True):
        assert plain.probability({"burden": burden, "purpose": purpose}) == pytest.approx(row.probability, rel=1e-9)
    assert scored[0].probability < 0.1 < scored[2].probability


def test_terms_follow_the_annuity() -> None:
    # 12,000 over a year at 6.9 %: 12,000 x .00575 / (1 - 1.00575^-12) = 1,037.75 a month
    changed = with_terms(GOOD | {"running_instalments": 100.0}, amount=12_000, months=12, rate=0.069)
    assert changed["burden"] == pytest.approx((1037.75 + 100) / 3000, abs=2e-5)
    assert changed["incomes"] == 4.0
    assert with_terms(GOOD, amount=12_000, months=12, rate=0)["burden"] == pytest.approx(1000 / 3000, abs=1e-6)


def test_the_nearest_change_is_approved_and_nothing_nearer_is(card: Path, policy: CreditPolicy) -> None:
    plain = PlainCard.read(card / FILE)
    facts = with_terms(GOOD | {"amount": Decimal("30000.00")}, amount=30_000, months=24, rate=policy.applications.rate)
    facts["probability"] = plain.probability(facts)
    assert decide(facts, policy.decisions).decision != "approve"
    found = nearest_change(facts, plain, policy)
    assert isinstance(found, Change)

    def distance(amount: float, months: int) -> float:
        return (30_000 - amount) / 30_000 + abs(months - 24) / 24

    approved = []
    for step, months in itertools.product(range(17), {24, *policy.decisions.changes.months}):
        amount = 30_000 * (1 - 0.05 * step)
        other = with_terms(facts, amount=amount, months=months, rate=policy.applications.rate)
        if decide({**other, "probability": plain.probability(other)}, policy.decisions).decision == "approve":
            approved.append(distance(amount, months))
    assert distance(found.amount, found.months) == pytest.approx(min(approved))


def test_what_cannot_be_changed_has_no_change(card: Path, policy: CreditPolicy) -> None:
    plain = PlainCard.read(card / FILE)
    assert nearest_change(GOOD | {"age": 17}, plain, policy) is None
    assert nearest_change(GOOD | {"documents": None}, plain, policy) is None
    assert nearest_change(GOOD | {"amount": None}, plain, policy) is None
