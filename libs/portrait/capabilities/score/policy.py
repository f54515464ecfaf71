"""`conf/score.yml`: how the value score is computed."""

from __future__ import annotations

import math
from datetime import date
from itertools import product
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from portrait.capabilities.contribution.policy import load_contribution_policy
from portrait.capabilities.score.weights import CONSISTENT, ahp_weights
from portrait.errors import ConfigurationError
from portrait.settings import Strict, line_of, load_yaml

Share = Annotated[float, Field(ge=0, le=1)]

Fifth = Annotated[int, Field(ge=1, le=5)]
Fifths = tuple[Fifth, Fifth]

PARTS = ("recency", "frequency", "monetary", "assets")
RFM = ("recency", "frequency", "monetary")


class Weights(Strict):
    """Shares of the score; together 1."""

    recency: Share
    frequency: Share
    monetary: Share
    assets: Share

    @model_validator(mode="after")
    def _sum_to_one(self) -> Self:
        total = self.recency + self.frequency + self.monetary + self.assets
        if not math.isclose(total, 1.0, abs_tol=1e-9):
            raise ValueError(f"the weights sum to {total:.6g}; they must sum to 1")
        return self

    def of(self, part: str) -> float:
        """The weight of one of PARTS."""
        return float(getattr(self, part))


class Winsorise(Strict):
    """Quantiles of the slice that measures are cut to."""

    lower: Share
    upper: Share

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.lower >= self.upper:
            raise ValueError("lower must be below upper")
        return self


class Assets(Strict):
    """Which average of deposits counts as assets, and which products held beside accounts."""

    average: Literal["30_days", "month", "quarter"]
    holdings: list[Literal["investment", "term_deposit"]]


class Segment(Strict):
    """A segment and the fifths that lead into it; a measure left out may have any."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    title: str
    recency: Fifths = (1, 5)
    frequency: Fifths = (1, 5)
    monetary: Fifths = (1, 5)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        for name in RFM:
            low, high = self.fifths(name)
            if low > high:
                raise ValueError(f"{name}: the first fifth must not be above the second")
        return self

    def fifths(self, part: str) -> tuple[int, int]:
        """The lowest and the highest fifth of one of RFM."""
        low, high = getattr(self, part)
        return int(low), int(high)


class RfmPolicy(Strict):
    """How recency, frequency and monetary are weighed against each other, and the segments of their fifths."""

    weights: Literal["given", "entropy", "ahp", "ahp_and_entropy"]
    given: dict[Literal["recency", "frequency", "monetary"], Share] = {}
    pairwise: list[list[Annotated[float, Field(gt=0)]]] = []
    scale_of: date | None = None
    segments: list[Segment]

    @field_validator("given")
    @classmethod
    def _together_one(cls, given: dict[str, float]) -> dict[str, float]:
        if given and (set(given) != set(RFM) or not math.isclose(sum(given.values()), 1.0, abs_tol=1e-9)):
            raise ValueError(f"give {', '.join(RFM)}, together 1")
        return given

    @field_validator("pairwise")
    @classmethod
    def _without_contradiction(cls, pairwise: list[list[float]]) -> list[list[float]]:
        if not pairwise:
            return pairwise
        if len(pairwise) != len(RFM):
            raise ValueError(f"compare {', '.join(RFM)}, in this order")
        _, ratio = ahp_weights(pairwise)
        if ratio >= CONSISTENT:
            raise ValueError(
                f"the judgements contradict each other: consistency ratio {ratio:.2f}, below 0.10 is wanted"
            )
        return pairwise

    @field_validator("segments")
    @classmethod
    def _everyone_is_in_one(cls, segments: list[Segment]) -> list[Segment]:
        if len({segment.id for segment in segments}) < len(segments):
            raise ValueError("two segments have one id")
        fifths = range(1, 6)
        for scores in product(fifths, fifths, fifths):
            if segment_of(segments, scores) is None:
                raise ValueError(f"recency {scores[0]}, frequency {scores[1]}, monetary {scores[2]} is in no segment")
        return segments

    @model_validator(mode="after")
    def _has_what_it_names(self) -> Self:
        if self.weights == "given" and not self.given:
            raise ValueError("weights: given needs `given`")
        if self.weights.startswith("ahp") and not self.pairwise:
            raise ValueError(f"weights: {self.weights} needs `pairwise`")
        return self


def segment_of(segments: list[Segment], scores: tuple[int, ...]) -> str | None:
    """The first segment that the fifths of recency, frequency and monetary lead into; None when there is none."""
    for segment in segments:
        bounds = (segment.fifths(name) for name in RFM)
        if all(low <= score <= high for score, (low, high) in zip(scores, bounds, strict=True)):
            return segment.id
    return None


class ScorePolicy(Strict):
    """How the value score is computed."""

    weights: Weights
    winsorise: Winsorise
    window_days: Literal[365]
    significant_digits: Annotated[int, Field(ge=2, le=6)] = 4
    assets: Assets
    rfm: RfmPolicy

    def scale_for(self, as_of: date) -> date | None:
        """The earlier slice whose scale judges that of `as_of`; None: its own."""
        fixed = self.rfm.scale_of
        return fixed if fixed is not None and fixed < as_of else None


def load_score_policy(conf: Path) -> ScorePolicy:
    """`conf/score.yml`; ConfigurationError when it is absent or inconsistent, also with `conf/contribution.yml`."""
    path = conf / "score.yml"
    policy = load_yaml(path, ScorePolicy)
    if policy.assets.average == "30_days" and load_contribution_policy(conf).joint_accounts == "equal_shares":
        raise ConfigurationError(
            "average: 30_days belongs to the owner of an account alone, but joint accounts are shared equally",
            where=f"{path}:{line_of(path, ('assets', 'average'))} assets.average",
            remedy="use month or quarter here, or joint_accounts: owner in conf/contribution.yml",
        )
    return policy


def fixed_slices(conf: Path) -> dict[str, date | None]:
    """The slice of gold.value_model whose scale is used, where `rfm.scale_of` names one."""
    return {"gold.value_model": load_score_policy(conf).rfm.scale_of}


POLICIES = {"score.yml": load_score_policy}
