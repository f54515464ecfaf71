"""The planted truth agrees with the feeds, and what was drawn happens as often as it says."""

from __future__ import annotations

import duckdb
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from tests.sources.landed import Landed

from portrait.sources.synthetic import campaigns, codes, records, truth
from portrait.sources.synthetic.bank import Bank, people
from portrait.sources.synthetic.bookings import bookings
from portrait.sources.synthetic.product_holdings import holdings

MANY = Bank(customers=20_000, months=12, seed=3)


@pytest.fixture(scope="module")
def many(spark: SparkSession) -> DataFrame:
    return people(spark, MANY).cache()


def test_who_left_has_closed_their_accounts_that_day(bank: Landed):
    assert bank.ask("""
        select count(*) > 0, count(*) filter (closed_on is distinct from went_on::varchar)
        from (select * from {churn} where kind = 'left') left join
            (select account_id[2:10] as number, max(closed_on) as closed_on from {accounts} group by 1)
            on number = customer_id[2:]
    """) == [(True, 0)]


def test_who_fell_silent_does_nothing_of_their_own_from_that_day(bank: Landed):
    assert bank.ask("""
        select count(distinct customer_id) > 0, count(*) filter (
            booked_at[:10] >= went_on::varchar and regexp_matches(transaction_id, '-E[0-9]{{3}}$'))
        from {churn} join {transactions} on account_id[2:10] = customer_id[2:] where kind = 'silent'
    """) == [(True, 0)]


def test_the_month_of_churn_is_that_of_its_day(bank: Landed):
    assert bank.ask("select count(*) from {churn} where month <> date_trunc('month', went_on)") == [(0,)]


@pytest.fixture(scope="module")
def changed(many: DataFrame) -> duckdb.DuckDBPyConnection:
    """DuckDB with the change records of customers to whom something happened (`changed`), and the events (`events`)."""
    held = holdings(many.limit(1), MANY)
    events = truth.life_events(many, held, MANY).where("kind <> 'house'")
    changes = records.customers(many, MANY).join(events, on="customer_id", how="inner")
    wanted = ("customer_id", "kind", "happened_on", "on", "marital_status", "children", "occupation", "employer_id")
    connection = duckdb.connect()
    connection.register("changed", changes.select(*wanted).toPandas())
    return connection


@pytest.mark.parametrize(
    ("kind", "after"),
    [("marriage", "marital_status = 'married'"), ("retirement", "occupation = 'pensioner' and employer_id is null")],
)
def test_an_event_shows_in_the_customers_records_from_its_day(
    changed: duckdb.DuckDBPyConnection, kind: str, after: str
):
    found = changed.sql(f"""
        select count(distinct customer_id) > 20, count(*) filter ("on" = happened_on) = count(distinct customer_id),
            count(*) filter (({after}) <> ("on" >= happened_on)) from changed where kind = '{kind}'
    """).fetchall()
    assert found == [(True, True, 0)]


def test_a_child_is_one_more(changed: duckdb.DuckDBPyConnection):
    found = changed.sql("""
        select count(*) > 100, count(*) filter (later - earlier <> 1) from (
            select customer_id, max(children) filter ("on" >= happened_on) as later,
                max(children) filter ("on" < happened_on) as earlier from changed where kind = 'child' group by 1)
    """).fetchall()
    assert found == [(True, 0)]


def test_after_retirement_comes_a_pension_and_no_salary(spark: SparkSession, many: DataFrame):
    retired = many.where("retired_on is not null")
    moved = bookings(people(spark, MANY).join(retired.select("k"), on="k", how="left_semi"), MANY, MANY.last_day)
    paid = moved.where(F.col("code").isin(codes.SALARY, codes.PENSION)).select("k", "code", "day")
    found = paid.join(retired.select("k", MANY.day_of("retired_on").alias("since")), on="k", how="inner")
    connection = duckdb.connect()
    connection.register("paid", found.toPandas())
    salary, pension = f"code = {codes.SALARY}", f"code = {codes.PENSION}"
    # the pension is due on the eighth, and comes up to two days before it at a weekend
    assert connection.sql(f"""
        select count(*) > 200, count(*) filter ({salary} and day >= since),
            count(*) filter ({pension} and day < since - 2), count(*) filter ({pension}) > 100 from paid
    """).fetchall() == [(True, 0, 0, True)]


def test_a_house_is_bought_with_a_mortgage(bank: Landed):
    assert bank.ask("""
        select count(*) > 0, count(*) filter (granted_on is null) from {life_events} left join
            (select account_id[2:10] as number, granted_on from {loans} where op = 'I' and loan_id like '%mortgage')
            on number = customer_id[2:] and granted_on = happened_on::varchar where kind = 'house'
    """) == [(True, 0)]


def test_only_who_never_had_a_card_has_a_propensity(bank: Landed):
    assert bank.ask("""
        select count(*) > 0, count(*) filter (issued <= as_of::varchar) from {propensity} left join
            (select customer_id, min(issued_on) as issued from {cards} group by 1) using (customer_id)
    """) == [(True, 0)]


def test_every_customer_without_a_card_has_a_propensity(bank: Landed):
    assert bank.ask("""
        select count(*) from {accounts} left join {churn} on customer_id[2:] = account_id[2:10]
        where account_id like '%01' and op = 'I' and opened_on <= '2025-02-28'
            and (went_on is null or went_on > '2025-02-28')
            and account_id[2:10] not in (select customer_id[2:] from {cards} where issued_on <= '2025-02-28')
            and account_id[2:10] not in (select customer_id[2:] from {propensity} where as_of = '2025-02-28')
    """) == [(0,)]


def test_first_cards_are_taken_as_often_as_the_propensities_say(many: DataFrame):
    # month ends three months apart: each first card is counted once
    quarters = truth.propensity(many, MANY).where(F.month("as_of").isin(12, 3, 6, 9) & F.col("takes").isNotNull())
    for least, most in ((0.0, 0.05), (0.05, 0.1), (0.1, 1.0)):
        band = quarters.where((F.col("probability") >= least) & (F.col("probability") < most))
        p = F.col("probability")
        row = band.agg(F.sum(F.col("takes").cast("int")), F.sum(p), F.sum(p * (1 - p))).first()
        assert row is not None
        assert row[1] > 50
        # who falls silent, or leaves within the three months, takes none: about one in a hundred
        assert abs(row[0] - row[1]) < 4 * row[2] ** 0.5 + 0.015 * row[1]


def test_customers_buy_in_either_arm_as_often_as_the_truth_says(many: DataFrame):
    bought = campaigns.responses(many, MANY).where("kind = 'bought'")
    bought = bought.select("campaign_id", "customer_id", F.lit(1).alias("b"))
    arms = campaigns.contacts(many, MANY).select("campaign_id", "customer_id", "arm")
    joined = campaigns.uplift(many, MANY).join(arms, on=["campaign_id", "customer_id"], how="inner")
    both = joined.join(bought, on=["campaign_id", "customer_id"], how="left")
    for arm in ("control", "treated"):
        p = F.col(f"probability_{arm}")
        row = both.where(F.col("arm") == arm).agg(F.count("b"), F.sum(p), F.sum(p * (1 - p)), F.count("*")).first()
        assert row is not None
        assert row[1] > 40
        assert abs(row[0] - row[1]) < 4 * row[2] ** 0.5


def test_one_in_ten_chosen_customers_is_the_control(many: DataFrame):
    row = campaigns.contacts(many, MANY).agg(F.avg((F.col("arm") == "control").cast("int")), F.count("*")).first()
    assert row is not None
    assert row[0] == pytest.approx(0.1, abs=4 * (0.09 / row[1]) ** 0.5)


def test_nobody_without_consent_is_chosen(bank: Landed):
    assert bank.ask("""
        select count(*) > 10, count(*) filter (consent_marketing is distinct from 'true')
        from {contacts} join (select distinct customer_id, consent_marketing from {customers}) using (customer_id)
    """) == [(True, 0)]


def test_a_ring_passes_money_from_seat_to_seat(bank: Landed):
    # 400 customers hold one block, which may have no ring: the question is asked where there is one
    rings = bank.ask("select ring, count(*) from {fraud_rings} group by 1")
    assert all(members == 5 for _, members in rings)
    assert bank.ask("""
        select count(*) filter (got.transaction_id is null) from
            (select * from {transactions} where transaction_id like '%-ROU') sent left join
            (select * from {transactions} where transaction_id like '%-RIN') got
            on got.account_id = sent.counterparty_account and got.counterparty_account = sent.account_id
                and got.amount = sent.amount and got.booked_at[:10] = sent.booked_at[:10]
    """) == [(0,)]


def test_the_tier_of_a_month_is_that_of_its_average_assets(bank: Landed):
    # DuckDB: the closing balance of every account on every day, averaged; and what is held on the last day
    rows = bank.ask("""
        with days as (select unnest(range(date '2025-01-01', date '2025-04-01', interval 1 day))::date as day),
        moved as (
            select account_id, booked_at[:10]::date as day,
                sum(amount::decimal(18, 2) * if(direction = 'credit', 1, -1)) as moved
            from {transactions} group by all),
        balances as (
            select substr(account_id, 2, 9) as number, days.day, sum(moved) as balance
            from days join moved on moved.day <= days.day group by all),
        averages as (
            select number, date_trunc('month', day)::date as month,
                sum(balance) / day(last_day(any_value(day))) as average
            from balances group by all),
        funds as (
            select customer_id[2:] as number, month, sum(amount::decimal(18, 2)) as invested from {holdings}
            join (select distinct date_trunc('month', day)::date as month from days)
                on opened_on::date <= last_day(month)
            where op = 'I' and regexp_matches(product_id, 'fund|note|deposit|bond') and holding_id not in (
                select holding_id from {holdings} where closed_on is not null and closed_on::date <= last_day(month))
            group by all)
        select planted.average_assets, average + coalesce(invested, 0), tier
        from {tiers} planted join averages on number = customer_id[2:] and averages.month = planted.month
        left join funds on funds.number = customer_id[2:] and funds.month = planted.month
    """)
    assert len(rows) > 1000
    assert max(abs(float(planted) - float(found)) for planted, found, _ in rows) < 0.02
    levels = [("diamond", 300_000), ("vip", 80_000), ("growing", 20_000)]
    for planted, _, tier in rows:
        assert tier == next((name for name, level in levels if planted >= level), "ordinary")
    assert {tier for *_, tier in rows} == {"diamond", "vip", "growing", "ordinary"}
