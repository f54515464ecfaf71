"""Models of core groups in the model store: one model per population, saved when it is fitted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from portrait.capabilities.core_group.mining import Mined
from portrait.capabilities.core_group.model import CoreModel, read_core_model, write_core_model
from portrait.lake import Lake, ModelStore

STEPS = "gold.core_group_steps"


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
