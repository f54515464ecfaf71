"""gold.credit_scores, gold.credit_decisions and what is watched about them, as Spark expressions."""

from __future__ import annotations

from datetime import date
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from portrait.capabilities.credit.cutoff import Outcome
from portrait.capabilities.credit.decide import lacking_text, missing_text
from portrait.capabilities.credit.policy import CreditPolicy, DecisionRule, Decisions
from portrait.capabilities.credit.scorecard import Scorecard, fit_scorecard

_UNSCORED = {"points": "double", "probability": "double"}


def fitted_card(facts: DataFrame, *, policy: CreditPolicy) -> Scorecard | None:
    """A scorecard of the applications whose outcome is known; None where they are too few. `facts`: see applicants."""
    rules = policy.applications
    known = facts.where("outcome is not null").select(
        (F.col("outcome") == "bad").cast("int").alias("is_bad"), *rules.features
    )
    counted = known.agg(F.count("*").alias("rows"), F.sum("is_bad").alias("bad")).collect()[0]
    bad = counted["bad"] or 0
    if bad < rules.least_bad or counted["rows"] - bad < rules.least_good:
        return None
    return fit_scorecard(known, target="is_bad", signs=rules.signs, policy=policy)


def grade_of(probability: Column, policy: CreditPolicy) -> Column:
    """The grade of a probability; null of null."""
    graded = F.lit(None).cast("string")
    for name, limit in sorted(policy.grades.items(), reverse=True):
        graded = F.when(probability <= limit, name).otherwise(F.coalesce(graded, F.lit("E")))
    return F.when(probability.isNotNull(), graded)


def outcome_counts(
    facts: DataFrame, card: Scorecard, *, earlier: Scorecard | None, policy: CreditPolicy
) -> list[Outcome]:
    """Applications with a known outcome by grade and whole percent of probability, of the card and of an earlier one.

    At most some thousand rows, whatever the bank's size. Without an earlier card its percents are those of the card.
    """
    known = facts.where("outcome is not null").select("outcome", *facts.drop("outcome").columns)
    scored = card.score(known).withColumnRenamed("probability", "chance").drop("points")
    if earlier is not None:
        scored = earlier.score(scored).withColumnRenamed("probability", "earlier").drop("points")
    else:
        scored = scored.withColumn("earlier", F.col("chance"))
    counted = scored.groupBy(
        grade_of(F.col("chance"), policy).alias("grade"), _percent("chance"), _percent("earlier")
    ).agg(F.count("*").alias("applications"), F.count_if(F.col("outcome") == "bad").alias("bad"))
    return sorted(Outcome(*row) for row in counted.collect())


def _percent(chance: str) -> Column:
    """The smallest whole percent that is not below a probability: a cut-off of so much accepts it."""
    return F.ceil(F.col(chance) * 100).cast("int").alias(chance)


def credit_scores(
    facts: DataFrame, card: Scorecard | None, *, policy: CreditPolicy, model_version: str | None, as_of: date
) -> DataFrame:
    """gold.credit_scores: one row per application received within `score_days`."""
    recent = facts.where(F.col("received_on") > F.date_sub(F.lit(as_of), policy.applications.score_days)).drop(
        "outcome"
    )
    if card is None:
        scored = recent.withColumns({name: F.lit(None).cast(kind) for name, kind in _UNSCORED.items()})
        told = scored.withColumn("reasons", F.array().cast("array<string>"))
    else:
        texts = F.transform("reasons", lambda item: item["text"])
        told = card.reasons(card.score(recent)).withColumn("reasons", texts)
    return told.withColumns(
        {
            "as_of": F.lit(as_of),
            "grade": grade_of(F.col("probability"), policy),
            "model_version": F.lit(model_version).cast("string"),
        }
    )


def credit_decisions(scores: DataFrame, warned: DataFrame | None, *, policy: Decisions, as_of: date) -> DataFrame:
    """gold.credit_decisions of applications. `scores`: rows of gold.credit_scores; `warned`: slice of
    gold.customer_warnings. As `decide`: what is not known refers, a rule that declines wins.
    """
    if warned is None:
        facts = scores.withColumn("early_warning", F.lit(None).cast("boolean"))
    else:
        known = warned.select("customer_id", "early_warning")
        facts = scores.join(known, on="customer_id", how="left")
    fired = [(rule, F.coalesce(_fires(rule), F.lit(False))) for rule in policy.rules]
    received = F.split(F.coalesce("documents", F.lit("")), r"\|")
    refers = [(f"missing_{fact}", missing_text(fact), F.col(fact).isNull()) for fact in policy.needed]
    refers += [(f"document_{d}", lacking_text(d), ~F.array_contains(received, d)) for d in policy.documents]

    def any_of(conditions: list[Column]) -> Column:
        return reduce(Column.__or__, conditions, F.lit(False))

    declined = any_of([condition for rule, condition in fired if rule.effect == "decline"])
    referred = any_of([condition for rule, condition in fired if rule.effect == "refer"] + [c for _, _, c in refers])
    ids = [F.when(condition, F.lit(rule.id)) for rule, condition in fired]
    texts = [F.when(condition, F.lit(rule.text)) for rule, condition in fired]
    ids += [F.when(condition, F.lit(name)) for name, _, condition in refers]
    texts += [F.when(condition, F.lit(text)) for _, text, condition in refers]
    return facts.select(
        "application_id",
        F.lit(as_of).alias("decided_on"),
        "customer_id",
        F.when(declined, "decline").when(referred, "refer").otherwise("approve").alias("decision"),
        F.array_compact(F.array(*ids)).alias("rules"),
        F.array_compact(F.array(*texts)).alias("reasons"),
        *("amount", "points", "probability", "grade"),
        F.lit(policy.version).alias("policy_version"),
        "model_version",
    )


def _fires(rule: DecisionRule) -> Column:
    value = F.col(rule.fact)
    if rule.is_true:
        return value
    number = value.cast("double")
    return number > F.lit(rule.above) if rule.above is not None else number < F.lit(rule.below)
