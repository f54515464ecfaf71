"""docs/adding-a-capability.md, done: its files are added to a copy of the tree, and everything finds them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
PAGE = CHECKOUT / "docs" / "adding-a-capability.md"
AS_OF, BEFORE = "2025-03-31", "2025-02-28"
ROOM = "libs/portrait/capabilities/loyalty"

pytestmark = pytest.mark.process


def files_of_the_page() -> dict[str, str]:
    """Place to text, of every block of code that names a file."""
    blocks = re.findall(r"^```\w+ (\S+/\S+)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), flags=re.M | re.S)
    return dict(blocks)


@dataclass
class Tree:
    """A copy of the sources, with a landing folder and a lake."""

    folder: Path
    refused: str = ""
    """What the run said whose gate refused the room."""
    served: dict[str, str] = field(default_factory=dict)
    """Published table to the day that readers saw after that run."""

    def portrait(self, *words: str, fails: int = 0) -> str:
        """`portrait WORDS` with the package of this tree; what it printed, with the error where it fails."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("PORTRAIT_", "PYSPARK"))}
        done = subprocess.run(
            [sys.executable, "-c", "from portrait.cli import main; main()", *words],
            cwd=self.folder,
            env={**kept, "PYTHONPATH": str(self.folder / "libs"), "PORTRAIT_JARS": str(CHECKOUT / ".jars"),
                 "COLUMNS": "200"},
            capture_output=True, text=True, check=False, timeout=900,
        )  # fmt: skip
        assert done.returncode == fails, done.stdout + done.stderr
        return done.stdout + done.stderr if fails else done.stdout

    def run(self, as_of: str, *, fails: int = 0) -> str:
        return self.portrait("run", "--as-of", as_of, fails=fails)

    def rows(self, table: str, columns: str) -> list[tuple[object, ...]]:
        words = ("sql", f"select {columns} from {table}", "--format", "json")
        return [tuple(row.values()) for row in json.loads(self.portrait(*words))]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """The copy with the room, landed and run for two month ends."""
    folder = tmp_path_factory.mktemp("tree")
    for name in ("libs", "jobs", "conf", "schemas"):
        shutil.copytree(CHECKOUT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for place, text in files_of_the_page().items():
        assert not (folder / place).exists(), f"{place} exists: a room adds files, and edits none"
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_text(text, encoding="utf-8")
    made = Tree(folder)
    made.portrait("land", "synthetic", "--customers", "300", "--months", "3", "--seed", "5", "--to", "landing")
    made.run(BEFORE)
    # A fault of the room: numbers that its contract does not allow.
    activity = folder / ROOM / "activity.py"
    sound = activity.read_text(encoding="utf-8")
    activity.write_text(sound.replace("/ F.lit(mean)", "* F.lit(1e9)"), encoding="utf-8")
    made.refused = made.run(AS_OF, fails=4)
    for table in ("loyalty_score", "audience_members", "customer_tier", "segments"):
        ((day,),) = made.rows(f"published.{table}", "distinct as_of")
        made.served[table] = str(day)
    activity.write_text(sound, encoding="utf-8")
    made.run(AS_OF)
    return made


def test_the_page_names_files_of_its_room_only() -> None:
    places = files_of_the_page()
    assert {place.split("/")[0] for place in places} == {"conf", "jobs", "libs", "schemas"}
    assert f"{ROOM}/__init__.py" in places
    assert not [place for place in places if (CHECKOUT / place).exists()]


def test_a_room_that_fails_its_gate_keeps_its_version_and_holds_back_nobody_else(tree: Tree) -> None:
    assert "loyalty" in tree.refused
    assert "activity" in tree.refused
    # Audiences wait, because who is in a list must not depend on a refused number.
    assert tree.served == {
        "loyalty_score": BEFORE, "audience_members": BEFORE, "customer_tier": AS_OF, "segments": AS_OF
    }  # fmt: skip


def test_the_planted_members_are_the_rows(tree: Tree) -> None:
    truth = duckdb.sql(f"select customer_id from '{tree.folder}/truth/loyalty_members/*.parquet'").fetchall()
    planted = {customer for (customer,) in truth}
    found = {customer for (customer,) in tree.rows("published.loyalty_score", "customer_id")}
    # Who has left the bank, or has no account, is no customer of the slice.
    customers = {customer for (customer,) in tree.rows("published.segments", "customer_id")}
    assert found == planted & customers
    assert len(found) > 50


def test_the_label_and_the_audience_are_made_of_them(tree: Tree) -> None:
    active = {customer for (customer,) in tree.rows("published.loyalty_score where is_active", "customer_id")}
    assert active
    portrait = tree.rows("published.customer_portrait where active_member", "customer_id")
    members = tree.rows("published.audience_members where audience = 'active_members'", "customer_id")
    assert {customer for (customer,) in portrait} == active == {customer for (customer,) in members}


def test_everything_that_lists_rooms_has_it(tree: Tree) -> None:
    rooms = json.loads(tree.portrait("capabilities", "--format", "json"))
    (room,) = [row for row in rooms if row["capability"] == "loyalty"]
    assert (room["state"], room["tables"], room["commands"]) == ("ready", ["gold.loyalty_score"], ["portrait loyalty"])
    assert "loyalty_members" in room["needs feeds"]
    assert "Loyalty: members" in tree.portrait("--help")
    assert "gold.loyalty_score" in tree.portrait("dictionary")
    assert "loyalty/loyalty_score" in tree.portrait("plan", "--as-of", AS_OF, "--format", "airflow")
    submitted = tree.portrait("plan", "--as-of", AS_OF, "--format", "submit").splitlines()
    assert [line for line in submitted if "jobs/loyalty/loyalty_score.py" in line]


def test_the_report_the_command_and_the_explanation_show_it(tree: Tree) -> None:
    report = max((tree.folder / "lake" / "reports").glob("*.html"), key=lambda path: path.stat().st_mtime)
    page = report.read_text(encoding="utf-8")
    assert 'id="loyalty"' in page
    assert "A customer who has joined the loyalty programme." in page
    rows = json.loads(tree.portrait("loyalty", "members", "--format", "json"))
    assert rows
    assert "activity" in tree.portrait("explain", rows[0]["customer_id"])
    models = json.loads(tree.portrait("show", "ops.models", "--format", "json"))
    (current,) = [row for row in models if row["name"] == "loyalty" and row["is_current"]]
    assert current["as_of"] == AS_OF
    assert (tree.folder / "lake" / current["path"] / "mean.json").is_file()


def test_a_second_run_finds_everything_up_to_date(tree: Tree) -> None:
    logs = [tree.folder / "lake" / name / "_delta_log" for name in ("gold/loyalty_score", "gold/customer_portrait")]
    before = [sorted(file.name for file in log.glob("*.json")) for log in logs]
    tree.run(AS_OF)
    assert [sorted(file.name for file in log.glob("*.json")) for log in logs] == before
