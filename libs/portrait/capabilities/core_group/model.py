"""A core-group model: how customers become groups, saved as arrays and words; executors need numpy alone."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from portrait.capabilities.core_group.cleaning import Cleaner
from portrait.capabilities.core_group.idec import Matrix, Scale
from portrait.capabilities.core_group.policy import CoreGroupPolicy
from portrait.capabilities.core_group.views import Stable, View
from portrait.capabilities.groups.policy import GroupPolicy
from portrait.errors import PortraitError
from portrait.faults import fault_point


@dataclass(frozen=True)
class CoreModel:
    """One population's groups: cleaning, view with centres, numbers and names by centre, stability, why not deep.

    `settings`: digest of what it was fitted by; with other settings it is not used again.
    """

    version: str
    fitted_on: date
    settings: str
    cleaner: Cleaner
    view: View
    stable: Stable
    ids: tuple[int, ...]
    names: tuple[str, ...]
    next_id: int
    deep_refused: str | None
    figures: dict[str, float]


def settings_digest(policy: CoreGroupPolicy, features: GroupPolicy) -> str:
    """Of everything that decides how groups are found; plans and gates decide about them later."""
    told = policy.model_dump(exclude={"populations", "gates", "rule", "refit_days"}, mode="json")
    columns = [feature.model_dump(mode="json") for feature in features.features]
    return hashlib.sha256(json.dumps([told, columns, features.totals], sort_keys=True).encode()).hexdigest()[:16]


def write_core_model(model: CoreModel, folder: Path) -> None:
    """Write a model into a folder: arrays.npz, then model.json."""
    folder.mkdir(parents=True, exist_ok=True)
    cleaner, view, stable = model.cleaner, model.view, model.stable
    arrays: dict[str, Matrix] = {
        f"clean_{name}": getattr(cleaner, name) for name in ("low", "high", "centre", "spread")
    }
    arrays |= {f"view_{name}": getattr(view, name) for name in ("mean", "directions", "centres")}
    arrays |= {"scale_shift": view.scale.shift, "scale_divisor": view.scale.divisor}
    arrays |= {f"weight_{name}": array for name, array in view.weights.items()}  # type: ignore[misc]
    arrays |= {f"stable_{name}": getattr(stable, name) for name in ("jaccard", "low", "high")}
    np.savez(folder / "arrays.npz", **arrays)  # type: ignore[arg-type]
    fault_point("model.half_written", "core_group")
    told = {
        "version": model.version,
        "fitted_on": model.fitted_on.isoformat(),
        "settings": model.settings,
        "features": cleaner.features,
        "kinds": cleaner.kinds,
        "clip": cleaner.clip,
        "dropped": cleaner.dropped,
        "coverage": cleaner.coverage,
        "view": view.name,
        "ari": stable.ari,
        "ids": model.ids,
        "names": model.names,
        "next_id": model.next_id,
        "deep_refused": model.deep_refused,
        "figures": model.figures,
    }
    (folder / "model.json").write_text(json.dumps(told, indent=1, ensure_ascii=False), encoding="utf-8")


def read_core_model(folder: Path) -> CoreModel:
    """A saved model; PortraitError when it is gone."""
    try:
        told = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        with np.load(folder / "arrays.npz", allow_pickle=False) as found:
            arrays = {name: found[name] for name in found.files}
    except OSError as error:
        raise PortraitError(
            "the model of the core group is gone",
            where=str(folder),
            remedy="run `core_group` for the day before again, which makes a new one",
        ) from error
    parts = {kind: {n.removeprefix(kind): a for n, a in arrays.items() if n.startswith(kind)} for kind in _KINDS}
    cleaner = Cleaner(
        tuple(told["features"]),
        tuple(told["kinds"]),
        **parts["clean_"],
        clip=told["clip"],
        dropped=told["dropped"],
        coverage=told["coverage"],
    )
    view = View(told["view"], Scale(**parts["scale_"]), **parts["view_"], weights=parts["weight_"])
    return CoreModel(
        told["version"],
        date.fromisoformat(told["fitted_on"]),
        told["settings"],
        cleaner,
        view,
        Stable(told["ari"], **parts["stable_"]),
        tuple(told["ids"]),
        tuple(told["names"]),
        told["next_id"],
        told["deep_refused"],
        told["figures"],
    )


_KINDS = ("clean_", "view_", "scale_", "weight_", "stable_")
