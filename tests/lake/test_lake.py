"""Reading and writing tables by their contracts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from portrait.contracts import Catalogue, Column, Contract
from portrait.contracts.contract import Rule, contract_of
from portrait.contracts.document import load_document
from portrait.errors import ConfigurationError, GateRefused, LakeBusy, PortraitError
from portrait.lake import Lake, Lease, Publication, digest, publications, publish, register_views, rollback, slice_at
from portrait.lake.records import Records
from portrait.quality import RuleResult, check_gold, results_frame

pytestmark = pytest.mark.delta

D1, D2, D3 = date(2025, 1, 31), date(2025, 2, 28), date(2025, 3, 31)


def contract(table: str, *columns: Column, rules: tuple[Rule, ...] = (), **properties: object) -> Contract:
    return Contract(table, f"Test table {table}.", "One row.", columns, rules, {"job": "test", **properties})


AS_OF = Column("as_of", "DATE", required=True, key_position=1, partition_position=1)
CUSTOMER = Column("customer_id", "STRING", required=True, key_position=2)
TIER = contract("gold.tier", AS_OF, CUSTOMER, Column("assets", "DECIMAL(18,2)", minimum=0.0))
ENTITY = contract(
    "silver.entity",
    Column("id", "STRING", required=True, key_position=1),
    Column("value", "STRING"),
    Column("n", "BIGINT", minimum=0),
)


@pytest.fixture
def catalogue(schemas_dir: Path) -> Catalogue:
    ops = [
        contract_of(load_document(schemas_dir / "ops" / f"{name}.yml"))
        for name in ("table_versions", "publication", "quality_results")
    ]
    return Catalogue({item.id: item for item in (*ops, TIER, ENTITY)})


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Path, catalogue: Catalogue) -> Iterator[Lake]:
    with Lease(tmp_path) as lease:
        yield Lake(spark, tmp_path, catalogue, lease=lease)


def tiers(lake: Lake, as_of: date, rows: dict[str, str]) -> None:
    values = ", ".join(f"(DATE '{as_of}', '{k}', CAST({v} AS DECIMAL(18,2)))" for k, v in rows.items())
    lake.replace("gold.tier", lake.spark.sql(f"SELECT * FROM VALUES {values} AS t(as_of, customer_id, assets)"), as_of)
    lake.complete("test", as_of=as_of, inputs={}, seconds=0.0)


def entities(lake: Lake, *rows: tuple[str, str | None, int]) -> None:
    lake.merge("silver.entity", lake.spark.createDataFrame(list(rows), ENTITY.struct_type))


def reopened(lake: Lake, run: int | None = None) -> Lake:
    """The same lake as the next run sees it."""
    other = Lake(lake.spark, lake.root, lake.catalogue, lease=lake.lease)
    other.resume(run)
    return other


def judge(lake: Lake, as_of: date, *, failing: str | None = None) -> None:
    """What the gate records of the slices of a day; `failing` is a rule that it finds broken."""
    found = RuleResult(
        "gold.tier", failing or "table.not_empty", "error", failing is None, 0 if failing is None else 1, 1
    )
    lake.replace("ops.quality_results", results_frame(lake, [found], as_of=as_of), as_of)


def served(lake: Lake, as_of: date) -> Publication:
    """A day that the gate has judged, published."""
    judge(lake, as_of)
    return publish(lake, as_of=as_of)


def seen_assets(lake: Lake) -> int:
    """What a reader of the published view sees of its one customer."""
    register_views(lake)
    return lake.spark.sql("SELECT int(assets) v FROM published.tier").collect()[0]["v"]


def test_replace_rewrites_its_slice_and_no_other(lake: Lake) -> None:
    tiers(lake, D1, {"a": "1", "b": "2"})
    tiers(lake, D2, {"a": "3"})
    tiers(reopened(lake), D1, {"c": "9"})
    rows = {(row.as_of, row.customer_id) for row in lake.read("gold.tier").collect()}
    assert rows == {(D1, "c"), (D2, "a")}


@pytest.mark.parametrize("before", [{}, {"a": "1"}], ids=["first write", "again"])
def test_a_row_of_another_slice_is_refused(lake: Lake, before: dict[str, str]) -> None:
    if before:
        tiers(lake, D1, before)
    wrong = f"SELECT DATE '{D2}' AS as_of, 'b' AS customer_id, CAST(2 AS DECIMAL(18,2)) AS assets"
    with pytest.raises(PortraitError, match="a row of another slice"):
        reopened(lake).replace("gold.tier", lake.spark.sql(wrong), D1)
    assert (lake.read("gold.tier").count() if before else lake.slices("gold.tier")) == (1 if before else [])


def test_records_keep_the_rules_of_their_table(lake: Lake, schemas_dir: Path) -> None:
    runs = contract_of(load_document(schemas_dir / "ops" / "runs.yml"))
    noted = Lake(lake.spark, lake.root, Catalogue({**lake.catalogue.contracts, runs.id: runs}), lease=lake.lease)
    row = {"run": 1, "as_of": D1, "status": "done", "recorded_at": datetime(2025, 1, 31, tzinfo=UTC)}

    def record(**changed: object) -> None:
        noted.record(runs.id, [tuple((row | changed).get(name) for name in runs.column_names)])

    record()
    with pytest.raises(PortraitError, match="a row breaks a constraint"):
        record(status="never")
    with pytest.raises(ValueError, match="status"):
        record(status=None)
    assert [(item.run, item.status, item.recorded_at) for item in noted.read(runs.id).collect()] == [
        (1, "done", datetime(2025, 1, 31))
    ]
    assert noted.rows_written(noted.writes[-1]) == 1


def test_previous_slice_is_the_latest_before(lake: Lake) -> None:
    tiers(lake, D1, {"a": "1"})
    tiers(lake, D3, {"a": "3"})
    assert [row.as_of for row in lake.previous_slice("gold.tier", D3).collect()] == [D1]
    assert lake.previous_slice("gold.tier", D1).count() == 0
    assert lake.next_as_of("gold.tier", D1) == D3


def test_a_slice_that_was_never_written_is_an_error_and_not_empty(lake: Lake) -> None:
    tiers(lake, D1, {"a": "1"})
    with pytest.raises(PortraitError, match="no slice of 2025-02-28"):
        lake.slice("gold.tier", D2)


def test_the_newest_slice_is_of_the_day_or_before(lake: Lake) -> None:
    with pytest.raises(PortraitError, match=r"gold\.tier has no slice yet"):
        lake.newest_slice("gold.tier")
    tiers(lake, D3, {"a": "3"})
    tiers(lake, D2, {"a": "1"})
    assert lake.newest_slice("gold.tier") == D3
    assert lake.newest_slice("gold.tier", until=D3) == D3
    assert lake.newest_slice("gold.tier", until=date(2025, 3, 30)) == D2
    with pytest.raises(PortraitError, match=r"gold\.tier has no slice of 2025-01-31 or before"):
        lake.newest_slice("gold.tier", until=D1)


def test_every_difference_to_the_contract_is_reported_at_once(lake: Lake) -> None:
    frame = lake.spark.sql("SELECT DATE '2025-01-31' AS as_of, 7 AS customer_id, 1 AS surplus")
    with pytest.raises(PortraitError) as caught:
        lake.replace("gold.tier", frame, D1)
    message = str(caught.value)
    assert "'assets' is missing" in message
    assert "'surplus' is not in the contract" in message
    assert "'customer_id' is int, the contract says string" in message


def test_a_broken_constraint_names_the_rule_and_not_the_value(lake: Lake) -> None:
    with pytest.raises(PortraitError) as caught:
        entities(lake, ("secret-id", None, -73155))
    assert "n_range" in str(caught.value)
    assert "73155" not in str(caught.value)
    assert "secret-id" not in str(caught.value)


def test_merge_updates_inserts_and_leaves_equal_rows_alone(lake: Lake) -> None:
    entities(lake, ("a", "x", 1), ("b", None, 2))
    before = lake.version("silver.entity")
    other = reopened(lake)
    other.resume(99)
    entities(other, ("b", "y", 2), ("c", None, 3))
    rows = {(row.id, row.value, row.n) for row in other.read("silver.entity").collect()}
    assert rows == {("a", "x", 1), ("b", "y", 2), ("c", None, 3)}
    assert other.version("silver.entity") == before + 1


def test_merge_replacing_deletes_what_is_no_longer_there(lake: Lake) -> None:
    entities(lake, ("a", "x", 1), ("b", "y", 2))
    other = reopened(lake)
    other.resume(99)
    scope = lake.spark.createDataFrame([("a",)], "id string")
    nothing = lake.spark.createDataFrame([], ENTITY.struct_type)
    other.merge("silver.entity", nothing, replacing=scope)
    assert [row.id for row in other.read("silver.entity").collect()] == ["b"]


def test_the_same_write_of_the_same_run_is_skipped(lake: Lake) -> None:
    tiers(lake, D1, {"a": "1"})
    version = lake.version("gold.tier")
    tiers(reopened(lake, run=lake.run_number), D1, {"a": "1", "b": "2"})
    assert lake.version("gold.tier") == version


def test_streams_that_commit_to_one_table_know_their_own_commits(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    entities(lake, ("a", "x", 1))
    monkeypatch.setattr("portrait.lake.lake.fault_point", lambda name, _: time.sleep(name == "lake.after_commit"))

    def append(rows: int) -> None:
        frame = lake.spark.range(rows).selectExpr(f"'{rows}' || id as id", "'x' as value", "id as n")
        lake.append(ENTITY.id, frame, transaction=(f"stream {rows}", 0))

    with ThreadPoolExecutor(max_workers=2) as pool:
        list(pool.map(append, (2, 3)))
    assert sorted(lake.rows_written(write) or 0 for write in lake.writes) == [1, 2, 3]


def test_transaction_ids_do_not_leak_into_the_session(lake: Lake) -> None:
    entities(lake, ("a", "x", 1))
    assert lake.spark.conf.get("spark.databricks.delta.write.txnAppId", None) is None
    assert lake.spark.conf.get("spark.databricks.delta.commitInfo.userMetadata", None) is None


def test_a_new_nullable_column_of_the_contract_is_added(lake: Lake) -> None:
    tiers(lake, D1, {"a": "1"})
    wider = TIER.with_columns([Column("note", "STRING", description="added")])
    other = Lake(lake.spark, lake.root, Catalogue({**lake.catalogue.contracts, TIER.id: wider}), lease=lake.lease)
    frame = lake.spark.sql(
        "SELECT DATE '2025-02-28' AS as_of, 'a' AS customer_id, CAST(1 AS DECIMAL(18,2)) assets, 'n' note"
    )
    other.replace("gold.tier", frame, D2)
    assert {(row.as_of, row.note) for row in other.read("gold.tier").collect()} == {(D1, None), (D2, "n")}


def test_a_value_that_the_contract_no_longer_requires_may_be_missing(lake: Lake, catalogue: Catalogue) -> None:
    strict = contract("gold.tier", AS_OF, CUSTOMER, Column("assets", "DECIMAL(18,2)", required=True))
    before = Lake(lake.spark, lake.root, Catalogue({**catalogue.contracts, TIER.id: strict}), lease=lake.lease)
    tiers(before, D1, {"a": "1"})
    now = Lake(lake.spark, lake.root, catalogue, lease=lake.lease)
    tiers(now, D2, {"a": "NULL"})
    assert [row.assets for row in now.slice("gold.tier", D2).collect()] == [None]


def test_a_change_feed_that_the_contract_asks_for_begins_when_the_table_is_opened(lake: Lake) -> None:
    tiers(lake, D1, {"a": "1"})
    watched = replace(TIER, properties={**TIER.properties, "changeFeed": True})
    other = Lake(lake.spark, lake.root, Catalogue({**lake.catalogue.contracts, TIER.id: watched}), lease=lake.lease)
    other.read("gold.tier")
    opened = other.version("gold.tier")
    tiers(other, D2, {"b": "2"})
    changes = other.changes("gold.tier", after=opened, until=other.version("gold.tier"))
    assert changes is not None
    assert [(row.customer_id, row._change_type) for row in changes.collect()] == [("b", "insert")]
    none = other.changes("gold.tier", after=opened, until=opened)
    assert none is not None
    assert none.isEmpty()


def test_a_completed_slice_is_told_from_one_whose_files_are_gone(lake: Lake) -> None:
    tiers(lake, D1, {"a": "1", "b": "2"})
    then = lake.completed_slice("gold.tier", D1)
    assert then is not None
    assert {row.customer_id for row in then.collect()} == {"a", "b"}
    lake.register("gold.tier")
    lake.spark.sql("UPDATE gold.tier SET assets = 3")
    check = "spark.databricks.delta.retentionDurationCheck.enabled"
    lake.spark.conf.set(check, "false")
    try:
        lake.spark.sql("VACUUM gold.tier RETAIN 0 HOURS")
    finally:
        lake.spark.conf.set(check, "true")
    assert lake.completed_slice("gold.tier", D1) is None


def test_a_log_that_no_longer_reaches_back_says_nothing(lake: Lake) -> None:
    entities(lake, ("a", "x", 1))
    lake.append("silver.entity", lake.read("silver.entity").limit(0), transaction=("t", 1), note={"known": 7})
    noted = lake.version("silver.entity")
    lake.register("silver.entity")
    lake.spark.sql("ALTER TABLE silver.entity SET TBLPROPERTIES ('x' = 'y')")
    assert lake.note("silver.entity") == {"known": 7}
    (lake.path("silver.entity") / "_delta_log" / f"{noted:020d}.json").unlink()
    assert lake.note("silver.entity") == {}


def test_a_name_outside_the_contracts_never_becomes_a_path(lake: Lake) -> None:
    for name in ("gold.../../etc/passwd", "gold.nothing", "../x.y"):
        with pytest.raises(ConfigurationError, match="there is no table"):
            lake.path(name)


def test_readers_see_a_rewritten_slice_only_when_it_is_published(lake: Lake) -> None:
    tiers(lake, D1, {"a": "1"})
    served(lake, D1)
    second = reopened(lake)
    tiers(second, D1, {"a": "2"})
    assert seen_assets(second) == 1
    served(second, D1)
    assert seen_assets(second) == 2


def test_a_rollback_serves_the_older_run_again(lake: Lake) -> None:
    tiers(lake, D1, {"a": "1"})
    first = served(lake, D1)
    second = reopened(lake)
    tiers(second, D2, {"a": "2"})
    served(second, D2)
    third = reopened(second)
    rollback(third, first.run)
    assert next((item.action, item.as_of) for item in publications(third)) == ("rollback", D1)
    assert seen_assets(third) == 1
    with pytest.raises(ConfigurationError, match="published nothing"):
        rollback(third, 12345)


@pytest.mark.parametrize("failing", [None, "assets.range"])
def test_only_versions_that_the_gate_passed_are_published(lake: Lake, failing: str | None) -> None:
    tiers(lake, D1, {"a": "1"})
    with pytest.raises(GateRefused, match=r"gold\.tier: version 1 was not checked by the gate"):
        publish(lake, as_of=D1)
    judge(lake, D1)
    second = reopened(lake)
    second.resume(2)
    tiers(second, D1, {"a": "2"})
    with pytest.raises(GateRefused, match="version 2 was not checked by the gate, which saw version 1") as refused:
        publish(second, as_of=D1)
    assert refused.value.exit_code == 4
    assert refused.value.remedy.endswith("`portrait run --as-of 2025-01-31 --select quality+`")
    third = reopened(lake)
    third.resume(3)
    judge(third, D1, failing=failing)
    if failing:
        with pytest.raises(GateRefused, match=r"gold\.tier: version 2 failed assets\.range"):
            publish(third, as_of=D1)
        assert publications(third) == []
    else:
        assert publish(third, as_of=D1).versions == {"gold.tier": 2}


def test_results_of_before_versions_were_kept_say_nothing_about_today(lake: Lake) -> None:
    tiers(lake, D1, {"a": "1"})
    judge(lake, D1)
    lake.register("ops.quality_results")
    lake.spark.sql("UPDATE ops.quality_results SET version = NULL")
    with pytest.raises(GateRefused, match="checked before the gate recorded versions"):
        publish(lake, as_of=D1)


def test_the_gate_judges_the_version_that_would_be_served(lake: Lake) -> None:
    tiers(lake, D1, {"a": "1"})
    second = reopened(lake)
    second.resume(2)
    frame = lake.spark.sql("SELECT DATE '2025-01-31' AS as_of, 'b' AS customer_id, CAST(-5 AS DECIMAL(18,2)) AS assets")
    second.replace("gold.tier", frame, D1)  # and dies before the job is complete
    results = check_gold(reopened(lake), D1)
    assert {item.rule: item.success for item in results}["assets.range"]
    third = reopened(lake)
    third.resume(3)
    third.replace("ops.quality_results", results_frame(third, results, as_of=D1), D1)
    assert publish(third, as_of=D1).versions == {"gold.tier": 1}


def test_the_last_write_of_a_slice_is_the_newest_in_whatever_order_the_records_come(lake: Lake) -> None:
    # The job of each earlier day wrote the slice of the last day again, as a backfill of label_history does.
    days = [date(2025, 1, day) for day in range(1, 29)]
    for descending in (False, True):
        rows = [(run, "test", day, "gold.tier", D3, 10 + run, {}, f"code {run}", 0.0, datetime(2025, 5, 1))
                for run, day in enumerate(sorted(days, reverse=descending), start=1)]  # fmt: skip
        # Run 28 was resumed: what it recorded last counts, not what comes first.
        rows += [(28, "test", rows[-1][2], "gold.tier", D3, 99, {"x": "y"}, "code 99", 0.0, datetime(2025, 5, 2))]
        frame = lake.spark.createDataFrame(rows[::-1], lake.catalogue.table("ops.table_versions").struct_type)
        arrow = frame.toArrow()
        records = Records(lambda names, arrow=arrow: arrow.select(names))
        assert records.versions["gold.tier", D3] == 99
        assert records.written("gold.tier", D3) == records.last_run == 28
        done = records.completions["test", rows[-1][2]]
        assert (done.run, done.fingerprint, done.inputs) == (28, "code 99", {"x": "y"})


def test_a_new_process_publishes_what_a_backfill_wrote_last(lake: Lake) -> None:
    # Each earlier day is filled in and rewrites the day after all of them; the groups of the records come in any order.
    for run, day in enumerate([D3, *(date(2025, 1, day) for day in range(1, 9))], start=1):
        step = reopened(lake, run)
        frame = f"SELECT DATE '{D3}' AS as_of, 'a' AS customer_id, CAST({run} AS DECIMAL(18,2)) AS assets"
        step.replace("gold.tier", lake.spark.sql(frame), D3)
        step.complete("test", as_of=day, inputs={}, seconds=0.0)
    later = reopened(lake, 10)
    assert later.records.versions["gold.tier", D3] == later.version("gold.tier") == 9
    served(later, D3)
    assert seen_assets(later) == 9


def test_a_slice_without_a_day_is_the_published_one_as_it_was(lake: Lake) -> None:
    tiers(lake, D1, {"a": "1"})
    assert slice_at(lake, "gold.tier", None)[0] == D1
    served(lake, D1)
    second = reopened(lake)
    tiers(second, D1, {"a": "5"})
    tiers(second, D2, {"b": "9"})
    day, found = slice_at(second, "gold.tier", None)
    assert (day, [(row.customer_id, str(row.assets)) for row in found.collect()]) == (D1, [("a", "1.00")])
    assert slice_at(second, "gold.tier", D3)[0] == D2
    assert [str(row.assets) for row in slice_at(second, "gold.tier", D1)[1].collect()] == ["5.00"]


def test_published_views_show_columns_with_comments(lake: Lake) -> None:
    tiers(lake, D1, {"a": "1"})
    served(lake, D1)
    columns = {column.name for column in lake.spark.catalog.listColumns("published.tier")}
    assert columns == {"as_of", "customer_id", "assets"}


def test_digest_ignores_order_and_sees_null_swaps(spark: SparkSession) -> None:
    from portrait.lake.digests import frame_digest

    one = spark.createDataFrame(
        [("a", None, {"x": 1, "y": 2}), ("b", "c", {})], "k string, v string, m map<string,bigint>"
    )
    same = spark.createDataFrame([("b", "c", {}), ("a", None, {"y": 2, "x": 1})], one.schema).repartition(3)
    swapped = spark.createDataFrame([(None, "a", {"x": 1, "y": 2}), ("b", "c", {})], one.schema)
    twice = one.union(one)
    assert frame_digest(one) == frame_digest(same)
    assert len({frame_digest(one), frame_digest(swapped), frame_digest(twice)}) == 3


def test_digest_leaves_volatile_columns_out(lake: Lake) -> None:
    tiers(lake, D1, {"a": "1"})
    first = digest(lake, "ops.table_versions")
    assert first.startswith("1-")
    now = datetime(2025, 1, 1)
    again = Lake(lake.spark, lake.root / "twin", lake.catalogue, lease=lake.lease)
    row = lake.read("ops.table_versions").head()
    values = [(*row[:-2], 99.0, now)]
    again.append(
        "ops.table_versions", lake.spark.createDataFrame(values, lake.catalogue.table("ops.table_versions").struct_type)
    )
    assert digest(again, "ops.table_versions") == first


def test_a_writer_that_lost_the_lease_is_fenced_off(spark: SparkSession, tmp_path: Path, catalogue: Catalogue) -> None:
    paused = Lease(tmp_path, seconds=3600)
    paused.acquire()
    old = Lake(spark, tmp_path, catalogue, lease=paused)
    tiers(old, D1, {"a": "1"})
    # What a holder on another machine looks like after it slept through its lease.
    paused._replace({**paused._content(), "host": "elsewhere", "expires_at": 0.0})
    with Lease(tmp_path) as second:
        assert second.token == paused.token + 1
        with pytest.raises(LakeBusy, match="lost its lease to run"):
            tiers(old, D1, {"a": "2"})
        tiers(Lake(spark, tmp_path, catalogue, lease=second), D1, {"a": "3"})
    assert [int(row.assets) for row in old.read("gold.tier").collect()] == [3]
