"""Commands about recommendations."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

import typer

from portrait.cli.context import looking
from portrait.cli.options import Format, OptionalAsOf, Output, Target, with_settings
from portrait.cli.output import console, emit
from portrait.errors import PortraitError
from portrait.lake import Reader
from portrait.settings import Settings

_PRODUCTS, _SHOPPING, _QUALITY = (
    f"gold.{name}" for name in ("recommendations", "shopping_recommendations", "recommendation_quality")
)
_PARTS = ("group", "tier", "popularity", "shopping")


@with_settings
def recommend_command(
    customer: Annotated[str, typer.Argument(metavar="CUSTOMER", help="Customer id.")],
    as_of: OptionalAsOf = None,
    *,
    settings: Settings,
    target: Target = None,
    output: Output = Format.table,
) -> None:
    """What to recommend to a customer, and why: products, and where the customer would shop next.

    The score of a product is the sum of its parts; `because` names what the customer buys and holds that speaks most
    for it. Example: portrait recommend C000000017
    """
    with looking(settings, target) as lake:
        day, found = lake.slice_at(_PRODUCTS, as_of)
        products = found.where("customer_id", "=", customer).rows()
        shopping = _of_day(lake, _SHOPPING, day, customer=customer)
        quality = _of_day(lake, _QUALITY, day)
        if not products and not shopping:
            _check_known(lake, customer, day)
    rows = [_product(row) for row in sorted(products, key=lambda row: row["rank"])]
    used = next((row for row in quality if (row["basis"], row["kind"], row["method"]) == ("new", "all", "als")), None)
    if used is None or used["used"]:
        rows += [_item(row) for row in sorted(shopping, key=lambda row: (row["kind"], row["rank"])) if _is_shop(row)]
    columns = ["kind", "rank", "what", "score", *_PARTS, "reason", "because"]
    emit(columns, rows, output, title=f"Recommendations to {customer} on {day}")
    if output is Format.table:
        for line in _lines(products, used):
            console.print(f"  {line}", markup=False, soft_wrap=True)


def _product(row: dict[str, Any]) -> list[Any]:
    parts = dict(row.get("parts") or {})
    shown = [None if (part := parts.get(name)) is None else round(part, 4) for name in _PARTS]
    name = row["product_name"]
    return ["product", row["rank"], name, round(row["score"], 4), *shown, row["reason"], _joined(row.get("because"))]


def _item(row: dict[str, Any]) -> list[Any]:
    because = _joined(row["because"])
    reason = f"New to the customer. {because} {'speaks' if len(row['because']) == 1 else 'speak'} most for it."
    return [
        row["kind"], row["rank"], row["title"], round(row["affinity"], 4), *([None] * len(_PARTS)),
        reason if because else "New to the customer.", because,
    ]  # fmt: skip


def _is_shop(row: dict[str, Any]) -> bool:
    return bool(row["kind"] != "product")  # products are in gold.recommendations, with what they may be offered by


def _joined(names: list[str] | None) -> str:
    return ", ".join(names or [])


def _of_day(opened: Reader, table: str, day: date, *, customer: str | None = None) -> list[dict[str, Any]]:
    """Rows of exactly this day, as readers see them; none where the table has no slice of it."""
    if not opened.has(table) or day not in opened.slices(table):
        return []
    served = next((item for item in opened.publications() if item.day(_PRODUCTS) == day), None)
    rows = (
        opened.rows_of(table, served)
        if served is not None and table in served.versions and served.day(table) == day
        else opened.slice(table, day)
    )
    return (rows if customer is None else rows.where("customer_id", "=", customer)).rows()


def _check_known(opened: Reader, customer: str, day: date) -> None:
    """Raise PortraitError for a customer whom the slice of the day does not have."""
    table = "gold.customer_features"
    there = opened.has(table) and day in opened.slices(table)
    if not there or not opened.slice(table, day).where("customer_id", "=", customer).rows(["customer_id"]):
        raise PortraitError(
            f"no such customer in the slice of {day}",
            where="gold.customer_features",
            remedy="check the id, or ask for another day with --as-of",
        )


def _lines(products: list[dict[str, Any]], chief: dict[str, Any] | None) -> list[str]:
    lines = []
    if not products:
        lines.append("No product may be recommended: gold.recommendation_rejections counts the rules by product.")
    if chief is None:
        lines.append("Shopping: what customers buy was not judged for this day.")
    elif not chief["used"]:
        lines.append(f"Shopping is no part of the scores: {chief['reason']}.")
    elif products and all("shopping" not in dict(row.get("parts") or {}) for row in products):
        told = dict(products[0].get("facts") or {}).get("shopping", "not used")
        lines.append(f"Shopping is no part of these scores: {told}.")
    return lines
