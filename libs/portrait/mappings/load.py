"""`conf/sources/<source>/*.yml`, read and checked against the contracts before Spark starts, with file and line."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from portrait.contracts import Catalogue, Contract
from portrait.contracts import Column as ContractColumn
from portrait.contracts.vocabulary import load_vocabulary
from portrait.errors import ConfigurationError
from portrait.mappings.model import QUARANTINE, ColumnMapping, FileMapping
from portrait.mappings.source import SUPPLIED, Mappings, SourceMapping
from portrait.settings import line_of, load_yaml

FOLDER = "sources"
MERCHANT_CODES = "merchant_codes"
"""What `map` says for the merchant category codes of conf/vocabulary.yml."""
_DELIVERIES = {"append": {"append"}, "change": {"changes", "snapshot"}, "snapshot": {"snapshot"}}


def load_mappings(conf: Path, catalogue: Catalogue, *, checked: bool = False) -> Mappings:
    """Every mapping below `conf/sources`; none where the folder is absent.

    `checked`: the whole configuration was, so expressions are not parsed again, and mappings of feeds that the
    catalogue leaves out are left out. Raises ConfigurationError naming file and line.
    """
    folder = conf / FOLDER
    items = []
    for place in sorted(folder.iterdir()) if folder.is_dir() else []:
        if place.is_dir() and not place.name.startswith("."):
            _check_source(place, catalogue)
            paths = [path for path in sorted(place.glob("*.yml")) if not checked or _feed_of(path) in catalogue.feeds]
            items += [load_mapping(path, catalogue, checked=checked) for path in paths]
    return Mappings(tuple(items))


def load_mapping(path: Path, catalogue: Catalogue, *, checked: bool = False) -> SourceMapping:
    """One mapping file; see `load_mappings`."""
    spec = load_yaml(path, FileMapping)
    if spec.feed not in catalogue.feeds:
        raise refusal(path, ("feed",), f"there is no feed '{spec.feed}'", f"feeds: {', '.join(catalogue.feeds)}")
    contract = catalogue.table(f"raw.{spec.feed}")
    _check_delivery(path, spec, contract)
    _check_targets(path, spec, contract)
    codes: dict[str, Mapping[str, str]] = {}
    for target, column in spec.columns.items():
        if column.map is not None:
            codes[target] = _codes(path, target, column.map)
        _check_column(path, target, column, contract.column(target), codes.get(target))
    mapping = SourceMapping(path.parent.name, path.stem, path, spec, codes)
    if not checked:
        from portrait.mappings.expressions import check_expressions  # it needs a parser of SQL

        check_expressions(mapping, contract)
    return mapping


def _feed_of(path: Path) -> str:
    return load_yaml(path, FileMapping).feed


def code_files(mappings: Mappings) -> set[Path]:
    """The files of codes that mappings name."""
    return {
        mapping.path.parent / column.map
        for mapping in mappings
        for column in mapping.spec.columns.values()
        if isinstance(column.map, str) and column.map != MERCHANT_CODES
    }


def refusal(path: Path, location: tuple[Any, ...], message: str, remedy: str) -> ConfigurationError:
    """An error at a key of a mapping file."""
    key = ".".join(str(part) for part in location)
    return ConfigurationError(f"'{key}': {message}", where=f"{path}:{line_of(path, location)}", remedy=remedy)


def _check_source(place: Path, catalogue: Catalogue) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", place.name):
        raise ConfigurationError(
            f"'{place.name}' is no name of a source", where=str(place), remedy="use lower-case letters, digits and _"
        )
    if place.name in catalogue.feeds:
        raise ConfigurationError(
            f"a feed is called '{place.name}': its files lie in <landing>/{place.name}/ as they are",
            where=str(place),
            remedy="name the source after the system that delivers, such as core_banking",
        )


def _check_delivery(path: Path, spec: FileMapping, contract: Contract) -> None:
    possible = _DELIVERIES.get(str(contract.custom("delivery", "append")), {"append"})
    if spec.delivery not in possible:
        raise refusal(
            path,
            ("delivery",),
            f"the feed {spec.feed} does not arrive so",
            f"write {' or '.join(sorted(possible))}",
        )


def supplied_columns(spec: FileMapping, contract: Contract) -> tuple[str, ...]:
    """The feed's columns that follow from the day of a snapshot: no mapping may name them."""
    if spec.delivery != "snapshot":
        return ()
    if contract.custom("delivery") == "snapshot":
        return tuple(name for name in contract.key if contract.column(name).physical_type == "DATE")
    return SUPPLIED


def _check_targets(path: Path, spec: FileMapping, contract: Contract) -> None:
    supplied = supplied_columns(spec, contract)
    for target in spec.columns:
        where = ("columns", target)
        if target not in contract.column_names:
            names = ", ".join(contract.column_names)
            raise refusal(path, where, f"the feed {spec.feed} has no such column", f"its columns: {names}")
        if target in supplied:
            raise refusal(path, where, "the day of the snapshot says this", "remove the key")
    for column in contract.columns:
        if column.required and column.name not in spec.columns and column.name not in supplied:
            raise refusal(
                path,
                ("columns",),
                f"the required column {column.name} of the feed {spec.feed} is missing",
                f"say where it comes from, or give it a constant ({column.description})",
            )


def _check_column(
    path: Path, target: str, column: ColumnMapping, wanted: ContractColumn, codes: Mapping[str, str] | None
) -> None:
    where = ("columns", target)
    if column.format is not None:
        if wanted.physical_type not in ("DATE", "TIMESTAMP"):
            raise refusal(path, (*where, "format"), f"{target} is a {wanted.physical_type}, no date", "remove the key")
        if problem := _pattern_problem(column.format):
            raise refusal(path, (*where, "format"), problem, "write dd.MM.yyyy, yyyyMMdd HH:mm:ss or the like")
        if column.time_zone is not None and wanted.physical_type == "DATE":
            raise refusal(path, (*where, "time_zone"), f"{target} is a day, which has no clock", "remove the key")
        if column.years_from is not None and not re.search(r"(?<!y)yy(?!y)", column.format):
            raise refusal(path, (*where, "years_from"), "the format has years of four digits", "remove the key")
    if wanted.enum:
        given: list[tuple[tuple[str, ...], str]] = [(("map", code), value) for code, value in (codes or {}).items()]
        if not isinstance(column.map, dict):
            given = [(("map",), value) for _, value in given]
        if column.constant is not None:
            given.append((("constant",), column.constant))
        if column.map is not None and column.otherwise not in (QUARANTINE, "null", None):
            given.append((("otherwise",), column.otherwise))
        for place, value in given:
            if value not in wanted.enum and value != "":
                raise refusal(
                    path, (*where, *place), f"'{value}' is no value of {target}", f"values: {', '.join(wanted.enum)}"
                )


_LETTERS = frozenset("yMdHhmsSaXZxVzE")


def _pattern_problem(pattern: str) -> str | None:
    plain = re.sub(r"'[^']*'", "", pattern)
    if unknown := sorted({letter for letter in plain if letter.isalpha()} - _LETTERS):
        return f"'{unknown[0]}' stands for nothing in a date"
    if "'" in plain:
        return "a quote is never closed"
    if "yyyy" not in plain and not re.search(r"(?<!y)yy(?!y)", plain):
        return "the format has no year (yyyy or yy)"
    if "M" not in plain or "d" not in plain:
        return "the format has no month (MM) or no day (dd)"
    return None


def _codes(path: Path, target: str, given: dict[str, str] | str) -> Mapping[str, str]:
    if isinstance(given, dict):
        return given
    if given == MERCHANT_CODES:
        found = load_vocabulary(path.parents[2]).category_of_codes()
        if not found:
            raise refusal(
                path, ("columns", target, "map"), "conf/vocabulary.yml has no merchant_codes", "add them there"
            )
        return found
    return _codes_of(path, target, given)


def _codes_of(mapping: Path, target: str, name: str) -> dict[str, str]:
    """The codes of a file beside a mapping; a code that is there twice is refused, even with the same value."""
    path, key = mapping.parent / name, ("columns", target, "map")
    if "/" in name or not path.is_file():
        raise refusal(mapping, key, f"there is no file {name} beside the mapping", "create it, or correct the name")
    codes: dict[str, str] = {}
    lines: dict[str, int] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, strict=True)
            for row in rows:
                where = f"{path}:{rows.line_num}"
                if rows.line_num == 1:
                    if row[:2] != ["code", "value"]:
                        raise ConfigurationError(
                            "the header does not begin with code,value", where=where, remedy="write it into line 1"
                        )
                    continue
                if not row:
                    continue
                if len(row) < 2:
                    raise ConfigurationError("the line has no value", where=where, remedy="write code,value")
                code, value = row[0], row[1]
                if code in codes:
                    raise ConfigurationError(
                        f"the code '{code}' is there twice, first in line {lines[code]}",
                        where=where,
                        remedy="keep one of them",
                    )
                codes[code], lines[code] = value, rows.line_num
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(
            "this is no CSV in UTF-8", where=str(path), remedy="save it as CSV in UTF-8 with commas"
        ) from error
    return codes
