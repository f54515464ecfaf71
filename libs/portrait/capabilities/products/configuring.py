"""Configured products: which template a customer may have, on which terms, and the rule that refuses the others."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import reduce

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from portrait.capabilities.offers.eligibility import RULES as SUITABILITY_RULES
from portrait.capabilities.products.numbering import canonical, number_of
from portrait.capabilities.products.policy import CARD, SPENDING, ProductPolicy
from portrait.capabilities.tiers.policy import TIERS

RULES = (
    *SUITABILITY_RULES,
    "elderly_never_assessed",
    "early_warning",
    "early_warning_unknown",
    "liquidity_horizon",
    "rate_too_low",
    "no_preference",
    "benefit_cost",
    "another_design",
)
"""In the order in which they are asked; docs/products.md says what each means."""
_DEPOSITS = ("term_deposit", "savings")
_WORST = len(TIERS)
_RATE = "decimal(9,4)"
_UNKNOWN_RISK = ("suitability", "assessment_expired")


def card_habits(features: DataFrame, behaviour: DataFrame | None, *, categories: Sequence[str], policy: ProductPolicy,
                groups: DataFrame) -> DataFrame:  # fmt: skip
    """One row per customer: customer_id, spending (at merchants), spent_* by category, tgi (map by category), tgi_of.

    Own shares against those of all customers; of who spent less than `least_spending` the TGI of the group, where
    `behaviour` (a slice of gold.group_behaviour) has it.
    """
    spent = {name: F.coalesce(F.col(SPENDING.format(name)).cast("double"), F.lit(0.0)) for name in categories}
    spending = F.coalesce(F.col("merchant_amount_365d").cast("double"), F.lit(0.0))
    known = features.select(
        "customer_id", spending.alias("spending"), *[value.alias(f"spent_{name}") for name, value in spent.items()]
    )
    overall = known.agg(
        F.sum("spending").alias("all_spending"), *[F.sum(f"spent_{name}").alias(f"all_{name}") for name in categories]
    )
    own = F.create_map(*[part for name in categories for part in (F.lit(name), _index(name))])
    is_own = F.col("spending") >= float(policy.habits.least_spending)
    rows = known.crossJoin(F.broadcast(overall))
    if behaviour is None:
        nothing = F.lit(None).cast("map<string,double>")
        return rows.select(
            *known.columns, F.when(is_own, own).otherwise(nothing).alias("tgi"), F.when(is_own, "own").alias("tgi_of")
        )
    listed = F.map_from_entries(F.collect_list(F.struct("category", "tgi"))).alias("group_tgi")
    of_group = behaviour.groupBy("group_id").agg(listed)
    grouped = rows.join(groups.select("customer_id", "group_id"), on="customer_id", how="left")
    both = grouped.join(F.broadcast(of_group), on="group_id", how="left")
    return both.select(
        *known.columns,
        F.when(is_own, own).otherwise(F.col("group_tgi")).alias("tgi"),
        F.when(is_own, "own").when(F.col("group_tgi").isNotNull(), "group").alias("tgi_of"),
    )


def _index(name: str) -> Column:
    """100 x own share / share of all; NULL where nobody spends on it."""
    return F.when(
        (F.col(f"all_{name}") > 0) & (F.col("spending") > 0),
        F.lit(100.0) * (F.col(f"spent_{name}") / F.col("spending")) / (F.col(f"all_{name}") / F.col("all_spending")),
    )


def configured(
    judged: DataFrame, terms: DataFrame, options: DataFrame, money: DataFrame, habits: DataFrame,
    warnings: DataFrame | None, *, categories: Sequence[str], policy: ProductPolicy,
) -> DataFrame:  # fmt: skip
    """One row per customer and template with its terms and `rule`, the first that speaks against it; NULL: offered.

    `judged`: customers x templates by portrait.capabilities.offers.eligibility, which is asked first. `money`: one row
    per customer by `liquidity_of`, with `currency`. `warnings`: a slice of gold.customer_warnings; None: there is none,
    and no card is offered.
    """
    rows = (
        judged.drop("holding_days", "minimum_amount")
        .join(F.broadcast(terms), on="product_id", how="left")
        .join(F.broadcast(options), on="product_id", how="left")
        .join(money, on="customer_id", how="left")
        .join(habits, on="customer_id", how="left")
    )
    if warnings is None:
        rows = rows.withColumn("warned", F.lit(None).cast("boolean"))
    else:
        warned = warnings.select("customer_id", F.col("early_warning").alias("warned"))
        rows = rows.join(warned, on="customer_id", how="left")
    rows = _with_terms(_with_card(rows, categories=categories, policy=policy), policy=policy)
    return _one_design(rows.withColumn("rule", _first_rule(policy)))


def _with_card(rows: DataFrame, *, categories: Sequence[str], policy: ProductPolicy) -> DataFrame:
    """Adds own_rank, tgi_best (of the design's habits), expected interchange, the level of benefits, and their cost.

    The level is the tier itself, or the best tier below whose benefits cost no more than interchange brings.
    """
    cards = policy.cards
    by_card = F.coalesce("spending", F.lit(0.0)) * cards.spending_by_card
    preferred = F.array_max(F.transform("habits", lambda name: F.try_element_at(F.col("tgi"), name)))
    rows = rows.withColumns(
        {
            "own_rank": F.coalesce("tier_rank", F.lit(_WORST)),
            "tgi_best": preferred,
            "interchange": F.round(by_card * cards.interchange, 2),
        }
    )
    costs = [_cost(rank, categories, cards.spending_by_card) for rank in range(1, _WORST + 1)]
    affordable = [
        F.when((F.col("own_rank") <= rank) & (cost <= F.col("interchange")), rank)
        for rank, cost in enumerate(costs, start=1)
    ]
    level = F.when(F.col("product_kind") == CARD, F.coalesce(*affordable)).otherwise(F.col("own_rank"))
    rows = rows.withColumn("level", level)
    return rows.withColumn("benefit_cost", F.element_at(F.array(*costs), F.coalesce("level", F.lit(_WORST))))


def _cost(rank: int, categories: Sequence[str], by_card: float) -> Column:
    """What the benefits of a tier are expected to cost in a year."""
    parts = [
        F.element_at(F.col(f"share_{name}"), rank) * F.coalesce(F.col(f"spent_{name}"), F.lit(0.0)) * by_card
        for name in categories
    ]
    return F.round(reduce(lambda total, part: total + part, parts, F.element_at("fixed_cost", rank)), 2)


def _with_terms(rows: DataFrame, *, policy: ProductPolicy) -> DataFrame:
    """Adds the terms: start amount, days, rate or fee, benefits; NULL where a template has no such term."""
    start, horizon = (F.try_element_at(F.col(name), F.col("product_id")) for name in ("start_minor", "horizon_days"))
    hundredth = F.lit("0.01").cast("decimal(2,2)")
    kind = F.col("product_kind")
    rows = rows.withColumns({"horizon": horizon, "start_wanted": start}).withColumn(
        "option", F.try_element_at(F.filter("options", lambda option: option["days"] <= F.col("horizon")), F.lit(1))
    )
    margin = F.greatest(F.element_at("margins", F.col("own_rank")), F.col("margin_floor"))
    # Down to the digits in which a rate is written: a rate that was rounded up would be below the margin.
    rate = F.floor((F.col("option.ftp") - margin) * F.lit(10_000)) / F.lit(10_000)
    return rows.withColumns(
        {
            "margin": margin,
            "start_amount": (F.col("start_wanted").cast("decimal(20,0)") * hundredth).cast("decimal(18,2)"),
            "holding_days": F.when(kind.isin("term_deposit", "investment"), F.col("option.days")),
            "notice_days": F.when(kind == "savings", F.col("notice")),
            "annual_rate": F.when(kind.isin(*_DEPOSITS), rate.cast(_RATE)),
            "fee_rate": F.when(kind == "investment", margin.cast(_RATE)),
            "yearly_fee": F.when(kind == CARD, F.element_at("fees", F.col("own_rank"))),
            "benefits": F.element_at("benefits_by_tier", F.coalesce("level", F.lit(_WORST))),
        }
    )


def _first_rule(policy: ProductPolicy) -> Column:
    """The first rule that fails, in the order of `RULES`; what the rules of suitability said comes first."""
    kind, is_card = F.col("product_kind"), F.col("product_kind") == CARD
    elderly = F.coalesce(F.col("age_years") >= F.col("elderly_from"), F.lit(True))
    never = elderly & F.col("risk_level").isNull() & F.col("elderly_refused")
    has_habits = F.size("habits") > 0
    # What an unassessed customer may not have, an elderly one may not have for the reason that the template states.
    earlier = F.when(never & (F.col("rule").isNull() | F.col("rule").isin(*_UNKNOWN_RISK)), "elderly_never_assessed")
    fails = {
        "early_warning": is_card & F.coalesce("warned", F.lit(False)),
        "early_warning_unknown": is_card & F.col("warned").isNull(),
        "minimum_amount": ~is_card
        & F.coalesce(F.col("start_wanted") > F.col("available"), F.lit(True)),
        "liquidity_horizon": ~is_card & F.col("option").isNull(),
        "rate_too_low": kind.isin(*_DEPOSITS) & F.coalesce(F.col("annual_rate") < F.col("least_rate"), F.lit(True)),
        "no_preference": is_card & has_habits & (F.coalesce("tgi_best", F.lit(0.0)) < policy.habits.like),
        "benefit_cost": is_card & F.col("level").isNull(),
    }  # fmt: skip
    own = reduce(
        lambda rest, name: F.when(fails[name], F.lit(name)).otherwise(rest),
        reversed(list(fails)),
        F.lit(None).cast("string"),
    )
    return F.coalesce(earlier, "rule", own)


def _one_design(rows: DataFrame) -> DataFrame:
    """Of the card designs without a failing rule the one with the strongest habit is left, the standard card last."""
    is_card = F.col("product_kind") == CARD
    passes = is_card & F.col("rule").isNull()
    strongest = Window.partitionBy("customer_id", passes).orderBy(
        F.when(F.size("habits") > 0, F.col("tgi_best")).desc_nulls_last(), "product_id"
    )
    place = F.when(passes, F.row_number().over(strongest))
    return rows.withColumn("rule", F.when(place > 1, "another_design").otherwise(F.col("rule")))


def product_offers(rows: DataFrame, *, policy: ProductPolicy, as_of: date) -> DataFrame:
    """gold.product_offers: one row per customer and template without a failing rule, with its number."""
    offered = rows.where(F.col("rule").isNull()).withColumn("terms", canonical())
    return offered.select(
        F.lit(as_of).alias("as_of"),
        "customer_id",
        F.col("product_id").alias("template"),
        number_of("product_id", "version", "terms").alias("number"),
        "version",
        F.col("product_name").alias("title"),
        F.col("product_kind").alias("kind"),
        *("currency", "start_amount", "holding_days", "notice_days", "annual_rate", "fee_rate", "yearly_fee"),
        "benefits",
        _reason(policy).alias("reason"),
        _facts(policy).alias("facts"),
    )


def _reason(policy: ProductPolicy) -> Column:
    kind, share = F.col("product_kind"), f"{100 * policy.liquidity.share:g} %"
    tier = F.coalesce("tier", F.lit(TIERS[-1]))
    was_there = F.lit(f" was there on at least {share} of the last ")
    rests = F.concat(F.col("start_amount").cast("string"), was_there, F.col("horizon"), F.lit(" days"))
    paid = F.concat(F.lit(", at the transfer price less the margin of the tier "), tier, F.lit("."))
    deposit = F.concat(rests, F.lit(", so it is bound for "), F.col("holding_days"), F.lit(" days"), paid)
    savings = F.concat(rests, F.lit(", longer than the notice of "), F.col("notice_days"), F.lit(" days"), paid)
    investment = F.concat(
        rests, F.lit("; the customer's level "), F.coalesce("risk_level", F.lit("(the bank has none)")),
        F.lit(" allows risk "), F.col("product_risk"), F.lit("."),
    )  # fmt: skip
    whose = F.when(F.col("tgi_of") == "own", "the customer's spending").otherwise(
        "the spending of the customer's group"
    )
    habit = F.concat(
        F.lit("An index of "), F.format_number("tgi_best", 0), F.lit(" (100: like everyone) in "), whose, F.lit(" on "),
        F.array_join("habits", " or "), F.lit(" chose the design."),
    )  # fmt: skip
    plain = F.lit("No habit stands out for which there is a design whose benefits cost no more than it brings.")
    card = F.when(F.size("habits") > 0, habit).otherwise(plain)
    told = (
        F.when(kind == "term_deposit", deposit).when(kind == "savings", savings).when(kind == "investment", investment)
    )
    return told.otherwise(card)


def _facts(policy: ProductPolicy) -> Column:
    """What was known and decided, as text; what does not apply is left out."""
    card, funded = F.col("product_kind") == CARD, F.col("product_kind") != CARD
    hundredth = F.lit("0.01").cast("decimal(2,2)")
    available = (F.col("available").cast("decimal(20,0)") * hundredth).cast("decimal(18,2)").cast("string")
    facts: dict[str, Column] = {
        "tier": F.coalesce("tier", F.lit(TIERS[-1])),
        "available": F.when(funded, available),
        "horizon_days": F.when(funded, F.col("horizon").cast("string")),
        "transfer_price": F.col("option.ftp").cast("string"),
        "transfer_price_of": F.when(F.col("option.ftp").isNotNull(), F.col("option.source")),
        "margin": F.when(funded, F.col("margin").cast("string")),
        "risk_level": F.when(F.col("product_risk").isNotNull(), F.coalesce("risk_level", F.lit("never assessed"))),
        "habit_index": F.when(card, F.format_number("tgi_best", 1)),
        "habit_of": F.when(card & (F.size("habits") > 0), F.col("tgi_of")),
        "benefit_cost": F.when(card, F.format_number("benefit_cost", 2)),
        "interchange": F.when(card, F.format_number("interchange", 2)),
        "benefits_of_tier": F.when(
            card, F.element_at(F.array(*[F.lit(name) for name in TIERS]), F.coalesce("level", F.lit(_WORST)))
        ),
    }
    every = F.create_map(*[part for name, value in facts.items() for part in (F.lit(name), value)])
    return F.map_filter(every, lambda _, value: value.isNotNull())


OFFERED = "offered"


def product_refusals(
    rows: DataFrame, offers: DataFrame, customers: DataFrame, templates: DataFrame, *, as_of: date
) -> DataFrame:
    """gold.product_refusals: one row per template and rule, and one for what is offered.

    `offers`: what was written; `customers`: one row per candidate; counted apart from `rows`, so that they can differ.
    """
    outcome = F.coalesce("rule", F.lit(OFFERED)).alias("rule")
    counted = rows.groupBy(F.col("product_id").alias("template"), outcome).agg(F.count(F.lit(1)).alias("customers"))
    written = offers.groupBy("template").agg(F.count(F.lit(1)).alias("offered"))
    candidates = customers.agg(F.count(F.lit(1)).alias("candidates"))
    refused = F.sum(F.when(F.col("rule") != OFFERED, F.col("customers")).otherwise(0)).over(
        Window.partitionBy("template")
    )
    listed = templates.select(F.col("product_id").alias("template"), F.col("product_name").alias("title"))
    return (
        counted.withColumn("refused", refused)
        .join(listed, on="template", how="inner")
        .join(written, on="template", how="left")
        .crossJoin(candidates)
        .select(
            F.lit(as_of).alias("as_of"), "template", "rule", "title", "customers", "candidates",
            F.coalesce("offered", F.lit(0)).alias("offered"), "refused",
        )
    )  # fmt: skip
