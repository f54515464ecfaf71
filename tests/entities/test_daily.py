"""silver.customer_daily on a lake: appended day by day, put in order now and then, whatever was done to it by hand."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from tests.deliveries import book, end_run

from portrait.contracts import load_catalogue
from portrait.entities import daily
from portrait.lake import Lake, Lease

pytestmark = pytest.mark.delta

DAILY, TRANSACTIONS = "silver.customer_daily", "silver.transactions"
LONG_AGO, LAST_YEAR, TODAY = date(2020, 5, 1), date(2024, 5, 1), date(2025, 5, 1)

Booking = tuple[str, date, int]
"""Customer, day, whole units of money."""

KNOWN: dict[str, Booking] = {
    "old": ("anna", LONG_AGO, 1), "old too": ("ben", LONG_AGO, 2), "last": ("anna", LAST_YEAR, 3),
    "twin": ("anna", LAST_YEAR, 3), "new": ("ben", TODAY, 4),
}  # fmt: skip
CORRECTED: dict[str, Booking] = {"old": ("anna", LONG_AGO, 10), "twin": ("ben", LAST_YEAR, 3)}
CAME: dict[str, Booking] = {"late": ("anna", LAST_YEAR, 3), "newest": ("cyd", TODAY, 5)}


@pytest.fixture(scope="module")
def corrected(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, schemas_dir: Path) -> Path:
    """Bookings of three years, corrected once: one append lies beside the rows in order."""
    root = tmp_path_factory.mktemp("corrected")
    with Lease(root) as lease:
        lake = Lake(spark, root, load_catalogue(schemas_dir), lease=lease)
        come(lake, KNOWN)
        run(lake)
        come(lake, CORRECTED)
        run(lake)
    return root


@pytest.fixture
def lake(
    spark: SparkSession, corrected: Path, tmp_path: Path, schemas_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Lake]:
    """A copy of that lake, beside whose order no more than one append may lie."""
    monkeypatch.setattr(daily, "_APPENDS", 1)
    shutil.copytree(corrected, tmp_path / "lake")
    with Lease(tmp_path / "lake") as lease:
        copied = Lake(spark, tmp_path / "lake", load_catalogue(schemas_dir), lease=lease)
        copied.register_all()  # SQL by hand is meant for this lake, not for that of the test before
        yield copied


def come(lake: Lake, bookings: dict[str, Booking]) -> None:
    """Merge bookings, by id, into silver.transactions."""
    given = [
        {"transaction_id": number, "customer_id": customer, "booked_on": day, "signed_minor": units * 100}
        for number, (customer, day, units) in bookings.items()
    ]
    book(lake, *given)


def run(lake: Lake) -> None:
    """One run of the job."""
    daily.bring_up_to_date(lake)
    end_run(lake, "customer_daily")


def counted(lake: Lake) -> dict[Booking, int]:
    """How many bookings there are of each kind, corrections taken off."""
    found: dict[Booking, int] = {}
    for row in lake.read(DAILY).collect():
        booking = (row.customer_id, row.booked_on, row.amount_minor // 100)
        found[booking] = found.get(booking, 0) + row.bookings
    return {booking: count for booking, count in found.items() if count}


def taken_back(lake: Lake) -> list[tuple[str, int]]:
    rows = lake.read(DAILY).where("taken_back").collect()
    return sorted((row.customer_id, row.booked_year) for row in rows)


def files_of(lake: Lake, year: int) -> set[str]:
    return set(lake.read(DAILY).where(F.col("booked_year") == year).select("_metadata.file_path").toPandas().file_path)


AFTER: dict[Booking, int] = {
    ("anna", LONG_AGO, 10): 1, ("ben", LONG_AGO, 2): 1, ("anna", LAST_YEAR, 3): 2, ("ben", LAST_YEAR, 3): 1,
    ("ben", TODAY, 4): 1, ("cyd", TODAY, 5): 1,
}  # fmt: skip


def test_the_newest_years_are_put_in_order_after_some_appends(lake: Lake) -> None:
    assert taken_back(lake) == [("anna", 2020), ("anna", 2024)]
    assert lake.note(DAILY)["appends"] == 1
    untouched = files_of(lake, 2020)
    come(lake, CAME)
    run(lake)
    assert counted(lake) == AFTER
    assert taken_back(lake) == [("anna", 2020)]  # too old to be written anew
    assert files_of(lake, 2020) == untouched
    assert lake.note(DAILY) == {"transactions": lake.version(TRANSACTIONS), "appends": 0}


def test_a_run_that_died_before_the_order_is_made_up_for_by_the_next(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    come(lake, CAME)
    with monkeypatch.context() as dying:
        dying.setattr(daily, "put_in_order", die)
        with pytest.raises(KeyboardInterrupt):
            run(lake)
    assert counted(lake) == AFTER
    lake.resume(lake.run_number)
    run(lake)
    assert counted(lake) == AFTER
    assert taken_back(lake) == [("anna", 2020)]


def test_files_packed_and_removed_by_hand_change_nothing(lake: Lake) -> None:
    # As long as any of these commits were taken for one of ours, the next run would write the whole table.
    for statement in (f"OPTIMIZE {DAILY}", f"ALTER TABLE {DAILY} SET TBLPROPERTIES ('x' = 'y')", f"VACUUM {DAILY}"):
        lake.spark.sql(statement)
    assert lake.note(DAILY) == {"transactions": lake.version(TRANSACTIONS), "appends": 1}
    version = lake.version(DAILY)
    run(lake)
    assert lake.version(DAILY) == version


def test_rows_changed_by_hand_are_written_anew(lake: Lake) -> None:
    lake.spark.sql(f"DELETE FROM {DAILY} WHERE customer_id = 'ben'")
    assert lake.note(DAILY) == {}
    come(lake, CAME)
    run(lake)
    assert counted(lake) == AFTER
    assert taken_back(lake) == []


def test_changes_that_a_vacuum_removed_are_made_up_for_by_the_whole_table(lake: Lake) -> None:
    come(lake, {**CAME, "new": ("ben", TODAY, 6)})  # an update, whose change file goes with the VACUUM
    before, now = lake.note(DAILY)["transactions"], lake.version(TRANSACTIONS)
    assert lake.changes(TRANSACTIONS, after=before, until=now) is not None
    check = "spark.databricks.delta.retentionDurationCheck.enabled"
    lake.spark.conf.set(check, "false")
    try:
        lake.spark.sql(f"VACUUM {TRANSACTIONS} RETAIN 0 HOURS")
    finally:
        lake.spark.conf.set(check, "true")
    assert lake.changes(TRANSACTIONS, after=before, until=now) is None
    run(lake)
    assert counted(lake) == {**{kind: n for kind, n in AFTER.items() if kind[2] != 4}, ("ben", TODAY, 6): 1}
    assert taken_back(lake) == []
