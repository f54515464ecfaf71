"""A fitted propensity as a file of JSON, so that a model of last month scores as it did, to the last bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from portrait.capabilities.prospects.boosting import Trees
from portrait.capabilities.prospects.encoding import Bins
from portrait.capabilities.prospects.learners import EvidenceModel, TreesModel
from portrait.capabilities.prospects.logistic import Linear
from portrait.capabilities.prospects.model import Propensity
from portrait.errors import PortraitError

FILE, FORMAT = "propensity.json", 1


def save_propensity(model: Propensity, folder: Path) -> None:
    """Write the model into a folder, over what a run that died has left there."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "format": FORMAT,
        "learner": model.learner,
        "features": list(model.features),
        "left_out": model.left_out,
        "report": model.report,
        "notes": list(model.notes),
        "offset": model._offset,
        "deciles": [list(part) for part in model._deciles],
        "model": None if model._model is model.evidence else _plain(model._model),
        "evidence": _plain(model.evidence),
    }
    (folder / FILE).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def load_propensity(folder: Path) -> Propensity:
    """The model of a folder; PortraitError where there is none that this release can read."""
    try:
        content = json.loads((folder / FILE).read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ValueError(content["format"])
        evidence = _evidence(content["evidence"])
        model = evidence if content["model"] is None else _trees(content["model"])
        edges, shares = content["deciles"]
        return Propensity(
            content["learner"],
            tuple(content["features"]),
            content["left_out"],
            content["report"],
            tuple(content["notes"]),
            model,
            content["offset"],
            (tuple(edges), tuple(shares)),
            evidence,
        )
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise PortraitError(
            "a saved model cannot be read", where=str(folder / FILE), remedy="restore the file, or fit the model again"
        ) from error


def _plain(model: EvidenceModel | TreesModel | None) -> dict[str, Any] | None:
    if model is None:
        return None
    bins = {
        name: {"kind": item.kind, "edges": list(item.edges), "texts": list(item.texts)}
        for name, item in model.bins.items()
    }
    if isinstance(model, EvidenceModel):
        return {
            "bins": bins,
            "evidence": {name: values.tolist() for name, values in model.evidence.items()},
            "intercept": model.linear.intercept,
            "coefficients": model.linear.coefficients.tolist(),
        }
    trees = model.trees
    return {
        "bins": bins,
        "order": {name: ranking.tolist() for name, ranking in model.order.items()},
        "start": trees.start,
        "depth": trees.depth,
        "split_on": trees.features.tolist(),
        "thresholds": trees.thresholds.tolist(),
        "leaves": trees.leaves.tolist(),
    }


def _bins(found: dict[str, Any]) -> dict[str, Bins]:
    return {
        name: Bins(item["kind"], tuple(item["edges"]), tuple(item["texts"])) for name, item in found["bins"].items()
    }


def _evidence(found: dict[str, Any] | None) -> EvidenceModel | None:
    if found is None:
        return None
    evidence = {name: np.array(values) for name, values in found["evidence"].items()}
    return EvidenceModel(_bins(found), evidence, Linear(found["intercept"], np.array(found["coefficients"])))


def _trees(found: dict[str, Any]) -> TreesModel:
    order = {name: np.array(ranking, dtype=np.int32) for name, ranking in found["order"].items()}
    trees = Trees(
        found["start"],
        found["depth"],
        np.array(found["split_on"], dtype=np.int32),
        np.array(found["thresholds"], dtype=np.int32),
        np.array(found["leaves"]),
    )
    return TreesModel(_bins(found), order, trees)
