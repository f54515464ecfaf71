"""What readers see: the rows of `ops.publication`, each a version and a day of every table that is served."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime

from portrait.contracts import Catalogue

POINTER = "ops.publication"


@dataclass(frozen=True)
class Publication:
    """One row of the pointer table."""

    sequence: int
    run: int
    as_of: date
    """The business date of what this row moved."""
    action: str
    versions: dict[str, int]
    published_at: datetime
    days: dict[str, date] = field(default_factory=dict)
    """Table to the `as_of` of its slice; rows of an earlier build have none, and then all tables are of `as_of`."""
    products: tuple[str, ...] | None = None
    """The data products that this row moved, the others are as in the row before; None (earlier build): all."""

    def day(self, table: str) -> date:
        """The `as_of` of the slice of a table that is served."""
        return self.days.get(table, self.as_of)

    def serves(self, table: str, *, version: int, as_of: date | None) -> bool:
        """Whether readers see exactly this version, and of it the slice of `as_of`; None: the table has no slices."""
        return self.versions.get(table) == version and as_of in (None, self.day(table))

    def moved(self, catalogue: Catalogue) -> set[str]:
        """The data products that this row moved."""
        return set(self.days_of(catalogue)) if self.products is None else set(self.products)

    def days_of(self, catalogue: Catalogue) -> dict[str, date]:
        """Data product to the day of which readers see it; of tables that have a contract."""
        gold_tables = [contract for contract in catalogue.layer("gold") if contract.id in self.versions]
        return {contract.product: self.day(contract.id) for contract in gold_tables}
