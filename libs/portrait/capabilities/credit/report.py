"""The section about credit: decisions, why applications were not approved, groups of applicants, and the scorecard."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.contracts import Catalogue
from portrait.report.charts import Bar, bars
from portrait.report.figures import MOST, Figure, Figures, whole_slice
from portrait.report.markup import Head, Html, card, remark, section, table
from portrait.report.section import Section, Tile
from portrait.report.texts import NONE, count, percent, plain, plural, ratio


def credit_section(figures: Figures, catalogue: Catalogue) -> Html:
    """What was decided, why, for whom, and whether the scorecard fits."""
    anchor, name = "credit", "Credit"
    if not figures.has("credit_decisions"):
        return section(anchor, name, "Applications for credit were not decided for this day.")
    decided = {row["decision"]: int(row["applications"]) for row in figures["credit_decisions"]}
    every = sum(decided.values())
    lead = (
        f"{plural(every, 'application')} decided so far: {count(decided.get('approve', 0))} approved, "
        f"{count(decided.get('refer', 0))} referred to a person, {count(decided.get('decline', 0))} declined."
    )
    return section(anchor, name, lead, _reasons_card(figures), _fairness_card(figures), _monitoring_card(figures))


def _reasons_card(figures: Figures) -> Html:
    rows = figures["credit_reasons"]
    if not rows:
        return remark("Why not approved", "Everything was approved so far.")
    drawn = [Bar(plain(row["rule"]), float(row["applications"]), count(row["applications"])) for row in rows]
    return card("Why not approved", bars("Applications by rule", drawn), note="An application may break several rules.")


def _fairness_card(figures: Figures) -> Html:
    rows = sorted(figures["credit_fairness"], key=lambda row: (row["attribute"], row["applicant_group"]))
    if not rows:
        return remark("Groups of applicants", "Nothing was decided within a year.")
    heads = [Head("Group"), Head("Decided", True), Head("Approved", True), Head("To the best", True), Head("Verdict")]
    lines = [
        [
            f"{plain(row['attribute'])}: {row['applicant_group']}",
            count(row["applications"]),
            NONE if row["approval_rate"] is None else percent(row["approval_rate"]),
            NONE if row["rate_ratio"] is None else f"{row['rate_ratio']:.2f}",
            plain(row["verdict"]),
        ]
        for row in rows
    ]
    return card("Groups of applicants", table("Decisions by group", heads, lines), note="By what is never scored.")


def _monitoring_card(figures: Figures) -> Html:
    rows = sorted(figures["credit_monitoring"], key=lambda row: (row["measure"], row["subject"]))
    if not rows:
        return remark("The scorecard", "There is none yet: too few outcomes of applications are known.")
    heads = [Head("Measure"), Head("Of"), Head("Value", True), Head("Verdict")]
    lines = [[row["measure"], plain(row["subject"]), f"{row['value']:.3f}", plain(row["verdict"])] for row in rows]
    return card("The scorecard", table("Stability and calibration", heads, lines))


def credit_tiles(figures: Figures) -> list[Tile]:
    """Applications decided without a person."""
    if not figures.has("credit_decisions"):
        return []
    decided = {row["decision"]: int(row["applications"]) for row in figures["credit_decisions"]}
    every = sum(decided.values())
    alone = every - decided.get("refer", 0)
    return [Tile("Decided without a person", count(alone), f"{percent(ratio(alone, every))} of applications")]


def by_decision(decisions: DataFrame) -> DataFrame:
    """One row per decision: applications."""
    return decisions.groupBy("decision").agg(F.count("*").alias("applications"))


def by_rule(decisions: DataFrame) -> DataFrame:
    """One row per rule that kept an application from being approved: applications."""
    found = decisions.select(F.explode("rules").alias("rule")).groupBy("rule").agg(F.count("*").alias("applications"))
    return found.orderBy(F.col("applications").desc(), "rule").limit(MOST)


SECTIONS = (
    Section(
        anchor="credit",
        name="Credit",
        place=64,
        draw=credit_section,
        figures={
            "credit_decisions": Figure("gold.credit_decisions", by_decision),
            "credit_reasons": Figure("gold.credit_decisions", by_rule),
            "credit_fairness": Figure("gold.credit_fairness", whole_slice),
            "credit_monitoring": Figure("gold.credit_monitoring", whole_slice),
        },
        tiles=credit_tiles,
        glossary={
            "Referred": "A person decides: something is not known, a document is missing, or a rule asks for it.",
            "PSI": "Population stability index: how much a distribution has moved; above 0.25 it has changed.",
        },
    ),
)
