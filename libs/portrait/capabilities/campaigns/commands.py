"""Commands about campaigns: plan, start, status, effect, explain."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from portrait.cli.commands import group_of
from portrait.cli.context import looking
from portrait.cli.options import Format, OptionalAsOf, Output, Target, identifier, with_settings
from portrait.cli.output import console, emit
from portrait.errors import ConfigurationError, PortraitError
from portrait.lake import Reader
from portrait.lake.selection import python_rows
from portrait.settings import Settings

COMMANDS = {
    "plan": "portrait.capabilities.campaigns.starting:plan_command",
    "start": "portrait.capabilities.campaigns.starting:start_command",
    "status": "portrait.capabilities.campaigns.commands:status_command",
    "effect": "portrait.capabilities.campaigns.commands:effect_command",
    "explain": "portrait.capabilities.campaigns.commands:explain_command",
}
campaign = typer.Typer(
    help="Campaigns: whom they contact, how it goes, and what they caused.", cls=group_of(COMMANDS),
    no_args_is_help=True,
)  # fmt: skip

STATUS, EFFECTS, LEDGER = "gold.campaigns", "gold.campaign_effects", "gold.campaign_contacts"
ASSIGNMENTS = "gold.campaign_assignments"
RULES = {
    "control": "is in the control of the campaign, which is contacted by no channel",
    "universal_control": "is in the universal control of the year, whom no campaign contacts",
    "consent_missing": "has no consent to marketing on record",
    "consent_refused": "refused marketing",
    "channel_not_agreed": "did not agree to this channel",
    "unsubscribed": "asked not to be contacted by this channel",
    "complaint": "complained lately",
    "early_warning": "shows signs of payment trouble, and credit is offered",
    "early_warning_unknown": "cannot be told to show no signs of payment trouble, and credit is offered",
    "already_contacted": "was contacted by the campaign as often as it may",
    "contacted_today": "is contacted today already",
    "cool_off": "was spoken to about the same product by another campaign lately",
    "fatigue": "did not answer any of the last contacts",
    "worth_nothing": "is expected to bring less than the contact costs",
    "no_capacity": "may be contacted, but others bring more for what is left of capacities and budget",
    "another_offer": "is contacted by another campaign today",
    "not_running": "is assigned, but the campaign contacts nobody on this day",
}
"""Rule of a refusal to what it says of the customer."""


@campaign.callback()
def _group() -> None:
    """Campaigns: whom they contact, how it goes, and what they caused."""


AnyName = Annotated[str, typer.Argument(metavar="ID", help="A campaign, of conf/campaigns or of the bank's feed.")]
Customer = Annotated[str, typer.Argument(metavar="CUSTOMER", help="Customer id.")]
Name = Annotated[str, typer.Argument(parser=identifier, metavar="ID", help="A campaign, a file of conf/campaigns.")]


def told(rule: str) -> str:
    """A rule in words."""
    if rule.startswith("cap_"):
        _, days, per = rule.split("_")
        where = "by this channel" if per == "channel" else "by all channels together"
        return f"has had as many contacts {where} as {days.removesuffix('d')} days allow"
    return RULES.get(rule, rule)


@with_settings
def status_command(
    as_of: OptionalAsOf = None, *, settings: Settings, target: Target = None, output: Output = Format.table
) -> None:
    """Every campaign: whether it runs, its arms, what was planned on the day, who was refused by which rule.

    Example: portrait campaign status --as-of 2026-01-31
    """
    with looking(settings, target) as opened:
        day, rows = opened.slice_at(STATUS, as_of)
        found = python_rows(rows.first(10_000, order=["campaign"]))
    counts = ["campaign", "state", "treated", "control", "universal_control", "planned"]
    columns = counts if output is Format.table else [*counts, "refused", "reason"]
    heads = [name.removesuffix("_control") if output is Format.table else name for name in columns]
    emit(heads, [[_plain(row[name]) for name in columns] for row in found], output, title=f"Campaigns of {day}")
    if output is Format.table:
        for row in found:
            for line in _refused_words(row):
                console.print(f"  {line}", soft_wrap=True)


@with_settings
def effect_command(
    name: AnyName,
    as_of: OptionalAsOf = None,
    *,
    settings: Settings,
    output: Output = Format.table,
    target: Target = None,
) -> None:
    """What a campaign caused: the difference of the arms with its interval; whether some are moved more than others.

    Example: portrait campaign effect first_card
    """
    with looking(settings, target) as opened:
        day, row = _row(opened, EFFECTS, name, as_of)
    hidden = {"as_of", "campaign", "title", "verdict", "qini_phi", "qini_gain", "qini_random"}
    lines = [[key, _plain(value)] for key, value in row.items() if key not in hidden and value is not None]
    emit(["figure", "value"], lines, output, title=f"{row['title']} ({name}) of {day}")
    if output is Format.table:
        console.print(f"  {row['verdict']}", soft_wrap=True)
        if row["uplift_verdict"]:
            console.print(f"  heterogeneity: {row['uplift_verdict']}: {row['uplift_reason']}", soft_wrap=True)


@with_settings
def explain_command(
    name: Name,
    customer: Customer,
    as_of: OptionalAsOf = None,
    *,
    settings: Settings,
    output: Output = Format.table,
    target: Target = None,
) -> None:
    """Why a campaign contacts a customer on a day or not, channel by channel, and what has happened so far.

    Example: portrait campaign explain first_card C000017
    """
    with looking(settings, target) as opened:
        if not opened.has(ASSIGNMENTS):
            console.print("No campaign has been started so far: nobody is assigned. See `portrait campaign start`.")
            return
        day, rows = opened.slice_at(ASSIGNMENTS, as_of)
        mine = rows.where("campaign", "=", name).where("customer_id", "=", customer)
        found = python_rows(mine.first(1, order=["customer_id"]))
        events: list[dict[str, Any]] = []
        if opened.has(LEDGER):
            past = opened.read(LEDGER).where("campaign", "=", name).where("customer_id", "=", customer)
            events = python_rows(past.where("day", "<=", day).first(1_000, order=["slot", "attempt", "day"]))
    if not found:
        console.print(f"Customer {customer} is not assigned to {name} on {day}: not in its audience so far.")
        return
    row = found[0]
    lines = [[channel, rule, told(rule)] for channel, rule in sorted(dict(row["channels"] or {}).items())]
    emit(["channel", "rule", "the customer"], lines, output, title=f"{name}, customer {customer}, {day}")
    if events:
        columns = ["slot", "channel", "attempt", "state", "day", "reason"]
        emit(columns, [[_plain(event[key]) for key in columns] for event in events], output, title="So far")
    if output is Format.table:
        arm = "universal control" if row["is_universal"] else f"arm {row['arm']}"
        since = f"{arm} (lot {row['lot']} of 10,000) since {row['assigned_on']}"
        if row["decision"] == "planned":
            what = f"a contact by {row['channel']} about {row['offer']} is planned, worth {row['value']:.2f}"
        else:
            what = f"no contact: the customer {told(row['rule'])}"
        console.print(f"  {since}; {what}.", soft_wrap=True)


def _row(opened: Reader, table: str, name: str, as_of: Any) -> tuple[Any, dict[str, Any]]:
    day, rows = opened.slice_at(table, as_of)
    found = python_rows(rows.where("campaign", "=", name).first(1, order=["campaign"]))
    if not found:
        known = python_rows(rows.first(10_000, order=["campaign"]))
        names = ", ".join(row["campaign"] for row in known) or "none"
        remedy = f"a campaign has one from its first day on, when it was started; with a read-out: {names}"
        raise PortraitError(f"'{name}' has no read-out on {day}", where=table, remedy=remedy)
    return day, found[0]


def _refused_words(row: dict[str, Any]) -> list[str]:
    """Why a campaign is refused or what is to be done, and who was refused by which rule, the largest first."""
    name, said = row["campaign"], []
    if row["reason"]:
        said.append(f"{name}: {row['reason']}")
    if row["state"] == "not_started":
        said.append(f"{name}: contacts nobody before `portrait campaign start {name}`")
    refused = sorted(dict(row["refused"] or {}).items(), key=lambda item: (-item[1], item[0]))
    if refused:
        said.append(f"{name}: refused by {', '.join(f'{rule} {number:,}' for rule, number in refused)}")
    return said


def _plain(value: Any) -> Any:
    if isinstance(value, list) and value and isinstance(value[0], tuple):  # a map, as Arrow gives it
        value = dict(value)
    return ", ".join(map(str, value)) if isinstance(value, list) else value


def known_campaign(names: Any, name: str) -> None:
    """Raise ConfigurationError for a campaign that no file declares."""
    if name not in names:
        listed = ", ".join(names) or "none"
        raise ConfigurationError(
            f"there is no campaign '{name}'", where="conf/campaigns", remedy=f"campaigns: {listed}"
        )
