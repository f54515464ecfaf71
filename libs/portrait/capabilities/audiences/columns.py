"""The labels of one slice as Arrow columns on the driver: counts answer at once, without a Spark job each.

Arrow keeps a yes-or-no column as two bitmaps, values and validity: the bitmaps of a bitmap index, in the order of the
files, so that no numbering of customers has to be kept stable. docs/decisions/0008 has the measurements.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from portrait.capabilities.audiences.clauses import Clause
from portrait.capabilities.audiences.declaration import CheckedAudience
from portrait.labels.declaration import Label
from portrait.lake import Selection
from portrait.lake.arrow import scalar_of

_TEXT = pa.dictionary(pa.int32(), pa.string())
ARROW_TYPES: dict[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "string": _TEXT,
    "integer": pa.int64(),
    "decimal": pa.decimal128(18, 2),
    "date": pa.date32(),
}


@dataclass(frozen=True)
class Count:
    """How a clause divides the customers of a slice."""

    customers: int
    true: int
    unknown: int

    @property
    def false(self) -> int:
        """Customers for whom the clause does not hold."""
        return self.customers - self.true - self.unknown


class PortraitColumns(Mapping[str, pa.Array]):
    """Label to its column; each is read once, when it is first asked for, and kept.

    A label that is younger than the slice is unknown for all.
    """

    def __init__(self, slice_of_portrait: Selection, labels: Mapping[str, Label]) -> None:
        self._slice = slice_of_portrait
        self._there = set(slice_of_portrait.columns)
        self._labels = labels
        self._read: dict[str, pa.Array] = {}
        self.customers: int = slice_of_portrait.count()

    def __getitem__(self, name: str) -> pa.Array:
        if name not in self._read:
            kind = ARROW_TYPES[self._labels[name].type]
            if name in self._there:
                column = self._slice.read([name], coded=True).column(name)
                self._read[name] = column.cast(kind).unify_dictionaries().combine_chunks()
            else:
                self._read[name] = pa.nulls(self.customers, kind)
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._labels)

    def __len__(self) -> int:
        return len(self._labels)

    def count(self, clause: Clause) -> Count:
        """How many customers the clause holds for, and of how many it cannot be told; exact."""
        found = clause.evaluate(self)
        return Count(self.customers, found.true_count, found.null_count)

    def member(self, item: CheckedAudience) -> pa.Array:
        """For every customer whether they are in the audience, by its policy for unknown."""
        unknown = scalar_of(item.audience.unknown == "include", pa.bool_())
        return pc.coalesce(item.clause.evaluate(self), unknown)
