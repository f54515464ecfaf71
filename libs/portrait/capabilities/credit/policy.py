"""`conf/credit.yml`: how a scorecard is made. The models' defaults are the shipped values: no file is needed."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from portrait.settings import Strict, load_yaml

Share = Annotated[float, Field(ge=0, lt=1)]


class Bins(Strict):
    """How the bins of a feature are found."""

    prebins: Annotated[int, Field(ge=2, le=200)] = 50
    """Most intervals (equal shares of the known values) from which the bins of a number are made."""
    rare_share: Share = 0.01
    """Values of a text with a smaller share of the rows are one value, `other values`."""
    least_share: Share = 0.05
    """Least share of the rows in a bin."""
    most: Annotated[int, Field(ge=2, le=50)] = 8
    """Most bins of a feature, the ones of missing and special values not counted."""
    noise: Annotated[float, Field(ge=0)] = 2.0
    """What a boundary must add, in units of what it adds by chance (rows / (good x bad) of information value)."""
    bend: Annotated[float, Field(ge=0)] = 4.0
    """What bins that rise and fall must add over monotone ones, in the same unit, where no sign is declared."""
    least_missing_rows: Annotated[int, Field(ge=1)] = 30
    """Missing or special values of fewer rows get WOE 0: too few to learn from."""
    special_values: tuple[float, ...] = ()
    """Numbers that stand for a reason why there is no value, such as -9: each is a bin of its own."""
    zero_cell: Annotated[float, Field(gt=0, le=10)] = 0.5
    """Added to the good and the bad of a bin where one of them is 0."""


class Points(Strict):
    """The scale: `points` at odds good:bad of `odds`, and `double` more for twice the odds."""

    points: float = 600.0
    odds: Annotated[float, Field(gt=0)] = 19.0
    double: Annotated[float, Field(gt=0)] = 50.0

    @property
    def factor(self) -> float:
        """Points of a unit of ln(odds): 72.13 as shipped."""
        return self.double / math.log(2)

    @property
    def offset(self) -> float:
        """Points at even odds: 387.60 as shipped."""
        return self.points - self.factor * math.log(self.odds)


class Regression(Strict):
    """The logistic regression on WOE."""

    least_iv: Annotated[float, Field(ge=0)] = 0.02
    """Features with a lower information value are left out."""
    penalty: Annotated[float, Field(ge=0)] = 1.0
    """Weight of the sum of squared coefficients / 2 against the log likelihood (1 / C of scikit-learn)."""
    iterations: Annotated[int, Field(ge=1)] = 200
    rows_per_partition: Annotated[int, Field(ge=1000)] = 250_000
    """The layout of the fit depends on the number of rows alone, never on cores."""


NUMBERS: Final = (
    *("amount", "months", "declared_income", "burden", "incomes", "age", "years_known"),
    *("running_instalments", "running_loans", "bad_loans"),
)
TEXTS: Final = ("purpose", "education", "occupation")
"""Facts of an application by which it may be scored."""
DECIDING: Final = (*NUMBERS, *TEXTS, "probability", "points", "early_warning")
"""Facts that rules may read."""


class Applications(Strict):
    """Which applications are scored, and by what."""

    score_days: Annotated[int, Field(ge=1, le=730)] = 60
    """Days since the receipt of applications that are scored."""
    rate: Annotated[float, Field(ge=0, lt=1)] = 0.069
    """Yearly rate by which the instalment of an application is computed."""
    features: tuple[str, ...] = (
        *("amount", "months", "purpose", "burden", "incomes", "declared_income"),
        *("age", "years_known", "running_loans", "education", "occupation"),
    )
    """Facts that the scorecard is fitted on."""
    signs: Mapping[str, Literal[1, -1]] = {"burden": 1, "incomes": 1, "years_known": -1}
    """Which way the bad rate goes with a number: 1 it rises, -1 it falls."""
    least_good: Annotated[int, Field(ge=1)] = 100
    least_bad: Annotated[int, Field(ge=1)] = 30
    """Known outcomes without which no scorecard is fitted, and every application is referred."""

    @model_validator(mode="after")
    def _known(self) -> Self:
        if unknown := sorted({*self.features, *self.signs} - {*NUMBERS, *TEXTS}):
            raise ValueError(f"'{unknown[0]}' is no fact of an application: {', '.join((*NUMBERS, *TEXTS))}")
        return self


class DecisionRule(Strict):
    """A rule: what it does where a fact is above or below a bound, or is so."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,79}$")]
    effect: Literal["refer", "decline"]
    fact: str
    above: float | None = None
    below: float | None = None
    is_true: bool = False
    text: Annotated[str, Field(min_length=1)]
    """The reason, in the words of a letter to the applicant."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum((self.above is not None, self.below is not None, self.is_true)) != 1:
            raise ValueError("a rule has one of above, below and is_true")
        if self.fact not in DECIDING or self.fact in TEXTS:
            raise ValueError(f"'{self.fact}' is no number that rules may read")
        if self.is_true != (self.fact == "early_warning"):
            raise ValueError("is_true is for early_warning, above and below are for numbers")
        return self


class Changes(Strict):
    """What an applicant could change, for the nearest change that would approve."""

    least_amount_share: Annotated[float, Field(gt=0, le=1)] = 0.2
    """Least share of the amount asked for that is tried."""
    amount_step: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """Steps of the amount, as a share of what was asked for."""
    months: tuple[Annotated[int, Field(ge=1)], ...] = (12, 24, 36, 48, 60, 72, 84)
    """Terms that are tried."""


def _rule(name: str, effect: Literal["refer", "decline"], fact: str, text: str, **bound: float) -> DecisionRule:
    return DecisionRule.model_validate({"id": name, "effect": effect, "fact": fact, "text": text, **bound})


_HALF: Final = "monthly instalments would take more than half of the income"
_FIFTHS: Final = "monthly instalments would take more than two fifths of the income"
SHIPPED: Final = (
    _rule("too_young", "decline", "age", "applicants must be at least 18 years old", below=18),
    _rule("unpaid_loans", "decline", "bad_loans", "a loan at this bank is in arrears or was not repaid", above=0),
    _rule("burden_too_high", "decline", "burden", _HALF, above=0.5),
    _rule("burden_high", "refer", "burden", _FIFTHS, above=0.4),
    _rule("probability_too_high", "decline", "probability", "the probability of default is too high", above=0.2),
    _rule("probability_high", "refer", "probability", "the probability of default is raised", above=0.1),
    _rule("warned", "refer", "early_warning", "there are signs of payment trouble", is_true=True),
)


class Decisions(Strict):
    """How applications are decided. A fact that a rule reads and that is not known refers the application."""

    rules: tuple[DecisionRule, ...] = SHIPPED
    required: tuple[str, ...] = ("amount", "months", "purpose", "declared_income", "probability")
    """Further facts without which an application is referred."""
    documents: tuple[str, ...] = ("identity", "income")
    """Documents without which it is referred."""
    changes: Changes = Changes()

    @model_validator(mode="after")
    def _known(self) -> Self:
        if unknown := sorted(set(self.required) - set(DECIDING)):
            raise ValueError(f"'{unknown[0]}' is no fact of an application: {', '.join(DECIDING)}")
        if "probability" not in self.needed:
            raise ValueError("nothing may be approved without a probability: add it to required")
        ids = [rule.id for rule in self.rules]
        if len(ids) != len(set(ids)):
            raise ValueError("two rules have the same id")
        return self

    @property
    def needed(self) -> tuple[str, ...]:
        """Every fact without which an application is referred, in the order of the facts."""
        read = {*self.required, *(rule.fact for rule in self.rules)}
        return tuple(fact for fact in DECIDING if fact in read)

    @property
    def version(self) -> str:
        """A digest of everything that decides."""
        return hashlib.sha256(self.model_dump_json(exclude={"changes"}).encode()).hexdigest()[:12]


class Monitoring(Strict):
    """When the scorecard fits no more, and when decisions differ between groups."""

    psi_moved: Annotated[float, Field(gt=0)] = 0.10
    psi_changed: Annotated[float, Field(gt=0)] = 0.25
    least_applications: Annotated[int, Field(ge=1)] = 30
    """Applications of a grade or group below which nothing is said."""
    calibration_level: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """Jeffreys' p-value below which the probability of a grade is too low."""
    fairness_ratio: Annotated[float, Field(gt=0, le=1)] = 0.8
    """Approval rate of a group against the highest one below which it is to be looked at (four fifths)."""
    fairness_days: Annotated[int, Field(ge=1)] = 365


class Cutoff(Strict):
    """What a wrong decision costs."""

    bad_cost: Annotated[float, Field(gt=0)] = 5.0
    """Cost of an accepted application that turns bad; that of a refused good one is 1."""


class CreditPolicy(Strict):
    """Everything in `conf/credit.yml`."""

    bins: Bins = Bins()
    points: Points = Points()
    regression: Regression = Regression()
    applications: Applications = Applications()
    grades: Mapping[Literal["A", "B", "C", "D"], Annotated[float, Field(gt=0, lt=1)]] = {
        "A": 0.02,
        "B": 0.05,
        "C": 0.10,
        "D": 0.20,
    }
    """Probability up to which an application is of a grade; above the last one it is E."""
    decisions: Decisions = Decisions()
    cutoff: Cutoff = Cutoff()
    monitoring: Monitoring = Monitoring()

    @property
    def decline_percent(self) -> int:
        """The highest probability, in whole percents, that no rule declines."""
        bounds = [
            rule.above for rule in self.decisions.rules
            if rule.fact == "probability" and rule.effect == "decline" and rule.above is not None
        ]  # fmt: skip
        return math.floor(min([1.0, *bounds]) * 100 + 1e-9)

    @model_validator(mode="after")
    def _finite(self) -> Self:
        if not all(math.isfinite(value) for value in self.bins.special_values):
            raise ValueError("special_values must be finite numbers; missing values have a bin already")
        limits = [self.grades.get(name, 0.0) for name in ("A", "B", "C", "D")]
        if sorted(set(limits)) != limits or not all(limits):
            raise ValueError("grades A, B, C, D need limits that rise")
        return self


def load_credit_policy(conf: Path) -> CreditPolicy:
    """`conf/credit.yml`; ConfigurationError when it is absent or inconsistent."""
    return load_yaml(conf / "credit.yml", CreditPolicy)


POLICIES: Mapping[str, Callable[[Path], object]] = {"credit.yml": load_credit_policy}
