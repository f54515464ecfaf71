"""`conf/campaigns.yml`: how uplift is estimated and judged, how offers are allocated, when a read-out stops.

The defaults of these models are the shipped file: `policy=None` needs no file, and a test compares the two.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from portrait.capabilities.prospects.policy import BinPolicy, BoostingPolicy
from portrait.settings import Strict, load_yaml

if TYPE_CHECKING:
    from portrait.labels.declared import Declared

Share = Annotated[float, Field(gt=0, lt=1)]
BUCKETS = 10_000
"""Into how many parts a lot divides customers; shares of arms are multiples of one."""


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
    before: str = "customer_txn_amount_90d"
    """Feature of the last slice before the start that CUPED takes off the outcome, where it is known."""
    features: list[str] = [
        "age_years", "tenure_days", "residence", "occupation", "declared_income", "salary_avg_90d", "balance_avg_90d",
        "credit_amount_90d", "debit_amount_90d", "txn_count_90d", "txn_share_channel_mobile_90d", "holding_count",
        "response_count_365d",
    ]  # fmt: skip
    """Columns of that slice on which uplift may depend."""


class Cap(Strict):
    """How many contacts a customer gets at most within days, the day of the contact included."""

    days: Annotated[int, Field(ge=1, le=366)]
    contacts: Annotated[int, Field(ge=0, le=100)]
    per: Literal["channel", "all"]
    """Whether each channel counts by itself, or all together."""


class Fatigue(Strict):
    """So many contacts within days without any answer: no further one."""

    contacts: Annotated[int, Field(ge=1, le=100)] = 3
    days: Annotated[int, Field(ge=1, le=366)] = 90


class ContactPolicy(Strict):
    """What every contact of every campaign must keep."""

    universal_control: Annotated[float, Field(ge=0, lt=0.5)] = 0.03
    """Share of all customers whom no campaign of the year contacts."""
    caps: list[Cap] = [Cap(days=7, contacts=1, per="channel"), Cap(days=30, contacts=4, per="all")]
    """Planned, sent and retried contacts count."""
    cool_off_days: Annotated[int, Field(ge=0, le=366)] = 30
    """Days after a contact about a product in which no other campaign speaks of it."""
    fatigue: Fatigue = Fatigue()
    complaint_days: Annotated[int, Field(ge=1, le=366)] = 90
    """Days for which a complaint (feedback with a score up to complaint_score) stops all contacts."""
    complaint_score: Annotated[int, Field(ge=1, le=5)] = 2
    veto_days: Annotated[int, Field(ge=1, le=366)] = 120
    """Days without a record of a feed that a veto needs, after which it has stopped and no campaign runs."""
    opens: Annotated[int, Field(ge=0, le=23)] = 9
    """Hour of the bank's day from which customers are contacted."""
    closes: Annotated[int, Field(ge=1, le=24)] = 21
    """Hour from which they are not."""
    capacity: dict[str, Annotated[int, Field(ge=0)]] = {"phone": 200, "branch": 50}
    """Channel to contacts a day; others have no limit."""
    manager_hours: Annotated[float, Field(ge=0)] = 80.0
    """Hours a day of all relationship managers."""
    kept_days: Annotated[int, Field(ge=0, le=1000)] = 120
    """Days after the last one for which assignments are kept and the read-out is repeated, for late responses."""


class CampaignPolicy(Strict):
    """Everything in `conf/campaigns.yml`."""

    uplift: UpliftPolicy = UpliftPolicy()
    arbitration: ArbitrationPolicy = ArbitrationPolicy()
    effect: EffectPolicy = EffectPolicy()
    contacts: ContactPolicy = ContactPolicy()


def load_campaign_policy(conf: Path) -> CampaignPolicy:
    """`conf/campaigns.yml`; ConfigurationError when it is absent or inconsistent."""
    return load_yaml(conf / "campaigns.yml", CampaignPolicy)


def check_campaigns(conf: Path, declared: Declared) -> object:
    """All campaigns; see `load_campaigns`."""
    from portrait.capabilities.campaigns.declaration import load_campaigns  # the entry points do without

    return load_campaigns(conf, declared)


POLICIES = {"campaigns.yml": load_campaign_policy}
DECLARATIONS = {"campaigns/*.yml": check_campaigns}
