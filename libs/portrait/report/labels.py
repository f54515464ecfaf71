"""The section about labels: how many customers each one knows, and how the key labels are distributed."""

from __future__ import annotations

import re
from collections import defaultdict

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.contracts import Catalogue, Column
from portrait.report.charts import Bar, bars
from portrait.report.figures import Figure, Figures, Of, Row, whole_slice
from portrait.report.histories import LEGEND, histories
from portrait.report.markup import Head, Html, bar, card, folded, h, remark, section, table
from portrait.report.section import Section, Tile
from portrait.report.texts import count, listing, percent, plain, plural, ratio, title

PORTRAIT = "gold.customer_portrait"
SEGMENTS = "gold.segments"
CHIEF = 6
"""Distributions on the page; the others are in a table."""
MOST_VALUES = 12
"""A label with more values than this is not drawn."""
VALUES = 7
"""Values of a distribution that are drawn."""
FEWEST = 5
"""Values of personal labels that fewer customers share are not told apart."""


def labels_section(figures: Figures, catalogue: Catalogue) -> Html:
    """How many customers each label knows, by theme, and how the key labels are spread."""
    labels = sorted(figures["labels"], key=lambda row: (row["theme"], row["label"]))
    if not labels:
        return section("labels", "Labels", "Labels were not computed for this day.")
    columns = {column.name: column for column in catalogue.table(PORTRAIT).columns}
    themes: dict[str, list[Row]] = defaultdict(list)
    for row in labels:
        themes[row["theme"]].append(row)
    coverage = [float(row["coverage"]) for row in labels if row["coverage"] is not None]
    mean = sum(coverage) / len(coverage) if coverage else None
    unknown = [_name(row["label"], columns) for row in labels if not row["known"]]
    size = f"{plural(len(labels), 'label')} in {plural(len(themes), 'theme')}"
    lead = f"{size}, known for {percent(mean)} of customers on average."
    if unknown:
        lead += f" Known of nobody: {listing(unknown)}."
    chosen = chief_labels(labels, catalogue)
    small = [_spread(row, columns.get(row["label"])) for row in chosen]
    return section(
        "labels",
        "Labels",
        lead,
        _doubts_card(labels, columns),
        h("div", *[_theme(theme, rows, columns) for theme, rows in themes.items()], class_="flow wide"),
        _histories_card(figures, themes, columns),
        h("h3", "How key labels are spread", class_="wide between"),
        h("div", *small, class_="triple wide"),
        card("All values", folded("Customers by label and value", _values(labels, columns)), wide=True),
    )


def _histories_card(figures: Figures, themes: dict[str, list[Row]], columns: dict[str, Column]) -> Html:
    """Each label's history, one fold per theme."""
    series = {row["label"]: row["slices"] for row in figures["label_series"]}
    folds = [
        folded(title(theme), histories(theme, rows, series, lambda label: _name(label, columns)))
        for theme, rows in themes.items()
    ]
    return card("Each label by slice", *folds, wide=True, note=LEGEND)


def _doubts_card(labels: list[Row], columns: dict[str, Column]) -> Html:
    """Labels that are suspect, stale or failed, with the reasons."""
    name = "Labels in doubt"
    doubted = [row for row in labels if row.get("status") not in (None, "trusted")]
    if not doubted:
        return remark(name, "None.")
    heads = [Head("Label"), Head("State"), Head("Why")]
    lines = [
        [_name(row["label"], columns), h("span", row["status"], class_="bad"), "; ".join(row["reasons"])]
        for row in sorted(doubted, key=lambda row: (row["status"], row["theme"], row["label"]))
    ]
    return card(
        name,
        table("Labels that are suspect, stale or failed", heads, lines),
        wide=True,
        note="By conf/trust.yml and the labels' own files. Audiences that read one warn or refuse.",
    )


def _name(label: str, columns: dict[str, Column]) -> str:
    """The title of a label: its column's description begins with it."""
    column = columns.get(label)
    return column.description.split(". ")[0].rstrip(".") if column and column.description else title(label)


def _theme(theme: str, rows: list[Row], columns: dict[str, Column]) -> Html:
    heads = [Head("Label"), Head("Kind"), Head("Known", True)]
    lines = [
        [_name(row["label"], columns), row["kind"], bar(row["coverage"], percent(row["coverage"]))] for row in rows
    ]
    return card(title(theme), table(f"Coverage of the labels of theme {plain(theme)}", heads, lines))


def chief_labels(labels: list[Row], catalogue: Catalogue) -> list[Row]:
    """The labels whose spread is drawn: those of gold.segments first, then others with a handful of values.

    Numbers and dates are left to the table: their counts are by magnitude and by year.
    """
    segments = catalogue.contracts.get(SEGMENTS)
    chosen = [] if segments is None else segments.column_names
    kinds = {column.name: column.physical_type for column in catalogue.table(PORTRAIT).columns}
    drawable = [
        row
        for row in labels
        if kinds.get(row["label"]) in ("STRING", "BOOLEAN") and 2 <= len(row["distribution"]) <= MOST_VALUES
    ]
    ranked = sorted(drawable, key=lambda row: (row["label"] not in chosen, -len(row["distribution"]), row["label"]))
    return ranked[:CHIEF]


def spread(row: Row, column: Column | None) -> list[tuple[str, int]]:
    """Customers by value: in the order of the column's enumeration, else the most frequent first.

    Of personal labels, values that fewer than `FEWEST` customers share are added up as "other values".
    """
    order = {value: place for place, value in enumerate(column.enum)} if column else {}
    found = [(value, int(customers)) for value, customers in row["distribution"].items()]
    found.sort(key=lambda item: (order.get(item[0], len(order)), -item[1], item[0]))
    personal = column is None or column.classification in ("personal", "sensitive")
    keep = [item for item in found if not personal or item[1] >= FEWEST]
    rest = sum(customers for _, customers in found) - sum(customers for _, customers in keep)
    return [*keep, ("other values", rest)] if rest else keep


def _spread(row: Row, column: Column | None) -> Html:
    name = _name(row["label"], {} if column is None else {column.name: column})
    values = spread(row, column)
    shown, rest = values[:VALUES], sum(customers for _, customers in values[VALUES:])
    drawn = [*shown, ("all others", rest)] if rest else shown
    customers = int(row["customers"])
    rows = [Bar(_value(value), n, f"{count(n)} · {percent(ratio(n, customers))}") for value, n in drawn]
    if unknown := customers - int(row["known"]):
        rows.append(Bar("unknown", unknown, f"{count(unknown)} · {percent(ratio(unknown, customers))}", accent="muted"))
    return card(name, bars(f"Customers by {name}", rows, small=True))


_SPOKEN = {"true": "yes", "false": "no", "vip": "VIP"}
_MAGNITUDE = re.compile(r"^under \d+$|^\d+ and more$")


def _value(value: str) -> str:
    """A value for reading: `36_50` -> "36–50", `under 100000` -> "under 100,000"."""
    if value in _SPOKEN:
        return _SPOKEN[value]
    text = plain(re.sub(r"(?<=\d)_(?=\d)", "–", value))
    return re.sub(r"\b\d{4,}\b", lambda found: count(int(found[0])), text) if _MAGNITUDE.search(text) else text


def _values(labels: list[Row], columns: dict[str, Column]) -> Html:
    heads = [Head("Label"), Head("Value"), Head("Customers", True), Head("Share of all", True)]
    lines = [
        [_name(row["label"], columns), _value(value), count(n), percent(ratio(n, row["customers"]))]
        for row in labels
        for value, n in spread(row, columns.get(row["label"]))[:20]
    ]
    return table("Customers by label and value, the twenty most frequent values of each", heads, lines)


def label_tiles(figures: Figures) -> list[Tile]:
    """How many labels, and for how many customers they are known."""
    if not figures.has("labels"):
        return []
    coverage = [float(row["coverage"]) for row in figures["labels"] if row["coverage"] is not None]
    mean = sum(coverage) / len(coverage) if coverage else None
    return [Tile("Labels", count(len(figures["labels"])), f"known for {percent(mean)} on average")]


def label_series(statistics: DataFrame) -> DataFrame:
    """One row per label: by slice, oldest first, the shares that are known and yes (NULL: no yes-or-no)."""
    told, customers = F.col("distribution"), F.col("customers")
    is_yes_or_no = F.size(F.array_except(F.map_keys(told), F.array(F.lit("true"), F.lit("false")))) == 0
    yes = F.when(is_yes_or_no & (F.size(told) > 0), F.coalesce(F.try_element_at(told, F.lit("true")), F.lit(0)))
    point = F.struct(
        "as_of",
        F.round(F.try_divide("known", customers), 4).alias("known"),
        F.round(F.try_divide(yes, customers), 4).alias("yes"),
    )
    return statistics.groupBy("label").agg(F.sort_array(F.collect_list(point)).alias("slices"))


STATISTICS = "gold.label_statistics"
SECTION = Section(
    anchor="labels",
    name="Labels",
    place=30,
    draw=labels_section,
    figures={"labels": Figure(STATISTICS, whole_slice), "label_series": Figure(STATISTICS, label_series, Of.history)},
    tiles=label_tiles,
    glossary={
        "Coverage": "Share of the customers for whom a label is known. Unknown is not “no”.",
        "Suspect": "A label whose coverage, flips or stability (PSI) against an earlier slice exceeds its threshold.",
        "Stale": "A label whose newest facts are older than its freshness allows.",
    },
)
