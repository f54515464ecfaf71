"""The bank's days. Expected values by Python's zoneinfo, which knows nothing of Spark's zones."""

from __future__ import annotations

import ast
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from tests.deliveries import arrive, run_job

from portrait.contracts import job_graph, load_catalogue
from portrait.entities.transactions import owner_days, resolve_transactions
from portrait.entities.versions import as_of, snapshots_as_changes
from portrait.features.facts import response_events
from portrait.lake import Lake, Lease
from portrait.run.job import shared_lake
from portrait.run.staleness import fingerprints
from portrait.settings import Settings
from portrait.spark.days import day_of, instant_of, start_of

CHECKOUT = Path(__file__).resolve().parents[2]
ZONES = ("UTC", "Europe/Berlin", "Asia/Shanghai", "America/Los_Angeles", "Asia/Kolkata", "Asia/Kathmandu",
         "Australia/Lord_Howe", "America/Sao_Paulo", "Pacific/Apia", "Africa/Cairo")  # fmt: skip
# Around changes of the clock (in Sao Paulo and Cairo at midnight), the leap day, ends of months and years.
DAYS = ("2024-03-31", "2024-10-27", "2024-04-26", "2024-10-06", "2018-11-04", "2018-02-18", "2024-02-29", "2024-03-01",
        "2023-12-31", "2025-01-01", "2011-12-29", "2011-12-31")  # fmt: skip
INSTANTS = [
    datetime.fromisoformat(day) + timedelta(minutes=minutes) for day in DAYS for minutes in range(-900, 1441, 15)
]


def local_day(instant: datetime, zone: str) -> date:
    return instant.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).date()


def instants_of(clocks: list[datetime], zone: str) -> list[datetime]:
    return [clock.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC).replace(tzinfo=None) for clock in clocks]


def test_the_day_of_an_instant_is_what_the_banks_calendar_shows(spark: SparkSession) -> None:
    frame = spark.createDataFrame([(instant,) for instant in INSTANTS], "at timestamp")
    rows = frame.select("at", *[day_of("at", zone).alias(zone) for zone in ZONES]).collect()
    wrong = [(row.at, zone) for row in rows for zone in ZONES if row[zone] != local_day(row.at, zone)]
    assert wrong == []


def test_a_clock_time_is_the_instant_at_which_the_banks_clock_shows_it(spark: SparkSession) -> None:
    frame = spark.createDataFrame([(clock,) for clock in INSTANTS], "at timestamp")
    rows = frame.select("at", *[instant_of(F.col("at"), zone).alias(zone) for zone in ZONES]).collect()
    expected = {zone: dict(zip(INSTANTS, instants_of(INSTANTS, zone), strict=True)) for zone in ZONES}
    assert [(row.at, zone) for row in rows for zone in ZONES if row[zone] != expected[zone][row.at]] == []


def test_a_day_begins_at_its_first_instant(spark: SparkSession) -> None:
    frame = spark.createDataFrame([(date.fromisoformat(day),) for day in DAYS], "day date")
    rows = frame.select("day", *[start_of(F.col("day"), zone).alias(zone) for zone in ZONES]).collect()
    for row in rows:
        for zone in ZONES:
            assert local_day(row[zone], zone) == row.day, (row.day, zone)
            assert local_day(row[zone] - timedelta(microseconds=1), zone) < row.day, (row.day, zone)


BOOKING = (
    "transaction_id string, account_id string, booked_at timestamp, amount decimal(18,2), direction string, "
    "balance_after decimal(18,2), type string, channel string, category string, merchant_id string, "
    "counterparty_bank string, counterparty_account string, note string"
)
BOOKED = {
    ("Asia/Shanghai", datetime(2024, 3, 31, 16, 30)): date(2024, 4, 1),
    ("Asia/Shanghai", datetime(2024, 12, 31, 15, 59, 59)): date(2024, 12, 31),
    ("Asia/Shanghai", datetime(2024, 12, 31, 16)): date(2025, 1, 1),
    ("America/Los_Angeles", datetime(2025, 1, 1, 7, 59, 59)): date(2024, 12, 31),
    ("America/Los_Angeles", datetime(2025, 1, 1, 8)): date(2025, 1, 1),
    ("Europe/Berlin", datetime(2024, 3, 30, 23)): date(2024, 3, 31),  # winter: an hour ahead
    ("Europe/Berlin", datetime(2024, 3, 31, 21, 59, 59)): date(2024, 3, 31),  # summer: two
    ("Europe/Berlin", datetime(2024, 3, 31, 22)): date(2024, 4, 1),
    ("Europe/Berlin", datetime(2024, 10, 27, 22, 30)): date(2024, 10, 27),
    ("Asia/Kolkata", datetime(2024, 2, 28, 18, 30)): date(2024, 2, 29),
    ("Asia/Kathmandu", datetime(2024, 2, 29, 18, 14, 59)): date(2024, 2, 29),
    ("Asia/Kathmandu", datetime(2024, 2, 29, 18, 15)): date(2024, 3, 1),
    ("UTC", datetime(2024, 3, 31, 16, 30)): date(2024, 3, 31),
}


@pytest.mark.parametrize("zone", sorted({zone for zone, _ in BOOKED}))
def test_a_booking_is_of_the_banks_day(spark: SparkSession, zone: str) -> None:
    cases = {instant: day for (place, instant), day in BOOKED.items() if place == zone}
    assert cases == {instant: local_day(instant, zone) for instant in cases}
    rows = [(str(n), "a", instant, Decimal(1), "credit", *[None] * 8) for n, instant in enumerate(cases)]
    booked = resolve_transactions(spark.createDataFrame(rows, BOOKING), parties=None, zone=zone)
    assert {row.booked_at: row.booked_on for row in booked.collect()} == cases


VERSION = "id string, valid_from timestamp, valid_to timestamp"


def held(versions: DataFrame, day: date, zone: str) -> list[str]:
    return sorted(row.id for row in as_of(versions, day, zone=zone).collect())


def test_the_end_of_a_day_is_that_of_the_bank(spark: SparkSession) -> None:
    change = datetime(2024, 3, 31, 16, 30)  # 1 April in Shanghai, 31 March in Berlin and Los Angeles
    rows = [("old", datetime(2020, 1, 1), change), ("new", change, None)]
    versions = spark.createDataFrame(rows, VERSION)
    expected = {"Asia/Shanghai": "old", "Europe/Berlin": "new", "America/Los_Angeles": "new", "UTC": "new"}
    assert {zone: held(versions, date(2024, 3, 31), zone) for zone in expected} == {
        zone: [name] for zone, name in expected.items()
    }
    assert held(versions, date(2024, 4, 1), "Asia/Shanghai") == ["new"]


def test_a_snapshot_holds_from_the_beginning_of_the_banks_day(spark: SparkSession) -> None:
    rows = [("r", date(2024, 3, 31)), ("s", date(2024, 4, 1))]
    frame = spark.createDataFrame(rows, "id string, snapshot_on date")
    changes = snapshots_as_changes(frame, key=["id"], zone="Europe/Berlin").collect()
    assert sorted((row.id, row.op, row.changed_at) for row in changes) == [
        ("r", "D", datetime(2024, 3, 31, 22)),  # the clock moved on that day
        ("r", "U", datetime(2024, 3, 30, 23)),
        ("s", "U", datetime(2024, 3, 31, 22)),
    ]


def test_an_owner_owns_from_the_banks_day_on(spark: SparkSession) -> None:
    layout = (
        "account_id string, party_id string, role string, party_kind string, valid_from timestamp, valid_to timestamp"
    )
    change = datetime(2024, 3, 31, 16, 30)
    rows = [
        ("a", "p", "owner", "person", datetime(2020, 1, 1), change),
        ("a", "q", "owner", "person", change, None),
    ]
    parties = spark.createDataFrame(rows, layout)
    starts = {row.customer_id: row.from_day for row in owner_days(parties, zone="Asia/Shanghai").collect()}
    assert starts["q"] == date(2024, 4, 1)
    assert {row.customer_id: row.from_day for row in owner_days(parties).collect()}["q"] == date(2024, 3, 31)


def test_an_answer_to_a_campaign_is_of_the_banks_day(spark: SparkSession) -> None:
    layout = "_run long, response_id string, customer_id string, kind string, at timestamp, amount decimal(18,2)"
    rows = [(1, "r", "c", "opened", datetime(2024, 3, 31, 16, 30), None)]
    responses = spark.createDataFrame(rows, layout)
    assert response_events({"responses": responses}, as_of=date(2024, 3, 31), zone="Asia/Shanghai").collect() == []
    (event,) = response_events({"responses": responses}, as_of=date(2024, 4, 1), zone="Asia/Shanghai").collect()
    assert event.age == 0


def test_another_zone_is_another_fingerprint_of_every_job(schemas_dir: Path, conf_dir: Path) -> None:
    def of(zone: str) -> dict[str, str]:
        catalogue = load_catalogue(schemas_dir, time_zone=zone)
        settings = Settings(conf=conf_dir, jobs=CHECKOUT / "jobs", time_zone=zone)
        return fingerprints(job_graph(catalogue), catalogue, settings)

    utc, shanghai, berlin = of("UTC"), of("Asia/Shanghai"), of("Europe/Berlin")
    assert utc == of("UTC")
    assert all(len({utc[job], shanghai[job], berlin[job]}) == 3 for job in utc)


@pytest.mark.delta
def test_a_lake_is_computed_again_when_the_zone_changes(
    spark: SparkSession, tmp_path: Path, schemas_dir: Path, conf_dir: Path
) -> None:
    given = {"amount": Decimal(5), "direction": "credit", "type": "salary", "account_id": "a"}
    bookings = [{"transaction_id": "t", "booked_at": datetime(2024, 3, 31, 16, 30), **given}]
    found = []
    for number, zone in enumerate(("Asia/Shanghai", "Asia/Shanghai", "UTC")):
        catalogue = load_catalogue(schemas_dir, time_zone=zone)
        with Lease(tmp_path) as lease, shared_lake(Lake(spark, tmp_path, catalogue, lease=lease)) as lake:
            settings = Settings(conf=conf_dir, jobs=CHECKOUT / "jobs", time_zone=zone)
            lake.fingerprints = fingerprints(job_graph(catalogue), catalogue, settings)
            if number == 0:
                arrive(lake, {"transactions": bookings})
            run_job("transactions", "--as-of", "2024-04-30", "--conf", str(conf_dir))
            written = [write.table for write in lake.complete("transactions", as_of=None, inputs={}, seconds=0.0)]
            (row,) = lake.read("silver.transactions").collect()
            found.append((row.booked_on, written))
    table = ["silver.transactions"]
    assert found == [(date(2024, 4, 1), table), (date(2024, 4, 1), []), (date(2024, 3, 31), table)]


SOURCES = sorted([*(CHECKOUT / "libs/portrait").rglob("*.py"), *(CHECKOUT / "jobs").rglob("*.py")])
# What asks for a day takes the zone; whoever calls it must hand it on.
TAKES_ZONE = {
    "versions_at", "valid_at_end_of", "owner_days", "resolve_transactions", "known_bookings", "snapshots_as_changes",
    "account_people", "account_roles", "card_events", "loan_events", "holding_events", "contact_events",
    "response_events", "customer_features", "contribution", "loan_results", "price_sums", "branch_summary",
    "products_at", "holders_at",
}  # fmt: skip
# Days of what the suite itself does, which are UTC: label usage, and dates that a source writes.
MAY_MAKE_DAYS = {"days.py", "usage.py"}


def test_nobody_makes_a_day_of_an_instant_without_the_zone() -> None:
    found = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            function = node.func
            name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            known = {keyword.arg for keyword in node.keywords}
            makes_days = name in {"to_date", "date_trunc", "make_timestamp", "current_date", "last_day"}
            makes_days &= isinstance(function, ast.Attribute)
            of_source = "sources" in path.parts
            if makes_days and path.name not in MAY_MAKE_DAYS and not of_source:
                found.append(f"{path.name}:{node.lineno} {name}")
            if name in TAKES_ZONE and "zone" not in known:
                found.append(f"{path.name}:{node.lineno} {name} without zone")
    assert found == []
