"""No run of six equal lines in three places.

Lines count as equal without their indentation. Not counted, because they are equal for good reasons or say nothing:
blank lines, comments, docstrings, imports, and lines without a letter or digit, like a closing bracket.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
FOLDERS = ("libs", "jobs", "tests", "bench", "scripts")
RUN, PLACES = 6, 3


def counted_lines(text: str) -> list[tuple[int, str]]:
    """Number and text of the lines of a module that count."""
    passed_over: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        documents = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if documents or isinstance(node, ast.Import | ast.ImportFrom):
            passed_over |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = ((number, line.strip()) for number, line in enumerate(text.splitlines(), start=1))
    return [
        (number, line)
        for number, line in lines
        if number not in passed_over and not line.startswith("#") and re.search(r"\w", line)
    ]


def repeated_runs(texts: Iterable[tuple[str, str]]) -> dict[tuple[str, ...], list[str]]:
    """Runs of equal lines to the places (`name:line`) where they are, of those in `PLACES` places; `texts`: name, text.

    Places of one run do not overlap.
    """
    places: dict[tuple[str, ...], list[tuple[str, int, int]]] = defaultdict(list)
    for name, text in texts:
        lines = counted_lines(text)
        for start in range(len(lines) - RUN + 1):
            run = lines[start : start + RUN]
            found = places[tuple(line for _, line in run)]
            if not found or found[-1][0] != name or run[0][0] > found[-1][2]:
                found.append((name, run[0][0], run[-1][0]))
    return {run: [f"{name}:{line}" for name, line, _ in found] for run, found in places.items() if len(found) >= PLACES}


def test_no_run_of_six_equal_lines_is_in_three_places() -> None:
    modules = sorted(path for folder in FOLDERS for path in (CHECKOUT / folder).rglob("*.py"))
    repeated = repeated_runs((str(path.relative_to(CHECKOUT)), path.read_text()) for path in modules)
    assert not repeated, "\n".join(f"{', '.join(found)}:\n  " + "\n  ".join(run) for run, found in repeated.items())


BLOCK = "\n".join(f"value_{number} = {number}" for number in range(RUN))


def test_a_planted_run_is_found_at_any_depth_and_across_modules() -> None:
    indented = "def f():\n    # a comment\n" + "\n\n".join(f"    {line}" for line in BLOCK.splitlines())
    texts = [("a", f"import os\n{BLOCK}"), ("b", indented), ("c", f'"""Doc."""\n{BLOCK}')]
    assert list(repeated_runs(texts).values()) == [["a:2", "b:3", "c:2"]]


def test_the_same_run_three_times_in_one_module_is_found() -> None:
    assert list(repeated_runs([("a", "\nother = 1\n".join([BLOCK] * 3))]).values()) == [["a:1", "a:8", "a:15"]]


def test_two_places_shorter_runs_and_imports_are_no_repetition() -> None:
    assert repeated_runs([("a", BLOCK), ("b", BLOCK)]) == {}
    short = "\n".join(BLOCK.splitlines()[1:])
    assert repeated_runs([(name, short) for name in "abc"]) == {}
    imports = "\n".join(f"import module_{number}" for number in range(RUN))
    assert repeated_runs([(name, imports) for name in "abc"]) == {}


def test_six_equal_lines_that_overlap_themselves_are_one_place() -> None:
    assert repeated_runs([("a", "same()\n" * (RUN + 2))]) == {}
