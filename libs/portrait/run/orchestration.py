"""The job graph for a scheduler: one spark-submit command a job, or an Airflow DAG that runs these commands.

Both follow from the contracts and the settings alone: no Spark is started and the state of the lake does not matter,
because a scheduler decides at its own time. Nothing is skipped as up to date: a submitted job writes its slice anew.
"""

from __future__ import annotations

import json
import shlex
from datetime import date
from pathlib import Path

from portrait import __version__
from portrait.contracts import Job
from portrait.contracts.graph import upstream
from portrait.run.runner import job_argv
from portrait.settings import UTC, Settings

DEFAULT_TARGET = "cluster"
"""Whose Spark settings a submitted job gets unless `--target` says otherwise."""

PACKAGE = f"dist/portrait-{__version__}.zip"
"""What `make dist` builds; relative to the folder in which spark-submit starts."""

_WIDTH = 120


def submit_arguments(settings: Settings, as_of: date, *, target: str | None = None) -> list[str]:
    """The arguments that a submitted job gets after its script; `--target` only when somebody named one."""
    return job_argv(settings, as_of) + (["--target", target] if target else [])


def submit_command(job: Job, settings: Settings, as_of: date, *, target: str | None = None) -> list[str]:
    """The words of the spark-submit command of one job, paths as the settings have them."""
    script = settings.jobs / f"{job.script}.py"
    return [*_spark_submit(settings, target), str(script), *submit_arguments(settings, as_of, target=target)]


def submit_plan(jobs: list[Job], settings: Settings, as_of: date, *, target: str | None = None) -> str:
    """One shell command a line, a job each, in the order of `jobs`; words quoted for a POSIX shell."""
    return "".join(shlex.join(submit_command(job, settings, as_of, target=target)) + "\n" for job in jobs)


def airflow_dag(jobs: list[Job], settings: Settings, first_day: date, *, target: str | None = None) -> str:
    """The text of a module that defines the DAG `portrait`: one task per job of `jobs`, run daily from `first_day` on.

    Every task runs the command of `submit_plan`, with the day, the landing folder and the lake as environment
    variables, so that no path can break the quoting.
    """
    words = submit_arguments(settings, first_day, target=target)
    given = {"--as-of": '"$AS_OF"', "--landing": '"$LANDING"', "--lake": '"$LAKE"'}
    scripts = {job.name: job.script for job in jobs}
    pairs = zip(words[::2], words[1::2], strict=True)
    arguments = " ".join(f"{flag} {given.get(flag, shlex.quote(value))}" for flag, value in pairs)
    return _DAG.format(
        version=__version__,
        home=_variable("home", Path("/opt/portrait")),
        landing=_variable("landing", settings.landing),
        lake=_variable("lake", settings.lake),
        submit=_literal(shlex.join(_spark_submit(settings, target))),
        scripts=_literal(shlex.quote(str(settings.jobs))),
        arguments=_literal(arguments),
        **_zone(settings.time_zone),
        year=first_day.year,
        month=first_day.month,
        day=first_day.day,
        retry_minutes=settings.lease_seconds // 60 + 3,
        jobs="\n".join(
            _entry(scripts[name], [scripts[item] for item in names]) for name, names in upstream(jobs).items()
        ),
    )


def _spark_submit(settings: Settings, target: str | None) -> list[str]:
    properties = settings.conf / "spark" / f"{target or DEFAULT_TARGET}.conf"
    return ["spark-submit", "--properties-file", str(properties), "--py-files", PACKAGE]


def _zone(name: str) -> dict[str, str]:
    """What the DAG says of the bank's time zone: the hour of the schedule, and the day that a run is for."""
    if name == UTC:
        imports = "from datetime import UTC, datetime, timedelta"
        return {"zone": _literal(name), "tzinfo": "UTC", "as_of": '"{{ ds }}"', "imports": imports}
    return {
        "zone": _literal(name),
        "tzinfo": f"ZoneInfo({_literal(name)})",
        "as_of": f"\"{{{{ data_interval_start.in_timezone('{name}').to_date_string() }}}}\"",
        "imports": "from datetime import datetime, timedelta\nfrom zoneinfo import ZoneInfo",
    }


def _variable(name: str, default: Path) -> str:
    """A template that takes the Airflow Variable `portrait_<name>`, or else what the plan was made with."""
    return _literal(f"{{{{ var.value.get('portrait_{name}', {str(default)!r}) }}}}")


def _literal(text: str) -> str:
    """A Python string as the formatter writes it: double quotes unless single ones save escaping."""
    return repr(text) if '"' in text and "'" not in text else json.dumps(text, ensure_ascii=False)


def _entry(name: str, names: list[str]) -> str:
    """One line of the table of jobs, or one line per name where that is too long."""
    short = f'    "{name}": {json.dumps(names)},'
    if len(short) <= _WIDTH:
        return short
    return "\n".join([f'    "{name}": [', *(f'        "{item}",' for item in names), "    ],"])


_DAG = '''\
"""Portrait {version}, day by day: one task per job. Generated by `portrait plan --format airflow`; do not edit.

Airflow Variables (or AIRFLOW_VAR_PORTRAIT_HOME and so on in the environment of the workers):
portrait_home     the checkout or release in which spark-submit starts: conf/, dist/, jobs/, schemas/
portrait_landing  folder into which the bank drops files; relative to portrait_home
portrait_lake     root of the lake; relative to portrait_home
AIRFLOW_VAR_PORTRAIT_SCHEDULE, in the environment of the DAG processor, is the hour at which a day is run.
"""

from __future__ import annotations

import os
{imports}

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, CronDataIntervalTimetable

HOME = {home}
ENVIRONMENT = {{
    # The day at which the data interval begins: the run of the night after it has the whole business date.
    "AS_OF": {as_of},
    "LANDING": {landing},
    "LAKE": {lake},
}}
SUBMIT = {submit}
SCRIPTS = {scripts}
ARGUMENTS = {arguments}
SCHEDULE = os.environ.get("AIRFLOW_VAR_PORTRAIT_SCHEDULE", "0 4 * * *")

# Each job, by its script, and the jobs whose tables it reads.
JOBS: dict[str, list[str]] = {{
{jobs}
}}

with DAG(
    dag_id="portrait",
    description="Labels, value, tiers, groups and recommendations of all customers, each data product published whole",
    schedule=CronDataIntervalTimetable(SCHEDULE, timezone={zone}),
    start_date=datetime({year}, {month}, {day}, tzinfo={tzinfo}),
    # Days that were missed are run, oldest first: a slice builds on the one of the day before.
    catchup=True,
    # A lake has one writer at a time, by a lease: a second job would end with exit code 5. So one task of one run;
    # DAGs of your own that write to the same lake need a pool of one slot together with this one.
    max_active_runs=1,
    max_active_tasks=1,
    default_args={{
        "owner": "portrait",
        "depends_on_past": True,
        "retries": 2,
        # Longer than the lease of a job that was killed: before it ends, nobody else may write.
        "retry_delay": timedelta(minutes={retry_minutes}),
    }},
    tags=["portrait"],
):
    tasks = {{
        job: BashOperator(
            task_id=job.rpartition("/")[2],
            bash_command=f"{{SUBMIT}} {{SCRIPTS}}/{{job}}.py {{ARGUMENTS}}",
            env=ENVIRONMENT,
            append_env=True,
            cwd=HOME,
            # A day is published even if a data product of the day before was refused, which ends its publish with 4.
            depends_on_past=job != "publish",
        )
        for job in JOBS
    }}
    for job, needed in JOBS.items():
        for name in needed:
            tasks[name] >> tasks[job]
'''
