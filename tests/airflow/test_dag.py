"""The generated DAG, judged by Airflow itself; `make test-airflow` prepares AIRFLOW_HOME and runs this.

Expected tasks and edges come from what tables `portrait plan --format json` says that jobs read and write.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("airflow", reason="Airflow has an environment of its own: make test-airflow")

HOME = Path(os.environ.get("AIRFLOW_HOME", ""))
MODULE = HOME / "dags" / "portrait.py"
AIRFLOW = Path(sys.executable).parent / "airflow"


@pytest.fixture(scope="module")
def parsed() -> tuple[Any, list[warnings.WarningMessage]]:
    """What Airflow reads from the module, and the warnings that arise meanwhile."""
    from airflow.models import DagBag

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        return DagBag(dag_folder=str(MODULE)), caught


@pytest.fixture(scope="module")
def dag(parsed: tuple[Any, list[warnings.WarningMessage]]) -> Any:
    return parsed[0].dags["portrait"]


@pytest.fixture(scope="module")
def plan() -> list[dict[str, Any]]:
    return json.loads((HOME / "plan.json").read_text())


def edges_of(plan: list[dict[str, Any]]) -> set[tuple[str, str]]:
    """Pairs of writer and reader of one table."""
    return {
        (first["job"], second["job"])
        for first in plan
        for second in plan
        if set(first["writes"]) & set(second["reads"])
    }


def test_the_module_is_imported_without_errors(parsed: Any) -> None:
    assert parsed[0].import_errors == {}
    assert list(parsed[0].dags) == ["portrait"]


def test_the_module_causes_no_warning(parsed: Any) -> None:
    assert [str(item.message) for item in parsed[1] if Path(item.filename) == MODULE] == []


def listed(*words: str) -> list[dict[str, str]]:
    """The rows that an `airflow` command prints as JSON on its last line."""
    result = subprocess.run([AIRFLOW, *words, "-o", "json"], capture_output=True, text=True, check=False)
    return json.loads(result.stdout.splitlines()[-1])


def test_airflow_takes_the_dag_into_its_database_without_import_errors() -> None:
    subprocess.run([AIRFLOW, "dags", "reserialize"], capture_output=True, check=True)
    assert listed("dags", "list-import-errors") == []
    assert [row["dag_id"] for row in listed("dags", "list")] == ["portrait"]


def test_a_task_is_a_job(dag: Any, plan: list[dict[str, Any]]) -> None:
    assert set(dag.task_ids) == {step["job"] for step in plan}


def test_an_edge_is_a_table_that_one_job_writes_and_another_reads(dag: Any, plan: list[dict[str, Any]]) -> None:
    found = {(name, task.task_id) for task in dag.tasks for name in task.upstream_task_ids}
    assert len(found) > len(plan)
    assert found == edges_of(plan)


def test_one_task_of_one_run_works_at_a_time(dag: Any) -> None:
    assert (dag.max_active_runs, dag.max_active_tasks) == (1, 1)


def test_missed_days_are_run_and_wait_for_the_day_before(dag: Any) -> None:
    assert dag.catchup
    assert all(task.depends_on_past and task.retries == 2 for task in dag.tasks)


def test_the_first_run_is_of_the_day_of_the_plan_and_starts_after_it(dag: Any) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    first = DagSerialization.from_dict(DagSerialization.to_dict(dag)).next_dagrun_info(last_automated_run_info=None)
    assert first.data_interval.start.strftime("%Y-%m-%d") == "2025-03-31"
    assert first.logical_date == first.data_interval.start
    assert first.run_after.strftime("%Y-%m-%d %H:%M") == "2025-04-01 04:00"


@pytest.fixture(scope="module")
def submitted(tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    """The words of each spark-submit of one day, in the order in which Airflow started them.

    A script that writes them down stands in for spark-submit.
    """
    folder = tmp_path_factory.mktemp("stand_in")
    log = folder / "submitted"
    stand_in = folder / "spark-submit"
    stand_in.write_text(f'#!/bin/sh\nprintf "%s\\0" "$PWD" "$@" >>{shlex.quote(str(log))}\necho >>{log}\n')
    stand_in.chmod(0o755)
    variables = {"PATH": f"{folder}:{os.environ['PATH']}", "AIRFLOW_VAR_PORTRAIT_HOME": str(folder)}
    command = [AIRFLOW, "dags", "test", "-f", str(MODULE), "portrait", "2025-03-31"]
    result = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-3000:]
    lines = [line.split("\0")[:-1] for line in log.read_text().splitlines()]
    assert {line[0] for line in lines} == {str(folder)}
    return [["spark-submit", *line[1:]] for line in lines]


def test_a_day_in_airflow_is_the_submit_plan_command_by_command(submitted: list[list[str]]) -> None:
    commands = [shlex.split(line) for line in (HOME / "plan.submit").read_text().splitlines()]
    assert sorted(submitted) == sorted(commands)


def test_no_job_starts_before_what_it_reads_is_written(submitted: list[list[str]], plan: list[dict[str, Any]]) -> None:
    order = [Path(words[5]).stem for words in submitted]
    assert all(order.index(first) < order.index(second) for first, second in edges_of(plan))


def test_a_job_gets_the_arguments_that_the_plan_says(submitted: list[list[str]], plan: list[dict[str, Any]]) -> None:
    said = {step["job"]: step["arguments"] for step in plan}
    assert {Path(words[5]).stem: words[6:] for words in submitted} == said
