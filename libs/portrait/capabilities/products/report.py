"""The section about configured products: what is offered, on which terms, and which rule refused the others."""

from __future__ import annotations

from collections import defaultdict

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.contracts import Catalogue
from portrait.report.charts import Bar, bars
from portrait.report.figures import Figure, Figures, Row, customers_counted, whole_slice
from portrait.report.markup import Head, Html, card, folded, section, table
from portrait.report.section import Section, Tile
from portrait.report.texts import NONE, count, plain, plural

ANCHOR, NAME = "products", "Configured products"
_OFFERED = "offered"


def by_template(offers: DataFrame) -> DataFrame:
    """One row per template that is offered: customers, numbers, start amounts and rates from least to most."""
    return offers.groupBy("template", "kind").agg(
        customers_counted(),
        F.countDistinct("number").alias("numbers"),
        F.min("start_amount").alias("least_start"),
        F.max("start_amount").alias("most_start"),
        F.min(F.coalesce("annual_rate", "fee_rate")).alias("least_rate"),
        F.max(F.coalesce("annual_rate", "fee_rate")).alias("most_rate"),
    )


def products_section(figures: Figures, catalogue: Catalogue) -> Html:
    """Customers by template, the terms, and the rules that refused the others."""
    if not figures.has("product_refusals"):
        return section(ANCHOR, NAME, "No product was configured for this day.")
    rows = figures["product_refusals"]
    templates = {row["template"]: row for row in rows}
    if not templates:
        return section(ANCHOR, NAME, "There is no template of a product, or no customer.")
    offered = sum(int(row["offered"]) for row in templates.values())
    numbers = figures.total("products_by_template", "numbers")
    lead = (
        f"{plural(offered, 'offer')} of {plural(len(templates), 'template')} under {plural(numbers, 'number')}; "
        "equal terms have the same number."
    )
    drawn = [
        Bar(row["title"], row["offered"], count(row["offered"]))
        for row in sorted(templates.values(), key=lambda row: (-int(row["offered"]), row["template"]))
    ]
    return section(
        ANCHOR,
        NAME,
        lead,
        card(
            "Customers by product",
            bars("Customers to whom each configured product is offered", drawn),
            folded("Terms", _terms(figures["products_by_template"], templates)),
            note="Of the card designs a customer is offered one.",
        ),
        _refusals(rows),
    )


def _terms(rows: list[Row], templates: dict[str, Row]) -> Html:
    heads = [Head("Product"), Head("Kind"), Head("Customers", True), Head("Numbers", True), Head("Start amount", True),
             Head("Rate or fee", True)]  # fmt: skip
    lines = [
        [
            templates[row["template"]]["title"],
            plain(row["kind"]),
            count(row["customers"]),
            count(row["numbers"]),
            _span(row["least_start"], row["most_start"], "{:,.0f}"),
            _span(row["least_rate"], row["most_rate"], "{:.2%}"),
        ]
        for row in sorted(rows, key=lambda row: row["template"])
    ]
    return table("Terms by product", heads, lines)


def _span(least: object, most: object, layout: str) -> str:
    if least is None:
        return NONE
    one, other = (layout.format(float(str(value))) for value in (least, most))
    return one if one == other else f"{one} to {other}"


def _refusals(rows: list[Row]) -> Html:
    refused = [row for row in rows if row["rule"] != _OFFERED]
    rules: dict[str, int] = defaultdict(int)
    for row in refused:
        rules[row["rule"]] += int(row["customers"])
    drawn = [Bar(plain(rule), n, count(n)) for rule, n in sorted(rules.items(), key=lambda item: (-item[1], item[0]))]
    heads = [Head("Product"), Head("Rule"), Head("Customers", True)]
    lines = [
        [row["title"], plain(row["rule"]), count(row["customers"])]
        for row in sorted(refused, key=lambda row: (row["template"], -int(row["customers"]), row["rule"]))
    ]
    return card(
        "Why products are not offered",
        bars("Refusals by rule", drawn),
        folded("By product", table("Refusals by product and rule", heads, lines)),
        note="Each customer and product counts under the first rule that speaks against it; with the offers they make "
        "up all candidates.",
    )


def product_tiles(figures: Figures) -> list[Tile]:
    """Offers of configured products, and under how many numbers."""
    if not figures["products_by_template"]:
        return []
    numbers = figures.total("products_by_template", "numbers")
    offers = figures.total("products_by_template", "customers")
    return [Tile("Configured offers", count(offers), f"under {plural(numbers, 'product number')}")]


SECTIONS = (
    Section(
        anchor=ANCHOR,
        name=NAME,
        place=41,
        draw=products_section,
        figures={
            "product_refusals": Figure("gold.product_refusals", whole_slice),
            "products_by_template": Figure("gold.product_offers", by_template),
        },
        tiles=product_tiles,
        glossary={
            "Product number": "Template, version, hash of the terms and check digits of a configured product: equal "
            "terms have the same number for ever.",
            "Liquidity horizon": "For how many days an amount has been lying on a customer's accounts.",
        },
    ),
)
