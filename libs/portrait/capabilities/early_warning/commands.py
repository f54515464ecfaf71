"""Commands about early warning."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

import typer

from portrait.cli.context import looking
from portrait.cli.options import Format, Limit, OptionalAsOf, Output, Target, with_settings
from portrait.cli.output import emit
from portrait.errors import PortraitError
from portrait.settings import Settings

warnings = typer.Typer(help="Early warning: the watch list, and why a loan is on it.", no_args_is_help=True)
_LOANS, _LIST = "gold.loan_warnings", "gold.watch_list"
_ORDER = ("opened", "lowered", "raised", "escalated", "closed")


@warnings.command("list")
@with_settings
def list_command(
    as_of: OptionalAsOf = None,
    overdue: Annotated[bool, typer.Option("--overdue", help="Only entries whose deadline has passed.")] = False,
    limit: Limit = 50,
    *,
    settings: Settings,
    target: Target = None,
    output: Output = Format.table,
) -> None:
    """Open entries of the watch list, the gravest and most urgent first.

    Example: portrait warnings list --overdue
    """
    with looking(settings, target) as opened:
        day, _ = opened.slice_at(_LOANS, as_of)
        events = opened.read(_LIST).where("day", "<=", day).rows()
    rows = [row for row in _newest(events) if row["state"] != "closed" and (not overdue or row["deadline"] < day)]
    rows.sort(key=lambda row: (-row["severity"], row["deadline"], row["entry_id"]))
    columns = ["loan_id", "customer_id", "state", "responsible", "deadline", "signals", "reason"]
    lines = [[_text(row[name]) for name in columns] for row in rows[:limit]]
    emit(columns, lines, output, title=f"Watch list on {day}: {len(rows)} open entries")


@warnings.command("show")
@with_settings
def show_command(
    loan: Annotated[str, typer.Argument(metavar="LOAN", help="Loan.")],
    as_of: OptionalAsOf = None,
    *,
    settings: Settings,
    target: Target = None,
    output: Output = Format.table,
) -> None:
    """How a loan is paid, its class and signals, and everything that happened to it on the watch list.

    Example: portrait warnings show L000000017-mortgage
    """
    with looking(settings, target) as opened:
        day, loans = opened.slice_at(_LOANS, as_of)
        found = loans.where("loan_id", "=", loan).rows()
        listed = opened.read(_LIST).where("loan_id", "=", loan).where("day", "<=", day).rows()
    if not found and not listed:
        raise PortraitError(
            f"the loan '{loan}' neither runs nor is in arrears on {day}", where=_LOANS, remedy="check the id and day"
        )
    told = ["class", "class_reason", "days_past_due", "overdue", "late_90d", "signals"]
    rows: list[list[Any]] = [[day, "as it is", f"{name}: {_text(row[name])}"] for row in found for name in told]
    rows += [[row["day"], row["event"], f"{row['reason']} ({row['responsible']}{_until(row['deadline'])})"]
             for row in sorted(listed, key=_when)]  # fmt: skip
    emit(["day", "event", "what"], rows, output, title=f"Loan {loan} on {day}")


@warnings.command("missed")
@with_settings
def missed_command(
    as_of: OptionalAsOf = None,
    limit: Limit = 50,
    *,
    settings: Settings,
    target: Target = None,
    output: Output = Format.table,
) -> None:
    """Loans that fell into arrears within twelve months although nothing had warned of them in time, the newest first.

    Example: portrait warnings missed
    """
    with looking(settings, target) as lake:
        day, loans = lake.slice_at("gold.loan_hazards", as_of)
        found = loans.where("is_missed", "=", True).rows()
    found.sort(key=lambda row: (row["arrears_on"], row["loan_id"]), reverse=True)
    columns = ["loan_id", "customer_id", "arrears_on", "months_on_book"]
    lines = [[row[name] for name in columns] for row in found[:limit]]
    emit(columns, lines, output, title=f"Missed loans up to {day}: {len(found)}")


def _when(row: dict[str, Any]) -> tuple[date, int]:
    return row["day"], _ORDER.index(row["event"])


def _newest(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The last event of each entry."""
    return list({row["entry_id"]: row for row in sorted(events, key=_when)}.values())


def _until(deadline: date | None) -> str:
    return "" if deadline is None else f", by {deadline}"


def _text(value: Any) -> Any:
    return ", ".join(value) if isinstance(value, list) else value
