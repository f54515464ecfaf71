"""Features of card payments: how a customer pays, and how risky a terminal was by what is known by now.

    card_features(payments, customer="card", terminal="shop", at="time", amount="amount", fraud="fraud")

The columns of the Fraud Detection Handbook (ULB and Worldline), by its definitions; see `docs/funds.md`.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType, DateType, NumericType, TimestampNTZType, TimestampType

from portrait.capabilities.funds.policy import FundsPolicy
from portrait.errors import ConfigurationError
from portrait.spark.columns import by_place, place_name, place_of, refuse_present

_DAY = 86_400_000_000  # microseconds
_UNIT = 1_000_000  # amounts are summed in millionths, as whole numbers


def card_features(
    transactions: DataFrame,
    *,
    customer: str,
    terminal: str,
    at: str,
    amount: str,
    fraud: str,
    delay_days: int = 7,
    policy: FundsPolicy | None = None,
) -> DataFrame:
    """The rows, one per payment, with TX_DURING_WEEKEND, TX_DURING_NIGHT and per window of n days

    - CUSTOMER_ID_NB_TX_nDAY_WINDOW, CUSTOMER_ID_AVG_AMOUNT_nDAY_WINDOW: payments of the customer in (t - n days, t],
      this one included, and their mean amount;
    - TERMINAL_ID_NB_TX_nDAY_WINDOW, TERMINAL_ID_RISK_nDAY_WINDOW: payments at the terminal in (t - d - n days,
      t - d days], d = `delay_days`, and the share of frauds among them, 0 where there are none: what happened later is
      not known at t.

    The names are these whatever the parameters are. Payments of the same instant are in each other's windows. Days are
    24 hours. A payment without time has NULL in all of them and is in no window; without customer (terminal) it has
    NULL in the customer's (terminal's) columns. An unknown amount counts as a payment, but not in the mean; an unknown
    fraud is none. Mean amounts are exact up to a millionth of the unit.
    Raises ConfigurationError for absent columns or unsuitable types, and a column of these names that exists.
    """
    if delay_days < 0:
        raise ConfigurationError(f"a delay of {delay_days} days", where="delay_days", remedy="0 or more days")
    settings = (policy or FundsPolicy()).card_features
    place = {
        name: place_of(transactions, column, parameter=name)
        for name, column in {
            "customer": customer,
            "terminal": terminal,
            "at": at,
            "amount": amount,
            "fraud": fraud,
        }.items()
    }
    kinds = {name: transactions.schema.fields[index].dataType for name, index in place.items()}
    for name, suitable in {
        "at": (TimestampType, TimestampNTZType, DateType),
        "amount": (NumericType,),
        "fraud": (NumericType, BooleanType),
    }.items():
        if not isinstance(kinds[name], suitable):
            raise ConfigurationError(
                f"the column is of type {kinds[name].simpleString()}", where=name, remedy="cast it first"
            )
    names = ["TX_DURING_WEEKEND", "TX_DURING_NIGHT"]
    for owner, measure in (("CUSTOMER_ID", "AVG_AMOUNT"), ("TERMINAL_ID", "RISK")):
        for days in settings.windows:
            names += [f"{owner}_NB_TX_{days}DAY_WINDOW", f"{owner}_{measure}_{days}DAY_WINDOW"]
    refuse_present(transactions, names, where="transactions")
    column = {name: F.col(place_name(index)) for name, index in place.items()}
    rows = by_place(transactions).select(
        "*",
        _microseconds(column["at"], wall_clock=isinstance(kinds["at"], TimestampNTZType | DateType)).alias("instant"),
        F.rint(column["amount"].cast("decimal(38,6)") * _UNIT).cast("long").alias("millionths"),
        F.coalesce(column["fraud"].cast("double") > 0, F.lit(False)).cast("long").alias("fraud"),
    )
    timed = F.col("instant").isNotNull()
    of_customer = [
        item
        for days in settings.windows
        for item in _customer_window(column["customer"], days, known=timed & column["customer"].isNotNull())
    ]
    of_terminal = [
        item
        for days in settings.windows
        for item in _terminal_window(
            column["terminal"], days, delay=delay_days, known=timed & column["terminal"].isNotNull()
        )
    ]
    featured = rows.select(
        *[place_name(index) for index in range(len(transactions.columns))],
        F.dayofweek(column["at"]).isin(1, 7).cast("int"),
        (F.hour(column["at"].cast("timestamp_ntz")) <= settings.night_until).cast("int"),
        *of_customer,
        *of_terminal,
    )
    return featured.toDF(*transactions.columns, *names)


def _microseconds(at: Column, *, wall_clock: bool) -> Column:
    """The instant as a whole number; a time without zone is taken as it is, so that summer time moves nothing."""
    if not wall_clock:
        return F.unix_micros(at)
    wall = at.cast("timestamp_ntz")
    seconds = F.hour(wall) * 3600 + F.minute(wall) * 60 + F.date_part(F.lit("SECOND"), wall)  # a decimal, with fraction
    return F.unix_date(wall.cast("date")).cast("long") * _DAY + (seconds * 1_000_000).cast("long")


def _between(key: Column, value: Column, *, after: int, until: int) -> Column:
    """The sum of a whole number over rows of the key in (t - after days, t - until days].

    A difference of two sums from the beginning: Spark keeps these up to date row by row, whereas it computes a frame
    with two moving ends anew for every row.
    """
    ordered = Window.partitionBy(key).orderBy("instant")

    def upto(days: int) -> Column:
        return F.coalesce(F.sum(value).over(ordered.rangeBetween(Window.unboundedPreceding, -days * _DAY)), F.lit(0))

    return upto(until) - upto(after)


def _customer_window(customer: Column, days: int, *, known: Column) -> list[Column]:
    """Number of payments, mean amount."""
    timed = F.col("instant").isNotNull()
    payments = _between(customer, timed.cast("long"), after=days, until=0)
    priced = _between(customer, (timed & F.col("millionths").isNotNull()).cast("long"), after=days, until=0)
    amounts = _between(customer, F.when(timed, F.col("millionths")), after=days, until=0)
    mean = amounts.cast("double") / F.nullif(priced, F.lit(0)).cast("double") / F.lit(float(_UNIT))
    return [F.when(known, payments), F.when(known, mean)]


def _terminal_window(terminal: Column, days: int, *, delay: int, known: Column) -> list[Column]:
    """Number of payments, share of frauds."""
    timed = F.col("instant").isNotNull()
    payments = _between(terminal, timed.cast("long"), after=delay + days, until=delay)
    frauds = _between(terminal, F.when(timed, F.col("fraud")), after=delay + days, until=delay)
    risk = F.coalesce(frauds.cast("double") / F.nullif(payments, F.lit(0)).cast("double"), F.lit(0.0))
    return [F.when(known, payments), F.when(known, risk)]
