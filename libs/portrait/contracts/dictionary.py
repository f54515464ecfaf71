"""The data dictionary: every feed and table of the suite in words, as Markdown, generated from the contracts."""

from __future__ import annotations

from textwrap import fill

from portrait.contracts.catalogue import LINEAGE, Catalogue
from portrait.contracts.contract import Column, Contract, Rule
from portrait.contracts.graph import BOOKKEEPERS
from portrait.contracts.identifiers import POLICY, Identifier
from portrait.errors import ConfigurationError

LAYERS = {
    "raw": "Feeds: the files that the bank drops into the landing folder.",
    "bronze": "Feeds as received: typed, append only, every row with the file and line it came from.",
    "silver": "Clean entities as they were at any time, transactions with their owner, closing balances.",
    "gold": "What is known of customers at a business date; tables are made of slices, one an `as_of`.",
    "ops": "What the suite knows of itself: files, rejected rows, checks, runs, publications.",
}

_INTRODUCTION = """\
# Data dictionary

Generated from the contracts in `schemas/` and the declarations in `conf/`; do not edit it.
Write it anew with `portrait dictionary --write docs/dictionary.md`.

How to read a table of columns:

- **Key**: the columns numbered 1, 2, ... together are unique. **Required**: the value is never NULL.
- **Class** is who may see a column: `public`, `internal` (staff), `personal` (says something about a person),
  `sensitive` (needs a reason).
- Rules stand behind the meaning, in *italics*. A row that breaks a rule of a feed goes to `ops.quarantine`.
- *Null for* lists placeholders: values that mean unknown; they become null, and are counted in `ops.files`.
- Gold tables of one **data product** are published together. **Kind**: rows of a *slice* are replaced as a whole for an
  `as_of`, a *ledger* is only appended to, a *register* holds current rows, with or without their history.
- Amounts are in account currency, instants in UTC; an instant that a feed writes without an offset, and every day, is
  one of the bank's time zone (setting `time_zone`).

**Identifiers.** """ + fill(POLICY, 118)


def dictionary(catalogue: Catalogue) -> str:
    """Every feed and table of the catalogue as one Markdown text, in layer order.

    With the catalogue of `portrait.run.suite.load_suite` the columns that features and labels declare are among them.
    Raises ConfigurationError for a layer that has no heading here.
    """
    unknown = {contract.layer for contract in catalogue} - set(LAYERS)
    if unknown:
        raise ConfigurationError(
            f"no heading for layer {', '.join(sorted(unknown))}", where="schemas/", remedy="name it in LAYERS"
        )
    parts = [_INTRODUCTION, "## Contents\n\n" + _contents(catalogue)]
    for layer, meaning in LAYERS.items():
        contracts = catalogue.layer(layer)
        if contracts:
            parts.append(f"## {layer}\n\n{meaning}")
            if layer == "bronze":
                parts.append(f"Lineage columns, the same in every bronze table:\n\n{_columns(LINEAGE)}")
            parts += [_table(contract, catalogue) for contract in contracts]
    return "\n\n".join(parts) + "\n"


def _contents(catalogue: Catalogue) -> str:
    rows = [
        [f"[{contract.id}](#{_anchor(contract.id)})", _first_sentence(contract.description), str(len(contract.columns))]
        for contract in catalogue
    ]
    return _grid(["Table", "What it is for", "Columns"], rows)


def _table(contract: Contract, catalogue: Catalogue) -> str:
    parts = [f"### {contract.id}", contract.description]
    if contract.usage:
        parts.append(f"**Usage.** {' '.join(contract.usage.split())}")
    if contract.limitations:
        parts.append(f"**Limitations.** {' '.join(contract.limitations.split())}")
    parts.append("\n".join(f"- {fact}" for fact in _facts(contract, catalogue)))
    if (feed := _feed_of(contract, catalogue)) is not None:
        parts.append(f"Columns: those of {_link(feed.id)} with the same types, all of them nullable, then the lineage.")
    else:
        parts.append(_columns(contract.columns))
    if contract.row_rules:
        parts.append("Rules over several columns:\n\n" + _rules(contract.row_rules))
    return "\n\n".join(parts)


def _facts(contract: Contract, catalogue: Catalogue) -> list[str]:
    key = ", ".join(f"`{name}`" for name in contract.key) or "none"
    facts = [f"Grain: {contract.grain}", f"Key: {key}"]
    if contract.layer == "gold":
        facts.append(f"Data product: `{contract.product}`")
    if contract.layer != "raw":
        facts.append(f"Kind: {contract.kind}")
    if contract.job:
        facts.append(f"Written by: {BOOKKEEPERS.get(contract.job, f'`jobs/{contract.script}.py`')}")
    lineage = {
        "Reads": contract.reads,
        "Reads when present": contract.reads_optional,
        "Reads earlier slices of": contract.reads_previous,
    }
    for title, names in lineage.items():
        if names:
            links = [_link(name) if name in catalogue.contracts else f"`{name}`" for name in names]
            facts.append(f"{title}: {', '.join(links)}")
    for title, name in {"Settings": "config", "Further columns from": "columnsFrom"}.items():
        if value := contract.custom(name):
            paths = [value] if isinstance(value, str) else value
            facts.append(f"{title}: {', '.join(f'`conf/{path}`' for path in paths)}")
    if contract.layer == "raw":
        facts.append(f"Arrives as: {_DELIVERY.get(contract.custom('delivery'), 'not stated')}")
        if (wins := contract.custom("conflicts")) is not None:
            facts.append(
                f"Of records of one key and account the {wins} delivered counts; the others are in ops.conflicts"
            )
        if (share := contract.custom("maxRejectShare")) is not None:
            facts.append(f"Refused when more than {float(share):.0%} of its rows break a rule")
    return facts


_DELIVERY = {
    "append": "append (a record is delivered once)",
    "change": "change records (`op` insert, update or delete, holding from `changed_at`)",
    "snapshot": "snapshot (the whole feed each time)",
}


def _feed_of(contract: Contract, catalogue: Catalogue) -> Contract | None:
    """The feed whose columns a bronze table repeats, so that they are not printed twice; None when it has its own."""
    feed = catalogue.contracts.get(f"raw.{contract.name}") if contract.layer == "bronze" else None
    if feed is None:
        return None
    columns = [(column.name, column.physical_type) for column in (*feed.columns, *LINEAGE)]
    return feed if columns == [(column.name, column.physical_type) for column in contract.columns] else None


def _columns(columns: tuple[Column, ...]) -> str:
    rows = [
        [
            f"`{column.name}`",
            column.physical_type.lower(),
            "" if column.key_position is None else str(column.key_position),
            "yes" if column.required else "",
            column.classification,
            _meaning(column),
        ]
        for column in columns
    ]
    return _grid(["Column", "Type", "Key", "Required", "Class", "Meaning"], rows)


def _meaning(column: Column) -> str:
    rules = []
    if column.enum:
        rules.append(f"one of {', '.join(column.enum)}")
    least, most = (value if isinstance(value, str) else f"{value or 0:g}" for value in (column.minimum, column.maximum))
    if column.minimum is not None and column.maximum is not None:
        rules.append(f"from {least} to {most}")
    elif column.minimum is not None:
        rules.append(f"at least {least}")
    elif column.maximum is not None:
        rules.append(f"at most {most}")
    if column.placeholders:
        rules.append(f"null for {', '.join(column.placeholders)}")
    notes = f" *{_escaped('; '.join(rules))}.*" if rules else ""
    if column.identifier:
        notes += _identifier(column.identifier)
    if column.pattern:
        notes += f" *Written as* {_code(column.pattern)}."
    for reference in column.references:
        notes += f" *Refers to* {_link(f'raw.{reference.feed}')}, `{reference.column}`"
        notes += f" *where* {_code(reference.where)}." if reference.where else "."
    if column.volatile:
        notes += " *Differs between equal runs.*"
    return _escaped(column.description) + notes


def _identifier(identifier: Identifier) -> str:
    length = "" if identifier.is_ordinary else f", at most {identifier.longest} characters"
    accepted = "" if identifier.accepts is None else f", also {_code(identifier.accepts)}"
    return f" *Identifier*{length}{accepted}."


def _rules(rules: tuple[Rule, ...]) -> str:
    rows = [[_code(rule.id), _code(rule.predicate), rule.severity, _escaped(rule.description)] for rule in rules]
    return _grid(["Rule", "Holds when", "Severity", "Meaning"], rows)


def _grid(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _escaped(text: str) -> str:
    """Text that cannot break out of a table cell."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _code(text: str) -> str:
    """A code span within a table cell, where a bar must be escaped all the same."""
    return f"`{' '.join(text.split()).replace('|', chr(92) + '|')}`"


def _first_sentence(text: str) -> str:
    first = text.split(". ")[0].rstrip(".")
    return _escaped(first) + "."


def _anchor(name: str) -> str:
    """The anchor that GitHub and GitLab give the heading."""
    return name.replace(".", "")


def _link(name: str) -> str:
    return f"[{name}](#{_anchor(name)})"
