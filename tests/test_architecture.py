"""The shape of the code: floors, sizes, and what must not appear."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
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


def parts(node: ast.stmt) -> int:
    """1, or as many as a statement assigns side by side: `a, b = f(), g()` is two, written on one line."""
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple) and isinstance(node.targets[0], ast.Tuple):
        return len(node.value.elts)
    return 1


def statements(tree: ast.AST) -> int:
    """Statements of a module or function, at every depth."""
    return sum(parts(node) for node in ast.walk(tree) if isinstance(node, ast.stmt))


def functions(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Name and statements of every function, inner ones and methods too; its `def` is none of them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, statements(node) - 1


# Measured on 363 modules and 2,261 functions: half have 53 and 5 statements or fewer, one in a hundred more than 232
# and 26. The bounds are those of the largest: what passes them is larger than anything that was ever accepted.
MODULE, FUNCTION = 285, 45


@pytest.mark.parametrize("module", MODULES + JOBS, ids=name)
def test_modules_and_functions_have_a_bounded_number_of_statements(module: Path) -> None:
    """Statements, so that comments and docstrings cost nothing and packing several into a line gains nothing."""
    tree = ast.parse(module.read_text())
    assert statements(tree) <= MODULE
    assert {found: size for found, size in functions(tree) if size > FUNCTION} == {}


def test_statements_are_counted_at_every_depth_and_side_by_side() -> None:
    text = "def f(x):\n  a, b, c = 1, 2, x\n  if a:\n    def g():\n      return b\n  return [\n    c\n  ]"
    tree = ast.parse(text)
    assert statements(tree) == 8
    assert dict(functions(tree)) == {"f": 7, "g": 1}


def only_passes_on(text: str) -> bool:
    """Whether a module has nothing of its own: imports, `__all__` and other names for what it imports."""
    others = [node for node in ast.parse(text).body if not isinstance(node, ast.Import | ast.ImportFrom)]
    return all(
        (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        or (isinstance(node, ast.Assign) and isinstance(node.value, ast.Name | ast.Attribute | ast.List | ast.Tuple))
        for node in others
    )


@pytest.mark.parametrize("module", [path for path in MODULES + JOBS if path.name != "__init__.py"], ids=name)
def test_no_small_module_only_passes_on(module: Path) -> None:
    text = module.read_text()
    assert len(text.splitlines()) >= 15 or not only_passes_on(text)


def test_a_planted_module_that_only_passes_on_is_found() -> None:
    assert only_passes_on('"""Doc."""\nfrom a import b\n\nother = b\n__all__ = ["b", "other"]\n')
    assert not only_passes_on('"""Doc."""\nTABLE = "gold.x"\n')


@pytest.mark.parametrize("job", JOBS, ids=name)
def test_a_job_has_at_most_40_statements(job: Path) -> None:
    """Statements, not lines: a limit of lines is met by packing code, which nobody reads more easily."""
    assert len([node for node in ast.walk(ast.parse(job.read_text())) if isinstance(node, ast.stmt)]) <= 40


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
