"""The section about funds: money that goes to other institutions, and patterns of transfers."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.contracts import Catalogue
from portrait.report.charts import Bar, bars
from portrait.report.figures import MOST, Figure, Figures, customers_counted
from portrait.report.markup import Head, Html, card, remark, section, table
from portrait.report.section import Section
from portrait.report.texts import amount, count, plain, plural

_SHOWN = 15


def funds_section(figures: Figures, catalogue: Catalogue) -> Html:
    """Where money goes: institutions, and patterns."""
    anchor, name = "funds", "Where money goes"
    if not figures.has("leaks"):
        return section(anchor, name, "Flows of money were not computed for this day.")
    rows = figures["leaks"]
    lead = f"Customers regularly move money to {plural(len(rows), 'other institution')}."
    return section(anchor, name, lead, _leaks_card(figures), _alerts_card(figures))


def _leaks_card(figures: Figures) -> Html:
    rows = [row for row in figures["leaks"] if row["amount"] is not None][:_SHOWN]
    if not rows:
        return remark("Other institutions", "No customer moves money to another institution more than once.")
    drawn = [Bar(row["counterparty_bank"], float(row["amount"]), amount(row["amount"])) for row in rows]
    heads = [Head("Institution"), Head("Customers", True), Head("90 days", True), Head("90 days before", True)]
    lines = [
        [row["counterparty_bank"], count(row["customers"]), amount(row["amount"]), amount(row["amount_before"])]
        for row in rows
    ]
    figures_of = table("Transfers by institution", heads, lines)
    return card("Other institutions", bars("Transfers of 90 days by institution", drawn), figures_of)


def _alerts_card(figures: Figures) -> Html:
    rows = figures["fund_alerts"]
    if not rows:
        return remark("Patterns of transfers", "No pattern of conf/funds.yml was found.")
    heads = [Head("Pattern"), Head("Accounts", True), Head("Amount", True)]
    lines = [[plain(row["kind"]), count(row["accounts"]), amount(row["amount"])] for row in rows]
    note = "A pattern is a reason to look, not a finding."
    return card("Patterns of transfers", table("Accounts by pattern", heads, lines), note=note)


def by_institution(leaks: DataFrame) -> DataFrame:
    """One row per institution: customers, amount, amount_before; the largest first."""
    found = leaks.groupBy("counterparty_bank").agg(
        customers_counted(), F.sum("amount").alias("amount"), F.sum("amount_before").alias("amount_before")
    )
    return found.orderBy(F.col("amount").desc_nulls_last(), "counterparty_bank").limit(MOST)


def by_pattern(alerts: DataFrame) -> DataFrame:
    """One row per pattern: accounts, amount."""
    return alerts.groupBy("kind").agg(F.count("*").alias("accounts"), F.sum("amount").alias("amount")).orderBy("kind")


SECTIONS = (
    Section(
        anchor="funds",
        name="Where money goes",
        place=66,
        draw=funds_section,
        figures={
            "leaks": Figure("gold.leakage", by_institution),
            "fund_alerts": Figure("gold.fund_alerts", by_pattern),
        },
    ),
)
