"""The report of a slice as one HTML file: no script, nothing to load, light and dark, phone and desk."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

from portrait.contracts import Catalogue
from portrait.lake import Lake
from portrait.report.absent import LeftOut, left_out
from portrait.report.figures import Figures, gather
from portrait.report.groups import groups_section
from portrait.report.markup import Html, h
from portrait.report.offers import labels_section, recommendations_section
from portrait.report.operations import glossary_section, quality_section, run_section
from portrait.report.style import CSS
from portrait.report.tiers import key_figures, tiers_section
from portrait.report.words import day, moment, plural
from portrait.runner import RunSummary

SECTIONS = {
    "tiers": "Tiers",
    "groups": "Groups",
    "labels": "Labels",
    "recommendations": "Recommendations",
    "quality": "Data quality",
    "run": "The run",
    "glossary": "Words and tables",
}


def build_report(lake: Lake, *, as_of: date, run: RunSummary | None = None) -> str:
    """The report of the slice of `as_of` as HTML text.

    What it says of the run is about `run` when that changed something, else about the newest run that wrote any of the
    slice. A table that is absent costs its section, which then says so. Only aggregates leave Spark; no clock is read,
    so the same lake gives the same text.
    """
    return _of(lake, gather(lake, as_of=as_of, run=_number(run)))


def write_report(lake: Lake, *, as_of: date, run: RunSummary | None = None) -> Path:
    """Write the report to `<lake>/reports/<run>.html`, whole or not at all; returns the path."""
    figures = gather(lake, as_of=as_of, run=_number(run))
    path = lake.root / "reports" / f"{figures.run}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".{os.getpid()}.tmp")
    unfinished.write_text(_of(lake, figures), encoding="utf-8")
    unfinished.replace(path)
    return path


def _number(run: RunSummary | None) -> int | None:
    return run.run if run is not None and run.changed else None


def _of(lake: Lake, figures: Figures) -> str:
    present = {feed for feed in lake.catalogue.feeds if lake.has(f"bronze.{feed}")}
    done = {job for job, day in lake.records.completions if day in (None, figures.as_of)}
    idle = sorted(done - {row["job"] for row in figures["jobs"]})
    return render(figures, lake.catalogue, missing=left_out(lake.catalogue, present=present), idle=idle)


def render(figures: Figures, catalogue: Catalogue, *, missing: list[LeftOut], idle: list[str]) -> str:
    """The page of given figures; `missing` are absent feeds, `idle` jobs that were up to date in this run."""
    main = h(
        "main",
        key_figures(figures),
        tiers_section(figures),
        groups_section(figures),
        labels_section(figures, catalogue),
        recommendations_section(figures),
        quality_section(figures),
        run_section(figures, missing, idle),
        glossary_section(figures, catalogue),
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
            h("ul", *[h("li", h("a", text, href=f"#{anchor}")) for anchor, text in SECTIONS.items()]),
            aria_label="Sections",
        ),
        main,
        _footer(figures),
    )
    return "<!doctype html>\n" + h("html", head, body, lang="en") + "\n"


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
