"""Which feeds a file may be, and the mapping that is proposed for each."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from portrait.contracts import Catalogue, Contract
from portrait.errors import ConfigurationError, InputRefused
from portrait.sources.inference.derive import Suggestion, Table, made_key, suggestions, word_of
from portrait.sources.inference.fitting import own_key
from portrait.sources.inference.knowledge import Knowledge
from portrait.sources.inference.layout import Layout
from portrait.sources.inference.matching import CHANGES, Keys, Matcher
from portrait.sources.inference.profile import profiles_of
from portrait.sources.inference.sampling import sample_of

# What a file is taken for: how much of what the feed needs it has, how much of the file is used, how it is called.
_NEEDED, _USED, _CALLED = 0.5, 0.25, 0.25
_KEYLESS = 0.6  # of the score, where the feed's key is not found
_TOLERATED = 0.05  # share of the entities whose attributes may differ within a file of something else
_REPEATS = 0.9  # share of different values from which on a column hardly repeats
_TELLING = 2  # columns that depend on one which nobody calls a key, so that it is one
_DATE_IN_NAME = (
    (r"(?<!\d)((?:19|20)\d{2}[01]\d[0-3]\d)(?!\d)", r"(\d{8})", "yyyyMMdd"),
    (r"(?<!\d)((?:19|20)\d{2}-[01]\d-[0-3]\d)(?!\d)", r"(\d{4}-\d{2}-\d{2})", "yyyy-MM-dd"),
    (r"(?<!\d)((?:19|20)\d{2}_[01]\d_[0-3]\d)(?!\d)", r"(\d{4}_\d{2}_\d{2})", "yyyy_MM_dd"),
    (r"(?<!\d)([0-3]\d\.[01]\d\.(?:19|20)\d{2})(?!\d)", r"(\d{2}\.\d{2}\.\d{4})", "dd.MM.yyyy"),
)


@dataclass(frozen=True)
class Proposal:
    """A proposed mapping of a kind of file to a feed."""

    path: Path
    feed: str
    score: float
    why: str
    layout: Layout
    columns: Mapping[str, Suggestion]
    missing: tuple[str, ...]
    """Required columns of the feed that nothing is proposed for."""
    absent: tuple[str, ...]
    """Other columns that nothing is proposed for."""
    unused: tuple[str, ...]
    """Columns of the file that the feed does not get."""
    delivery: str
    snapshot: Mapping[str, Any] | None
    notes: tuple[str, ...]
    first_of: tuple[str, ...] = ()
    """Columns of which a record counts only the first time: entities out of a file of something else."""
    where: str | None = None
    """Records that count."""
    others: tuple[str, ...] = ()
    """Further feeds that the same file is proposed for: each mapping says that it shares the file."""

    @property
    def name(self) -> str:
        """The name of the mapping file, without .yml."""
        stem = re.sub(r"[^a-z0-9]+", "_", re.sub(r"[\d._-]{6,}", "_", self.path.name.split(".")[0].lower())).strip("_")
        stem = stem or self.feed
        return f"{stem}_{self.feed}" if self.others and stem != self.feed else stem

    @property
    def files(self) -> str:
        """The pattern of files like this one: dates and long numbers of the name may differ."""
        name = self.path.name.removesuffix(".gz")
        stem, dot, ending = name.partition(".")
        return re.sub(r"(?:\d[\d_-]{3,}\d|\d{4,})(?:[QqWw]\d{1,2})?", "*", stem) + dot + ending

    @property
    def unsure(self) -> list[Suggestion]:
        """What a person has to look at."""
        return [item for item in self.columns.values() if item.level == "unsure"]


def infer(
    paths: Sequence[Path], catalogue: Catalogue, knowledge: Knowledge, *, feed: str | None = None
) -> list[Proposal]:
    """For each file the mappings that it may need, the most plausible feed first.

    `feed`: what all of them are. Raises ConfigurationError for a feed that is none, InputRefused for a file that cannot
    be read or that is like no feed.
    """
    if feed is not None and feed not in catalogue.feeds:
        raise ConfigurationError(
            f"there is no feed '{feed}'", where="--feed", remedy=f"feeds: {', '.join(catalogue.feeds)}"
        )
    matcher = Matcher(knowledge)
    contracts = [catalogue.table(f"raw.{name}") for name in ([feed] if feed else catalogue.feeds)]
    tables = []
    for path in paths:
        sample = sample_of(path, knowledge)
        tables.append(Table(sample, profiles_of(sample, knowledge), matcher.names))
    first = [_ranked(table, contracts, matcher, {}) for table in tables]
    keys = _keys(tables, [ranked[0] for ranked in first], catalogue)
    return [
        proposal
        for table in tables
        for proposal in _proposals(
            table,
            _ranked(table, contracts, matcher, keys),
            knowledge,
            catalogue=catalogue,
            joins=_joins(table, tables),
            alone=feed is not None,
        )
    ]


@dataclass(frozen=True)
class _Candidate:
    """A feed that a file may be."""

    contract: Contract
    score: float
    why: str
    found: Mapping[str, Suggestion]


def _ranked(table: Table, contracts: Sequence[Contract], matcher: Matcher, keys: Keys) -> list[_Candidate]:
    candidates = [_candidate(table, contract, matcher, keys) for contract in contracts]
    return sorted(candidates, key=lambda candidate: -candidate.score)


def _candidate(table: Table, contract: Contract, matcher: Matcher, keys: Keys) -> _Candidate:
    found = suggestions(table, contract, matcher, keys)
    needed = needed_columns(contract)
    has = [name for name in needed if name in found]
    firm = [item for item in found.values() if item.level != "unsure"]
    used = {word for item in firm for word in set(item.sources)}
    called = matcher.names.of_feed(table.sample.path.name, contract.name)
    score = (
        _NEEDED * sum(found[name].confidence for name in has) / max(len(needed), 4)
        + _USED * len(used) / max(len(table.profiles), 1)
        + _CALLED * called
        + matcher.knowledge.usual.get(contract.name, 0.0)
    )
    if any(name not in found or found[name].level == "unsure" for name in set(contract.key) & set(needed)):
        score *= _KEYLESS
    why = f"{len(has)} of {len(needed)} required columns, {len(used)} of {len(table.profiles)} columns of the file"
    return _Candidate(contract, round(score, 3), why + (", and its name" if called > 0.9 else ""), found)


def needed_columns(contract: Contract) -> list[str]:
    """Required columns that a source has to bring: not those that say which change or day a record is of."""
    days = [name for name in contract.key if contract.column(name).physical_type == "DATE"]
    made = {*CHANGES, *(days if contract.custom("delivery") == "snapshot" else [])}
    return [column.name for column in contract.columns if column.required and column.name not in made]


def _keys(tables: Sequence[Table], chosen: Sequence[_Candidate], catalogue: Catalogue) -> Keys:
    """The keys of the given files, by the feed that each is taken for."""
    keys: dict[str, list[tuple[str, frozenset[str]]]] = defaultdict(list)
    for table, candidate in zip(tables, chosen, strict=True):
        key = own_key(candidate.contract)
        found = candidate.found.get(key) if key is not None else None
        column = None if found is None else found.spec.get("column")
        if column is not None and table.profiles[column].unique:
            keys[candidate.contract.name].append((f"{table.sample.path.name} {column}", table.profiles[column].values))
    return keys


def _proposals(
    table: Table,
    ranked: Sequence[_Candidate],
    knowledge: Knowledge,
    *,
    catalogue: Catalogue,
    joins: Mapping[str, str],
    alone: bool,
) -> list[Proposal]:
    best = ranked[0]
    if best.score < knowledge.least_feed and not alone:
        raise InputRefused(
            "the file is like no feed", where=str(table.sample.path), remedy="say with --feed what it is"
        )
    inside = [] if alone else [_inside(item, best, table, knowledge) for item in ranked[1:]]
    more = [item for item in inside if item is not None]
    proposals = [_proposal(table, item, joins) for item in (best, *more)]
    if not alone:
        proposals = [_in_doubt(item, catalogue.table(f"raw.{item.feed}"), knowledge) for item in proposals]
    names = [item.feed for item in proposals]
    return [
        replace(item, others=tuple(name for name in names if name != item.feed)) if more else item for item in proposals
    ]


def _in_doubt(proposal: Proposal, contract: Contract, knowledge: Knowledge) -> Proposal:
    """The proposal with nothing in it sure, where so little of the feed is there that the file may be no such feed."""
    needed = needed_columns(contract)
    firm = [name for name in needed if name in proposal.columns and proposal.columns[name].level != "unsure"]
    if len(firm) >= knowledge.least_firm * len(needed):
        return proposal
    doubt = f"only {len(firm)} of {len(needed)} required columns are firmly there: is this a file of {proposal.feed}?"
    unsure = {name: replace(item, level="unsure") for name, item in proposal.columns.items()}
    return replace(proposal, columns=unsure, notes=(doubt, *proposal.notes))


def _inside(other: _Candidate, best: _Candidate, table: Table, knowledge: Knowledge) -> _Candidate | None:
    """The entities of another feed of which a file tells too: their key is there, and what depends on it."""
    key = own_key(other.contract)
    ours = best.found.get(own_key(best.contract) or "")
    if key is None:
        return other if _is_link(other, ours) else None
    needed = needed_columns(best.contract)
    taken = {column for name in needed if name in best.found for column in best.found[name].sources}
    keys = {
        column
        for name in needed
        if name in best.found and best.contract.column(name).identifier
        for column in best.found[name].sources
    }
    told = [
        column
        for name, item in other.found.items()
        if name not in (key, *CHANGES) and item.level != "unsure"
        for column in item.sources
        if column not in taken
    ]
    for column in table.profiles:
        named = table.names.of_column(column, other.contract, other.contract.column(key))[0] >= knowledge.levels.sure
        if (ours is not None and column in ours.sources) or (not named and column not in keys):
            continue
        profile = table.profiles[column]
        repeats = profile.distinct < _REPEATS * profile.filled
        if not named and not repeats:  # anything depends on what is different in every record
            continue
        depend = [name for name in told if name != column and _depends(table, column, name)]
        if len(depend) >= (1 if named and repeats else _TELLING):
            there = other.found.get(key)
            if there is not None and there.sources == (column,):
                return other
            reason = f"each has one {' and one '.join(depend[:3])}"
            made = Suggestion(key, {"column": column}, knowledge.levels.unsure, "unsure", reason)
            return replace(other, found={**other.found, key: made})
    return None


def _is_link(other: _Candidate, ours: Suggestion | None) -> bool:
    """Whether a feed ties the entities of a file to others that the file names: an account to its owner."""
    tied = [name for name in other.contract.key if other.contract.column(name).identifier]
    found = [other.found[name] for name in tied if name in other.found and other.found[name].level != "unsure"]
    sources = {column for item in found for column in item.sources}
    return ours is not None and len(tied) == len(found) == len(sources) == 2 and set(ours.sources) < sources


def _depends(table: Table, key: str, column: str) -> bool:
    """Whether a column has one value for nearly every value of another, which repeats or not."""
    seen: dict[str, set[str | None]] = defaultdict(set)
    for one, other in zip(table.sample.columns[key], table.sample.columns[column], strict=True):
        if one is not None:
            seen[one].add(other)
    if len(seen) < 2 or len({value for values in seen.values() for value in values}) < 2:
        return False
    return sum(len(values) > 1 for values in seen.values()) <= _TOLERATED * len(seen)


def _joins(table: Table, tables: Sequence[Table]) -> dict[str, str]:
    """Columns that are the key of another of the files, with what a person should know of it."""
    found = {}
    for other in tables:
        for name, profile in other.profiles.items():
            mine = table.profiles.get(name)
            if other is table or mine is None or not profile.unique:
                continue
            if mine.values <= profile.values and mine.distinct < profile.distinct:
                rest = ", ".join(column for column in other.profiles if column != name)
                found[name] = f"'{name}' is the key of {other.sample.path.name}, which has {rest}"
    return found


def _proposal(table: Table, candidate: _Candidate, joins: Mapping[str, str]) -> Proposal:
    contract, found = candidate.contract, dict(candidate.found)
    notes: list[str] = []
    for name, item in candidate.found.items():  # a key of another file is nothing that merely could be something
        if item.level == "unsure" and item.spec.get("column") in joins:
            del found[name]
    if (key := made_key(table, contract, found)) is not None:
        found[key.target] = key
    delivery, snapshot = _delivery(table, contract, found, notes)
    if delivery == "snapshot":
        for name in CHANGES if contract.custom("delivery") == "change" else contract.key:
            if name in found and (name in CHANGES or contract.column(name).physical_type == "DATE"):
                del found[name]
    used = {name for item in found.values() for name in set(item.sources)}
    notes += [text for name, text in joins.items() if name not in used]
    supplied = set(contract.column_names) - set(needed_columns(contract)) if delivery == "snapshot" else set()
    made = {*CHANGES, *contract.key} & supplied
    rest = [column for column in contract.columns if column.name not in found and column.name not in made]
    first_of, where = _entities(table, contract, found)
    return Proposal(
        first_of=first_of,
        where=where,
        path=table.sample.path,
        feed=contract.name,
        score=candidate.score,
        why=candidate.why,
        layout=table.sample.layout,
        columns={name: found[name] for name in contract.column_names if name in found},
        missing=tuple(column.name for column in rest if column.required),
        absent=tuple(column.name for column in rest if not column.required),
        unused=tuple(name for name in table.profiles if name not in used),
        delivery=delivery,
        snapshot=snapshot,
        notes=tuple(notes),
    )


def _delivery(
    table: Table, contract: Contract, found: dict[str, Suggestion], notes: list[str]
) -> tuple[str, Mapping[str, Any] | None]:
    """How the files of the feed arrive; what change records need and the file does not say is added to `found`."""
    kind = contract.custom("delivery", "append")
    if kind == "append":
        return "append", None
    changed = found.get("changed_at")
    if kind == "change" and changed is not None and changed.level != "unsure":
        if "op" not in found:
            notes.append("every record is taken for an insert or update; deletes are not told")
            found["op"] = Suggestion("op", {"constant": "U"}, 0.5, "unsure", "the file does not say what changed")
        return "changes", None
    dated = _date_in_name(table)
    if dated is not None:
        notes.append("taken for a full copy of the day in its name; if it has changes only, write delivery: changes")
        if contract.name == "account_parties":
            notes.append(
                "bookings before the first copy have no owner: delivery: changes can count from an earlier day"
            )
        return "snapshot", {"date": dated}
    if kind == "snapshot":
        days = [name for name in contract.key if name in found and contract.column(name).physical_type == "DATE"]
        if days and found[days[0]].level != "unsure":
            spec = found[days[0]].spec
            return "snapshot", {"date": {"column": spec["column"], "format": spec.get("format", "yyyy-MM-dd")}}
        notes.append("no day is told: the file's name needs one, or a column")
        return "snapshot", {"date": {"file_name": r"(\d{8})", "format": "yyyyMMdd"}}
    found.pop("op", None)
    since = next((found[name] for name in _SINCE if name in found and "column" in found[name].spec), None)
    found["op"] = Suggestion("op", {"constant": "I"}, 0.5, "unsure", "no day in the file's name: taken for inserts")
    if since is not None:
        doubt = "each record counts from its own day on; a full copy every night is delivery: snapshot"
        found["changed_at"] = replace(
            since, target="changed_at", level="unsure", reason="the day of the record", doubts=(doubt,)
        )
    else:
        found.pop("changed_at", None)
    return "changes", None


def _entities(table: Table, contract: Contract, found: Mapping[str, Suggestion]) -> tuple[tuple[str, ...], str | None]:
    """What makes entities of records in which they repeat: the key whose first record counts, where it is there."""
    key = own_key(contract)
    if key is None or key not in found or contract.custom("delivery") == "append" or len(found[key].sources) != 1:
        return (), None
    column = found[key].sources[0]
    profile = table.profiles[column]
    repeats = profile.distinct < profile.filled and "changed_at" not in found
    where = f"{word_of(column)} is not null" if profile.filled < profile.rows else None
    return ((column,) if repeats or where else ()), where


_SINCE = ("opened_on", "issued_on", "granted_on", "valid_from", "starts_on", "due_on")
"""Days from which a record may count, where nothing says when it changed."""


def _date_in_name(table: Table) -> dict[str, str] | None:
    for pattern, group, written in _DATE_IN_NAME:
        if len(re.findall(pattern, table.sample.path.name)) == 1:
            return {"file_name": group, "format": written}
    return None
