"""The columns that a file has, against those that its feed's contract has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from portrait.contracts import Contract


@dataclass(frozen=True)
class ColumnFinding:
    """`ignored`: added columns, rejected. `differences`: why the feed is refused; order never is one."""

    ignored: tuple[str, ...]
    differences: tuple[str, ...]


def compare_columns(
    found: Sequence[str], contract: Contract, types: Sequence[str] = (), *, keyed: bool = False
) -> ColumnFinding:
    """Names must be exact, types (where the format has them) too; added columns are accepted and left out.

    A column whose name differs by case alone is a difference, in whatever format. With `keyed` rows (JSON) each row
    names its own columns: one that no row names is null in all of them, and `required` says whether it may be.
    Names that are not the contract's are never quoted where none is: a file without header shows its first customer.
    """
    wanted = contract.column_names
    lowered = {name.lower() for name in wanted}
    if not lowered & {name.lower() for name in found}:
        return ColumnFinding((), ("none of the contract's columns is named; does the file lack its header?",))
    differences = []
    for name in wanted:
        recased = sorted({other for other in found if other != name and other.lower() == name.lower()} - set(wanted))
        if recased and (name in found or len(recased) > 1):
            both = " and ".join(f"'{other}'" for other in [*([name] if name in found else []), *recased])
            differences.append(f"columns {both} differ by case alone")
        elif recased:
            differences.append(f"column '{name}' is written '{recased[0]}'")
        elif name not in found and not keyed:
            differences.append(f"column '{name}' is missing")
    repeated = [name for name, count in Counter(found).items() if count > 1 and name in wanted]
    differences += [f"column '{name}' stands {found.count(name)} times" for name in repeated]
    expected = {column.name: column.physical_type for column in contract.columns}
    differences += [
        f"column '{name}' is {kind}, the contract says {expected[name]}"
        for name, kind in zip(found, types, strict=False)
        if name in expected and kind != expected[name]
    ]
    ignored = tuple(name for name in found if name not in wanted and name.lower() not in lowered)
    return ColumnFinding(ignored, tuple(differences))
