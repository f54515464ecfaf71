"""What `portrait source test` prints."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

from portrait.cli.options import Format
from portrait.cli.output import console, emit
from portrait.contracts import Catalogue
from portrait.features import load_features
from portrait.labels import load_labels
from portrait.labels.possible import gains, possible
from portrait.settings import Settings
from portrait.sources.rehearsal import Example, Orphans, Rehearsal, sources_of

_SUMMARY = ["mapping", "feed", "file", "records", "accepted", "left out", "broken"]
_CODES = 12  # codes of a column that are shown
_GAINS = 5  # feeds that would add something


def show(
    rehearsals: Sequence[Rehearsal],
    orphans: Sequence[Orphans],
    settings: Settings,
    catalogue: Catalogue,
    feeds: Collection[str],
    others: Collection[str],
    output: Format,
) -> None:
    """Print it: `feeds` are those of the source, `others` what else lies in the landing folder."""
    coverage = _coverage(settings, catalogue, {*feeds, *others})
    if output is Format.json:
        found = {
            "mappings": [_as_json(item) for item in rehearsals],
            "orphans": [vars(item) for item in orphans],
            "coverage": coverage,
        }
        print(json.dumps(found, indent=2, ensure_ascii=False, default=str))
        return
    emit(_SUMMARY, [_summary(item) for item in rehearsals], output, title=_title(rehearsals, output))
    if output is Format.csv:
        return
    for item in rehearsals:
        _show(item)
    broken = [orphan for orphan in orphans if orphan.orphans]
    for orphan in broken:
        place = f"{orphan.feed}.{orphan.column}"
        told = f"{orphan.orphans:,} of {orphan.rows:,} refer to no {orphan.refers_to}"
        console.print(f"  orphans       {place}: {told}", soft_wrap=True)
    if orphans and not broken:
        console.print(f"  orphans       none: {len(orphans)} references between these feeds hold")
    _show_coverage(coverage, others)


def _title(rehearsals: Sequence[Rehearsal], output: Format) -> str | None:
    cut = any(item.cut for item in rehearsals)
    return ("The first records of the newest file" if cut else "The newest file") + " of each mapping"


def _summary(item: Rehearsal) -> list[Any]:
    file = "none" if item.file is None else item.file.name
    more = f" (of {item.files})" if item.files > 1 else ""
    if item.problem is not None:
        return [item.mapping.id, item.mapping.feed, file + more, "kept out whole", "", "", ""]
    counts = [item.records, item.accepted, item.left_out, item.broken]
    return [item.mapping.id, item.mapping.feed, file + more, *[f"{count:,}" for count in counts]]


def _show(item: Rehearsal) -> None:
    if item.file is None:
        wanted = f"{item.mapping.source}/{item.mapping.spec.files}"
        console.print(
            f"  no file       {item.mapping.id}: none in the landing folder is called {wanted}", soft_wrap=True
        )
        return
    if item.problem is not None:
        console.print(f"  kept out      {item.mapping.id}: {item.problem.message}", soft_wrap=True)
        console.print(f"                {item.problem.where}: {item.problem.remedy}", soft_wrap=True)
        return
    if item.examples:
        _show_examples(item)
    for rule, count in item.rules.items():
        console.print(f"  broken        {rule}: {count:,} {'record' if count == 1 else 'records'}", soft_wrap=True)
    for column, codes in item.codes.items():
        shown = ", ".join(f"{code!r} {count:,} times" for code, count in list(codes.items())[:_CODES])
        more = f", and {len(codes) - _CODES} others" if len(codes) > _CODES else ""
        given = item.mapping.spec.columns[column].map
        where = given if isinstance(given, str) else f"{item.mapping.path.name}, columns.{column}.map"
        console.print(f"  unmapped      {column}: {shown}{more}: add them to {where}", soft_wrap=True)


def _show_examples(item: Rehearsal) -> None:
    """A table with a row for each column of the feed: what it was in the file, and what it became, for each record."""
    columns = ["column", "made of"]
    for example in item.examples:
        state = "broken" if example.reasons else "becomes"
        columns += [f"line {example.line}", state]
    rows = []
    for target in item.examples[0].after:
        names = sources_of(item.mapping, target, list(item.examples[0].before))
        cells = [cell for example in item.examples for cell in _side_by_side(example, target, names)]
        if any(cell not in (None, "") for cell in cells):
            rows.append([target, ", ".join(names), *cells])
    emit(columns, rows, Format.table, title=f"{item.mapping.id}: before and after")


def _side_by_side(example: Example, target: str, names: Sequence[str]) -> tuple[str, object]:
    before = " | ".join(example.before.get(name, "") for name in names)
    own = [rule for rule in example.reasons if rule == target or rule.startswith((f"{target}.", f"{target}_"))]
    return before, ", ".join(own) if own else example.after[target]


def _as_json(item: Rehearsal) -> dict[str, Any]:
    return {
        "mapping": item.mapping.id,
        "feed": item.mapping.feed,
        "file": item.file,
        "files": item.files,
        "sample": item.cut,
        "records": item.records,
        "accepted": item.accepted,
        "left_out": item.left_out,
        "broken": item.broken,
        "rules": item.rules,
        "unmapped": item.codes,
        "problem": None if item.problem is None else item.problem.message,
        "examples": [vars(example) for example in item.examples],
    }


def _coverage(settings: Settings, catalogue: Catalogue, feeds: Collection[str]) -> dict[str, Any]:
    features, labels = load_features(settings.conf), load_labels(settings.conf, catalogue)
    now = possible(catalogue, features, labels, feeds)
    return {
        "feeds": sorted(feeds),
        "features": len(now.features),
        "of_features": len(features.features),
        "labels": len(now.labels),
        "of_labels": sum(item.label.is_computed for item in labels.checked),
        "would_add": {
            feed: {"features": more, "labels": told}
            for feed, (more, told) in gains(catalogue, features, labels, feeds).items()
        },
        "needed_first": sorted(catalogue.feeds_needed(["gold.customer_features"]) - set(feeds)),
    }


def _show_coverage(coverage: dict[str, Any], others: Collection[str]) -> None:
    beside = f" (with {', '.join(sorted(others))} of the landing folder)" if others else ""
    console.print(
        f"  coverage      with these feeds{beside} {coverage['features']} of {coverage['of_features']} features and "
        f"{coverage['labels']} of {coverage['of_labels']} labels can be computed",
        soft_wrap=True,
    )
    if coverage["needed_first"]:
        console.print(f"                nothing can without {', '.join(coverage['needed_first'])}", soft_wrap=True)
    adds = list(coverage["would_add"].items())[:_GAINS]
    if adds:
        told = ", ".join(f"{feed} {more['labels']} labels and {more['features']} features" for feed, more in adds)
        console.print(f"                each alone would add: {told}", soft_wrap=True)
