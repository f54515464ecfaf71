"""A fitted uplift as a file of JSON, so that a later campaign orders its customers by it, to the last bit."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from portrait.capabilities.campaigns.design import Design, Number, Text
from portrait.capabilities.campaigns.learners import ClassTransformation, TLearner, XLearner
from portrait.capabilities.campaigns.uplift import Uplift
from portrait.capabilities.prospects.boosting import Trees
from portrait.capabilities.prospects.encoding import Bins
from portrait.capabilities.prospects.logistic import Linear
from portrait.errors import PortraitError

FILE, FORMAT = "uplift.json", 1
_PARTS = {
    part.__name__: part
    for part in (Design, Number, Text, TLearner, ClassTransformation, XLearner, Trees, Bins, Linear, Uplift)
}
"""What a file may consist of; anything else in it is refused."""


def save_uplift(model: Uplift, folder: Path) -> None:
    """Write the model into a folder, over what a run that died has left there; its curve is not kept."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_text(json.dumps({"format": FORMAT, "model": _plain(model)}), encoding="utf-8")


def load_uplift(folder: Path) -> Uplift:
    """The model of a folder; PortraitError where there is none that this release can read."""
    try:
        content = json.loads((folder / FILE).read_text(encoding="utf-8"))
        model = _object(content["model"]) if content["format"] == FORMAT else None
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise _unreadable(folder) from error
    if not isinstance(model, Uplift):
        raise _unreadable(folder)
    return model


def _unreadable(folder: Path) -> PortraitError:
    return PortraitError(
        "a saved model cannot be read", where=str(folder / FILE), remedy="restore the file, or fit the model again"
    )


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        content = {item.name: _plain(getattr(value, item.name)) for item in fields(value) if item.name != "curve"}
        return {"part": type(value).__name__, "of": content}
    if isinstance(value, np.ndarray):
        return {"array": value.tolist(), "kind": str(value.dtype)}
    if isinstance(value, dict):
        return {"map": [[key, _plain(item)] for key, item in value.items()]}
    if isinstance(value, tuple):
        return {"tuple": [_plain(item) for item in value]}
    if isinstance(value, np.generic):
        return value.item()
    return value


def _object(plain: Any) -> Any:
    if not isinstance(plain, dict):
        return plain
    if "part" in plain:
        return _PARTS[plain["part"]](**{name: _object(item) for name, item in plain["of"].items()})
    if "array" in plain:
        return np.array(plain["array"], dtype=plain["kind"])
    if "tuple" in plain:
        return tuple(_object(item) for item in plain["tuple"])
    return {key: _object(item) for key, item in plain["map"]}
