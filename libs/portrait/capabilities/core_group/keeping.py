"""Models of core groups in the model store: one model per population, saved when it is fitted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from pyspark.sql import DataFrame

from portrait.capabilities.core_group.mining import Mined, checked_offers
from portrait.capabilities.core_group.model import CoreModel, read_core_model, write_core_model
from portrait.capabilities.core_group.serving import unsuitable_offers
from portrait.entities.versions import as_of as versions_at
from portrait.lake import Lake, ModelStore

STEPS, OFFERS, PRODUCTS = "gold.core_group_steps", "gold.recommendations", "silver.products"


def model_name(population: str) -> str:
    """The name of a population's model in ops.models."""
    return f"core_group_{population}"


def earlier_models(lake: Lake, as_of: date) -> dict[str, CoreModel]:
    """Population to the model that assigned its customers in the slice before."""
    if lake.previous_as_of(STEPS, as_of) is None:
        return {}
    before = lake.previous_slice(STEPS, as_of).where("step = 5").select("population", "model_version")
    return {
        row["population"]: read_core_model(lake.root / "models" / model_name(row["population"]) / row["model_version"])
        for row in before.collect()  # a row per population
    }


def keep_models(store: ModelStore, mined: Sequence[Mined], *, as_of: date) -> None:
    """Save the models that are new."""
    for found in mined:
        model = found.model
        if model is None or not found.fresh:
            continue

        def write(folder: Path, model: CoreModel = model) -> None:
            write_core_model(model, folder)

        told = {"view": model.view.name, "deep_refused": model.deep_refused or "no", "settings": model.settings}
        told |= {"features": ", ".join(model.cleaner.features)}
        figures = model.figures | {"ari_refits": model.stable.ari}
        store.save(model_name(found.population.id), write, as_of=as_of, metrics=figures, parameters=told)


def with_suitability(lake: Lake, mined: Sequence[Mined], features: DataFrame, *, as_of: date) -> list[Mined]:
    """With what the recommendations of each population mean for its last step; gold.core_group must be written."""
    if not lake.has(OFFERS) or not lake.has(PRODUCTS) or as_of not in lake.slices(OFFERS):
        return list(mined)
    products = versions_at(lake.read(PRODUCTS), as_of, zone=lake.catalogue.time_zone)
    members = lake.rows("gold.core_group", as_of=as_of)
    wrong = unsuitable_offers(members, lake.slice(OFFERS, as_of), products, features)
    return [checked_offers(found, wrong.get(found.population.id, 0)) for found in mined]
