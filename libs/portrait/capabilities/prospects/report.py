"""The section about prospects: how many customers each model scores, and how good it is."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.contracts import Catalogue
from portrait.report.charts import Bar, bars
from portrait.report.figures import Figure, Figures, Row, customers_counted, whole_slice
from portrait.report.markup import Head, Html, card, folded, remark, section, table
from portrait.report.section import Section, Tile
from portrait.report.texts import NONE, count, percent, plural

_ENDING = "_propensity"


def prospects_section(figures: Figures, catalogue: Catalogue) -> Html:
    """Per model its deciles and figures, or why nothing is scored."""
    anchor, name = "prospects", "Prospects"
    if not figures.has("prospect_models"):
        return section(anchor, name, "Prospects were not computed for this day.")
    models = sorted(figures["prospect_models"], key=lambda row: row["target"])
    scored = [row for row in models if row["state"] == "scored"]
    if not models:
        return section(anchor, name, "No target is declared in conf/prospects.")
    lead = f"{plural(len(scored), 'model')} of {len(models)} {'has' if len(scored) == 1 else 'have'} scores."
    cards = [_scored_card(row, figures["prospect_deciles"]) for row in scored]
    cards += [
        remark(row["title"], f"Nothing is scored: {row['reason']}.") for row in models if row["state"] == "refused"
    ]
    return section(anchor, name, lead, *cards, _quality_card(scored) if scored else None)


def _scored_card(model: Row, deciles: list[Row]) -> Html:
    own = {row["decile"]: row for row in deciles if row["target"] == model["target"]}
    rows = [
        Bar(f"Tenth {place}", float(own[place]["mean"]), percent(own[place]["mean"]))
        for place in range(10, 0, -1)
        if place in own
    ]
    note = (
        f"Expected takers among {count(model['customers'])} customers who could, by tenth of the score; "
        f"{percent(model['mean_propensity'])} over all."
    )
    return card(model["title"], bars(f"{model['title']}: expected share by tenth of the score", rows), note=note)


def _quality_card(models: list[Row]) -> Html:
    heads = [Head("Model"), Head("AUC", True), Head("Interval", True), Head("Lift at 10 %", True)]
    heads += [Head("Calibration slope", True), Head("PSI", True), Head("Measured on"), Head("Decision")]
    lines = [
        [
            row["title"],
            _figure(row["auc"]),
            f"{_figure(row['auc_low'])}-{_figure(row['auc_high'])}",
            _figure(row["lift_at_10"]),
            _figure(row["calibration_slope"]),
            _figure(row["psi"]),
            str(row["validated_on"]),
            row["decision"],
        ]
        for row in models
    ]
    left = [
        [row["title"], feature, reason] for row in models for feature, reason in sorted((row["left_out"] or {}).items())
    ]
    out = table("Features left out", [Head("Model"), Head("Feature"), Head("Why")], left) if left else None
    return card(
        "How good the models are",
        table("Models", heads, lines),
        folded("Features left out", out) if out else None,
        note="On a later slice than all that they learnt from. A slope of 1 means that probabilities come true.",
        wide=True,
    )


def _figure(value: object) -> str:
    return NONE if value is None else f"{float(str(value)):.3f}"


def prospect_tiles(figures: Figures) -> list[Tile]:
    """How many customers have a score."""
    scored = [row for row in figures["prospect_models"] if row["state"] == "scored"]
    if not scored:
        return []
    best = max(scored, key=lambda row: float(row["auc"] or 0))
    return [Tile("Models of prospects", str(len(scored)), f"best AUC {_figure(best['auc'])} ({best['title']})")]


def by_decile(scores: DataFrame) -> DataFrame:
    """One row per target and decile: customers, and their mean probability."""
    targets = [name.removesuffix(_ENDING) for name in scores.columns if name.endswith(_ENDING)]
    each = [
        F.struct(
            F.lit(name).alias("target"), F.col(f"{name}_decile").alias("decile"), F.col(f"{name}{_ENDING}").alias("p")
        )
        for name in targets
    ]
    nothing = F.array().cast("array<struct<target:string,decile:int,p:double>>")
    long = scores.select(F.inline(F.array(*each) if each else nothing)).where("decile is not null")
    return long.groupBy("target", "decile").agg(customers_counted(), F.avg("p").alias("mean"))


SECTIONS = (
    Section(
        anchor="prospects",
        name="Prospects",
        place=42,
        draw=prospects_section,
        figures={
            "prospect_models": Figure("gold.prospect_models", whole_slice),
            "prospect_deciles": Figure("gold.prospect_scores", by_decile),
        },
        tiles=prospect_tiles,
        glossary={
            "Propensity": "The probability that a customer does something within a stated period.",
            "AUC": "The probability that a customer who did it had a higher score than one who did not; .5 is chance.",
        },
    ),
)
