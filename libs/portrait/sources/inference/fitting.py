"""How well the values of a column fit what a contract wants of one."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, timedelta

from portrait.contracts import Column, Contract
from portrait.sources.inference.knowledge import Knowledge
from portrait.sources.inference.names import Names
from portrait.sources.inference.profile import Profile

_UNTOLD = 0.25  # of codes none of which is known
_LEAST = 0.5  # share of the codes that must be known to speak for a column


@dataclass(frozen=True)
class Fit:
    """0 (impossible) to 1, with what speaks for and against."""

    score: float
    reasons: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    codes: dict[str, str] = field(default_factory=dict)
    """Code to value of the enumeration, as far as they are known."""


NONE = Fit(0.0)


def fit_of(profile: Profile, contract: Contract, column: Column, names: Names, knowledge: Knowledge) -> Fit:
    """How well the values of a column of a file fit a column of a feed."""
    if profile.kind == "empty":
        return NONE
    if column.identifier:
        return _identifier(profile, contract, column)
    if column.enum:
        return _enumeration(profile, contract, column, names)
    physical = column.physical_type.split("(")[0]
    if physical in ("DATE", "TIMESTAMP"):
        return _date(profile, column, instant=physical == "TIMESTAMP")
    if physical in ("DECIMAL", "INT", "BIGINT", "DOUBLE"):
        return _number(profile, contract, column, whole=physical in ("INT", "BIGINT"))
    if physical == "BOOLEAN":
        return Fit(0.9, ("two values",)) if profile.kind == "boolean" else NONE
    return _text(profile, contract, column, knowledge)


def _identifier(profile: Profile, contract: Contract, column: Column) -> Fit:
    if profile.kind in ("decimal", "date", "time", "boolean") or profile.negative:
        return NONE
    spaced = any(" " in mask for mask in profile.masks)
    base = 0.3 if spaced else 0.45 if profile.kind == "code" else 0.7
    doubts: tuple[str, ...] = ("has blanks inside",) if spaced else ()
    if own_key(contract) == column.name:
        if profile.unique:
            return Fit(0.95 if not spaced else 0.5, ("unique",), doubts)
        if profile.filled < profile.rows:
            return Fit(0.1, (), (f"{profile.rows - profile.filled:,} of {profile.rows:,} records have none",))
        return Fit(0.15, (), (f"not unique: {profile.distinct:,} values in {profile.rows:,} records",))
    return Fit(base * (0.6 if len(profile.codes) in (1, 2) else 1.0), ("could be an identifier",), doubts)


def own_key(contract: Contract) -> str | None:
    """The column that alone names an entity of a feed: its key without what says which change or day it is of."""
    keyed = [name for name in contract.key if contract.column(name).physical_type not in ("TIMESTAMP", "DATE")]
    return keyed[0] if len(keyed) == 1 and contract.column(keyed[0]).identifier else None


def _enumeration(profile: Profile, contract: Contract, column: Column, names: Names) -> Fit:
    codes = profile.codes or (dict.fromkeys(profile.values, 1) if len(profile.values) <= 60 else {})
    if not codes or profile.kind in ("date", "decimal"):
        return NONE
    known = {code: found[0] for code in codes if (found := names.of_code(code, contract, column)) is not None}
    share = sum(codes[code] for code in known) / sum(codes.values())
    if not known:
        return Fit(_UNTOLD, (), ("none of its codes is known",))
    doubts = () if share == 1 else (f"{len(codes) - len(known)} of {len(codes)} codes are not known",)
    if share < _LEAST or (len(set(known.values())) == 1 and len(codes) > 1):
        return Fit(max(_UNTOLD, share * 0.5), (), doubts or ("all codes mean the same",), known)
    return Fit(0.5 + share / 2, (f"codes: {len(known)} of {len(codes)} are known",), doubts, known)


def _date(profile: Profile, column: Column, *, instant: bool) -> Fit:
    if profile.written is None or profile.first is None or profile.last is None:
        return NONE
    low, high = _day(column.minimum, date.min), _day(column.maximum, date.max)
    if profile.last < low or profile.first > high:
        return NONE
    doubts: tuple[str, ...] = ()
    if profile.written.rivals:
        doubts = (f"{profile.written.pattern} or {' or '.join(profile.written.rivals)}",)
    fits = 0.9 if profile.written.is_instant == instant else 0.75
    if (column.name == "birth_date") != _is_of_births(profile):
        return Fit(fits * 0.5, (), (*doubts, f"from {profile.first} to {profile.last}"))
    return Fit(fits, (f"dates {profile.written.pattern}",), doubts)


def _is_of_births(profile: Profile) -> bool:
    """Whether dates lie as birth dates do: over decades, on many days."""
    if profile.first is None or profile.last is None:
        return False
    return profile.last - profile.first > timedelta(days=365 * 30) and profile.distinct > min(30, profile.filled / 3)


def _day(bound: object, otherwise: date) -> date:
    try:
        return date.fromisoformat(str(bound)[:10])
    except ValueError:
        return otherwise


def _number(profile: Profile, contract: Contract, column: Column, *, whole: bool) -> Fit:
    if not profile.is_number or profile.least is None or profile.most is None:
        return NONE
    score, doubts = (0.9 if (profile.kind == "integer") == whole else 0.7), list[str]()
    if whole and profile.kind == "decimal":
        return NONE
    if profile.padded and profile.distinct > 0.5 * profile.filled:
        score *= 0.4
        doubts.append("looks like an identifier")
    elif profile.unique and profile.kind == "integer" and profile.rows > 20:
        score *= 0.6
    if isinstance(column.minimum, (int, float)) and profile.negative:
        score *= 0.8 if column.name == "amount" else 0.4
        doubts.append("has numbers below zero")
    if isinstance(column.maximum, (int, float)) and profile.most > column.maximum:
        score *= 0.5
        doubts.append(f"goes up to {profile.most}")
    if column.physical_type == "DECIMAL(9,6)" and profile.most > 1:
        score *= 0.8
        doubts.append("looks like percent, not a fraction" if profile.most <= 100 else "too large for a fraction")
    return Fit(score, ("numbers",), tuple(doubts))


def _text(profile: Profile, contract: Contract, column: Column, knowledge: Knowledge) -> Fit:
    values = [value.removesuffix(".0") if profile.fraction else value for value in list(profile.values)[:2000]]
    pattern = column.pattern or knowledge.looks.get(f"{contract.name}.{column.name}")
    if pattern is not None:
        known = sum(re.fullmatch(pattern.strip("^$"), value) is not None for value in values)
        share = known / len(values)
        if column.pattern and share < _LEAST:
            return NONE
        return Fit(0.1 + 0.8 * share, ("values look so",) if share > _LEAST else ())
    if profile.kind in ("date", "decimal"):
        return Fit(0.1)
    few = 0.6 if profile.kind in ("code", "text") else 0.35
    return Fit(few, ("texts",) if few > _LEAST else ())
