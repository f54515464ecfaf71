"""The golden files of what a scheduler gets: `make golden` writes them, test_golden_files.py compares."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from datetime import date
from pathlib import Path
from unittest import mock

from portrait.contracts import job_graph
from portrait.run.orchestration import airflow_dag, submit_plan
from portrait.run.runner import load_job
from portrait.run.suite import load_suite
from portrait.settings import Settings

CHECKOUT = Path(__file__).resolve().parents[2]
GOLDEN = Path(__file__).parent / "golden"
DAY = date(2025, 3, 31)


def rendered() -> dict[str, str]:
    """Text by path below `golden/`, as the code makes it now."""
    jobs = job_graph(load_suite(CHECKOUT / "conf", CHECKOUT / "schemas"))
    folder = CHECKOUT / "jobs"
    scripts = sorted(str(path.relative_to(folder).with_suffix("")) for path in folder.rglob("*.py"))
    return {
        "submit.txt": submit_plan(jobs, Settings(), DAY),
        "dag.py": airflow_dag(jobs, Settings(), DAY),
        **{f"help/{script}.txt": help_of(script) for script in scripts},
    }


def help_of(script: str) -> str:
    """What `jobs/<job>.py --help` prints on a terminal of 100 columns, without starting it."""
    said = io.StringIO()
    main = load_job(CHECKOUT / "jobs", script).main
    with (
        mock.patch.object(sys, "argv", [f"{Path(script).name}.py"]),
        mock.patch.dict(os.environ, {"COLUMNS": "100"}),
        contextlib.redirect_stdout(said),
        contextlib.suppress(SystemExit),
    ):
        main(["--help"])
    return said.getvalue()


if __name__ == "__main__":
    for name, text in rendered().items():
        (GOLDEN / name).parent.mkdir(parents=True, exist_ok=True)
        (GOLDEN / name).write_text(text, encoding="utf-8")
