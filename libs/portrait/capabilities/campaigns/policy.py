"""`conf/campaigns.yml`: how uplift is estimated and judged, how offers are allocated, when a read-out stops.

The defaults of these models are the shipped file: `policy=None` needs no file, and a test compares the two.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from portrait.capabilities.prospects.policy import BinPolicy, BoostingPolicy
from portrait.settings import Strict, load_yaml

Share = Annotated[float, Field(gt=0, lt=1)]


class UpliftPolicy(Strict):
    """Learners of uplift, and the rule by which their ranking is called usable."""

    rows: Annotated[int, Field(ge=1_000, le=2_000_000)] = 200_000
    """Rows at most that the driver holds; above, rows are sampled by a hash of their content, all at one rate."""
    folds: Annotated[int, Field(ge=2, le=20)] = 5
    """Parts of the rows: each is scored by a model of the others, and only such scores are judged."""
    least_per_cell: Annotated[int, Field(ge=10)] = 50
    """Rows that each combination of treatment and outcome must have; below, nothing is fitted."""
    ridge: Annotated[float, Field(ge=0)] = 100.0
    """Penalty on the squared coefficients of logistic regressions (standardised features), in rows."""
    skewness: Annotated[float, Field(gt=0)] = 1.0
    """A number that is never negative and whose skewness is above this enters as ln(1 + x)."""
    clip: Annotated[float, Field(gt=0)] = 5.0
    """Standard deviations at which a standardised number is cut."""
    even_treatment: Annotated[float, Field(ge=0, lt=0.5)] = 0.02
    """Class transformation is tried only where the treated share is within this of one half."""
    bins: BinPolicy = BinPolicy(numeric=16, categories=30, least_rows=100)
    boosting: BoostingPolicy = BoostingPolicy(trees=60, depth=3, ridge=20.0, least_rows=100)
    resamples: Annotated[int, Field(ge=50, le=10_000)] = 400
    confidence: Share = 0.95
    """Of the interval of the Qini coefficient that must lie above 0; shared among the learners that were tried."""


_TEMPERATURES = [0.3, 0.1, 0.03, 0.01, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6]


class ArbitrationPolicy(Strict):
    """How capacities are priced and offers are rounded."""

    driver_options: Annotated[int, Field(ge=10_000, le=20_000_000)] = 400_000
    """Options (rows) at most that the driver holds; above, Spark decides the customers whose choice is clear."""
    sample_options: Annotated[int, Field(ge=10_000, le=20_000_000)] = 200_000
    """Options of the sample of customers from which the first prices come."""
    box: Annotated[float, Field(gt=0)] = 4.0
    """Half width of the range of prices in which a choice must be clear, in standard errors of the prices."""
    smoothing: Annotated[list[float], Field(min_length=1)] = [
        0.3,
        0.1,
        0.03,
        0.01,
        3e-3,
        1e-3,
        3e-4,
        1e-4,
        3e-5,
        1e-5,
        3e-6,
    ]
    """Temperatures, in mean values of an option, at which the dual is smoothed and descended, one after the other."""
    ties: Annotated[list[float], Field(min_length=1)] = [1e-4, 5e-4]
    """What a hash adds at most to a value, in mean values, so that equal options have an order; the best is taken."""
    rounds: Annotated[int, Field(ge=1, le=50)] = 8
    """Times at most that the range is narrowed or widened."""
    gap: Annotated[float, Field(gt=0, lt=0.1)] = 0.0005
    """(bound - value) / bound above which the range is widened and everything decided again."""


class EffectPolicy(Strict):
    """When a read-out is stopped, and how sure its statements are."""

    mismatch: Share = 0.001
    """p value of the sample-ratio check below which the read-out stops."""
    confidence: Share = 0.95
    alpha: Share = 0.05
    power: Share = 0.8


class CampaignPolicy(Strict):
    """Everything in `conf/campaigns.yml`."""

    uplift: UpliftPolicy = UpliftPolicy()
    arbitration: ArbitrationPolicy = ArbitrationPolicy()
    effect: EffectPolicy = EffectPolicy()


def load_campaign_policy(conf: Path) -> CampaignPolicy:
    """`conf/campaigns.yml`; ConfigurationError when it is absent or inconsistent."""
    return load_yaml(conf / "campaigns.yml", CampaignPolicy)


POLICIES = {"campaigns.yml": load_campaign_policy}
