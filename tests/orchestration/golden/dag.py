"""Portrait 0.1.0, day by day: one task a job. Made by `portrait plan --format airflow`; make it again, do not edit.

Airflow Variables (or AIRFLOW_VAR_PORTRAIT_HOME and so on in the environment of the workers):
portrait_home     the checkout or release in which spark-submit starts: conf/, dist/, jobs/, schemas/
portrait_landing  folder into which the bank drops files; relative to portrait_home
portrait_lake     root of the lake; relative to portrait_home
AIRFLOW_VAR_PORTRAIT_SCHEDULE, in the environment of the DAG processor, is the hour at which a day is run.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, CronDataIntervalTimetable

HOME = "{{ var.value.get('portrait_home', '/opt/portrait') }}"
ENVIRONMENT = {
    # The day at which the data interval begins: the run of the night after it has the whole business date.
    "AS_OF": "{{ ds }}",
    "LANDING": "{{ var.value.get('portrait_landing', 'landing') }}",
    "LAKE": "{{ var.value.get('portrait_lake', 'lake') }}",
}
SUBMIT = "spark-submit --properties-file conf/spark/cluster.conf --py-files dist/portrait-0.1.0.zip"
SCRIPTS = "jobs"
ARGUMENTS = '--as-of "$AS_OF" --landing "$LANDING" --lake "$LAKE" --conf conf --schemas schemas'
SCHEDULE = os.environ.get("AIRFLOW_VAR_PORTRAIT_SCHEDULE", "0 4 * * *")

# Each job, by its script, and the jobs whose tables it reads.
JOBS: dict[str, list[str]] = {
    "ingest": [],
    "entities": ["ingest"],
    "transactions": ["ingest", "entities"],
    "balances": ["transactions"],
    "customer_daily": ["entities", "transactions"],
    "customer_features": ["ingest", "entities", "transactions", "balances", "customer_daily"],
    "contribution/contribution": ["entities", "transactions", "balances", "customer_features"],
    "groups/customer_group": ["customer_features"],
    "score/customer_value": ["customer_daily", "customer_features", "contribution/contribution"],
    "tiers/customer_tier": ["entities", "score/customer_value"],
    "branches/branch_summary": ["entities", "score/customer_value", "tiers/customer_tier"],
    "customer_portrait": ["customer_features", "groups/customer_group", "score/customer_value", "tiers/customer_tier"],
    "offers/recommendations": ["entities", "customer_features", "groups/customer_group", "tiers/customer_tier"],
    "tiers/tier_value": ["score/customer_value", "tiers/customer_tier"],
    "audiences/audiences": ["customer_portrait"],
    "segments/segments": [
        "customer_features",
        "groups/customer_group",
        "tiers/customer_tier",
        "customer_portrait",
        "offers/recommendations",
    ],
    "quality": [
        "entities",
        "transactions",
        "balances",
        "customer_features",
        "contribution/contribution",
        "groups/customer_group",
        "score/customer_value",
        "tiers/customer_tier",
        "branches/branch_summary",
        "customer_portrait",
        "offers/recommendations",
        "tiers/tier_value",
        "audiences/audiences",
        "segments/segments",
    ],
    "publish": [
        "customer_features",
        "contribution/contribution",
        "groups/customer_group",
        "score/customer_value",
        "tiers/customer_tier",
        "branches/branch_summary",
        "customer_portrait",
        "offers/recommendations",
        "tiers/tier_value",
        "audiences/audiences",
        "segments/segments",
        "quality",
    ],
}

with DAG(
    dag_id="portrait",
    description="Labels, value, tiers, groups and recommendations of all customers, each data product published whole",
    schedule=CronDataIntervalTimetable(SCHEDULE, timezone="UTC"),
    start_date=datetime(2025, 3, 31, tzinfo=UTC),
    # Days that were missed are run, oldest first: a slice builds on the one of the day before.
    catchup=True,
    # A lake has one writer at a time, by a lease: a second job would end with exit code 5. So one task of one run;
    # DAGs of your own that write to the same lake need a pool of one slot together with this one.
    max_active_runs=1,
    max_active_tasks=1,
    default_args={
        "owner": "portrait",
        "depends_on_past": True,
        "retries": 2,
        # Longer than the lease of a job that was killed: before it ends, nobody else may write.
        "retry_delay": timedelta(minutes=5),
    },
    tags=["portrait"],
):
    tasks = {
        job: BashOperator(
            task_id=job.rpartition("/")[2],
            bash_command=f"{SUBMIT} {SCRIPTS}/{job}.py {ARGUMENTS}",
            env=ENVIRONMENT,
            append_env=True,
            cwd=HOME,
            # A day is published even if a data product of the day before was refused, which ends its publish with 4.
            depends_on_past=job != "publish",
        )
        for job in JOBS
    }
    for job, needed in JOBS.items():
        for name in needed:
            tasks[name] >> tasks[job]
