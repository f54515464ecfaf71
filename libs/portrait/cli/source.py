"""Commands about a bank's own files: what they may be, and the mappings that make feeds of them."""

from __future__ import annotations

import re
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import typer

from portrait.cli.context import contracts_of, embedded, suite_of
from portrait.cli.options import CONF, Conf, Format, Landing, Output, Target, identifier, settings_of
from portrait.cli.output import console, emit
from portrait.contracts import Catalogue
from portrait.errors import ConfigurationError
from portrait.ingest.discover import landed_feeds, source_files
from portrait.mappings import load_mappings
from portrait.sources.inference import Proposal, infer, load_knowledge, mapping_text

source = typer.Typer(help="A bank's own files: mappings that make feeds of them.", no_args_is_help=True)

_COLUMNS = ["file", "feed", "column", "from", "confidence", "level", "reason", "doubts"]
_ON_A_TERMINAL = ["column", "from", "level", "reason"]
OneSource = Annotated[
    str | None, typer.Argument(parser=identifier, metavar="[SOURCE]", help="Those of one source; default: all.")
]


@source.command("infer")
def infer_command(
    files: Annotated[list[Path], typer.Argument(help="Files as the bank's systems write them.")],
    feed: Annotated[str | None, typer.Option(help="What all of them are; default: the likeliest.")] = None,
    name: Annotated[
        str | None,
        typer.Option("--source", metavar="NAME", help="Write the mappings into conf/sources/NAME/, one per file."),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Replace mappings that are there.")] = False,
    conf: Conf = CONF,
    target: Target = None,
    output: Output = Format.table,
) -> None:
    """Propose mappings: format, feed, and for each column its source with reason and confidence.

    Nothing is written without --source, and nothing is used before you have read it: what is unsure is marked so, and
    what cannot be known is left as TODO. Give all files of a system at once: references between them tell much.

        portrait source infer exports/*.csv

        portrait source infer exports/umsatz_20240331.csv --feed transactions --source core_banking
    """
    settings = settings_of(conf, target)
    catalogue = contracts_of(settings)
    if name is not None:
        check_name(name, catalogue)
    proposals = infer(files, catalogue, load_knowledge(settings.conf), feed=feed)
    written = {} if name is None else _write(proposals, catalogue, settings.conf / "sources" / name, again=again)
    if output is not Format.table:
        emit(_COLUMNS, [row for proposal in proposals for row in _rows(proposal)], output)
        return
    for proposal in proposals:
        _show(proposal, catalogue, written.get(proposal.name))
    if name is None:
        console.print("Write them with --source NAME, correct them, and run `portrait source test NAME`.")


@source.command("list")
def list_command(
    name: OneSource = None,
    landing: Landing = None,
    conf: Conf = CONF,
    target: Target = None,
    output: Output = Format.table,
) -> None:
    """The mappings: which files become which feed, and how many such files lie in the landing folder."""
    settings = settings_of(conf, target, landing=landing)
    rows = []
    for mapping in load_mappings(settings.conf, contracts_of(settings)):
        if name not in (None, mapping.source):
            continue
        claimed = len(list(source_files(settings.landing, mapping)))
        spec = mapping.spec
        rows.append([mapping.id, spec.title, f"{mapping.source}/{spec.files}", spec.feed, spec.delivery, claimed])
    emit(["mapping", "title", "files", "feed", "delivery", "landed"], rows, output, title="Mappings")
    if not rows and output is Format.table:
        console.print("There is no mapping yet: `portrait source infer FILES --source NAME` proposes them.")


@source.command("test")
def try_command(
    name: Annotated[str, typer.Argument(metavar="SOURCE", help="A folder of conf/sources.")],
    rows: Annotated[int, typer.Option(min=10, help="Records of a file of events at the most.")] = 20_000,
    examples: Annotated[int, typer.Option(min=0, max=20, help="Records shown before and after, of each mapping.")] = 1,
    landing: Landing = None,
    conf: Conf = CONF,
    target: Target = None,
    output: Output = Format.table,
) -> None:
    """Try the mappings of a source on its newest files, as ingest would; no lake is needed and nothing is written.

    Shows records before and after, codes that no map knows, rules that are broken, references to records that are not
    there, and what can be computed with these feeds. Exit code 3 when a file would be kept out whole.
    """
    settings = settings_of(conf, target, landing=landing)
    catalogue = suite_of(settings)
    mappings = load_mappings(settings.conf, catalogue, checked=True)
    own = [mapping for mapping in mappings if mapping.source == name]
    if not own:
        there = ", ".join(mappings.sources) or "none"
        raise ConfigurationError(
            f"there is no source '{name[:80]}'", where=str(settings.conf / "sources"), remedy=f"sources: {there}"
        )
    from portrait.cli.rehearsed import show
    from portrait.sources.rehearsal import orphans_of, rehearse

    spark = embedded(settings, target)
    with tempfile.TemporaryDirectory() as work:
        try:
            found = rehearse(
                spark,
                mappings=own,
                landing=settings.landing,
                catalogue=catalogue,
                rows=rows,
                examples=examples,
                work=Path(work),
            )
            feeds = {item.mapping.feed for item in found if item.accepted}
            others = landed_feeds(settings.landing, known=catalogue.feeds, mappings=mappings) - {m.feed for m in own}
            show(found, orphans_of(found, catalogue), settings, catalogue, feeds, others, output)
        finally:
            spark.stop()
    if any(item.problem for item in found):
        raise typer.Exit(3)


def check_name(name: str, catalogue: Catalogue) -> None:
    """Raise ConfigurationError for what cannot be the name of a source."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name):
        raise ConfigurationError(
            f"{name[:80]!r} is no name of a source",
            where="--source",
            remedy="lower-case letters, digits and _, with a letter first, such as core_banking",
        )
    if name in catalogue.feeds:
        raise ConfigurationError(
            f"a feed is called '{name}'", where="--source", remedy="name the system that delivers, such as core_banking"
        )


def _write(proposals: list[Proposal], catalogue: Catalogue, folder: Path, *, again: bool) -> dict[str, Path]:
    """The mapping files, all of them or none; by the name of the proposal."""
    paths = {proposal.name: folder / f"{proposal.name}.yml" for proposal in proposals}
    if len(paths) < len(proposals):
        names = sorted(proposal.name for proposal in proposals)
        twice = next(one for one, other in pairwise(names) if one == other)
        raise ConfigurationError(
            f"two mappings would be called {twice}.yml",
            where=str(folder),
            remedy="give one file of each kind: the mapping's pattern covers the others",
        )
    there = [path for path in paths.values() if path.exists()]
    if there and not again:
        raise ConfigurationError(
            "a mapping is there already", where=str(there[0]), remedy="remove it, or replace it with --again"
        )
    folder.mkdir(parents=True, exist_ok=True)
    for proposal in proposals:
        paths[proposal.name].write_text(mapping_text(proposal, catalogue), encoding="utf-8")
    return paths


def _rows(proposal: Proposal) -> list[list[object]]:
    """One row per column of the feed that something is proposed for, and per hole."""
    file, feed = proposal.path.name, proposal.feed
    rows: list[list[object]] = [
        [file, feed, item.target, item.text, item.confidence, item.level, item.reason, "; ".join(_doubts(item))]
        for item in proposal.columns.values()
    ]
    holes = [(name, "required") for name in proposal.missing] + [(name, "") for name in proposal.absent]
    return rows + [[file, feed, name, None, 0.0, "hole", why, ""] for name, why in holes]


def _doubts(item: object) -> list[str]:
    unknown = getattr(item, "unknown", {})
    codes = [f"codes not in the map yet: {', '.join(unknown)}"] if unknown else []
    return [*getattr(item, "doubts", ()), *codes]


def _show(proposal: Proposal, catalogue: Catalogue, written: Path | None) -> None:
    layout = proposal.layout
    told = [layout.type, *([layout.encoding] if layout.type != "xlsx" else [])]
    told += [f"sheet {layout.sheet!r}"] if layout.sheet else []
    told += [f"delimiter {layout.delimiter!r}"] if layout.type == "csv" else []
    told += [f"decimal mark {layout.decimal!r}"] if layout.decimal != "." else []
    told += [f"{layout.skip_lines} lines above"] if layout.skip_lines else []
    told += ["a trailer"] if layout.trailer else []
    title = f"{proposal.path.name}: {proposal.feed} ({proposal.why})"
    rows = [
        [item.target, item.text, item.level, "; ".join([item.reason, *_doubts(item)])]
        for item in proposal.columns.values()
    ]
    emit(_ON_A_TERMINAL, rows, Format.table, title=title)
    contract = catalogue.table(f"raw.{proposal.feed}")
    console.print(f"  format    {', '.join(told)}", soft_wrap=True)
    for doubt in layout.doubts:
        console.print(f"  check     {doubt}", soft_wrap=True)
    for name in proposal.missing:
        console.print(f"  TODO      {name}: {contract.column(name).description}", soft_wrap=True)
    for note in proposal.notes:
        console.print(f"  note      {note}", soft_wrap=True)
    if proposal.unused:
        console.print(f"  not used  {', '.join(proposal.unused)}", soft_wrap=True)
    if written is not None:
        console.print(f"  written   {written}", soft_wrap=True)
    console.print()
