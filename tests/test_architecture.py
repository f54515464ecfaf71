"""The shape of the code: floors, sizes, and what must not appear."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
MODULES = sorted((CHECKOUT / "libs" / "portrait").rglob("*.py"))
JOBS = sorted((CHECKOUT / "jobs").rglob("*.py"))


def name(path: Path) -> str:
    return str(path.relative_to(CHECKOUT))


def test_imports_go_only_downwards() -> None:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    result = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("job", JOBS, ids=name)
def test_a_job_has_at_most_40_statements(job: Path) -> None:
    """Statements, not lines: a limit of lines is met by packing code, which nobody reads more easily."""
    statements = [node for node in ast.walk(ast.parse(job.read_text())) if isinstance(node, ast.stmt)]
    assert len(statements) <= 40


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_a_module_has_at_most_400_lines(module: Path) -> None:
    assert len(module.read_text().splitlines()) <= 400


# The clock belongs to logging: when a row was recorded, when a lease ends.
CLOCK = re.compile(r"datetime\.now\(|date\.today\(|current_date\(|current_timestamp\(|time\.time\(")
MAY_READ_THE_CLOCK = {
    "ingest/pipeline.py",
    "capabilities/audiences/export.py",
    "capabilities/campaigns/starting.py",
    "labels/lifecycle.py",
    "lake/lake.py",
    "lake/lease.py",
    "lake/publication.py",
    "run/journal.py",
    "run/lineage.py",
    "quality/slices.py",
}


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_only_run_logging_reads_the_clock(module: Path) -> None:
    if str(module.relative_to(CHECKOUT / "libs" / "portrait")) not in MAY_READ_THE_CLOCK:
        assert not CLOCK.search(module.read_text())


@pytest.mark.parametrize("job", JOBS, ids=name)
def test_every_job_is_named_by_a_contract(job: Path) -> None:
    from portrait.contracts import job_graph, load_catalogue

    graph = {item.name for item in job_graph(load_catalogue(CHECKOUT / "schemas"))}
    # These write no table: a page, the graph as one application, the server for BI tools.
    assert job.stem in graph | {"report", "suite", "sql_server"}


def test_every_job_of_a_contract_has_a_script() -> None:
    from portrait.contracts import job_graph, load_catalogue

    graph = {item.name for item in job_graph(load_catalogue(CHECKOUT / "schemas"))}
    assert graph <= {job.stem for job in JOBS}


ROOMS = sorted(path.parent for path in (CHECKOUT / "libs" / "portrait" / "capabilities").glob("*/__init__.py"))


@pytest.mark.parametrize("room", ROOMS, ids=name)
def test_a_room_imports_only_the_rooms_that_its_face_lists(room: Path) -> None:
    from portrait.capability import capabilities

    listed = next(item.uses for item in capabilities() if item.name == room.name)
    imported = set()
    for module in room.rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            imported |= {found[1] for text in names if (found := re.match(r"portrait\.capabilities\.(\w+)", text))}
    assert imported - {room.name} <= set(listed)


@pytest.mark.parametrize("room", ROOMS, ids=name)
def test_the_face_of_a_room_is_imported_without_spark(room: Path) -> None:
    """`portrait --help` and `portrait show` import every face."""
    tree = ast.parse((room / "__init__.py").read_text())
    imported = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert imported == ["portrait.capability"]
