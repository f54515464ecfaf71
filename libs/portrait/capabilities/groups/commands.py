"""Commands about groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from portrait.cli.context import looking
from portrait.cli.options import Format, OptionalAsOf, Output, Target, with_settings
from portrait.cli.output import console, emit
from portrait.errors import ConfigurationError
from portrait.settings import Settings

groups = typer.Typer(help="Groups: who is in one, and what became of them.", no_args_is_help=True)

_SUMMARY, _RULE, _PROFILE = "gold.group_summary", "gold.group_rule", "gold.group_profile"
_TRANSITION, _MODEL = "gold.group_transition", "gold.group_model"
Row = dict[str, Any]


@groups.command("show")
@with_settings
def show_command(
    group: Annotated[int, typer.Argument(min=1, metavar="ID", help="Number of the group.")],
    as_of: OptionalAsOf = None,
    *,
    settings: Settings,
    target: Target = None,
    output: Output = Format.table,
) -> None:
    """A group: the rule that says who is in it, how far it can be trusted, what sets it apart, where members came from.

    Lines are topic, subject, figure, and what the figure is.
    """
    with looking(settings, target) as opened:
        day, summary = opened.slice_at(_SUMMARY, as_of)
        known = {row["group_id"]: row for row in summary.rows()}
        if group not in known:
            raise ConfigurationError(
                f"there is no group {group} on {day}",
                where=_SUMMARY,
                remedy=f"groups of that day: {', '.join(map(str, sorted(known))) or 'none'}",
            )
        rules, profile, moves, judged = (
            opened.slice_at(name, day)[1].rows() for name in (_RULE, _PROFILE, _TRANSITION, _MODEL)
        )
    lines = group_lines(known[group], rules, profile, moves)
    emit(["topic", "subject", "figure", "meaning"], lines, output, title=f"{known[group]['group_name']} on {day}")
    if output is Format.table and judged and judged[0]["reason"]:
        console.print(f"  model  {judged[0]['reason']}", soft_wrap=True)


@groups.command("history")
@with_settings
def history_command(
    *,
    settings: Settings,
    target: Target = None,
    output: Output = Format.table,
) -> None:
    """Every slice and group: how many customers, how stable, and what became of the groups since the slice before."""
    with looking(settings, target) as opened:
        summary, rules, moves, judged = (opened.read(name).rows() for name in (_SUMMARY, _RULE, _TRANSITION, _MODEL))
    lines = history_lines(summary, rules, moves, judged)
    columns = ["as_of", "group", "name", "customers", "share", "stability", "since the slice before", "model"]
    emit(columns, lines, output, title="Groups by slice")


def group_lines(summary: Row, rules: Sequence[Row], profile: Sequence[Row], moves: Sequence[Row]) -> list[list[Any]]:
    """The lines of `groups show`."""
    group = summary["group_id"]
    lines: list[list[Any]] = [["size", summary["description"], summary["share"], "share of the grouped customers"]]
    for row in rules:
        if row["group_id"] == group:
            lines += [
                [
                    "rule",
                    row["rule"] or "no leaf of the tree is mainly this group",
                    row["rule_precision"],
                    "in the group",
                ],
                ["rule", "share of the group that it selects", row["rule_recall"], "of the group"],
                ["stability", row["stability"].replace("_", " "), row["jaccard"], "Jaccard coefficient of refits"],
            ]
    own = [row for row in profile if row["group_id"] == group]
    for row in sorted(own, key=lambda row: (-abs(row["z"]), row["feature"]))[:6]:
        lines.append(["feature", row["feature"], row["z"], "standard deviations from the mean"])
    for row in sorted(moves, key=lambda row: -row["customers"]):
        if row["to_group"] == group:
            lines.append(["came from", row["from_name"] or "outside", row["customers"], row["event"]])
        elif row["from_group"] == group:
            lines.append(["went to", row["to_name"] or "outside", row["customers"], row["event"]])
    return lines


def history_lines(
    summary: Sequence[Row], rules: Sequence[Row], moves: Sequence[Row], judged: Sequence[Row]
) -> list[list[Any]]:
    """The lines of `groups history`: a line per slice and group, and one per group that ended then."""
    stability = {(row["as_of"], row["group_id"]): row["stability"] for row in rules}
    models = {row["as_of"]: row["reason"] or "new" for row in judged}
    lines = []
    for row in summary:
        day, group = row["as_of"], row["group_id"]
        since = [said for move in moves if move["as_of"] == day if (said := _since(move, group))]
        trust = stability.get((day, group), "not_measured").replace("_", " ")
        figures = [row["customers"], row["share"], trust, "; ".join(since) or None, models.get(day)]
        lines.append([day, group, row["group_name"], *figures])
    for move in moves:
        if move["event"] == "ended":
            into = [
                f"merged into {other['to_group']}"
                for other in moves
                if other["event"] == "merged"
                and (other["as_of"], other["from_group"]) == (move["as_of"], move["from_group"])
            ]
            words = "; ".join(["ended", *into])
            lines.append([move["as_of"], move["from_group"], move["from_name"], 0, 0.0, None, words, None])
    return sorted(lines, key=lambda line: (line[0], line[1]))


def _since(move: Row, group: int) -> str | None:
    if move["to_group"] != group:
        return None
    if move["event"] == "kept":
        return f"kept {move['share_of_from']:.1%}"
    if move["event"] in ("split", "merged"):
        return f"{'split from' if move['event'] == 'split' else 'took in'} {move['from_group']}"
    return "born" if move["event"] == "born" else None
