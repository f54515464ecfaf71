"""Every end of a run is recorded, in ops.runs, as an event and in the metrics, and told without Java's words."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyspark.sql import SparkSession
from tests.runner.mini_suite import DAY, MiniSuite, mini_suite

from portrait.errors import PortraitError
from portrait.failures import as_fault
from portrait.lake import Lake, Lease
from portrait.lake.lease import is_held
from portrait.lake.runs import DIED, RUNS, died_runs
from portrait.run.job import submit
from portrait.run.journal import measured_start
from portrait.run.runner import load_job

pytestmark = pytest.mark.delta

JAVA = "lake.spark.sql(\"SELECT assert_true(false, 'secret')\").collect()"
GATEWAY = "from py4j.protocol import Py4JNetworkError; raise Py4JNetworkError('at java.net.SocketInputStream')"
TERMINATED = "import signal; os.kill(os.getpid(), signal.SIGTERM); import time; time.sleep(30)"
ENDS = {
    "raise RuntimeError('of customer 4711')": (PortraitError, "RuntimeError; this is a fault of the suite"),
    JAVA: (PortraitError, "Spark could not finish its work: USER_RAISED_EXCEPTION"),
    GATEWAY: (PortraitError, r"Spark failed or stopped \(Py4JNetworkError\)"),
    TERMINATED: (SystemExit, "143"),
}


@pytest.fixture
def suite(spark: SparkSession, tmp_path: Path) -> Iterator[MiniSuite]:
    from portrait import events

    yield mini_suite(spark, tmp_path)
    for handler in list(events._log.handlers):
        events._log.removeHandler(handler)
        handler.close()


def test_whatever_ends_a_run_is_recorded(suite: MiniSuite, monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGTERM)
    for number, (code, (kind, message)) in enumerate(ENDS.items(), start=1):
        suite.change("three")  # another plan, so another run
        monkeypatch.setenv("MISBEHAVIOUR_two", code)
        with pytest.raises(kind, match=message) as raised:
            suite.run()
        assert [row[:2] for row in suite.records()][-2:] == [(number, "started"), (number, "failed")], code
        told = suite.events()[-1]
        assert (told["event"], told["run"]) == ("run_failed", number)
        assert (suite.metric("run_success"), suite.metric("run_number")) == (0, number)
        said = f"{raised.value} {told} {suite.records()[-1]}"
        assert not any(word in said for word in ("java.", "org.apache", "secret", "4711")), said
        if kind is PortraitError:
            assert "job 'two'" in raised.value.where
            assert raised.value.remedy
            assert raised.value.exit_code == 1
    assert signal.getsignal(signal.SIGTERM) is before
    monkeypatch.delenv("MISBEHAVIOUR_two")
    assert suite.ran() == {"two"}  # the others had succeeded
    assert suite.records()[-1][1] == "done"
    assert suite.metric("run_success") == 1


def test_an_end_that_cannot_be_recorded_hides_neither_the_fault_nor_itself(
    suite: MiniSuite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MISBEHAVIOUR_two", "raise RuntimeError")
    record = Lake.record

    def broken(lake: Lake, table: str, rows: Any) -> None:
        if rows[0][2] == "failed":
            raise ConnectionRefusedError
        record(lake, table, rows)

    monkeypatch.setattr(Lake, "record", broken)
    with pytest.raises(PortraitError, match="RuntimeError"):
        suite.run()
    assert [item["event"] for item in suite.events()][-2:] == ["run_not_recorded", "run_failed"]
    assert suite.metric("run_success") == 0
    monkeypatch.undo()
    suite.change("three")
    suite.run()
    assert suite.records()[1][1:] == ("failed", DIED), "the next run records what this one could not"


def test_a_run_that_was_killed_is_seen_as_died(suite: MiniSuite) -> None:
    rows = [SimpleNamespace(run=run, status=status) for run, status in [(9, "started"), (8, "done"), (8, "started")]]
    rows += [SimpleNamespace(run=7, status="resumed"), SimpleNamespace(run=7, status="started")]
    assert died_runs(rows, held=False) == {9, 7}
    assert died_runs(rows, held=True) == {7}
    with Lease(suite.folder / "lake") as lease:
        assert is_held(suite.folder / "lake")
        lake = Lake(suite.spark, suite.folder / "lake", suite.catalogue, lease=lease)
        lake.record(RUNS, [(1, DAY, "started", "another plan", None, {}, 0.0, datetime.now(UTC))])
    assert not is_held(suite.folder / "lake")
    assert not is_held(suite.folder / "nothing")
    suite.run()
    assert [row[:2] for row in suite.records()] == [(1, "started"), (1, "failed"), (2, "started"), (2, "done")]
    assert suite.records()[1][2] == DIED
    assert {"event": "run_failed", "run": 1, "reason": DIED}.items() <= suite.events()[0].items()


def test_a_run_that_died_after_its_last_commit_is_closed_by_its_rerun(suite: MiniSuite) -> None:
    suite.run()
    suite.spark.sql(f"DELETE FROM delta.`{suite.folder}/lake/ops/runs` WHERE status = 'done'")
    assert suite.ran() == set()
    assert [row[:2] for row in suite.records()] == [(1, "started"), (1, "done")]
    assert not suite.run().changed
    assert len(suite.records()) == 2


def test_a_job_on_its_own_is_a_run_too(suite: MiniSuite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portrait.run.standalone.suite_of", lambda settings: suite.catalogue)
    monkeypatch.setenv("PORTRAIT_METRICS", str(suite.settings.metrics))
    monkeypatch.setenv("PORTRAIT_LOG", str(suite.settings.log))
    script = suite.folder / "jobs" / "one.py"
    monkeypatch.setattr(sys.modules["__main__"], "__file__", str(script), raising=False)
    argv = ["--as-of", str(DAY), "--lake", str(suite.folder / "lake"), "--conf", str(suite.settings.conf)]
    load_job(script.parent, "one").main(argv)
    assert suite.records() == [(1, "started", None), (1, "done", None)]
    assert (suite.metric("run_success"), suite.metric("table_rows_written")) == (1, 1)
    monkeypatch.setenv("MISBEHAVIOUR_one", GATEWAY)
    with pytest.raises(PortraitError, match="Spark failed or stopped"):
        load_job(script.parent, "one").main(argv)
    assert [row[:2] for row in suite.records()[2:]] == [(2, "started"), (2, "failed")]
    assert suite.metric("run_success") == 0
    assert suite.events()[-1]["event"] == "run_failed"
    # A run of the whole graph goes on from what the job did.
    monkeypatch.delenv("MISBEHAVIOUR_one")
    assert suite.ran() == {"two", "three"}


Main = Callable[[list[str] | None], None]


@pytest.mark.parametrize("debug", [False, True])
def test_a_submitted_job_ends_in_three_lines(
    debug: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def main(argv: list[str] | None) -> None:
        raise ValueError("org.apache.spark of 4711")

    monkeypatch.setattr(sys, "argv", ["jobs/one.py", *(["--debug"] if debug else [])])
    with pytest.raises(SystemExit) as ended:
        submit(main)
    said = capsys.readouterr().err
    assert ended.value.code == 1
    assert ("Traceback" in said) == debug
    assert "error: ValueError; this is a fault of the suite" in said
    assert "where:  one.py" in said
    assert "remedy: run again with --debug" in said
    assert debug or "4711" not in said


def test_a_start_that_fails_is_measured(suite: MiniSuite) -> None:
    with pytest.raises(PortraitError, match="no master"), measured_start(suite.settings.metrics):
        raise PortraitError("no master")
    assert suite.metric("run_success") == 0


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "memory ran out"),
        (RuntimeError("java.lang.OutOfMemoryError: Java heap space"), "memory ran out"),
        (OSError(28, "No space left on device", "/secret"), "a file or the network failed: No space left on device"),
        (ConnectionRefusedError(), "Spark failed or stopped (ConnectionRefusedError)"),
        (KeyboardInterrupt(), "interrupted"),
        (KeyError("4711"), "KeyError; this is a fault of the suite, not of your input"),
    ],
)
def test_any_exception_is_told_as_what_where_and_remedy(error: BaseException, said: str) -> None:
    fault = as_fault(error, where="run of a day")
    assert (fault.message, fault.where, fault.exit_code) == (said, "run of a day", 1)
    assert fault.remedy
    assert not any(word in str(fault) for word in ("java", "secret", "4711"))


def test_our_own_errors_stay_as_they_are() -> None:
    error = PortraitError("x", where="y", remedy="z")
    assert as_fault(error, where="elsewhere") is error
