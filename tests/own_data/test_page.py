"""docs/your-own-data.md, done: from three ugly files to a report, by its commands alone."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import CHECKOUT

PAGE = CHECKOUT / "docs" / "your-own-data.md"
EXAMPLE = CHECKOUT / "docs" / "example-bank"

pytestmark = pytest.mark.process


def plain(text: str) -> str:
    """Without the lines of tables, each run of blanks as one."""
    return " ".join(re.sub(r"[│┃┏┓┗┛┡┩├┤└┘━─┳┻╇┴┼]", " ", text).split())


@dataclass
class Done:
    """The page, done in a folder of its own."""

    folder: Path
    outputs: list[str] = field(default_factory=list)

    def shell(self, command: str) -> tuple[int, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("PORTRAIT_", "PYSPARK"))}
        done = subprocess.run(
            ["bash", "-ec", command],
            cwd=self.folder,
            env={**kept, "PATH": f"{Path(sys.executable).parent}:{kept['PATH']}", "COLUMNS": "200",
                 "PORTRAIT_JARS": os.environ.get("PORTRAIT_JARS", str(CHECKOUT / ".jars"))},
            capture_output=True, text=True, check=False, timeout=1500,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    def rows(self, query: str) -> list[dict[str, Any]]:
        """The answer of `portrait sql`; what Spark says on standard error stands behind it."""
        code, output = self.shell(f'portrait sql "{query}" --lake bank/lake --format json')
        assert code == 0, output
        found: list[dict[str, Any]] = json.JSONDecoder().raw_decode(output)[0]
        return found


def blocks() -> Iterator[tuple[str, str, str]]:
    """Language, what stands behind it, and text of every block of the page."""
    for match in re.finditer(r"^```(\w+) ?(\S*)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), flags=re.M | re.S):
        yield match[1], match[2], match[3]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """Every block in its order: commands are run, files written, and each line that is shown must have been printed."""
    page = Done(tmp_path_factory.mktemp("own"))
    for name in ("conf", "schemas", "jobs"):
        shutil.copytree(CHECKOUT / name, page.folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(EXAMPLE, page.folder / "docs" / "example-bank")
    for language, place, text in blocks():
        if language == "sh":
            code, output = page.shell(text)
            assert (code != 0) == (place == "fails"), f"{text}\n{output}"
            page.outputs.append(output)
        elif language == "yaml":
            assert (page.folder / place).exists(), f"{place}: the page corrects what was proposed"
            (page.folder / place).write_text(text, encoding="utf-8")
        else:
            shown = plain(page.outputs[-1])
            for line in text.splitlines():
                assert plain(line) in shown, f"'{line}' was not printed by the command before:\n{page.outputs[-1]}"
                shown = shown[shown.index(plain(line)) :]
    return page


def records() -> list[list[str]]:
    """The bookings of the example file, taken apart by hand."""
    lines = (EXAMPLE / "pohyby_2024Q1.csv").read_text(encoding="cp1250").splitlines()[2:-1]
    return [line.split(";") for line in lines]


def test_all_bookings_are_in_silver_to_the_cent(done: Done):
    expected: dict[str, list[Decimal]] = {"K": [], "D": []}
    for cells in records():
        expected[cells[4]].append(Decimal(cells[3].replace(" ", "").replace(",", ".")))
    words = "select direction, count(*) as n, sum(amount) as amount from silver.transactions group by direction"
    found = {row["direction"]: (row["n"], Decimal(row["amount"])) for row in done.rows(words)}
    assert found == {
        "credit": (len(expected["K"]), sum(expected["K"])),
        "debit": (len(expected["D"]), sum(expected["D"])),
    }


def test_customers_have_their_bookings_and_labels(done: Done):
    words = "select count(*) as n, sum(txn_count_life) as bookings from gold.customer_features"
    # One row per customer of the file, and every booking belongs to one of them.
    assert done.rows(words) == [{"n": 60, "bookings": len(records())}]


def test_a_report_was_written(done: Done):
    (report,) = (done.folder / "bank" / "lake" / "reports").glob("*.html")
    assert report.stat().st_size > 10_000


def test_the_files_are_those_of_their_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from tests.own_data import example_bank

    monkeypatch.setattr(example_bank, "FOLDER", tmp_path)
    example_bank.main()
    for path in EXAMPLE.iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes(), path.name
