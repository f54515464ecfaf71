"""What customers hold: one row a customer and product, and one row a loan with its terms."""

from __future__ import annotations

from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from portrait.sources.synthetic.bank import Bank
from portrait.sources.synthetic.catalogue import product_table

AMOUNT_SPREAD: Final = 0.6  # sigma of the logarithm of held amounts
ENDING_SHARE: Final = 0.04  # holdings given up on some day of the bank's bookings
LATE_SHARE: Final = 0.15  # holdings taken during the bank's bookings
OLDEST_DAYS: Final = 5 * 365  # no holding is older
TERMS: Final = {"consumer_loan": (24, 36, 48, 60, 72), "mortgage": (180, 240, 300, 360)}  # months


def holdings(people: DataFrame, bank: Bank) -> DataFrame:
    """One row a customer and product held at some time. Null: `closed_on` still held, `amount_minor` has no amount.

    Customers of the wrong age, or gone by then, hold nothing; who owes money does not leave.
    """
    draws, key = bank.draws, ("k", F.xxhash64("product_id"))
    start, last, before = (
        F.lit(bank.start),
        F.lit(bank.last_day),
        F.lit(bank.start) - F.expr("interval 1 day"),
    )
    kind, left, joined = F.col("kind"), F.col("left_on"), F.col("joined_on")
    share = F.element_at("held", F.col("group_index") + 1)
    wanted = F.when(kind == "savings", F.col("savings_id").isNotNull()).otherwise(draws.happens(share, "held", *key))
    may = F.col("age").between(F.col("age_from"), F.col("age_to")) & ((kind != "loan") | left.isNull())
    offered = people.crossJoin(F.broadcast(product_table(people.sparkSession))).where(wanted & may)
    late = (joined >= start) | draws.happens(LATE_SHARE, "late", *key)
    bought = F.when(late, draws.day(F.greatest(joined, start), last, "late_on", *key)).otherwise(
        draws.day(F.greatest(joined, F.date_sub(start, OLDEST_DAYS)), F.to_date(before), "opened", *key)
    )
    on_sale = F.least(bought, F.greatest(joined, F.date_add(start, F.col("sold_to_day"))))  # `least` skips null
    # a savings account is opened with the first account
    opened = offered.withColumn("opened_on", F.when(kind == "savings", joined).otherwise(on_sale))
    ended = draws.day(F.greatest("opened_on", start), last, "ended_on", *key)
    gives_up = ~kind.isin("loan", "savings") & draws.happens(ENDING_SHARE, "ends", *key) & (ended > F.col("opened_on"))
    size = F.col("income_minor") * F.col("incomes") * draws.lognormal(AMOUNT_SPREAD, "amount", *key)
    amount = F.greatest(F.round(size / 100) * 100, F.col("least_minor")).cast("bigint")
    held = opened.where(left.isNull() | (F.col("opened_on") < left)).withColumns(
        {
            "holding_id": F.format_string("H%09d-%s", "k", "product_id"),
            "closed_on": F.least(left, F.when(gives_up, ended)),
            "amount_minor": F.when(F.col("incomes") > 0, amount),
        }
    )
    return _with_terms(held, bank).select(
        *("k", "customer_id", "account_id", "income_minor", "joined_on", "left_on", "silent_from"),
        *("holding_id", "product_id", "kind", "opened_on", "closed_on", "amount_minor"),
        *("months", "rate", "instalment_minor", "arrears_on"),
    )


def _with_terms(held: DataFrame, bank: Bank) -> DataFrame:
    """Loans get term, annuity and day of falling into arrears (null: none), and are held until the term ends."""
    draws, key, last = bank.draws, ("k", F.xxhash64("product_id")), F.lit(bank.last_day)

    def term(product: str) -> Column:
        months = TERMS[product]
        return F.element_at(F.array(*map(F.lit, months)), 1 + draws.whole(len(months), "term", *key))

    months = F.when(F.col("product_id") == "mortgage", term("mortgage")).otherwise(term("consumer_loan"))
    termed = held.withColumn("months", F.when(F.col("kind") == "loan", months)).withColumn(
        "closed_on", F.coalesce(F.add_months("opened_on", F.col("months")), "closed_on")
    )
    monthly = F.col("rate") / 12
    annuity = F.col("amount_minor") * monthly / (F.lit(1.0) - F.pow(1 + monthly, -F.col("months")))
    missed = draws.day(F.date_add("opened_on", 60), last, "arrears_on", *key)
    falls = draws.happens(F.col("arrears_share"), "arrears", *key) & (missed < F.least("closed_on", last))
    return termed.withColumns(
        {
            "instalment_minor": F.when(F.col("months").isNotNull(), F.round(annuity).cast("bigint")),
            "arrears_on": F.when(F.col("months").isNotNull() & falls, missed),
        }
    )
