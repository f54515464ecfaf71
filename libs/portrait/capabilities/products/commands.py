"""Commands about configured products: show the terms behind a number, list the numbers that were issued."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any

import typer

from portrait.capabilities.products.number import (
    TEMPLATE,
    canonical_terms,
    check_digits,
    checked_number,
    product_number,
)
from portrait.cli.context import looking
from portrait.cli.options import Format, Limit, Output, Target, with_settings
from portrait.cli.output import console, emit
from portrait.errors import PortraitError
from portrait.lake import Reader
from portrait.settings import Settings

product = typer.Typer(help="Configured products: the terms behind a number, and the numbers that were issued.",
                      no_args_is_help=True)  # fmt: skip
_REGISTER, _OFFERS = "silver.configured_products", "gold.product_offers"


@product.command("show")
@with_settings
def show_command(
    given: Annotated[str, typer.Argument(metavar="NUMBER", help="Product number; spaces and small letters are fine.")],
    *,
    settings: Settings,
    target: Target = None,
    output: Output = Format.table,
) -> None:
    """The terms behind a product number, and the proof that they are these: the hash of the terms makes the number.

    The check digits are verified first, so a mistyped number is named as such and not looked for.

    Example: portrait product show TD01012GCEQQ4F91
    """
    number, template, version = checked_number(given)
    with looking(settings, target) as opened:
        _check_there(opened)
        found = opened.read(_REGISTER).where("number", "=", number).rows()
    if not found:
        raise PortraitError(
            f"the number {number} is well-formed, but was never issued by this bank's runs",
            where=_REGISTER,
            remedy=f"`portrait product list --template {template}` has the numbers of the template; mind --lake",
        )
    row = found[0]
    terms: dict[str, Any] = json.loads(row["terms"])
    proven = product_number(template, version, canonical_terms(terms))
    if proven != number:
        raise PortraitError(
            f"the terms that are stored for {number} make the number {proven}: they were changed",
            where=f"{_REGISTER}, column terms",
            remedy="restore the table from its history: `portrait status` has the runs",
        )
    digest = hashlib.sha256(row["terms"].encode("utf-8")).hexdigest()
    lines: list[list[Any]] = [["template", template], ["version", version], ["kind", row["kind"]]]
    lines += [[name, ", ".join(value) if isinstance(value, list) else value] for name, value in terms.items()]
    lines += [["issued on", row["issued_on"]], ["sha256 of the terms", digest]]
    emit(["what", "value"], lines, output, title=f"Product {number}")
    if output is Format.table:
        console.print(
            f"  Proof: base32 of {digest[:10]}.. is {number[6:14]}; the check digits of {number[:14]} are "
            f"{check_digits(number[:14])}.",
            soft_wrap=True,
        )


@product.command("list")
@with_settings
def list_command(
    template: Annotated[str | None, typer.Option(metavar="ID", help="Only of this template, for example TD01.")] = None,
    *,
    settings: Settings,
    target: Target = None,
    limit: Limit = 20,
    output: Output = Format.table,
) -> None:
    """The numbers that were issued, with their terms.

    Example: portrait product list --template TD01
    """
    with looking(settings, target) as opened:
        _check_there(opened)
        rows = opened.read(_REGISTER)
        if template is not None:
            rows = rows.where("template", "=", template)
        found = rows.first(limit, order=["number"]).to_pylist()
    if template is not None and not found:
        raise PortraitError(
            f"no number of the template {template[:20]!r} was issued",
            where=_REGISTER,
            remedy=f"templates are in conf/products, their ids look like TD01 ({TEMPLATE})",
        )
    columns = ["number", "kind", "issued_on", "terms"]
    emit(columns, [[row[name] for name in columns] for row in found], output, title="Configured products")


def _check_there(opened: Reader) -> None:
    if not opened.has(_REGISTER):
        raise PortraitError(
            "no product was configured yet", where=_REGISTER, remedy="compute them: `portrait run --select products`"
        )
