"""silver.balances and ops.reconciliation on a lake: what a day writes, and what a run that died leaves to the next."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from tests.deliveries import book, end_run

from portrait.contracts import load_catalogue
from portrait.entities import balances
from portrait.entities.balances import balance_runs, close_days, measure_days
from portrait.entities.reconciliation import ReconciliationPolicy, differences
from portrait.lake import Lake, Lease

pytestmark = [pytest.mark.delta, pytest.mark.process]

BALANCES, DIFFERENCES, TRANSACTIONS = "silver.balances", "ops.reconciliation", "silver.transactions"
EXACT = ReconciliationPolicy(tolerance=Decimal(0))


def booking(number: str, account: str, day: int, signed: int, after: int | None) -> dict[str, Any]:
    return {
        "transaction_id": number, "account_id": account, "booked_on": date(2025, 3, day), "signed_minor": signed,
        "balance_after": None if after is None else Decimal(after) / 100,
    }  # fmt: skip


# Account b misses a booking of the 4th: a difference, until it comes.
KNOWN = [
    booking("a1", "a", 1, 500, 500), booking("a2", "a", 4, -100, 400), booking("a3", "a", 6, 50, 450),
    booking("b1", "b", 2, 700, 700), booking("b3", "b", 5, 10, 910), booking("c1", "c", 3, 20, 20),
]  # fmt: skip
CAME = [booking("a4", "a", 9, 25, 475), booking("b2", "b", 4, 200, 900), booking("d1", "d", 9, 1, 1)]


@pytest.fixture(scope="module")
def came(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, schemas_dir: Path) -> Path:
    """A lake whose balances are up to date, and then bookings came."""
    root = tmp_path_factory.mktemp("came")
    with Lease(root) as lease:
        lake = Lake(spark, root, load_catalogue(schemas_dir), lease=lease)
        book(lake, *KNOWN)
        run(lake)
        book(lake, *CAME)
    return root


@pytest.fixture
def lake(spark: SparkSession, came: Path, tmp_path: Path, schemas_dir: Path) -> Iterator[Lake]:
    """A copy of that lake."""
    shutil.copytree(came, tmp_path / "lake")
    with Lease(tmp_path / "lake") as lease:
        yield Lake(spark, tmp_path / "lake", load_catalogue(schemas_dir), lease=lease)


def run(lake: Lake) -> None:
    """One run of the job."""
    balances.bring_up_to_date(lake, policy=EXACT)
    end_run(lake, "balances")


def versions(lake: Lake) -> tuple[int, int]:
    return lake.version(BALANCES), lake.version(DIFFERENCES)


def check(lake: Lake) -> None:
    """Both tables are those of a build from nothing."""
    closings = close_days(measure_days(lake.read(TRANSACTIONS)))
    for table, wanted in ((BALANCES, balance_runs(closings)), (DIFFERENCES, differences(closings, policy=EXACT))):
        assert sorted(map(str, lake.read(table).collect())) == sorted(map(str, wanted.collect())), table


def closed_files(lake: Lake) -> set[str]:
    return {
        row.file_path for row in lake.read(BALANCES).where("not is_current").select("_metadata.file_path").collect()
    }


def test_a_day_writes_current_runs_and_what_changed(lake: Lake) -> None:
    assert lake.read(DIFFERENCES).count() == 1
    run(lake)
    check(lake)
    assert lake.read(DIFFERENCES).count() == 0
    # Nothing of c ended; d has no other run than the one that began.
    assert {row.account_id for row in lake.read(BALANCES).where("not is_current").collect()} == {"a", "b"}
    now = versions(lake)
    run(lake)
    assert versions(lake) == now


def test_closed_runs_are_not_written_anew_for_a_new_day(lake: Lake) -> None:
    run(lake)
    before = closed_files(lake)
    book(lake, booking("a5", "a", 10, 25, 500), booking("c2", "c", 10, 1, 21))
    run(lake)
    check(lake)
    assert before < closed_files(lake)


def test_a_run_that_died_between_the_tables_goes_on_with_the_second(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = lake.merge

    def die(table: str, *given: Any, **named: Any) -> None:
        if table == BALANCES:
            raise KeyboardInterrupt
        commit(table, *given, **named)

    first, second = versions(lake)
    with monkeypatch.context() as dying:
        dying.setattr(lake, "merge", die)
        with pytest.raises(KeyboardInterrupt):
            run(lake)
    assert versions(lake) == (first, second + 1)
    # Before the next run comes more, so that it is no repetition of the one that died.
    book(lake, booking("b4", "b", 9, 5, 1000))
    run(lake)
    check(lake)
    assert lake.read(DIFFERENCES).count() == 1


def test_a_repeated_run_leaves_the_table_alone_that_was_written(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    noted = lake.note(BALANCES)
    run(lake)
    written = versions(lake)
    # The state after a kill before the second commit, as far as a rerun can tell: the note is the older one.
    with monkeypatch.context() as forgetful:
        forgetful.setattr(lake, "note", lambda _: noted)
        run(lake)
    assert lake.version(DIFFERENCES) == written[1]
    check(lake)


def test_bookings_that_change_no_balance_are_noted_and_no_more(lake: Lake) -> None:
    run(lake)
    before = lake.read(BALANCES).inputFiles()
    book(lake, {**KNOWN[0], "customer_id": "somebody else"})
    run(lake)
    assert sorted(lake.read(BALANCES).inputFiles()) == sorted(before)
    assert lake.note(BALANCES) == {"transactions": lake.version(TRANSACTIONS)}
