"""Commands about credit."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from portrait.capabilities.credit.cutoff import cheapest, cutoffs, read_outcomes, swap_set
from portrait.capabilities.credit.decide import PlainCard, nearest_change
from portrait.capabilities.credit.policy import load_credit_policy
from portrait.cli.context import looking
from portrait.cli.options import Format, OptionalAsOf, Output, Target, with_settings
from portrait.cli.output import emit
from portrait.errors import PortraitError
from portrait.lake import Reader
from portrait.settings import Settings

credit = typer.Typer(help="Credit: why an application was decided as it was, and how decisions differ.",
                     no_args_is_help=True)  # fmt: skip
_SCORES, _DECISIONS, _FAIRNESS = "gold.credit_scores", "gold.credit_decisions", "gold.credit_fairness"
_MODELS, _WARNINGS, _CARD = "ops.models", "gold.customer_warnings", "scorecard"


@credit.command("explain")
@with_settings
def explain_command(
    application: str = typer.Argument(metavar="APPLICATION", help="Application."),
    *,
    settings: Settings,
    target: Target = None,
    output: Output = Format.table,
) -> None:
    """What was decided about an application, why, and the smallest change of amount and term that would be approved.

    The change is computed by the facts and the scorecard of the decision, and the rules of conf/credit.yml as they are.

    Example: portrait credit explain A000000017
    """
    policy = load_credit_policy(settings.conf)
    with looking(settings, target) as opened:
        decided = opened.read(_DECISIONS).where("application_id", "=", application).rows()
        if not decided:
            raise PortraitError(
                f"there is no decision about '{application}'",
                where=_DECISIONS,
                remedy="check the id; applications are decided by `portrait run`",
            )
        row = decided[0]
        scored = opened.slice(_SCORES, row["decided_on"]).where("application_id", "=", application).rows()
        change = ""
        if row["decision"] != "approve" and scored and row["model_version"] is not None:
            facts = scored[0] | {"early_warning": _warned(opened, row)}
            found = nearest_change(facts, _card(opened, row["model_version"]), policy)
            change = (
                "no smaller amount or other term would be approved: what stands in the way cannot be changed by them"
                if found is None
                else f"{found.amount:,.2f} over {found.months} months, probability of default {found.probability:.1%}"
            )
    told: list[tuple[str, Any]] = [("decision", row["decision"]), ("decided on", row["decided_on"])]
    told += [("because", reason) for reason in row["reasons"]]
    if row["probability"] is not None:
        told += [("points", round(row["points"])), ("probability of default", f"{row['probability']:.1%}")]
        told += [("grade", row["grade"])]
    told += [("costs points", reason) for reason in (scored[0]["reasons"] if scored else [])]
    told += [("would be approved", change)] if change else []
    told += [("policy", row["policy_version"]), ("scorecard", row["model_version"] or "none")]
    emit(["what", "value"], [list(item) for item in told], output, title=f"Application {application}")


def _warned(opened: Reader, row: dict[str, Any]) -> bool | None:
    """The early warning of the customer on the day of the decision; None: not known."""
    day = row["decided_on"]
    if not opened.has(_WARNINGS) or day not in opened.slices(_WARNINGS):
        return None
    found = opened.slice(_WARNINGS, day).where("customer_id", "=", row["customer_id"]).rows(["early_warning"])
    return found[0]["early_warning"] if found else None


def _card(opened: Reader, version: str) -> PlainCard:
    (model,) = opened.read(_MODELS).where("name", "=", _CARD).where("version", "=", version).rows()
    return PlainCard.read(opened.root / model["path"] / "scorecard.json")


@credit.command("cutoff")
@with_settings
def cutoff_command(
    bad_cost: Annotated[
        float | None, typer.Option(min=0, help="Cost of an accepted bad application, of a refused good one being 1.")
    ] = None,
    new: Annotated[
        int | None, typer.Option("--cutoff", min=0, max=100, help="Percent up to which the scorecard accepts.")
    ] = None,
    old: Annotated[
        int | None, typer.Option("--old-cutoff", min=0, max=100, help="Percent up to which the one before it accepts.")
    ] = None,
    *,
    settings: Settings,
    target: Target = None,
    output: Output = Format.table,
) -> None:
    """The cut-off that costs least, and whom it swaps: accepted by both, only by the new, only by the old, by none.

    Compared are the scorecard at that cut-off and the one before it at the bound of conf/credit.yml, on applications
    whose outcome is known.

    Example: portrait credit cutoff --bad-cost 8
    """
    policy = load_credit_policy(settings.conf)
    with looking(settings, target) as opened:
        models = opened.read(_MODELS).where("name", "=", _CARD).where("is_current", "=", True).rows()
        outcomes, earlier = read_outcomes(opened.root / models[0]["path"] / "scorecard.json") if models else ([], None)
    if not outcomes:
        raise PortraitError(
            "there is no scorecard with known outcomes",
            where=_MODELS,
            remedy="run `portrait run` for a day by which enough outcomes are known (applications.least_bad)",
        )
    weight = policy.cutoff.bad_cost if bad_cost is None else bad_cost
    found = cutoffs(outcomes, bad_cost=weight)
    chosen = cheapest(found) if new is None else found[new]
    before = found[policy.decline_percent if old is None else old]
    rows = [
        [part.accepted_by, part.applications, part.bad, None if part.bad_rate is None else f"{part.bad_rate:.1%}"]
        for part in swap_set(outcomes, new=chosen.percent, old=before.percent)
    ]
    title = (
        f"Cut-off {chosen.percent} % costs {chosen.cost:,.0f} and accepts {chosen.accepted} ({chosen.bad} bad); "
        f"{before.percent} % costs {before.cost:,.0f} and accepts {before.accepted} ({before.bad} bad). "
        f"New: {models[0]['version']}, old: {earlier or 'the same scorecard'}"
    )
    emit(["accepted by", "applications", "bad", "bad rate"], rows, output, title=title)


@credit.command("fairness")
@with_settings
def fairness_command(
    as_of: OptionalAsOf = None, *, settings: Settings, target: Target = None, output: Output = Format.table
) -> None:
    """How decisions of the last year differ between groups of applicants that the scorecard does not know.

    Example: portrait credit fairness
    """
    with looking(settings, target) as opened:
        day, rows = opened.slice_at(_FAIRNESS, as_of)
        found = rows.rows()
    columns = ["attribute", "applicant_group", "applications", "approved", "referred", "declined", "approval_rate",
               "rate_ratio", "verdict"]  # fmt: skip
    found.sort(key=lambda row: (row["attribute"], row["applicant_group"]))
    emit(columns, [[row[name] for name in columns] for row in found], output, title=f"Decisions by group to {day}")
