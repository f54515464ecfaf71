"""Commands that run, plan, publish and roll back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import Annotated

import typer
from pyspark.sql import functions as F
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from portrait.cli.context import embedded, suite_of, writing
from portrait.cli.look import not_ingested
from portrait.cli.options import (
    AsOf,
    Format,
    OptionalAsOf,
    PlanFormat,
    PlanOutput,
    Select,
    SettingsAndLanding,
    Target,
    identifier,
    with_settings,
)
from portrait.cli.output import console, emit, errors, served_words, summarize
from portrait.contracts import job_graph
from portrait.contracts.products import check_names
from portrait.dates import business_date
from portrait.entities.conflict_counts import conflict_counts
from portrait.errors import ConfigurationError, GateRefused
from portrait.lake import Lake, publications, publish, rollback
from portrait.lake.gate import RESULTS
from portrait.lake.runs import RUNS, RunStatus
from portrait.quality import recorded_orphans, unknown_numbers
from portrait.quality.expectations import NOT_EMPTY
from portrait.report import write_report
from portrait.run.journal import measured_start
from portrait.run.orchestration import airflow_dag, submit_arguments, submit_plan
from portrait.run.runner import Every, RunSummary, Step, business_dates, plan, run, selected
from portrait.settings import Settings


@with_settings
def run_command(
    as_of: OptionalAsOf = None,
    first: Annotated[
        date | None, typer.Option("--from", parser=business_date, metavar="DATE", help="First day of a backfill.")
    ] = None,
    last: Annotated[
        date | None, typer.Option("--to", parser=business_date, metavar="DATE", help="Last day of a backfill.")
    ] = None,
    every: Annotated[Every, typer.Option(help="Which days of a backfill.")] = Every.day,
    *,
    settings: SettingsAndLanding,
    target: Target = None,
    select: Select = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would run, and why; change nothing.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, no summary; errors only.")] = False,
) -> None:
    """Run the whole graph for a business date, or for a range of them, oldest first; what is up to date is skipped."""
    days = _days(as_of, first, last, every)
    if dry_run:
        for day in days:
            _print_plan(settings, target, day, select, Format.table)
        return
    execute(settings, target, days=days, select=select, quiet=quiet)


def _days(as_of: date | None, first: date | None, last: date | None, every: Every) -> list[date]:
    if as_of is not None and first is None and last is None:
        return [as_of]
    if as_of is None and first is not None and last is not None:
        return business_dates(first, last, every)
    raise ConfigurationError(
        "a run needs to know its business date",
        where="--as-of, --from, --to",
        remedy="give --as-of DATE, or --from DATE and --to DATE for a backfill",
    )


def execute(settings: Settings, target: str | None, *, days: list[date], select: str | None, quiet: bool) -> str | None:
    """Run day after day, write the report of what was published last, print the summary; returns the report's path.

    The first day that fails ends it; the days before it are complete, and a rerun skips them.
    """
    catalogue = suite_of(settings)
    jobs = len(selected(job_graph(catalogue), select, catalogue))
    if not settings.landing.is_dir():
        raise ConfigurationError(
            "the landing folder does not exist",
            where=str(settings.landing),
            remedy="name it with --landing, or `portrait land` one",
        )
    with measured_start(settings.metrics):
        spark = embedded(settings, target)
    try:
        for day in days:
            with _progress(quiet, jobs) as progress:
                try:
                    summary = run(spark, settings, catalogue=catalogue, as_of=day, select=select, progress=progress)
                except GateRefused:
                    _report_refused(Lake(spark, settings.lake, catalogue), day, quiet=quiet)
                    raise
            if day != days[-1] and not quiet:
                outcome = f"run {summary.run}, {summary.seconds:.0f} s" if summary.changed else "up to date"
                console.print(f"{day}: {outcome}")
        lake = Lake(spark, settings.lake, catalogue)
        report = _report(lake, summary)
        if not quiet:
            summarize(summary, notes=_notes(lake, summary), report=report)
        return report
    finally:
        spark.stop()


def _report_refused(lake: Lake, day: date, *, quiet: bool) -> None:
    """Of a run that published some data products and was refused others: the report, which says which."""
    served = next(iter(publications(lake)), None)
    if served is None or (served.run, served.as_of) != (lake.records.last_run, day):
        return
    report = write_report(lake, as_of=day, run=None)
    if not quiet:
        told = served_words(served, served.days_of(lake.catalogue))
        console.print(f"  published     {told} (run {served.run}), as schema published", soft_wrap=True)
        console.print(f"  report        {report}", soft_wrap=True)


def _report(lake: Lake, summary: RunSummary) -> str | None:
    published = summary.publication is not None and summary.publication.run == summary.run
    return str(write_report(lake, as_of=summary.as_of, run=summary)) if published and summary.changed else None


def _notes(lake: Lake, summary: RunSummary) -> list[tuple[str, str]]:
    """What the user should know of a run: what was rejected, does not reconcile, is unknown, conflicts."""
    notes = [
        ("quarantined", f"{_open_rows(lake):,} rows are in ops.quarantine"),
        ("reconciled", f"{_count(lake, 'ops.reconciliation'):,} account-days do not reconcile"),
    ]
    notes += not_ingested(lake.root)
    notes += [("warning", text) for text in _warnings(lake, summary)]
    notes += [("unknown", text) for text in unknown_numbers(lake, summary.as_of)]
    notes += [("references", text) for text in recorded_orphans(lake, summary.as_of)]
    if conflicts := conflict_counts(lake.reader, run=summary.run):
        kinds = ", ".join(f"{row['feed']} {row['why']} {row['records']:,}" for row in conflicts)
        rows, new = sum(row["records"] for row in conflicts), sum(row["new"] for row in conflicts)
        told = f"{rows:,} records conflict with another of their key ({new:,} new in this run): {kinds}"
        notes.append(("conflicts", f"{told}; see `portrait quarantine --conflicts`"))
    return notes


def _count(lake: Lake, table: str) -> int:
    return lake.read(table).count() if lake.has(table) else 0


def _open_rows(lake: Lake) -> int:
    table = "ops.quarantine"
    return lake.read(table).where(F.col("status") == "open").count() if lake.has(table) else 0


def _warnings(lake: Lake, summary: RunSummary) -> list[str]:
    """The rules of severity warning that the slices of the day break; a table without rows is none of them here."""
    table = "ops.quality_results"
    if not summary.changed or summary.as_of not in lake.slices(table):
        return []
    broken = lake.slice(table, summary.as_of).where(f"not success and severity = 'warning' and rule <> '{NOT_EMPTY}'")
    rows = broken.orderBy("table_name", "rule").select("table_name", "rule", "unexpected_count", "total").collect()
    return [f"{row.table_name}: {row.rule} ({row.unexpected_count:,} of {row.total:,} rows)" for row in rows]


@contextmanager
def _progress(quiet: bool, jobs: int) -> Iterator[Callable[[Step, str], None]]:
    """A bar on a terminal, a line per job elsewhere."""
    if quiet:
        yield lambda step, event: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bar:
        task = bar.add_task("starting", total=jobs)

        def show(step: Step, event: str) -> None:
            bar.update(task, description=step.job, advance=1 if event == "end" else 0)
            if event == "end":
                rows = sum(count or 0 for count in step.rows.values())
                bar.console.print(f"  {step.job:<20} {rows:>10,} rows {step.seconds:7.1f} s", highlight=False)

        yield show


@with_settings
def plan_command(
    as_of: AsOf,
    *,
    settings: SettingsAndLanding,
    target: Target = None,
    select: Select = None,
    output: PlanOutput = PlanFormat.table,
) -> None:
    """The job graph and what a run would do, and why; or the whole graph for a scheduler, whatever the lake holds."""
    if output in (PlanFormat.submit, PlanFormat.airflow):
        catalogue = suite_of(settings)
        jobs = selected(job_graph(catalogue), select, catalogue)
        render = submit_plan if output is PlanFormat.submit else airflow_dag
        print(render(jobs, settings, as_of, target=target), end="")
        return
    _print_plan(settings, target, as_of, select, Format(output.value))


def _print_plan(settings: Settings, target: str | None, as_of: date, select: str | None, output: Format) -> None:
    catalogue = suite_of(settings)
    jobs = {job.name: job for job in job_graph(catalogue)}
    selected(list(jobs.values()), select, catalogue)
    spark = embedded(settings, target)
    try:
        steps = plan(Lake(spark, settings.lake, catalogue), settings, as_of=as_of, select=select)
    finally:
        spark.stop()
    columns = ["job", "action", "reason", "reads", "writes", "arguments"]
    arguments = submit_arguments(settings, as_of, target=target)
    rows = [
        [step.job, step.action, step.reason, list(jobs[step.job].inputs), list(jobs[step.job].writes), arguments]
        for step in steps
    ]
    if output is Format.json:
        emit(columns, rows, output)
        return
    shown = 3 if output is Format.table else 5
    texts = [[*row[:3], ", ".join(row[3]), ", ".join(row[4])] for row in rows]
    emit(columns[:shown], [row[:shown] for row in texts], output)


RunNumber = Annotated[int, typer.Argument(metavar="RUN", min=1, help="Number of a run, as `portrait status` shows it.")]


Products = Annotated[
    list[str] | None,
    typer.Option("--product", parser=identifier, metavar="NAME", help="Only this data product; may be repeated."),
]


@with_settings
def publish_command(run: RunNumber, product: Products = None, *, settings: Settings, target: Target = None) -> None:
    """Serve what a run has computed and its gates let through, even if a newer day is served."""
    check_names(suite_of(settings), product or ())
    with writing(settings, target) as opened:
        ended = opened.read(RUNS).where(F.col("run") == run).select("as_of", "status").collect()
        done = next((row for row in ended if row["status"] == RunStatus.DONE), None)
        if done is None and ended and opened.records.written(RESULTS, ended[0]["as_of"]) == run:
            done = ended[0]  # refused at its end: what of it passed may be served
        if done is None:
            raise ConfigurationError(
                f"run {run} did not succeed, or never was",
                where=RUNS,
                remedy="see `portrait status` for runs that are done",
            )
        later = opened.read(RUNS).where((F.col("as_of") == done["as_of"]) & (F.col("run") > run))
        if not later.isEmpty():
            # The slices are no longer those of the run; they may be ones that a gate has refused.
            raise ConfigurationError(
                f"a later run has rewritten the slices of {done['as_of']}",
                where=RUNS,
                remedy="run that day again, or `portrait rollback` to what a run had published",
            )
        pointer = publish(opened, as_of=done["as_of"], only=product)
        days = pointer.days_of(opened.catalogue)
    moved = ", ".join(pointer.products or ())
    console.print(f"Published run {run} ({moved}): {served_words(pointer, days)} are served.", soft_wrap=True)


@with_settings
def rollback_command(run: RunNumber, product: Products = None, *, settings: Settings, target: Target = None) -> None:
    """Serve again what an earlier run had published, and with it what is made from that."""
    check_names(suite_of(settings), product or ())
    with writing(settings, target) as opened:
        pointer = rollback(opened, run, only=product)
        days = pointer.days_of(opened.catalogue)
    moved = ", ".join(pointer.products or ())
    console.print(f"Rolled back to run {run} ({moved}): {served_words(pointer, days)} are served.", soft_wrap=True)
