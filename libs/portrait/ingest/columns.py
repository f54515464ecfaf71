"""The columns that a file has, against those that its feed's contract has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from portrait.contracts import Contract


@dataclass(frozen=True)
class ColumnFinding:
    """`ignored`: added columns, kept out. `differences`: why the feed is refused; order never is one."""

    ignored: tuple[str, ...]
    differences: tuple[str, ...]


def compare_columns(found: Sequence[str], contract: Contract, types: Sequence[str] = ()) -> ColumnFinding:
    """Names must be exact, types (where the format has them) too; added columns are accepted and left out.

    Names that are not the contract's are never quoted where none is: a file without header shows its first customer.
    """
    wanted = contract.column_names
    if not set(wanted) & set(found) and not {name.lower() for name in wanted} & {name.lower() for name in found}:
        return ColumnFinding((), ("none of the contract's columns is named; does the file lack its header?",))
    recased = {name.lower(): name for name in found if name not in wanted and name.lower() in wanted}
    differences = []
    for name in wanted:
        if name in found:
            continue
        if name in recased:
            differences.append(f"column '{name}' is written '{recased[name]}'")
        else:
            differences.append(f"column '{name}' is missing")
    repeated = [name for name, count in Counter(found).items() if count > 1 and name in wanted]
    differences += [f"column '{name}' stands {found.count(name)} times" for name in repeated]
    expected = {column.name: column.physical_type for column in contract.columns}
    differences += [
        f"column '{name}' is {kind}, the contract says {expected[name]}"
        for name, kind in zip(found, types, strict=False)
        if name in expected and kind != expected[name]
    ]
    ignored = tuple(name for name in found if name not in wanted and name not in recased.values())
    return ColumnFinding(ignored, tuple(differences))
