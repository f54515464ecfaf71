"""Commands that need Spark: what a campaign would do, and its start."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated

import typer
from pyspark.sql import functions as F

from portrait.capabilities.campaigns.commands import Name, known_campaign, told
from portrait.capabilities.campaigns.daily import MEMBERS, STARTS
from portrait.capabilities.campaigns.declaration import Campaign, SampleCheck, load_campaigns, sample_check
from portrait.capabilities.campaigns.dry import planned_counts
from portrait.capabilities.campaigns.effect import smallest_effect
from portrait.capabilities.campaigns.policy import CampaignPolicy, load_campaign_policy
from portrait.cli.context import declarations_of, reading, writing
from portrait.cli.options import Format, OptionalAsOf, Output, Target, with_settings
from portrait.cli.output import console, emit
from portrait.errors import ConfigurationError
from portrait.lake import Lake
from portrait.settings import Settings, actor_of

AUDIENCES = "gold.audiences"


@with_settings
def plan_command(
    name: Name,
    as_of: OptionalAsOf = None,
    *,
    settings: Settings,
    target: Target = None,
    output: Output = Format.table,
) -> None:
    """What a campaign would do on a day: sample size, contacts, refusals by rule. Writes nothing.

    Example: portrait campaign plan first_card
    """
    campaigns, policy = load_campaigns(settings.conf, declarations_of(settings)), load_campaign_policy(settings.conf)
    known_campaign(campaigns, name)
    with reading(settings, target) as opened:
        day = as_of or opened.newest_slice(MEMBERS)
        check_audience(opened, campaigns[name], as_of=day)
        counts = planned_counts(opened, campaigns[name], policy=policy, conf=settings.conf, as_of=day)
    check = sample_check(campaigns[name], sum(counts.values()), policy=policy)
    rows = [[what, told(what) if what != "planned" else "is contacted", number] for what, number in counts.items()]
    emit(["decision", "the customer", "customers"], rows, output, title=f"{campaigns[name].title} on {day}")
    if output is Format.table:
        console.print(f"  {_said(check, campaigns[name])}", soft_wrap=True)


@with_settings
def start_command(
    name: Name,
    as_of: OptionalAsOf = None,
    accept_small: Annotated[
        str | None, typer.Option("--accept-small", metavar="WHY", help="Start with too small a sample, and say why.")
    ] = None,
    *,
    settings: Settings,
    target: Target = None,
) -> None:
    """Start a campaign: from the next run on it assigns and contacts customers, from its first day on.

    The sample must be large enough for the expected effect. Example: portrait campaign start first_card
    """
    campaigns, policy = load_campaigns(settings.conf, declarations_of(settings)), load_campaign_policy(settings.conf)
    known_campaign(campaigns, name)
    with writing(settings, target) as opened:
        check = start_campaign(opened, campaigns[name], policy=policy, as_of=as_of, accept_small=accept_small)
    console.print(f"Started {name}: {_said(check, campaigns[name])}", soft_wrap=True)
    first = campaigns[name].starts_on
    console.print(f"  Each `portrait run` of a day from {first} on contacts customers; see `portrait campaign status`.")


def start_campaign(
    lake: Lake, campaign: Campaign, *, policy: CampaignPolicy, as_of: date | None, accept_small: str | None
) -> SampleCheck:
    """Record the start of a campaign in ops.campaign_starts; the lake must be open to write.

    Raises ConfigurationError when its last day has passed, when it was started already with this design, when nobody is
    in its audience, or when the sample is too small and nobody says why it is accepted.
    """
    day = as_of or lake.newest_slice(MEMBERS)
    where = f"conf/campaigns/{campaign.id}.yml"
    if campaign.ends_on < day:
        raise ConfigurationError(
            f"the campaign ends on {campaign.ends_on}, before {day}", where=where, remedy="correct ends_on"
        )
    if (
        lake.has(STARTS)
        and not lake.read(STARTS)
        .where((F.col("campaign") == campaign.id) & (F.col("design") == campaign.design))
        .isEmpty()
    ):
        raise ConfigurationError(
            f"'{campaign.id}' was started already", where=STARTS, remedy="see `portrait campaign status`"
        )
    customers = check_audience(lake, campaign, as_of=day)
    check = sample_check(campaign, customers, policy=policy)
    if not check.enough and not accept_small:
        raise ConfigurationError(
            f"the sample is too small: {_said(check, campaign)}",
            where=where,
            remedy=_remedy(check, campaign, policy),
        )
    row = (
        campaign.id, day, datetime.now(UTC), campaign.design, actor_of(), customers, check.needed,
        float(check.effective), None if check.enough else accept_small,
    )  # fmt: skip
    lake.record(STARTS, [row])
    return check


def check_audience(lake: Lake, campaign: Campaign, *, as_of: date) -> int:
    """Customers in the campaign's audience; ConfigurationError, with what is known of it, when nobody is."""
    customers = lake.slice(MEMBERS, as_of).where(F.col("audience") == campaign.audience).count()
    if customers:
        return customers
    built = lake.slice(AUDIENCES, as_of).where(F.col("audience") == campaign.audience).collect()
    if built:
        row = built[0]
        why = f": of {row.customers:,} customers it cannot be told of {row.unknown:,} whether they are"
        why += "; " + "; ".join(row.doubts) if row.doubts else ""
        labels = ", ".join(row.labels)
        remedy = f"see the labels that it reads ({labels}) with `portrait audience count`, or name another audience"
    else:
        why, remedy = ", which was not built on that day", f"portrait run --as-of {as_of} --select audiences"
    raise ConfigurationError(
        f"nobody is in the audience '{campaign.audience}' on {as_of}{why}",
        where=f"conf/campaigns/{campaign.id}.yml audience",
        remedy=remedy,
    )


def _remedy(check: SampleCheck, campaign: Campaign, policy: CampaignPolicy) -> str:
    base, given = campaign.expected.base, "widen the audience or the control, or start a pilot with --accept-small WHY"
    rise = smallest_effect(base, check.effective, policy=policy.effect)
    told = f"this sample can tell a rise to {base + rise:.1%}" if rise else "this sample can tell no rise at all"
    return f"{given}; {told} (expected.effect)"


def _said(check: SampleCheck, campaign: Campaign) -> str:
    base, effect = campaign.expected.base, campaign.expected.effect
    enough = "enough" if check.enough else "not enough"
    return (
        f"the arms amount to {check.effective:,.0f} customers each, {check.needed:,} are needed to tell {base:.2%} "
        f"from {base + effect:.2%}: {enough}"
    )
