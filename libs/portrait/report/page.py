"""The report of a slice as one HTML file: no script, nothing to load, light and dark, phone and desk."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

from portrait.capability import modules_of_rooms
from portrait.contracts import Catalogue
from portrait.lake import Lake
from portrait.report import labels
from portrait.report.absent import LeftOut, left_out
from portrait.report.figures import Figures, gather, newest_run
from portrait.report.markup import Html, h
from portrait.report.operation_figures import operation_figures
from portrait.report.operations import GLOSSARY, glossary_section, quality_section, quality_tiles, run_section
from portrait.report.section import Section, Tile
from portrait.report.style import CSS
from portrait.report.texts import day, moment, plural
from portrait.run.runner import RunSummary

OPERATION = {"quality": "Data quality", "run": "The run", "glossary": "Terms and tables"}
"""Anchors and headings of the sections that are last on every page."""


def sections() -> list[Section]:
    """The sections about customers: that of labels, and those of all capabilities."""
    of_rooms = [section for room in modules_of_rooms("report") for section in room.SECTIONS]
    return sorted([labels.SECTION, *of_rooms], key=lambda section: (section.place, section.anchor))


def build_report(lake: Lake, *, as_of: date, run: RunSummary | None = None) -> str:
    """The report of the slice of `as_of` as HTML text.

    What it says of the run is about `run` when that changed something, else about the newest run that wrote any of the
    slice. A table that is absent costs its section, which then says so. Only aggregates leave Spark; no clock is read,
    so the same lake gives the same text.
    """
    return _of(lake, gathered(lake, as_of, run))


def write_report(lake: Lake, *, as_of: date, run: RunSummary | None = None) -> Path:
    """Write the report to `<lake>/reports/<run>.html`, whole or not at all; returns the path."""
    figures = gathered(lake, as_of, run)
    path = lake.root / "reports" / f"{figures.run}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".{os.getpid()}.tmp")
    unfinished.write_text(_of(lake, figures), encoding="utf-8")
    unfinished.replace(path)
    return path


def gathered(lake: Lake, as_of: date, run: RunSummary | None = None) -> Figures:
    """The figures of all sections, of a slice and of the run that changed it."""
    number = run.run if run is not None and run.changed else newest_run(lake, as_of)
    wanted = operation_figures(as_of=as_of, run=number)
    for section in sections():
        wanted |= section.figures
    return gather(lake, as_of=as_of, wanted=wanted, run=number)


def _of(lake: Lake, figures: Figures) -> str:
    present = {feed for feed in lake.catalogue.feeds if lake.has(f"bronze.{feed}")}
    done = {job for job, day in lake.records.completions if day in (None, figures.as_of)}
    idle = sorted(done - {row["job"] for row in figures["jobs"]})
    return render(figures, lake.catalogue, missing=left_out(lake.catalogue, present=present), idle=idle)


def render(figures: Figures, catalogue: Catalogue, *, missing: list[LeftOut], idle: list[str]) -> str:
    """The page of given figures; `missing` are absent feeds, `idle` jobs that were up to date in this run."""
    drawn = sections()
    terms = {term: meaning for section in drawn for term, meaning in section.glossary.items()}
    terms = dict(sorted({**GLOSSARY, **terms}.items()))
    anchors = {section.anchor: section.name for section in drawn} | OPERATION
    main = h(
        "main",
        _tiles([tile for section in drawn for tile in section.tiles(figures)] + quality_tiles(figures)),
        *[section.draw(figures, catalogue) for section in drawn],
        quality_section(figures),
        run_section(figures, missing, idle),
        glossary_section(figures, catalogue, terms),
        id="main",
    )
    name = f"Customer portrait, {day(figures.as_of)}"
    head = h(
        "head",
        h("meta", charset="utf-8"),
        h("meta", name="viewport", content="width=device-width, initial-scale=1"),
        h("meta", name="color-scheme", content="light dark"),
        h("title", f"{name} · {figures.lake}"),
        h("style", Html(CSS)),
    )
    body = h(
        "body",
        h("a", "Skip to the figures", href="#main", class_="skip"),
        _header(name, figures, missing),
        h(
            "nav",
            h("ul", *[h("li", h("a", text, href=f"#{anchor}")) for anchor, text in anchors.items()]),
            aria_label="Sections",
        ),
        main,
        _footer(figures),
    )
    return "<!doctype html>\n" + h("html", head, body, lang="en") + "\n"


def _tiles(tiles: list[Tile]) -> Html:
    """Key figures on top of the page."""
    shown = [h("div", h("dt", tile.name), h("dd", h("strong", tile.figure), h("span", tile.against))) for tile in tiles]
    return h("dl", *shown, class_="tiles")


def _header(name: str, figures: Figures, missing: list[LeftOut]) -> Html:
    facts = [f"run {figures.run}"]
    if figures.written_at is not None:
        facts.append(f"computed {moment(figures.written_at)}")
    if missing:
        facts.append(plural(len(missing), "feed") + " absent")
    return h(
        "header",
        h("p", f"Portrait · {figures.lake}", class_="eyebrow"),
        h("h1", name),
        h("p", _chip(figures), *[h("span", fact) for fact in facts], class_="state"),
    )


def _chip(figures: Figures) -> Html:
    served = figures.published
    if figures.is_published and served is not None:
        return h("span", f"Published {moment(served.published_at)}", class_="chip good")
    if served is None:
        return h("span", "Not published", class_="chip bad")
    if figures.is_partly_published:
        others = ", ".join(
            f"{product} ({f'readers see {day(of)}' if of else 'never published'})"
            for product, of in sorted(figures.held.items())
        )
        return h("span", f"Published {moment(served.published_at)}, but for {others}", class_="chip bad")
    same = "an earlier state of this day" if served.as_of == figures.as_of else day(served.as_of)
    return h("span", f"Not published; readers see {same}, run {served.run}", class_="chip bad")


def _footer(figures: Figures) -> Html:
    text = (
        "Counts, sums and averages only; no customer is named. Amounts are in account currency. "
        f"Written by Portrait from the tables of the lake “{figures.lake}”."
    )
    return h("footer", h("p", text))
