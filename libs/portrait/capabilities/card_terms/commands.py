"""Commands about lines and prices of cards."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from portrait.cli.context import looking
from portrait.cli.options import Format, OptionalAsOf, Output, Target, with_settings
from portrait.cli.output import console, emit
from portrait.lake.selection import python_rows
from portrait.settings import Settings

card_terms = typer.Typer(help="Card terms: the line and price of a customer, and why.", no_args_is_help=True)
_OFFERS, _REVIEWS = "gold.card_offers", "gold.limit_reviews"


@card_terms.callback()
def _group() -> None:
    """Card terms: the line and price of a customer, and why."""


@card_terms.command("show")
@with_settings
def show_command(
    customer: Annotated[str, typer.Argument(metavar="CUSTOMER", help="Customer id.")],
    as_of: OptionalAsOf = None, *, settings: Settings, target: Target = None, output: Output = Format.table,
) -> None:  # fmt: skip
    """The card that a customer is offered, or the review of the customer's limit, with the facts behind it.

    Example: portrait card-terms show C000017
    """
    with looking(settings, target) as opened:
        found: list[tuple[str, dict[str, Any]]] = []
        for name, table in (("offer", _OFFERS), ("review", _REVIEWS)):
            day, rows = opened.slice_at(table, as_of)
            mine = rows.where("customer_id", "=", customer)
            found += [(name, row) for row in python_rows(mine.first(1, order=["customer_id"]))]
    lines = []
    for name, row in found:
        facts = dict(row.pop("facts") or [])
        values = {key: value for key, value in row.items() if key not in ("as_of", "customer_id") and value is not None}
        for key, value in {**values, **facts}.items():
            lines.append([name, key, ", ".join(value) if isinstance(value, list) else value])
    emit(["of", "what", "value"], lines, output, title=f"Card terms of customer {customer} on {day}")
    if not found and output is Format.table:
        console.print("  No card is offered, and there is no limit to review; `gold.card_refusals` counts by rule why.")
