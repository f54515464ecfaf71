"""What a scheduler is told: the words of a command, the edges between jobs, and the quoting of odd paths."""

from __future__ import annotations

import ast
import shlex
from datetime import date
from pathlib import Path

import pytest
from tests.cli.test_bad_words import CHECKOUT, in_a_process

from portrait.contracts.graph import Job, upstream
from portrait.run.orchestration import airflow_dag, submit_command, submit_plan
from portrait.settings import Settings

DAY = date(2025, 3, 31)


def job(name: str, writes: str, reads: str = "", optional: str = "", previous: str = "") -> Job:
    lists = (tuple(text.split()) for text in (writes, reads, optional, previous, ""))
    return Job(name, *lists, script=name)


# c reads a's table needed and b's optional, d reads c's two tables and its own slice of the day before.
GRAPH = [
    job("a", "silver.a", "raw.x"),
    job("b", "gold.b", "raw.x"),
    job("c", "gold.c1 gold.c2", "silver.a", optional="gold.b"),
    job("d", "gold.d", "gold.c2 gold.c1", previous="gold.d"),
]


def test_a_command_is_what_the_architecture_says() -> None:
    assert shlex.join(submit_command(GRAPH[0], Settings(), DAY)).replace("0.1.0", "V") == (
        "spark-submit --properties-file conf/spark/cluster.conf --py-files dist/portrait-V.zip jobs/a.py "
        "--as-of 2025-03-31 --landing landing --lake lake --conf conf --schemas schemas"
    )


def test_a_target_names_the_spark_settings_and_goes_to_the_job() -> None:
    words = submit_command(GRAPH[0], Settings(), DAY, target="local")
    assert words[2] == "conf/spark/local.conf"
    assert words[-2:] == ["--target", "local"]


def test_an_odd_path_is_one_word_for_the_shell() -> None:
    settings = Settings(lake=Path("the bank's $lake"))
    line = submit_plan(GRAPH[:1], settings, DAY).rstrip("\n")
    assert shlex.split(line)[shlex.split(line).index("--lake") + 1] == "the bank's $lake"


def test_an_edge_is_a_table_that_one_writes_and_another_reads() -> None:
    assert upstream(GRAPH) == {"a": [], "b": [], "c": ["a", "b"], "d": ["c"]}


def test_a_dag_runs_at_the_hour_and_for_the_day_of_the_bank() -> None:
    text = airflow_dag(GRAPH[:1], Settings(time_zone="Asia/Shanghai"), DAY)
    assert 'timezone="Asia/Shanghai"' in text
    assert 'start_date=datetime(2025, 3, 31, tzinfo=ZoneInfo("Asia/Shanghai"))' in text
    # `ds` is the day in UTC: at 04:00 in Shanghai that is the day before.
    assert "data_interval_start.in_timezone('Asia/Shanghai').to_date_string()" in text
    ast.parse(text)


def test_a_job_that_is_not_selected_is_no_edge() -> None:
    assert upstream(GRAPH[2:]) == {"c": [], "d": ["c"]}


def constants(module: str) -> dict[str, object]:
    """The literal values that a module assigns to names in capitals."""
    found: dict[str, object] = {}
    for node in ast.parse(module).body:
        target = node.target if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [None])[0]
        if isinstance(target, ast.Name) and not isinstance(node.value, ast.Call):
            found[target.id] = ast.literal_eval(node.value)
    return found


def test_the_dag_runs_the_very_command_of_the_submit_plan() -> None:
    said = constants(airflow_dag(GRAPH, Settings(), DAY, target="local"))
    command = f"{said['SUBMIT']} {said['SCRIPTS']}/a.py {said['ARGUMENTS']}"
    for variable, value in (("$AS_OF", "2025-03-31"), ("$LANDING", "landing"), ("$LAKE", "lake")):
        command = command.replace(f'"{variable}"', value)
    assert command == shlex.join(submit_command(GRAPH[0], Settings(), DAY, target="local"))


def test_the_dag_waits_longer_for_a_retry_than_a_lease_lasts() -> None:
    assert "timedelta(minutes=13)" in airflow_dag(GRAPH, Settings(lease_seconds=600), DAY)


@pytest.mark.parametrize("lake", ["the bank's lake", 'a "lake"', "both ' and \""])
def test_the_dag_of_an_odd_path_is_python(lake: str) -> None:
    said = constants(airflow_dag(GRAPH, Settings(lake=Path(lake)), DAY))
    assert isinstance(said["ENVIRONMENT"], dict)
    template = said["ENVIRONMENT"]["LAKE"].removeprefix("{{ var.value.get(").removesuffix(") }}")
    assert ast.literal_eval(f"({template})") == ("portrait_lake", lake)


@pytest.mark.parametrize("form", ["submit", "airflow"])
def test_the_plan_of_a_scheduler_needs_neither_java_nor_a_lake(form: str) -> None:
    result = in_a_process("plan", "--as-of", "2025-03-31", "--lake", "nowhere", "--format", form)
    assert result.returncode == 0, result.stderr
    assert "nowhere" in result.stdout


def test_the_plan_of_a_scheduler_takes_a_selection_in_the_order_of_the_graph() -> None:
    lines = in_a_process(
        "plan", "--as-of", "2025-03-31", "--select", "segments+", "--format", "submit"
    ).stdout.splitlines()
    assert [Path(line.split()[5]).stem for line in lines] == ["segments", "quality", "publish"]


@pytest.mark.parametrize("form", ["submit", "airflow"])
def test_an_unknown_job_is_refused_with_its_remedy(form: str) -> None:
    result = in_a_process("plan", "--as-of", "2025-03-31", "--select", "nothing", "--format", form)
    assert result.returncode == 2
    assert "remedy:" in result.stderr
    assert result.stdout == ""


def test_the_golden_plan_is_what_the_command_prints() -> None:
    golden = (CHECKOUT / "tests" / "orchestration" / "golden" / "submit.txt").read_text()
    assert in_a_process("plan", "--as-of", "2025-03-31", "--format", "submit").stdout == golden
