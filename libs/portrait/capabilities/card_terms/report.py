"""The section about lines and prices of cards, and about limits of holders."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.contracts import Catalogue
from portrait.report.charts import Bar, bars
from portrait.report.figures import Figure, Figures, Row, customers_counted, whole_slice
from portrait.report.markup import Head, Html, card, remark, section, table
from portrait.report.section import Section, Tile
from portrait.report.texts import count, plain, plural

ANCHOR, NAME = "card-terms", "Card line and price"


def by_band(offers: DataFrame) -> DataFrame:
    """One row per risk band with an offer: customers, mean line and price, expected profit."""
    return offers.groupBy("band").agg(
        customers_counted(),
        F.avg("line").alias("mean_line"),
        F.avg("rate").alias("mean_rate"),
        F.sum(F.col("expected_profit").cast("double")).alias("profit"),
    )


def by_action(reviews: DataFrame) -> DataFrame:
    """One row per action and its reason: customers."""
    return reviews.groupBy("action", "code").agg(customers_counted())


def card_terms_section(figures: Figures, catalogue: Catalogue) -> Html:
    """Offers by risk band, why others get none, and what becomes of limits."""
    if not figures.has("card_refusals"):
        return section(ANCHOR, NAME, "No line of a card was computed for this day.")
    rows = figures["card_refusals"]
    candidates = max((int(row["candidates"]) for row in rows), default=0)
    offered = max((int(row["offered"]) for row in rows), default=0)
    lead = (
        f"{plural(offered, 'prospect')} of {count(candidates)} may be offered a first card, each with line and price."
    )
    return section(
        ANCHOR, NAME, lead, _offers(figures["card_bands"]), _refusals(rows), _reviews(figures["limit_actions"])
    )


def _offers(rows: list[Row]) -> Html:
    if not rows:
        return remark("Offers by risk band", "Nobody may be offered a card.")
    heads = [Head("Risk band"), Head("Customers", True), Head("Mean line", True), Head("Mean price", True),
             Head("Expected profit a year", True)]  # fmt: skip
    lines = [
        [
            plain(row["band"]), count(row["customers"]), f"{float(row['mean_line']):,.0f}",
            f"{float(row['mean_rate']):.2%}", f"{float(row['profit']):,.0f}",
        ]
        for row in sorted(rows, key=lambda row: str(row["band"]))
    ]  # fmt: skip
    return card("Offers by risk band", table("Lines and prices by risk band", heads, lines))


def _refusals(rows: list[Row]) -> Html:
    drawn = [
        Bar(plain(row["rule"]), row["customers"], count(row["customers"]))
        for row in sorted(rows, key=lambda row: (-int(row["customers"]), row["rule"]))
        if row["rule"] != "offered"
    ]
    if not drawn:
        return remark("Why prospects get no card", "No rule refused anybody.")
    note = "Each prospect counts under the first rule that speaks against a card."
    return card("Why prospects get no card", bars("Refusals by rule", drawn), note=note)


def _reviews(rows: list[Row]) -> Html:
    if not rows:
        return remark("Limits of holders", "Nobody holds a card with a limit.")
    heads = [Head("Limit"), Head("Why"), Head("Customers", True)]
    lines = [
        [plain(row["action"]), plain(row["code"]), count(row["customers"])]
        for row in sorted(rows, key=lambda row: (row["action"], -int(row["customers"]), row["code"]))
    ]
    note = "Nobody is raised who is in early warning, or of whom that is not known."
    return card("Limits of holders", table("Limits of holders by action and reason", heads, lines), note=note)


def card_tiles(figures: Figures) -> list[Tile]:
    """How many prospects get an offer."""
    if not figures["card_bands"]:
        return []
    offers = figures.total("card_bands", "customers")
    return [Tile("First cards on offer", count(offers), "with line and price")]


SECTIONS = (
    Section(
        anchor=ANCHOR,
        name=NAME,
        place=43,
        draw=card_terms_section,
        figures={
            "card_refusals": Figure("gold.card_refusals", whole_slice),
            "card_bands": Figure("gold.card_offers", by_band),
            "limit_actions": Figure("gold.limit_reviews", by_action),
        },
        tiles=card_tiles,
        glossary={"Credit line": "The most that a card may draw."},
    ),
)
