"""The section about early warning: classes of loans, signals, and what happened on the watch list."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.capabilities.early_warning.payments import CLASSES
from portrait.contracts import Catalogue
from portrait.report.charts import Bar, bars
from portrait.report.figures import MOST, Figure, Figures
from portrait.report.markup import Head, Html, card, remark, section, table
from portrait.report.section import Section, Tile
from portrait.report.texts import amount, count, percent, plain, plural, ratio


def warnings_section(figures: Figures, catalogue: Catalogue) -> Html:
    """How many loans are of each class, which signals are on, what the watch list saw."""
    anchor, name = "early-warning", "Early warning"
    if not figures.has("loan_classes"):
        return section(anchor, name, "Early warning was not computed for this day.")
    loans = figures.total("loan_classes", "loans")
    if not loans:
        return section(anchor, name, "The bank delivers no loans, or none runs.", _signals_card(figures))
    bad = sum(int(row["loans"]) for row in figures["loan_classes"] if CLASSES.index(row["class"]) > 1)
    lead = f"{plural(loans, 'loan')}; {count(bad)} ({percent(ratio(bad, loans))}) are substandard or worse."
    return section(anchor, name, lead, _classes_card(figures), _signals_card(figures), _list_card(figures))


def _classes_card(figures: Figures) -> Html:
    rows = {row["class"]: row for row in figures["loan_classes"]}
    heads = [Head("Class"), Head("Loans", True), Head("Overdue", True)]
    lines = [
        [plain(name), count(rows[name]["loans"]), amount(rows[name]["overdue"])] for name in CLASSES if name in rows
    ]
    return card("Classes", table("Loans by class", heads, lines), note="Overdue: due and not paid.")


def _signals_card(figures: Figures) -> Html:
    rows = figures["warning_signals"]
    if not rows:
        return remark("Signals", "No signal is on.")
    drawn = [Bar(plain(row["signal"]), float(row["customers"]), count(row["customers"])) for row in rows]
    return card("Signals", bars("Customers by signal", drawn), note="Customers for whom the signal is on.")


def _list_card(figures: Figures) -> Html:
    rows = figures["watch_events"]
    if not rows:
        return remark("Watch list", "Nothing has come onto the watch list yet.")
    newest = max(row["day"] for row in rows)
    heads = [Head("Event"), Head("Entries", True)]
    lines = [[plain(row["event"]), count(row["entries"])] for row in rows if row["day"] == newest]
    return card("Watch list", table(f"Events of {newest}", heads, lines), note=f"Events of {newest}.")


def warning_tiles(figures: Figures) -> list[Tile]:
    """Loans that are substandard or worse."""
    loans = figures.total("loan_classes", "loans") if figures.has("loan_classes") else 0
    if not loans:
        return []
    bad = sum(int(row["loans"]) for row in figures["loan_classes"] if CLASSES.index(row["class"]) > 1)
    return [Tile("Non-performing loans", count(bad), f"{percent(ratio(bad, loans))} of all loans")]


def by_class(loans: DataFrame) -> DataFrame:
    """One row per class: loans, overdue."""
    return loans.groupBy("class").agg(F.count("*").alias("loans"), F.sum("overdue").alias("overdue"))


def by_signal(customers: DataFrame) -> DataFrame:
    """One row per signal: customers for whom it is on."""
    on = customers.select(F.explode("signals").alias("signal")).groupBy("signal")
    return on.agg(F.count("*").alias("customers")).orderBy(F.col("customers").desc(), "signal").limit(MOST)


def by_event(events: DataFrame) -> DataFrame:
    """One row per day and event of the watch list: entries."""
    found = events.groupBy("day", "event").agg(F.count("*").alias("entries"))
    return found.orderBy(F.col("day").desc(), "event").limit(MOST)


SECTIONS = (
    Section(
        anchor="early-warning",
        name="Early warning",
        place=62,
        draw=warnings_section,
        figures={
            "loan_classes": Figure("gold.loan_warnings", by_class),
            "warning_signals": Figure("gold.customer_warnings", by_signal),
            "watch_events": Figure("gold.watch_list", by_event),
        },
        tiles=warning_tiles,
        glossary={
            "Days past due": "Days since the oldest instalment fell due that is not paid in full.",
            "Class of a loan": "Normal, special mention, substandard, doubtful, loss: by days past due at least.",
        },
    ),
)
