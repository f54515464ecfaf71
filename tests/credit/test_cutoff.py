"""Cut-off by cost and swap set: by hand, and counted by Spark as one by one."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from portrait.capabilities.credit.card_file import FILE, read_card, write_card
from portrait.capabilities.credit.cutoff import (
    Outcome,
    cheapest,
    cutoffs,
    grades_of,
    read_outcomes,
    swap_set,
)
from portrait.capabilities.credit.decisions import outcome_counts
from portrait.capabilities.credit.policy import CreditPolicy
from portrait.capabilities.credit.scorecard import fit_scorecard

# Grade, percent by the new card, by the old one, applications, bad.
OUTCOMES = [
    Outcome("A", 1, 1, 50, 1),
    Outcome("B", 4, 30, 20, 1),
    Outcome("C", 8, 8, 10, 2),
    Outcome("D", 15, 3, 10, 4),
    Outcome("E", 40, 45, 10, 8),
]


def test_the_cheapest_cutoff_by_hand() -> None:
    """At 5: nobody 84; 1 %: 5 + 35 = 40; 4 %: 10 + 16 = 26; 8 %: 20 + 8 = 28; 15 %: 40 + 2 = 42; all 80."""
    found = cutoffs(OUTCOMES, bad_cost=5)
    assert [found[percent].cost for percent in (0, 1, 4, 8, 15, 100)] == [84, 40, 26, 28, 42, 80]
    best = cheapest(found)
    assert (best.percent, best.accepted, best.bad) == (4, 70, 2)
    # The dearer a bad one, the stricter: at 40, 1 % costs 40 + 35 = 75, 4 % 80 + 16.
    assert cheapest(cutoffs(OUTCOMES, bad_cost=40)).percent == 1
    assert cheapest(cutoffs(OUTCOMES, bad_cost=0.1)).percent == 40
    assert cheapest(cutoffs(OUTCOMES, bad_cost=1000)).percent == 0


def test_the_swap_set_by_hand() -> None:
    parts = {part.accepted_by: (part.applications, part.bad) for part in swap_set(OUTCOMES, new=8, old=8)}
    assert parts == {"both": (60, 3), "only new": (20, 1), "only old": (10, 4), "none": (10, 8)}
    assert [part.bad_rate for part in swap_set(OUTCOMES, new=0, old=0)] == [None, None, None, 16 / 100]


def test_the_bound_of_the_rules_is_the_old_cutoff() -> None:
    assert CreditPolicy().decline_percent == 20


def test_outcomes_are_counted_as_one_by_one(spark: SparkSession, tmp_path: Path) -> None:
    """By the file of the model, as the command reads it; who has no outcome is not counted."""
    draws = np.random.default_rng(5)
    burden, age = draws.random(400), draws.integers(20, 70, 400)
    bad = draws.random(400) < 0.05 + 0.5 * burden
    known = draws.random(400) < 0.9
    rows = [(float(b), int(a), ("bad" if x else "good") if k else None)
            for b, a, x, k in zip(burden, age, bad, known, strict=True)]  # fmt: skip
    facts = spark.createDataFrame(rows, "burden double, age int, outcome string")
    fitted = facts.where("outcome is not null").selectExpr("burden", "age", "int(outcome = 'bad') as is_bad")
    new = fit_scorecard(fitted.drop("age"), target="is_bad", signs={"burden": 1})
    old = fit_scorecard(fitted.where("age > 40").drop("age"), target="is_bad", signs={"burden": 1})
    outcomes = outcome_counts(facts, new, earlier=old, policy=CreditPolicy())
    folder = tmp_path / "card"
    write_card(new, folder, grades=grades_of(outcomes), outcomes=outcomes, earlier="v1")
    assert read_outcomes(folder / FILE) == (outcomes, "v1")
    assert read_card(folder)[1] == grades_of(outcomes)
    scored = old.score(new.score(facts.where("outcome is not null")).selectExpr(
        "burden", "age", "outcome", "probability as by_new")).collect()  # fmt: skip
    one_by_one = Counter[str]()
    for row in scored:
        by_new, by_old = row.by_new <= 0.30, row.probability <= 0.25
        one_by_one["both" if by_new and by_old else "only new" if by_new else "only old" if by_old else "none"] += 1
    found = {part.accepted_by: part.applications for part in swap_set(outcomes, new=30, old=25)}
    assert found == {part: one_by_one[part] for part in found}
    assert sum(found.values()) == sum(known) == pytest.approx(360, abs=30)
    alone = outcome_counts(facts, new, earlier=None, policy=CreditPolicy())
    assert all(row.percent == row.earlier for row in alone)
