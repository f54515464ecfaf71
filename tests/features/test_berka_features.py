"""Every customer of a real bank against DuckDB, which computes the features its own way from the bank's own files.

Closing balances are folded in plain Python, spread to one row per day and averaged by SQL; windows are dates, not ages.
All sums stay whole hundredths until they are compared.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from portrait.entities.daily import daily_bookings
from portrait.entities.kinds import kind_code
from portrait.features import FeatureSet, customer_features

from .conftest import CONTRACT

D = date(1994, 3, 31)
DAYS = {"7d": 7, "30d": 30, "90d": 90, "180d": 180, "365d": 365, "mtd": 31, "life": 20000}
AVERAGED = {"30d": 30, "90d": 90, "180d": 180, "365d": 365, "mtd": 31, "1cm": 31, "3cm": 31 + 28 + 31}
CREDIT, DEBIT = "direction = 'credit'", "direction = 'debit'"
INITIATED = "type in ('cash_deposit', 'cash_withdrawal', 'card_withdrawal', 'transfer_out')"

# The bank's words in the order in which the mapping reads them: purpose first, then operation.
BOOKINGS = """
create table booking as
with worded as (
    select account_id::varchar as account_id, date::date as day, round(amount * 100)::bigint as minor,
        round(balance * 100)::bigint as reported, if(type = 'PRIJEM', 'credit', 'debit') as direction, k_symbol,
        case when k_symbol in ('SIPO', 'POJISTNE') then 'transfer_out' when k_symbol = 'UROK' then 'interest'
            when k_symbol in ('SLUZBY', 'SANKC. UROK') then 'fee' when k_symbol = 'DUCHOD' then 'pension'
            when k_symbol = 'UVER' then 'loan_payment' when operation = 'VKLAD' then 'cash_deposit'
            when operation = 'VYBER' then 'cash_withdrawal' when operation = 'VYBER KARTOU' then 'card_withdrawal'
            when operation = 'PREVOD NA UCET' then 'transfer_out' when operation = 'PREVOD Z UCTU' then 'transfer_in'
        end as type
    from read_csv('{folder}/trans_bankwide_19930101_19940331.csv'))
select *, case k_symbol when 'SIPO' then 'household' when 'POJISTNE' then 'insurance' end as category,
    case when type in ('cash_deposit', 'cash_withdrawal') then 'branch'
         when type = 'card_withdrawal' then 'atm' end as channel
from worded"""
OWNERS = """
create table owner as
select account_id, client_id as customer_id, strptime(account.date, '%y%m%d')::date as opened
from account join disp using (account_id) where disp.type = 'OWNER'"""
# Who has anything to do with the bank by D, from the bank's own files: no account of this bank is ever closed.
PERSONS = """
create table person as
with party as (select client_id, type from account join disp using (account_id) where account.date <= '{day}'
    union all select client_id, 'CARD' from card join disp using (disp_id) where issued[:6] <= '{day}'
    union all select client_id, 'LOAN' from loan join disp using (account_id)
    where disp.type = 'OWNER' and date <= '{day}'),
closest as (select client_id, case when bool_or(type = 'OWNER') then 'owner'
    when bool_or(type = 'DISPONENT') then 'user' else 'holder' end as relationship from party group by client_id)
select client_id as customer_id, relationship, gender, region, born from closest join (select client_id,
    strptime('19' || birth_number[:2] || lpad((birth_number[3:4]::int % 50)::varchar, 2, '0') || birth_number[5:6],
        '%Y%m%d')::date as born,
    if(birth_number[3:4]::int > 50, 'F', 'M') as gender, district_id as region from client) using (client_id)"""
# One row per account and day from its opening on; 0 until the first booking.
DAILY = """
create table daily as
with days as (select account_id, unnest(generate_series(opened, $as_of, interval 1 day))::date as day from owner)
select days.account_id, days.day, coalesce(closing.minor, 0) as minor
from days asof left join closing on closing.account_id = days.account_id and closing.day <= days.day"""


@pytest.fixture(scope="module")
def bank(berka_dir: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    con = duckdb.connect()
    con.execute(BOOKINGS.format(folder=berka_dir))
    for table in ("account", "disp", "client", "loan", "card"):
        file = f"read_csv('{berka_dir}/{table}.asc', delim = ';', header = true, all_varchar = true)"
        con.execute(f"create table {table} as select * from {file}")
    con.execute(OWNERS)
    con.execute(PERSONS.format(day=f"{D:%y%m%d}"))
    days = con.execute("""select account_id, day, sum(if(direction = 'credit', minor, -minor)), list(reported)
        from booking group by all order by all""").fetchall()
    closed = [dict(zip(("account_id", "day", "minor"), row, strict=True)) for row in closings(days)]
    con.register("closed", pa.Table.from_pylist(closed))
    con.execute("create table closing as select account_id, day, minor::bigint as minor from closed")
    con.execute(DAILY, {"as_of": D})
    yield con
    con.close()


def closings(days: list[tuple[Any, ...]]) -> Iterator[tuple[str, date, int]]:
    """The balance of the day before plus the movements, where the bank reports it; else the reported one nearest."""
    for account, own in groupby(days, key=lambda row: row[0]):
        balance = 0
        for _, day, movement, reported in own:
            balance = min(reported, key=lambda value: (abs(value - balance - movement), value))
            yield account, day, balance


def flows() -> dict[str, str]:
    """DuckDB's aggregate for each feature of bookings."""
    found: dict[str, str] = {
        "days_since_txn": f"date '{D}' - max(day)",
        "days_since_customer_txn": f"date '{D}' - max(day) filter ({INITIATED})",
    }

    def add(name: str, aggregate: str, condition: str, *windows: str) -> None:
        for window in windows:
            first = D - timedelta(days=DAYS[window] - 1)
            found[f"{name}_{window}"] = f"{aggregate} filter ({condition} and day between '{first}' and '{D}')"

    money, months = "sum(minor)", "count(distinct date_trunc('month', day))"
    add("txn_count", "count(*)", "true", *DAYS)
    add("credit_amount", money, CREDIT, *DAYS)
    add("debit_amount", money, DEBIT, *DAYS)
    for window, day in (("1cm", "1994-03-01"), ("3cm", "1994-01-01"), ("6cm", "1993-10-01")):
        for name, condition in (("credit_amount", CREDIT), ("debit_amount", DEBIT)):
            found[f"{name}_{window}"] = f"{money} filter ({condition} and day between '{day}' and '{D}')"
    add("channels", "count(distinct channel)", "true", "90d")
    add("net_amount", f"sum(if({CREDIT}, minor, -minor))", "true", *list(DAYS)[1:])
    add("credit_max", "max(minor)", CREDIT, "90d", "365d")
    add("debit_max", "max(minor)", DEBIT, "90d", "365d")
    add("active_days", "count(distinct day)", "true", "30d")
    add("active_months", months, "true", "365d")
    add("customer_txn_count", "count(*)", INITIATED, "30d", "90d", "365d")
    add("customer_txn_amount", money, INITIATED, "30d", "90d", "365d")
    add("pension_count", "count(*)", "type = 'pension'", "90d", "365d")
    add("pension_amount", money, "type = 'pension'", "90d", "365d")
    add("interest_amount", money, f"type = 'interest' and {CREDIT}", "90d", "365d")
    add("credit_months", months, f"type in ('pension', 'transfer_in') and {CREDIT}", "180d")
    add("cash_amount", money, "type in ('cash_withdrawal', 'card_withdrawal')", "30d", "90d", "365d")
    add("fee_count", "count(*)", "type = 'fee'", "90d")
    for kind in ("cash_deposit", "cash_withdrawal", "card_withdrawal", "transfer_in", "transfer_out"):
        add(f"txn_count_type_{kind}", "count(*)", f"type = '{kind}'", "90d")
    for kind in ("cash_deposit", "transfer_in"):
        add(f"credit_amount_type_{kind}", money, f"type = '{kind}' and {CREDIT}", "90d", "365d")
    for kind in ("cash_withdrawal", "card_withdrawal", "transfer_out", "fee", "loan_payment"):
        add(f"debit_amount_type_{kind}", money, f"type = '{kind}' and {DEBIT}", "90d")
    for category in ("household", "insurance", "grocery"):
        add(f"debit_amount_category_{category}", money, f"category = '{category}' and {DEBIT}", "90d", "365d")
    for channel in ("branch", "atm", "mobile"):
        add(f"txn_count_channel_{channel}", "count(*)", f"channel = '{channel}'", "90d", "365d")
    return found | quotients(found)


def quotients(flows: dict[str, str]) -> dict[str, str]:
    """Lists of DuckDB's aggregates, out of which `comparable` makes the features of other features."""

    def listed(*names: str) -> str:
        return f"[{', '.join(flows[name] for name in names)}]"

    found: dict[str, str] = {"customer_txn_recent": listed("customer_txn_count_30d", "customer_txn_count_90d")}
    for window in ("90d", "365d"):
        found[f"customer_txn_avg_{window}"] = listed(f"customer_txn_amount_{window}", f"customer_txn_count_{window}")
    for window in ("30d", "90d", "365d"):
        found[f"debit_to_credit_{window}"] = listed(f"debit_amount_{window}", f"credit_amount_{window}")
    for channel in ("branch", "atm"):
        found[f"txn_share_channel_{channel}_90d"] = listed(f"txn_count_channel_{channel}_90d", "txn_count_90d")
    found["channel_entropy_365d"] = listed("txn_count_channel_branch_365d", "txn_count_channel_atm_365d")
    spent = [f"debit_amount_category_{category}_365d" for category in ("household", "insurance")]
    found["spending_entropy_365d"] = listed(*spent)
    months = ("1993-10", "1993-11", "1993-12", "1994-01", "1994-02", "1994-03")
    for name, condition in (("credit", CREDIT), ("debit", DEBIT)):
        sums = [f"sum(minor) filter ({condition} and strftime(day, '%Y-%m') = '{month}')" for month in months]
        found[f"{name}_trend_6cm"] = f"[{', '.join(sums)}]"
    return found


def standings() -> dict[str, str]:
    """DuckDB's aggregate for each feature of daily balances; averages as pairs of sum and days."""
    recent = f"filter (day > date '{D}' - 90)"
    averages = {
        f"balance_avg_{window}": "[{}, {}]".format(
            *(f"{total} filter (day > date '{D}' - {days})" for total in ("sum(minor)", "count(*)"))
        )
        for window, days in AVERAGED.items()
    }
    return averages | {
        "balance_last": f"sum(minor) filter (day = date '{D}')",
        "balance_min_90d": f"min(minor) {recent}",
        "balance_max_90d": f"max(minor) {recent}",
        "overdrawn_days_90d": f"count(*) filter (minor < 0 and day > date '{D}' - 90)",
        "tenure_days": f"date '{D}' - min(day)",
        "account_count": "1",
    }


def facts() -> dict[str, str]:
    """DuckDB's expressions for what is known of the customer."""
    granted = f"from loan where loan.account_id = owner.account_id and loan.date <= '{D:%y%m%d}'"
    issued = f"from card join disp using (disp_id) where client_id = person.customer_id and issued[:6] <= '{D:%y%m%d}'"
    used = f"from disp join account using (account_id) where type = 'DISPONENT' and account.date <= '{D:%y%m%d}'"
    return {
        "relationship": "relationship",
        "age_years": f"date_diff('year', born, date '{D}') - if(strftime(born, '%m%d') > '{D:%m%d}', 1, 0)",
        "gender": "gender",
        "region_id": "region",
        "loan_count_life": f"(select count(*) {granted})",
        "loan_amount": f"(select coalesce(sum(amount::decimal(18,2)) * 100, 0)::bigint {granted})",
        "card_count": f"(select count(*) {issued})",
        "account_count_role_user": f"(select count(*) {used} and client_id = person.customer_id)",
        "shared_account_count": f"(select count(*) {used} and disp.account_id = owner.account_id)",
    }


def by_duckdb(con: duckdb.DuckDBPyConnection) -> dict[str, dict[str, Any]]:
    """Everybody with a relationship to the bank by D: feature to value."""

    def listed(expressions: dict[str, str]) -> str:
        return ", ".join(f"{sql} as {name}" for name, sql in expressions.items())

    rows = con.execute(f"""
        with flow as (select account_id, {listed(flows())} from booking group by account_id),
        stand as (select account_id, {listed(standings())} from daily group by account_id)
        select person.customer_id, {listed(facts())}, stand.* exclude account_id, flow.* exclude account_id
        from person left join owner on owner.customer_id = person.customer_id and owner.opened <= date '{D}'
        left join stand using (account_id) left join flow using (account_id)""")
    names = [column[0] for column in rows.description]
    found = (dict(zip(names, row, strict=True)) for row in rows.fetchall())
    return {row.pop("customer_id"): {name: comparable(name, value) for name, value in row.items()} for row in found}


def comparable(name: str, value: Any) -> Any:
    """Hundredths as money, what is listed as what it makes, nothing happened as 0."""
    if value is None and name.startswith("balance"):
        return Decimal("0.00")  # owns nothing
    if any(part in name for part in LISTED):
        return out_of([int(part or 0) for part in value or [0, 0]], name)
    if value is None and not name.startswith(("days_since", "tenure_days")):
        value = 0
    money = name.startswith("balance") or any(part in name for part in ("amount", "_max_"))
    return Decimal(int(value)).scaleb(-2) if money else value


LISTED = ("_avg_", "_trend_", "_entropy_", "_to_", "_share_", "_recent")


def out_of(parts: list[int], name: str) -> Decimal | None:
    """A feature out of the whole numbers that it is made of."""
    if "_trend_" in name:
        slope = np.polyfit(range(6), parts, 1)[0] if any(parts) else 0.0
        return rounded(slope / 100, 2)
    if "_entropy_" in name:
        shares = [part / sum(parts) for part in parts if part]
        return rounded(-sum(share * math.log(share) for share in shares), 6) if shares else None
    if not parts[1]:
        return None
    quotient = Decimal(parts[0]) / parts[1]
    return rounded(quotient / 100, 2) if "_avg_" in name else rounded(quotient, 6)


def rounded(value: Decimal | float, digits: int) -> Decimal:
    return Decimal(value).quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP)


def silver_of(spark: SparkSession, con: duckdb.DuckDBPyConnection) -> dict[str, DataFrame]:
    """The same files in the shape of silver."""

    def table(query: str) -> DataFrame:
        frame = spark.createDataFrame(con.sql(query).to_arrow_table())
        return frame.selectExpr("*", "timestamp'1990-01-01' as valid_from", "cast(null as timestamp) as valid_to")

    day = "strptime({}, '%y%m%d')::date"
    return {
        "customer_daily": daily_bookings(
            table("""select o.customer_id, day as booked_on, direction, b.type, channel, category,
                minor as amount_minor from booking b join owner o using (account_id)""").withColumn(
                "kind_code", F.expr(kind_code(CONTRACT))
            )
        ),
        "balances": table("""select account_id, day as from_day, minor as balance_minor,
            lead(day) over (partition by account_id order by day) - 1 as to_day from closing"""),
        "accounts": table(f"""select account_id, 'current' as kind, {day.format("date")} as opened_on,
            null::date as closed_on from account"""),
        "account_parties": table("""select account_id, client_id as party_id, 'person' as party_kind,
            if(type = 'OWNER', 'owner', 'user') as role from disp"""),
        "customers": table("""select customer_id, born as birth_date, gender, region as region_id,
            null::varchar as residence, null::varchar as occupation, null::varchar as education,
            null::varchar as marital_status, null::int as children, null::decimal(18,2) as declared_income,
            null::varchar as risk_level, null::date as risk_assessed_on, null::boolean as consent_marketing
            from person"""),
        "cards": table(f"""select account_id, client_id as customer_id, card.type, null::decimal(18,2) as credit_limit,
            {day.format("issued[:6]")} as issued_on, null::date as closed_on from card join disp using (disp_id)"""),
        "loans": table(f"""select account_id, {day.format("date")} as granted_on, amount::decimal(18,2) as amount,
            duration::int as months, payments::decimal(18,2) as instalment, status, date '1998-12-31' as status_on
            from loan"""),
    }


def test_every_feature_of_every_customer_is_the_same_to_the_cent(
    spark: SparkSession, bank: duckdb.DuckDBPyConnection, features: FeatureSet
) -> None:
    expected = by_duckdb(bank)
    names = list(next(iter(expected.values())))
    slice_of = customer_features(silver_of(spark, bank), features=features, bookings=CONTRACT, as_of=D).select(
        "customer_id", *names
    )
    found = {row.customer_id: {name: row[name] for name in names} for row in slice_of.collect()}
    # Read off the bank's files: 1,229 owners, and 260 who may use an account that somebody else owns.
    by_role = Counter(row["relationship"] for row in found.values())
    assert (len(found), by_role) == (1489, {"owner": 1229, "user": 260})
    assert len(names) >= 80
    assert found == expected


def test_the_sum_over_customers_is_the_sum_over_accounts(
    spark: SparkSession, bank: duckdb.DuckDBPyConnection, some: Callable[..., FeatureSet]
) -> None:
    last = bank.execute("select sum(minor) from (select arg_max(minor, day) as minor from closing group by account_id)")
    accounts = last.fetchall()[0][0]
    slice_of = customer_features(silver_of(spark, bank), features=some("balance_last"), bookings=CONTRACT, as_of=D)
    assert slice_of.selectExpr("sum(balance_last)").collect()[0][0] == Decimal(int(accounts)).scaleb(-2)
