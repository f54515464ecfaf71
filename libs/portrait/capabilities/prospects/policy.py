"""`conf/prospects.yml`: how a propensity model is fitted, checked for leaks and measured.

The defaults of these models are the shipped file: `policy=None` needs no file, and a test compares the two.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from portrait.contracts import Column
from portrait.settings import Strict, load_yaml

if TYPE_CHECKING:
    from portrait.capabilities.prospects.declaration import CheckedTarget
    from portrait.labels.declared import Declared

Share = Annotated[float, Field(gt=0, lt=1)]


class SamplePolicy(Strict):
    """How many rows the driver holds, and how they are divided."""

    rows: Annotated[int, Field(ge=1_000, le=2_000_000)] = 200_000
    """Rows at most; above, each class is sampled by a hash of the rows' content, and the score corrected."""
    validation_share: Share = 0.3
    """Share of the rows of each class on which learners are compared and metrics measured."""
    least_per_class: Annotated[int, Field(ge=10)] = 20
    """Rows that each class (target 0, target 1) must have; below, nothing is fitted."""


class BinPolicy(Strict):
    """How a feature becomes bins; null and NaN are a bin of their own."""

    numeric: Annotated[int, Field(ge=2, le=200)] = 20
    """Bins of a number at most: quantiles, so that each holds about the same number of rows."""
    categories: Annotated[int, Field(ge=1, le=1_000)] = 50
    """Values of a text that have a bin of their own, the most frequent first; the others share one."""
    least_rows: Annotated[int, Field(ge=1)] = 30
    """Rows below which a text value is one of the others."""
    smoothing: Annotated[float, Field(ge=0)] = 20.0
    """Rows at the overall rate that are added to every bin before its weight of evidence is taken."""


class BoostingPolicy(Strict):
    """Gradient-boosted trees of a fixed depth with Newton leaves."""

    trees: Annotated[int, Field(ge=1, le=2_000)] = 300
    """Trees at most; validation stops earlier."""
    depth: Annotated[int, Field(ge=1, le=8)] = 4
    rate: Annotated[float, Field(gt=0, le=1)] = 0.07
    """What each tree adds, as a share of its Newton step."""
    least_rows: Annotated[int, Field(ge=1)] = 20
    """Rows at least in each branch."""
    ridge: Annotated[float, Field(ge=0)] = 5.0
    """Added to the second derivative of each leaf."""
    row_share: Annotated[float, Field(gt=0, le=1)] = 0.7
    """Share of the rows that each tree sees."""
    patience: Annotated[int, Field(ge=1)] = 25
    """Trees without a lower validation loss after which no more are grown."""


class LeakPolicy(Strict):
    """When a feature is suspected of knowing the outcome."""

    single_auc: Annotated[float, Field(gt=0.5, le=1)] = 0.90
    """A feature that alone ranks the validation rows better than this is left out."""
    model_auc: Annotated[float, Field(gt=0.5, le=1)] = 0.90
    """A model that ranks them better than this looks for the features to which it owes that."""
    least_drop: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    """AUC that the model must lose without the suspected features; below, they are kept and the alarm is only noted."""
    most_features: Annotated[int, Field(ge=1, le=20)] = 3
    """Features at most that can be suspected together; when more are needed, the data is just easy to rank."""


class ReportPolicy(Strict):
    """The intervals of the metrics."""

    resamples: Annotated[int, Field(ge=20, le=10_000)] = 200
    confidence: Share = 0.95


class TrainingPolicy(Strict):
    """From which past slices declared models learn, and when they are fitted again."""

    least_slices: Annotated[int, Field(ge=1, le=60)] = 2
    """Slices to learn from, beside the one for validation; with fewer there is no model and there are no scores."""
    most_slices: Annotated[int, Field(ge=1, le=60)] = 6
    """Slices that models learn from, the newest that can be."""
    apart_days: Annotated[int, Field(ge=1, le=366)] = 27
    """Days at least between them: neighbouring days hold the same customers with the same answer."""
    again_days: Annotated[int, Field(ge=1, le=366)] = 27
    """Days by which the validation slice must have moved before a model is fitted again."""
    least_gain: Annotated[float, Field(ge=-0.5, lt=0.5)] = 0.0
    """Validation AUC by which the new model must beat the present one, on the same rows, to replace it."""
    reasons: Annotated[int, Field(ge=1, le=10)] = 3
    """Reasons for each score."""


class PropensityPolicy(Strict):
    """Everything in `conf/prospects.yml`."""

    sample: SamplePolicy = SamplePolicy()
    bins: BinPolicy = BinPolicy()
    ridge: Annotated[float, Field(ge=0)] = 10.0
    """Penalty on the squared coefficients of the logistic regression, in rows."""
    boosting: BoostingPolicy = BoostingPolicy()
    challenger_gain: Annotated[float, Field(ge=0, lt=0.5)] = 0.002
    """Validation AUC by which boosted trees must beat the logistic regression to replace it."""
    leak: LeakPolicy = LeakPolicy()
    report: ReportPolicy = ReportPolicy()
    training: TrainingPolicy = TrainingPolicy()


def load_propensity_policy(conf: Path) -> PropensityPolicy:
    """`conf/prospects.yml`; ConfigurationError when it is absent or inconsistent."""
    return load_yaml(conf / "prospects.yml", PropensityPolicy)


def check_targets(conf: Path, declared: Declared) -> list[CheckedTarget]:
    """All targets; see `load_targets`."""
    from portrait.capabilities.prospects.declaration import load_targets  # reads labels; models do without

    return load_targets(conf, declared)


def score_columns(conf: Path) -> list[Column]:
    """What targets add to gold.prospect_scores."""
    from portrait.capabilities.prospects.declaration import target_columns

    return target_columns(conf)


POLICIES = {"prospects.yml": load_propensity_policy}
DECLARATIONS = {"prospects/*.yml": check_targets}
COLUMNS = {"gold.prospect_scores": score_columns}
"""Tables to the columns that files of conf/ add to them."""
