"""One run of a bank in a process of its own, and what Spark's event log and Portrait's events say of each job."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any


@dataclass
class JobCost:
    """What one job of a run cost: seconds, CPU seconds of tasks, counts, MB written to shuffles and spilt to disk."""

    wall: float = 0.0
    idle: float = 0.0
    """Seconds of `wall` in which no task ran: the driver planned, listed, committed."""
    cpu: float = 0.0
    executions: int = 0
    jobs: int = 0
    tasks: int = 0
    shuffle: float = 0.0
    spill: float = 0.0


@dataclass
class RunCost:
    """What a run cost by job; `bookings` are those that silver.transactions took."""

    seconds: float = 0.0
    bookings: int = 0
    jobs: dict[str, JobCost] = field(default_factory=dict)


@dataclass(frozen=True)
class Checkout:
    """A checkout of Portrait with its own environment; `folder` may be an older one, to compare with."""

    folder: Path = Path()

    def portrait(self, *words: str, environment: dict[str, str] | None = None) -> None:
        """Run `portrait WORDS` of this checkout; raises CalledProcessError when it fails."""
        paths = {"PYTHONPATH": str((self.folder / "libs").resolve())}
        subprocess.run(
            [str(Path(sys.executable).parent / "portrait"), *words],
            check=True,
            cwd=self.folder,
            env=os.environ | paths | (environment or {}),
            stdout=subprocess.DEVNULL,
        )

    def run(self, root: Path, *, as_of: str) -> RunCost:
        """`portrait run` on `root`/landing and `root`/lake, logged."""
        conf, log, events = root / "conf", root / "log", root / "events.jsonl"
        for folder in (conf, log):
            shutil.rmtree(folder, ignore_errors=True)
        events.unlink(missing_ok=True)
        shutil.copytree(self.folder / "conf", conf)
        log.mkdir()
        with (conf / "spark" / "local.conf").open("a", encoding="utf-8") as settings:
            settings.write(f"\nspark.eventLog.enabled true\nspark.eventLog.dir {log.as_uri()}\n")
            settings.write("spark.eventLog.compress false\n")
        paths = ("--landing", str(root / "landing"), "--lake", str(root / "lake"), "--conf", str(conf))
        self.portrait("run", "--as-of", as_of, *paths, environment={"PORTRAIT_LOG": str(events)})
        told = [json.loads(line) for line in events.read_text(encoding="utf-8").splitlines()]
        return _cost_of(told, _logged(log))


_KINDS = ("SparkListenerTaskEnd", "SparkListenerJobStart", "SparkListenerSQLExecutionStart")


def _logged(log: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(log.rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            with path.open(encoding="utf-8") as lines:
                yield from (json.loads(line) for line in lines if any(kind in line[:100] for kind in _KINDS))


def _cost_of(told: list[dict[str, Any]], logged: Iterator[dict[str, Any]]) -> RunCost:
    cost, spans = RunCost(), []
    for event in told:
        if event["event"] == "job_ended":
            end = datetime.fromisoformat(event["at"]).timestamp()
            spans.append((end - event["seconds"], end, event["job"]))
            cost.jobs[event["job"]] = JobCost(wall=event["seconds"])
        if event["event"] == "table_written" and event["table"] == "silver.transactions":
            cost.bookings = event["rows"] or 0
        if event["event"] == "run_done":
            cost.seconds = event["seconds"]

    def job_at(milliseconds: float) -> str | None:
        return next((name for start, end, name in spans if start <= milliseconds / 1000 <= end), None)

    busy: dict[str, list[tuple[float, float]]] = {name: [] for name in cost.jobs}
    for event in logged:
        kind = event["Event"]
        if kind.endswith("SQLExecutionStart"):
            if (name := job_at(event["time"])) is not None:
                cost.jobs[name].executions += 1
        elif kind == "SparkListenerJobStart":
            if (name := job_at(event["Submission Time"])) is not None:
                cost.jobs[name].jobs += 1
        elif (name := job_at(event["Task Info"]["Finish Time"])) is not None:
            info, metrics = event["Task Info"], event.get("Task Metrics") or {}
            busy[name].append((info["Launch Time"] / 1000, info["Finish Time"] / 1000))
            job = cost.jobs[name]
            job.tasks += 1
            if metrics:
                job.cpu += metrics["Executor CPU Time"] / 1e9
                job.shuffle += metrics["Shuffle Write Metrics"]["Shuffle Bytes Written"] / 1e6
                job.spill += metrics["Disk Bytes Spilled"] / 1e6
    for name, spans_of_tasks in busy.items():
        cost.jobs[name].idle = max(cost.jobs[name].wall - _covered(spans_of_tasks), 0.0)
    return cost


def _covered(spans: list[tuple[float, float]]) -> float:
    """Seconds in which at least one of the spans runs."""
    total, reached = 0.0, 0.0
    for start, end in sorted(spans):
        total += max(end - max(start, reached), 0.0)
        reached = max(reached, end)
    return total
