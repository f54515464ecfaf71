"""Offers of a first card with line and price, what was refused, and reviews of the limits of holders."""

from __future__ import annotations

from datetime import date
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from portrait.capabilities.card_terms.policy import BANDS, UNSCORED, CardTermsPolicy

RULES = (
    "already_held",
    "early_warning",
    "early_warning_unknown",
    "unscored",
    "band",
    "income_unknown",
    "debt_unknown",
    "exposure_unknown",
    "no_line_within_bounds",
    "not_profitable",
)
"""In the order in which they are asked; docs/card_terms.md says what each means."""
OFFERED = "offered"
_MONEY = "decimal(18,2)"


def judged_prospects(priced: DataFrame, prospects: DataFrame, *, policy: CardTermsPolicy) -> DataFrame:
    """One row per customer of `prospects` (a slice of gold.prospect_scores) with a score for a card, with `rule`.

    `priced`: customers by `with_best_line`. rule is the first that speaks against a card; NULL: it is offered.
    """
    scored = prospects.where(F.col("card_propensity").isNotNull()).select("customer_id", "card_propensity")
    rows = scored.join(priced, on="customer_id", how="left")
    fails = _fails(policy)
    rule = reduce(
        lambda rest, name: F.when(fails[name], F.lit(name)).otherwise(rest), reversed(RULES), F.lit(None).cast("string")
    )
    return rows.withColumn("rule", rule)


def _fails(policy: CardTermsPolicy) -> dict[str, Column]:
    """Rule -> condition that is TRUE when it fails. What is not known fails."""
    refused = [name for name in BANDS if not policy.band(name).offer]
    no_line = F.exists(F.map_values("limits"), lambda most: most < F.lit(float(policy.lines.least)))
    return {
        "already_held": F.coalesce(F.col("card_count") > 0, F.lit(False)),
        "early_warning": F.coalesce("warned", F.lit(False)),
        "early_warning_unknown": F.col("warned").isNull(),
        "unscored": (F.coalesce("band", F.lit(UNSCORED)) == UNSCORED) & F.lit(not policy.band(UNSCORED).offer),
        "band": F.col("band").isin(refused),
        "income_unknown": F.coalesce(F.col("income") <= 0, F.lit(True)),
        "debt_unknown": F.col("debt").isNull(),
        "exposure_unknown": F.col("exposure_unknown"),
        "no_line_within_bounds": F.coalesce(no_line, F.lit(False)),
        "not_profitable": F.col("line").isNull(),
    }


def card_offers(judged: DataFrame, *, as_of: date) -> DataFrame:
    """gold.card_offers: one row per prospect whom no rule refuses."""
    return judged.where(F.col("rule").isNull()).select(
        F.lit(as_of).alias("as_of"),
        "customer_id",
        F.round("line", 2).cast(_MONEY).alias("line"),
        F.col("rate").cast("decimal(9,6)").alias("rate"),
        "band",
        F.col("pd").alias("probability"),
        F.round("profit", 2).cast(_MONEY).alias("expected_profit"),
        "codes",
        _reason().alias("reason"),
        _facts().alias("facts"),
    )


def _reason() -> Column:
    """Why the line is not larger, and what the price is made of, in words."""
    line = F.format_number("line", 0)
    told = {
        "income_multiple": "the multiple of income of the risk band",
        "debt_service": "instalments and the least payment against income",
        "group_exposure": "what the limit of the customer's group leaves",
        "largest_line": "the largest line that is offered",
    }
    named = F.array_compact(F.array(*[F.when(F.array_contains("codes", code), text) for code, text in told.items()]))
    held = F.concat(F.lit("Line "), line, F.lit(", held by "), F.array_join(named, " and "), F.lit("; "))
    free = F.concat(F.lit("Line "), line, F.lit(": a larger one would cost more than it brings; "))
    bound = F.when(F.array_contains("codes", "rate_ceiling"), "cut to the legal maximum").when(
        F.array_contains("codes", "rate_floor"), "raised to the legal minimum"
    )
    price = F.concat(
        F.lit("price "), F.format_number(F.col("rate") * 100, 2), F.lit(" %, probability of default "),
        F.format_number(F.col("pd") * 100, 2), F.lit(" % (band "), F.col("band"), F.lit(")"),
    )  # fmt: skip
    return F.concat(
        F.when(F.size(named) > 0, held).otherwise(free), price, F.coalesce(F.concat(F.lit(", "), bound), F.lit("")),
        F.lit("."),
    )  # fmt: skip


def _facts() -> Column:
    """What line and price were decided on, as text; what does not apply is left out."""
    facts: dict[str, Column] = {
        "monthly_income": F.format_number("income", 2),
        "monthly_instalments": F.format_number("debt", 2),
        "yearly_spending": F.format_number("spending", 2),
        "transfer_price": F.format_number("ftp", 6),
        "rate_wanted": F.format_number("rate_wanted", 6),
        "best_line_without_bounds": F.format_number("line_free", 0),
        **{f"most_by_{name}": F.format_number(F.col("limits")[name], 2)
           for name in ("income_multiple", "debt_service", "group_exposure")},
    }  # fmt: skip
    every = F.create_map(*[part for name, value in facts.items() for part in (F.lit(name), value)])
    return F.map_filter(every, lambda _, value: value.isNotNull())


def card_refusals(judged: DataFrame, offers: DataFrame, prospects: DataFrame, *, as_of: date) -> DataFrame:
    """gold.card_refusals: one row per rule, and one for what is offered.

    `offers`: what was written; candidates are counted in `prospects`, apart from the rows that were judged.
    """
    counted = judged.groupBy(F.coalesce("rule", F.lit(OFFERED)).alias("rule")).agg(F.count(F.lit(1)).alias("customers"))
    refused = judged.agg(F.count("rule").alias("refused"))
    written = offers.agg(F.count(F.lit(1)).alias("offered"))
    candidates = prospects.agg(F.count("card_propensity").alias("candidates"))
    return (
        counted.crossJoin(candidates)
        .crossJoin(written)
        .crossJoin(refused)
        .select(F.lit(as_of).alias("as_of"), "rule", "customers", "candidates", "offered", "refused")
    )


def limit_reviews(priced: DataFrame, *, policy: CardTermsPolicy, as_of: date) -> DataFrame:
    """gold.limit_reviews: one row per customer who holds a card with a limit: raise, keep or lower, and why.

    Raised only when nothing stands against it and all is known; lowered when the risk is known and says so.
    """
    review, step = policy.review, float(policy.lines.step)
    limit, best = F.col("card_limit").cast("double"), F.coalesce("line", F.lit(0.0))
    # What a raise may reach: whole steps, so that no limit rests on a rounding.
    reach = F.floor(F.least(best, limit * review.raise_most) / step) * step
    known = (F.col("band") != UNSCORED) & (F.col("income") > 0) & F.col("debt").isNotNull() & ~F.col("exposure_unknown")
    refused = [name for name in (*BANDS, UNSCORED) if not policy.band(name).offer]
    veto = (
        F.when(F.col("warned"), "early_warning")
        .when(F.col("warned").isNull(), "early_warning_unknown")
        .when(F.col("band") == UNSCORED, "unscored")
        .when(F.col("band").isin(refused), "band")
        .when(~(F.col("income") > 0), "income_unknown")
        .when(F.col("debt").isNull(), "debt_unknown")
        .when(F.col("exposure_unknown"), "exposure_unknown")
    )
    may_raise = (best >= limit * review.raise_from) & (reach > limit)
    must_lower = known & (best <= limit * review.lower_from)
    action = F.when(must_lower, "lower").when(veto.isNull() & may_raise, "raise").otherwise("keep")
    lowered = F.greatest(best, limit * review.lower_most)
    proposed = F.when(action == "raise", reach).when(action == "lower", lowered).otherwise(limit)
    code = F.when(action != "keep", F.concat(action, F.lit("_to_best_line"))).otherwise(F.coalesce(veto, F.lit("near")))
    rows = priced.where((F.col("card_count") > 0) & (F.col("card_limit") > 0))
    return rows.select(
        F.lit(as_of).alias("as_of"),
        "customer_id",
        F.col("card_limit").cast(_MONEY).alias("limit_now"),
        F.round("line", 2).cast(_MONEY).alias("best_line"),
        action.alias("action"),
        F.round(proposed, 2).cast(_MONEY).alias("limit_proposed"),
        code.alias("code"),
        "band",
        "codes",
        _told(action, code).alias("reason"),
        _facts().alias("facts"),
    )


def _told(action: Column, code: Column) -> Column:
    words = {
        "early_warning": "there are signs of payment trouble",
        "early_warning_unknown": "it is not known whether there are signs of payment trouble",
        "unscored": "there is no current score",
        "band": "the risk band gets no offers",
        "income_unknown": "no income is known",
        "debt_unknown": "an instalment of a running loan is unknown",
        "exposure_unknown": "the exposure of the customer or a group is unknown",
    }
    why = F.create_map(*[part for name, text in words.items() for part in (F.lit(name), F.lit(text))])
    best = F.coalesce(F.concat(F.lit("the best line is "), F.format_number("line", 0)), F.lit("no line is worth it"))
    near = F.concat(best, F.lit(", near the limit"))
    return F.concat(
        F.when(action == "raise", "Raised: ").when(action == "lower", "Lowered: ").otherwise("Kept: "),
        F.when(action != "keep", best).otherwise(F.coalesce(F.try_element_at(why, code), near)),
        F.lit("."),
    )
