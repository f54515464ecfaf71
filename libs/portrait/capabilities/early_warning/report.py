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

_SHOWN = 15


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
    cards = (_classes_card(figures), _signals_card(figures), _list_card(figures))
    return section(anchor, name, lead, *cards, *_hazard_cards(figures))


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


def _hazard_cards(figures: Figures) -> list[Html]:
    """What the forecast of arrears is worth, and the loans that fell without a warning."""
    if not figures.has("hazard_model") or not figures["hazard_model"]:
        return []
    row, name = figures["hazard_model"][0], "Forecast of arrears"
    if row["state"] == "no_instalments":
        return [remark(name, "The bank delivers no instalments: nothing is forecast.")]
    if row["state"] != "fitted":
        few = f"{plural(row['events'], 'loan')} fell into arrears, {row['least_events']} are asked for: no model."
        return [remark(name, few), _missed_card(figures)]
    heads = [Head("Ranked on"), Head("Loans", True), Head("Fell", True), Head("Worked on", True),
             Head("Precision", True), Head("Recall", True)]  # fmt: skip
    judged = [] if row["judged_on"] is None else [[
        str(row["judged_on"]), count(row["judged_loans"]), count(row["judged_events"]), count(row["worked"]),
        percent(row["precision"]), "-" if row["recall"] is None else percent(row["recall"]),
    ]]  # fmt: skip
    note = f"Fitted on {count(row['loan_months'])} months of loans, {count(row['events'])} ended in arrears."
    if not judged:
        return [remark(name, f"{note} Too little is known to judge a ranking."), _missed_card(figures)]
    return [card(name, table("Ranking of an earlier day", heads, judged), note=note), _missed_card(figures)]


def _missed_card(figures: Figures) -> Html:
    rows = figures["missed_loans"]
    if not rows:
        return remark("False calm", "Every loan that fell into arrears within twelve months was warned of in time.")
    heads = [Head("Loan"), Head("In arrears since")]
    lines = [[row["loan_id"], str(row["arrears_on"])] for row in rows]
    note = "Loans that fell into arrears without a sign before; portrait warnings missed lists them all."
    return card("False calm", table("Missed loans, the newest first", heads, lines), note=note)


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


def missed(loans: DataFrame) -> DataFrame:
    """Loans that fell into arrears without a sign: loan_id, arrears_on; the newest."""
    found = loans.where("is_missed").select("loan_id", "arrears_on")
    return found.orderBy(F.col("arrears_on").desc(), "loan_id").limit(_SHOWN)


def fitted(models: DataFrame) -> DataFrame:
    """The row of the model."""
    return models.drop("as_of", "model_version")


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
            "hazard_model": Figure("gold.hazard_model", fitted),
            "missed_loans": Figure("gold.loan_hazards", missed),
        },
        tiles=warning_tiles,
        glossary={
            "Days past due": "Days since the oldest instalment fell due that is not paid in full.",
            "Class of a loan": "Normal, special mention, substandard, doubtful, loss: by days past due at least.",
        },
    ),
)
