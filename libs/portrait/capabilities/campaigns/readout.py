"""gold.campaign_effects: what each campaign caused, by the arm that the lot gave.

The rule of looks: before the last day the figures are interim and nothing is called significant, however often one
looks; on and after it the same figure is stated once, and late responses correct it. A sample-ratio mismatch stops the
read-out: then no effect is shown at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from portrait.capabilities.campaigns.declaration import CONTROL, Campaign
from portrait.capabilities.campaigns.effect import effects_of, sample_ratio
from portrait.capabilities.campaigns.policy import CampaignPolicy
from portrait.capabilities.campaigns.uplift import USABLE, Uplift, fit_uplift
from portrait.errors import InputRefused
from portrait.spark.days import day_of

INTERIM, FINAL, STOPPED, TOO_FEW = "interim", "final", "stopped", "too_few"
_POINTS = 40  # of the curve


@dataclass(frozen=True)
class Judged:
    """What is read out: a campaign of conf/campaigns or of the bank's own feed."""

    campaign: str
    title: str
    control_share: float
    starts_on: date
    ends_on: date
    metric: tuple[str, ...]
    source: str
    """plan or feed."""


def of_plan(campaign: Campaign) -> Judged:
    """A campaign of conf/campaigns as it is read out."""
    share = campaign.arms[CONTROL]
    metric = tuple(campaign.metric)
    return Judged(campaign.id, campaign.title, share, campaign.starts_on, campaign.ends_on, metric, "plan")


def of_feed(campaigns: DataFrame, *, as_of: date, kept_days: int, zone: str) -> list[Judged]:
    """The bank's own campaigns (bronze.campaigns) that began by `as_of` and did not end too long ago."""
    known = campaigns.where(day_of("changed_at", zone) <= F.lit(as_of)).groupBy("campaign_id")
    record = F.struct("op", "name", "starts_on", "ends_on", "control_share")
    newest = known.agg(F.max_by(record, F.struct("changed_at", "_run")).alias("one")).select("campaign_id", "one.*")
    alive = F.date_add("ends_on", kept_days) >= F.lit(as_of)
    rows = newest.where((F.col("op") != "D") & (F.col("starts_on") <= F.lit(as_of)) & alive).collect()
    return [
        Judged(row.campaign_id, row["name"], float(row.control_share), row.starts_on, row.ends_on, ("bought",), "feed")
        for row in sorted(rows, key=lambda item: item.campaign_id)
    ]


def assigned_by_plan(assignments: DataFrame) -> DataFrame:
    """One row per campaign and customer of gold.campaign_assignments: treated 0/1; the universal control has no arm."""
    treated = (F.col("arm") != CONTROL).cast("int").alias("treated")
    return assignments.where("not is_universal").select("campaign", "customer_id", treated)


def assigned_by_feed(contacts: DataFrame, *, as_of: date, zone: str) -> DataFrame:
    """The same of the feed contacts: by the newest record of the first contact that the bank chose the customer for."""
    record = F.max(F.struct("_run", "sent_at", "campaign_id", "customer_id", "arm")).alias("one")
    newest = contacts.groupBy("contact_id").agg(record).select("one.*")
    known = newest.where(day_of("sent_at", zone) <= F.lit(as_of))
    arm = F.min_by("arm", F.struct("sent_at", "arm"))
    treated = (arm != CONTROL).cast("int").alias("treated")
    return known.groupBy(F.col("campaign_id").alias("campaign"), "customer_id").agg(treated)


def outcomes(
    assigned: DataFrame, responses: DataFrame | None, judged: Sequence[Judged], *, as_of: date, zone: str
) -> DataFrame:
    """The assigned customers with `took`: 1 where a response of the metric came from the first day to the last.

    Responses may come late and twice: of a response_id the newest record counts.
    """
    if responses is None:
        return assigned.withColumn("took", F.lit(0))
    record = F.max(F.struct("_run", "at", "campaign_id", "customer_id", "kind")).alias("one")
    newest = responses.groupBy("response_id").agg(record).select("one.*")
    newest = newest.withColumn("day", day_of("at", zone)).where(F.col("day") <= F.lit(as_of))
    counts = F.lit(False)
    for item in judged:
        own = (F.col("campaign_id") == item.campaign) & F.col("kind").isin(*item.metric)
        counts = counts | (own & F.col("day").between(item.starts_on, item.ends_on))
    took = (
        newest.where(counts)
        .select(F.col("campaign_id").alias("campaign"), "customer_id", F.lit(1).alias("took"))
        .distinct()
    )
    joined = assigned.join(took, on=["campaign", "customer_id"], how="left")
    return joined.withColumn("took", F.coalesce("took", F.lit(0)))


def moments(rows: DataFrame) -> DataFrame:
    """One row per campaign and arm: n, means, variances and covariance of `took` and `before`."""
    y, x = F.col("took").cast("double"), F.coalesce(F.col("before").cast("double"), F.lit(0.0))
    return rows.groupBy("campaign", "treated").agg(
        F.count(F.lit(1)).cast("double").alias("n"), F.avg(y).alias("my"), F.avg(x).alias("mx"),
        F.var_pop(y).alias("vy"), F.var_pop(x).alias("vx"), F.covar_pop(y, x).alias("cxy"),
    )  # fmt: skip


def read_out(item: Judged, arms: Mapping[int, Row], *, policy: CampaignPolicy, as_of: date) -> dict[str, Any]:
    """The columns of gold.campaign_effects that the arms of one campaign decide."""
    rules = policy.effect
    counts = {"treated": int(arms[1]["n"]) if 1 in arms else 0, "control": int(arms[0]["n"]) if 0 in arms else 0}
    row: dict[str, Any] = {
        "as_of": as_of, "campaign": item.campaign, "title": item.title, "source": item.source,
        "starts_on": item.starts_on, "ends_on": item.ends_on, "metric": list(item.metric), **counts,
        "control_share": item.control_share,
    }  # fmt: skip
    if min(counts.values()) < 2 or not 0 < item.control_share < 1:
        return row | {"state": TOO_FEW, "verdict": "an arm has fewer than two customers: nothing can be said"}
    shares = {"treated": 1 - item.control_share, "control": item.control_share}
    check = sample_ratio(counts, shares, policy=rules)
    row |= {"srm_chi2": check.chi2, "srm_p": check.p}
    if check.stop:
        verdict = (
            f"stopped: {counts['control']} of {sum(counts.values())} customers are in the control, not the planned "
            f"{item.control_share:.1%} (p {check.p:.1e}): find out why before any effect is read"
        )
        return row | {"state": STOPPED, "verdict": verdict}
    plain, adjusted = effects_of({treated: arms[treated].asDict() for treated in (0, 1)}, policy=rules)
    best = adjusted or plain
    row |= {
        "treated_rate": plain.treated_mean, "control_rate": plain.control_mean,
        "effect": plain.effect, "effect_low": plain.low, "effect_high": plain.high,
        "cuped_effect": best.effect, "cuped_low": best.low, "cuped_high": best.high,
        "variance_factor": best.variance_factor,
    }  # fmt: skip
    if as_of < item.ends_on:
        return row | {"state": INTERIM, "verdict": f"interim: nothing is called significant before {item.ends_on}"}
    sign = "more" if best.effect > 0 else "fewer"
    verdict = (
        f"the contacts caused {abs(best.effect):.2%} {sign} takers (p {best.p:.3f})"
        if best.p < rules.alpha
        else f"no effect can be told from chance (p {best.p:.3f})"
    )
    return row | {"state": FINAL, "p": best.p, "verdict": verdict}


def heterogeneity(
    rows: DataFrame, features: Sequence[str], *, policy: CampaignPolicy
) -> tuple[dict[str, Any], Uplift | None]:
    """Whether some customers are moved more than others, the Qini curve of out-of-fold scores; the model if usable.

    `rows`: treated, took, and the features as they were before the start.
    """
    try:
        model = fit_uplift(rows, treatment="treated", outcome="took", features=features, policy=policy.uplift)
    except InputRefused as error:
        return {"uplift_verdict": "not judged", "uplift_reason": error.message}, None
    report, curve = model.report, {}
    if model.curve is not None:
        places = np.unique(np.linspace(0, len(model.curve) - 1, _POINTS).round().astype(int))
        curve = {name: [float(value) for value in model.curve[name].iloc[places]] for name in ("phi", "q", "random")}
    found = {
        "uplift_verdict": model.verdict,
        "uplift_reason": model.reason,
        "uplift_learner": model.learner,
        "qini": report.get("qini"),
        "qini_low": report.get("qini_low"),
        "qini_high": report.get("qini_high"),
        "qini_ratio": report.get("qini_ratio"),
        "qini_response": report.get("qini_response"),
        "qini_phi": curve.get("phi"),
        "qini_gain": curve.get("q"),
        "qini_random": curve.get("random"),
    }
    return found, model if model.verdict == USABLE else None


HETEROGENEITY = (
    "uplift_verdict", "uplift_reason", "uplift_learner", "qini", "qini_low", "qini_high", "qini_ratio",
    "qini_response", "qini_phi", "qini_gain", "qini_random",
)  # fmt: skip


def unchanged(row: Mapping[str, Any], before: Row | None) -> bool:
    """Whether the slice before judged the same customers with the same outcomes: uplift need not be fitted again."""
    same = ("treated", "control", "treated_rate", "control_rate", "state")
    return before is not None and before.uplift_verdict is not None and all(row.get(n) == before[n] for n in same)
