"""Closing balances of accounts, day by day, out of the balances that the bank reports after each booking.

The order of bookings within a day is unknown, so the chain is checked from day to day: the closing balance is that of
the day before plus the day's movements, where the day reports it; else the reported balance nearest to it.

Seen from the sum of all movements since the first booking, the closing balance is that sum plus an offset (what was on
the account before), and the offset changes exactly where the chain breaks. Accounts whose first offset holds on every
day need nothing but window sums; only those with a break are folded, day by day.

No closing balance depends on a later day: balances up to a date are the same whether or not later bookings are known.
Nor does one depend on more of the past than the closing balance before it. So a run that finds changed bookings goes on
from the balance before an account's first changed day, and reads no older booking: of most accounts, those of one day.
"""

from __future__ import annotations

from datetime import date, timedelta

from pyspark.sql import DataFrame, Window, WindowSpec
from pyspark.sql import functions as F

from portrait.entities.money import null_unless_it_fits, to_amount, to_minor, unless_it_overflows
from portrait.entities.reconciliation import ReconciliationPolicy, differences
from portrait.lake import Lake

_BALANCES, _DIFFERENCES, _TRANSACTIONS = "silver.balances", "ops.reconciliation", "silver.transactions"
_ADDED = ("insert", "update_postimage")
_BIGINT, _WIDE = "bigint", "decimal(38,0)"  # of minor units; the second holds whatever bookings add up to
_BEGINNING = date(1000, 1, 1)  # Spark takes no literal of an earlier one
_LINK = ("account_id", "booked_on", "signed_minor", "balance_after")  # all that a chain is made of

# The member of an array that is nearest to a value, the smaller of two equally near. {values}, {value}: SQL.
_NEAREST = "array_min(transform({values}, x -> struct(abs(x - {value}) as distance, x as value))).value"

# Balances with which a chain of bookings can end: one more booking leads to them than starts from them.
_ENDS = """filter(reported, r ->
    size(filter(links, link -> link.after = r)) - size(filter(links, link -> link.before = r)) = 1)"""

# The offset of the first day. Its bookings alone decide, so that later data never change it.
_OPENING = f"""case
    when size(reported) = 0 then 0L
    when size({_ENDS}) = 1 then {_ENDS}[0] - movement
    else {_NEAREST.format(values="reported", value="movement")} - movement
end"""

# Carries the offset through the days of an account; a day that does not report it is a step to the nearest one.
_FOLD = """aggregate(days,
    struct(days[0].opening as offset,
           cast(array() as array<struct<day: date, before: {number}, after: {number}>>) as steps),
    (state, d) -> if(size(d.offsets) = 0 or array_contains(d.offsets, state.offset), state, struct(
        {nearest} as offset,
        array_append(state.steps, struct(d.day as day, state.offset as before,
            {nearest} as after)) as steps)),
    state -> state.steps)"""


def bring_up_to_date(lake: Lake, *, policy: ReconciliationPolicy) -> None:
    """Write silver.balances and ops.reconciliation: all of them, or what follows from changes of silver.transactions.

    What is written depends on silver.transactions alone, however often it is done. So one note suffices, that of the
    table written last: a run that died between the two finds the first as it would write it, and goes on.
    """
    transactions = lake.read(_TRANSACTIONS)  # before its version is asked for: opening a table may alter it
    version = lake.version(_TRANSACTIONS)
    done = lake.note(_BALANCES) if lake.completed(_BALANCES) else {}
    changes = lake.changes(_TRANSACTIONS, after=done["transactions"], until=version) if done else None
    note = {"transactions": version}
    if changes is None:
        unless_it_overflows(
            lambda exact: _begin(lake, transactions=transactions, policy=policy, note=note, number=_number(exact))
        )
    elif done["transactions"] != version:
        since = _from_the_beginning(first_changed_days(changes), lake.read(_BALANCES)).persist()
        unless_it_overflows(
            lambda exact: _go_on(
                lake, since, transactions=transactions, policy=policy, note=note, number=_number(exact)
            )
        )


def _number(exact: bool) -> str:
    return _WIDE if exact else _BIGINT


def _begin(
    lake: Lake, *, transactions: DataFrame, policy: ReconciliationPolicy, note: dict[str, int], number: str
) -> None:
    closings = close_days(measure_days(transactions, number=number).persist(), number=number).persist()
    lake.overwrite(_DIFFERENCES, differences(closings, policy=policy))
    # Runs that end at about the same time lie together: a window, and what changes now, is in few files.
    runs = balance_runs(closings).repartitionByRange("to_day", "account_id")
    lake.overwrite(_BALANCES, runs.sortWithinPartitions("to_day", "account_id"), note=note)


def _go_on(
    lake: Lake,
    since: DataFrame,
    *,
    transactions: DataFrame,
    policy: ReconciliationPolicy,
    note: dict[str, int],
    number: str,
) -> None:
    first = since.agg(F.min("first_day").alias("day")).collect()[0]["day"]
    if first is None:
        lake.append(_BALANCES, lake.read(_BALANCES).limit(0), note=note)
        return
    runs = runs_since(lake.read(_BALANCES), since=since, first=first).persist()
    bookings = bookings_since(transactions, since=since, runs=runs, first=first)
    closings = close_days(measure_days(bookings, number=number).persist(), number=number).persist()
    theirs = lake.read(_DIFFERENCES).where(F.col("day") >= F.lit(first)).join(since, on="account_id", how="inner")
    noted = theirs.where("day >= first_day").drop("first_day")
    _replace(lake, _DIFFERENCES, noted, differences(closings, policy=policy), ended="day")
    _replace(lake, _BALANCES, runs.drop("first_day"), go_on(closings, runs=runs), ended="to_day", note=note)


def _replace(
    lake: Lake, table: str, old: DataFrame, new: DataFrame, *, ended: str, note: dict[str, int] | None = None
) -> None:
    """Make `new` of the rows `old`, in one commit; none when they are equal and there is nothing to note.

    `ended`: the column by which files are found that hold one of `old`; files are written anew only where rows differ.
    """
    contract = lake.catalogue.table(table)
    old, new = old.select(*contract.column_names), new.select(*contract.column_names).persist()
    stale, fresh = old.subtract(new).persist(), new.subtract(old).persist()
    found = stale.agg(F.count("*").alias("rows"), F.min(ended).alias("least")).collect()[0]
    if not found["rows"] and fresh.isEmpty():
        if note:
            lake.append(table, fresh, note=note)
        return
    gone = stale.join(fresh, on=contract.key, how="left_anti").select(*contract.key)
    among = f"t.{ended} is null" + (f" or t.{ended} >= date'{found['least']}'" if found["least"] else "")
    lake.merge(table, fresh, replacing=None if gone.isEmpty() else gone, among=f"({among})", note=note)


def first_changed_days(changes: DataFrame) -> DataFrame:
    """Accounts of which a day changed, with the first such day: account_id, first_day.

    `changes`: those of silver.transactions (its Delta change feed). What does not change a balance cancels out.
    """
    sign = F.when(F.col("_change_type").isin(*_ADDED), 1).otherwise(-1)
    counted = changes.groupBy(*_LINK).agg(F.sum(sign).alias("more")).where("more <> 0")
    return counted.groupBy("account_id").agg(F.min("booked_on").alias("first_day"))


def _from_the_beginning(since: DataFrame, balances: DataFrame) -> DataFrame:
    """`since`, of an account of which a balance is unknown from before its first booking."""
    lost = balances.where("balance_minor is null").select("account_id", F.lit(_BEGINNING).alias("beginning")).distinct()
    days = since.join(F.broadcast(lost), on="account_id", how="left")
    return days.select("account_id", F.coalesce("beginning", "first_day").alias("first_day"))


def runs_since(balances: DataFrame, *, since: DataFrame, first: date) -> DataFrame:
    """Rows of silver.balances that may change, with first_day: those that reach the day before it, or begin later.

    `since`: account_id, first_day; `first`: the least of these days, so that files of older runs are passed over.
    """
    end, day_before = F.col("to_day"), F.date_sub("first_day", 1)
    reaching = balances.where(end.isNull() | (end >= F.lit(first - timedelta(days=1))))
    return reaching.join(since, on="account_id", how="inner").where(end.isNull() | (end >= day_before))


def bookings_since(transactions: DataFrame, *, since: DataFrame, runs: DataFrame, first: date) -> DataFrame:
    """Bookings from the first changed day of their account on, with the balance that they follow: carried_minor.

    `runs`: see `runs_since`. carried_minor is null where nothing was booked before.
    """
    carried = _carried(runs).select("account_id", F.col("balance_minor").alias("carried_minor"))
    accounts = since.join(carried, on="account_id", how="left")
    reaching = transactions.where(F.col("booked_on") >= F.lit(first)).select(*_LINK)
    return reaching.join(accounts, on="account_id", how="inner").where("booked_on >= first_day").drop("first_day")


def go_on(closings: DataFrame, *, runs: DataFrame) -> DataFrame:
    """What becomes of `runs` (see `runs_since`), given the closing balances from the first changed days on."""
    before = F.col("balance_minor")
    standing = _carried(runs).select(
        "account_id", F.col("from_day").alias("day"), before.alias("expected_minor"), before.alias("closing_minor")
    )
    return balance_runs(standing.unionByName(closings))


def _carried(runs: DataFrame) -> DataFrame:
    """Of each account the run of the day before the first changed one."""
    return runs.where("from_day < first_day")


def measure_days(bookings: DataFrame, *, number: str = _BIGINT) -> DataFrame:
    """Days of accounts: one row per account and day with bookings, amounts in minor units, of SQL type `number`.

    `bookings`: every silver transaction of the accounts in question, or those of `bookings_since`, with the balance
    that they follow. `moved`: movements since the first of them, the day's included. `reported`: balances that the day
    reports, an empty array if none; a booking without balance_after counts as movement only. `opening`: what must be
    added to `moved`: the balance that they follow. Where that is unknown, so much that the first day closes with the
    balance at which its bookings, linked by the balances before and after them, end; if that is not one balance, with
    the reported one nearest to the movements, as if the account had opened with nothing; 0 if none is reported.
    `closes`: whether every day of the account meets `moved` + `opening`.
    """
    follows = "carried_minor" in bookings.columns
    links = bookings.select(
        "account_id",
        F.col("booked_on").alias("day"),
        F.col("signed_minor").cast(number).alias("signed_minor"),
        to_minor(F.col("balance_after")).cast(number).alias("after"),
        (F.col("carried_minor") if follows else F.lit(None)).cast(number).alias("carried"),
    ).withColumn("first_day", F.when(F.col("carried").isNull(), F.min("day").over(_so_far())))
    link = F.struct((F.col("after") - F.col("signed_minor")).alias("before"), F.col("after").alias("after"))
    is_first = F.col("day") == F.col("first_day")
    days = links.groupBy("account_id", "day").agg(
        F.sum("signed_minor").alias("movement"),
        F.collect_set("after").alias("reported"),
        F.collect_list(F.when(is_first & F.col("after").isNotNull(), link)).alias("links"),
        F.min("first_day").alias("first_day"),
        F.min("carried").alias("carried"),
    )
    opening = F.when(is_first, F.expr(_OPENING)).otherwise(F.col("carried"))
    return (
        days.withColumn("moved", F.sum("movement").over(_so_far()))
        .withColumn("opening", F.first(opening, ignorenulls=True).over(_so_far()))
        .withColumn("met", F.expr("size(reported) = 0 or array_contains(reported, moved + opening)"))
        .withColumn("closes", F.min("met").over(_whole_account()))
        .select("account_id", "day", "moved", "reported", "opening", "closes")
    )


def close_days(days: DataFrame, *, number: str = _BIGINT) -> DataFrame:
    """Closing balances of `measure_days`: one row per account and day with bookings, amounts in minor units.

    `expected_minor`: closing balance of the day before plus the day's movements; `closing_minor` differs from it
    where the day reports other balances only. A day that reports none closes with the expected one. On the first day
    of an account nothing is expected (expected = closing). `days` is read twice: keep it where it is costly.
    """
    steps = _steps(days.where(~F.col("closes")), number=number)
    offset = F.coalesce(F.last("after", ignorenulls=True).over(_so_far()), F.col("opening"))
    return (
        days.join(steps, on=["account_id", "day"], how="left")
        .withColumn("offset", offset)
        .select(
            "account_id",
            "day",
            (F.col("moved") + F.coalesce(F.col("before"), F.col("offset"))).alias("expected_minor"),
            (F.col("moved") + F.col("offset")).alias("closing_minor"),
        )
    )


def balance_runs(closings: DataFrame) -> DataFrame:
    """silver.balances of `close_days`: one row per account and stretch of days that close with the same balance.

    `to_day` is the day before the next balance, null for the last one. Days before the first booking have no row.
    A balance that DECIMAL(18,2) cannot hold is NULL.
    """
    # A struct, so that an unknown balance differs from none before it.
    standing = F.struct(null_unless_it_fits(F.col("closing_minor")).cast("bigint").alias("minor"))
    return (
        closings.withColumn("standing", standing)
        .withColumn("previous", F.lag("standing").over(_by_day()))
        .where(~F.col("standing").eqNullSafe(F.col("previous")))
        .withColumn("to_day", F.date_sub(F.lead("day").over(_by_day()), 1))
        .select(
            "account_id",
            F.col("day").alias("from_day"),
            "to_day",
            to_amount(F.col("standing.minor")).alias("balance"),
            F.col("standing.minor").alias("balance_minor"),
            F.col("to_day").isNull().alias("is_current"),
        )
    )


def _steps(days: DataFrame, *, number: str) -> DataFrame:
    """The breaks of accounts: account_id, day, the offset `before` and `after` it."""
    offsets = F.expr("transform(reported, r -> r - moved)")
    accounts = days.groupBy("account_id").agg(
        F.sort_array(F.collect_list(F.struct("day", "opening", offsets.alias("offsets")))).alias("days")
    )
    fold = _FOLD.format(number=number, nearest=_NEAREST.format(values="d.offsets", value="state.offset"))
    return accounts.select("account_id", F.expr(f"inline({fold})"))


def _by_day() -> WindowSpec:
    return Window.partitionBy("account_id").orderBy("day")


def _so_far() -> WindowSpec:
    return _by_day().rowsBetween(Window.unboundedPreceding, Window.currentRow)


def _whole_account() -> WindowSpec:
    return Window.partitionBy("account_id").rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
