"""Data products: gold tables that readers see move together, and which product is made from which.

A contract names its product (`dataProduct`); without a name it is of `core`, which holds back all that is made from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from portrait.errors import ConfigurationError
from portrait.ordering import in_order

if TYPE_CHECKING:
    from portrait.contracts.catalogue import Catalogue

CORE = "core"
"""The product of the tables that every reader starts from."""


def products(catalogue: Catalogue) -> dict[str, list[str]]:
    """Product to its gold tables, in the order of the catalogue."""
    found: dict[str, list[str]] = {}
    for contract in catalogue.layer("gold"):
        found.setdefault(contract.product, []).append(contract.id)
    return found


def check_names(catalogue: Catalogue, names: Iterable[str]) -> None:
    """Raise ConfigurationError for a name that no data product has."""
    by_name = products(catalogue)
    if unknown := set(names) - by_name.keys():
        raise ConfigurationError(
            f"there is no data product '{min(unknown)}'",
            where="--product",
            remedy=f"there are: {', '.join(by_name)} (dataProduct in schemas/gold/)",
        )


def sources_of(catalogue: Catalogue, table: str) -> set[str]:
    """All tables and feeds that a table is made from, through others too; earlier slices are no source.

    A gold table is made from whatever its job reads: what one of several tables of a job does not state is in doubt.
    What offers itself to the portrait or to the features (`labelSource`, `featureSource`) holds back neither: one
    capability must not hold back the bank. It does hold back tables whose contract says `readsEveryLabel`.
    """
    found: set[str] = set()
    every_label = table in catalogue.contracts and catalogue.contracts[table].custom("readsEveryLabel", False)
    waiting = [table]
    while waiting:
        name = waiting.pop()
        contract = catalogue.contracts.get(name)
        if contract is None:
            continue
        same = [other for other in catalogue if other.job == contract.job] if contract.layer == "gold" else [contract]
        stated = [item for other in same for item in other.reads + other.reads_optional]
        if not every_label:
            offered = {item for other in same for item in other.custom("offered", [])}
            stated = [item for item in stated if item not in offered]
        new = set(catalogue.expand(stated)) - found - {table}
        found |= new
        waiting += sorted(new)
    return found


def products_made_from(catalogue: Catalogue, table: str) -> set[str]:
    """The products with a table that is, or is made from, the given one; `core` where there is none: in doubt, all."""
    made = {
        contract.product
        for contract in catalogue.layer("gold")
        if contract.id == table or table in sources_of(catalogue, contract.id)
    }
    return made or {CORE}


def dependents(catalogue: Catalogue, names: Iterable[str]) -> set[str]:
    """The products that are made from any of the named ones, through others too; without the named ones."""
    found = set(names)
    tables = {table for table, contract in catalogue.contracts.items() if contract.layer == "gold"}
    wanted = {table for table in tables if catalogue.contracts[table].product in found}
    made = {catalogue.contracts[table].product for table in tables if sources_of(catalogue, table) & wanted}
    return made - found


def check_products(catalogue: Catalogue) -> None:
    """Raise ConfigurationError where products are made from each other: then none of them could move by itself."""
    graph = {
        product: {
            catalogue.contracts[source].product
            for table in tables
            for source in sources_of(catalogue, table)
            if source.startswith("gold.")
        }
        - {product}
        for product, tables in products(catalogue).items()
    }
    in_order(
        graph,
        circle=lambda path: ConfigurationError(
            f"data products are made from each other: {path}",
            where="schemas/gold/",
            remedy="name another dataProduct in the table that reads both, or one for all of them",
        ),
    )
