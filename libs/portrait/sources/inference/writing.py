"""A proposal as a mapping file: what is proposed with its reason, what is unsure, and holes that a person fills."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from portrait.contracts import Catalogue, Column, Contract
from portrait.sources.inference.derive import Suggestion
from portrait.sources.inference.layout import Layout
from portrait.sources.inference.proposal import Proposal

_WIDTH = 116
_PLAIN = Layout("csv")


def mapping_text(proposal: Proposal, catalogue: Catalogue) -> str:
    """The mapping file that is proposed. It holds codes of the file, and no other values."""
    contract = catalogue.table(f"raw.{proposal.feed}")
    title = f"{contract.name.replace('_', ' ').capitalize()} from {proposal.path.name}"
    lines = [
        f"# Proposed from {proposal.path.name}: {proposal.why}.",
        "# Read every line: TODO is a hole, `unsure` a guess. Remove these comments when it is right.",
        *[f"# TODO format: {doubt}" for doubt in proposal.layout.doubts],
        *[f"# {note}" for note in proposal.notes],
        f"title: {_value(title)}",
        f"files: {_value(proposal.files)}",
        f"feed: {proposal.feed}",
        f"format: {_value(_format(proposal.layout))}",
        f"delivery: {proposal.delivery}",
        *([f"snapshot: {_value(proposal.snapshot)}"] if proposal.snapshot else []),
        *(["shared: true"] if proposal.others else []),
        *([f"where: {_value(proposal.where)}"] if proposal.where else []),
        *([f"first_of: {_value(list(proposal.first_of))}"] if proposal.first_of else []),
        "columns:",
    ]
    for column in contract.columns:
        if column.name in proposal.columns:
            lines += _column(proposal.columns[column.name])
        elif column.name in proposal.missing:
            lines += [f"  # TODO {column.name}: (required) {_wanted(column, contract)}"]
    if proposal.absent:
        lines += ["  # Nothing was found for these; add what the bank has:"]
        lines += [f"  #   {name}: {_wanted(contract.column(name), contract)}" for name in proposal.absent]
    if proposal.unused:
        lines += [f"# Columns of the file that are not used: {', '.join(proposal.unused)}"]
    return "\n".join(lines) + "\n"


def _column(item: Suggestion) -> list[str]:
    note = (
        f"{item.level} {item.confidence:.2f}: {item.reason}" if item.reason else f"{item.level} {item.confidence:.2f}"
    )
    lines = [f"  # {note}"]
    lines += [f"  # unsure: {doubt}" if item.level == "unsure" else f"  # check: {doubt}" for doubt in item.doubts]
    plain = len(item.spec) == 1 and "column" in item.spec
    lines += [f"  {item.target}: {_value(item.spec['column'] if plain else dict(item.spec))}"]
    if item.unknown:
        told = ", ".join(f"{code!r} ({number:,} records)" for code, number in item.unknown.items())
        lines += [f"  # TODO codes of {item.target} that are in no map yet: {told}"]
    return lines


def _wanted(column: Column, contract: Contract) -> str:
    if column.name == "changed_at":
        return "from when the records count, such as {constant: '2024-01-31 00:00:00'}; or delivery: snapshot"
    values = f"; one of {', '.join(column.enum)}" if column.enum else ""
    return f"{column.description}{values}"


def _format(layout: Layout) -> dict[str, Any]:
    """Only what is not as usual."""
    found: dict[str, Any] = {"type": layout.type}
    if layout.sheet is not None:
        found["sheet"] = layout.sheet
    if layout.type == "csv" and layout.delimiter != _PLAIN.delimiter:
        found["delimiter"] = layout.delimiter
    if layout.type == "csv" and layout.quote != _PLAIN.quote:
        found["quote"] = layout.quote
    if layout.encoding != _PLAIN.encoding:
        found["encoding"] = layout.encoding.lower()
    if layout.decimal != _PLAIN.decimal:
        found["decimal"] = layout.decimal
    if layout.thousands:
        found["thousands"] = {"\N{NO-BREAK SPACE}": " ", "\N{NARROW NO-BREAK SPACE}": " "}.get(
            layout.thousands, layout.thousands.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
        )
    if layout.type in ("csv", "xlsx") and not layout.header:
        found["header"] = False
    if layout.names:
        found["names"] = list(layout.names)
    if layout.fields:
        found["fields"] = [{"name": field.name, "from": field.start, "to": field.end} for field in layout.fields]
    if layout.skip_lines:
        found["skip_lines"] = layout.skip_lines
    if layout.trailer and "(?P<records>" in layout.trailer:
        found["trailer"] = {"pattern": layout.trailer}
    if layout.nulls:
        found["nulls"] = ["", *layout.nulls]
    return found


class _Dumper(yaml.SafeDumper):
    """Codes and patterns in quotes where YAML would read them as something else."""


def _value(value: Any) -> str:
    """A value on one line, as YAML."""
    plain: Any = dict(value) if isinstance(value, Mapping) else value
    text = yaml.dump(plain, Dumper=_Dumper, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**6)
    return str(text).removesuffix("\n").removesuffix("\n...").removesuffix("\n")
