"""The change records of the bank: one frame per feed, columns as in `FEED_COLUMNS`, every change of the whole period.

A later record of a key repeats what did not change. What the bank could not know yet is in no earlier record.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from portrait.sources.feeds import FEED_COLUMNS
from portrait.sources.synthetic import plan
from portrait.sources.synthetic.bank import FIRST_NAMES, LAST_NAMES, Bank
from portrait.sources.synthetic.catalogue import URBAN_REGIONS
from portrait.sources.synthetic.draws import Draws
from portrait.sources.synthetic.plan import by_group


def change_records(people: DataFrame, held: DataFrame, bank: Bank) -> dict[str, DataFrame]:
    """The change feeds by name. `held` is `possessions.holdings(people)`."""
    return {
        "customers": customers(people, bank),
        "accounts": accounts(people),
        "account_parties": account_parties(people, bank),
        "cards": cards(held),
        "loans": loans(held, bank),
        "standing_orders": standing_orders(people, held, bank),
        "holdings": holdings(held),
    }


def money(minor: Column) -> Column:
    """Cents as an amount with two decimals."""
    return (minor.cast("decimal(18,0)") / F.lit(100).cast("decimal(3,0)")).cast("decimal(18,2)")


def customers(people: DataFrame, bank: Bank) -> DataFrame:
    """One record when a customer joins, and one each time their risk is assessed anew or they move."""
    draws, first, last = (
        bank.draws,
        F.greatest(F.date_add("joined_on", 1), F.lit(bank.start)),
        F.lit(bank.last_day),
    )
    stays = F.coalesce("left_on", F.date_add(last, 1))
    reviewed = F.when(
        F.col("assessed_on").isNotNull() & draws.happens(0.75, "reviewed", "k"),
        draws.day(first, last, "reviewed_on", "k"),
    )
    moved = F.when(draws.happens(0.03, "moved", "k"), draws.day(first, last, "moved_on", "k"))
    low, high = by_group(lambda group: group.risk[0]), by_group(lambda group: group.risk[1])
    level = F.when(draws.happens(0.5, "risk", "k"), low).otherwise(high)
    assessed = F.greatest("joined_on", F.date_sub(F.lit(bank.start), draws.whole(600, "assessed_on", "k")))
    known = people.withColumn("assessed_on", F.when(draws.happens(0.75, "assessed", "k"), assessed)).withColumns(
        {
            "risk": level,
            "reviewed_on": F.when(reviewed < stays, reviewed),
            "moved_on": F.when(moved < stays, moved),
        }
    )
    events = ("joined_on", "reviewed_on", "moved_on", "married_on", "child_on", "retired_on")
    days = F.array_distinct(F.array_compact(F.array(*events)))
    versions = known.withColumn("on", F.explode(days))
    was_reviewed, has_moved = F.col("reviewed_on") <= F.col("on"), F.col("moved_on") <= F.col("on")
    shift = draws.whole(3, "risk_shift", "k") - 1
    risk = F.when(was_reviewed, F.greatest(F.lit(1), F.least(F.lit(5), F.col("risk") + shift))).otherwise(F.col("risk"))
    new_region = F.format_string("R%02d", 1 + draws.whole(URBAN_REGIONS, "new_region", "k"))
    return _records(
        "customers",
        versions.withColumn("op", F.when(F.col("on") == F.col("joined_on"), "I").otherwise("U")),
        {
            **_declared(draws),
            "region_id": F.when(has_moved, new_region).otherwise(F.col("region_id")),
            "residence": F.when(has_moved, "urban").otherwise(F.col("residence")),
            "branch_id": F.concat(F.lit("B"), F.col("region_id")),
            "manager_id": F.when(
                F.col("group_name") == "affluent", F.format_string("M%03d", draws.whole(40, "manager", "k"))
            ),
            "employer_id": F.when(
                F.col("salaried") & (F.col("retired_on").isNull() | (F.col("on") < F.col("retired_on"))),
                F.col("employer_id"),
            ),
            "risk_level": F.when(F.col("assessed_on").isNotNull(), F.format_string("C%d", risk)),
            "risk_assessed_on": F.when(was_reviewed, F.col("reviewed_on")).otherwise(F.col("assessed_on")),
        },
    )


def agrees_to_marketing(draws: Draws) -> Column:
    """Whether the customer consents to marketing; who does not may have refused or never been asked."""
    return draws.uniform("consent", "k") < 0.75


def _declared(draws: Draws) -> dict[str, Column]:
    """What customers say of themselves on the day `on`: it leans on the group, and says little for certain."""
    any_job = draws.choice({"employee": 5, "worker": 3, "self_employed": 2, "none": 1}, "any_job", "k")
    asked = draws.uniform("consent", "k")
    family = F.col("family")

    def since(event: str) -> Column:
        return F.coalesce(F.col(event) <= F.col("on"), F.lit(False))

    single = F.when(F.col("age") > 60, "widowed").when(F.col("age") > 35, "divorced").otherwise("single")
    children = F.when(family & (F.col("age") < 60), 1 + draws.whole(3, "children", "k")).otherwise(0)
    job = F.when(draws.happens(0.75, "job", "k"), by_group(lambda group: group.job)).otherwise(any_job)
    income = F.round(F.col("income_minor") * draws.lognormal(0.1, "declared", "k") / 10_000) * 100
    first = F.element_at(F.array(*map(F.lit, FIRST_NAMES)), 1 + draws.whole(len(FIRST_NAMES), "first_name", "k"))
    surname = F.element_at(F.array(*map(F.lit, LAST_NAMES)), 1 + draws.whole(len(LAST_NAMES), "last_name", "k"))
    return {
        "gender": F.when(draws.happens(0.51, "gender", "k"), "F").otherwise("M"),
        "occupation": F.when(since("retired_on"), "pensioner").otherwise(job),
        "education": F.when(
            draws.happens(0.9, "schooled", "k"),
            draws.choice({"basic": 2, "vocational": 4, "secondary": 6, "university": 5}, "education", "k"),
        ),
        "marital_status": F.when(family | since("married_on"), "married").otherwise(single),
        "children": children + since("child_on").cast("int"),
        "declared_income": F.when(draws.happens(0.9, "declares", "k"), income.cast("decimal(18,2)")),
        "consent_marketing": F.when(asked < 0.75, True).when(asked < 0.90, False),
        "consent_channels": F.when(
            asked < 0.75,
            draws.choice({"mobile|sms": 4, "mobile|online|sms": 3, "phone|branch": 2}, "channels", "k"),
        ),
        # a comma inside quotes: readers that split at commas are found out
        "full_name": F.concat(surname, F.lit(", "), first),
        "phone": F.format_string("+00 %09d", draws.whole(1_000_000_000, "phone", "k")),
        "national_id": F.format_string("%010d", F.col("k") * 7 + 1_000_000_007),
    }


def accounts(people: DataFrame) -> DataFrame:
    """A record at the opening of each account, another at its closing. Every customer has a current account."""
    current = F.struct(F.col("account_id").alias("id"), F.lit("current").alias("kind"), F.lit("0.000000").alias("rate"))
    savings = F.struct(F.col("savings_id").alias("id"), F.lit("savings").alias("kind"), F.lit("0.015000").alias("rate"))
    both = F.array_compact(F.array(current, F.when(F.col("savings_id").isNotNull(), savings)))
    opened = people.withColumn("account", F.explode(both)).withColumns(
        {"opened_on": F.col("joined_on"), "closed_on": F.col("left_on")}
    )
    values = {
        "account_id": F.col("account.id"),
        "kind": F.col("account.kind"),
        "currency": F.lit("EUR"),
        "branch_id": F.concat(F.lit("B"), F.col("region_id")),
        "interest_rate": F.col("account.rate"),
    }
    return _records("accounts", _opened_and_closed(opened), values)


def account_parties(people: DataFrame, bank: Bank) -> DataFrame:
    """The owner of each account; some current accounts may be used by the next customer, until that is taken back."""
    draws = bank.draws
    users = people.select(
        (F.col("k") - 1).alias("k"), F.col("customer_id").alias("user"), F.col("joined_on").alias("came")
    )
    joint = people.where(draws.happens(plan.JOINT_SHARE, "joint", "k")).join(users, on="k", how="inner")
    shared = joint.withColumn("shared_on", F.greatest("joined_on", "came")).where(
        F.col("left_on").isNull() | (F.col("shared_on") < F.col("left_on"))
    )
    taken_on = draws.day(F.date_add("shared_on", 1), F.lit(bank.last_day), "taken_on", "k")

    def parties(rows: DataFrame, account: Column, party: str, role: str, op: str, on: Column) -> DataFrame:
        named = (account.alias("account_id"), F.col(party).alias("party_id"), F.lit(role).alias("role"))
        return rows.select("k", *named, F.lit(op).alias("op"), on.alias("on"))

    each = F.explode(F.array_compact(F.array("account_id", "savings_id")))
    owners = parties(people, each, "customer_id", "owner", "I", F.col("joined_on"))
    given = parties(shared, F.col("account_id"), "user", "user", "I", F.col("shared_on"))
    ended = shared.where(draws.happens(0.1, "taken", "k"))
    taken = parties(ended, F.col("account_id"), "user", "user", "D", taken_on)
    return _records("account_parties", owners.unionByName(given).unionByName(taken), {"party_kind": F.lit("person")})


def holdings(held: DataFrame) -> DataFrame:
    """A record when a product is taken, another when it ends. The money of a savings account is in the account."""
    return _records("holdings", _opened_and_closed(held), {"amount": money(F.col("amount_minor"))})


def cards(held: DataFrame) -> DataFrame:
    """A record at the issue of each card, another at its closing; credit cards have a line of two incomes."""
    credit = F.col("product_id").isin("gold_card", "platinum_card")
    values = {
        "card_id": F.concat(F.lit("K"), F.substring("holding_id", 2, 100)),
        "type": F.regexp_replace("product_id", "_card", ""),
        "issued_on": F.col("opened_on"),
        "credit_limit": F.when(credit, money(F.floor(F.col("income_minor") / 5_000) * 10_000)),
    }
    return _records("cards", _opened_and_closed(held.where("kind = 'card'")), values)


def loans(held: DataFrame, bank: Bank) -> DataFrame:
    """A record at the granting (status C), at falling into arrears (D), and at the end of the term (A or B)."""
    owed = held.where("kind = 'loan'")

    def records(rows: DataFrame, op: str, on: str, status: Column) -> DataFrame:
        return rows.withColumns({"op": F.lit(op), "on": F.col(on), "status": status})

    good = F.col("arrears_on").isNull()
    granted = records(owed, "I", "opened_on", F.lit("C"))
    missed = records(owed.where(~good), "U", "arrears_on", F.lit("D"))
    ended = records(
        owed.where(F.col("closed_on") <= F.lit(bank.last_day)),
        "U",
        "closed_on",
        F.when(good, "A").otherwise("B"),
    )
    values = {
        "loan_id": F.concat(F.lit("L"), F.substring("holding_id", 2, 100)),
        "granted_on": F.col("opened_on"),
        "amount": money(F.col("amount_minor")),
        "rate": F.col("rate").cast("decimal(9,6)"),
        "instalment": money(F.col("instalment_minor")),
        "status_on": F.col("on"),
    }
    return _records("loans", granted.unionByName(missed).unionByName(ended), values)


def standing_orders(people: DataFrame, held: DataFrame, bank: Bank) -> DataFrame:
    """A record an order: household payments, insurance premiums, and the instalments of loans."""

    def orders(rows: DataFrame, order_id: Column, minor: str, purpose: Column, on: str) -> DataFrame:
        named = (
            order_id.alias("order_id"),
            F.col(minor).alias("minor"),
            purpose.alias("purpose"),
            F.col(on).alias("on"),
        )
        return rows.select("k", "account_id", F.lit("I").alias("op"), *named)

    renamed = F.concat(F.lit("O"), F.substring("holding_id", 2, 100))
    household = people.where(F.col("household_minor").isNotNull())
    premiums, instalments = held.where("kind = 'insurance'"), held.where("kind = 'loan'")
    all_orders = (
        orders(
            household,
            F.format_string("O%09d-household", "k"),
            "household_minor",
            F.lit("household"),
            "joined_on",
        )
        .unionByName(orders(premiums, renamed, "amount_minor", F.lit("insurance"), "opened_on"))
        .unionByName(orders(instalments, renamed, "instalment_minor", F.lit("loan_payment"), "opened_on"))
    )
    receiver = bank.draws.whole(10_000_000, "receiver", "k", F.xxhash64("purpose"))
    values = {
        "counterparty_bank": F.lit("SYNB"),
        "counterparty_account": F.format_string("H%07d", receiver),
        "amount": money(F.col("minor")),
    }
    return _records("standing_orders", all_orders, values)


def _opened_and_closed(rows: DataFrame) -> DataFrame:
    """Two records for what has ended: at its opening the end was not known."""
    opened = rows.withColumns({"op": F.lit("I"), "on": F.col("opened_on"), "closed_on": F.lit(None).cast("date")})
    closed = rows.where(F.col("closed_on").isNotNull()).withColumns({"op": F.lit("U"), "on": F.col("closed_on")})
    return opened.unionByName(closed)


def _records(feed: str, rows: DataFrame, values: dict[str, Column]) -> DataFrame:
    """`on`, `k`, and the feed's columns: from `values`, else the row's column of that name, else empty."""
    present = {
        **{name: F.col(name) for name in rows.columns},
        "changed_at": F.col("on").cast("timestamp"),
        **values,
    }
    nothing = F.lit(None).cast("string")
    return rows.select("on", "k", *(present.get(name, nothing).alias(name) for name in FEED_COLUMNS[feed]))
