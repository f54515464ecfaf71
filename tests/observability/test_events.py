"""Events as JSON lines, lineage as OpenLineage, metrics for Prometheus: facts about tables, nothing of customers."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from portrait.errors import ConfigurationError, PortraitError
from portrait.events import event, start_log
from portrait.lake.runs import RunStatus
from portrait.run.metrics import write_metrics


@pytest.fixture(autouse=True)
def quiet_afterwards() -> Iterator[None]:
    yield
    log = logging.getLogger("portrait.events")
    for handler in list(log.handlers):
        log.removeHandler(handler)
        handler.close()


def test_an_event_is_one_json_line(tmp_path: Path) -> None:
    start_log(str(tmp_path / "events.jsonl"))
    event("table_written", run=3, table="gold.segments", rows=12, as_of=date(2025, 3, 31))
    event("run_done", run=3)
    lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines] == ["table_written", "run_done"]
    assert lines[0]["rows"] == 12
    assert lines[0]["as_of"] == "2025-03-31"
    assert lines[0]["at"].endswith("+00:00")


def test_events_are_appended_and_a_second_start_does_not_double_them(tmp_path: Path) -> None:
    for run in (1, 2):
        start_log(str(tmp_path / "events.jsonl"))
        event("run_started", run=run)
    assert len((tmp_path / "events.jsonl").read_text().splitlines()) == 2


def test_events_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    start_log("-")
    event("run_started", run=1)
    captured = capsys.readouterr()
    assert json.loads(captured.err)["run"] == 1
    assert captured.out == ""


def test_a_log_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="event log cannot be written"):
        start_log(str(tmp_path / "absent" / "events.jsonl"))


def samples(file: Path) -> dict[tuple[str, str], float]:
    return {
        (sample.name, "".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(file.read_text())
        for sample in family.samples
    }


def test_metrics_as_prometheus_reads_them(tmp_path: Path) -> None:
    file = tmp_path / "portrait.prom"
    write_metrics(
        file, run=7, status=RunStatus.DONE, seconds=41.5, jobs={"segments": 2.5},
        rows={"gold.segments": 120, "ops.files": None}, served=date(1970, 1, 2),
        products={"core": date(1970, 1, 2), "offers": date(1970, 1, 1)},
    )  # fmt: skip
    assert samples(file) == {
        ("portrait_run_number", ""): 7,
        ("portrait_run_success", ""): 1,
        ("portrait_run_seconds", ""): 41.5,
        ("portrait_job_seconds", "segments"): 2.5,
        ("portrait_table_rows_written", "gold.segments"): 120,
        ("portrait_served_as_of_timestamp_seconds", ""): 86400,
        ("portrait_product_served_as_of_timestamp_seconds", "core"): 86400,
        ("portrait_product_served_as_of_timestamp_seconds", "offers"): 0,
    }


def test_metrics_of_a_refused_run(tmp_path: Path) -> None:
    file = tmp_path / "portrait.prom"
    write_metrics(file, run=8, status=RunStatus.REFUSED, seconds=1, jobs={}, rows={}, served=None)
    assert samples(file)["portrait_run_success", ""] == 0


def test_metrics_into_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PortraitError, match="metrics cannot be written"):
        write_metrics(tmp_path / "absent" / "m", run=1, status=RunStatus.DONE, seconds=1, jobs={}, rows={}, served=None)
