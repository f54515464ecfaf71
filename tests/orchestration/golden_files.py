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
from portrait.orchestration import airflow_dag, submit_plan
from portrait.runner import load_job
from portrait.settings import Settings
from portrait.suite import load_suite

CHECKOUT = Path(__file__).resolve().parents[2]
GOLDEN = Path(__file__).parent / "golden"
DAY = date(2025, 3, 31)


def rendered() -> dict[str, str]:
    """Text by path below `golden/`, as the code makes it now."""
    jobs = job_graph(load_suite(CHECKOUT / "conf", CHECKOUT / "schemas"))
    scripts = sorted(path.stem for path in (CHECKOUT / "jobs").glob("*.py"))
    return {
        "submit.txt": submit_plan(jobs, Settings(), DAY),
        "dag.py": airflow_dag(jobs, Settings(), DAY),
        **{f"help/{name}.txt": help_of(name) for name in scripts},
    }


def help_of(job: str) -> str:
    """What `jobs/<job>.py --help` prints on a terminal of 100 columns, without starting it."""
    said = io.StringIO()
    main = load_job(CHECKOUT / "jobs", job).main
    with (
        mock.patch.object(sys, "argv", [f"{job}.py"]),
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
