"""What no single column says, and several or a calculation do: signs, two columns of amounts, birth numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

from portrait.contracts import Column, Contract
from portrait.sources.inference.fitting import own_key
from portrait.sources.inference.layout import Sample
from portrait.sources.inference.matching import CHANGES, Keys, Match, Matcher
from portrait.sources.inference.names import Names
from portrait.sources.inference.profile import Profile

# Day of birth YYMMDD, the month of women plus 50, then three or four digits that may be left out: Czech and Slovak.
_BIRTH_NUMBER = re.compile(r"\d{2}(0[1-9]|1[0-2]|5[1-9]|6[0-2])(0[1-9]|[12]\d|3[01])/?(\d{3,4})?")
_EPOCH = range(10**8, 2**32)
HOLE = "TODO"
_PLAIN = frozenset({"true", "false", "t", "f"})
_TRUE = frozenset({"true", "t", "y", "yes", "1", "ja", "j", "ano", "a", "si", "oui", "tak"})
_MOST_TRIED = 5  # columns out of which a key is made


@dataclass(frozen=True)
class Suggestion:
    """What a column of the feed may be made of, as a mapping says it, with the reason."""

    target: str
    spec: Mapping[str, Any]
    confidence: float
    level: str
    reason: str
    doubts: tuple[str, ...] = ()
    unknown: Mapping[str, int] = field(default_factory=dict)
    """Codes that nothing is known of, with their counts."""
    columns: tuple[str, ...] = ()
    """The columns of the file that an expression is made of."""

    @property
    def sources(self) -> tuple[str, ...]:
        """The columns of the file that it is made of."""
        return (str(self.spec["column"]),) if "column" in self.spec else self.columns

    @property
    def text(self) -> str:
        """The source column, expression or constant in a few words."""
        return str(self.spec.get("column") or self.spec.get("expression") or repr(self.spec.get("constant")))


@dataclass(frozen=True)
class Table:
    """A file with what is known of its columns."""

    sample: Sample
    profiles: Mapping[str, Profile]
    names: Names

    def like(self, *words: str, numbers: bool = False) -> list[str]:
        """Columns whose names mean one of the words."""
        return [
            name
            for name, profile in self.profiles.items()
            if set(words) & set(self.names.meanings(name)) and (profile.is_number or not numbers)
        ]


def word_of(column: str) -> str:
    """How an expression writes a column's name."""
    return re.sub(r"\W+", "_", column.strip())


def suggestions(table: Table, contract: Contract, matcher: Matcher, keys: Keys) -> dict[str, Suggestion]:
    """What each column of the feed may be made of: columns that match, and what is derived where none does."""
    pair = _two_amounts(table, contract)
    taken = {column for item in pair for column in item.columns} | table.sample.unnamed
    free = {name: profile for name, profile in table.profiles.items() if name not in taken}
    targets = [column for column in contract.columns if column.name not in {item.target for item in pair}]
    matches = matcher.matches(free, contract, targets, keys)
    found = {name: stated(match, contract.column(name), table) for name, match in matches.items()}
    found |= {item.target: item for item in pair}
    for rule in _RULES:
        for suggestion in rule(table, contract, found):
            found[suggestion.target] = suggestion
    return {name: found[name] for name in contract.column_names if name in found}


def stated(match: Match, column: Column, table: Table) -> Suggestion:
    """A match as a mapping states it: with format of dates, map of codes, or a repair of numbers."""
    profile = table.profiles[match.column]
    spec: dict[str, Any] = {"column": match.column}
    doubts, level, unknown, columns = match.doubts, match.level, dict[str, int](), tuple[str, ...]()
    if column.physical_type in ("DATE", "TIMESTAMP") and profile.written is not None:
        spec["format"] = profile.written.pattern
        if profile.written.short_year:
            spec["years_from"] = 1930 if column.name != "birth_date" else 1925
            doubts = (*doubts, "years have two digits")
        if profile.written.rivals:
            level = "unsure"
    elif column.enum and match.codes is not None:
        codes = dict(match.codes)
        if not (set(profile.codes) <= set(column.enum) and all(code == value for code, value in codes.items())):
            known = {code: codes[code] for code in profile.codes if code in codes}
            # A map that says nothing yet is refused where it is loaded, with its line.
            spec |= {"map": known or dict.fromkeys(profile.codes, HOLE), "otherwise": "quarantine"}
            unknown = {code: number for code, number in profile.codes.items() if code not in codes}
    elif column.physical_type == "BOOLEAN" and not {code.lower() for code in profile.codes} <= _PLAIN:
        spec |= {"map": {code: "true" if code.lower() in _TRUE else "false" for code in sorted(profile.codes)}}
    elif column.identifier and profile.fraction:
        spec, columns = {"expression": f"split_part({word_of(match.column)}, '.', 1)"}, (match.column,)
        doubts = (*doubts, "written as a fraction of zeros, as data frames with gaps do")
    elif column.physical_type == "DECIMAL(9,6)" and profile.most is not None and 1 < profile.most <= 100:
        spec, columns = {"expression": f"{word_of(match.column)} * 0.01"}, (match.column,)
    elif column.name.startswith("amount") and table.sample.layout.type == "fixed_width" and profile.kind == "integer":
        doubts = (*doubts, f"no decimal mark: if it counts hundredths, write {word_of(match.column)} * 0.01")
    return Suggestion(match.target, spec, match.confidence, level, match.reason, doubts, unknown, columns)


Found = Mapping[str, Suggestion]


def _two_amounts(table: Table, contract: Contract) -> list[Suggestion]:
    """An amount in one of two columns, by direction: `credit` and `debit`, `deposit` and `withdrawal`."""
    if not {"amount", "direction"} <= set(contract.column_names):
        return []
    ins = table.like("credit", "deposit", numbers=True)
    outs = table.like("debit", "withdrawal", numbers=True)
    pair = next(((i, o) for i in ins for o in outs if i != o and _exclude(table.profiles[i], table.profiles[o])), None)
    if pair is None:
        return []
    into, out = map(word_of, pair)
    reason = f"'{pair[0]}' and '{pair[1]}' are filled in turn"
    amount = f"abs(coalesce({into}, 0)) + abs(coalesce({out}, 0))"
    way = f"if(coalesce({into}, 0) <> 0, 'credit', 'debit')"
    return [
        Suggestion("amount", {"expression": amount}, 0.85, "sure", reason, columns=pair),
        Suggestion("direction", {"expression": way}, 0.85, "sure", reason, columns=pair),
    ]


def _exclude(one: Profile, other: Profile) -> bool:
    """Whether of two columns one is filled where the other is not, or zero."""
    empty = "0" in one.values or "0.00" in one.values or "0,00" in one.values
    return one.filled + other.filled <= one.rows * 1.02 or empty


def _signed_amount(table: Table, contract: Contract, found: Found) -> Iterator[Suggestion]:
    """One amount, whose sign is the direction."""
    amount = found.get("amount")
    if amount is None or "column" not in amount.spec or "direction" not in contract.column_names:
        return
    profile = table.profiles[amount.spec["column"]]
    name = word_of(profile.name)
    if profile.negative:
        doubts = tuple(doubt for doubt in amount.doubts if "below zero" not in doubt)
        yield replace(amount, spec={"expression": f"abs({name})"}, doubts=doubts, columns=(profile.name,))
    if "direction" in found and found["direction"].level != "unsure":
        return
    if profile.negative:
        spec = {"expression": f"if({name} < 0, 'debit', 'credit')"}
        doubt = f"{profile.negative:.0%} of the amounts are below zero: does minus mean out of the account?"
        reason = f"sign of '{profile.name}'"
        yield Suggestion("direction", spec, 0.7, "likely", reason, (doubt,), columns=(profile.name,))
    elif table.like("merchant", "card", "invoice"):
        doubt = "nothing says the direction; payments to merchants go out"
        yield Suggestion("direction", {"constant": "debit"}, 0.4, "unsure", "no amount is below zero", (doubt,))


def _price_times_quantity(table: Table, contract: Contract, found: Found) -> Iterator[Suggestion]:
    """What was paid is price times quantity; a quantity below zero was given back."""
    prices, counts = table.like("price", numbers=True), table.like("quantity", numbers=True)
    if not {"amount", "direction"} <= set(contract.column_names) or not prices or not counts:
        return
    known = found.get("amount")
    if known is not None and known.spec.get("column") not in (prices[0], None):
        return
    product = f"{word_of(counts[0])} * {word_of(prices[0])}"
    reason = f"'{counts[0]}' times '{prices[0]}'"
    both = (counts[0], prices[0])
    spec, doubt = {"expression": f"abs({product})"}, "is it the price of one?"
    yield Suggestion("amount", spec, 0.7, "likely", reason, (doubt,), columns=both)
    if table.profiles[counts[0]].negative or table.profiles[prices[0]].negative:
        spec = {"expression": f"if({product} < 0, 'credit', 'debit')"}
        reason = f"sign of {reason}: what is below zero was given back"
        yield Suggestion("direction", spec, 0.7, "likely", reason, columns=both)


def _birth_number(table: Table, contract: Contract, found: Found) -> Iterator[Suggestion]:
    """Day of birth and gender out of a birth number."""
    if not {"birth_date", "gender"} <= set(contract.column_names) or {"birth_date", "gender"} <= set(found):
        return
    for name, profile in table.profiles.items():
        values = list(profile.values)[:5000]
        fits = sum(_BIRTH_NUMBER.fullmatch(value) is not None for value in values)
        women = sum(len(value) > 3 and value[2] in "56" for value in values)
        if not values or profile.kind == "date" or fits < 0.98 * len(values) or not 0.1 < women / len(values) < 0.9:
            continue
        column = word_of(name)
        month = f"try_cast(substring({column}, 3, 2) as int)"
        bare = f"if({month} > 50, {month} - 50, {month})"
        text = (
            f"concat('19', substring({column}, 1, 2), '-', lpad(try_cast({bare} as string), 2, '0'), '-', "
            f"substring({column}, 5, 2))"
        )
        reason = f"'{name}' is YYMMDD, the month of women plus 50"
        century = "the century is taken for the twentieth"
        if "birth_date" not in found:
            day = {"expression": f"try_cast({text} as date)"}
            yield Suggestion("birth_date", day, 0.85, "sure", reason, (century,), columns=(name,))
        if "gender" not in found:
            spec = {"expression": f"if({month} > 50, 'F', 'M')"}
            yield Suggestion("gender", spec, 0.85, "sure", reason, columns=(name,))


def _merchant_codes(table: Table, contract: Contract, found: Found) -> Iterator[Suggestion]:
    """Categories by merchant category codes: four digits, called so."""
    if "category" not in contract.column_names:
        return
    for name, profile in table.profiles.items():
        words = table.names.meanings(name)
        if "category" in words and profile.masks == ("9999",) and profile.kind in ("integer", "code"):
            spec = {"column": name, "map": "merchant_codes", "otherwise": "null"}
            reason = "merchant category codes of ISO 18245: see conf/vocabulary.yml"
            yield Suggestion("category", spec, 0.8, "sure", reason)
            return


def _day_and_time(table: Table, contract: Contract, found: Found) -> Iterator[Suggestion]:
    """An instant whose time of day is in a column of its own."""
    clocks = [name for name, profile in table.profiles.items() if profile.kind == "time"]
    for target, suggestion in found.items():
        column = suggestion.spec.get("column")
        if contract.column(target).physical_type != "TIMESTAMP" or column is None or len(clocks) != 1:
            continue
        written = table.profiles[column].written
        if written is None or written.is_instant or target in CHANGES:
            continue
        longest = max(map(len, table.profiles[clocks[0]].values))
        clock = "HH:mm:ss" if longest > 5 else "HH:mm"
        padded = f"lpad({word_of(clocks[0])}, {longest}, '0')"
        spec = dict(suggestion.spec) | {"format": f"{written.pattern} {clock}"}
        spec.pop("column")
        text = f"concat({word_of(column)}, ' ', {padded})"
        reason = f"{suggestion.reason}; time in '{clocks[0]}'"
        both = (column, clocks[0])
        yield replace(suggestion, spec={"expression": text} | spec, reason=reason, columns=both)


def _full_name(table: Table, contract: Contract, found: Found) -> Iterator[Suggestion]:
    """A name in two columns."""
    if "full_name" not in contract.column_names:
        return
    words = {name: set(table.names.meanings(name)) - {"customer"} for name in table.profiles}
    first = [name for name, meant in words.items() if "first" in meant and meant <= {"first", "name"}]
    last = [
        name for name, meant in words.items() if meant and meant <= {"surname", "last", "name"} and meant != {"name"}
    ]
    if len(last) == 1 and not first:  # `name` beside a surname is the first one
        first = [name for name, meant in words.items() if meant == {"name"}]
    if len(first) == len(last) == 1:
        spec = {"expression": f"concat({word_of(first[0])}, ' ', {word_of(last[0])})"}
        yield Suggestion("full_name", spec, 0.8, "sure", f"'{first[0]}' and '{last[0]}'", columns=(first[0], last[0]))


def _is_key(item: Suggestion, table: Table) -> bool:
    return item.level != "unsure" or ("column" in item.spec and table.profiles[item.spec["column"]].unique)


def made_key(table: Table, contract: Contract, found: Found) -> Suggestion | None:
    """A key of several columns, or of one and the line, where none is one by itself; None where that cannot be."""
    key = own_key(contract)
    if key is None or contract.custom("delivery") == "change" or (key in found and _is_key(found[key], table)):
        return None
    profiles = table.profiles
    columns = [name for name, profile in profiles.items() if profile.filled == profile.rows and profile.distinct > 1]
    columns.sort(key=lambda name: -profiles[name].distinct)
    first = found[key].spec.get("column") if key in found else None
    for size in (2, 3):
        for chosen in combinations(columns[:_MOST_TRIED], size):
            if first is not None and first not in chosen:
                continue
            rows = list(zip(*(table.sample.columns[name] for name in chosen), strict=True))
            if len(set(rows)) == len(rows) > 1:
                parts = ", '-', ".join(word_of(name) for name in chosen)
                doubt = "they are unique together in the sample; one more record may break it"
                reason = f"no column is unique; {' and '.join(chosen)} are"
                spec = {"expression": f"concat({parts})"}
                return Suggestion(key, spec, 0.5, "unsure", reason, (doubt,), columns=chosen)
    day = next(
        (item.spec["column"] for item in found.values() if "format" in item.spec and "column" in item.spec), None
    )
    begins = first or day
    if begins is None:
        return None
    spec = {"expression": f"concat({word_of(begins)}, '-', line_number)"}
    doubt = "the same line of another file with the same value would be the same booking"
    reason = f"no few columns are unique; {begins} and the line of the file are"
    return Suggestion(key, spec, 0.5, "unsure", reason, (doubt,), columns=(begins,))


_RULES: tuple[Callable[[Table, Contract, Found], Iterator[Suggestion]], ...] = (
    _price_times_quantity,
    _signed_amount,
    _birth_number,
    _day_and_time,
    _full_name,
    _merchant_codes,
)
