"""What a booking is, as one small number: direction, type, channel and category, each by its place in the contract.

The number is `((direction * 32 + type) * 16 + channel) * 32 + category`, of parts that count from 1 in the order of the
contract's enum, 0 being null; direction, which is never null, counts from 0. Values may be appended to an enum: the
numbers of the others stay.
"""

from __future__ import annotations

from portrait.contracts import Contract
from portrait.errors import ConfigurationError

# How many values each part can tell apart, 0 included.
CAPACITY = {"direction": 2, "type": 32, "channel": 16, "category": 32}


def kind_code(transactions: Contract) -> str:
    """SQL of the number out of the four text columns; 0 where a value is null.

    Raises ConfigurationError when an enum of the contract has more values than its part can hold.
    """
    parts = [_place(transactions, dimension) for dimension in CAPACITY]
    return f"cast({' + '.join(parts)} as int)"


def places(transactions: Contract, dimension: str) -> dict[str, int]:
    """The number of every value of one dimension."""
    values = transactions.column(dimension).enum or ()
    first = 0 if dimension == "direction" else 1
    if first + len(values) > CAPACITY[dimension]:
        raise ConfigurationError(
            f"'{dimension}' has {len(values)} values, its part of kind_code holds {CAPACITY[dimension] - first}",
            where=f"schemas/silver/{transactions.name}.yml",
            remedy="fold values into one, or widen kind_code in portrait.entities.kinds and rebuild silver",
        )
    return {value: first + place for place, value in enumerate(values)}


def place_of(dimension: str) -> str:
    """SQL of a dimension's number out of `kind_code`."""
    return f"(shiftright(kind_code, {_shift(dimension)}) & {CAPACITY[dimension] - 1})"


def _shift(dimension: str) -> int:
    names = list(CAPACITY)
    return sum(CAPACITY[name].bit_length() - 1 for name in names[names.index(dimension) + 1 :])


def _place(transactions: Contract, dimension: str) -> str:
    branches = " ".join(
        f"when '{value}' then {place << _shift(dimension)}" for value, place in places(transactions, dimension).items()
    )
    return f"case {dimension} {branches} else 0 end"
