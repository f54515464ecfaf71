"""What customers hold: one row per customer and product, and one row per loan with its terms."""

from __future__ import annotations

from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from portrait.sources.synthetic.bank import Bank
from portrait.sources.synthetic.catalogue import PRODUCTS, product_columns, product_table
from portrait.sources.synthetic.plan import by_group

AMOUNT_SPREAD: Final = 0.6  # sigma of the logarithm of held amounts
ENDING_SHARE: Final = 0.04  # holdings given up on some day of the bank's bookings
LATE_SHARE: Final = 0.15  # holdings taken during the bank's bookings
SLOW_SHARE: Final = 0.85  # of the loans that fall into arrears: paid late for so many days before
SLOW_DAYS: Final = 150
SLOW_GOOD_SHARE: Final = 0.03  # of the others: paid late for so many days from some day on, and no more
SLOW_GOOD_DAYS: Final = 60
OLDEST_DAYS: Final = 5 * 365  # no holding is older
TERMS: Final = {"consumer_loan": (24, 36, 48, 60, 72), "mortgage": (180, 240, 300, 360)}  # months
# The products that are paid for each month, in the order of their ids.
OWED: Final = tuple(
    sorted((product for product in PRODUCTS if product.kind in ("insurance", "loan")), key=lambda p: p.product_id)
)


def holdings(people: DataFrame, bank: Bank) -> DataFrame:
    """One row per customer and product held at some time. Null: `closed_on` still held, `amount_minor` has no amount.

    Customers of the wrong age, or gone by then, hold nothing; who owes money does not leave; who has no card on the
    first day takes a debit card at their own rate, and everybody else has one from before.
    """
    offered = people.crossJoin(F.broadcast(product_table(people.sparkSession)))
    return (
        _with_terms(_opened(offered, bank), bank)
        .where("holds")
        .withColumn("holding_id", F.format_string("H%09d-%s", "k", "product_id"))
        .select(
            *("k", "customer_id", "account_id", "income_minor", "joined_on", "left_on", "silent_from"),
            *("holding_id", "product_id", "kind", "opened_on", "closed_on", "amount_minor"),
            *("months", "rate", "instalment_minor", "arrears_on", "slow_from", "slow_until"),
        )
    )


def with_owed(people: DataFrame, bank: Bank) -> DataFrame:
    """People with a struct `owed_0` .. for each product of OWED: minor, opened_on, stops_on. Null: not held."""
    kept = list(people.columns)
    rows = people
    for index, product in enumerate(OWED):
        held = _with_terms(_opened(rows.withColumns(product_columns(product)), bank), bank)
        owed = F.struct(
            (F.col("instalment_minor") if product.kind == "loan" else F.col("amount_minor")).alias("minor"),
            "opened_on",
            F.least("closed_on", "arrears_on").alias("stops_on"),  # `least` skips null
            "slow_from",
            "slow_until",
        )
        kept.append(f"owed_{index}")
        rows = held.withColumn(kept[-1], F.when(F.col("holds"), owed)).select(*kept)
    return rows


def _opened(offered: DataFrame, bank: Bank) -> DataFrame:
    """With `holds`, the days of opening and giving up, and the amount, from the columns of customer and product."""
    draws, key = bank.draws, ("k", F.xxhash64("product_id"))
    start, last = F.lit(bank.start), F.lit(bank.last_day)
    kind, left, joined = F.col("kind"), F.col("left_on"), F.col("joined_on")
    is_card, first_card = kind == "card", F.col("product_id") == "debit_card"
    share = F.element_at("held", F.col("group_index") + 1)
    wanted = (
        F.when(kind == "savings", F.col("savings_id").isNotNull())
        .when(is_card & F.col("cardless"), first_card & F.col("first_card_on").isNotNull())
        .otherwise(draws.happens(share, "held", *key) | first_card)
    )
    may = (first_card | F.col("age").between(F.col("age_from"), F.col("age_to"))) & ((kind != "loan") | left.isNull())
    late = ((joined >= start) | draws.happens(LATE_SHARE, "late", *key)) & ~is_card
    bought = F.when(late, draws.day(F.greatest(joined, start), last, "late_on", *key)).otherwise(
        draws.day(F.greatest(joined, F.date_sub(start, OLDEST_DAYS)), F.date_sub(start, 1), "opened", *key)
    )
    on_sale = F.least(bought, F.greatest(joined, F.date_add(start, F.col("sold_to_day"))))  # `least` skips null
    # a savings account is opened with the first account
    opened_on = (
        F.when(kind == "savings", joined).when(is_card & F.col("cardless"), F.col("first_card_on")).otherwise(on_sale)
    )
    size = F.col("income_minor") * F.col("incomes") * draws.lognormal(AMOUNT_SPREAD, "amount", *key)
    amount = F.greatest(F.round(size / 100) * 100, F.col("least_minor")).cast("bigint")
    return (
        offered.withColumn("opened_on", opened_on)
        .withColumn("ended_on", draws.day(F.greatest("opened_on", start), last, "ended_on", *key))
        .withColumns(
            {
                "holds": wanted & may & (left.isNull() | (F.col("opened_on") < left)),
                "closed_on": F.least(left, _given_up(bank)),
                "amount_minor": F.when(F.col("incomes") > 0, amount),
            }
        )
    )


def _given_up(bank: Bank) -> Column:
    """The day on which a holding is given up; nobody gives up a loan, an account, or the only card."""
    ends = bank.draws.happens(ENDING_SHARE, "ends", "k", F.xxhash64("product_id"))
    may = ~F.col("kind").isin("loan", "savings") & (F.col("product_id") != "debit_card")
    return F.when(may & ends & (F.col("ended_on") > F.col("opened_on")), F.col("ended_on"))


def _with_terms(held: DataFrame, bank: Bank) -> DataFrame:
    """Loans get term, annuity and day of falling into arrears (null: none), and are held until the term ends.

    Most of those that fall into arrears are paid late before, on the days from `slow_from` to `slow_until`; so are a
    few others, for a while (null: never).
    """
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
    bad = draws.happens(by_group(lambda group: group.arrears), "arrears", *key)
    falls = bad & (missed < F.least("closed_on", last))
    return (
        termed.withColumns(
            {
                "instalment_minor": F.when(F.col("months").isNotNull(), F.round(annuity).cast("bigint")),
                "arrears_on": F.when(F.col("months").isNotNull() & falls, missed),
                "slow_on": draws.day(F.lit(bank.start), last, "slow_on", *key),
            }
        )
        .withColumns(
            {
                "slow_from": F.when(
                    F.col("arrears_on").isNotNull(),
                    F.when(draws.happens(SLOW_SHARE, "slow", *key), F.date_sub("arrears_on", SLOW_DAYS)),
                ).when(
                    F.col("months").isNotNull() & draws.happens(SLOW_GOOD_SHARE, "slow good", *key), F.col("slow_on")
                ),
                "slow_until": F.coalesce("arrears_on", F.date_add("slow_on", SLOW_GOOD_DAYS)),
            }
        )
        .drop("slow_on")
    )
