"""What a campaign would do on a day, were it the only one that was started."""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path

from pyspark.sql import functions as F

from portrait.capabilities.campaigns.daily import planned_day, why_nobody_is_contacted
from portrait.capabilities.campaigns.declaration import Campaign
from portrait.capabilities.campaigns.policy import CampaignPolicy
from portrait.errors import PortraitError
from portrait.lake import Lake


def planned_counts(
    lake: Lake, campaign: Campaign, *, policy: CampaignPolicy, conf: Path, as_of: date
) -> dict[str, int]:
    """`planned`, or the rule that refuses, to customers of the audience; the largest first.

    Raises PortraitError where what a veto needs is missing: then the campaign would contact nobody.
    """
    why = why_nobody_is_contacted(lake, conf, policy=policy.contacts, as_of=as_of)
    if why:
        raise PortraitError(
            f"the campaign would contact nobody: {why}",
            where="conf/marketing.yml",
            remedy="deliver it, or correct the file",
        )
    plan = planned_day(lake, [campaign], [campaign], policy=policy, conf=conf, as_of=as_of)
    what = F.coalesce("rule", F.lit("planned")).alias("what")
    counted = Counter({row["what"]: row["count"] for row in plan.decisions.groupBy(what).count().collect()})
    plan.release()
    return dict(counted.most_common())
