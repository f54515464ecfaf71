"""The section about recommendations: what is recommended, how often, and what kept products from customers."""

from __future__ import annotations

from collections import defaultdict

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.contracts import Catalogue
from portrait.report.charts import Bar, bars
from portrait.report.figures import MOST, Figure, Figures, Row, customers_counted, whole_slice
from portrait.report.markup import Head, Html, card, folded, remark, section, table
from portrait.report.section import Section, Tile
from portrait.report.texts import NONE, count, percent, plain, plural, ratio


def recommendations_section(figures: Figures, catalogue: Catalogue) -> Html:
    """What is recommended, how often, and what kept products from customers."""
    anchor, name = "recommendations", "Recommendations"
    if not figures.has("products"):
        return section(anchor, name, "Recommendations were not computed for this day.")
    products = sorted(figures["products"], key=lambda row: (-int(row["customers"]), row["product_id"]))
    if not products:
        empty = "No product may be recommended to anyone."
        return section(anchor, name, empty, _rejections_card(figures), *_shopping_cards(figures))
    reached = figures.total("products", "first")
    lead = (
        f"{plural(reached, 'customer')} of {count(figures.total('tiers', 'customers'))} have a next best product; "
        f"{plural(len(products), 'product')} {'is' if len(products) == 1 else 'are'} recommended to someone."
    )
    rows = [
        Bar(row["product_name"], row["customers"], count(row["customers"]), inner=float(row["first"]))
        for row in products[:20]
    ]
    return section(
        anchor,
        name,
        lead,
        card(
            "Customers by product",
            bars("Customers to whom each product is recommended", rows),
            folded("In figures", _product_table(products)),
            note="Dark: the customer's first choice. Light: further down the list.",
        ),
        _rejections_card(figures),
        *_shopping_cards(figures),
    )


def _product_table(products: list[Row]) -> Html:
    heads = [Head("Product"), Head("Kind"), Head("First", True), Head("Any rank", True), Head("Mean score", True)]
    lines = [
        [
            row["product_name"],
            plain(row["product_kind"]),
            count(row["first"]),
            count(row["customers"]),
            NONE if row["score"] is None else f"{float(row['score']):.2f}",
        ]
        for row in products
    ]
    return table("Recommendations by product", heads, lines)


def _rejections_card(figures: Figures) -> Html:
    rejections = figures["rejections"]
    if not rejections:
        return remark("Why products were kept back", "No rule kept a product from anyone.")
    rules: dict[str, int] = defaultdict(int)
    for row in rejections:
        rules[row["rule"]] += int(row["customers"])
    ordered = sorted(rules.items(), key=lambda item: -item[1])
    names = {row["product_id"]: row["product_name"] for row in figures["product_names"]}
    heads = [Head("Product"), Head("Rule"), Head("Customers", True)]
    lines = [
        [names.get(row["product_id"]) or row["product_id"], plain(row["rule"]), count(row["customers"])]
        for row in sorted(rejections, key=lambda row: (row["product_id"], -int(row["customers"])))
    ]
    return card(
        "Why products were kept back",
        bars("Rejections by rule", [Bar(plain(rule), n, count(n)) for rule, n in ordered]),
        folded("By product", table("Rejections by product and rule", heads, lines)),
        note="Pairs of customer and product, each counted under the first rule that failed.",
    )


def _shopping_cards(figures: Figures) -> list[Html]:
    """Whether what customers buy is used, how good it is, and where they would shop next."""
    rows = figures["shopping_quality"] if figures.has("shopping_quality") else []
    chief = next((row for row in rows if (row["basis"], row["kind"], row["method"]) == ("new", "all", "als")), None)
    if chief is None:
        return []
    title = "What customers buy"
    if not chief["used"]:
        told = f"Not used in recommendations: {chief['reason']}."
        return [card(title, _quality_table(rows), note=told) if len(rows) > 1 else remark(title, told)]
    popular = next(row for row in rows if (row["basis"], row["kind"], row["method"]) == ("new", "all", "popularity"))
    note = (
        f"Used: it ranks what customers took for the first time from {chief['held_out_from']} to {chief['fitted_on']} "
        f"better than popularity does. NDCG@{chief['k']} {_figure(chief['ndcg'])} against {_figure(popular['ndcg'])}; "
        f"difference {_interval(chief)}."
    )
    cards = [card(title, _quality_table(rows), note=note, wide=True)]
    if items := figures["shopping_items"]:
        bought = [Bar(f"{row['title']} ({row['kind']})", row["customers"], count(row["customers"])) for row in items]
        note = "Categories and merchants that are new to the customer; customers to whom each is recommended."
        cards.append(card("Where customers would shop next", bars("Items by customers", bought[:12]), note=note))
    return cards


_METHOD = {"als": "what customers buy", "popularity": "popularity", "last_month": "same as last month"}


def _quality_table(rows: list[Row]) -> Html:
    heads = [Head("Items"), Head("Kind"), Head("Ranked by"), Head("Customers", True), Head("Recall", True)]
    heads += [Head("NDCG", True), Head("Against popularity", True), Head("Coverage", True), Head("Novelty", True)]
    order = list(_METHOD)
    lines = [
        [
            "new to the customer" if row["basis"] == "new" else "had before",
            row["kind"],
            _METHOD[row["method"]],
            count(row["customers"]),
            _figure(row["recall"]),
            _figure(row["ndcg"]),
            _interval(row),
            percent(row["coverage"]),
            NONE if row["novelty"] is None else f"{float(row['novelty']):.1f}",
        ]
        for row in sorted(rows, key=lambda row: (row["basis"], row["kind"], order.index(row["method"])))
    ]
    return folded("In figures", table("Quality of rankings", heads, lines))


def _figure(value: object) -> str:
    return NONE if value is None else f"{float(str(value)):.3f}"


def _interval(row: Row) -> str:
    if row["difference"] is None:
        return NONE
    mean, low, high = (float(row[name]) for name in ("difference", "difference_low", "difference_high"))
    return f"{mean:+.3f} ({low:+.3f} to {high:+.3f})"


def recommendation_tiles(figures: Figures) -> list[Tile]:
    """Recommendations, and the share of customers who have one."""
    if not figures.has("products"):
        return []
    reached, customers = figures.total("products", "first"), figures.total("tiers", "customers")
    share = percent(ratio(reached, customers))
    return [Tile("Recommendations", count(figures.total("products", "customers")), f"for {share} of customers")]


def products(recommendations: DataFrame) -> DataFrame:
    """One row per product: customers to whom it is recommended, first of all and at any rank; the average score."""
    found = recommendations.groupBy("product_id", "product_name", "product_kind").agg(
        customers_counted(),
        F.sum(F.when(F.col("rank") == 1, 1).otherwise(0)).alias("first"),
        F.avg("score").alias("score"),
    )
    return found.orderBy(F.col("customers").desc(), "product_id").limit(MOST)


def quality(measured: DataFrame) -> DataFrame:
    """gold.recommendation_quality without what only a machine reads."""
    return measured.drop("as_of", "settings", "model_version")


def shopping_items(recommended: DataFrame) -> DataFrame:
    """One row per category and merchant: customers to whom it is recommended; the most frequent ones."""
    shops = recommended.where("kind <> 'product'").groupBy("kind", "title").agg(customers_counted())
    return shops.orderBy(F.col("customers").desc(), "kind", "title").limit(12)


def product_names(products: DataFrame) -> DataFrame:
    """One row per product that the bank has now."""
    current = products.where("is_current").select("product_id", F.col("name").alias("product_name"))
    return current.orderBy("product_id").limit(MOST)


SECTIONS = (
    Section(
        anchor="recommendations",
        name="Recommendations",
        place=40,
        draw=recommendations_section,
        figures={
            "products": Figure("gold.recommendations", products),
            "rejections": Figure("gold.recommendation_rejections", whole_slice),
            "shopping_quality": Figure("gold.recommendation_quality", quality),
            "shopping_items": Figure("gold.shopping_recommendations", shopping_items),
            "product_names": Figure("silver.products", product_names),
        },
        tiles=recommendation_tiles,
        glossary={
            "NDCG": "How far up a ranking puts what customers took afterwards; 1 is a perfect order, 0 finds nothing.",
            "Novelty": "How rare what is recommended is: -log2 of the share of customers who have it, on average.",
        },
    ),
)
