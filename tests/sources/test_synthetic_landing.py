"""The landed synthetic bank: whole, tidy, and with exactly the bad rows that its truth lists."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from tests.sources.landed import SIZE, Landed

from portrait.contracts import load_catalogue
from portrait.errors import ConfigurationError
from portrait.ingest.parsing import Layout, judge, parse_lines
from portrait.sources import land_synthetic, last_day
from portrait.sources.feeds import FEED_COLUMNS
from portrait.sources.synthetic import CORE_FEEDS
from portrait.sources.synthetic.corrupted import FAULTS

EIGHT_KINDS = {
    *("malformed_date", "impossible_date", "malformed_amount", "negative_amount"),
    *("unknown_direction", "missing_key", "unknown_code", "wrong_column_count"),
}

CHANGES = ("changes_to_2025-03-31", "opening")


def test_the_files(bank: Landed):
    changing = ("account_parties", "accounts", "applications", "cards", "customers", "holdings", "instalments", "loans")
    both = {f"{feed}/{name}.csv" for feed in (*changing, "relations", "standing_orders") for name in CHANGES}
    opening = {f"{feed}/opening.csv" for feed in ("branches", "companies", "products", "regions", "unit_costs")}
    events = ("channel_events", "contact_outcomes", "contacts", "feedback", "responses")
    later = {f"{feed}/changes_to_2025-03-31.csv" for feed in events}
    months = {f"transactions/{name}.csv" for name in ("2025-01", "2025-02", "2025-03", "opening")}
    others = {"campaigns/changes_to_2025-03-31.csv", "transfer_prices/opening.csv"}
    found = {str(path.relative_to(bank.landing)) for path in bank.landing.rglob("*") if path.is_file()}
    # nothing fell due before the first day
    assert found == (both | opening | later | months | others) - {"instalments/opening.csv"}


def test_truth_stands_beside_the_landing_folder(bank: Landed):
    assert {path.name for path in bank.truth.iterdir()} == {
        *(
            "applications",
            "bad_loans",
            "bad_rows",
            "belonging",
            "churn",
            "fraud_rings",
            "groups",
            "life_events",
            "propensity",
            "tiers",
            "uplift",
        ),
    }


def test_the_summary_counts_the_lines(bank: Landed):
    lines = {
        folder.name: sum(len(path.read_text().splitlines()) - 1 for path in folder.glob("*.csv"))
        for folder in bank.landing.iterdir()
    }
    assert bank.rows == lines


def test_every_customer_has_a_group(bank: Landed):
    assert bank.ask('select count(*), count(distinct customer_id), count(distinct "group") from {groups}') == [
        (SIZE["customers"], SIZE["customers"], 6)
    ]


def test_bookings_a_customer_and_month(bank: Landed):
    ((bookings,),) = bank.ask("select count(*) from {transactions} where booked_at >= '2025'")
    assert 8 <= bookings / SIZE["customers"] / SIZE["months"] <= 12


def test_every_balance_is_the_one_before_plus_the_booking(bank: Landed):
    # DuckDB, in exact decimals; an account begins at nothing
    assert bank.ask("""
        with signed as (
            select *, amount::decimal(18, 2) * case direction when 'credit' then 1 else -1 end as movement
            from {transactions}
        ), chained as (
            select balance_after::decimal(18, 2) as reported,
                sum(movement) over (partition by account_id order by booked_at, transaction_id) as expected
            from signed
        ) select count(*) filter (reported <> expected), count(*) > 10000 from chained
    """) == [(0, True)]


def test_few_balances_are_negative(bank: Landed):
    ((share,),) = bank.ask("select avg((balance_after::double < 0)::int) from {transactions}")
    assert share < 0.03


def test_a_booking_lies_within_the_life_of_its_account(bank: Landed):
    assert bank.ask("""
        with life as (select account_id, min(opened_on) as opened, max(closed_on) as closed from {accounts} group by 1)
        select count(*) filter (life.account_id is null), count(*) filter (booked_at[:10] < opened),
            count(*) filter (booked_at[:10] > closed)
        from {transactions} left join life using (account_id)
    """) == [(0, 0, 0)]


def test_a_closed_account_has_paid_out_everything(bank: Landed):
    assert bank.ask("""
        with closed as (select account_id from {accounts} where closed_on is not null),
        last as (
            select account_id, arg_max(balance_after, booked_at || transaction_id) as rest
            from {transactions} group by 1
        )
        select count(*) > 0, max(rest::double) from closed join last using (account_id)
    """) == [(True, 0.0)]


def test_the_dormant_do_nothing_of_their_own_accord(bank: Landed):
    assert bank.ask("""
        select count(*) > 0, count(distinct t.type) filter (t.type not in ('fee', 'interest', 'loan_payment'))
        from {groups} g join {accounts} a on a.account_id[2:10] = g.customer_id[2:]
        join {transactions} t on t.account_id = a.account_id and t.booked_at >= '2025' where g.dormant
    """) == [(True, 0)]


def test_every_account_has_one_owner_and_some_are_shared(bank: Landed):
    assert bank.ask("""
        with parties as (
            select account_id, count(*) filter (role = 'owner') as owners, count(*) filter (role = 'user') as users
            from {account_parties} group by 1)
        select count(*) = (select count(distinct account_id) from {accounts}), min(owners), max(owners), sum(users) > 0
        from parties
    """) == [(True, 1, 1, True)]


@pytest.mark.parametrize(
    ("feed", "key"),
    [
        ("transactions", "transaction_id"),
        ("customers", "customer_id, changed_at"),
        ("accounts", "account_id, changed_at"),
        ("account_parties", "account_id, party_id, changed_at"),
        ("cards", "card_id, changed_at"),
        ("loans", "loan_id, changed_at"),
        ("standing_orders", "order_id, changed_at"),
        ("holdings", "holding_id, changed_at"),
        ("products", "product_id, changed_at"),
    ],
)
def test_keys_are_unique(bank: Landed, feed: str, key: str):
    assert bank.ask(f"select count(*) - count(distinct ({key})) from {{{feed}}}") == [(0,)]


@pytest.mark.parametrize("feed", ["accounts", "cards", "holdings"])
def test_an_end_is_not_known_at_the_opening(bank: Landed, feed: str):
    assert bank.ask(f"select count(*) from {{{feed}}} where closed_on > changed_at[:10]") == [(0,)]


def test_a_status_is_not_known_before_its_day(bank: Landed):
    assert bank.ask("select count(*) from {loans} where status_on > changed_at[:10]") == [(0,)]


def test_eight_kinds_of_bad_rows_are_planted(bank: Landed):
    kinds = bank.ask("select distinct kind from {bad_rows} where feed = 'transactions'")
    assert {kind for (kind,) in kinds} == EIGHT_KINDS == {fault.kind for fault in FAULTS["transactions"]}


@pytest.mark.parametrize("feed", sorted(FAULTS))
def test_bad_rows_stay_far_below_the_threshold(bank: Landed, feed: str):
    ((planted,),) = bank.ask(f"select count(*) from {{bad_rows}} where feed = '{feed}'")
    assert planted / bank.rows[feed] < 0.01


# That the other feeds have none, tests/pipeline/test_synthetic.py sees in the quarantine of a run.
@pytest.mark.parametrize("feed", sorted(FAULTS))
def test_ingest_finds_the_planted_rows_and_no_others(spark: SparkSession, schemas_dir: Path, bank: Landed, feed: str):
    contract = load_catalogue(schemas_dir).table(f"raw.{feed}")
    header = ",".join(FEED_COLUMNS[feed])
    lines = spark.read.text(str(bank.landing / feed)).select(
        F.lit("f").alias("__file"), F.col("value").alias("__value")
    )
    layouts = [Layout("csv", FEED_COLUMNS[feed], ("f",))]
    judged = judge(
        parse_lines(lines.where(F.col("__value") != header), contract=contract, layouts=layouts), contract=contract
    ).persist()  # as ingest does: a filter on the reasons would otherwise have Spark write every rule out for each row
    found = judged.where(F.size("__reasons") > 0).select("__value", F.concat_ws(" ", "__reasons")).collect()
    planted = bank.ask(f"select record, rule from {{bad_rows}} where feed = '{feed}'")
    assert sorted((str(line), str(rules)) for line, rules in found) == sorted(planted)


def test_planted_rows_stand_in_the_file_that_truth_names(bank: Landed):
    for feed, file, record in bank.ask("select feed, file, record from {bad_rows}"):
        assert record in (bank.landing / feed / f"{file}.csv").read_text().splitlines()


@pytest.mark.process
def test_landing_again_with_other_settings_gives_the_same_bytes(spark: SparkSession, bank: Landed, tmp_path: Path):
    """And the other feeds that were landed with them change nothing in the core."""
    before, whole = spark.conf.get("spark.sql.shuffle.partitions"), bytes_of(bank.landing)
    spark.conf.set("spark.sql.shuffle.partitions", "7")
    spark.conf.set("spark.sql.adaptive.enabled", "true")
    try:
        land_synthetic(spark, landing=tmp_path / "landing", **SIZE)
    finally:
        spark.conf.set("spark.sql.shuffle.partitions", str(before))
        spark.conf.set("spark.sql.adaptive.enabled", "false")
    assert bytes_of(tmp_path / "landing") == {name: whole[name] for name in whole if name.split("/")[0] in CORE_FEEDS}
    again = Landed(tmp_path / "landing", bank.rows)
    assert again.ask("from {bad_rows} order by all") == bank.ask("from {bad_rows} order by all")
    assert again.ask("from {groups} order by all") == bank.ask("from {groups} order by all")


@pytest.mark.process
def test_until_lands_what_was_known_and_the_rest_can_follow(spark: SparkSession, bank: Landed, tmp_path: Path):
    landing = tmp_path / "landing"
    land_synthetic(spark, landing=landing, until=date(2025, 2, 10), **SIZE)
    early, whole = bytes_of(landing), bytes_of(bank.landing)
    shared = set(early) & set(whole)  # equal bytes, so that the later delivery may follow into the same folder
    assert {name: early[name] for name in shared} == {name: whole[name] for name in shared}
    assert {"transactions/2025-01.csv", "customers/opening.csv"} <= shared
    assert max(name for name in early if name.startswith("transactions/2")) == "transactions/2025-02_to_2025-02-10.csv"
    known = Landed(landing, {})
    for feed in sorted({name.split("/")[0] for name in early} - {"regions", "transactions"}):
        day = {"transfer_prices": "priced_on", "unit_costs": "costed_on"}.get(feed, "changed_at")
        before = f"from {{{feed}}} where {day}[:10] <= '2025-02-10' order by all"
        assert known.ask(f"from {{{feed}}} order by all") == bank.ask(before), feed
    # what is booked and not yet known arrives late: at most five days after booking, three more where corrected
    delivered = set(known.ask("from {deliveries}"))
    booked = set(bank.ask("from {deliveries} where booked_at[:10] <= '2025-02-10'"))
    missing = booked - delivered
    assert delivered < booked
    assert len(missing) < 0.02 * len(booked)
    assert min(row[2] for row in missing) > "2025-02-02"


@pytest.mark.parametrize(
    "wrong",
    [
        {"customers": 0},
        {"months": 0},
        {"start": date(2025, 1, 2)},
        {"until": date(2024, 12, 31)},
        {"feeds": ["gossip"]},
    ],
)
def test_impossible_banks_are_refused(spark: SparkSession, tmp_path: Path, wrong: dict[str, object]):
    with pytest.raises(ConfigurationError):
        land_synthetic(spark, landing=tmp_path, **{**SIZE, **wrong})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("months", "start", "expected"),
    [
        (12, date(2025, 1, 1), date(2025, 12, 31)),
        (1, date(2025, 1, 1), date(2025, 1, 31)),
        (14, date(2023, 1, 1), date(2024, 2, 29)),
        (3, date(2024, 11, 1), date(2025, 1, 31)),
    ],
)
def test_last_day(months: int, start: date, expected: date):
    assert last_day(months, start) == expected


def bytes_of(landing: Path) -> dict[str, bytes]:
    return {str(path.relative_to(landing)): path.read_bytes() for path in landing.rglob("*") if path.is_file()}
