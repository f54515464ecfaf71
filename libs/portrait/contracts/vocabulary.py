"""`conf/vocabulary.yml`: the values that a bank adds to those of the contracts, and sets of values by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import Field

from portrait.contracts.catalogue import Catalogue, bronze_contract
from portrait.contracts.contract import Column, Contract
from portrait.errors import ConfigurationError
from portrait.settings import Strict, line_of, load_yaml

FILE = "vocabulary.yml"
_DIMENSIONS = {"types": "type", "channels": "channel", "categories": "category"}
# Values become parts of column names and of SQL text.
Value = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=30)]
Title = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9 ,'-]*$", max_length=40)]
Codes = Annotated[str, Field(pattern=r"^\d{4}(-\d{4})?$")]


class Vocabulary(Strict):
    """What a bank says of its bookings beyond the contracts."""

    types: dict[Value, Title] = {}
    channels: dict[Value, Title] = {}
    categories: dict[Value, Title] = {}
    sets: dict[Value, Annotated[list[Value], Field(min_length=1)]] = {}
    merchant_codes: dict[Value, list[Codes]] = {}

    def added(self, dimension: str) -> dict[str, str]:
        """The values that the bank adds to `type`, `channel` or `category`, with their titles."""
        return {"type": self.types, "channel": self.channels, "category": self.categories}[dimension]

    def title(self, value: str) -> str:
        """The title of a value; its own name where it has none."""
        return {**self.types, **self.channels, **self.categories}.get(value, value.replace("_", " "))

    def values_of(self, name: str) -> list[str]:
        """The values of a set; none where there is no such set."""
        return self.sets.get(name, [])

    def category_of_codes(self) -> dict[str, str]:
        """Merchant category code to category, every code of a range."""
        found: dict[str, str] = {}
        for category, entries in self.merchant_codes.items():
            for entry in entries:
                first, _, last = entry.partition("-")
                found |= {f"{code:04d}": category for code in range(int(first), int(last or first) + 1)}
        return found


def required_vocabulary(conf: Path) -> Vocabulary:
    """`conf/vocabulary.yml`, as `load_vocabulary` has it; ConfigurationError where it is absent."""
    load_yaml(conf / FILE, Vocabulary)
    return load_vocabulary(conf)


def load_vocabulary(conf: Path) -> Vocabulary:
    """`conf/vocabulary.yml`, or nothing where a configuration has none.

    Raises ConfigurationError with file and line for a wrong value, or a code of two categories.
    """
    path = conf / FILE
    if not path.exists():
        return Vocabulary()
    vocabulary = load_yaml(path, Vocabulary)
    seen: dict[str, str] = {}
    for category, entries in vocabulary.merchant_codes.items():
        for place, entry in enumerate(entries):
            first, _, last = entry.partition("-")
            for code in range(int(first), int(last or first) + 1):
                if (other := seen.setdefault(f"{code:04d}", category)) != category:
                    raise _refusal(
                        path, ("merchant_codes", category, place), f"the code {code:04d} is of {other} too", "keep one"
                    )
    return vocabulary


def with_vocabulary(catalogue: Catalogue, conf: Path) -> Catalogue:
    """The contracts with the values that the bank adds: of columns whose contract says `vocabulary`.

    Raises ConfigurationError with file and line for a value that is there already, a set of values that no column has,
    and codes of a category that there is not.
    """
    vocabulary, path = load_vocabulary(conf), conf / FILE
    changed: dict[str, Contract] = {}
    for contract in catalogue:
        columns = tuple(_grown(column, vocabulary, path) for column in contract.columns)
        if columns != contract.columns:
            changed[contract.id] = replace(contract, columns=columns)
            if contract.layer == "raw":
                bronze = bronze_contract(changed[contract.id])
                changed[bronze.id] = bronze
    grown = replace(catalogue, contracts={**catalogue.contracts, **changed})
    _check_sets(vocabulary, grown, path)
    return grown


def _grown(column: Column, vocabulary: Vocabulary, path: Path) -> Column:
    if column.vocabulary is None:
        return column
    if column.vocabulary not in _DIMENSIONS.values():  # a set: what it has beyond the contract
        further = [value for value in vocabulary.values_of(column.vocabulary) if value not in column.enum]
        return replace(column, enum=(*column.enum, *further)) if further else column
    added = vocabulary.added(column.vocabulary)
    for value in added:
        if value in column.enum:
            key = next(key for key, dimension in _DIMENSIONS.items() if dimension == column.vocabulary)
            raise _refusal(path, (key, value), f"'{value}' is there already", "remove it, or choose another name")
    return replace(column, enum=(*column.enum, *added)) if added else column


def _check_sets(vocabulary: Vocabulary, catalogue: Catalogue, path: Path) -> None:
    if "raw.transactions" not in catalogue.contracts:
        return
    bookings = catalogue.table("raw.transactions")
    known: Mapping[str, tuple[str, ...]] = {name: bookings.column(name).enum for name in _DIMENSIONS.values()}
    for name, values in vocabulary.sets.items():
        best = max(known.values(), key=lambda enum: sum(value in enum for value in values))
        for place, value in enumerate(values):
            if value not in best:
                remedy = f"declare it above, or write one of {', '.join(best)}"
                raise _refusal(path, ("sets", name, place), f"there is no value '{value}'", remedy)
    for category in vocabulary.merchant_codes:
        if category not in known["category"]:
            remedy = f"declare it under categories, or write one of {', '.join(known['category'])}"
            raise _refusal(path, ("merchant_codes", category), f"there is no category '{category}'", remedy)


def _refusal(path: Path, location: tuple[str | int, ...], message: str, remedy: str) -> ConfigurationError:
    key = ".".join(str(part) for part in location if isinstance(part, str))
    return ConfigurationError(f"'{key}': {message}", where=f"{path}:{line_of(path, location)}", remedy=remedy)
