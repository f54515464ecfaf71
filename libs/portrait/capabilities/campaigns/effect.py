"""What a campaign caused: sample-ratio check, difference by intention to treat, CUPED, sample size.

Functions of frames take one row per customer with its assigned arm, and ask Spark twice. Customers are compared
by the arm to which they were assigned, contacted or not.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F
from scipy.stats import chi2, norm

from portrait.capabilities.campaigns.policy import EffectPolicy
from portrait.capabilities.prospects.frames import value_of
from portrait.errors import ConfigurationError, InputRefused
from portrait.spark.columns import by_place, place_of

_Moments = Mapping[str, float] | Row
"""n, mean, and sums of x, y and their products from the mean of all."""


@dataclass(frozen=True)
class RatioCheck:
    """Arm counts against the plan: `chi2`, `p`, and `stop` where the difference is more than chance allows."""

    chi2: float
    p: float
    stop: bool


def sample_ratio(
    counts: Mapping[str, int], shares: Mapping[str, float], *, policy: EffectPolicy | None = None
) -> RatioCheck:
    """Sample ratio mismatch: chi-square test of arm -> customers against arm -> planned share; p < .001 stops.

    Raises ConfigurationError when the arms differ, a share is not positive or they do not add up to 1.
    """
    policy = policy or EffectPolicy()
    if (
        set(counts) != set(shares)
        or len(shares) < 2
        or min(shares.values()) <= 0
        or abs(sum(shares.values()) - 1) > 1e-9
    ):
        raise ConfigurationError(
            "counts and shares must name the same arms, with positive shares that add up to 1",
            where=f"arms {sorted(set(counts) | set(shares))}",
            remedy="give the planned share of every arm",
        )
    total = sum(counts.values())
    if total <= 0:
        raise InputRefused("no customers in any arm", where="counts", remedy="count the assigned customers")
    expected = {arm: total * share for arm, share in shares.items()}
    statistic = sum((counts[arm] - expected[arm]) ** 2 / expected[arm] for arm in shares)
    p = float(chi2.sf(statistic, len(shares) - 1))
    return RatioCheck(float(statistic), p, p < policy.mismatch)


@dataclass(frozen=True)
class Effect:
    """Difference of means, treated minus control, with its interval and two-sided p value.

    `variance_factor`: what CUPED left of the variance, 1 - corr^2; 1 without it.
    """

    effect: float
    low: float
    high: float
    p: float
    treated: int
    control: int
    treated_mean: float
    control_mean: float
    variance_factor: float = 1.0


def intention_to_treat(frame: DataFrame, *, treatment: str, outcome: str, policy: EffectPolicy | None = None) -> Effect:
    """The difference in the outcome (0/1 or an amount) between the assigned arms; unequal variances, normal interval.

    Raises InputRefused for rows without outcome, another treatment than 0/1, or an arm with fewer than two customers.
    """
    treated, control = _moments(frame, treatment=treatment, outcome=outcome, before=None)
    return _effect(treated, control, theta=0.0, policy=policy or EffectPolicy())


def cuped(frame: DataFrame, *, treatment: str, outcome: str, before: str, policy: EffectPolicy | None = None) -> Effect:
    """The difference of y - theta (x - mean x), x the metric before the campaign, theta = cov(y, x) / var(x) of all.

    `before` must have ended before customers were assigned. Deng and others, WSDM 2013. Raises as intention_to_treat.
    """
    treated, control = _moments(frame, treatment=treatment, outcome=outcome, before=before)
    return _adjusted(treated, control, policy=policy or EffectPolicy())


def effects_of(
    arms: Mapping[int, Mapping[str, float]], *, policy: EffectPolicy | None = None
) -> tuple[Effect, Effect | None]:
    """The plain difference, and that of CUPED where x varies, of many campaigns that were asked for at once.

    `arms`: treatment (1, 0) to n, my, mx (means), vy, vx (variances) and cxy (covariance), each over n.
    """
    policy = policy or EffectPolicy()
    n = sum(arm["n"] for arm in arms.values())
    my, mx = (sum(arm["n"] * arm[name] for arm in arms.values()) / n for name in ("my", "mx"))
    moments = []
    for treatment in (1, 0):
        arm = arms[treatment]
        size, dy, dx = arm["n"], arm["my"] - my, arm["mx"] - mx
        moments.append(
            {
                "n": size,
                "mean": arm["my"],
                "y": size * dy,
                "x": size * dx,
                "yy": size * (arm["vy"] + dy**2),
                "xx": size * (arm["vx"] + dx**2),
                "xy": size * (arm["cxy"] + dy * dx),
            }
        )
    plain = _effect(*moments, theta=0.0, policy=policy)
    varies = any(arm["vx"] > 0 for arm in arms.values())
    return plain, _adjusted(*moments, policy=policy) if varies else None


def _adjusted(treated: _Moments, control: _Moments, *, policy: EffectPolicy) -> Effect:
    arms = (treated, control)
    n, x, y = (sum(row[name] for row in arms) for name in ("n", "x", "y"))
    xx, xy, yy = (sum(row[name] for row in arms) for name in ("xx", "xy", "yy"))
    var_x, cov, var_y = xx / n - (x / n) ** 2, xy / n - x * y / n**2, yy / n - (y / n) ** 2
    theta = cov / var_x if var_x > 0 else 0.0
    factor = 1 - cov**2 / (var_x * var_y) if var_x > 0 and var_y > 0 else 1.0
    return _effect(treated, control, theta=theta, policy=policy, factor=factor)


def _moments(frame: DataFrame, *, treatment: str, outcome: str, before: str | None) -> tuple[Row, Row]:
    """Counts and centred sums per arm, treated first; x and y from their means, so that squares stay small."""
    placed = by_place(frame)
    w, y = (
        value_of(f"c{place_of(frame, name, parameter=role)}", "number")
        for role, name in (("treatment", treatment), ("outcome", outcome))
    )
    x = F.lit(0.0) if before is None else value_of(f"c{place_of(frame, before, parameter='before')}", "number")
    rows = placed.select(w.alias("w"), y.alias("y"), x.alias("x"))
    known = F.col("w").isin(0.0, 1.0)
    checks = {treatment: ~F.coalesce(known, F.lit(False)), outcome: F.col("y").isNull()}
    checks |= {} if before is None else {before: F.col("x").isNull()}
    means = rows.agg(
        *[F.count_if(rule) for rule in checks.values()], F.avg("y").alias("my"), F.avg("x").alias("mx")
    ).first()
    assert means is not None, "an aggregate without keys has one row"
    for (name, _), wrong in zip(checks.items(), means, strict=False):
        if wrong:
            remedy = "give 0 and 1 as treatment, and a number for every assigned customer (0 for no purchase)"
            raise InputRefused(f"{wrong} rows without a usable value", where=f"column {name!r}", remedy=remedy)
    my, mx = F.lit(means["my"]), F.lit(means["mx"])
    dy, dx = F.col("y") - my, F.col("x") - mx
    sums = {"x": dx, "y": dy, "xx": dx * dx, "xy": dx * dy, "yy": dy * dy}
    found = (
        rows.groupBy("w")
        .agg(
            F.count(F.lit(1)).alias("n"),
            F.avg("y").alias("mean"),
            *[F.sum(part).alias(name) for name, part in sums.items()],
        )
        .collect()
    )
    arms = {int(row["w"]): row for row in found}
    if set(arms) != {0, 1} or min(row["n"] for row in found) < 2:
        raise InputRefused(
            "an arm has fewer than two customers", where=f"column {treatment!r}", remedy="give rows of both arms"
        )
    return arms[1], arms[0]


def _effect(treated: _Moments, control: _Moments, *, theta: float, policy: EffectPolicy, factor: float = 1.0) -> Effect:
    means, variances = [], []
    for row in (treated, control):
        n = row["n"]
        total = row["y"] - theta * row["x"]
        squares = row["yy"] - 2 * theta * row["xy"] + theta**2 * row["xx"]
        means.append(total / n)
        variances.append(max(squares - total**2 / n, 0.0) / (n - 1) / n)
    difference, error = means[0] - means[1], math.sqrt(sum(variances))
    reach = float(norm.ppf(0.5 + policy.confidence / 2)) * error
    p = float(2 * norm.sf(abs(difference) / error)) if error > 0 else float(difference == 0)
    return Effect(
        difference,
        difference - reach,
        difference + reach,
        p,
        int(treated["n"]),
        int(control["n"]),
        treated["mean"],
        control["mean"],
        factor,
    )


def sample_size(base: float, expected: float, *, policy: EffectPolicy | None = None) -> int:
    """Customers per arm to tell two rates apart, equal arms, two-sided: 2.0 % to 2.5 % needs 13,809.

    n = (z_alpha sqrt(2 m (1 - m)) + z_power sqrt(p1 (1 - p1) + p2 (1 - p2)))^2 / (p1 - p2)^2, m the mean of the rates.
    Raises ConfigurationError for rates outside (0, 1) or equal ones.
    """
    policy = policy or EffectPolicy()
    if not (0 < base < 1 and 0 < expected < 1 and base != expected):
        raise ConfigurationError(
            "the rates must be different and between 0 and 1", where="expected effect", remedy="correct them"
        )
    mean = (base + expected) / 2
    alone = float(norm.isf(policy.alpha / 2)) * math.sqrt(2 * mean * (1 - mean))
    both = float(norm.ppf(policy.power)) * math.sqrt(base * (1 - base) + expected * (1 - expected))
    return math.ceil((alone + both) ** 2 / (base - expected) ** 2)


def smallest_effect(base: float, customers: float, *, policy: EffectPolicy | None = None) -> float | None:
    """The smallest rise above `base`, in tenths of a percentage point, that so many customers per arm can tell.

    None where even the largest cannot be told. The sample size of `sample_size` falls as the rise grows.
    """
    steps = range(1, math.ceil((1 - base) * 1000 - 1e-6))
    place = bisect_left(steps, True, key=lambda step: sample_size(base, base + step / 1000, policy=policy) <= customers)
    return steps[place] / 1000 if place < len(steps) else None
