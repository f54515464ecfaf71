"""A scorecard as a file of the model store: written and read whole."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from portrait.capabilities.credit.bins import Totals
from portrait.capabilities.credit.counts import Source
from portrait.capabilities.credit.cutoff import Outcome
from portrait.capabilities.credit.feature import Bin, BinnedFeature
from portrait.capabilities.credit.policy import Points
from portrait.capabilities.credit.regression import Line
from portrait.capabilities.credit.scorecard import Scorecard

MODEL: Final = "scorecard"
"""Its name in ops.models."""
FILE: Final = "scorecard.json"


def write_card(
    card: Scorecard,
    folder: Path,
    *,
    grades: dict[str, int],
    outcomes: Sequence[Outcome] = (),
    earlier: str | None = None,
) -> None:
    """Write it with `grades`: rows of the population by grade; and `outcomes` of it, `earlier` being the version of the
    scorecard that they are compared with."""
    folder.mkdir(parents=True, exist_ok=True)
    content = asdict(card) | {"scale": card.scale.model_dump(), "grades": grades, "points": _points(card)}
    content |= {"outcomes": [list(row) for row in outcomes], "earlier": earlier}
    (folder / FILE).write_text(json.dumps(content, indent=1, sort_keys=True), encoding="utf-8")


def _points(card: Scorecard) -> list[list[float]]:
    return [card.points_of(place) for place in range(len(card.features))]


def read_card(folder: Path) -> tuple[Scorecard, dict[str, int]]:
    """The scorecard, and rows of its population by grade."""
    content: dict[str, Any] = json.loads((folder / FILE).read_text(encoding="utf-8"))
    features = tuple(
        BinnedFeature(
            source=Source(**item["source"]),
            bins=tuple(Bin(**each) for each in item["bins"]),
            cuts=tuple(item["cuts"]),
            texts=tuple(tuple(values) for values in item["texts"]),
            special=tuple(item["special"]),
            **{name: item[name] for name in ("unseen", "information", "ordered")},
        )
        for item in content["features"]
    )
    line = Line(content["line"]["intercept"], tuple(content["line"]["coefficients"]))
    card = Scorecard(
        features, line, content["left_out"], content["information"], Totals(**content["totals"]),
        Points(**content["scale"]),
    )  # fmt: skip
    return card, content["grades"]
