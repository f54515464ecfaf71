"""References of all feeds lead somewhere; feeds beside the core agree with the bookings and have the planted shape."""

from __future__ import annotations

import pytest
from tests.sources.landed import Landed


@pytest.mark.parametrize(
    ("feed", "key", "other"),
    [
        ("transactions", "account_id", "accounts"),
        ("cards", "account_id", "accounts"),
        ("cards", "customer_id", "customers"),
        ("loans", "account_id", "accounts"),
        ("standing_orders", "account_id", "accounts"),
        ("holdings", "customer_id", "customers"),
        ("holdings", "product_id", "products"),
        ("customers", "region_id", "regions"),
        ("channel_events", "customer_id", "customers"),
        ("feedback", "customer_id", "customers"),
        ("contacts", "customer_id", "customers"),
        ("contacts", "campaign_id", "campaigns"),
        ("responses", "contact_id", "contacts"),
        ("contact_outcomes", "contact_id", "contacts"),
        ("instalments", "loan_id", "loans"),
        ("customers", "branch_id", "branches"),
        ("companies", "region_id", "regions"),
        ("campaigns", "product_id", "products"),
    ],
)
def test_references_lead_somewhere(bank: Landed, feed: str, key: str, other: str):
    missing = f"{key} is not null and {key} not in (select {key} from {{{other}}})"
    assert bank.ask(f"select count(*) filter ({missing}), count(*) > 0 from {{{feed}}}") == [(0, True)]


def test_employers_are_companies(bank: Landed):
    unknown = "employer_id is not null and employer_id not in (select company_id from {companies})"
    assert bank.ask(f"select count(*) filter ({unknown}), count(employer_id) > 0 from {{customers}}") == [(0, True)]


@pytest.mark.parametrize(
    ("feed", "key"),
    [
        ("channel_events", "event_id"),
        ("feedback", "feedback_id"),
        ("contacts", "contact_id"),
        ("responses", "response_id"),
        ("contact_outcomes", "contact_id, state"),
        ("instalments", "loan_id, due_on, changed_at"),
        ("relations", "from_id, to_id, kind, valid_from, changed_at"),
        ("companies", "company_id, changed_at"),
        ("branches", "branch_id, snapshot_on"),
        ("transfer_prices", "priced_on, kind, term_months"),
        ("unit_costs", "costed_on, type, channel"),
    ],
)
def test_keys_are_unique(bank: Landed, feed: str, key: str):
    assert bank.ask(f"select count(*) - count(distinct ({key})) from {{{feed}}}") == [(0,)]


def test_an_instalment_paid_in_full_is_a_booking_and_the_other_way_round(bank: Landed):
    # the loan of a customer is paid from the current account, that of 'L000000001-mortgage' from 'A00000000101'
    assert bank.ask("""
        with paid as (select 'A' || loan_id[2:10] || '01' as account_id, paid_on as day, amount_paid as amount
            from {instalments} where amount_paid = amount_due),
        booked as (select account_id, booked_at[:10] as day, amount from {transactions} where type = 'loan_payment')
        select (select count(*) from (from paid except all from booked)),
            (select count(*) from (from booked except all from paid)), (select count(*) > 100 from paid)
    """) == [(0, 0, True)]


def test_a_payment_is_not_known_before_its_day(bank: Landed):
    assert bank.ask("select count(*) from {instalments} where paid_on > changed_at[:10]") == [(0,)]


def test_in_arrears_nothing_is_paid_in_full(bank: Landed):
    assert bank.ask("""
        select count(*) > 0, count(*) filter (amount_paid = amount_due) from {instalments} join
            (select loan_id, min(status_on) as since from {loans} where status = 'D' group by 1) using (loan_id)
        where due_on > since
    """) == [(True, 0)]


def test_only_queues_have_waiting_seconds(bank: Landed):
    assert bank.ask("""
        select count(*) filter ((seconds_waited is not null) <> (channel in ('branch', 'phone'))),
            count(distinct channel) from {channel_events}
    """) == [(0, 8)]


def test_waiting_is_longer_on_mondays_and_when_pensions_come(bank: Landed):
    # 420 seconds in a branch and 1.8 times that when it is crowded; sigma 0.8 is a deviation of 0.95 means
    rows = bank.ask("""
        select isodow("at"[:10]::date) = 1 or "at"[9:10]::int between 7 and 10 as crowded,
            avg(seconds_waited::int + 0.5), count(*) from {channel_events} where channel = 'branch' group by 1
    """)
    for crowded, mean, number in rows:
        expected = 420 * 1.8 if crowded else 420
        assert mean == pytest.approx(expected, abs=4 * 0.95 * expected / number**0.5)
    assert len(rows) == 2


def test_who_waits_long_gives_up(bank: Landed):
    ((short, long),) = bank.ask("""
        select avg((outcome = 'abandoned')::int) filter (seconds_waited::int < 300),
            avg((outcome = 'abandoned')::int) filter (seconds_waited::int > 900) from {channel_events}
    """)
    # 1 - exp(-150 / 2400) and 1 - exp(-900 / 2400) at least
    assert short < 0.12
    assert long > 0.31 - 0.05


def test_nobody_comes_before_joining_or_after_leaving(bank: Landed):
    assert bank.ask("""
        select count(*) filter ("at"[:10] < opened), count(*) filter ("at"[:10] > closed) from {channel_events} join
            (select account_id[2:10] as number, min(opened_on) as opened, max(closed_on) as closed
            from {accounts} group by 1) on number = customer_id[2:]
    """) == [(0, 0)]


def test_texts_with_commas_and_quotes_arrive_whole(bank: Landed):
    texts = {text for (text,) in bank.ask("select text from {feedback} where text is not null")}
    assert any("," in text for text in texts)
    assert not any("{topic}" in text for text in texts)


def test_spouses_are_married_customers(bank: Landed):
    assert bank.ask("""
        select count(*) > 0, count(*) filter (marital_status <> 'married') from {relations} join
            (select distinct customer_id, marital_status from {customers} where op = 'I')
            on customer_id in (from_id, to_id) where kind = 'spouse'
    """) == [(True, 0)]


def test_parents_are_twenty_to_forty_years_older(bank: Landed):
    assert bank.ask("""
        select count(*) > 0, min(datediff('year', a.birth_date::date, b.birth_date::date)) >= 19,
            max(datediff('year', a.birth_date::date, b.birth_date::date)) <= 41
        from {relations} join (select distinct customer_id, birth_date from {customers}) a on a.customer_id = from_id
        join (select distinct customer_id, birth_date from {customers}) b on b.customer_id = to_id where kind = 'parent'
    """) == [(True, True, True)]


def test_nobody_owns_more_than_all_of_a_company(bank: Landed):
    assert bank.ask("""
        select max(total) <= 1, count(*) > 100 from (select sum(share::double) as total from {relations}
            where kind in ('shareholder', 'subsidiary') group by to_id, kind)
    """) == [(True, True)]
