"""The calendar and the shape of the bookings, against the calendar of 2025 and hand arithmetic."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from tests.sources.landed import Landed

from portrait.sources.synthetic import activities
from portrait.sources.synthetic.bank import Bank

WEEKEND = "isodow(booked_at[:10]::date) in (6, 7)"


def test_pensions_come_on_the_eighth_or_the_friday_before(bank: Landed):
    # 8 February and 8 March 2025 are Saturdays
    days = bank.ask("select distinct booked_at[:10] from {transactions} where type = 'pension' order by 1")
    assert [day for (day,) in days] == ["2025-01-08", "2025-02-07", "2025-03-07"]


def test_salaries_come_in_the_last_week_and_never_at_weekends(bank: Landed):
    # from 24 January, a Friday, for Saturday the 25th, to 27 January: 7 to 4 days before the last
    assert bank.ask(f"""
        select count(*) > 100, count(*) filter ({WEEKEND}), min(last_day(booked_at[:10]::date) - booked_at[:10]::date),
            max(last_day(booked_at[:10]::date) - booked_at[:10]::date) from {{transactions}} where type = 'salary'
    """) == [(True, 0, 4, 7)]


def test_debits_of_a_fixed_day_come_after_the_weekend(bank: Landed):
    # the third: Friday 3 January, Monday 3 February, Monday 3 March; the twelfth: Sunday, Wednesday, Wednesday
    for note, category, days in (
        ("Rent, heating, water", "household", ["2025-01-03", "2025-02-03", "2025-03-03"]),
        (None, "utilities", ["2025-01-13", "2025-02-12", "2025-03-12"]),
    ):
        where = f"category = '{category}' and channel is null"
        found = bank.ask(f"select distinct booked_at[:10], note from {{transactions}} where {where} order by 1")
        assert found == [(day, note) for day in days]


def test_branches_and_markets_are_closed_at_weekends(bank: Landed):
    own = "regexp_matches(transaction_id, '-E[0-9]{{3}}$')"
    closed = f"(channel = 'branch' or type like 'investment%') and {own}"
    assert bank.ask(f"select count(*) > 100, count(*) filter ({WEEKEND}) from {{transactions}} where {closed}") == [
        (True, 0)
    ]


def test_people_shop_more_on_fridays_than_on_sundays(spark: SparkSession):
    events = spark.range(50_000).select(F.col("id").alias("event"), F.lit(0).alias("offset"), F.lit(31).alias("length"))
    days = events.select(activities._day(Bank(customers=1, months=1, seed=11)).alias("day")).toPandas()["day"]
    found = Counter((date(2025, 1, 1) + timedelta(days=int(day))).isoweekday() for day in days)
    # January 2025 begins on a Wednesday: it has five of them, of Thursdays and of Fridays, and four of every other day
    times = {1: 4, 2: 4, 3: 5, 4: 5, 5: 5, 6: 4, 7: 4}
    stays = {1: 0.75, 2: 0.70, 3: 0.75, 4: 0.85, 5: 1.0, 6: 1.0, 7: 0.45}
    # a day keeps what was drawn with this probability; the rest is spread evenly over the month
    kept = sum(stays[day] * times[day] for day in times) / 31
    expected = {day: times[day] * (stays[day] + 1 - kept) / 31 for day in times}
    shares = {day: count / 50_000 for day, count in found.items()}
    assert shares == pytest.approx(expected, abs=4 * (0.15 / 50_000) ** 0.5)
    assert found[5] / 5 > 1.5 * found[7] / 4


def test_a_few_payments_are_many_times_the_usual(bank: Landed):
    # log-logistic, shape 0.31: the 99.9 % quantile is 999 ** 0.31 = 8.5 medians; a lognormal of its width has 5.6
    ((ratio,),) = bank.ask("""
        select quantile_cont(amount::double / typical, 0.999) from (
            select *, median(amount::double) over (partition by account_id, category) as typical,
                count(*) over (partition by account_id, category) as times
            from {transactions} where type = 'card_payment') where times >= 5
    """)
    assert ratio > 5.6
