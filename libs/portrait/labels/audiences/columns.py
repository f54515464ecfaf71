"""The labels of one slice as Arrow columns on the driver: counts answer at once, without a Spark job each.

Arrow keeps a yes-or-no column as two bitmaps, values and validity: the bitmaps of a bitmap index, in the order of the
files, so that no numbering of customers has to be kept stable. docs/decisions/0008 has the measurements.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from urllib.parse import unquote, urlparse

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from pyspark.sql import DataFrame

from portrait.labels.audiences.clauses import Clause
from portrait.labels.audiences.declaration import CheckedAudience
from portrait.labels.declaration import Label
from portrait.labels.portrait import with_all
from portrait.lake import Lake, published_slice, slice_at

PORTRAIT = "gold.customer_portrait"
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
    """Label to its column; each is read once, when it is first asked for, and kept."""

    def __init__(self, slice_of_portrait: DataFrame, labels: Mapping[str, Label]) -> None:
        # Not inputFiles(), which may name files of other slices too.
        found = slice_of_portrait.select("_metadata.file_path").distinct().collect()
        self._files = sorted(_local(row.file_path) for row in found)
        self._labels = labels
        self._read: dict[str, pa.Array] = {}
        self.customers: int = sum(fragment.count_rows() for fragment in ds.dataset(self._files).get_fragments())

    def __getitem__(self, name: str) -> pa.Array:
        if name not in self._read:
            kind = ARROW_TYPES[self._labels[name].type]
            texts = {name} if kind == _TEXT else set()
            layout = ds.ParquetFileFormat(dictionary_columns=texts)
            files = ds.dataset(self._files, schema=pa.schema([(name, kind)]), format=layout)
            column = files.to_table().column(name)
            self._read[name] = column.unify_dictionaries().combine_chunks()
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
        return pc.fill_null(item.clause.evaluate(self), item.audience.unknown == "include")


def portrait_at(lake: Lake, as_of: date | None, *, published: bool = False) -> tuple[date, DataFrame]:
    """The slice that readers see, with all labels; with `as_of` the newest of that day or before. And its day.

    Labels that are younger than the slice are unknown for all. Raises PortraitError when there is no slice. With
    `published`, for what leaves the lake, only what was published: GateRefused when nothing was.
    """
    day, found = (published_slice if published else slice_at)(lake, PORTRAIT, as_of)
    return day, with_all(found, lake.catalogue.table(PORTRAIT).columns)


def _local(uri: str) -> str:
    """The path of a data file: Spark names files as addresses, percent signs escaped."""
    return unquote(urlparse(uri).path)
