"""What features of bookings are compared with: SQL as anybody would write it, and the two fastest ways in DuckDB."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import duckdb

from portrait.contracts import Contract
from portrait.entities.kinds import place_of
from portrait.features import Feature
from portrait.features.feature import CODED, Conditions
from portrait.features.passes import passes
from portrait.features.windows import Period, last_complete_month, spans

SPARK = {"since": "datediff({}, {})", "bit": "shiftleft(1L, {})"}
DUCKDB = {"since": "({} - {})", "bit": "(1::bigint << ({})::bigint)"}

_BEGINNING = "0001-01-01"
_COMBINED = {"max": "max", "min": "min", "days_since_last": "min", "days_since_first": "max"} | dict.fromkeys(
    ("count_distinct", "distinct_days", "distinct_months", "streak"), "bit_or"
)  # what is not here is added up


def plain_sql(features: Sequence[Feature], as_of: date, source: str, words: dict[str, str]) -> str:
    """One conditional aggregate a feature over text columns. `words`: of the dialect."""
    columns = []
    last = last_complete_month(as_of)
    back = f"({last.year * 12 + last.month} - year(booked_on) * 12 - month(booked_on))"
    for item in features:
        parts = [f"{name} in ({', '.join(repr(value) for value in values)})" for name, values in item.where]
        window = item.period(as_of)
        parts += [f"booked_on >= date '{window.first}'"] if window.first else []
        parts += [f"booked_on <= date '{window.last}'"]
        value = {"signed_amount": "signed_minor", "amount": "amount_minor"}.get(item.of or "", "1")
        value = {"distinct_days": "booked_on", "distinct_months": "trunc_month", "days_since_last": "booked_on"}.get(
            item.aggregate, value
        )
        value = {"streak": words["bit"].format(back), "moment": f"{value} * {back}", "count_distinct": item.of}.get(
            item.aggregate, value
        )
        call = {"min": "min({})", "max": "max({})",
                "distinct_days": "count(distinct {})", "distinct_months": "count(distinct {})",
                "count_distinct": "count(distinct {})",
                "streak": "bit_count(bit_or({0}) & ~(bit_or({0}) + 1))",
                "days_since_last": words["since"].format(f"date '{as_of}'", "max({})"),
               }.get(item.aggregate, "sum({})")  # fmt: skip
        case = f"case when {' and '.join(parts) or 'true'} then {value} end"
        columns.append(f"{call.format(case)} as {item.name}")
    month = "year(booked_on) * 12 + month(booked_on)"
    query = f"select customer_id, {', '.join(columns)} from {source} where booked_on <= date '{as_of}' group by 1"
    return query.replace("trunc_month", month)


def best_sql(
    features: Sequence[Feature],
    as_of: date,
    files: list[str],
    con: duckdb.DuckDBPyConnection,
    *,
    contract: Contract,
    days: int,
) -> dict[str, str]:
    """Over the files of silver.customer_daily, with a table of condition bits by kind_code.

    buckets: each base aggregate once a customer and bucket of age, then added up to windows. passes: ours in DuckDB's
    words, one conditional aggregate a feature in the same passes; `days` is how long the history is.
    """
    wheres = list(dict.fromkeys(item.where for item in features))
    enums = {name: [None, *contract.column(name).enum] for name in ("type", "channel", "category")}
    rows = []
    for (code,) in con.sql(f"select distinct kind_code from read_parquet({files})").fetchall():
        kind = {"direction": ("credit", "debit")[code >> 14], "type": enums["type"][code >> 9 & 31],
                "channel": enums["channel"][code >> 5 & 15], "category": enums["category"][code & 31]}  # fmt: skip
        bits = sum(1 << i for i, w in enumerate(wheres) if all(kind[name] in values for name, values in w))
        rows.append(f"({code}, {bits}, {1 if code >> 14 == 0 else -1})")
    con.sql(f"create or replace table kinds as select * from (values {', '.join(rows)}) k(kind_code, bits, sign)")
    con.sql("create or replace macro shr(number, places) as number >> places")
    tests = {where: f"(bits & {1 << place}) != 0" for place, where in enumerate(wheres)}
    read = (
        "(select customer_id, kind_code, booked_on, bookings, amount_minor, "
        f"date '{as_of}' - booked_on as age from read_parquet({files}) "
        f"where booked_on between date '{{}}' and date '{as_of}') b join kinds using (kind_code)"
    )
    return {
        "buckets": _bucketed(features, as_of, tests, read.format(_BEGINNING)),
        "passes": _passed(features, as_of, tests, read, days),
    }


def _bucketed(features: Sequence[Feature], as_of: date, tests: dict[Conditions, str], read: str) -> str:
    bases = dict.fromkeys((item.where, item.aggregate, item.of) for item in features)
    names = {base: f"base_{place}" for place, base in enumerate(bases)}
    buckets = spans({Period(None, as_of), *(item.period(as_of) for item in features)})[-2::-1]
    bucket = " ".join(f"when booked_on >= date '{span.first}' then {place}" for place, span in enumerate(buckets[:-1]))
    grouped = [
        f"{_added_up(aggregate, of, tests[where], as_of)} as {name}" for (where, aggregate, of), name in names.items()
    ]
    rolled = []
    for item in features:
        base, window = names[item.where, item.aggregate, item.of], item.period(as_of)
        inside = [place for place, span in enumerate(buckets) if span.within(window)]
        case = f"if(bucket between {inside[0]} and {inside[-1]}, {base}, null)" if len(inside) < len(buckets) else base
        call = _COMBINED.get(item.aggregate, "sum")
        value = f"{call}({case})" + ("::bigint" if call == "sum" else "")
        rolled.append(f"{_ones(item, value)} as {item.name}")
    return (
        f"with g as (select customer_id, case {bucket} else {len(buckets) - 1} end as bucket, {', '.join(grouped)}"
        f" from {read} group by 1, 2) select customer_id, {', '.join(rolled)} from g group by 1"
    )


def _passed(features: Sequence[Feature], as_of: date, tests: dict[Conditions, str], read: str, days: int) -> str:
    query = ""
    for place, one in enumerate(passes(features, as_of=as_of, days=days)):
        columns = []
        for item in one.features:
            window = item.period(as_of)
            test = f"{tests[item.where]} and booked_on <= date '{window.last}'"
            test += f" and booked_on >= date '{window.first}'" if window.first else ""
            columns.append(f"{_ones(item, _added_up(item.aggregate, item.of, test, as_of))} as {item.name}")
        rows = read.format(one.first or _BEGINNING)
        grouped = f"(select customer_id, {', '.join(columns)} from {rows} group by 1) p{place}"
        query += f" left join {grouped} using (customer_id)" if query else f"from {grouped}"
    return f"select * {query}"


def _added_up(aggregate: str, of: str | None, test: str, as_of: date) -> str:
    """SQL of an aggregate over the bookings that meet `test`."""
    amount = {"signed_amount": "amount_minor * sign * bookings", None: "bookings"}.get(of, "amount_minor * bookings")
    months = f"({as_of.year * 12 + as_of.month} - year(booked_on) * 12 - month(booked_on))"
    back = f"({months} - {0 if last_complete_month(as_of) == as_of else 1})"
    match aggregate:
        case "min" | "max":
            return f"{aggregate}(if({test}, amount_minor, {'null' if aggregate == 'min' else '0'}))"
        case "days_since_last" | "days_since_first":
            return f"{_COMBINED[aggregate]}(if({test}, age, null))"
        case "count_distinct":
            bit = place_of(of or "").replace("shiftright", "shr") if of in CODED else "null"
            return f"bit_or(if({test}, 1::bigint << {bit}, 0))"
        case "distinct_days" | "distinct_months" | "streak":
            place = {"distinct_days": "age", "distinct_months": months, "streak": back}[aggregate]
            # What is older than 62 days or months, or of the month that is not over, is in no such window.
            return f"bit_or(if({test}, 1::bigint << greatest(0, least({place}, 62))::bigint, 0))"
        case "moment":
            return f"sum(if({test}, {amount} * {back}, 0))::bigint"
        case _:
            return f"sum(if({test}, {amount}, 0))::bigint"


def _ones(item: Feature, value: str) -> str:
    """How many ones a set of bits has; of a streak, with how many it begins."""
    match item.aggregate:
        case "streak":
            return f"bit_count({value} & ~({value} + 1))"
        case "count_distinct":  # the bit of number 0 stands for null
            return f"bit_count({value} & -2)"
        case "distinct_days" | "distinct_months":
            return f"bit_count({value})"
        case _:
            return value
